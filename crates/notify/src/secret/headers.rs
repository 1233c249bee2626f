//! The `headers` key of a Secret: a YAML or JSON map of strings, numbers and booleans.
//!
//! Which names and values HTTP allows is not checked here but where a request is rendered.

use std::collections::BTreeMap;

use serde_json::Value;
use sluice_http_client::Secret;
use sluice_yaml::{Limits, WriteError, YamlError, read_config};
use thiserror::Error;

/// A Secret holds at most 1 MiB; a map of headers needs neither depth nor many entries.
const LIMITS: Limits = Limits { bytes: 256 * 1024, depth: 8, nodes: 2_000 };

/// Why `headers` cannot be used. Values are not repeated.
#[derive(Debug, Error)]
pub enum HeadersError {
    /// Not YAML.
    #[error("not valid YAML")]
    ParseYaml(#[source] YamlError),
    /// YAML that has no JSON form.
    #[error("not a map of strings")]
    ConvertYaml(#[source] WriteError),
    /// Another shape than a flat map.
    #[error("not a map of strings")]
    ReadMap,
}

/// Reads the map; absent and blank are empty.
pub(super) fn parse(text: Option<&str>) -> Result<BTreeMap<String, Secret<String>>, HeadersError> {
    let node = read_config(text.unwrap_or_default().as_bytes(), &LIMITS).map_err(HeadersError::ParseYaml)?;
    let Some(node) = node else { return Ok(BTreeMap::new()) };
    match node.to_json().map_err(HeadersError::ConvertYaml)? {
        Value::Null => Ok(BTreeMap::new()),
        Value::Object(map) => {
            map.into_iter().map(|(name, value)| Ok((name, Secret::new(header_text(value)?)))).collect()
        }
        _ => Err(HeadersError::ReadMap),
    }
}

fn header_text(value: Value) -> Result<String, HeadersError> {
    match value {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text),
        Value::Bool(value) => Ok(value.to_string()),
        Value::Number(value) => Ok(value.to_string()),
        Value::Array(_) | Value::Object(_) => Err(HeadersError::ReadMap),
    }
}
