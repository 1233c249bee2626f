//! Selectors: anchored regular expressions on identity, and Kubernetes label selectors on labels and annotations.

use regex::Regex;
use thiserror::Error;

use crate::go_regex::complaint;
use crate::id::Gvk;
use crate::kustomization::Selector;
use crate::resource::Resource;

/// Largest compiled expression, in bytes; a pattern of nested repetitions is refused instead of filling the memory.
const REGEX_BYTES: usize = 1 << 20;

/// Why a selector is not one.
#[derive(Debug, Error)]
pub(crate) enum SelectorError {
    #[error("{}", complaint(pattern))]
    Pattern { pattern: String },
    #[error("unable to parse requirement: {text}")]
    Requirement { text: String },
}

/// A pattern bounded in size.
pub(crate) fn compile(pattern: &str) -> Result<Regex, SelectorError> {
    regex::RegexBuilder::new(pattern)
        .size_limit(REGEX_BYTES)
        .build()
        .map_err(|_| SelectorError::Pattern { pattern: pattern.to_owned() })
}

/// A selector ready for use.
#[derive(Debug)]
pub(crate) struct Matcher {
    group: Option<Regex>,
    version: Option<Regex>,
    kind: Option<Regex>,
    name: Option<Regex>,
    /// The name, if the pattern is one that only matches itself: then an index finds what it selects.
    plain_name: Option<String>,
    namespace: Option<Regex>,
    labels: Vec<Requirement>,
    annotations: Vec<Requirement>,
    /// Whether anything but labels and annotations is asked for.
    pub(crate) by_id: bool,
}

impl Matcher {
    pub(crate) fn new(selector: &Selector) -> Result<Self, SelectorError> {
        let anchored = |pattern: &str| match pattern {
            "" => Ok(None),
            _ => compile(&format!("^(?:{pattern})$")).map(Some),
        };
        let Selector { gvk, name, namespace, labels, annotations } = selector;
        Ok(Self {
            group: anchored(&gvk.group)?,
            version: anchored(&gvk.version)?,
            kind: anchored(&gvk.kind)?,
            name: anchored(name)?,
            plain_name: Some(name.clone()).filter(|name| is_plain(name)),
            namespace: anchored(namespace)?,
            labels: parse_requirements(labels)?,
            annotations: parse_requirements(annotations)?,
            by_id: *gvk != Gvk::default() || !name.is_empty() || !namespace.is_empty(),
        })
    }

    fn gvk(&self, gvk: &Gvk) -> bool {
        matches(self.group.as_ref(), &gvk.group)
            && matches(self.version.as_ref(), &gvk.version)
            && matches(self.kind.as_ref(), &gvk.kind)
    }

    /// Whether one id matches, taken as it is.
    pub(crate) fn id(&self, gvk: &Gvk, name: &str, namespace: &str) -> bool {
        self.gvk(gvk) && matches(self.name.as_ref(), name) && matches(self.namespace.as_ref(), namespace)
    }

    /// Whether labels and annotations match.
    pub(crate) fn metadata(&self, resource: &Resource) -> bool {
        let holds = |requirements: &[Requirement], field: &str| {
            requirements.is_empty() || {
                let pairs = resource.string_map(field);
                requirements.iter().all(|requirement| requirement.holds(&pairs))
            }
        };
        holds(&self.labels, "labels") && holds(&self.annotations, "annotations")
    }

    /// The only name that it can match, if there is but one.
    pub(crate) fn plain_name(&self) -> Option<&str> {
        self.plain_name.as_deref()
    }

    /// Whether it asks for labels or annotations.
    pub(crate) fn by_metadata(&self) -> bool {
        !self.labels.is_empty() || !self.annotations.is_empty()
    }

    /// Whether a resource is a patch's target: present kind, original or present name and namespace, labels, annotations.
    pub(crate) fn resource(&self, resource: &Resource) -> bool {
        let (_, name, namespace) = resource.original();
        (matches(self.namespace.as_ref(), namespace)
            || matches(self.namespace.as_ref(), resource.id.effective_namespace()))
            && (matches(self.name.as_ref(), name) || matches(self.name.as_ref(), &resource.id.name))
            && self.gvk(&resource.id.gvk)
            && self.metadata(resource)
    }
}

/// Whether a pattern is a text that only matches itself.
fn is_plain(pattern: &str) -> bool {
    !pattern.is_empty() && pattern.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

fn matches(pattern: Option<&Regex>, text: &str) -> bool {
    pattern.is_none_or(|pattern| pattern.is_match(text))
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Requirement {
    Exists(String),
    Absent(String),
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
}

impl Requirement {
    fn holds(&self, pairs: &[(String, String)]) -> bool {
        let value = |key: &str| pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value);
        match self {
            Self::Exists(key) => value(key).is_some(),
            Self::Absent(key) => value(key).is_none(),
            Self::In(key, values) => value(key).is_some_and(|value| values.contains(value)),
            Self::NotIn(key, values) => value(key).is_none_or(|value| !values.contains(value)),
        }
    }
}

/// `a=b, c != d, e in (f, g), h notin (i), j, !k`.
fn parse_requirements(text: &str) -> Result<Vec<Requirement>, SelectorError> {
    let mut requirements = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        // A comma inside parentheses belongs to a set of values.
        let mut depth = 0_usize;
        let end = rest
            .find(|letter| {
                depth = match letter {
                    '(' => depth + 1,
                    ')' => depth.saturating_sub(1),
                    _ => depth,
                };
                letter == ',' && depth == 0
            })
            .unwrap_or(rest.len());
        requirements.push(parse_requirement(rest[..end].trim())?);
        rest = rest.get(end + 1..).unwrap_or_default().trim();
    }
    Ok(requirements)
}

fn parse_requirement(text: &str) -> Result<Requirement, SelectorError> {
    let bad = || SelectorError::Requirement { text: text.to_owned() };
    let key = |key: &str| {
        let key = key.trim();
        let fine = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte));
        if fine { Ok(key.to_owned()) } else { Err(bad()) }
    };
    let one = |value: &str| vec![value.trim().to_owned()];
    if let Some((left, right)) = text.split_once("!=") {
        return Ok(Requirement::NotIn(key(left)?, one(right)));
    }
    if let Some((left, right)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return Ok(Requirement::In(key(left)?, one(right)));
    }
    if let Some(name) = text.strip_prefix('!') {
        return Ok(Requirement::Absent(key(name)?));
    }
    if let Some((left, set)) = text.split_once('(') {
        let values: Vec<String> =
            set.trim_end().strip_suffix(')').ok_or_else(bad)?.split(',').map(|value| value.trim().to_owned()).collect();
        let left = left.trim_end();
        if let Some(name) = left.strip_suffix(" notin") {
            return Ok(Requirement::NotIn(key(name)?, values));
        }
        return Ok(Requirement::In(key(left.strip_suffix(" in").ok_or_else(bad)?)?, values));
    }
    Ok(Requirement::Exists(key(text)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_selectors_follow_kubernetes_syntax() {
        let pairs = [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())];
        let holds = |text: &str| parse_requirements(text).unwrap().iter().all(|requirement| requirement.holds(&pairs));
        for text in ["", "a", "a=1", "a==1,b=2", "a!=2", "c!=1", "!c", "a in (0, 1),b notin (3)", " a = 1 "] {
            assert!(holds(text), "{text}");
        }
        for text in ["c", "a=2", "!a", "a in (2)", "b notin (2)", "a,c"] {
            assert!(!holds(text), "{text}");
        }
        for text in ["a in 1)", "=", "a b", "a foo (x)", ",a"] {
            assert!(parse_requirements(text).is_err(), "{text}");
        }
    }

    #[test]
    fn huge_patterns_are_refused() {
        assert!(compile("(((a{1000}){1000}){1000}){1000}").is_err());
    }
}
