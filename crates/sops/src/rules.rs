//! Which values of a document are encrypted: the one rule that its metadata has.
//!
//! The same rule serves encryption and decryption, so a value that was moved out of its reach is left as it is, and one that was added in
//! the clear within its reach is an error.

use regex::{Regex, RegexBuilder};

/// What a compiled expression may take; an expression of a hostile document could ask for gigabytes.
const MAX_REGEX_BYTES: usize = 1 << 20;

/// The suffix of keys whose values are not encrypted, unless the metadata says otherwise.
const DEFAULT_UNENCRYPTED_SUFFIX: &str = "_unencrypted";

/// The rule.
#[derive(Clone, Debug)]
pub(crate) enum Rule {
    /// All but what is below a key with this suffix.
    UnencryptedSuffix(String),
    /// What is below a key with this suffix.
    EncryptedSuffix(String),
    /// All but what is below a key that matches.
    UnencryptedRegex(Pattern),
    /// What is below a key that matches.
    EncryptedRegex(Pattern),
    /// All but what follows a comment that matches.
    UnencryptedComment(Pattern),
    /// What follows a comment that matches.
    EncryptedComment(Pattern),
}

/// An expression. One that is none matches nothing, as in SOPS.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(Option<Regex>);

impl Pattern {
    pub(crate) fn new(text: &str) -> Self {
        Self(RegexBuilder::new(text).size_limit(MAX_REGEX_BYTES).dfa_size_limit(MAX_REGEX_BYTES).build().ok())
    }

    fn matches(&self, text: &str) -> bool {
        self.0.as_ref().is_some_and(|regex| regex.is_match(text))
    }
}

impl Default for Rule {
    fn default() -> Self {
        Self::UnencryptedSuffix(DEFAULT_UNENCRYPTED_SUFFIX.to_owned())
    }
}

impl Rule {
    /// Whether comments decide, rather than keys.
    pub(crate) fn is_about_comments(&self) -> bool {
        matches!(self, Self::UnencryptedComment(_) | Self::EncryptedComment(_))
    }

    /// Whether a comment that decides does not decide about itself: the one that turns encryption on stays readable.
    pub(crate) fn spares_its_comment(&self) -> bool {
        matches!(self, Self::EncryptedComment(_))
    }

    /// Whether a key, or a comment, is one that the rule speaks of.
    pub(crate) fn speaks_of(&self, text: &str) -> bool {
        match self {
            Self::UnencryptedSuffix(suffix) | Self::EncryptedSuffix(suffix) => text.ends_with(suffix),
            Self::UnencryptedRegex(pattern)
            | Self::EncryptedRegex(pattern)
            | Self::UnencryptedComment(pattern)
            | Self::EncryptedComment(pattern) => pattern.matches(text),
        }
    }

    /// Whether a value is encrypted, given whether anything on its path, or before it, is what the rule speaks of.
    pub(crate) fn encrypts(&self, spoken_of: bool) -> bool {
        match self {
            Self::UnencryptedSuffix(_) | Self::UnencryptedRegex(_) | Self::UnencryptedComment(_) => !spoken_of,
            Self::EncryptedSuffix(_) | Self::EncryptedRegex(_) | Self::EncryptedComment(_) => spoken_of,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_speaks_of_keys_by_suffix_or_expression() {
        for (rule, key, encrypted) in [
            (Rule::default(), "a", true),
            (Rule::default(), "a_unencrypted", false),
            (Rule::EncryptedSuffix("_enc".into()), "a", false),
            (Rule::EncryptedSuffix("_enc".into()), "a_enc", true),
            (Rule::EncryptedRegex(Pattern::new("^(data|stringData)$")), "stringData", true),
            (Rule::EncryptedRegex(Pattern::new("^(data|stringData)$")), "metadata", false),
            (Rule::UnencryptedRegex(Pattern::new("^meta")), "metadata", false),
            (Rule::UnencryptedRegex(Pattern::new("^meta")), "data", true),
            (Rule::EncryptedRegex(Pattern::new("(")), "data", false),
            (Rule::UnencryptedRegex(Pattern::new("(a{1000}){1000}")), "data", true),
        ] {
            assert_eq!(rule.encrypts(rule.speaks_of(key)), encrypted, "{rule:?} {key}");
        }
    }
}
