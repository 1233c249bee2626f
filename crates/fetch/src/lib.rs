//! Fetches artifacts: download by URL, check of the digest, and one unpacked, read-only tree per digest for all who use it.
//!
//! What this crate deliberately does not do: authenticate (artifacts are served inside the cluster without), find out which artifact a
//! source has, or write to a tree after it is unpacked. Users of a tree share it, so they must not write either.

mod artifact;
mod cache;
mod download;
mod error;
mod tree;

pub use artifact::{ArtifactRef, HostOverrides};
pub use cache::{ArtifactCache, FetchLimits};
pub use error::{FetchError, OpenError};
pub use tree::Tree;
