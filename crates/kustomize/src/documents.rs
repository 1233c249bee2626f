//! Resource files to [`Resource`]s: every document must be an object with a kind and a name; lists are taken apart.

use sluice_yaml::{Limits, Node, Tag, Value, YamlError, read_documents};
use thiserror::Error;

use crate::resource::{Resource, metadata_text, read_id};

/// Why a file holds no resources.
#[derive(Debug, Error)]
pub(crate) enum DocumentError {
    #[error("MalformedYAMLError: {0} in File: {1}")]
    Yaml(YamlError, String),
    #[error("missing Resource metadata")]
    NoMetadata,
    #[error("missing kind in object {meta}")]
    NoKind { meta: String },
    #[error("missing metadata.name in object {meta}")]
    NoName { meta: String },
    #[error("expected array in {kind}/items, but found {found}")]
    BadList { kind: String, found: &'static str },
}

impl DocumentError {
    /// The line of the problem, if the message does not say it.
    pub(crate) fn unsaid_line(&self) -> Option<u32> {
        match self {
            Self::Yaml(error @ (YamlError::Syntax { shown: 0, .. } | YamlError::UnknownAnchor { .. }), _) => {
                error.line()
            }
            _ => None,
        }
    }

    /// For a key that occurs twice: the message of kustomize, which sees the document as it prints it, and the line in the file.
    pub(crate) fn duplicate(&self, content: &[u8]) -> Option<(String, u32)> {
        let Self::Yaml(YamlError::DuplicateKey { line, first, key }, _) = self else { return None };
        let lines: Vec<&[u8]> = content.split(|&byte| byte == b'\n').collect();
        let at = |line: u32| usize::try_from(line).unwrap_or(usize::MAX).min(lines.len());
        let place = *line;
        let start = lines[..at(*first)].iter().rposition(|line| line.starts_with(b"---")).map_or(0, |line| line + 1);
        let count = |line: u32| lines[start..at(line)].iter().filter(|line| !line.trim_ascii().is_empty()).count();
        let (line, first, key) = (count(*line), count(*first), crate::error::go_quote(key));
        let problem =
            format!("yaml: unmarshal errors:\n  line {line}: mapping key {key} already defined at line {first}");
        Some((problem, place))
    }
}

/// The resources of a file, in order. `file` is its name for messages.
pub(crate) fn parse_resources(text: &[u8], file: &str, limits: &Limits) -> Result<Vec<Resource>, DocumentError> {
    let documents = read_documents(text, limits).map_err(|error| DocumentError::Yaml(error, file.to_owned()))?;
    let mut documents = unwrap_single_list(documents);
    // Members of a list come after all other documents, as in kustomize.
    let mut resources = Vec::new();
    let mut next = std::collections::VecDeque::from(std::mem::take(&mut documents));
    while let Some(mut document) = next.pop_front() {
        if document.is_null_or_empty() {
            continue;
        }
        validate(&document)?;
        let kind = document.get("kind").and_then(Node::text).unwrap_or_default().to_owned();
        if !kind.ends_with("List") {
            resources.push(Resource::new(document));
            continue;
        }
        match document.get_mut("items") {
            None => resources.push(Resource::new(document)),
            Some(items) if items.is_null() => {}
            Some(items) => match items.take().value {
                Value::Sequence(items) => next.extend(items),
                value => return Err(DocumentError::BadList { kind, found: go_type(&value) }),
            },
        }
    }
    Ok(resources)
}

/// A file of just one `List` is its items.
fn unwrap_single_list(mut documents: Vec<Node>) -> Vec<Node> {
    if let [only] = documents.as_mut_slice()
        && matches!(only.get("kind").and_then(Node::text), Some("List" | "ResourceList"))
        && let Some(items) = only.get_mut("items").and_then(Node::as_sequence_mut)
    {
        return std::mem::take(items);
    }
    documents
}

fn validate(document: &Node) -> Result<(), DocumentError> {
    let id = read_id(document);
    let has = |field| document.at(&["metadata", field]).is_some_and(|value| !value.is_null_or_empty());
    let typed = !id.gvk.kind.is_empty() || !id.gvk.version.is_empty();
    if !typed && !["name", "namespace", "labels", "annotations"].into_iter().any(has) {
        return Err(DocumentError::NoMetadata);
    }
    let meta = || {
        format!(
            "{{{{{} {}}} {{{{{} {}}} {} {}}}}}",
            id.gvk.api_version(),
            id.gvk.kind,
            metadata_text(document, "name"),
            id.namespace,
            go_map(document, "labels"),
            go_map(document, "annotations")
        )
    };
    if id.gvk.kind.is_empty() {
        return Err(DocumentError::NoKind { meta: meta() });
    }
    if id.name.is_empty() && !id.gvk.kind.ends_with("List") {
        return Err(DocumentError::NoName { meta: meta() });
    }
    Ok(())
}

/// The type that kustomize's own language has for a value.
fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Mapping(_) => "map[string]interface {}",
        Value::Sequence(_) => "[]interface {}",
        Value::Scalar(scalar) => match scalar.tag {
            Tag::Str => "string",
            Tag::Bool => "bool",
            Tag::Int => "int",
            Tag::Float => "float64",
            Tag::Timestamp => "time.Time",
            Tag::Null => "<nil>",
        },
    }
}

fn go_map(document: &Node, field: &str) -> String {
    let Some(mapping) = document.at(&["metadata", field]).and_then(Node::as_mapping) else { return "map[]".to_owned() };
    let mut pairs: Vec<String> =
        mapping.iter().map(|(key, value)| format!("{key}:{}", value.text().unwrap_or_default())).collect();
    pairs.sort_unstable();
    format!("map[{}]", pairs.join(" "))
}
