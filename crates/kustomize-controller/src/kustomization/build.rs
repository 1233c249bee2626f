//! Phase: the tree becomes objects, as they are to be applied.
//!
//! Deliberately never writes to the tree: the top file that the spec asks for is laid over it in memory.

use std::panic::resume_unwind;
use std::sync::Arc;

use serde_json::Value;
use sluice_api::kustomize::{Kustomization, Selector};
use sluice_artifact::{Algorithm, Digest};
use sluice_envsubst::Substitution;
use sluice_kustomize::{
    BuildError, DirTree, FileTree, GenerateError, ImageOverride, Injection, Options, OverlayTree, PatchOverride,
    PatchTarget, PathError, ReadSet, RelPath, Remote, Resource,
};
use sluice_manifest::{CommonMetadata, Object, ObjectError, Owner, expand, normalize};
use sluice_remote_bases::{NetworkSource, Scope};
use sluice_yaml::Node;

use super::apply::owner;
use super::decrypt::{Decryptor, ResourceError, SourcesError, gather};
use super::memory::Seen;
use super::substitute::{SubstituteError, substitute};
use super::tree::Sourced;

/// The largest file that is read; kustomize has no bound, an API object may have 1.5 MiB.
pub(super) const MAX_FILE_BYTES: u64 = 32 << 20;

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
    /// An object of the build lacks what makes it one.
    #[error("failed to decode Kubernetes apiVersion, kind and name from: {0}")]
    Nameless(String),
    /// The files cannot be decrypted.
    #[error("error decrypting sources")]
    Sources(#[source] SourcesError),
    /// An object cannot be decrypted.
    #[error("decryption failed for '{object}'")]
    Decrypt {
        /// Which.
        object: String,
        /// Why.
        #[source]
        source: ResourceError,
    },
    /// The variables cannot be put into an object.
    #[error("post build failed for '{object}'")]
    Substitute {
        /// Which.
        object: String,
        /// Why.
        #[source]
        source: SubstituteError,
    },
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
    /// What of the tree another build would have to find unchanged; `None` when it also read from other hosts, which may change any time.
    pub(super) seen: Option<Seen>,
}

/// What is put into the build beside the tree.
pub(super) struct Inputs {
    pub(super) substitution: Option<Substitution>,
    pub(super) decryptor: Option<Decryptor>,
    pub(super) remote: Scope,
}

/// One object of the build, on its way.
struct Manifest {
    value: Value,
    /// How the error texts name it: `<Kind.version.group>/<name>`.
    shown: String,
    /// Its text, as long as nothing was put into it.
    text: String,
}

/// Builds on a thread that may block.
pub(super) async fn build(object: &Kustomization, sourced: &Sourced, inputs: Inputs) -> Result<Built, BuildFailed> {
    let Inputs { substitution, decryptor, remote } = inputs;
    let injection = injection(object);
    let stamps = Stamps { owner: owner(object), common: object.spec.common_metadata.clone().unwrap_or_default() };
    let dir = RelPath::new(&sourced.path).map_err(BuildFailed::Path)?;
    let wants_decryption = decryptor.is_some();
    let (tree, at) = (Arc::clone(&sourced.tree), dir.clone());
    let generated = blocking(move || {
        let tree = DirTree::new(tree.path(), MAX_FILE_BYTES).map_err(BuildFailed::Tree)?;
        let generated = sluice_kustomize::generate(&tree, &at, &injection).map_err(BuildFailed::Generate)?;
        let encrypted =
            if wants_decryption { gather(&generated.tree, &at).map_err(BuildFailed::Sources)? } else { Vec::new() };
        Ok((generated.tree.overlay().clone(), generated.read, encrypted))
    });
    let (mut overlay, generated, encrypted) = generated.await?;
    if let Some(decryptor) = &decryptor {
        let plain = decryptor.sources(encrypted).await.map_err(BuildFailed::Sources)?;
        for (path, content) in plain.files() {
            overlay.insert(path.clone(), content);
        }
    }
    let tree = Arc::clone(&sourced.tree);
    let (mut manifests, seen) = blocking(move || {
        let tree = DirTree::new(tree.path(), MAX_FILE_BYTES).map_err(BuildFailed::Tree)?;
        let source = Arc::new(NetworkSource::new(remote));
        let (manifests, mut read) =
            run(&OverlayTree::new(&tree, overlay), &dir, Remote::Fetch(Arc::clone(&source) as _))?;
        read.extend(generated);
        Ok((manifests, (!source.was_used()).then(|| Seen::of(&tree, read))))
    })
    .await?;
    if let Some(decryptor) = &decryptor {
        for manifest in &mut manifests {
            decrypt(decryptor, manifest).await?;
        }
    }
    blocking(move || {
        let manifests = substituted(manifests, substitution.as_ref())?;
        let digest = digest_of(&manifests);
        let objects = stamps.objects(manifests)?;
        tracing::debug!(objects = objects.len(), "built");
        Ok(Built { objects, digest, seen })
    })
    .await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BuildFailed> + Send + 'static,
) -> Result<T, BuildFailed> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        // The pass has the panic boundary; this thread only hands it on.
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        Err(_) => Err(BuildFailed::Abandoned),
    }
}

fn run(tree: &dyn FileTree, dir: &RelPath, remote: Remote) -> Result<(Vec<Manifest>, ReadSet), BuildFailed> {
    let options = Options { remote, ..Options::default() };
    let build = sluice_kustomize::build(tree, dir, &options).map_err(|error| BuildFailed::Build(describe(&error)))?;
    for warning in &build.warnings {
        tracing::info!(warning, "kustomize build");
    }
    let manifests = build.resources.iter().map(manifest).collect::<Result<_, _>>()?;
    Ok((manifests, build.read))
}

fn manifest(resource: &Resource) -> Result<Manifest, BuildFailed> {
    let encode = |error: &dyn std::error::Error| BuildFailed::Encode(error.to_string());
    let value = resource.to_json().map_err(|error| encode(&error))?;
    let text = sluice_yaml::write(resource.node()).map_err(|error| encode(&error))?;
    let field = |path: &str| value.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind, name) = (field("/apiVersion"), field("/kind"), field("/metadata/name"));
    if [api_version, kind, name].contains(&"") {
        // A Secret's values belong into no message.
        return Err(BuildFailed::Nameless(if kind == "Secret" { "a Secret".to_owned() } else { text }));
    }
    let (group, version) = api_version.split_once('/').unwrap_or(("[noGrp]", api_version));
    Ok(Manifest { shown: format!("{kind}.{version}.{group}/{name}"), text, value })
}

async fn decrypt(decryptor: &Decryptor, manifest: &mut Manifest) -> Result<(), BuildFailed> {
    let changed = decryptor.resource(&mut manifest.value).await;
    if changed.map_err(|source| BuildFailed::Decrypt { object: manifest.shown.clone(), source })? {
        manifest.text = text_of(&manifest.value)?;
    }
    Ok(())
}

fn text_of(value: &Value) -> Result<String, BuildFailed> {
    sluice_yaml::write(&Node::from_json(value)).map_err(|error| BuildFailed::Encode(error.to_string()))
}

fn substituted(manifests: Vec<Manifest>, substitution: Option<&Substitution>) -> Result<Vec<Manifest>, BuildFailed> {
    let Some(substitution) = substitution else { return Ok(manifests) };
    let one = |manifest: Manifest| {
        let failed = |source| BuildFailed::Substitute { object: manifest.shown.clone(), source };
        let Some(value) = substitute(&manifest.value, substitution).map_err(failed)? else { return Ok(manifest) };
        let text =
            sluice_yaml::write(&Node::from_json(&value)).map_err(|error| BuildFailed::Encode(error.to_string()))?;
        Ok(Manifest { value, text, shown: manifest.shown })
    };
    manifests.into_iter().map(one).collect()
}

/// The digest of the documents as kustomize would print them one after the other.
fn digest_of(manifests: &[Manifest]) -> String {
    let texts: Vec<&str> = manifests.iter().map(|manifest| manifest.text.as_str()).collect();
    Digest::of(Algorithm::Sha256, texts.join("---\n").as_bytes()).to_string()
}

/// What every object gets.
struct Stamps {
    owner: Owner,
    common: sluice_api::kustomize::CommonMetadata,
}

impl Stamps {
    fn objects(self, manifests: Vec<Manifest>) -> Result<Vec<Object>, BuildFailed> {
        let mut objects = Vec::new();
        for manifest in manifests {
            objects.extend(expand(manifest.value).map_err(BuildFailed::Object)?);
        }
        // The controllers' own configuration files are no objects of a cluster.
        objects.retain(|object| !(object.group() == "kustomize.config.k8s.io" && object.kind() == "Kustomization"));
        let common = CommonMetadata { labels: self.common.labels, annotations: self.common.annotations };
        for object in &mut objects {
            self.owner.stamp(object);
            normalize(object);
            common.stamp(object);
        }
        Ok(objects)
    }
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
