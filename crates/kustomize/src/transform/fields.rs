//! Labels, annotations, replica counts and added values: plain writes to fields that a table names.

use std::collections::BTreeMap;

use sluice_yaml::{Node, Scalar, Tag};

use super::{SetNamespace, Transform, TransformError};
use crate::fieldspec::{Create, FieldSpec, expect_scalar, set_entry};
use crate::kustomization::{Replica, Selector};
use crate::resmap::ResMap;
use crate::selector::Matcher;

/// Adds entries to maps: labels and annotations.
#[derive(Debug)]
pub(crate) struct AddEntries {
    pub(crate) pairs: BTreeMap<String, String>,
    pub(crate) specs: Vec<FieldSpec>,
}

impl Transform for AddEntries {
    fn apply(&self, resources: &mut ResMap) -> Result<(), TransformError> {
        if self.pairs.is_empty() {
            return Ok(());
        }
        let growth = resources.growth();
        let weight: usize = self.pairs.iter().map(|(key, value)| key.len() + value.len()).sum();
        resources.edit_all(|resource| {
            let first = resource.share(self.pairs.values());
            for spec in &self.specs {
                spec.visit(&mut resource.node, &resource.id, Create::Mapping, &mut |field| {
                    growth.spend(weight).map_err(|error| error.to_string())?;
                    let mut entries = (first..).zip(&self.pairs);
                    entries.try_for_each(|(shared, (key, value))| set_entry(field, key, value, shared))
                })?;
            }
            Ok(())
        })
    }
}

/// Sets the number of replicas of the workloads that have or had a name.
#[derive(Debug)]
pub(crate) struct ReplicaCount {
    pub(crate) replica: Replica,
    pub(crate) specs: Vec<FieldSpec>,
}

impl Transform for ReplicaCount {
    fn apply(&self, resources: &mut ResMap) -> Result<(), TransformError> {
        let mut found = false;
        for index in resources.named(Some(&self.replica.name)) {
            let resource = resources.get(index);
            let named = resource.id.name == self.replica.name
                || resource.past.iter().any(|past| past.name == self.replica.name);
            if !named {
                continue;
            }
            let keys = resource.keys();
            for spec in &self.specs {
                if !keys.iter().any(|key| key.name == self.replica.name && key.gvk.is_selected_by(&spec.gvk)) {
                    continue;
                }
                found = true;
                resources.edit(index, |resource| {
                    spec.visit(&mut resource.node, &resource.id, Create::Scalar, &mut |field| {
                        expect_scalar(field)?;
                        let count = Scalar::new(Tag::Int, self.replica.count.to_string());
                        let count = match field.as_scalar() {
                            Some(old) => count.in_place_of(old),
                            None => count,
                        };
                        field.value = Node::from(count).value;
                        Ok(())
                    })
                })?;
            }
        }
        if found {
            return Ok(());
        }
        let kinds: Vec<String> = self.specs.iter().map(|spec| spec.gvk.to_string()).collect();
        Err(TransformError::NoReplicaTarget { name: self.replica.name.clone(), kinds: kinds.join(" ") })
    }
}

/// Adds a value to fields, or a part to paths in fields.
#[derive(Debug)]
pub(crate) struct ValueAdd {
    pub(crate) value: String,
    pub(crate) targets: Vec<(Selector, String, i64)>,
}

impl Transform for ValueAdd {
    fn apply(&self, resources: &mut ResMap) -> Result<(), TransformError> {
        for (selector, field_path, position) in &self.targets {
            let matcher = Matcher::new(selector)?;
            let spec = FieldSpec::new(crate::id::Gvk::default(), field_path, true);
            for index in resources.named(None) {
                if !matcher.resource(resources.get(index)) {
                    continue;
                }
                if field_path == "metadata/namespace" {
                    let namespace = SetNamespace { namespace: self.value.clone(), ..SetNamespace::default() };
                    resources.edit(index, |resource| namespace.change(resource))?;
                    continue;
                }
                resources.edit(index, |resource| {
                    spec.visit(&mut resource.node, &resource.id, Create::Scalar, &mut |field| {
                        expect_scalar(field)?;
                        let text = insert_part(field.text().unwrap_or_default(), &self.value, *position);
                        // Other fields may have the same value, which then changes, too.
                        let shared = field.as_scalar().map_or(0, |scalar| scalar.shared);
                        field.value = Node::from(Scalar { shared, ..Scalar::string(text) }).value;
                        Ok(())
                    })
                })?;
            }
        }
        Ok(())
    }
}

/// Position 0 replaces the text; 1 puts the value in front of a path's parts, and so on.
fn insert_part(text: &str, value: &str, position: i64) -> String {
    let Ok(position) = usize::try_from(position) else { return value.to_owned() };
    if position == 0 {
        return value.to_owned();
    }
    // A leading slash stays in front.
    let (slash, path) = text.strip_prefix('/').map_or(("", text), |path| ("/", path));
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    parts.insert((position - 1).min(parts.len()), value);
    format!("{slash}{}", parts.join("/"))
}
