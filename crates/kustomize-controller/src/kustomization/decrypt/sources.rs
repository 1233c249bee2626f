//! Which files of a tree are to be decrypted before a build: those that `secretGenerator` and `patches` name, in the directory that is built and
//! in all that its `resources` and `components` lead to.
//!
//! Pure over the tree. Deliberately follows only what is local: what is missing, a file or a URL is the build's business, and no reference
//! leaves the tree: as in a chroot, `..` above the root stays at the root.

use std::collections::{HashMap, HashSet};

use sluice_http_client::Url;
use sluice_kustomize::{EntryKind, FileTree, ReadError, RelPath};
use sluice_sops::{DecryptError, Format, MAX_DOCUMENT_BYTES};
use sluice_yaml::{Limits, Node, YamlError, read_config};

/// The names that a kustomization file may have.
const FILE_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
/// Directories that are looked at, the bound of a build that is larger than any.
const MAX_DIRECTORIES: usize = 20_000;
/// Bytes of all encrypted files together: they are in memory at once.
const MAX_TOTAL_BYTES: usize = 64 << 20;
const KUSTOMIZATION_LIMITS: Limits = Limits { bytes: 4 << 20, depth: 64, nodes: 200_000 };

/// Sources that cannot be decrypted. Never holds a value.
#[derive(Debug, thiserror::Error)]
pub(in crate::kustomization) enum SourcesError {
    /// A directory that is built has none.
    #[error("no kustomization file found in '{dir}'")]
    NoKustomization {
        /// The directory.
        dir: RelPath,
    },
    /// A directory has two.
    #[error("found multiple kustomization files in '{dir}'")]
    Ambiguous {
        /// The directory.
        dir: RelPath,
    },
    /// It is a directory.
    #[error("expected {path} to be a regular file")]
    NotRegular {
        /// The path.
        path: RelPath,
    },
    /// It is no YAML.
    #[error("failed to unmarshal kustomization file from '{path}'")]
    Syntax {
        /// The file.
        path: RelPath,
        /// The cause, with the line.
        #[source]
        source: YamlError,
    },
    /// A field of it has a wrong type.
    #[error("failed to unmarshal kustomization file from '{path}': '{field}' has a wrong type")]
    Field {
        /// The file.
        path: RelPath,
        /// The field.
        field: &'static str,
    },
    /// A file cannot be read.
    #[error("cannot read '{path}'")]
    Read {
        /// The file.
        path: RelPath,
        /// The cause.
        #[source]
        source: ReadError,
    },
    /// A directory where a file was named.
    #[error("'{path}': cannot decrypt irregular file as it has file mode type bits set")]
    Irregular {
        /// The path.
        path: RelPath,
    },
    /// The file is larger than is decrypted.
    #[error("'{path}': cannot decrypt file with size ({size} bytes) exceeding limit ({MAX_DOCUMENT_BYTES})")]
    TooLarge {
        /// The file.
        path: RelPath,
        /// Its size.
        size: usize,
    },
    /// There is more than is looked at.
    #[error("more than {limit} {what} to decrypt")]
    TooMany {
        /// Directories or bytes.
        what: &'static str,
        /// The bound.
        limit: usize,
    },
    /// A file does not decrypt.
    #[error("'{path}'")]
    Decrypt {
        /// The file.
        path: RelPath,
        /// Why.
        #[source]
        source: DecryptError,
    },
}

impl SourcesError {
    pub(super) fn decrypt(paths: &[RelPath], source: DecryptError) -> Self {
        Self::Decrypt { path: paths.first().cloned().unwrap_or_default(), source }
    }
}

/// A file that SOPS encrypted.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::kustomization) struct Encrypted {
    /// Where it is, and the symbolic links by which it is named.
    pub(super) paths: Vec<RelPath>,
    /// What it is to be read and written as.
    pub(super) format: Format,
    /// What is in it.
    pub(super) content: Vec<u8>,
}

/// Finds the encrypted files of a build of `dir`.
pub(in crate::kustomization) fn gather(tree: &dyn FileTree, dir: &RelPath) -> Result<Vec<Encrypted>, SourcesError> {
    let mut walk = Walk { tree, files: HashMap::new(), encrypted: Vec::new(), bytes: 0 };
    let (mut seen, mut open) = (HashSet::new(), vec![dir.clone()]);
    while let Some(dir) = open.pop() {
        if !seen.insert(tree.real_path(&dir)) {
            continue;
        }
        if seen.len() > MAX_DIRECTORIES {
            return Err(SourcesError::TooMany { what: "directories", limit: MAX_DIRECTORIES });
        }
        let file = Kustomization::load(tree, &dir)?;
        walk.files(&dir, &file)?;
        // Depth first, in the order of the file.
        let below: Vec<RelPath> = file.directories()?.into_iter().map(|path| clamped(&dir, &path)).collect();
        open.extend(below.into_iter().rev().filter(|path| tree.kind(path) == Some(EntryKind::Dir)));
    }
    Ok(walk.encrypted)
}

/// The path that a reference names from a directory, as a chroot would see it.
fn clamped(dir: &RelPath, reference: &str) -> RelPath {
    let from = if reference.starts_with('/') { "" } else { dir.as_str() };
    let mut parts: Vec<&str> = Vec::new();
    for part in from.split('/').chain(reference.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    // Only a NUL is left to be refused, and nothing has such a name.
    RelPath::new(&parts.join("/").replace('\0', "\u{fffd}")).unwrap_or_default()
}

struct Walk<'t> {
    tree: &'t dyn FileTree,
    /// The files that were looked at, by where they are, and which of `encrypted` each is. The first reference decides about the format.
    files: HashMap<RelPath, Option<usize>>,
    encrypted: Vec<Encrypted>,
    bytes: usize,
}

impl Walk<'_> {
    fn files(&mut self, dir: &RelPath, file: &Kustomization) -> Result<(), SourcesError> {
        for generator in file.list(&file.node, "secretGenerator")? {
            for source in file.texts(generator, "files")? {
                let (key, path) = source.split_once('=').unwrap_or((&source, &source));
                self.file(&clamped(dir, path), Format::of_name(key))?;
            }
            for path in file.texts(generator, "envs")? {
                let format = match Format::of_name(&path) {
                    Format::Binary => Format::Dotenv,
                    known => known,
                };
                self.file(&clamped(dir, &path), format)?;
            }
        }
        for patch in file.list(&file.node, "patches")? {
            let Some(path) = file.text(patch, "path")? else { continue };
            if !path.is_empty() && !is_url(path) {
                self.file(&clamped(dir, path), Format::of_name(path))?;
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &RelPath, format: Format) -> Result<(), SourcesError> {
        let real = self.tree.real_path(path);
        if let Some(known) = self.files.get(&real) {
            let paths = known.and_then(|index| self.encrypted.get_mut(index)).map(|file| &mut file.paths);
            if let Some(paths) = paths.filter(|paths| !paths.contains(path)) {
                paths.push(path.clone());
            }
            return Ok(());
        }
        if self.tree.kind(path) == Some(EntryKind::Dir) {
            return Err(SourcesError::Irregular { path: path.clone() });
        }
        let content = self.tree.read(path).map_err(|source| SourcesError::Read { path: path.clone(), source })?;
        if content.len() > MAX_DOCUMENT_BYTES {
            return Err(SourcesError::TooLarge { path: path.clone(), size: content.len() });
        }
        if !format.marks(&content) {
            self.files.insert(real, None);
            return Ok(());
        }
        self.bytes += content.len();
        if self.bytes > MAX_TOTAL_BYTES {
            return Err(SourcesError::TooMany { what: "bytes", limit: MAX_TOTAL_BYTES });
        }
        self.files.insert(real.clone(), Some(self.encrypted.len()));
        let paths = if real == *path { vec![real] } else { vec![real, path.clone()] };
        self.encrypted.push(Encrypted { paths, format, content: content.into_owned() });
        Ok(())
    }
}

fn is_url(path: &str) -> bool {
    Url::parse(path).is_ok_and(|url| url.host_str().is_some_and(|host| !host.is_empty()))
}

/// A kustomization file, read as far as it matters here.
struct Kustomization {
    path: RelPath,
    node: Node,
}

impl Kustomization {
    fn load(tree: &dyn FileTree, dir: &RelPath) -> Result<Self, SourcesError> {
        let mut found = None;
        for name in FILE_NAMES {
            let path = clamped(dir, name);
            match tree.kind(&path) {
                None => {}
                Some(EntryKind::Dir) => return Err(SourcesError::NotRegular { path }),
                Some(EntryKind::File) if found.is_some() => return Err(SourcesError::Ambiguous { dir: dir.clone() }),
                Some(EntryKind::File) => found = Some(path),
            }
        }
        let path = found.ok_or_else(|| SourcesError::NoKustomization { dir: dir.clone() })?;
        let content = tree.read(&path).map_err(|source| SourcesError::Read { path: path.clone(), source })?;
        let node = read_config(&content, &KUSTOMIZATION_LIMITS);
        let node = node.map_err(|source| SourcesError::Syntax { path: path.clone(), source })?;
        Ok(Self { path, node: node.unwrap_or_default() })
    }

    fn directories(&self) -> Result<Vec<String>, SourcesError> {
        let mut all = self.texts(&self.node, "resources")?;
        all.extend(self.texts(&self.node, "components")?);
        Ok(all)
    }

    fn wrong(&self, field: &'static str) -> SourcesError {
        SourcesError::Field { path: self.path.clone(), field }
    }

    /// A list; nothing counts as an empty one.
    fn list<'n>(&self, node: &'n Node, field: &'static str) -> Result<&'n [Node], SourcesError> {
        match node.get(field) {
            None => Ok(&[]),
            Some(value) if value.is_null() => Ok(&[]),
            Some(value) => value.as_sequence().ok_or_else(|| self.wrong(field)),
        }
    }

    fn texts(&self, node: &Node, field: &'static str) -> Result<Vec<String>, SourcesError> {
        let text = |node: &Node| node.text().map(str::to_owned).ok_or_else(|| self.wrong(field));
        self.list(node, field)?.iter().map(text).collect()
    }

    fn text<'n>(&self, node: &'n Node, field: &'static str) -> Result<Option<&'n str>, SourcesError> {
        match node.get(field) {
            None => Ok(None),
            Some(value) if value.is_null() => Ok(None),
            Some(value) => value.text().map(Some).ok_or_else(|| self.wrong(field)),
        }
    }
}
