//! What can go wrong when YAML is read or written. It does not know file names: the caller has them.

use thiserror::Error;

/// A text that is not the YAML that was asked for. Displays as go-yaml does (`yaml: line 3: ...`).
#[derive(Debug, Error)]
pub enum YamlError {
    /// The text is not YAML. Lines count from the start of the whole input.
    #[error("yaml: {}{problem}", at(*shown))]
    Syntax {
        /// Line of the problem, from 1; 0 when the parser has no position (bad encoding).
        line: u32,
        /// The line that go-yaml names for it: in resource files that of the enclosing construct if there is one, and one less
        /// than counted from 1 when the parser (not the scanner) complains. 0 names no line.
        shown: u32,
        /// The parser's own words.
        problem: String,
    },
    /// The same key occurs twice in one mapping.
    #[error("yaml: unmarshal errors:\n  line {line}: mapping key {key:?} already defined at line {first}")]
    DuplicateKey {
        /// Line of the second occurrence.
        line: u32,
        /// Line of the first occurrence.
        first: u32,
        /// The key.
        key: String,
    },
    /// A mapping key is itself a mapping or a sequence.
    #[error("yaml: line {line}: invalid map key")]
    ComplexKey {
        /// Line of the key.
        line: u32,
    },
    /// An alias names no anchor that is in force, or lies inside the node that it names.
    #[error("yaml: unknown anchor '{name}' referenced")]
    UnknownAnchor {
        /// Line of the alias.
        line: u32,
        /// The name.
        name: String,
    },
    /// `<<` has a value that is neither a mapping nor a list of mappings.
    #[error("yaml: line {line}: map merge requires map or sequence of maps as the value")]
    BadMerge {
        /// Line of the key.
        line: u32,
    },
    /// A scalar's explicit tag contradicts its text.
    #[error("yaml: line {line}: cannot decode `{text}` as a {tag}")]
    BadTag {
        /// Line of the scalar.
        line: u32,
        /// The scalar's text.
        text: String,
        /// The tag.
        tag: String,
    },
    /// A `---` line carries content, which kustomize refuses.
    #[error("invalid document separator: {text}")]
    BadSeparator {
        /// Line of the separator.
        line: u32,
        /// The separator line without blanks around it.
        text: String,
    },
    /// A limit of [`crate::Limits`] is exceeded (an alias bomb, a deeply nested or very large document).
    #[error("yaml: {}document exceeds the limit of {limit} {what}", at(*line))]
    LimitExceeded {
        /// Line at which the limit was reached, 0 if unknown.
        line: u32,
        /// What is limited.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

impl YamlError {
    /// The 1-based line of the problem, if there is one.
    pub fn line(&self) -> Option<u32> {
        let (Self::Syntax { line, .. }
        | Self::DuplicateKey { line, .. }
        | Self::ComplexKey { line }
        | Self::UnknownAnchor { line, .. }
        | Self::BadMerge { line }
        | Self::BadTag { line, .. }
        | Self::BadSeparator { line, .. }
        | Self::LimitExceeded { line, .. }) = self;
        (*line != 0).then_some(*line)
    }
}

fn at(line: u32) -> String {
    if line == 0 { String::new() } else { format!("line {line}: ") }
}

/// A number that is not finite as messages print it.
fn go_number(text: &str) -> &'static str {
    match text.as_bytes() {
        [b'-', ..] => "-Inf",
        [b'.', b'n' | b'N', ..] => "NaN",
        _ => "+Inf",
    }
}

/// A tree that has no JSON form, so that it cannot be printed either.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum WriteError {
    /// A mapping has a key that is not a string.
    #[error("json: unsupported type: map[interface {{}}]interface {{}}")]
    KeyNotString {
        /// Line of the key, 0 for a node that was not read.
        line: u32,
        /// The key's text.
        key: String,
    },
    /// A text was put in the place of a value of another type.
    #[error("yaml: cannot decode !!{found} `{text}` as a !!{wanted}")]
    Undecodable {
        /// Line of the value, 0 for a node that was not read.
        line: u32,
        /// The type that the text has.
        found: &'static str,
        /// The text.
        text: String,
        /// The type that it should have.
        wanted: &'static str,
    },
    /// An infinite number or not-a-number.
    #[error("json: unsupported value: {}", go_number(text))]
    NotFinite {
        /// Line of the value, 0 for a node that was not read.
        line: u32,
        /// The value's text.
        text: String,
    },
    /// A text has a character that kustomize's own way from object to text does not survive.
    #[error("yaml: {}{problem}", at(*line))]
    Unreadable {
        /// The line that kustomize names, counted in a form of the document that nobody sees; 0 names none.
        line: u32,
        /// What is wrong.
        problem: String,
    },
}
