//! Label selectors by equality (`matchLabels`), checked before use.
//!
//! A selector is sent to the API server as text (`key=value,key=value`), so a value with a comma or an operator in it
//! would select something else: the syntax of keys and values is checked first. Expressions are not supported; the API
//! has none here.

use std::collections::BTreeMap;

use thiserror::Error;

/// Longest name part of a key, and longest value, in bytes.
const MAX_NAME: usize = 63;
/// Longest prefix of a key, in bytes.
const MAX_PREFIX: usize = 253;

/// A label key or value that Kubernetes does not allow.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("invalid matchLabels: {key:?}={value:?} is not a label")]
pub struct LabelError {
    key: String,
    value: String,
}

/// Label pairs that an object must have, all of them. Empty selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector(BTreeMap<String, String>);

impl LabelSelector {
    /// Checks the syntax of every pair.
    ///
    /// # Errors
    /// The first pair that is not a label.
    pub fn parse(pairs: &BTreeMap<String, String>) -> Result<Self, LabelError> {
        match pairs.iter().find(|(key, value)| !is_key(key) || !(value.is_empty() || is_name(value))) {
            Some((key, value)) => Err(LabelError { key: key.clone(), value: value.clone() }),
            None => Ok(Self(pairs.clone())),
        }
    }

    /// Whether `labels` contain every pair.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|(key, value)| labels.get(key) == Some(value))
    }

    /// The selector as the API server's query parameter.
    pub fn to_query(&self) -> String {
        self.0.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
    }
}

fn is_key(key: &str) -> bool {
    match key.split_once('/') {
        Some((prefix, name)) => prefix.len() <= MAX_PREFIX && is_subdomain(prefix) && is_name(name),
        None => is_name(key),
    }
}

fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    text.len() <= MAX_NAME
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn is_subdomain(text: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    text.split('.').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(key: &str, value: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(key.to_owned(), value.to_owned())])
    }

    #[test]
    fn only_valid_labels_become_a_selector() {
        for (key, value, valid) in [
            ("app", "web", true),
            ("app.kubernetes.io/name", "web-1.2_x", true),
            ("app", "", true),
            ("app", "a,b=c", false),
            ("app", "-a", false),
            ("app,other", "a", false),
            ("", "a", false),
            ("Upper.io/name", "a", false),
            ("a/b/c", "a", false),
            ("app", "in (a)", false),
        ] {
            assert_eq!(LabelSelector::parse(&pairs(key, value)).is_ok(), valid, "{key:?}={value:?}");
        }
        assert!(LabelSelector::parse(&pairs("app", &"x".repeat(64))).is_err());
    }

    #[test]
    fn a_selector_matches_supersets_and_prints_as_a_query() {
        let mut both = pairs("a", "1");
        both.append(&mut pairs("b", "2"));
        let selector = LabelSelector::parse(&both).unwrap();
        assert_eq!(selector.to_query(), "a=1,b=2");
        assert!(!selector.matches(&pairs("a", "1")));
        both.append(&mut pairs("c", "3"));
        assert!(selector.matches(&both));
        assert!(LabelSelector::default().matches(&BTreeMap::new()));
    }
}
