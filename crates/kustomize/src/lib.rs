//! The kustomize build engine, equal in its output to kustomize 5.8.1, as a pure library over a [`FileTree`].
//!
//! [`build`] turns a directory of a tree into [`Build`]: objects, warnings, and the set of everything that was looked at, so that
//! a caller can tell whether another revision could build differently. [`generate`] writes the top kustomization that
//! kustomize-controller makes up or edits, as an [`OverlayTree`] over the source.
//!
//! What it deliberately does not do: start processes, fetch anything by itself (a caller may pass a
//! [`RemoteSource`]), read the environment, run plugins, inflate helm charts.
//! A field that is not implemented is an error that names it, never ignored. Only [`DirTree`] touches a disk, and it only reads.

mod absorb;
mod accumulator;
mod build;
mod config;
mod crds;
mod custom_schema;
mod decode;
mod dir_tree;
mod documents;
mod error;
mod fieldpath;
mod fieldspec;
mod generator;
mod go_regex;
mod go_syntax;
mod growth;
mod hash;
mod id;
mod id_index;
mod inject;
mod json_patch;
mod json_spelling;
mod kustomization;
mod link_tree;
mod merge;
mod missing;
mod mount;
mod multikey;
mod nameref;
mod options;
mod order;
mod origin;
mod path;
mod plugins;
mod primitive_set;
mod remote;
mod resmap;
mod resource;
mod schema;
mod selector;
mod tables;
mod transform;
mod tree;
mod validators;
mod vars;

pub use build::{Attempt, Build, PrintError, attempt, build, yaml_of};
pub use decode::DecodeError;
pub use dir_tree::DirTree;
pub use error::{BuildError, Cause, ComponentStep, describe};
pub use id::{Gvk, ResId};
pub use inject::{GenerateError, Generated, ImageOverride, Injection, PatchOverride, PatchTarget, generate};
pub use link_tree::LinkTree;
pub use options::{BuildLimits, LoadRestrictor, Options, Reorder};
pub use path::{PathError, RelPath};
pub use remote::{DEFAULT_TIMEOUT, MAX_TIMEOUT, Remote, RemoteSource, RepoSpec, RepoSpecError};
pub use resource::Resource;
pub use tree::{EntryKind, FileTree, MemoryTree, OverlayTree, ReadError, ReadSet};
