//! `spec.ignore`: fields whose drift does not count, and what becomes of them when something else is applied.
//!
//! Differences in ignored fields never cause an apply. When another difference does, an ignored field whose live value differs is either
//! left out of what is applied (another Apply manager owns it, so it stays as it is) or sent with its live value (nobody else does, and
//! leaving it out would remove it). Where both sides agree it is sent as the manifest has it, so that its ownership stays, and a creation
//! sends everything. Deliberately not here: sending, and `differs` itself (`sluice-manifest`).

mod pointer;
mod selector;

use regex::{Regex, RegexBuilder};
use serde_json::{Value, json};
use sluice_manifest::{Object, differs};
use thiserror::Error;

use pointer::Pointer;
use selector::LabelSelector;
pub use selector::SelectorError;

/// The largest compiled form of one expression, in bytes. Stops a short text that stands for a huge automaton.
const MAX_REGEX: usize = 1 << 20;

/// One entry of `spec.ignore`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IgnoreRule {
    /// JSON pointers (RFC 6901) of the fields. What is no pointer, or points nowhere, means nothing.
    pub paths: Vec<String>,
    /// Which objects are meant; all if not set.
    pub target: Option<IgnoreTarget>,
}

/// Which objects a rule is about: all fields that are not empty must match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IgnoreTarget {
    /// Regular expression for the whole group.
    pub group: String,
    /// Regular expression for the whole version.
    pub version: String,
    /// Regular expression for the whole kind.
    pub kind: String,
    /// Regular expression for the whole name.
    pub name: String,
    /// Regular expression for the whole namespace.
    pub namespace: String,
    /// Selector over labels.
    pub label_selector: String,
    /// Selector over annotations, in the syntax of label selectors.
    pub annotation_selector: String,
}

/// Why a rule cannot be used.
#[derive(Debug, Error)]
pub enum IgnoreError {
    /// No regular expression, or one that is too large.
    #[error("invalid {field} regex")]
    Regex {
        /// The target's field.
        field: &'static str,
        /// Why.
        #[source]
        source: Box<regex::Error>,
    },
    /// No selector.
    #[error("invalid {over} selector")]
    Selector {
        /// `label` or `annotation`.
        over: &'static str,
        /// Why.
        #[source]
        source: SelectorError,
    },
}

/// Compiled rules. Compile them once for each apply.
#[derive(Debug, Default)]
pub struct IgnoreRules {
    rules: Vec<Rule>,
    /// The rules as they were given, to tell whether an object was applied under the same ones.
    given: Value,
}

#[derive(Debug)]
struct Rule {
    paths: Vec<Pointer>,
    target: Option<Target>,
}

#[derive(Debug)]
struct Target {
    group: Option<Regex>,
    version: Option<Regex>,
    kind: Option<Regex>,
    name: Option<Regex>,
    namespace: Option<Regex>,
    labels: Option<LabelSelector>,
    annotations: Option<LabelSelector>,
}

impl IgnoreRules {
    /// Compiles rules. Of several without a target only the last one counts, as in Flux.
    ///
    /// # Errors
    /// When an expression or a selector of any rule is malformed, whether or not an object would come to it.
    pub fn compile(given: &[IgnoreRule]) -> Result<Self, IgnoreError> {
        let last = given.iter().rposition(|rule| rule.target.is_none());
        let mut rules = Vec::new();
        for (index, rule) in given.iter().enumerate() {
            let target = rule.target.as_ref().map(Target::compile).transpose()?;
            if target.is_some() || last == Some(index) {
                let paths = rule.paths.iter().filter_map(|path| Pointer::parse(path)).collect();
                rules.push(Rule { paths, target });
            }
        }
        Ok(Self { rules, given: given.iter().map(IgnoreRule::to_value).collect() })
    }

    /// Whether there is no rule.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Stands for the rules in a digest.
    pub(crate) fn as_value(&self) -> &Value {
        &self.given
    }

    /// What is ignored of an object, by what the server would make of it.
    pub(crate) fn of(&self, dry_run: &Object) -> Ignored<'_> {
        let rules = self.rules.iter().filter(|rule| rule.target.as_ref().is_none_or(|target| target.matches(dry_run)));
        Ignored(rules.flat_map(|rule| &rule.paths).collect())
    }
}

impl IgnoreRule {
    fn to_value(&self) -> Value {
        let target = self.target.as_ref().map(|target| {
            let IgnoreTarget { group, version, kind, name, namespace, label_selector, annotation_selector } = target;
            json!([group, version, kind, name, namespace, label_selector, annotation_selector])
        });
        json!([self.paths, target])
    }
}

impl Target {
    fn compile(given: &IgnoreTarget) -> Result<Self, IgnoreError> {
        let selector = |over, text: &str| {
            let parsed = (!text.is_empty()).then(|| LabelSelector::parse(text)).transpose();
            parsed.map_err(|source| IgnoreError::Selector { over, source })
        };
        Ok(Self {
            group: anchored("group", &given.group)?,
            version: anchored("version", &given.version)?,
            kind: anchored("kind", &given.kind)?,
            name: anchored("name", &given.name)?,
            namespace: anchored("namespace", &given.namespace)?,
            labels: selector("label", &given.label_selector)?,
            annotations: selector("annotation", &given.annotation_selector)?,
        })
    }

    fn matches(&self, object: &Object) -> bool {
        let fits = |regex: &Option<Regex>, text: &str| regex.as_ref().is_none_or(|regex| regex.is_match(text));
        fits(&self.group, object.group())
            && fits(&self.version, object.version())
            && fits(&self.kind, object.kind())
            && fits(&self.name, object.name())
            && fits(&self.namespace, object.namespace())
            && self.labels.as_ref().is_none_or(|selector| selector.matches(object.labels()))
            && self.annotations.as_ref().is_none_or(|selector| selector.matches(object.annotations()))
    }
}

/// An expression that has to match a whole text; `None` for the empty one, which matches everything.
fn anchored(field: &'static str, pattern: &str) -> Result<Option<Regex>, IgnoreError> {
    if pattern.is_empty() {
        return Ok(None);
    }
    let built = RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(MAX_REGEX).build();
    built.map(Some).map_err(|source| IgnoreError::Regex { field, source: Box::new(source) })
}

/// The fields of one object that are ignored.
#[derive(Debug)]
pub(crate) struct Ignored<'a>(Vec<&'a Pointer>);

impl Ignored<'_> {
    /// Whether the two differ in anything that is not ignored.
    pub(crate) fn differs(&self, dry_run: &Object, live: &Object) -> bool {
        // Most objects are as they should be, which needs no copies to see.
        if !differs(dry_run, live) || self.0.is_empty() {
            return differs(dry_run, live);
        }
        let without = |object: &Object| {
            let mut copy = object.clone();
            self.0.iter().for_each(|path| path.remove(copy.as_map_mut()));
            copy
        };
        differs(&without(dry_run), &without(live))
    }

    /// Puts ignored fields into what is about to be applied as the live object needs them.
    ///
    /// `is_foreign` tells entries of `managedFields` that are another Apply manager's.
    pub(crate) fn settle(
        &self,
        desired: &mut Object,
        dry_run: &Object,
        live: &Object,
        is_foreign: impl Fn(&Value) -> bool,
    ) {
        let entries = live.at(&["metadata", "managedFields"]).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let foreign: Vec<&Value> =
            entries.iter().filter(|entry| is_foreign(entry)).filter_map(|entry| entry.get("fieldsV1")).collect();
        let mut adopted = Vec::new();
        for path in self.0.iter().filter(|path| !path.is_identity()) {
            let value = path.get(live.as_map());
            if value == path.get(dry_run.as_map()) {
                continue;
            }
            if foreign.iter().any(|fields| path.is_owned(fields, live.as_map())) {
                path.remove(desired.as_map_mut());
            } else {
                adopted.push((path, value));
            }
        }
        for (path, value) in adopted {
            match value {
                Some(value) => path.set(desired.as_map_mut(), value.clone()),
                None => path.remove(desired.as_map_mut()),
            }
        }
    }
}

#[cfg(test)]
mod tests;
