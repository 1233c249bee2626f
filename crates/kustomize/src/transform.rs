//! The transformers: each changes all resources of a layer in one way. In which order they run, the build decides.

mod fields;
mod images;
mod names;
mod namespace;
mod patches;
mod replacements;

pub(crate) use fields::{AddEntries, ReplicaCount, ValueAdd};
pub(crate) use images::ImageTag;
pub(crate) use names::{Affix, Affixes, AppendHashes, append_hash};
pub(crate) use namespace::{SetNamespace, SubjectMode};
pub(crate) use patches::{PatchConfigError, PatchStep, parse_strategic};
pub(crate) use replacements::Replacements;

use std::rc::Rc;

use thiserror::Error;

use crate::custom_schema::CustomSchema;
use crate::fieldspec::FieldError;
use crate::growth::TooMuchGrowth;
use crate::json_patch::JsonPatchError;
use crate::merge::MergeError;
use crate::resmap::{IdError, ResMap};
use crate::selector::SelectorError;

/// One configured transformer.
pub(crate) trait Transform {
    /// Changes the resources.
    fn apply(&self, resources: &mut ResMap) -> Result<(), TransformError>;

    /// Whether it merges, for which kustomize reads the schema.
    fn merges(&self) -> bool {
        false
    }

    /// Takes the user's own schema, which is known only once all layers below have been visited.
    fn use_schema(&mut self, _schema: &Rc<CustomSchema>) {}
}

/// Why a transformer failed.
#[derive(Debug, Error)]
pub(crate) enum TransformError {
    #[error(transparent)]
    Field(#[from] FieldError),
    #[error(transparent)]
    Selector(#[from] SelectorError),
    #[error(transparent)]
    Id(#[from] IdError),
    #[error(transparent)]
    Growth(#[from] TooMuchGrowth),
    #[error("no resource matches strategic merge patch {}", crate::error::go_quote(id))]
    NoTarget { id: String, source: IdError },
    #[error(transparent)]
    Merge(#[from] MergeError),
    #[error(transparent)]
    JsonPatch(#[from] JsonPatchError),
    #[error("unable to find patch target {target} in `resources`: {problem}")]
    NoPatchTarget { target: String, problem: String },
    #[error("{0}")]
    Selected(String),
    #[error("must specify a target for JSON patch {0}")]
    NoJsonTarget(String),
    #[error(
        "Multiple Strategic-Merge Patches in one `patches` entry is not allowed to set `patches.target` field: {0}"
    )]
    ManyPatches(String),
    #[error("namespace transformation produces ID conflict: [{0}]")]
    NamespaceConflict(String),
    #[error("resource with name {name} does not match a config with the following GVK [{kinds}]")]
    NoReplicaTarget { name: String, kinds: String },
    #[error(transparent)]
    Hash(crate::error::Cause),
    #[error("{0}")]
    Replacement(String),
    #[error("the field 'sortOptions.order' must be one of [fifo, legacy]")]
    SortOrder,
    #[error("the field 'sortOptions.legacySortOptions' is set but the selected sort order is '{0}', not 'legacy'")]
    LegacyOptions(String),
}

impl Transform for crate::kustomization::SortOptions {
    fn apply(&self, resources: &mut ResMap) -> Result<(), TransformError> {
        match (self.order.as_str(), &self.legacy) {
            ("fifo", None) => {}
            ("legacy", None) => crate::order::sort_legacy(resources, crate::order::FIRST, crate::order::LAST),
            ("legacy", Some((first, last))) => crate::order::sort_legacy(resources, first, last),
            ("fifo", Some(_)) => return Err(TransformError::LegacyOptions(self.order.clone())),
            _ => return Err(TransformError::SortOrder),
        }
        Ok(())
    }
}
