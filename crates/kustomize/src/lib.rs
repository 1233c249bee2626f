//! The kustomize build engine, equal in its output to kustomize 5.8.1, as a pure library over a [`FileTree`].
//!
//! [`build`] turns a directory of a tree into [`Build`]: objects, warnings, and the set of everything that was looked at, so that
//! a caller can tell whether another revision could build differently. [`generate`] writes the top kustomization that
//! kustomize-controller makes up or edits, as an [`OverlayTree`] over the source.
//!
//! What it deliberately does not do: start processes, fetch anything, read the environment, run plugins, inflate helm charts.
//! A field that is not implemented is an error that names it, never ignored. Only [`DirTree`] touches a disk, and it only reads.

mod accumulator;
mod build;
mod config;
mod decode;
mod dir_tree;
mod documents;
mod error;
mod fieldpath;
mod fieldspec;
mod generator;
mod hash;
mod id;
mod inject;
mod json_patch;
mod kustomization;
mod merge;
mod multikey;
mod nameref;
mod options;
mod order;
mod origin;
mod path;
mod plugins;
mod resmap;
mod resource;
mod schema;
mod selector;
mod tables;
mod transform;
mod tree;
mod vars;

pub use build::{Build, build};
pub use decode::DecodeError;
pub use dir_tree::DirTree;
pub use error::{BuildError, Cause, describe};
pub use id::{Gvk, ResId};
pub use inject::{GenerateError, Generated, ImageOverride, Injection, PatchOverride, PatchTarget, generate};
pub use options::{BuildLimits, LoadRestrictor, Options, Remote, Reorder};
pub use path::{PathError, RelPath};
pub use resource::Resource;
pub use tree::{EntryKind, FileTree, MemoryTree, OverlayTree, ReadError, ReadSet};
