//! Label selectors in their written form, as `kubectl -l` takes them.
//!
//! Deliberately not here: `matchLabels` and `matchExpressions`.

use serde_json::{Map, Value};
use thiserror::Error;

/// Why a text is no selector.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{requirement:?} is not a requirement on a label")]
pub struct SelectorError {
    requirement: String,
}

/// Requirements, all of which must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LabelSelector(Vec<Requirement>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Exists,
    Absent,
    In(Vec<String>),
    /// Holds for an absent label, too.
    NotIn(Vec<String>),
    Above(i64),
    Below(i64),
}

impl LabelSelector {
    /// Reads requirements separated by commas.
    pub(super) fn parse(text: &str) -> Result<Self, SelectorError> {
        let requirement = |text: &str| {
            Requirement::parse(text.trim()).ok_or_else(|| SelectorError { requirement: text.trim().to_owned() })
        };
        if text.trim().is_empty() {
            return Ok(Self(Vec::new()));
        }
        split(text).into_iter().map(requirement).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn matches(&self, labels: Option<&Map<String, Value>>) -> bool {
        self.0.iter().all(|requirement| {
            let value = labels.and_then(|labels| labels.get(&requirement.key)).and_then(Value::as_str);
            requirement.test.holds(value)
        })
    }
}

/// Splits at commas that are not in parentheses.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let is_between = |letter: char| {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == ',' && depth == 0
    };
    text.split(is_between).collect()
}

impl Requirement {
    fn parse(text: &str) -> Option<Self> {
        if let Some(key) = text.strip_prefix('!') {
            return Self::new(key, Test::Absent);
        }
        if let Some(at) = text.find(['=', '!', '<', '>']) {
            let (key, rest) = text.split_at(at);
            let value = |operator: &str| rest.strip_prefix(operator).map(str::trim);
            let rule = if let Some(value) = value("==").or_else(|| value("=")) {
                Test::In(vec![checked_value(value)?])
            } else if let Some(value) = value("!=") {
                Test::NotIn(vec![checked_value(value)?])
            } else if let Some(value) = value(">") {
                Test::Above(value.parse().ok()?)
            } else {
                Test::Below(value("<")?.parse().ok()?)
            };
            return Self::new(key, rule);
        }
        let Some((key, rest)) = text.split_once(char::is_whitespace) else { return Self::new(text, Test::Exists) };
        let rest = rest.trim();
        let values = |operator: &str| rest.strip_prefix(operator)?.trim_start().strip_prefix('(')?.strip_suffix(')');
        if let Some(list) = values("notin") {
            return Self::new(key, Test::NotIn(checked_list(list)?));
        }
        Self::new(key, Test::In(checked_list(values("in")?)?))
    }

    fn new(key: &str, test: Test) -> Option<Self> {
        let key = key.trim();
        is_key(key).then(|| Self { key: key.to_owned(), test })
    }
}

impl Test {
    fn holds(&self, value: Option<&str>) -> bool {
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        match self {
            Self::Exists => value.is_some(),
            Self::Absent => value.is_none(),
            Self::In(wanted) => value.is_some_and(|value| wanted.iter().any(|wanted| wanted == value)),
            Self::NotIn(refused) => value.is_none_or(|value| refused.iter().all(|refused| refused != value)),
            Self::Above(bound) => number().is_some_and(|number| number > *bound),
            Self::Below(bound) => number().is_some_and(|number| number < *bound),
        }
    }
}

fn checked_list(list: &str) -> Option<Vec<String>> {
    list.split(',').map(|value| checked_value(value.trim())).collect()
}

/// A label value: empty, or at most 63 letters, digits, `-`, `_` and `.`, the ends being letters or digits.
fn checked_value(value: &str) -> Option<String> {
    (value.is_empty() || is_name(value)).then(|| value.to_owned())
}

/// A label key: a name, with a DNS prefix before a slash or without.
fn is_key(key: &str) -> bool {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let is_prefix = |prefix: &str| {
        let is_part =
            |part: &str| is_name(part) && !part.contains(|letter: char| letter == '_' || letter.is_uppercase());
        prefix.len() <= 253 && prefix.split('.').all(is_part)
    };
    is_name(name) && prefix.is_none_or(is_prefix)
}

fn is_name(text: &str) -> bool {
    let is_end = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric());
    text.len() <= 63
        && is_end(text.chars().next())
        && is_end(text.chars().last())
        && text.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.'))
}
