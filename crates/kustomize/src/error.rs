//! [`BuildError`]: why a build failed, in kustomize's words where those say enough, with file and line.

use std::error::Error;
use std::fmt::Write as _;

use sluice_yaml::YamlError;
use thiserror::Error;

use crate::decode::DecodeError;
use crate::tree::ReadError;

/// A cause whose type is the engine's own business.
pub type Cause = Box<dyn Error + Send + Sync>;

/// Why a build failed. Print it with its sources joined by `: ` ([`describe`]).
#[derive(Debug, Error)]
pub enum BuildError {
    /// The directory has no kustomization file.
    #[error("unable to find one of 'kustomization.yaml', 'kustomization.yml' or 'Kustomization' in directory '{dir}'")]
    NoKustomization {
        /// The directory.
        dir: String,
    },
    /// The directory has several kustomization files.
    #[error("Found multiple kustomization files under: {dir}")]
    ManyKustomizations {
        /// The directory.
        dir: String,
    },
    /// The kustomization file sets nothing.
    #[error("kustomization.yaml is empty ({file})")]
    EmptyKustomization {
        /// The file.
        file: String,
    },
    /// The kustomization file is not YAML.
    #[error("{file}: invalid Kustomization")]
    KustomizationSyntax {
        /// The file.
        file: String,
        /// Where and why.
        source: YamlError,
    },
    /// The kustomization file has an unknown field or a wrong type.
    #[error("{file}: invalid Kustomization")]
    KustomizationField {
        /// The file.
        file: String,
        /// Where and why.
        source: DecodeError,
    },
    /// The file's kind or apiVersion is not one of a kustomization.
    #[error("Failed to read kustomization file under {dir}:\n{}", problems.join("\n"))]
    KustomizationType {
        /// The directory.
        dir: String,
        /// What is wrong.
        problems: Vec<String>,
    },
    /// A field that this engine does not implement.
    #[error("{file}: line {line}: field '{field}' is not supported: {reason}")]
    Unsupported {
        /// The file.
        file: String,
        /// Line of the field, from 1; 0 if unknown.
        line: u32,
        /// The field, or a plugin's kind.
        field: String,
        /// Why not.
        reason: String,
    },
    /// A path names another host.
    #[error("'{path}' is remote, and remote resources are not allowed")]
    Remote {
        /// The path as written.
        path: String,
    },
    /// A file that a kustomization names cannot be read.
    #[error("evalsymlink failure on '{path}'")]
    Read {
        /// The path as written.
        path: String,
        /// The cause.
        source: ReadError,
    },
    /// A file lies outside of its kustomization's directory.
    #[error("security; file '{file}' is not in or below '{dir}'")]
    OutsideRoot {
        /// The file.
        file: String,
        /// The directory.
        dir: String,
    },
    /// A path leaves the tree altogether.
    #[error("fs-security-constraint {path}: path '{path}' is not in or below '{dir}'")]
    OutsideTree {
        /// The path as written.
        path: String,
        /// The root of the tree.
        dir: String,
    },
    /// A base or component is not a directory.
    #[error("must build at directory: {problem}")]
    NotADirectory {
        /// What is there instead.
        problem: String,
    },
    /// A base contains the kustomization that names it.
    #[error("cycle detected: candidate root '{candidate}' contains visited root '{visited}'")]
    Cycle {
        /// The base.
        candidate: String,
        /// The directory that is being built.
        visited: String,
    },
    /// A component was expected and something else found, or the other way round.
    #[error("{problem}")]
    WrongKind {
        /// What was expected and found where.
        problem: String,
    },
    /// A resource file is not YAML or has a bad object.
    #[error("accumulating resources from '{path}'")]
    ResourceFile {
        /// The path as written.
        path: String,
        /// The cause.
        source: Cause,
    },
    /// An entry is neither a readable file nor a buildable directory.
    #[error("accumulation err='{file}'")]
    Entry {
        /// Why it is not a file.
        file: String,
        /// Why it is not a directory.
        source: Box<BuildError>,
    },
    /// The resources of a kustomization cannot be collected.
    #[error("accumulating resources")]
    Resources {
        /// The cause.
        source: Box<BuildError>,
    },
    /// The components of a kustomization cannot be applied.
    #[error("accumulating components")]
    Components {
        /// The cause.
        source: Box<BuildError>,
    },
    /// A base's kustomization file is bad.
    #[error("couldn't make target for path '{dir}'")]
    Target {
        /// The directory.
        dir: String,
        /// The cause.
        source: Box<BuildError>,
    },
    /// A base failed.
    #[error("recursed accumulation of path '{dir}'")]
    Base {
        /// The directory.
        dir: String,
        /// The cause.
        source: Box<BuildError>,
    },
    /// A base's resources clash with those that are there.
    #[error("recursed merging from path '{dir}'")]
    Merge {
        /// The directory.
        dir: String,
        /// The cause.
        source: Cause,
    },
    /// A file of `configurations` is bad.
    #[error("{file}: invalid transformer configuration")]
    Configuration {
        /// The file.
        file: String,
        /// The cause.
        source: Cause,
    },
    /// A generator failed.
    #[error("{file}: generating {kind} '{name}'")]
    Generate {
        /// The kustomization file.
        file: String,
        /// `ConfigMap` or `Secret`.
        kind: &'static str,
        /// The name.
        name: String,
        /// The cause.
        source: Cause,
    },
    /// A generated object cannot be added, merged or put in place of another.
    #[error("merging from generator: {problem}")]
    Absorb {
        /// What is there and what was asked.
        problem: String,
    },
    /// A transformer's configuration is bad.
    #[error("{file}: trouble configuring builtin {kind}")]
    Configure {
        /// The kustomization file.
        file: String,
        /// The transformer.
        kind: &'static str,
        /// The cause.
        source: Cause,
    },
    /// A transformer failed.
    #[error("{file}: {kind}")]
    Transform {
        /// The kustomization file.
        file: String,
        /// The transformer.
        kind: String,
        /// The cause.
        source: Cause,
    },
    /// Variables clash or have no value.
    #[error("{problem}")]
    Vars {
        /// What is wrong.
        problem: String,
    },
    /// Hashes or name references could not be settled.
    #[error("settling names")]
    Names {
        /// The cause.
        source: Cause,
    },
    /// `sortOptions` is wrong.
    #[error("{problem}")]
    Sort {
        /// What is wrong.
        problem: String,
    },
    /// A bound of [`crate::BuildLimits`] is exceeded.
    #[error("the build exceeds the limit of {limit} {what}")]
    TooLarge {
        /// What is limited.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

/// An error with all its sources, joined by `: `.
pub fn describe(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        // Writing to a string cannot fail.
        let _ = write!(text, ": {error}");
        source = error.source();
    }
    text
}
