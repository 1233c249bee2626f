//! Reads YAML into a tree and writes it back exactly as the Go tools around Kubernetes do.
//!
//! [`read_documents`] and [`read_config`] turn text into [`Node`]s, [`write()`] and [`write_all`] turn nodes into text with sorted
//! keys, two-space maps and the quoting, folding and number forms that kustomize prints; [`Node::to_json`] and
//! [`Node::from_json`] go to and from `serde_json`. [`Stream`] reads a document that is too large for one tree. A scalar keeps its
//! own text and its type apart ([`Scalar`]), because transformers compare and replace text and only the output decides how a
//! value is spelt.
//!
//! What it deliberately does not do: keep comments, anchors, tags or block styles (none of them survives a build), or know
//! anything about Kubernetes objects.

mod blocks;
mod bytes;
mod error;
mod json;
mod json_step;
mod node;
mod order;
mod reader;
mod scalar;
mod stream;
mod writer;

pub use error::{WriteError, YamlError};
pub use json::write_json_string;
pub use node::{Entry, Key, Mapping, Node, Position, Spelling, Value};
pub use order::natural_order;
pub use reader::{Limits, is_blank, read_config, read_documents};
pub use scalar::{Scalar, Style, Tag};
pub use stream::{Start, Stream};
pub use writer::{double_quoted, write, write_all};
