//! The build: visits kustomizations depth first, collects resources, runs generators and transformers in kustomize's order, and
//! settles names once at the end. Reading goes through the recorder; nothing else leaves this crate.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use sluice_yaml::{Node, Style, WriteError, write, write_all};
use thiserror::Error;

use crate::accumulator::Accumulator;
use crate::config::Config;
use crate::custom_schema::CustomSchema;
use crate::error::{BuildError, Cause, describe};
use crate::fieldspec::FieldSpec;
use crate::go_syntax;
use crate::growth::Growth;
use crate::id::Gvk;
use crate::kustomization::{COMPONENT, FILE_NAMES, Kustomization, deprecation_warning};
use crate::mount::Mounts;
use crate::nameref::{check_subjects, fix_references};
use crate::options::{LoadRestrictor, Options, Reorder};
use crate::order::{FIRST, LAST, sort_legacy};
use crate::origin::{ORIGIN, Origin, TRANSFORMATIONS, list_text};
use crate::path::{PathError, RelPath};
use crate::remote::is_remote;
use crate::resource::Resource;
use crate::schema::BUILT_IN_VERSION;
use crate::tables::default_config;
use crate::transform::{AddEntries, Transform as _, append_hash};
use crate::tree::{EntryKind, FileTree, ReadError, ReadSet};
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
    /// What was fetched from other hosts, as written. Another build of the same tree may find something else there.
    pub fetched: Vec<String>,
}

impl Build {
    /// The objects as kustomize prints them.
    ///
    /// # Errors
    /// An object has a key that is not a string, a number that is not finite, or a control character that YAML has no place for.
    pub fn to_yaml(&self) -> Result<String, PrintError> {
        yaml_of(&self.resources)
    }
}

/// Objects as kustomize prints them.
///
/// # Errors
/// An object has a key that is not a string, a number that is not finite, or a control character that YAML has no place for.
pub fn yaml_of(resources: &[Resource]) -> Result<String, PrintError> {
    write_all(resources.iter().map(Resource::node)).map_err(|cause| {
        let failing = resources.iter().find(|resource| write(resource.node()).is_err());
        let object = match &cause {
            // What does not decode is not there to be shown.
            WriteError::Undecodable { .. } => "map[string]interface {}(nil)".to_owned(),
            _ => failing.map_or_else(String::new, |resource| go_syntax::object(&resource.masked())),
        };
        PrintError { object, cause }
    })
}

/// An object cannot be printed.
#[derive(Debug, Error)]
#[error("{object}: {cause}")]
pub struct PrintError {
    /// The object as kustomize shows it, but for the values of a Secret.
    pub object: String,
    /// Why not.
    pub cause: WriteError,
}

/// A build that may have failed, with what it had to say until then.
#[derive(Debug)]
pub struct Attempt {
    /// The objects in their final order.
    pub result: Result<Vec<Resource>, BuildError>,
    /// What kustomize prints to its error output: deprecations, unused variables.
    pub warnings: Vec<String>,
    /// Everything that was looked at.
    pub read: ReadSet,
    /// What was fetched from other hosts, as written.
    pub fetched: Vec<String>,
}

/// Builds the kustomization in a directory of a tree.
///
/// Guarantee: the result depends on the tree, the directory and the options only, and [`Build::read`] names every path of the
/// tree that it depends on. What [`crate::Remote::Fetch`] fetches is beyond that guarantee; [`Build::fetched`] names it.
///
/// # Errors
/// Anything that kustomize refuses, whatever this engine does not implement, and exceeded limits.
pub fn build(tree: &dyn FileTree, dir: &RelPath, options: &Options) -> Result<Build, BuildError> {
    let Attempt { result, warnings, read, fetched } = attempt(tree, (&dir.to_string(), dir), options);
    Ok(Build { resources: result?, warnings, read, fetched })
}

/// As [`build`], for a caller that wants the warnings of a failing build, too. The directory is also given as its user named it,
/// for messages.
pub fn attempt(tree: &dyn FileTree, dir: (&str, &RelPath), options: &Options) -> Attempt {
    let engine = Engine {
        tree: Mounts::new(tree),
        options,
        config: Rc::new(default_config()),
        warnings: RefCell::default(),
        visits: Cell::default(),
        bytes: Cell::default(),
        schema_used: Cell::default(),
        growth: Rc::new(Growth::new(options.limits.copied)),
        schema: OnceCell::new(),
        duplicate: RefCell::default(),
    };
    let result = engine.run(dir).map_err(|error| engine.duplicate.borrow_mut().take().unwrap_or(error));
    let (read, fetched) = engine.tree.into_record();
    Attempt { result, warnings: engine.warnings.into_inner(), read, fetched }
}

/// One build in progress.
pub(crate) struct Engine<'t> {
    pub(crate) tree: Mounts<'t>,
    pub(crate) options: &'t Options,
    pub(crate) config: Rc<Config>,
    warnings: RefCell<Vec<String>>,
    visits: Cell<usize>,
    bytes: Cell<usize>,
    /// Whether the built-in schema has been needed: for a merge, or for the scope of a kind that is not in kustomize's own list. A schema
    /// that a base chooses then stands beside it.
    pub(crate) schema_used: Cell<bool>,
    pub(crate) growth: Rc<Growth>,
    /// A key that a resource has twice. kustomize finds it only when it prints the resource, so that the message has no context.
    pub(crate) duplicate: RefCell<Option<BuildError>>,
    /// What `openapi` chose, once it has: `None` is the built-in schema.
    pub(crate) schema: OnceCell<Option<Rc<CustomSchema>>>,
}

/// A kustomization on the stack.
pub(crate) struct Target<'p> {
    pub(crate) dir: RelPath,
    pub(crate) file_name: &'static str,
    shown_file: String,
    pub(crate) kustomization: Kustomization,
    parent: Option<&'p Target<'p>>,
    depth: usize,
    /// Where it is for origin annotations; `None` if they are not asked for.
    pub(crate) origin: Option<Origin>,
}

impl Target<'_> {
    /// The kustomization file as messages show it.
    pub(crate) fn file(&self) -> String {
        self.shown_file.clone()
    }
}

impl Engine<'_> {
    fn run(&self, (name, dir): (&str, &RelPath)) -> Result<Vec<Resource>, BuildError> {
        self.check_directory(dir, name)?;
        let dir = &self.tree.real_path(dir);
        let mut target = self.load(dir.clone(), None)?;
        self.choose_schema(&target)?;
        let metadata = std::mem::take(&mut target.kustomization.build_metadata);
        target.origin = (!metadata.is_empty()).then(Origin::default);
        let mut all = self.accumulate(&target, Accumulator::new(Rc::clone(&self.config)))?;
        self.settle(&mut all)?;
        self.sort(&target, &mut all)?;
        let asked = |option: &str| metadata.iter().any(|asked| asked == option);
        let (origins, transformations) = (asked("originAnnotations"), asked("transformerAnnotations"));
        if asked("managedByLabel") || self.options.managed_by {
            let pairs = [(MANAGED_BY.to_owned(), format!("kustomize-{}", self.options.version))].into();
            let specs = vec![FieldSpec::new(Gvk::default(), "metadata/labels", true)];
            let marked = AddEntries { pairs, specs }.apply(&mut all.resources);
            marked.map_err(|error| BuildError::Names { cause: error.into() })?;
        }
        let mut resources = all.resources.into_resources();
        for resource in &mut resources {
            refold(resource)?;
            finish(resource, origins, transformations);
        }
        Ok(resources)
    }

    /// Hashes, name references, variables; then local configuration is dropped.
    fn settle(&self, all: &mut Accumulator) -> Result<(), BuildError> {
        let names = |cause: Cause| BuildError::Names { cause };
        all.resources.edit_all(|resource| append_hash(resource).map_err(&names))?;
        check_subjects(&all.resources).map_err(|problem| names(problem.into()))?;
        fix_references(&mut all.resources, &all.config).map_err(|error| names(error.into()))?;
        let resolved = vars::resolve(&all.vars, &mut all.resources, &all.config);
        let (Ok(unused) | Err((unused, _))) = &resolved;
        if !unused.is_empty() {
            let warning = format!("well-defined vars that were never replaced: {}", unused.join(","));
            self.warnings.borrow_mut().push(warning);
        }
        resolved.map_err(|(_, problem)| BuildError::Vars { problem })?;
        all.resources.retain(|resource| {
            let local = resource.node.at(&["metadata", "annotations", "config.kubernetes.io/local-config"]);
            local.is_none_or(|value| value.text() == Some("false"))
        });
        // A replacement can give two resources one id, which no step before sees.
        all.resources.check_distinct().map_err(|error| names(error.into()))
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
        if let Some(remote) = self.tree.shown(path) {
            return remote;
        }
        let shown = format!("{}/{}", self.options.root_label, path.as_str());
        match shown.trim_end_matches('/') {
            "" => "/".to_owned(),
            trimmed => trimmed.to_owned(),
        }
    }

    /// A file of a directory as messages show it.
    pub(crate) fn file_at(&self, dir: &RelPath, name: &str) -> String {
        let Ok(path) = dir.join(name) else { return name.to_owned() };
        self.tree.shown(&path).unwrap_or_else(|| path.to_string())
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
        let shown_file = self.file_at(&dir, file_name);
        Ok(Target { dir, file_name, shown_file, kustomization, parent, depth, origin: None })
    }

    fn decode(&self, dir: &RelPath, name: &str, content: &[u8]) -> Result<Kustomization, BuildError> {
        let file = || self.file_at(dir, name);
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
        self.count_bytes(content.len())?;
        Ok(Ok(content))
    }

    pub(crate) fn bytes_left(&self) -> usize {
        self.options.limits.bytes.saturating_sub(self.bytes.get())
    }

    pub(crate) fn count_bytes(&self, bytes: usize) -> Result<(), BuildError> {
        self.bytes.set(self.bytes.get().saturating_add(bytes));
        let limit = self.options.limits.bytes;
        if self.bytes.get() > limit { Err(BuildError::TooLarge { what: "bytes", limit }) } else { Ok(()) }
    }

    /// Reads a file that a kustomization names.
    pub(crate) fn read(&self, target: &Target<'_>, name: &str) -> Result<Vec<u8>, BuildError> {
        if is_remote(name) {
            return self.fetch_file(name);
        }
        let path = self.join_file(target, name)?;
        let fail = |cause: ReadError| BuildError::Read {
            path: name.to_owned(),
            problem: self.unreadable(&path, &cause),
            cause,
        };
        // A fetched repository is not trusted with files beside its bases, whatever is allowed at home.
        let fenced = self.options.load_restrictor == LoadRestrictor::RootOnly || target.dir.split_mount().is_some();
        if fenced && !self.tree.real_path(&path).is_within(&target.dir) {
            return Err(match self.tree.kind(&path) {
                None => fail(ReadError::NotFound { path: path.clone() }),
                Some(EntryKind::Dir) => fail(ReadError::NotAFile { path: path.clone() }),
                Some(EntryKind::File) => {
                    BuildError::OutsideRoot { file: self.shown(&path), dir: self.shown(&target.dir) }
                }
            });
        }
        self.read_tree(&path)?.map_err(fail)
    }

    pub(crate) fn read_text(&self, target: &Target<'_>, name: &str) -> Result<String, Cause> {
        let content = self.read(target, name).map_err(|error| describe(&error))?;
        Ok(String::from_utf8(content).map_err(|_| format!("{name} is not UTF-8"))?)
    }

    /// A file's path may be absolute, which a directory's may not; the tree is a fence for it all the same.
    fn join_file(&self, target: &Target<'_>, name: &str) -> Result<RelPath, BuildError> {
        match name.strip_prefix(&self.options.root_label).and_then(|below| below.strip_prefix('/')) {
            Some(below) if name.starts_with('/') => RelPath::new(below.trim_start_matches('/'))
                .map_err(|_| BuildError::OutsideTree { path: name.to_owned(), dir: self.options.root_label.clone() }),
            _ => self.join(target, name),
        }
    }

    fn join(&self, target: &Target<'_>, name: &str) -> Result<RelPath, BuildError> {
        let joined = target.dir.join(name).and_then(|path| match (path.split_mount(), target.dir.split_mount()) {
            // A path that climbs out of a fetched repository must not arrive in the tree that is built.
            (None, Some(_)) => Err(PathError::Outside { path: name.to_owned() }),
            _ => Ok(path),
        });
        joined.map_err(|error| match error {
            PathError::Absolute { path } => {
                BuildError::WrongKind { problem: format!("new root '{path}' cannot be absolute") }
            }
            PathError::Outside { path } | PathError::Nul { path } => {
                BuildError::OutsideTree { path, dir: self.options.root_label.clone() }
            }
        })
    }

    /// The directory that a kustomization names, if it may be built from there.
    pub(crate) fn directory(&self, target: &Target<'_>, name: &str) -> Result<RelPath, BuildError> {
        if name.is_empty() {
            return Err(BuildError::WrongKind { problem: "new root cannot be empty".to_owned() });
        }
        let dir = if is_remote(name) {
            self.fetch_directory(name)?
        } else {
            let dir = self.join(target, name)?;
            self.check_directory(&dir, &self.shown(&dir))?;
            self.tree.real_path(&dir)
        };
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

    /// `openapi`: the first kustomization on the way down that has it chooses the schema for the whole build.
    pub(crate) fn choose_schema(&self, target: &Target<'_>) -> Result<(), BuildError> {
        let fail = |problem: &str| BuildError::Schema { problem: problem.to_owned() };
        let openapi = &target.kustomization.openapi;
        let content = openapi.get("path").map(|path| self.read(target, path)).transpose()?;
        if self.schema.get().is_some() {
            return Ok(());
        }
        let version = openapi.get("version");
        let schema = match (content, version) {
            (Some(_), Some(_)) => return Err(fail("builtin version and custom schema provided, cannot use both")),
            (Some(content), None) => {
                let schema = CustomSchema::parse(&content, &self.options.limits.yaml);
                let mut schema = schema.map_err(|error| fail(&format!("invalid schema file: {error}")))?;
                schema.is_added = self.schema_used.get();
                Some(Rc::new(schema))
            }
            (None, Some(version)) if version.is_empty() => return Ok(()),
            (None, Some(version)) if version == BUILT_IN_VERSION => None,
            (None, Some(_)) => return Err(fail("the specified OpenAPI version is not built in")),
            (None, None) => return Ok(()),
        };
        // Nobody else sets it between the look above and here.
        let _ = self.schema.set(schema);
        Ok(())
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

/// Blocks change when they are written and read again, or cannot be read; annotations are made anew long before that.
fn refold(resource: &mut Resource) -> Result<(), BuildError> {
    if let Some(annotations) = resource.node.get_mut("metadata").and_then(|metadata| metadata.get_mut("annotations")) {
        annotations.each_scalar(&mut |scalar| {
            scalar.style = if scalar.text.contains('\n') { Style::Literal } else { Style::Plain };
        });
    }
    resource.node.refold().map_err(|source| BuildError::Block { object: go_syntax::object(&resource.masked()), source })
}

/// Rewrites the annotations: marks go, origins come if asked for, every value becomes a string, an empty map vanishes.
fn finish(resource: &mut Resource, origins: bool, transformations: bool) {
    if resource.node.get("metadata").is_none() {
        // Only a list without items gets here without metadata; looking for its annotations makes them.
        if let Some(object) = resource.node.as_mapping_mut() {
            object.insert("metadata", Node::mapping());
        }
    }
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
