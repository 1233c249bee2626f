//! Documents to trees and back, by format.
//!
//! Reading is bounded by the document's size (its caller's) and [`MAX_DEPTH`](crate::tree::MAX_DEPTH).

mod dotenv;
mod ini;
mod json;
mod numbers;
mod yaml_comments;
mod yaml_read;
mod yaml_write;

use crate::format::Format;
use crate::metadata::Layout;
use crate::tree::{Branch, MAX_DEPTH};

/// A text that is not of its format, or a tree that has no form in one. Never holds a value.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The text is not UTF-8.
    #[error("it is not UTF-8 text")]
    NotText,
    /// It is not JSON. Only the place is told: the parser's words may have a value in them.
    #[error("Could not unmarshal input data: it is not a JSON object (line {line}, column {column})")]
    Json {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// A line of a dotenv file has no `=`.
    #[error("invalid dotenv input line: {0}")]
    DotenvLine(usize),
    /// An INI file is none.
    #[error("Could not unmarshal input data: {problem} (line {line})")]
    Ini {
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        problem: &'static str,
    },
    /// The text is not YAML.
    #[error("Error unmarshaling input YAML: {problem} (line {line})")]
    Yaml {
        /// The line, from 1; 0 if it is not known.
        line: u64,
        /// What is wrong.
        problem: String,
    },
    /// More levels than are read.
    #[error("the document has more than {MAX_DEPTH} levels")]
    Depth,
    /// A mapping or list in a format that has none.
    #[error("cannot use complex value in dotenv file; offending key {0}")]
    Complex(String),
    /// An INI file has sections, and they have keys.
    #[error("Error encoding section: Section values should always be TreeBranches")]
    Section,
    /// A number that is none.
    #[error("Error marshaling to json: unsupported value")]
    NotFinite,
    /// There is nothing to write.
    #[error("there must be exactly one tree branch")]
    Documents,
    /// The document was not encrypted in the binary format.
    #[error("no binary data found in tree")]
    NoData,
    /// The same.
    #[error("'data' key in tree does not have a string value")]
    DataType,
}

/// How a format has its metadata.
pub(crate) fn layout(format: Format) -> Layout {
    match format {
        Format::Yaml | Format::Json | Format::Binary => Layout::Nested,
        Format::Ini => Layout::Section,
        Format::Dotenv => Layout::Flat,
    }
}

/// Reads an encrypted document.
pub(crate) fn load(document: &[u8], format: Format) -> Result<Vec<Branch>, StoreError> {
    match format {
        Format::Yaml => yaml_read::load(document),
        Format::Json | Format::Binary => json::load(document).map(|branch| vec![branch]),
        Format::Dotenv => dotenv::load(document).map(|branch| vec![branch]),
        Format::Ini => ini::load(document).map(|branch| vec![branch]),
    }
}

/// Writes a decrypted document.
pub(crate) fn emit(branches: &[Branch], format: Format) -> Result<Vec<u8>, StoreError> {
    let first = branches.first().ok_or(StoreError::Documents);
    match format {
        Format::Yaml => Ok(yaml_write::emit(branches)),
        Format::Json => json::emit(first?),
        Format::Dotenv => dotenv::emit(first?),
        Format::Ini => ini::emit(branches),
        Format::Binary if branches.len() != 1 => Err(StoreError::Documents),
        Format::Binary => binary(first?),
    }
}

fn binary(branch: &Branch) -> Result<Vec<u8>, StoreError> {
    let data = branch.iter().find(|item| item.name() == Some("data")).ok_or(StoreError::NoData)?;
    match &data.value {
        crate::tree::Value::Text(text) => Ok(text.clone()),
        _ => Err(StoreError::DataType),
    }
}
