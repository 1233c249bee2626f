//! Name references: once all names are final, fields that name a renamed resource are made to name it by its new name.
//!
//! The table of fields is grouped by referring kind and candidates are looked up by their past name, so that the work is the
//! number of fields looked at, not resources times rows times candidates. It renames nothing itself.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use sluice_yaml::{Node, Value};
use thiserror::Error;

use crate::config::Config;
use crate::fieldspec::{Create, FieldError, FieldSpec};
use crate::id::{Gvk, NOT_A_NAMESPACE};
use crate::resmap::ResMap;
use crate::resource::Resource;

/// Why references could not be settled.
#[derive(Debug, Error)]
#[error("updating name reference in '{path}' field of '{id}'")]
pub(crate) struct ReferenceError {
    path: String,
    id: String,
    source: FieldError,
}

/// Everything about the resources that choosing a candidate needs, taken before any field changes.
struct Candidates<'r> {
    resources: Vec<&'r Resource>,
    by_past_name: HashMap<&'r str, Vec<usize>>,
    by_original_namespace: HashMap<String, Vec<usize>>,
}

struct Referrer<'r> {
    resource: &'r Resource,
    cluster_scoped: bool,
    /// Namespaces of the service accounts that a `RoleBinding` names.
    subject_namespaces: HashSet<String>,
    role: Option<Gvk>,
}

/// Whether every service account that a `RoleBinding` names has a text as its namespace, if it has any: kustomize looks there for what the
/// binding may refer to.
pub(crate) fn check_subjects(resources: &ResMap) -> Result<(), String> {
    let blank = |subject: &Node| {
        subject.get("kind").and_then(Node::as_str) == Some("ServiceAccount")
            && subject.get("namespace").is_some_and(|namespace| namespace.as_str().is_none())
    };
    let bindings = resources.iter().filter(|resource| resource.id.gvk.kind == "RoleBinding");
    for binding in bindings {
        let subjects = binding.node.get("subjects").and_then(Node::as_sequence).unwrap_or_default();
        if subjects.iter().any(blank) {
            let id = crate::error::go_quote(&binding.id.to_string());
            return Err(format!("Invalid Input: namespace is blank for resource {id}\n"));
        }
    }
    Ok(())
}

/// Updates all references.
pub(crate) fn fix_references(resources: &mut ResMap, config: &Config) -> Result<(), ReferenceError> {
    let mut rows: HashMap<&str, Vec<(usize, &Gvk, &FieldSpec)>> = HashMap::new();
    for (order, reference) in config.name_reference.iter().enumerate() {
        for spec in &reference.referrers {
            rows.entry(&spec.gvk.kind).or_default().push((order, &reference.target, spec));
        }
    }
    let changed = {
        let candidates = Candidates::new(resources);
        let mut changed: Vec<(usize, Node)> = Vec::new();
        for (index, resource) in candidates.resources.iter().enumerate() {
            let (original, ..) = resource.original();
            let mut mine: Vec<_> = rows.get(original.kind.as_str()).into_iter().flatten().collect();
            mine.extend(rows.get("").into_iter().flatten());
            mine.sort_by_key(|(order, ..)| *order);
            mine.retain(|(.., spec)| original.is_selected_by(&spec.gvk) && may_have(&resource.node, spec));
            if mine.is_empty() {
                continue;
            }
            let referrer = Referrer::new(resource);
            let mut node = resource.node.clone();
            for (_, target, spec) in mine {
                update(&mut node, &referrer, (target, spec), &candidates)?;
            }
            if node != resource.node {
                changed.push((index, node));
            }
        }
        changed
    };
    for (index, node) in changed {
        resources.edit(index, |resource| resource.node = node);
    }
    Ok(())
}

/// A cheap test that spares copying the many resources that have none of a row's fields.
fn may_have(node: &Node, spec: &FieldSpec) -> bool {
    let first = spec.path.trim_start_matches('/').split('/').next().unwrap_or_default();
    node.get(first).is_some_and(|field| !field.is_null_or_empty())
}

fn update(
    node: &mut Node,
    referrer: &Referrer<'_>,
    (target, spec): (&Gvk, &FieldSpec),
    candidates: &Candidates<'_>,
) -> Result<(), ReferenceError> {
    let id = &referrer.resource.id;
    // The row was chosen by the original kind; the present one may be another.
    let roles = spec.path.ends_with("roleRef/name");
    spec.reach(node, id, Create::Never, &mut |field| {
        if field.is_null() {
            return Ok(());
        }
        match field.as_sequence_mut() {
            Some(items) => items.iter_mut().try_for_each(|item| set(item, referrer, (target, roles), candidates)),
            None => set(field, referrer, (target, roles), candidates),
        }
    })
    .map_err(|source| ReferenceError { path: spec.path.clone(), id: id.to_string(), source })
}

fn set(
    field: &mut Node,
    referrer: &Referrer<'_>,
    (target, roles): (&Gvk, bool),
    candidates: &Candidates<'_>,
) -> Result<(), String> {
    let choice = |name: &str, namespace: Option<&str>| candidates.choose(name, namespace, referrer, (target, roles));
    match &mut field.value {
        Value::Scalar(scalar) => {
            if let Some(chosen) = choice(&scalar.text, None)?
                && chosen.id.name != scalar.text
            {
                field.value = Node::string(&chosen.id.name).value;
            }
            Ok(())
        }
        Value::Mapping(mapping) => {
            let Some(name) = mapping.get("name") else {
                return Err("path config error; no 'name' field in node".to_owned());
            };
            let name = name.text().unwrap_or_default().to_owned();
            let namespace = mapping.get("namespace").map(|node| node.text().unwrap_or_default().to_owned());
            let Some(chosen) = choice(&name, Some(namespace.as_deref().unwrap_or("\0")))? else { return Ok(()) };
            let (new_name, new_namespace) = (&chosen.id.name, &chosen.id.namespace);
            if *new_name == name && new_namespace.is_empty() {
                return Ok(());
            }
            mapping.insert("name", Node::string(new_name));
            if !new_namespace.is_empty() {
                mapping.insert("namespace", Node::string(new_namespace));
            }
            Ok(())
        }
        Value::Sequence(_) => Err("expected to be either a string or a map of string".to_owned()),
    }
}

impl<'r> Referrer<'r> {
    fn new(resource: &'r Resource) -> Self {
        let text = |node: &Node, field: &str| node.get(field).and_then(Node::text).map(str::to_owned);
        let mut subject_namespaces = HashSet::new();
        if resource.id.gvk.kind == "RoleBinding"
            && let Some(subjects) = resource.node.get("subjects").and_then(Node::as_sequence)
        {
            for subject in subjects {
                if text(subject, "kind").as_deref() == Some("ServiceAccount") {
                    subject_namespaces.extend(text(subject, "namespace"));
                }
            }
        }
        let role = resource.node.get("roleRef").and_then(|role| {
            Some(Gvk { group: text(role, "apiGroup")?, kind: text(role, "kind")?, version: String::new() })
        });
        Self { resource, cluster_scoped: resource.id.gvk.is_cluster_scoped(), subject_namespaces, role }
    }

    /// Whether the referrer can see a resource at all.
    fn sees(&self, candidate: &Resource) -> bool {
        self.cluster_scoped
            || candidate.id.gvk.is_cluster_scoped()
            || candidate.id.effective_namespace() == self.resource.id.effective_namespace()
            || self.subject_namespaces.contains(&candidate.id.namespace)
    }

    fn shares_namespace(&self, candidate: &Resource) -> bool {
        self.cluster_scoped
            || candidate.id.gvk.is_cluster_scoped()
            || candidate.id.gvk.kind == "ServiceAccount"
            || candidate.id.effective_namespace() == self.resource.id.effective_namespace()
    }
}

impl<'r> Candidates<'r> {
    fn new(resources: &'r ResMap) -> Self {
        let resources: Vec<&Resource> = resources.iter().collect();
        let mut by_past_name: HashMap<&str, Vec<usize>> = HashMap::new();
        let mut by_original_namespace: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, resource) in resources.iter().enumerate() {
            for past in &resource.past {
                let positions = by_past_name.entry(&past.name).or_default();
                if positions.last() != Some(&index) {
                    positions.push(index);
                }
            }
            by_original_namespace.entry(resource.original().2.to_owned()).or_default().push(index);
        }
        Self { resources, by_past_name, by_original_namespace }
    }

    /// The resource that a reference means: `None` if none does or none was renamed. A namespace of `"\0"` is a map's without one.
    fn choose(
        &self,
        name: &str,
        namespace: Option<&str>,
        referrer: &Referrer<'_>,
        (target, roles): (&Gvk, bool),
    ) -> Result<Option<&'r Resource>, String> {
        let Some(named) = self.by_past_name.get(name) else { return Ok(None) };
        let was = |resource: &Resource, gvk: &Gvk| {
            resource.past.iter().any(|past| resource.past_gvk(past).is_selected_by(gvk))
        };
        let in_namespace = self.namespace_filter(namespace, referrer);
        let mut found: Vec<&'r Resource> = named.iter().map(|&index| self.resources[index]).collect();
        found.retain(|candidate| {
            referrer.sees(candidate)
                && in_namespace(candidate)
                && was(candidate, target)
                && (!roles || referrer.role.as_ref().is_none_or(|role| was(candidate, role)))
                && referrer.shares_namespace(candidate)
        });
        if found.len() != 1 {
            found.retain(|candidate| same_layers(candidate, referrer.resource, Blank::MatchesAll));
            if found.len() > 1 {
                found.retain(|candidate| same_layers(candidate, referrer.resource, Blank::MatchesBlank));
            }
        }
        let Some((first, others)) = found.split_first() else { return Ok(None) };
        let same = |other: &&Resource| {
            other.id.name == first.id.name && (namespace.is_none() || other.id.namespace == first.id.namespace)
        };
        if others.iter().all(same) {
            return Ok(Some(first));
        }
        let ids: Vec<String> = found.iter().map(|candidate| candidate.id.to_string()).collect();
        let text = |resource: &Resource| sluice_yaml::write(&resource.annotated()).unwrap_or_default();
        let mut problem = format!("found multiple possible referrals: {}\n\n", ids.join(", "));
        problem.push_str("**** Too many possible referral targets to referrer:\n");
        problem.push_str(&text(referrer.resource));
        for (index, candidate) in found.iter().enumerate() {
            // Writing to a string cannot fail.
            let _ = write!(problem, "\n--- possible referral {index}:\n{}", text(candidate));
        }
        problem.push('\n');
        Err(problem)
    }

    /// The namespace in a map narrows the choice: by original namespaces if any resource in sight had it, else by present ones.
    fn namespace_filter<'s>(
        &'s self,
        namespace: Option<&'s str>,
        referrer: &Referrer<'_>,
    ) -> impl Fn(&Resource) -> bool + 's {
        let namespace = namespace.filter(|namespace| *namespace != "\0" && *namespace != NOT_A_NAMESPACE);
        let by_original = namespace.is_some_and(|namespace| {
            let had = self.by_original_namespace.get(namespace);
            had.into_iter().flatten().any(|&index| referrer.sees(self.resources[index]))
        });
        move |candidate| match namespace {
            None => true,
            Some(namespace) if by_original => candidate.original().2 == namespace,
            Some(namespace) => candidate.id.effective_namespace() == namespace,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Blank {
    MatchesAll,
    MatchesBlank,
}

/// Whether two resources got the same prefixes and suffixes, as far as both have them.
fn same_layers(left: &Resource, right: &Resource, blank: Blank) -> bool {
    let same = |left: &[String], right: &[String]| match (left.is_empty(), right.is_empty()) {
        (true, true) => true,
        (true, false) | (false, true) => blank == Blank::MatchesAll,
        (false, false) => left.ends_with(right) || right.ends_with(left),
    };
    same(&left.prefixes, &right.prefixes) && same(&left.suffixes, &right.suffixes)
}
