//! Values: read, merged in the order given, and put in the place of a chart's own.
//!
//! Maps are merged key by key, everything else is replaced, the last one wins. Deliberately absent: rendering, and validation by a schema.

use std::path::Path;

use serde_json::{Map, Value as Json};
use sluice_yaml::{Node, Value};

use crate::chart::{Chart, VALUES_FILE, clean};
use crate::decode::{DecodeError, type_name};
use crate::metadata::{YamlFileError, yaml_limits};
use crate::root::{SourceRoot, look, read_file};

/// A text of values that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ValuesYamlError {
    /// It is not YAML, or no map.
    #[error("cannot unmarshal yaml document")]
    Document(#[source] YamlFileError),
}

/// Whether values files may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// It is an error.
    Refused,
    /// They are passed over.
    Ignored,
}

/// Why values files cannot be merged.
#[derive(Debug, thiserror::Error)]
pub enum ValuesError {
    /// There is no such file below the source's root.
    #[error("no values file found at path '{path}' (reference '{reference}')")]
    NotInSource {
        /// Where it was looked for, from the root on.
        path: String,
        /// How it was written.
        reference: String,
    },
    /// There is no such file in the chart.
    #[error("no values file found at path '{0}'")]
    NotInChart(String),
    /// It cannot be read.
    #[error("could not read values from file '{file}': {problem}")]
    Read {
        /// How it was written.
        file: String,
        /// Why.
        problem: String,
    },
    /// It holds no values.
    #[error("unmarshaling values from '{file}' failed")]
    Parse {
        /// How it was written.
        file: String,
        /// Why.
        #[source]
        source: YamlFileError,
    },
    /// The chart has no file to put them in.
    #[error("failed to locate values file: {VALUES_FILE}")]
    NoValuesFile,
}

/// Merged values, and the files that they are from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Merged {
    /// The values.
    pub values: Map<String, Json>,
    /// The files that were there, as they were written.
    pub files: Vec<String>,
}

/// The values files that have an effect: none, if the only one is the chart's own.
pub fn effective(files: &[String]) -> &[String] {
    match files {
        [only] if clean(only) == VALUES_FILE => &[],
        _ => files,
    }
}

/// Merges files below a source's root, each of at most `max_bytes`.
///
/// # Errors
/// [`ValuesError`].
pub fn merge_from_source(
    root: &SourceRoot,
    files: &[String],
    missing: Missing,
    max_bytes: u64,
) -> Result<Merged, ValuesError> {
    let mut merged = Merged::default();
    for file in files {
        let unreadable = |problem: String| ValuesError::Read { file: file.clone(), problem };
        let path = root.resolve(Path::new(file)).map_err(|error| unreadable(crate::root::io_text(&error)))?;
        match look(&path) {
            Ok(None) if missing == Missing::Ignored => continue,
            Ok(Some(found)) if found.is_file() => {}
            _ => {
                let path = root.shown(&path);
                return Err(ValuesError::NotInSource { path, reference: file.clone() });
            }
        }
        let text = read_file(&path, max_bytes).map_err(|error| unreadable(error.to_string()))?;
        let values = parse_document(&text).map_err(|source| ValuesError::Parse { file: file.clone(), source })?;
        merge_into(&mut merged.values, values);
        merged.files.push(file.clone());
    }
    Ok(merged)
}

/// Merges files of a chart; `values.yaml` stands for the chart's own values.
///
/// # Errors
/// [`ValuesError`].
pub fn merge_from_chart(chart: &Chart, files: &[String], missing: Missing) -> Result<Merged, ValuesError> {
    let mut merged = Merged::default();
    for file in files {
        let name = clean(file);
        if name == VALUES_FILE {
            merge_into(&mut merged.values, chart.values.clone());
        } else if let Some(found) = chart.files.iter().find(|found| found.name == name) {
            let parsed = parse_document(&found.data);
            let values = parsed.map_err(|source| ValuesError::Parse { file: file.clone(), source })?;
            merge_into(&mut merged.values, values);
        } else if missing == Missing::Ignored {
            continue;
        } else {
            return Err(ValuesError::NotInChart(file.clone()));
        }
        merged.files.push(file.clone());
    }
    Ok(merged)
}

impl Chart {
    /// Puts values in the place of the chart's own; false if they were the same text already. No values at all are an empty file.
    ///
    /// # Errors
    /// [`ValuesError::NoValuesFile`].
    pub fn overwrite_values(&mut self, values: &Map<String, Json>) -> Result<bool, ValuesError> {
        let text = if values.is_empty() {
            String::new()
        } else {
            // JSON has neither infinite numbers nor keys that are no strings, all that cannot be written.
            sluice_yaml::write(&Node::from_json(&Json::Object(values.clone()))).unwrap_or_default()
        };
        let file = self.values_file.as_mut().ok_or(ValuesError::NoValuesFile)?;
        if file.data == text.as_bytes() {
            return Ok(false);
        }
        file.data = text.into_bytes();
        self.values.clone_from(values);
        Ok(true)
    }
}

/// The values of a `values.yaml`, whose documents are merged.
pub(crate) fn parse_values(text: &[u8]) -> Result<Map<String, Json>, ValuesYamlError> {
    let mut values = Map::new();
    for document in documents(text) {
        merge_into(&mut values, parse_document(document).map_err(ValuesYamlError::Document)?);
    }
    Ok(values)
}

/// The texts between lines of `---` and nothing but blanks behind.
fn documents(text: &[u8]) -> Vec<&[u8]> {
    let (mut documents, mut start, mut at) = (Vec::new(), 0, 0);
    while at < text.len() {
        let end = text[at..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |offset| at + offset + 1);
        if text[at..end].strip_prefix(b"---").is_some_and(|rest| rest.trim_ascii().is_empty()) {
            documents.push(&text[start..at]);
            start = end;
        }
        at = end;
    }
    documents.push(&text[start..]);
    documents
}

fn parse_document(text: &[u8]) -> Result<Map<String, Json>, YamlFileError> {
    let node = sluice_yaml::read_config(text, &yaml_limits(text.len())).map_err(YamlFileError::Yaml)?;
    let Some(node) = node else { return Ok(Map::new()) };
    let wrong = |found| {
        let (field, wanted) = ("values".to_owned(), "map[string]interface {}");
        YamlFileError::Decode(DecodeError::Type { found, field, wanted })
    };
    match (&node.value, node.to_json()) {
        (Value::Mapping(_), Ok(Json::Object(values))) => Ok(values),
        (Value::Mapping(_), _) => Err(wrong("number")),
        _ if node.is_null() => Ok(Map::new()),
        _ => Err(wrong(type_name(&node))),
    }
}

fn merge_into(target: &mut Map<String, Json>, values: Map<String, Json>) {
    for (key, value) in values {
        match (target.get_mut(&key), value) {
            (Some(Json::Object(inner)), Json::Object(more)) => merge_into(inner, more),
            (_, value) => {
                target.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests;
