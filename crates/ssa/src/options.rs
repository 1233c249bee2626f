//! How to apply.
//!
//! Deliberately values only: nothing here is done.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sluice_manifest::{GroupKind, ObjectId};

use crate::ignore::IgnoreRules;

/// What to do when a change of a live object is impossible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Force {
    /// Fail, unless the object's own label or annotation asks for recreation.
    #[default]
    Never,
    /// Delete the object and create it anew.
    Recreate,
}

/// Whether field managers' entries of other API versions are rewritten (gate `MigrateAPIVersion`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VersionMigration {
    /// They stay as they are.
    #[default]
    Leave,
    /// All entries of an object get the version that is applied. That alone makes it `configured`.
    Rewrite,
}

/// Where a manifest came from. `Display` is `<file>` or `<file>, line <N>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The file.
    pub file: String,
    /// The line on which the object begins, counted from 1, where it is known.
    pub line: Option<usize>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        self.line.map_or(Ok(()), |line| write!(f, ", line {line}"))
    }
}

/// How to apply.
#[derive(Debug, Clone)]
pub struct ApplyOptions {
    /// Kinds of the third stage (`--custom-apply-stage-kinds`).
    pub custom_stage: HashSet<GroupKind>,
    /// `spec.force`.
    pub force: Force,
    /// Name prefixes of further field managers whose fields are taken over (`--override-manager`).
    pub override_managers: Vec<String>,
    /// How long the objects of a waited-for stage may take to get ready.
    pub stage_timeout: Duration,
    /// How long a recreated object may take to go.
    pub recreate_timeout: Duration,
    /// `spec.ignore`.
    pub ignore: Arc<IgnoreRules>,
    /// Gate `MigrateAPIVersion`.
    pub version_migration: VersionMigration,
    /// Where objects came from, by the identity in their manifests; errors name it.
    pub origins: Arc<HashMap<ObjectId, Origin>>,
}

impl Default for ApplyOptions {
    /// Waits of 60 s, as the contract has for stages, and nothing else.
    fn default() -> Self {
        Self {
            custom_stage: HashSet::new(),
            force: Force::Never,
            override_managers: Vec::new(),
            stage_timeout: Duration::from_secs(60),
            recreate_timeout: Duration::from_secs(60),
            ignore: Arc::default(),
            version_migration: VersionMigration::Leave,
            origins: Arc::default(),
        }
    }
}
