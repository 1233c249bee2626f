//! What the last good pass of each Kustomization stood on, so that the next one can tell that it would do the same again.
//!
//! A build reads some files of the tree and nothing else. While those, the spec, the variables and the keys are the same, and every object
//! still is as it was applied, building and applying again cannot change anything. Deliberately nothing secret: hashes of variables and
//! contents, names and paths. Deliberately in memory only: a process that starts anew looks at everything once.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sluice_artifact::{Algorithm, Digest, Hasher};
use sluice_kustomize::{DirTree, EntryKind, FileTree, ReadSet};
use sluice_manifest::{Entry, ObjectId};
use sluice_runtime::queue::Key;
use sluice_ssa::DesiredDigest;

use super::build::MAX_FILE_BYTES;
use super::tree::Sourced;

/// What a pass stands on, beside the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Basis {
    /// The object's generation.
    pub(super) generation: i64,
    /// Hash of the variables and how they are put in.
    pub(super) variables: u64,
    /// Hash of the versions of what holds the keys.
    pub(super) keys: u64,
}

/// Files and directories, and a digest of what is there.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    read: Arc<ReadSet>,
    fingerprint: Digest,
}

impl Seen {
    /// What is there now in a tree without anything laid over it.
    pub(super) fn of(tree: &DirTree, read: ReadSet) -> Self {
        Self { fingerprint: fingerprint(tree, &read), read: Arc::new(read) }
    }
}

/// A good pass.
#[derive(Debug)]
pub(super) struct Remembered {
    pub(super) basis: Basis,
    /// `spec.path` as it was built.
    pub(super) path: String,
    /// What the build looked at, and what it found there.
    pub(super) seen: Seen,
    /// The digest of the manifests, for the history.
    pub(super) digest: String,
    /// Every object, with the digest of its manifest.
    pub(super) objects: Vec<(Entry, DesiredDigest)>,
    /// Jobs whose absence is success.
    pub(super) jobs_that_go: HashSet<ObjectId>,
}

impl Remembered {
    /// Whether the tree would be built to the same. Reads files, on a thread that may block.
    pub(super) async fn builds_the_same(&self, basis: &Basis, sourced: &Sourced) -> bool {
        if self.basis != *basis || self.path != sourced.path {
            return false;
        }
        let (tree, seen) = (Arc::clone(&sourced.tree), self.seen.clone());
        let found = tokio::task::spawn_blocking(move || {
            DirTree::new(tree.path(), MAX_FILE_BYTES)
                .is_ok_and(|tree| fingerprint(&tree, &seen.read) == seen.fingerprint)
        });
        // A reader that failed in itself says nothing: the build will tell.
        found.await.unwrap_or(false)
    }

    /// Whether all objects are as they were applied.
    pub(super) fn in_step(&self, in_step: impl Fn(&ObjectId, DesiredDigest) -> bool) -> bool {
        self.objects.iter().all(|(entry, digest)| in_step(&entry.id, *digest))
    }
}

/// The last good pass of each Kustomization.
#[derive(Debug, Default)]
pub(super) struct Memory {
    passes: Mutex<HashMap<Key, Arc<Remembered>>>,
    /// Keyed anew in each process, so that a hash of something secret says nothing elsewhere.
    hashes: RandomState,
}

impl Memory {
    /// The hash of a part of a basis.
    pub(super) fn hash(&self, value: impl Hash) -> u64 {
        self.hashes.hash_one(value)
    }

    pub(super) fn get(&self, key: &Key) -> Option<Arc<Remembered>> {
        self.lock().get(key).cloned()
    }

    pub(super) fn put(&self, key: &Key, remembered: Remembered) {
        self.lock().insert(key.clone(), Arc::new(remembered));
    }

    pub(super) fn forget(&self, key: &Key) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Arc<Remembered>>> {
        // Each use is one operation of the map.
        self.passes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A digest of everything in `read` as it is in this tree. What cannot be read is a part of it, not an error.
fn fingerprint(tree: &DirTree, read: &ReadSet) -> Digest {
    let mut digest = Hasher::new(Algorithm::Blake3);
    // Each part has its length before it, so that none can be taken for a part of another.
    let mut add = |bytes: &[u8]| {
        digest.update(&bytes.len().to_le_bytes());
        digest.update(bytes);
    };
    let kind_name = |kind: Option<EntryKind>| match kind {
        None => "absent",
        Some(EntryKind::File) => "file",
        Some(EntryKind::Dir) => "dir",
    };
    for path in &read.files {
        add(path.as_str().as_bytes());
        match tree.read(path) {
            Ok(content) => add(&content),
            Err(_) => add(kind_name(tree.kind(path)).as_bytes()),
        }
    }
    for path in read.dirs.iter().chain(&read.absent) {
        add(path.as_str().as_bytes());
        add(kind_name(tree.kind(path)).as_bytes());
    }
    for path in &read.listed {
        add(path.as_str().as_bytes());
        for (name, kind) in tree.list(path).unwrap_or_default() {
            add(name.as_bytes());
            add(kind_name(Some(kind)).as_bytes());
        }
    }
    for path in read.links.keys() {
        add(tree.real_path(path).as_str().as_bytes());
    }
    digest.finish()
}
