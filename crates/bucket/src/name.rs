//! The name of a bucket or container, which becomes part of a host name or of a URL's path.
//!
//! Deliberately laxer than any one service: it keeps out what would change the meaning of a URL, and leaves the rest to the service.

use std::fmt;

/// The longest name: Google's, whose names may be domain names of several labels.
const MAX_NAME_BYTES: usize = 222;

/// A bucket's name: ASCII letters, digits and `.`, `_`, `-`, `$`, and neither `.` nor `..`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketName(String);

/// A text that is no bucket's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid bucket name '{0}'")]
pub struct NameError(
    /// The text, escaped and cut.
    pub String,
);

impl BucketName {
    /// Takes a name from a spec.
    ///
    /// # Errors
    /// [`NameError`] for an empty or too long name and for any character beyond those of the type: a `/`, `?`, `#` or `@` would send
    /// the request, credentials included, to another path or host.
    pub fn new(name: &str) -> Result<Self, NameError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'$');
        let fits = !name.is_empty() && name.len() <= MAX_NAME_BYTES;
        if fits && name.bytes().all(allowed) && name != "." && name != ".." {
            return Ok(Self(name.to_owned()));
        }
        Err(NameError(crate::error::excerpt(name)))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it can stand as the first labels of a host name.
    pub(crate) fn is_host_label(&self) -> bool {
        let label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        self.0.split('.').all(label)
    }
}

impl fmt::Display for BucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_would_change_a_urls_meaning_is_refused() {
        for name in
            ["", ".", "..", "a/b", "a?b", "a#b", "a@b", "a:b", "a%2Fb", "a b", "ä", "a\\b", "a\0b", &"a".repeat(223)]
        {
            assert!(BucketName::new(name).is_err(), "{name:?}");
        }
        for name in ["apps", "my.domain.example", "$web", "With_Upper", "0-9"] {
            assert_eq!(BucketName::new(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn only_lower_case_dns_names_become_part_of_a_host() {
        for (name, expected) in [
            ("apps", true),
            ("a.b-c", true),
            ("Apps", false),
            ("a_b", false),
            ("-a", false),
            ("a..b", false),
            ("$web", false),
        ] {
            assert_eq!(BucketName::new(name).unwrap().is_host_label(), expected, "{name}");
        }
    }
}
