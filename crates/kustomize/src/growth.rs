//! [`Growth`]: what one build may copy into its resources.
//!
//! Files are bounded when they are read, but a patch, a label or a replacement is copied into as many resources as it selects, and a
//! value copied into what contains it doubles each time: a few lines could ask for more memory than there is. Each copy pays here
//! before it is made. It does not count what is read or removed.

use std::cell::Cell;

use serde_json::Value as Json;
use sluice_yaml::{Node, Value};
use thiserror::Error;

/// Bytes that a node takes beside its text, about.
const NODE: usize = 64;

/// The build would copy more than it may.
#[derive(Debug, Error)]
#[error("the build exceeds the limit of {limit} bytes copied by patches, labels and replacements")]
pub(crate) struct TooMuchGrowth {
    limit: usize,
}

/// What is left of a build's allowance.
#[derive(Debug)]
pub(crate) struct Growth {
    limit: usize,
    left: Cell<usize>,
}

impl Default for Growth {
    fn default() -> Self {
        Self::new(crate::options::BuildLimits::default().copied)
    }
}

impl Growth {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, left: Cell::new(limit) }
    }

    /// Pays for bytes that are about to be copied.
    pub(crate) fn spend(&self, bytes: usize) -> Result<(), TooMuchGrowth> {
        let left = self.left.get().checked_sub(bytes).ok_or(TooMuchGrowth { limit: self.limit })?;
        self.left.set(left);
        Ok(())
    }
}

/// The memory that a tree takes, about.
pub(crate) fn weight(node: &Node) -> usize {
    NODE + match &node.value {
        Value::Scalar(scalar) => scalar.text.len(),
        Value::Sequence(items) => items.iter().map(weight).sum(),
        Value::Mapping(mapping) => mapping.iter().map(|(key, value)| NODE + key.len() + weight(value)).sum(),
    }
}

/// The memory that a value takes, about.
pub(crate) fn json_weight(value: &Json) -> usize {
    NODE + match value {
        Json::Null | Json::Bool(_) | Json::Number(_) => 0,
        Json::String(text) => text.len(),
        Json::Array(items) => items.iter().map(json_weight).sum(),
        Json::Object(fields) => fields.iter().map(|(key, value)| NODE + key.len() + json_weight(value)).sum(),
    }
}
