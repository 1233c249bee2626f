//! The values that name an artifact: its [`Digest`], its [`Revision`] and its [`ArtifactPath`].
//!
//! These are the strings that controllers exchange through `status.artifact`. Each is parsed once, at the edge, into
//! a type that cannot hold a wrong value. This crate is the only one that computes content digests.
//!
//! Deliberately absent: files and the network. What is stored where on disk is the storage crate's; how a revision
//! is found is each source backend's.

mod digest;
mod path;
mod revision;

pub use digest::{Algorithm, Digest, DigestError, Hasher, UnknownAlgorithm};
pub use path::{ArtifactDir, ArtifactPath, LOCK_SUFFIX, PathError, TEMPORARY_PREFIX};
pub use revision::{Revision, RevisionError, short_ref_name};
