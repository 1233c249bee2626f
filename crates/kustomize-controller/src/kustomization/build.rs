//! Phase: the tree becomes objects, as they are to be applied.
//!
//! Deliberately never writes to the tree: the top file that the spec asks for is laid over it in memory.

use std::panic::resume_unwind;

use kube::ResourceExt;
use sluice_api::kustomize::{Kustomization, Selector};
use sluice_artifact::{Algorithm, Digest};
use sluice_kustomize::{
    BuildError, DirTree, GenerateError, ImageOverride, Injection, Options, PatchOverride, PatchTarget, PathError,
    RelPath,
};
use sluice_manifest::{CommonMetadata, Object, ObjectError, expand, normalize};

use super::apply::owner;
use super::tree::Sourced;

/// The largest file that is read; kustomize has no bound, an API object may have 1.5 MiB.
const MAX_FILE_BYTES: u64 = 32 << 20;

/// Why there are no objects.
#[derive(Debug, thiserror::Error)]
pub(super) enum BuildFailed {
    /// The unpacked artifact cannot be read.
    #[error("failed to read the artifact")]
    Tree(#[source] std::io::Error),
    /// `spec.path` is not a path.
    #[error("spec.path")]
    Path(#[source] PathError),
    /// The top kustomization cannot be made.
    #[error("failed to generate kustomization.yaml")]
    Generate(#[source] GenerateError),
    /// The build failed.
    #[error("kustomize build failed: {0}")]
    Build(String),
    /// An object of the build cannot be written as JSON.
    #[error("kustomize build failed: {0}")]
    Encode(String),
    /// An object of the build is none.
    #[error("failed to decode Kubernetes apiVersion, kind and name")]
    Object(#[source] ObjectError),
    /// The work was abandoned because the process ends.
    #[error("the build was abandoned")]
    Abandoned,
}

/// What was built.
pub(super) struct Built {
    /// The objects, stamped and normalised.
    pub(super) objects: Vec<Object>,
    /// Digest of the manifests as built, before labels were added.
    pub(super) digest: String,
}

/// Builds on a thread that may block.
pub(super) async fn build(object: &Kustomization, sourced: Sourced) -> Result<Built, BuildFailed> {
    let injection = injection(object);
    let owner = owner(object);
    let common = object.spec.common_metadata.clone().unwrap_or_default();
    let common = CommonMetadata { labels: common.labels, annotations: common.annotations };
    let name = object.name_any();
    let built = tokio::task::spawn_blocking(move || {
        let (documents, digest) = run(&sourced, &injection)?;
        let mut objects = Vec::new();
        for document in documents {
            objects.extend(expand(document).map_err(BuildFailed::Object)?);
        }
        // The controllers' own configuration files are no objects of a cluster.
        objects.retain(|object| !(object.group() == "kustomize.config.k8s.io" && object.kind() == "Kustomization"));
        for object in &mut objects {
            owner.stamp(object);
            normalize(object);
            common.stamp(object);
        }
        tracing::debug!(name, objects = objects.len(), "built");
        Ok(Built { objects, digest })
    });
    match built.await {
        Ok(built) => built,
        // The pass has the panic boundary; this thread only hands it on.
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        Err(_) => Err(BuildFailed::Abandoned),
    }
}

fn run(sourced: &Sourced, injection: &Injection) -> Result<(Vec<serde_json::Value>, String), BuildFailed> {
    let tree = DirTree::new(sourced.tree.path(), MAX_FILE_BYTES).map_err(BuildFailed::Tree)?;
    let dir = RelPath::new(&sourced.path).map_err(BuildFailed::Path)?;
    let generated = sluice_kustomize::generate(&tree, &dir, injection).map_err(BuildFailed::Generate)?;
    let build = sluice_kustomize::build(&generated.tree, &dir, &Options::default())
        .map_err(|error| BuildFailed::Build(describe(&error)))?;
    for warning in &build.warnings {
        tracing::info!(warning, "kustomize build");
    }
    let encode = |error: &dyn std::error::Error| BuildFailed::Encode(error.to_string());
    let manifests = build.to_yaml().map_err(|error| encode(&error))?;
    let digest = Digest::of(Algorithm::Sha256, manifests.as_bytes()).to_string();
    let documents = build.resources.iter().map(|resource| resource.to_json().map_err(|error| encode(&error)));
    Ok((documents.collect::<Result<_, _>>()?, digest))
}

/// kustomize's text, and behind it the file and line at fault where that text leaves them out.
fn describe(error: &BuildError) -> String {
    let text = sluice_runtime::logging::error_chain(error);
    match error.place() {
        Some((file, 0)) => format!("{text} (in {file})"),
        Some((file, line)) => format!("{text} (in {file}, line {line})"),
        None => text,
    }
}

fn injection(object: &Kustomization) -> Injection {
    let spec = &object.spec;
    let patches = spec
        .patches
        .iter()
        .map(|patch| PatchOverride { patch: patch.patch.clone(), target: patch.target.as_ref().map(target) });
    let images = spec.images.iter().map(|image| ImageOverride {
        name: image.name.clone(),
        new_name: image.new_name.clone().unwrap_or_default(),
        new_tag: image.new_tag.clone().unwrap_or_default(),
        digest: image.digest.clone().unwrap_or_default(),
    });
    Injection {
        target_namespace: spec.target_namespace.clone(),
        name_prefix: spec.name_prefix.clone(),
        name_suffix: spec.name_suffix.clone(),
        patches: patches.collect(),
        components: spec.components.clone(),
        ignore_missing_components: spec.ignore_missing_components,
        images: images.collect(),
        build_metadata: spec.build_metadata.iter().map(ToString::to_string).collect(),
    }
}

fn target(selector: &Selector) -> PatchTarget {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    PatchTarget {
        group: text(&selector.group),
        version: text(&selector.version),
        kind: text(&selector.kind),
        name: text(&selector.name),
        namespace: text(&selector.namespace),
        label_selector: text(&selector.label_selector),
        annotation_selector: text(&selector.annotation_selector),
    }
}
