//! What the last good pass of each Kustomization stood on, so that the next one can tell that it would do the same again.
//!
//! A build reads some files of the tree and nothing else. While those, the spec, the variables and the keys are the same, and every object
//! still is as it was applied, building and applying again cannot change anything. Deliberately nothing secret: hashes of variables and
//! contents, names and paths. Deliberately in memory only: a process that starts anew looks at everything once.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sluice_kustomize::{DirTree, EntryKind, FileTree, ReadError, ReadSet};
use sluice_manifest::{Entry, ObjectId};
use sluice_runtime::queue::Key;
use sluice_ssa::DesiredDigest;

use super::tree::Sourced;

/// The largest file that counts, as in a build.
const MAX_FILE_BYTES: u64 = 32 << 20;

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

/// A good pass.
#[derive(Debug)]
pub(super) struct Remembered {
    pub(super) basis: Basis,
    /// `spec.path` as it was built.
    pub(super) path: String,
    /// What the build looked at.
    pub(super) read: ReadSet,
    /// The hash of that.
    pub(super) fingerprint: u64,
    /// The digest of the manifests, for the history.
    pub(super) digest: String,
    /// Every object, with the digest of its manifest; skipped ones have none.
    pub(super) objects: Vec<(Entry, Option<DesiredDigest>)>,
}

impl Remembered {
    /// Whether the tree would be built to the same.
    pub(super) fn builds_the_same(&self, basis: &Basis, sourced: &Sourced) -> bool {
        self.basis == *basis
            && self.path == sourced.path
            && fingerprint(sourced, &self.read).is_ok_and(|found| found == self.fingerprint)
    }

    /// Whether all objects are as they were applied.
    pub(super) fn in_step(&self, in_step: impl Fn(&ObjectId, DesiredDigest) -> bool) -> bool {
        self.objects.iter().all(|(entry, digest)| digest.is_some_and(|digest| in_step(&entry.id, digest)))
    }
}

/// The last good pass of each Kustomization.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<HashMap<Key, Arc<Remembered>>>);

impl Memory {
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A hash of everything in `read` as it is in this tree.
///
/// # Errors
/// The tree cannot be opened. A file that is gone is part of the hash, not an error.
pub(super) fn fingerprint(sourced: &Sourced, read: &ReadSet) -> io::Result<u64> {
    let tree = DirTree::new(sourced.tree.path(), MAX_FILE_BYTES)?;
    let mut hasher = DefaultHasher::new();
    for path in &read.files {
        match tree.read(path) {
            Ok(content) => content.hash(&mut hasher),
            Err(ReadError::NotFound { .. }) => 1_u8.hash(&mut hasher),
            Err(_) => 2_u8.hash(&mut hasher),
        }
    }
    for path in read.dirs.iter().chain(&read.absent) {
        let kind = tree.kind(path).map(|kind| matches!(kind, EntryKind::Dir));
        kind.hash(&mut hasher);
    }
    for path in &read.listed {
        if let Ok(entries) = tree.list(path) {
            entries.len().hash(&mut hasher);
            for (name, kind) in entries {
                (name, matches!(kind, EntryKind::Dir)).hash(&mut hasher);
            }
        }
    }
    for path in read.links.keys() {
        tree.real_path(path).as_str().hash(&mut hasher);
    }
    Ok(hasher.finish())
}
