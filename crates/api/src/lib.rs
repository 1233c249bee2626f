//! The API of the toolkit: the ten custom resources of the three groups, the values that they share, and the event that one
//! controller posts to another.
//!
//! Types are written for reading what any Flux 2.9 compatible writer may have stored: unknown fields are ignored, and a value
//! that a newer schema adds to an enumeration is kept as text instead of failing the whole object. Absent optional fields are
//! never written.
//!
//! Deliberately not here: reconciling, defaulting by writing to the cluster, condition algebra (`sluice-conditions`), and
//! parsing of digests and revisions (`sluice-artifact`).

pub mod constants;
pub mod kustomize;
pub mod meta;
pub mod notification;
mod schema;
pub mod source;
pub mod status;
mod text_enum;

pub use schema::crds;
pub use status::{ArtifactSource, ArtifactStatus, ObjectStatus, Reconcilable};
