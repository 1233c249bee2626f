//! What a caller may choose about a build, and its bounds.

use sluice_yaml::Limits;

use crate::remote::Remote;

/// Whether files outside of a kustomization's directory may be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LoadRestrictor {
    /// Files must be in or below the directory of the kustomization that names them (the command line's default).
    RootOnly,
    /// Files may be anywhere in the tree (what kustomize-controller uses; the tree itself is the fence).
    #[default]
    None,
}

/// The order of the output, unless the top kustomization's `sortOptions` says otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reorder {
    /// As accumulated (what kustomize-controller uses).
    #[default]
    None,
    /// By kind (the command line's default).
    Legacy,
}

/// Bounds of one build. A base may be used many times over, so that small files can ask for very much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuildLimits {
    /// Bounds of each file.
    pub yaml: Limits,
    /// Kustomizations visited, counting each visit.
    pub kustomizations: usize,
    /// Depth of kustomizations within kustomizations.
    pub depth: usize,
    /// Resources at any time.
    pub resources: usize,
    /// Bytes of all files read, counting each reading.
    pub bytes: usize,
    /// Bytes that patches, labels, annotations and replacements copy into resources, about.
    pub copied: usize,
    /// Files and repositories fetched from other hosts, if that is allowed at all.
    pub remotes: usize,
}

impl Default for BuildLimits {
    /// Ten thousand kustomizations, 100 deep, a hundred thousand resources, 512 MiB read, 512 MiB copied, a hundred
    /// things fetched.
    fn default() -> Self {
        Self {
            yaml: Limits::DEFAULT,
            kustomizations: 10_000,
            depth: 100,
            resources: 100_000,
            bytes: 512 << 20,
            copied: 512 << 20,
            remotes: 100,
        }
    }
}

/// Choices for a build. The default is what kustomize-controller does.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which files may be read.
    pub load_restrictor: LoadRestrictor,
    /// The order of the output.
    pub reorder: Reorder,
    /// What to do with remote paths.
    pub remote: Remote,
    /// Put in front of paths in messages: the directory at which the tree stands, without a final slash.
    pub root_label: String,
    /// The version that `buildMetadata: [managedByLabel]` states.
    pub version: String,
    /// Set that label even if the kustomization does not ask for it.
    pub managed_by: bool,
    /// Bounds.
    pub limits: BuildLimits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            load_restrictor: LoadRestrictor::default(),
            reorder: Reorder::default(),
            remote: Remote::default(),
            root_label: String::new(),
            // What a program prints that was not built from a release of kustomize.
            version: "(devel)".to_owned(),
            managed_by: false,
            limits: BuildLimits::default(),
        }
    }
}
