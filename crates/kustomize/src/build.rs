//! The build: visits kustomizations depth first, collects resources, runs generators and transformers in kustomize's order, and
//! settles names once at the end. Reading goes through the recorder; nothing else leaves this crate.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use sluice_yaml::{Node, WriteError, write_all};

use crate::accumulator::Accumulator;
use crate::config::Config;
use crate::error::{BuildError, Cause, describe};
use crate::hash::content_hash;
use crate::kustomization::{COMPONENT, FILE_NAMES, Kustomization, deprecation_warning};
use crate::nameref::fix_references;
use crate::options::{LoadRestrictor, Options, Remote, Reorder};
use crate::order::{FIRST, LAST, sort_legacy};
use crate::origin::{ORIGIN, Origin, TRANSFORMATIONS, list_text};
use crate::path::{PathError, RelPath};
use crate::resource::Resource;
use crate::tables::default_config;
use crate::transform::Transform as _;
use crate::tree::{EntryKind, FileTree, ReadError, ReadSet, Recorder};
use crate::vars;

/// The result of a build.
#[derive(Debug)]
pub struct Build {
    /// The objects in their final order.
    pub resources: Vec<Resource>,
    /// What kustomize prints to its error output on success: deprecations, unused variables.
    pub warnings: Vec<String>,
    /// Everything that was looked at.
    pub read: ReadSet,
}

impl Build {
    /// The objects as kustomize prints them.
    ///
    /// # Errors
    /// An object has a key that is not a string or a number that is not finite.
    pub fn to_yaml(&self) -> Result<String, WriteError> {
        write_all(self.resources.iter().map(Resource::node))
    }
}

/// Builds the kustomization in a directory of a tree.
///
/// Guarantee: the result depends on the tree, the directory and the options only, and [`Build::read`] names every path of the
/// tree that it depends on.
///
/// # Errors
/// Anything that kustomize refuses, whatever this engine does not implement, and exceeded limits.
pub fn build(tree: &dyn FileTree, dir: &RelPath, options: &Options) -> Result<Build, BuildError> {
    let engine = Engine {
        tree: Recorder::new(tree),
        options,
        config: Rc::new(default_config()),
        warnings: RefCell::default(),
        visits: Cell::default(),
        bytes: Cell::default(),
    };
    let resources = engine.run(dir)?;
    Ok(Build { resources, warnings: engine.warnings.into_inner(), read: engine.tree.into_read_set() })
}

/// One build in progress.
pub(crate) struct Engine<'t> {
    tree: Recorder<'t>,
    pub(crate) options: &'t Options,
    pub(crate) config: Rc<Config>,
    warnings: RefCell<Vec<String>>,
    visits: Cell<usize>,
    bytes: Cell<usize>,
}

/// A kustomization on the stack.
pub(crate) struct Target<'p> {
    pub(crate) dir: RelPath,
    pub(crate) file_name: &'static str,
    pub(crate) kustomization: Kustomization,
    parent: Option<&'p Target<'p>>,
    depth: usize,
    /// Where it is for origin annotations; `None` if they are not asked for.
    pub(crate) origin: Option<Origin>,
}

impl Target<'_> {
    /// The kustomization file as messages show it.
    pub(crate) fn file(&self) -> String {
        file_at(&self.dir, self.file_name)
    }
}

impl Engine<'_> {
    fn run(&self, dir: &RelPath) -> Result<Vec<Resource>, BuildError> {
        match self.tree.kind(dir) {
            Some(EntryKind::Dir) => {}
            Some(EntryKind::File) => {
                let problem = format!("'{dir}': file is not directory");
                return Err(BuildError::NotADirectory { problem });
            }
            None => {
                let problem = format!("not a valid directory: lstat {}: no such file or directory", self.shown(dir));
                return Err(BuildError::NotADirectory { problem });
            }
        }
        let mut target = self.load(dir.clone(), None)?;
        let metadata = std::mem::take(&mut target.kustomization.build_metadata);
        target.origin = (!metadata.is_empty()).then(Origin::default);
        let mut all = self.accumulate(&target, Accumulator::new(Rc::clone(&self.config)))?;
        self.settle(&mut all)?;
        self.sort(&target, &mut all)?;
        let asked = |option: &str| metadata.iter().any(|asked| asked == option);
        let (origins, transformations) = (asked("originAnnotations"), asked("transformerAnnotations"));
        let mut resources = all.resources.into_resources();
        for resource in &mut resources {
            if asked("managedByLabel") {
                let mut labels = resource.string_map("labels");
                labels.retain(|(key, _)| key != MANAGED_BY);
                labels.push((MANAGED_BY.to_owned(), format!("kustomize-{}", self.options.version)));
                resource.set_string_map("labels", labels);
            }
            finish(resource, origins, transformations);
        }
        Ok(resources)
    }

    /// Hashes, name references, variables; then local configuration is dropped.
    fn settle(&self, all: &mut Accumulator) -> Result<(), BuildError> {
        let names = |source: Cause| BuildError::Names { source };
        all.resources.edit_all(|resource| {
            if resource.needs_hash
                && let Some(hash) = content_hash(&resource.node).map_err(|error| names(error.into()))?
            {
                resource.store_past_id();
                resource.set_name(&format!("{}-{hash}", resource.id.name.clone()));
            }
            Ok(())
        })?;
        fix_references(&mut all.resources, &all.config).map_err(|error| names(error.into()))?;
        let unused = vars::resolve(&all.vars, &mut all.resources, &all.config)
            .map_err(|problem| BuildError::Vars { problem })?;
        if !unused.is_empty() {
            let warning = format!("well-defined vars that were never replaced: {}", unused.join(","));
            self.warnings.borrow_mut().push(warning);
        }
        all.resources.retain(|resource| {
            let local = resource.node.at(&["metadata", "annotations", "config.kubernetes.io/local-config"]);
            local.is_none_or(|value| value.text() == Some("false"))
        });
        Ok(())
    }

    fn sort(&self, target: &Target<'_>, all: &mut Accumulator) -> Result<(), BuildError> {
        match &target.kustomization.sort_options {
            Some(sort) => {
                sort.apply(&mut all.resources).map_err(|error| BuildError::Sort { problem: error.to_string() })?;
            }
            None if self.options.reorder == Reorder::Legacy => sort_legacy(&mut all.resources, FIRST, LAST),
            None => {}
        }
        Ok(())
    }

    /// A path as messages show it.
    pub(crate) fn shown(&self, path: &RelPath) -> String {
        format!("{}/{}", self.options.root_label, path.as_str()).trim_end_matches('/').to_owned()
    }

    /// Reads and decodes the kustomization file of a directory.
    pub(crate) fn load<'p>(&self, dir: RelPath, parent: Option<&'p Target<'p>>) -> Result<Target<'p>, BuildError> {
        let limits = &self.options.limits;
        let depth = parent.map_or(0, |parent| parent.depth + 1);
        self.visits.set(self.visits.get() + 1);
        if self.visits.get() > limits.kustomizations {
            return Err(BuildError::TooLarge { what: "kustomizations", limit: limits.kustomizations });
        }
        if depth > limits.depth {
            return Err(BuildError::TooLarge { what: "nested kustomizations", limit: limits.depth });
        }
        let mut found: Option<(&'static str, Vec<u8>)> = None;
        for name in FILE_NAMES {
            let Ok(path) = dir.join(name) else { continue };
            match self.read_tree(&path)? {
                Ok(content) if found.is_none() => found = Some((name, content)),
                Ok(_) => return Err(BuildError::ManyKustomizations { dir: self.shown(&dir) }),
                Err(_) => {}
            }
        }
        let Some((file_name, content)) = found else {
            return Err(BuildError::NoKustomization { dir: self.shown(&dir) });
        };
        let kustomization = self.decode(&dir, file_name, &content)?;
        Ok(Target { dir, file_name, kustomization, parent, depth, origin: None })
    }

    fn decode(&self, dir: &RelPath, name: &str, content: &[u8]) -> Result<Kustomization, BuildError> {
        let file = || file_at(dir, name);
        let node = sluice_yaml::read_config(content, &self.options.limits.yaml)
            .map_err(|source| BuildError::KustomizationSyntax { file: file(), source })?
            .unwrap_or_default();
        let kustomization =
            Kustomization::decode(&node).map_err(|source| BuildError::KustomizationField { file: file(), source })?;
        self.warnings.borrow_mut().extend(kustomization.deprecated.iter().map(|field| deprecation_warning(field)));
        if kustomization.empty {
            return Err(BuildError::EmptyKustomization { file: file() });
        }
        let problems = kustomization.type_problems();
        if !problems.is_empty() {
            return Err(BuildError::KustomizationType { dir: self.shown(dir), problems });
        }
        if let Some((field, reason, line)) = kustomization.refused {
            let (field, reason) = (field.to_owned(), reason.to_owned());
            return Err(BuildError::Unsupported { file: file(), line, field, reason });
        }
        Ok(kustomization)
    }

    /// Reads a file of the tree and counts its bytes. The outer error ends the build.
    fn read_tree(&self, path: &RelPath) -> Result<Result<Vec<u8>, ReadError>, BuildError> {
        let content = match self.tree.read(path) {
            Ok(content) => content.into_owned(),
            Err(error) => return Ok(Err(error)),
        };
        self.bytes.set(self.bytes.get().saturating_add(content.len()));
        let limit = self.options.limits.bytes;
        if self.bytes.get() > limit {
            return Err(BuildError::TooLarge { what: "bytes", limit });
        }
        Ok(Ok(content))
    }

    /// Reads a file that a kustomization names.
    pub(crate) fn read(&self, target: &Target<'_>, name: &str) -> Result<Vec<u8>, BuildError> {
        if is_remote(name) && self.options.remote == Remote::Refuse {
            return Err(BuildError::Remote { path: name.to_owned() });
        }
        let path = self.join(target, name)?;
        if self.options.load_restrictor == LoadRestrictor::RootOnly && !path.is_within(&target.dir) {
            return Err(BuildError::OutsideRoot { file: self.shown(&path), dir: self.shown(&target.dir) });
        }
        self.read_tree(&path)?.map_err(|source| BuildError::Read { path: name.to_owned(), source })
    }

    pub(crate) fn read_text(&self, target: &Target<'_>, name: &str) -> Result<String, Cause> {
        let content = self.read(target, name).map_err(|error| describe(&error))?;
        Ok(String::from_utf8(content).map_err(|_| format!("{name} is not UTF-8"))?)
    }

    fn join(&self, target: &Target<'_>, name: &str) -> Result<RelPath, BuildError> {
        target.dir.join(name).map_err(|error| match error {
            PathError::Absolute { path } => {
                BuildError::NotADirectory { problem: format!("new root '{path}' cannot be absolute") }
            }
            PathError::Outside { path } | PathError::Nul { path } => {
                BuildError::OutsideTree { path, dir: self.options.root_label.clone() }
            }
        })
    }

    /// The directory that a kustomization names, if it may be built from there.
    pub(crate) fn directory(&self, target: &Target<'_>, name: &str) -> Result<RelPath, BuildError> {
        if name.is_empty() {
            return Err(BuildError::NotADirectory { problem: "new root cannot be empty".to_owned() });
        }
        if is_remote(name) {
            return Err(BuildError::Remote { path: name.to_owned() });
        }
        let dir = self.join(target, name)?;
        match self.tree.kind(&dir) {
            Some(EntryKind::Dir) => {}
            Some(EntryKind::File) => {
                let problem = format!("'{}': file is not directory", self.shown(&dir));
                return Err(BuildError::NotADirectory { problem });
            }
            None => {
                let shown = self.shown(&dir);
                let problem = format!(
                    "not a valid directory: evalsymlink failure on '{shown}' : lstat {shown}: no such file or directory"
                );
                return Err(BuildError::NotADirectory { problem });
            }
        }
        let mut visited = Some(target);
        while let Some(ancestor) = visited {
            // A base that is or contains a directory being built would never end.
            if ancestor.dir.is_within(&dir) {
                return Err(BuildError::Cycle { candidate: self.shown(&dir), visited: self.shown(&ancestor.dir) });
            }
            visited = ancestor.parent;
        }
        Ok(dir)
    }

    pub(crate) fn check_size(&self, resources: usize) -> Result<(), BuildError> {
        let limit = self.options.limits.resources;
        if resources > limit { Err(BuildError::TooLarge { what: "resources", limit }) } else { Ok(()) }
    }

    /// A component where a component is wanted, an ordinary kustomization elsewhere.
    pub(crate) fn check_kind(&self, target: &Target<'_>, component: bool) -> Result<(), BuildError> {
        let dir = self.shown(&target.dir);
        let kind = &target.kustomization.kind;
        let problem = match (component, kind == COMPONENT) {
            (true, false) => format!("expected kind '{COMPONENT}' for path '{dir}' but got '{kind}'"),
            (false, true) => format!("expected kind != '{COMPONENT}' for path '{dir}'"),
            _ => return Ok(()),
        };
        Err(BuildError::WrongKind { problem })
    }
}

fn file_at(dir: &RelPath, name: &str) -> String {
    dir.join(name).map_or_else(|_| name.to_owned(), |path| path.to_string())
}

/// Whether a path names another host, in any of the forms that kustomize knows.
pub(crate) fn is_remote(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    ["git::", "gh:", "ssh://", "https://", "http://", "file://", "git@", "github.com:", "github.com/"]
        .iter()
        .any(|prefix| lower.starts_with(prefix))
}

/// Label of `buildMetadata: [managedByLabel]`.
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// Annotations by which other tools mark objects in a pipeline; kustomize removes them.
const BUILD_ANNOTATIONS: &[&str] = &[
    "internal.config.kubernetes.io/previousKinds",
    "internal.config.kubernetes.io/previousNames",
    "internal.config.kubernetes.io/previousNamespaces",
    "internal.config.kubernetes.io/prefixes",
    "internal.config.kubernetes.io/suffixes",
    "internal.config.kubernetes.io/allowNameChange",
    "internal.config.kubernetes.io/allowKindChange",
    "internal.config.kubernetes.io/refBy",
    "internal.config.kubernetes.io/generatorBehavior",
    "internal.config.kubernetes.io/needsHashSuffix",
    "internal.config.kubernetes.io/path",
    "internal.config.kubernetes.io/index",
    "internal.config.kubernetes.io/seqindent",
    "internal.config.kubernetes.io/id",
    "internal.config.kubernetes.io/annotations-migration-resource-id",
    "config.kubernetes.io/path",
    "config.kubernetes.io/index",
    "config.k8s.io/id",
    "kustomize.helm.sh/generated",
    ORIGIN,
    TRANSFORMATIONS,
];

/// Rewrites the annotations: marks go, origins come if asked for, every value becomes a string, an empty map vanishes.
fn finish(resource: &mut Resource, origins: bool, transformations: bool) {
    if resource.node.at(&["metadata", "annotations"]).is_none() && !origins && !transformations {
        return;
    }
    let mut pairs = resource.string_map("annotations");
    pairs.retain(|(key, _)| !BUILD_ANNOTATIONS.contains(&key.as_str()));
    if origins && let Some(origin) = &resource.origin {
        pairs.push((ORIGIN.to_owned(), origin.to_text()));
    }
    if transformations && !resource.transformations.is_empty() {
        pairs.push((TRANSFORMATIONS.to_owned(), list_text(&resource.transformations)));
    }
    if pairs.is_empty() && resource.node.get("metadata").is_none_or(Node::is_null) {
        return;
    }
    resource.set_string_map("annotations", pairs);
}
