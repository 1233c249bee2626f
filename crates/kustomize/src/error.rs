//! [`BuildError`]: why a build failed, in kustomize's words where those say enough, with file and line.

use std::error::Error;
use std::fmt::Write as _;

use sluice_yaml::YamlError;
use thiserror::Error;

use crate::decode::DecodeError;
use crate::documents::DocumentError;
use crate::remote::RepoSpecError;
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
    #[error("Found multiple kustomization files under: {dir}\n")]
    ManyKustomizations {
        /// The directory.
        dir: String,
    },
    /// The kustomization file sets nothing.
    #[error("kustomization.yaml is empty")]
    EmptyKustomization {
        /// The file.
        file: String,
    },
    /// The kustomization file is not YAML.
    #[error("invalid Kustomization")]
    KustomizationSyntax {
        /// The file.
        file: String,
        /// Where and why.
        source: YamlError,
    },
    /// The kustomization file has an unknown field or a wrong type.
    #[error("invalid Kustomization")]
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
    /// A resource has a key twice.
    #[error("map[string]interface {{}}(nil): {problem}")]
    DuplicateKey {
        /// Which key and where, counted as kustomize does: in the resource alone, without blank lines.
        problem: String,
        /// The resource's file.
        file: String,
        /// The line of the second occurrence in it, from 1.
        line: u32,
    },
    /// A resource has a block of text that kustomize writes in a form that it cannot read.
    #[error("{object}")]
    Block {
        /// The object as kustomize shows it, but for the values of a Secret.
        object: String,
        /// Why not, with the line in what kustomize wrote.
        source: YamlError,
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
    /// A URL names no repository, or one that is not supported.
    #[error(transparent)]
    RemoteSpec(RepoSpecError),
    /// A file or repository on another host cannot be had.
    #[error("fetching '{url}'")]
    Fetch {
        /// The URL as written.
        url: String,
        /// The cause.
        source: Cause,
    },
    /// A file that a kustomization names cannot be read.
    #[error("{problem}")]
    Read {
        /// The path as written.
        path: String,
        /// What is wrong, with the path as messages show it.
        problem: String,
        /// The cause, which `problem` retells.
        cause: ReadError,
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
    /// A file's resources clash with those that are there.
    #[error("merging resources from '{path}'")]
    MergeFile {
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
    #[error("accumulating components: {} {}", step.words(), go_quote(&describe(cause)))]
    Components {
        /// What was being done.
        step: ComponentStep,
        /// The cause, which the text quotes.
        cause: Box<BuildError>,
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
    #[error("{}", describe(&**cause))]
    Configuration {
        /// The file.
        file: String,
        /// The cause, which the text is.
        cause: Cause,
    },
    /// A file of `crds` is bad.
    #[error("loading CRDs [{}]", files.join(" "))]
    Crds {
        /// All files of `crds`.
        files: Vec<String>,
        /// The cause.
        source: Cause,
    },
    /// The `openapi` field or its file is bad.
    #[error("{problem}")]
    Schema {
        /// What is wrong.
        problem: String,
    },
    /// A generator failed.
    #[error("{}", describe(&**cause))]
    Generate {
        /// The kustomization file.
        file: String,
        /// `ConfigMap` or `Secret`.
        kind: &'static str,
        /// The name.
        name: String,
        /// The cause, which the text is.
        cause: Cause,
    },
    /// The objects that `generators` names are bad.
    #[error("loading generator plugins")]
    Generators {
        /// The cause.
        source: Box<BuildError>,
    },
    /// An object that `generators`, `transformers` or `validators` names cannot be one.
    #[error("{problem}")]
    Plugin {
        /// What is wrong.
        problem: String,
    },
    /// The configuration of a plugin is bad.
    #[error("plugin {id} fails configuration")]
    PluginConfiguration {
        /// The plugin's id.
        id: String,
        /// The cause.
        source: Cause,
    },
    /// A validator changed what it was to look at.
    #[error("validator shouldn't modify the resource map: {problem}")]
    Validator {
        /// What it changed.
        problem: String,
    },
    /// A generated object cannot be added, merged or put in place of another.
    #[error("merging from generator &{{{GENERATOR_ADDRESS} <nil>}}: {problem}")]
    Absorb {
        /// What is there and what was asked.
        problem: String,
    },
    /// A transformer's configuration is bad.
    #[error("trouble configuring builtin {kind} with config: `\n{config}`")]
    Configure {
        /// The kustomization file.
        file: String,
        /// The transformer.
        kind: &'static str,
        /// Its configuration as YAML.
        config: String,
        /// The cause.
        source: Cause,
    },
    /// A transformer failed.
    #[error("{}", describe(&**cause))]
    Transform {
        /// The kustomization file.
        file: String,
        /// The transformer.
        kind: String,
        /// The cause, which the text is.
        cause: Cause,
    },
    /// Variables clash or have no value.
    #[error("{problem}")]
    Vars {
        /// What is wrong.
        problem: String,
    },
    /// Hashes or name references could not be settled.
    #[error("{}", describe(&**cause))]
    Names {
        /// The cause, which the text is.
        cause: Cause,
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

impl BuildError {
    /// The file at fault and the line in it, where the message, which is kustomize's, leaves them out. 0 for no line.
    pub fn place(&self) -> Option<(&str, u32)> {
        match self {
            Self::EmptyKustomization { file } => Some((file, 0)),
            Self::KustomizationSyntax { file, source } => Some((file, source.line().unwrap_or(0))),
            Self::KustomizationField { file, source } => Some((file, source.line())),
            Self::Unsupported { file, line, .. } | Self::DuplicateKey { file, line, .. } => Some((file, *line)),
            Self::ResourceFile { path, source } => {
                source.downcast_ref::<DocumentError>()?.unsaid_line().map(|line| (path.as_str(), line))
            }
            Self::Components { cause: source, .. }
            | Self::Entry { source, .. }
            | Self::Resources { source }
            | Self::Target { source, .. }
            | Self::Base { source, .. } => source.place(),
            _ => None,
        }
    }
}

/// Where kustomize prints the address of a generator in its memory.
const GENERATOR_ADDRESS: &str = "0xc000000000";

/// A step of applying a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComponentStep {
    /// Finding its directory.
    Find,
    /// Building it.
    Build,
}

impl ComponentStep {
    fn words(self) -> &'static str {
        match self {
            Self::Find => "loader.New",
            Self::Build => "accumulateDirectory:",
        }
    }
}

/// A text in quotes, escaped as kustomize's own language does.
pub(crate) fn go_quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        // Writing to a string cannot fail.
        let _ = match c {
            '"' | '\\' => write!(quoted, "\\{c}"),
            '\n' => write!(quoted, "\\n"),
            '\r' => write!(quoted, "\\r"),
            '\t' => write!(quoted, "\\t"),
            '\x07' => write!(quoted, "\\a"),
            '\x08' => write!(quoted, "\\b"),
            '\x0b' => write!(quoted, "\\v"),
            '\x0c' => write!(quoted, "\\f"),
            c if c.is_ascii_control() => write!(quoted, "\\x{:02x}", u32::from(c)),
            // What the standard library would escape, too, is what does not show.
            c if !c.is_ascii() && c.escape_debug().len() > 1 && u32::from(c) > 0xffff => {
                write!(quoted, "\\U{:08x}", u32::from(c))
            }
            c if !c.is_ascii() && c.escape_debug().len() > 1 => write!(quoted, "\\u{:04x}", u32::from(c)),
            c => write!(quoted, "{c}"),
        };
    }
    quoted.push('"');
    quoted
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
