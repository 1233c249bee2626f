//! `patches`, `patchesStrategicMerge` and `patchesJson6902`: parsing a patch text and applying it to its targets.

use std::rc::Rc;

use serde_json::{Value as Json, json};
use sluice_yaml::{Limits, Node, Scalar};
use thiserror::Error;

use super::{Transform, TransformError};
use crate::custom_schema::CustomSchema;
use crate::documents::{DocumentError, parse_resources};
use crate::growth::weight;
use crate::json_patch::{JsonPatch, JsonPatchError};
use crate::kustomization::{Patch, Selector};
use crate::merge::{Shares, strategic_merge};
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
    #[error("unable to parse SM or JSON patch from {label}")]
    Unreadable { label: String, strategic: Box<DocumentError>, json: Box<JsonPatchError> },
    #[error("illegally qualifies as both an SM and JSON patch: {0}")]
    Ambiguous(String),
    #[error("patch appears to be empty; files=[{}], Patch={patches}", paths.join(" "))]
    EmptyStrategic { paths: Vec<String>, patches: String },
    #[error("must specify the target name")]
    NoTargetName,
    #[error("must specify a file path or jsonOp, not both")]
    JsonBoth,
    #[error("empty file path and empty jsonOp")]
    JsonNeither,
    #[error("patch appears to be empty; file={path}, JsonOp={text}")]
    EmptyJson { path: String, text: String },
    #[error("decoding {text}")]
    BadJson { text: String, source: JsonPatchError },
    #[error(transparent)]
    Strategic(#[from] DocumentError),
}

/// Which resources a patch is for. A selector that is not one is found out only when it is used, as in kustomize.
#[derive(Debug)]
struct Aim {
    selector: Selector,
    matcher: Result<Matcher, SelectorError>,
}

impl Aim {
    fn new(selector: Selector) -> Self {
        Self { matcher: Matcher::new(&selector), selector }
    }
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
    target: Option<Aim>,
    label: String,
    /// Whether targets of a JSON patch remember their present id (`patches` does, `patchesJson6902` does not).
    remember: bool,
    /// The user's own schema.
    schema: Option<Rc<CustomSchema>>,
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
        let target = patch.target.clone().map(Aim::new);
        Ok(Self { body, target, label, remember: true, schema: None, legacy: false })
    }

    /// The documents of `patchesStrategicMerge`.
    pub(crate) fn strategic(documents: Vec<Resource>) -> Self {
        Self {
            body: Body::Strategic(documents),
            target: None,
            label: String::new(),
            remember: true,
            schema: None,
            legacy: true,
        }
    }

    /// An entry of `patchesJson6902` whose text has been read.
    pub(crate) fn json(
        target: Option<&Selector>,
        text: &str,
        path: &str,
        limits: &Limits,
    ) -> Result<Self, PatchConfigError> {
        let operations = JsonPatch::parse(text, limits)
            .map_err(|source| PatchConfigError::BadJson { text: json_text(text, limits), source })?;
        if operations.len() == 0 {
            return Err(PatchConfigError::EmptyJson { path: path.to_owned(), text: json_text(text, limits) });
        }
        let target = target.cloned().map(Aim::new);
        Ok(Self {
            body: Body::Json(operations),
            target,
            label: path.to_owned(),
            remember: false,
            schema: None,
            legacy: false,
        })
    }

    fn apply_strategic(&self, documents: &[Resource], resources: &mut ResMap) -> Result<(), TransformError> {
        let growth = resources.growth();
        let Some(aim) = &self.target else {
            for patch in documents {
                growth.spend(weight(&patch.node))?;
                let index = resources.find_one(&patch.id).map_err(|source| {
                    if self.legacy {
                        source.into()
                    } else {
                        TransformError::NoTarget { id: patch.id.to_string(), source }
                    }
                })?;
                let patch = if self.legacy { normalised(patch) } else { patch.clone() };
                resources.edit(index, |resource| merge_into(resource, patch, self.schema.as_deref()))?;
                if self.legacy {
                    resources.drop_empty();
                }
            }
            return Ok(());
        };
        let patch = match documents {
            [] => return Ok(()),
            [patch] => patch,
            _ => return Err(TransformError::ManyPatches(self.label.clone())),
        };
        let matcher = aim.matcher.as_ref().map_err(|error| TransformError::NoPatchTarget {
            target: crate::error::go_quote(&aim.selector.to_string()),
            problem: error.to_string(),
        })?;
        for index in selected(matcher, resources) {
            growth.spend(weight(&patch.node))?;
            let mut patch = normalised(patch);
            resources.edit(index, |resource| {
                let unversioned = resource.id.gvk.version.is_empty();
                // The patch is given the target's group and version first, so that its own does not choose the schema.
                if let Some(object) = patch.node.as_mapping_mut() {
                    object.remove("apiVersion");
                    if !unversioned {
                        object.insert("apiVersion", Node::string(resource.id.gvk.api_version()));
                    }
                }
                merge_into(resource, patch, self.schema.as_deref())?;
                // A blank version is merged, too.
                if unversioned && let Some(object) = resource.node.as_mapping_mut() {
                    object.insert("apiVersion", Scalar::plain("null").into());
                }
                Ok::<(), TransformError>(())
            })?;
            let id = &resources.get(index).id;
            if !resources.get(index).is_empty() && resources.count(id) > 1 {
                return Err(crate::resmap::IdError::Registered { id: Box::new(id.clone()) }.into());
            }
        }
        Ok(())
    }
}

/// A patch as JSON, as messages show it; the text itself if it starts as JSON does or is not YAML.
fn json_text(text: &str, limits: &Limits) -> String {
    if text.starts_with('[') {
        return text.to_owned();
    }
    let node = sluice_yaml::read_config(text.as_bytes(), limits).ok().map(Option::unwrap_or_default);
    node.and_then(|node| node.to_json().ok()).map_or_else(|| text.to_owned(), |json| json.to_string())
}

fn selected(matcher: &Matcher, resources: &ResMap) -> Vec<usize> {
    resources.named(matcher.plain_name()).into_iter().filter(|&index| matcher.resource(resources.get(index))).collect()
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

/// Whether a patch deletes or replaces all annotations, those that kustomize keeps for itself included.
fn takes_annotations(patch: &Node) -> bool {
    let directed = |node: &Node| matches!(node.get("$patch").and_then(Node::text), Some("delete" | "replace"));
    let metadata = patch.get("metadata");
    metadata.is_some_and(directed)
        || metadata
            .and_then(|metadata| metadata.get("annotations"))
            .is_some_and(|node| node.is_null() || directed(node))
}

fn merge_into(resource: &mut Resource, patch: Resource, schema: Option<&CustomSchema>) -> Result<(), TransformError> {
    let id = resource.id.clone();
    if patch.allow_name_change || patch.allow_kind_change {
        resource.store_past_id();
    }
    let takes_annotations = takes_annotations(&patch.node);
    let mut target = resource.node.take();
    if resource.has_history() && patch.node.at(&["metadata", "annotations"]).is_some_and(|node| !node.is_null()) {
        // kustomize's own annotations are there to merge with.
        if let Some(metadata) = target.get_mut("metadata").and_then(Node::as_mapping_mut) {
            metadata.get_or_insert_with("annotations", Node::mapping);
        }
    }
    let shares = Shares::new();
    let merged = strategic_merge(target, patch.node, schema, &shares)?;
    let Some(merged) = merged.filter(|node| !node.is_null_or_empty()) else {
        // An empty node marks the resource as deleted.
        return Ok(());
    };
    resource.node = merged;
    if shares.any() {
        resource.take_shares();
    }
    if takes_annotations {
        resource.forget_history();
    }
    if let Some(object) = resource.node.as_mapping_mut() {
        // Group and version of the target are never a patch's to change.
        if !id.gvk.version.is_empty() {
            object.insert("apiVersion", Node::string(id.gvk.api_version()));
        }
        if !patch.allow_kind_change {
            object.insert("kind", sluice_yaml::Node::string(&id.gvk.kind));
        }
    }
    if !patch.allow_name_change {
        resource.set_name(&id.name);
    }
    resource.restore_namespace(&id.namespace);
    Ok(())
}

impl Transform for PatchStep {
    fn merges(&self) -> bool {
        matches!(self.body, Body::Strategic(_))
    }

    fn use_schema(&mut self, schema: &Rc<CustomSchema>) {
        self.schema = Some(Rc::clone(schema));
    }

    fn apply(&self, resources: &mut ResMap) -> Result<(), TransformError> {
        let patch = match &self.body {
            Body::Strategic(documents) => return self.apply_strategic(documents, resources),
            Body::Json(patch) => patch,
        };
        let Some(aim) = &self.target else { return Err(TransformError::NoJsonTarget(self.label.clone())) };
        let matcher = aim.matcher.as_ref().map_err(|error| TransformError::Selected(error.to_string()))?;
        let growth = resources.growth();
        for index in selected(matcher, resources) {
            resources.edit(index, |resource| {
                if self.remember {
                    resource.store_past_id();
                }
                resource.node.refold().map_err(JsonPatchError::from)?;
                let mut json = resource.to_json().map_err(JsonPatchError::from)?;
                if resource.has_history() {
                    with_annotations(&mut json);
                }
                patch.apply(&mut json, &growth)?;
                if patch.takes_annotations() {
                    // Names and namespaces of before are put back, but where the resource comes from is lost.
                    resource.origin = None;
                    resource.transformations.clear();
                }
                without_blank_annotations(&mut json);
                resource.node = Node::from_json(&crate::json_patch::rounded(json));
                // kustomize writes the patched object and reads it, puts its own annotations back and makes all of them anew.
                resource.node.refold().map_err(JsonPatchError::from)?;
                resource.remake_annotations();
                Ok::<(), TransformError>(())
            })?;
        }
        Ok(())
    }
}

/// A resource with a history has annotations in kustomize, so that there is something to add to or to remove.
fn with_annotations(object: &mut Json) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Json::as_object_mut)
        && metadata.get("annotations").is_none_or(Json::is_null)
    {
        metadata.insert("annotations".to_owned(), json!({}));
    }
}

fn without_blank_annotations(object: &mut Json) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Json::as_object_mut)
        && metadata.get("annotations") == Some(&json!({}))
    {
        metadata.remove("annotations");
    }
}

/// The documents of one entry of `patchesStrategicMerge`, which may be the patch itself instead of a path.
pub(crate) fn parse_strategic(text: &str, limits: &Limits) -> Option<Vec<Resource>> {
    parse_resources(text.as_bytes(), "", limits).ok()
}
