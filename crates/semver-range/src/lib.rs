//! Version ranges in the dialect of Go's Masterminds/semver, and lenient tag versions.
//!
//! The `semver` crate's own ranges differ (no `||`, no `!=`, no hyphen ranges, another rule for pre-releases), so only its versions are
//! used. Deliberately not covered: tags with fewer than three dotted parts, which the contract ignores.

use std::cmp::Ordering;
use std::fmt;

use semver::{BuildMetadata, Prerelease, Version};

/// Alternatives (`||`) of conjunctions (`,` or space) of comparisons.
#[derive(Clone, PartialEq, Eq)]
pub struct Range {
    text: String,
    alternatives: Vec<Vec<Comparison>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Comparison {
    operator: Operator,
    version: Version,
    /// How many of major, minor and patch were given as numbers.
    precision: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    Tilde,
    Caret,
}

/// Longest first where one begins with another.
const OPERATORS: [(&str, Operator); 11] = [
    ("!=", Operator::NotEqual),
    (">=", Operator::GreaterEqual),
    ("=>", Operator::GreaterEqual),
    ("<=", Operator::LessEqual),
    ("=<", Operator::LessEqual),
    ("~>", Operator::Tilde),
    ("=", Operator::Equal),
    (">", Operator::Greater),
    ("<", Operator::Less),
    ("~", Operator::Tilde),
    ("^", Operator::Caret),
];

impl Range {
    /// Parses a constraint; `None` when it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let alternatives = text.split("||").map(parse_conjunction).collect::<Option<Vec<_>>>()?;
        Some(Self { text: text.to_owned(), alternatives })
    }

    /// Whether a version is in the range. A pre-release is, only where some comparison of the same conjunction names a pre-release.
    pub fn contains(&self, version: &Version) -> bool {
        self.alternatives.iter().any(|all| {
            let named = version.pre.is_empty() || all.iter().any(|comparison| !comparison.version.pre.is_empty());
            named && all.iter().all(|comparison| comparison.accepts(version))
        })
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Range({:?})", self.text)
    }
}

/// One side of `||`: a hyphen range counts as two comparisons, blanks may stand between operator and version.
fn parse_conjunction(text: &str) -> Option<Vec<Comparison>> {
    let mut words: Vec<&str> = text.split([',', ' ', '\t']).filter(|word| !word.is_empty()).collect();
    let mut comparisons = Vec::new();
    while !words.is_empty() {
        let first = words.remove(0);
        if words.first() == Some(&"-") && words.len() > 1 {
            comparisons.push(parse_comparison(Operator::GreaterEqual, first)?);
            comparisons.push(parse_comparison(Operator::LessEqual, words[1])?);
            words.drain(..2);
            continue;
        }
        let (operator, rest) = OPERATORS
            .iter()
            .find_map(|(sign, operator)| first.strip_prefix(sign).map(|rest| (*operator, rest)))
            .unwrap_or((Operator::Equal, first));
        let version = if rest.is_empty() && !words.is_empty() { words.remove(0) } else { rest };
        comparisons.push(parse_comparison(operator, version)?);
    }
    if comparisons.is_empty() { None } else { Some(comparisons) }
}

fn parse_comparison(operator: Operator, text: &str) -> Option<Comparison> {
    let (core, pre, build) = split_version(text)?;
    let parts: Vec<&str> = core.split('.').collect();
    if parts.len() > 3 {
        return None;
    }
    let mut numbers = [0; 3];
    let mut precision = 3;
    for (index, number) in numbers.iter_mut().enumerate() {
        match parts.get(index) {
            Some(part) if !matches!(*part, "x" | "X" | "*") => {
                let value = parse_number(part)?;
                // What follows a wildcard does not count.
                *number = if index < precision { value } else { 0 };
            }
            _ => precision = precision.min(index),
        }
    }
    let [major, minor, patch] = numbers;
    Some(Comparison { operator, version: Version { major, minor, patch, pre, build }, precision })
}

/// A tag as a version: a leading `v` and zero-padded numbers are tolerated, three dotted parts are required.
pub fn parse_tag(tag: &str) -> Option<Version> {
    let (core, pre, build) = split_version(tag)?;
    let mut parts = core.split('.').map(parse_number);
    let version = Version { major: parts.next()??, minor: parts.next()??, patch: parts.next()??, pre, build };
    parts.next().is_none().then_some(version)
}

/// A version as Go's Masterminds/semver reads it: as [`parse_tag`], but minor and patch may be missing and are zero then.
pub fn parse_loose(text: &str) -> Option<Version> {
    let (core, pre, build) = split_version(text)?;
    let mut numbers = [0; 3];
    let mut parts = core.split('.');
    for (index, number) in numbers.iter_mut().enumerate() {
        match parts.next() {
            Some(part) if !part.is_empty() => *number = parse_number(part)?,
            None if index > 0 => {}
            _ => return None,
        }
    }
    let [major, minor, patch] = numbers;
    parts.next().is_none().then_some(Version { major, minor, patch, pre, build })
}

fn split_version(text: &str) -> Option<(&str, Prerelease, BuildMetadata)> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let (text, build) = match text.split_once('+') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (text, ""),
    };
    let (core, pre) = text.split_once('-').map_or((text, ""), |(core, pre)| (core, pre));
    // A sign with nothing behind it.
    if core.len() < text.len() && pre.is_empty() {
        return None;
    }
    Some((core, Prerelease::new(pre).ok()?, BuildMetadata::new(build).ok()?))
}

fn parse_number(text: &str) -> Option<u64> {
    // `parse` alone would take a sign.
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

impl Comparison {
    fn accepts(&self, version: &Version) -> bool {
        let order = version.cmp_precedence(&self.version);
        match self.operator {
            Operator::Equal if self.precision == 3 => order.is_eq(),
            Operator::Equal => self.same_given_parts(version) && order.is_ge(),
            Operator::NotEqual if self.precision == 3 => order.is_ne(),
            Operator::NotEqual => !self.same_given_parts(version),
            Operator::Greater if self.precision == 3 => order.is_gt(),
            // `>1.2` starts at 1.3.0.
            Operator::Greater => self.cmp_given_parts(version).is_gt(),
            Operator::Less => order.is_lt(),
            Operator::GreaterEqual => order.is_ge(),
            Operator::LessEqual if self.precision == 3 => order.is_le(),
            // `<=1.2` ends before 1.3.0.
            Operator::LessEqual => self.cmp_given_parts(version).is_le(),
            // `~1` and `~1.2` keep what was given, `~1.2.3` keeps 1.2.
            // `~0.0.0` is everything, a special case of the dialect.
            Operator::Tilde if self.precision == 3 && parts(&self.version) == [0; 3] => order.is_ge(),
            Operator::Tilde => order.is_ge() && same_parts(version, &self.version, self.precision.min(2)),
            Operator::Caret => order.is_ge() && same_parts(version, &self.version, self.caret_parts()),
        }
    }

    /// How many parts `^` keeps: up to and including the first that is not zero, of those given.
    fn caret_parts(&self) -> usize {
        let leading_zeros = parts(&self.version).iter().take_while(|part| **part == 0).count();
        (leading_zeros + 1).min(self.precision)
    }

    fn same_given_parts(&self, version: &Version) -> bool {
        same_parts(version, &self.version, self.precision)
    }

    fn cmp_given_parts(&self, version: &Version) -> Ordering {
        parts(version)[..self.precision].cmp(&parts(&self.version)[..self.precision])
    }
}

fn parts(version: &Version) -> [u64; 3] {
    [version.major, version.minor, version.patch]
}

fn same_parts(one: &Version, other: &Version, count: usize) -> bool {
    parts(one)[..count] == parts(other)[..count]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_accept_what_the_go_dialect_accepts() {
        for (range, inside, outside) in [
            ("1.2.3", &["1.2.3", "v1.2.3", "1.2.3+build"][..], &["1.2.4", "1.2.3-rc.1"][..]),
            ("=1.2", &["1.2.0", "1.2.9"], &["1.3.0", "1.2.1-rc.1"]),
            ("1.2.x", &["1.2.0", "1.2.9"], &["1.3.0"]),
            ("*", &["0.0.0", "9.9.9"], &["1.0.0-rc.1"]),
            ("!=1.2.3", &["1.2.4"], &["1.2.3"]),
            ("!=1.2", &["1.3.0"], &["1.2.7"]),
            (">1.2", &["1.3.0", "2.0.0"], &["1.2.9"]),
            (">1", &["2.0.0"], &["1.9.9"]),
            (">=1.2", &["1.2.0", "2.0.0"], &["1.1.9"]),
            ("=> 1.2.0", &["1.2.0"], &["1.1.9"]),
            ("<=1.2", &["1.2.9", "0.1.0"], &["1.3.0"]),
            ("<2.0.0", &["1.9.9"], &["2.0.0"]),
            ("~1.2.3", &["1.2.3", "1.2.9"], &["1.2.2", "1.3.0"]),
            ("~>1", &["1.0.0", "1.9.0"], &["2.0.0"]),
            ("~0.0.0", &["0.0.0", "7.0.0"], &["0.0.1-rc.1"]),
            ("^1.2.3", &["1.2.3", "1.9.0"], &["1.2.2", "2.0.0"]),
            ("^0.2.3", &["0.2.3", "0.2.9"], &["0.3.0"]),
            ("^0.0.3", &["0.0.3"], &["0.0.4"]),
            ("^0.0", &["0.0.1"], &["0.1.0"]),
            ("^0", &["0.9.0"], &["1.0.0"]),
            ("1.2 - 1.4.5", &["1.2.0", "1.4.5"], &["1.4.6", "1.1.9"]),
            (">=1.0.0, <2.0.0", &["1.5.0"], &["2.0.0", "0.9.0"]),
            (">=1.0.0 <2.0.0 || >=3.0.0", &["1.5.0", "3.1.0"], &["2.5.0"]),
            (">=1.0.0-0", &["1.0.0-rc.1", "1.0.0", "2.0.0-alpha"], &["0.9.0"]),
            (">=1.0.0-0 <2.0.0", &["1.5.0-rc.1"], &["2.0.0"]),
        ] {
            let parsed = Range::parse(range).unwrap();
            for (version, expected) in inside.iter().map(|v| (v, true)).chain(outside.iter().map(|v| (v, false))) {
                assert_eq!(parsed.contains(&parse_tag(version).unwrap()), expected, "{version} in {range}");
            }
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for range in ["", "||", "one", ">=", "1.2.3.4", "1.2.3 -", "1.+2", "x.y"] {
            assert_eq!(Range::parse(range), None, "{range}");
        }
    }

    #[test]
    fn loose_versions_may_lack_minor_and_patch() {
        for (text, expected) in [
            ("v1", Some("1.0.0")),
            ("1.2", Some("1.2.0")),
            ("1.2-rc.1+b", Some("1.2.0-rc.1+b")),
            ("01.002.3", Some("1.2.3")),
            ("1.2.3.4", None),
            ("1..2", None),
            ("", None),
            ("v", None),
            ("-1", None),
            ("1.2.3-", None),
            ("1.2.3+", None),
            ("one", None),
        ] {
            assert_eq!(parse_loose(text).map(|v| v.to_string()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn tags_need_three_parts_and_may_be_padded() {
        for (tag, expected) in [
            ("v1.2.3", Some("1.2.3")),
            ("1.02.003", Some("1.2.3")),
            ("v2024.01.02-rc.1+b5", Some("2024.1.2-rc.1+b5")),
            ("v1.2", None),
            ("1.2.3.4", None),
            ("release-1.2.3", None),
            ("", None),
        ] {
            assert_eq!(parse_tag(tag).map(|v| v.to_string()).as_deref(), expected, "{tag}");
        }
    }
}
