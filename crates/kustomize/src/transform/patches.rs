//! `patches`, `patchesStrategicMerge` and `patchesJson6902`: parsing a patch text and applying it to its targets.

use sluice_yaml::{Limits, WriteError};
use thiserror::Error;

use super::{Transform, TransformError};
use crate::documents::{DocumentError, parse_resources};
use crate::json_patch::{JsonPatch, JsonPatchError};
use crate::kustomization::{Patch, Selector};
use crate::merge::strategic_merge;
use crate::resmap::ResMap;
use crate::resource::Resource;
use crate::selector::{Matcher, SelectorError};

/// Why a patch is not one.
#[derive(Debug, Error)]
pub(crate) enum PatchConfigError {
    #[error("must specify one of patch and path in\n{0}")]
    Neither(String),
    #[error("patch and path can't be set at the same time\n{0}")]
    Both(String),
    #[error("unable to parse SM or JSON patch from {label} ({strategic}; {json})")]
    Unreadable { label: String, strategic: Box<DocumentError>, json: Box<JsonPatchError> },
    #[error("illegally qualifies as both an SM and JSON patch: {0}")]
    Ambiguous(String),
    #[error("patch appears to be empty; files=[{}]", .0.join(" "))]
    EmptyStrategic(Vec<String>),
    #[error("must specify the target name")]
    NoTargetName,
    #[error("must specify a file path or jsonOp, not both")]
    JsonBoth,
    #[error("empty file path and empty jsonOp")]
    JsonNeither,
    #[error("patch appears to be empty; file={0}")]
    EmptyJson(String),
    #[error("decoding {text:?}")]
    BadJson { text: String, source: JsonPatchError },
    #[error(transparent)]
    Strategic(#[from] DocumentError),
    #[error(transparent)]
    Selector(#[from] SelectorError),
}

#[derive(Debug)]
enum Body {
    Strategic(Vec<Resource>),
    Json(JsonPatch),
}

/// One configured patch.
#[derive(Debug)]
pub(crate) struct PatchStep {
    body: Body,
    target: Option<Matcher>,
    label: String,
    /// Whether targets of a JSON patch remember their present id (`patches` does, `patchesJson6902` does not).
    remember: bool,
    /// The wording of a missing target: `patchesStrategicMerge` is terser.
    legacy: bool,
}

impl PatchStep {
    /// An entry of `patches` whose text has been read.
    pub(crate) fn new(patch: &Patch, text: &str, label: String, limits: &Limits) -> Result<Self, PatchConfigError> {
        let strategic = parse_resources(text.as_bytes(), &patch.path, limits);
        let json = JsonPatch::parse(text, limits);
        let body = match (strategic, json) {
            (Ok(documents), Ok(patch)) if !documents.is_empty() && patch.len() > 0 => {
                return Err(PatchConfigError::Ambiguous(label));
            }
            (Ok(mut documents), _) => {
                for document in &mut documents {
                    document.allow_name_change = patch.allow_name_change;
                    document.allow_kind_change = patch.allow_kind_change;
                }
                Body::Strategic(documents)
            }
            (Err(_), Ok(patch)) => Body::Json(patch),
            (Err(strategic), Err(json)) => {
                return Err(PatchConfigError::Unreadable {
                    label,
                    strategic: Box::new(strategic),
                    json: Box::new(json),
                });
            }
        };
        let target = patch.target.as_ref().map(Matcher::new).transpose()?;
        Ok(Self { body, target, label, remember: true, legacy: false })
    }

    /// The documents of `patchesStrategicMerge`.
    pub(crate) fn strategic(documents: Vec<Resource>) -> Self {
        Self { body: Body::Strategic(documents), target: None, label: String::new(), remember: true, legacy: true }
    }

    /// An entry of `patchesJson6902` whose text has been read.
    pub(crate) fn json(
        target: Option<&Selector>,
        text: &str,
        path: &str,
        limits: &Limits,
    ) -> Result<Self, PatchConfigError> {
        let operations = JsonPatch::parse(text, limits)
            .map_err(|source| PatchConfigError::BadJson { text: text.to_owned(), source })?;
        if operations.len() == 0 {
            return Err(PatchConfigError::EmptyJson(path.to_owned()));
        }
        let target = target.map(Matcher::new).transpose()?;
        Ok(Self { body: Body::Json(operations), target, label: path.to_owned(), remember: false, legacy: false })
    }

    fn apply_strategic(&self, documents: &[Resource], resources: &mut ResMap) -> Result<(), TransformError> {
        let Some(matcher) = &self.target else {
            for patch in documents {
                let index = resources.find_one(&patch.id).map_err(|source| {
                    if self.legacy {
                        source.into()
                    } else {
                        TransformError::NoTarget { id: patch.id.to_string(), source }
                    }
                })?;
                let patch = if self.legacy { normalised(patch) } else { patch.clone() };
                resources.edit(index, |resource| merge_into(resource, patch))?;
                if self.legacy {
                    resources.retain(|_| true);
                }
            }
            return Ok(());
        };
        let patch = match documents {
            [] => return Ok(()),
            [patch] => patch,
            _ => return Err(TransformError::ManyPatches(self.label.clone())),
        };
        for index in selected(matcher, resources) {
            let patch = normalised(patch);
            resources.edit(index, |resource| merge_into(resource, patch))?;
            let id = &resources.get(index).id;
            if !resources.get(index).is_empty() && resources.count(id) > 1 {
                return Err(crate::resmap::IdError::Registered { id: Box::new(id.clone()) }.into());
            }
        }
        Ok(())
    }
}

fn selected(matcher: &Matcher, resources: &ResMap) -> Vec<usize> {
    (0..resources.len()).filter(|&index| matcher.resource(resources.get(index))).collect()
}

/// Before a targeted patch is applied its labels and annotations are rewritten as strings, nulls included.
fn normalised(patch: &Resource) -> Resource {
    let mut patch = patch.clone();
    for field in ["labels", "annotations"] {
        let pairs = patch.string_map(field);
        patch.set_string_map(field, pairs);
    }
    patch
}

fn merge_into(resource: &mut Resource, patch: Resource) -> Result<(), TransformError> {
    let id = resource.id.clone();
    if patch.allow_name_change || patch.allow_kind_change {
        resource.store_past_id();
    }
    let merged = strategic_merge(resource.node.take(), patch.node)
        .map_err(|source| TransformError::Merge { id: id.to_string(), source })?;
    let Some(merged) = merged.filter(|node| !node.is_null_or_empty()) else {
        // An empty node marks the resource as deleted.
        return Ok(());
    };
    resource.node = merged;
    if let Some(object) = resource.node.as_mapping_mut() {
        // Group and version of the target are never a patch's to change.
        if !id.gvk.version.is_empty() {
            object.insert("apiVersion", sluice_yaml::Node::string(id.gvk.api_version()));
        }
        if !patch.allow_kind_change {
            object.insert("kind", sluice_yaml::Node::string(&id.gvk.kind));
        }
    }
    if !patch.allow_name_change {
        resource.set_name(&id.name);
    }
    resource.set_namespace(&id.namespace);
    Ok(())
}

impl Transform for PatchStep {
    fn apply(&self, resources: &mut ResMap) -> Result<(), TransformError> {
        let patch = match &self.body {
            Body::Strategic(documents) => return self.apply_strategic(documents, resources),
            Body::Json(patch) => patch,
        };
        let Some(matcher) = &self.target else { return Err(TransformError::NoJsonTarget(self.label.clone())) };
        for index in selected(matcher, resources) {
            resources.edit(index, |resource| {
                if self.remember {
                    resource.store_past_id();
                }
                let failed = |source| TransformError::JsonPatch { id: resource.id.to_string(), source };
                let mut json = resource.to_json().map_err(|error: WriteError| failed(error.into()))?;
                patch.apply(&mut json).map_err(failed)?;
                resource.node = sluice_yaml::Node::from_json(&json);
                Ok::<(), TransformError>(())
            })?;
        }
        Ok(())
    }
}

/// The documents of one entry of `patchesStrategicMerge`, which may be the patch itself instead of a path.
pub(crate) fn parse_strategic(text: &str, limits: &Limits) -> Option<Vec<Resource>> {
    parse_resources(text.as_bytes(), "", limits).ok()
}
