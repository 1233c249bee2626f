//! Resource files to [`Resource`]s: every document must be an object with a kind and a name; lists are taken apart.

use sluice_yaml::{Limits, Node, Value, YamlError, read_documents};
use thiserror::Error;

use crate::resource::{Resource, metadata_text, read_id};

/// Why a file holds no resources.
#[derive(Debug, Error)]
pub(crate) enum DocumentError {
    #[error("MalformedYAMLError: {0} in File: {1}")]
    Yaml(YamlError, String),
    #[error("missing Resource metadata ({0})")]
    NoMetadata(Place),
    #[error("missing kind in object {meta} ({place})")]
    NoKind { meta: String, place: Place },
    #[error("missing metadata.name in object {meta} ({place})")]
    NoName { meta: String, place: Place },
    #[error("expected array in {kind}/items ({place})")]
    BadList { kind: String, place: Place },
}

/// File and line, for messages.
#[derive(Debug)]
pub(crate) struct Place(String, u32);

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.0.as_str(), self.1) {
            ("", line) => write!(f, "line {line}"),
            (file, 0) => f.write_str(file),
            (file, line) => write!(f, "{file} line {line}"),
        }
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
        validate(&document, file)?;
        let kind = document.get("kind").and_then(Node::text).unwrap_or_default().to_owned();
        if !kind.ends_with("List") {
            resources.push(Resource::new(document));
            continue;
        }
        let place = place(&document, file);
        match document.get_mut("items") {
            None => resources.push(Resource::new(document)),
            Some(items) if items.is_null() => {}
            Some(items) => match items.take().value {
                Value::Sequence(items) => next.extend(items),
                _ => return Err(DocumentError::BadList { kind, place }),
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

fn place(document: &Node, file: &str) -> Place {
    Place(file.to_owned(), document.position.line)
}

fn validate(document: &Node, file: &str) -> Result<(), DocumentError> {
    let id = read_id(document);
    let place = || place(document, file);
    let has = |field| document.at(&["metadata", field]).is_some_and(|value| !value.is_null_or_empty());
    let typed = !id.gvk.kind.is_empty() || !id.gvk.version.is_empty();
    if !typed && !["name", "namespace", "labels", "annotations"].into_iter().any(has) {
        return Err(DocumentError::NoMetadata(place()));
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
        return Err(DocumentError::NoKind { meta: meta(), place: place() });
    }
    if id.name.is_empty() && !id.gvk.kind.ends_with("List") {
        return Err(DocumentError::NoName { meta: meta(), place: place() });
    }
    Ok(())
}

fn go_map(document: &Node, field: &str) -> String {
    let Some(mapping) = document.at(&["metadata", field]).and_then(Node::as_mapping) else { return "map[]".to_owned() };
    let mut pairs: Vec<String> =
        mapping.iter().map(|(key, value)| format!("{key}:{}", value.text().unwrap_or_default())).collect();
    pairs.sort_unstable();
    format!("map[{}]", pairs.join(" "))
}
