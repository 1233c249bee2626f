//! The top kustomization that kustomize-controller builds: made up for a directory of plain manifests, or the one that is there,
//! edited with what the Kustomization object asks for.
//!
//! An existing file is rewritten as kustomize's own structure would be: fields that the structure lacks are dropped without a
//! word (nested kustomizations are read strictly by the build). The source tree is never written to; the file is an overlay.

use sluice_yaml::{Mapping, Node, YamlError, read_config, write};
use thiserror::Error;

use crate::decode::DecodeError;
use crate::documents::parse_resources;
use crate::error::Cause;
use crate::kustomization::{FILE_NAMES, KUSTOMIZATION, KUSTOMIZATION_VERSION, Kustomization};
use crate::options::BuildLimits;
use crate::path::RelPath;
use crate::tree::{EntryKind, FileTree, MemoryTree, OverlayTree, ReadError, ReadSet, Recorder};

/// Directories and files visited while looking for manifests.
const MAX_ENTRIES: usize = 100_000;
/// Depth of directories below the start.
const MAX_DEPTH: usize = 64;
/// The namespace that keeps an otherwise empty kustomization from being refused.
const PLACEHOLDER: &str = "_placeholder";

/// Which objects a patch is for; all are anchored regular expressions but the selectors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PatchTarget {
    /// API group.
    pub group: String,
    /// API version.
    pub version: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// Label selector.
    pub label_selector: String,
    /// Annotation selector.
    pub annotation_selector: String,
}

/// A patch to append.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PatchOverride {
    /// A strategic merge or JSON patch.
    pub patch: String,
    /// Its target.
    pub target: Option<PatchTarget>,
}

/// An image to merge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageOverride {
    /// Name of the image in the manifests.
    pub name: String,
    /// New name, blank to keep.
    pub new_name: String,
    /// New tag; replaces tag and digest together.
    pub new_tag: String,
    /// New digest; replaces tag and digest together.
    pub digest: String,
}

/// What the object asks for, over what the source has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Injection {
    /// `namespace`.
    pub target_namespace: Option<String>,
    /// `namePrefix`.
    pub name_prefix: Option<String>,
    /// `nameSuffix`.
    pub name_suffix: Option<String>,
    /// Appended to `patches`.
    pub patches: Vec<PatchOverride>,
    /// Appended to `components`; relative to the directory.
    pub components: Vec<String>,
    /// Whether components whose directory is missing are left out.
    pub ignore_missing_components: bool,
    /// Merged into `images` by name.
    pub images: Vec<ImageOverride>,
    /// Replaces `buildMetadata` if not empty.
    pub build_metadata: Vec<String>,
}

/// Why there is no top kustomization.
#[derive(Debug, Error)]
pub enum GenerateError {
    /// The directory is not there.
    #[error("kustomization path not found: {dir}")]
    NoDirectory {
        /// The directory.
        dir: RelPath,
    },
    /// A file or directory could not be read.
    #[error("reading {path}")]
    Read {
        /// The path.
        path: RelPath,
        /// The cause.
        source: ReadError,
    },
    /// A manifest is not one; the whole build fails.
    #[error("failed to decode Kubernetes YAML from {path}")]
    Manifest {
        /// The file.
        path: RelPath,
        /// The cause, with the line.
        source: Cause,
    },
    /// The existing kustomization file is not YAML.
    #[error("{path}")]
    Syntax {
        /// The file.
        path: RelPath,
        /// The cause, with the line.
        source: YamlError,
    },
    /// The existing kustomization file has a field of a wrong type.
    #[error("{path}")]
    Field {
        /// The file.
        path: RelPath,
        /// The cause, with the line.
        source: DecodeError,
    },
    /// A component is given by URL or absolute path.
    #[error("component path '{path}' must be local and relative")]
    RemoteComponent {
        /// The path as given.
        path: String,
    },
    /// A component leaves the tree.
    #[error("component path '{path}' is not in or below the root")]
    ComponentOutside {
        /// The path as given.
        path: String,
    },
    /// There are more files than anyone has.
    #[error("more than {limit} entries below {dir}")]
    TooMany {
        /// The directory.
        dir: RelPath,
        /// The limit.
        limit: usize,
    },
}

/// The top kustomization as an overlay.
pub struct Generated<'t> {
    /// The source tree with the top file laid over it.
    pub tree: OverlayTree<'t>,
    /// The file.
    pub path: RelPath,
    /// Its text.
    pub text: String,
    /// What was looked at to make it; belongs to the read set of the build.
    pub read: ReadSet,
}

/// Makes or edits the top kustomization of a directory.
///
/// # Errors
/// The directory is missing, a manifest or the existing file is bad, a component is not local.
pub fn generate<'t>(
    tree: &'t dyn FileTree,
    dir: &RelPath,
    injection: &Injection,
) -> Result<Generated<'t>, GenerateError> {
    let recorder = Recorder::new(tree);
    if recorder.kind(dir) != Some(EntryKind::Dir) {
        return Err(GenerateError::NoDirectory { dir: dir.clone() });
    }
    let found = find_file(&recorder, dir);
    let mut fields = match &found {
        Some(path) => existing(&recorder, path)?,
        None => scanned(&recorder, dir)?,
    };
    let path = found.unwrap_or_else(|| child(dir, FILE_NAMES[0]));
    inject(&mut fields, injection, &|component| dir.join(component).is_ok_and(|path| recorder.kind(&path).is_some()))?;
    // Strings, lists and maps only: there is nothing in it that cannot be printed.
    let text = write(&fields.into()).unwrap_or_default();
    let mut overlay = MemoryTree::new();
    overlay.insert(path.clone(), text.clone());
    Ok(Generated { tree: OverlayTree::new(tree, overlay), path, text, read: recorder.into_read_set() })
}

fn child(dir: &RelPath, name: &str) -> RelPath {
    // A single name without `..` cannot leave the directory.
    dir.join(name).unwrap_or_else(|_| dir.clone())
}

fn find_file(tree: &Recorder<'_>, dir: &RelPath) -> Option<RelPath> {
    FILE_NAMES.iter().map(|name| child(dir, name)).find(|path| tree.kind(path) == Some(EntryKind::File))
}

/// Fields of kustomize's structures, by path; what is not here is dropped from an existing file. Paths not named keep all.
const KNOWN: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "apiVersion",
            "kind",
            "metadata",
            "openapi",
            "namePrefix",
            "nameSuffix",
            "namespace",
            "commonLabels",
            "labels",
            "commonAnnotations",
            "patchesStrategicMerge",
            "patchesJson6902",
            "patches",
            "images",
            "imageTags",
            "replacements",
            "replicas",
            "vars",
            "sortOptions",
            "resources",
            "components",
            "crds",
            "bases",
            "configMapGenerator",
            "secretGenerator",
            "helmGlobals",
            "helmCharts",
            "helmChartInflationGenerator",
            "generatorOptions",
            "configurations",
            "generators",
            "transformers",
            "validators",
            "buildMetadata",
        ],
    ),
    ("labels", &["pairs", "includeSelectors", "includeTemplates", "fields"]),
    ("patches", &["path", "patch", "target", "options"]),
    ("patches.target", SELECTOR),
    ("patchesJson6902", &["path", "patch", "target", "options"]),
    ("patchesJson6902.target", SELECTOR),
    ("images", &["name", "newName", "tagSuffix", "newTag", "digest"]),
    ("replicas", &["name", "count"]),
    ("configMapGenerator", GENERATOR),
    ("secretGenerator", &["namespace", "name", "behavior", "literals", "files", "envs", "env", "options", "type"]),
    ("generatorOptions", &["labels", "annotations", "disableNameSuffixHash", "immutable"]),
];
const SELECTOR: &[&str] = &["group", "version", "kind", "name", "namespace", "annotationSelector", "labelSelector"];
const GENERATOR: &[&str] = &["namespace", "name", "behavior", "literals", "files", "envs", "env", "options"];

fn existing(tree: &Recorder<'_>, path: &RelPath) -> Result<Mapping, GenerateError> {
    let content = tree.read(path).map_err(|source| GenerateError::Read { path: path.clone(), source })?;
    let limits = BuildLimits::default().yaml;
    let node = read_config(&content, &limits)
        .map_err(|source| GenerateError::Syntax { path: path.clone(), source })?
        .unwrap_or_default();
    let node = pruned(node, "");
    Kustomization::decode(&node).map_err(|source| GenerateError::Field { path: path.clone(), source })?;
    let mut fields = node.as_mapping().cloned().unwrap_or_default();
    let blank = |fields: &Mapping, key| fields.get(key).and_then(Node::text).is_none_or(str::is_empty);
    if blank(&fields, "kind") {
        fields.insert("kind", Node::string(KUSTOMIZATION));
    }
    if blank(&fields, "apiVersion") && fields.get("kind").and_then(Node::text) == Some(KUSTOMIZATION) {
        fields.insert("apiVersion", Node::string(KUSTOMIZATION_VERSION));
    }
    // Without resources kustomize could find the file empty; this is never empty, and annotates what generators make.
    if fields.get("resources").and_then(Node::as_sequence).is_none_or(<[Node]>::is_empty) {
        fields.insert("buildMetadata", vec![Node::string("originAnnotations")].into());
    }
    Ok(fields)
}

/// Drops unknown fields and nulls and gives known ones their proper spelling.
fn pruned(node: Node, path: &str) -> Node {
    let Some((_, known)) = KNOWN.iter().find(|(known, _)| *known == path) else { return node };
    if node.as_sequence().is_some() {
        let mut node = node;
        let items = node.as_sequence_mut().map(std::mem::take).unwrap_or_default();
        let items: Vec<Node> = items.into_iter().map(|item| pruned(item, path)).collect();
        return Node { value: items_value(items), position: node.position };
    }
    if node.as_mapping().is_none() {
        return node;
    }
    let position = node.position;
    let mut kept = Mapping::default();
    for entry in node.as_mapping().cloned().unwrap_or_default().into_entries() {
        let Some(name) = known.iter().find(|name| name.eq_ignore_ascii_case(&entry.key.text)) else { continue };
        if entry.value.is_null() {
            continue;
        }
        let below = if path.is_empty() { (*name).to_owned() } else { format!("{path}.{name}") };
        kept.insert(name, pruned(entry.value, &below));
    }
    Node { value: sluice_yaml::Value::Mapping(kept), position }
}

fn items_value(items: Vec<Node>) -> sluice_yaml::Value {
    sluice_yaml::Value::Sequence(items)
}

/// A kustomization of all manifests below a directory.
fn scanned(tree: &Recorder<'_>, dir: &RelPath) -> Result<Mapping, GenerateError> {
    let mut scan = Scan { tree, top: dir, resources: Vec::new(), entries: 0 };
    scan.directory(dir, 0)?;
    let mut fields = Mapping::default();
    fields.insert("apiVersion", Node::string(KUSTOMIZATION_VERSION));
    fields.insert("kind", Node::string(KUSTOMIZATION));
    if scan.resources.is_empty() {
        fields.insert("namespace", Node::string(PLACEHOLDER));
    } else {
        let resources: Vec<Node> = scan.resources.into_iter().map(Node::string).collect();
        fields.insert("resources", resources.into());
    }
    Ok(fields)
}

struct Scan<'s> {
    tree: &'s Recorder<'s>,
    top: &'s RelPath,
    resources: Vec<String>,
    entries: usize,
}

impl Scan<'_> {
    fn directory(&mut self, dir: &RelPath, depth: usize) -> Result<(), GenerateError> {
        let too_many = |limit| GenerateError::TooMany { dir: self.top.clone(), limit };
        if depth > MAX_DEPTH {
            return Err(too_many(MAX_DEPTH));
        }
        let names = self.tree.list(dir).map_err(|source| GenerateError::Read { path: dir.clone(), source })?;
        if self.entries + names.len() > MAX_ENTRIES {
            return Err(too_many(MAX_ENTRIES));
        }
        self.entries += names.len();
        for (name, kind) in names {
            let path = child(dir, &name);
            match kind {
                EntryKind::Dir if find_file(self.tree, &path).is_some() => self.add(&path),
                EntryKind::Dir => self.directory(&path, depth + 1)?,
                EntryKind::File if is_manifest_name(&name) => {
                    self.check(&path)?;
                    self.add(&path);
                }
                EntryKind::File => {}
            }
        }
        Ok(())
    }

    fn add(&mut self, path: &RelPath) {
        let below = path.as_str().strip_prefix(self.top.as_str()).unwrap_or(path.as_str());
        self.resources.push(format!("./{}", below.trim_start_matches('/')));
    }

    fn check(&self, path: &RelPath) -> Result<(), GenerateError> {
        let content = self.tree.read(path).map_err(|source| GenerateError::Read { path: path.clone(), source })?;
        parse_resources(&content, "", &BuildLimits::default().yaml)
            .map(drop)
            .map_err(|source| GenerateError::Manifest { path: path.clone(), source: source.into() })
    }
}

fn is_manifest_name(name: &str) -> bool {
    [".yaml", ".yml"].iter().any(|ending| name.ends_with(ending))
}

fn inject(fields: &mut Mapping, injection: &Injection, exists: &dyn Fn(&str) -> bool) -> Result<(), GenerateError> {
    for (field, value) in [
        ("namespace", &injection.target_namespace),
        ("namePrefix", &injection.name_prefix),
        ("nameSuffix", &injection.name_suffix),
    ] {
        if let Some(value) = value.as_ref().filter(|value| !value.is_empty()) {
            fields.insert(field, Node::string(value));
        }
    }
    append(fields, "patches", injection.patches.iter().map(patch_node));
    let mut components = Vec::new();
    for component in &injection.components {
        check_component(component)?;
        if !injection.ignore_missing_components || exists(component) {
            components.push(Node::string(component));
        }
    }
    append(fields, "components", components);
    for image in &injection.images {
        merge_image(fields, image);
    }
    if !injection.build_metadata.is_empty() {
        let options: Vec<Node> = injection.build_metadata.iter().map(Node::string).collect();
        fields.insert("buildMetadata", options.into());
    }
    Ok(())
}

fn append(fields: &mut Mapping, field: &str, items: impl IntoIterator<Item = Node>) {
    let mut items = items.into_iter().peekable();
    if items.peek().is_none() {
        return;
    }
    let list = fields.get_or_insert_with(field, || Vec::new().into());
    if let Some(list) = list.as_sequence_mut() {
        list.extend(items);
    }
}

/// Refuses what kustomize would fetch from elsewhere or read outside of the source.
fn check_component(path: &str) -> Result<(), GenerateError> {
    let refused = || GenerateError::RemoteComponent { path: path.to_owned() };
    let lower = path.to_ascii_lowercase();
    let local = path.get("file://".len()..).filter(|_| lower.starts_with("file://")).unwrap_or(path);
    let remote = ["git::", "gh:", "ssh://", "https://", "http://", "git@", "github.com:", "github.com/"];
    if local.starts_with('/') || remote.iter().any(|prefix| lower.starts_with(prefix)) {
        return Err(refused());
    }
    Ok(())
}

fn text_fields<'f>(fields: impl IntoIterator<Item = (&'f str, &'f String)>) -> Mapping {
    let set = fields.into_iter().filter(|(_, value)| !value.is_empty());
    set.map(|(field, value)| (field.to_owned(), Node::string(value))).collect()
}

fn patch_node(patch: &PatchOverride) -> Node {
    let mut fields = text_fields([("patch", &patch.patch)]);
    if let Some(target) = &patch.target {
        let target = text_fields([
            ("group", &target.group),
            ("version", &target.version),
            ("kind", &target.kind),
            ("name", &target.name),
            ("namespace", &target.namespace),
            ("labelSelector", &target.label_selector),
            ("annotationSelector", &target.annotation_selector),
        ]);
        fields.insert("target", target.into());
    }
    fields.into()
}

/// The first image of the same name is changed: a new name replaces the name, a tag or digest replaces both of these.
fn merge_image(fields: &mut Mapping, image: &ImageOverride) {
    let list = fields.get_or_insert_with("images", || Vec::new().into());
    let Some(list) = list.as_sequence_mut() else { return };
    let same = list.iter_mut().find(|have| have.get("name").and_then(Node::text) == Some(image.name.as_str()));
    let Some(have) = same.and_then(Node::as_mapping_mut) else {
        let fields = text_fields([
            ("name", &image.name),
            ("newName", &image.new_name),
            ("newTag", &image.new_tag),
            ("digest", &image.digest),
        ]);
        list.push(fields.into());
        return;
    };
    if !image.new_name.is_empty() {
        have.insert("newName", Node::string(&image.new_name));
    }
    if !image.new_tag.is_empty() || !image.digest.is_empty() {
        for (field, value) in [("newTag", &image.new_tag), ("digest", &image.digest)] {
            if value.is_empty() {
                have.remove(field);
            } else {
                have.insert(field, Node::string(value));
            }
        }
    }
}
