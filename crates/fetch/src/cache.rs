//! The cache of trees: one per digest, one download for all who ask at the same time, and a few recent ones kept.
//!
//! A tree leaves the disk when nobody holds it and it is not among the most recently used. Deliberately not here: persistence; after a
//! restart everything is fetched anew.

use std::collections::{HashMap, VecDeque};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared, WeakShared};
use sluice_artifact::Digest;
use sluice_http_client::{HttpClient, RetryPolicy};

use crate::artifact::ArtifactRef;
use crate::download::Fetch;
use crate::error::{FetchError, OpenError};
use crate::tree::Tree;

/// What our directories start with. Nothing else in the root is touched.
pub(crate) const PREFIX: &str = "artifact-";

const LOCK_FILE: &str = "artifacts.lock";

/// How much a fetch may take and how much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchLimits {
    /// The most bytes of an archive.
    pub download_bytes: u64,
    /// What an archive may unpack to.
    pub unpack: sluice_archive::Limits,
    /// Time for one fetch, with all retries.
    pub total_time: Duration,
    /// Time without a byte while a body is read.
    pub stall_time: Duration,
    /// Trees that stay on disk although nobody holds them, the most recently used ones.
    pub recent_trees: usize,
}

impl Default for FetchLimits {
    /// 512 MiB packed, a quarter of what may come out of it; 10 minutes, which is more than nine
    /// retries of at most 30 s; 16 trees, so that the disk holds little more than what the current reconciles use.
    fn default() -> Self {
        Self {
            download_bytes: 512 << 20,
            unpack: sluice_archive::Limits::default(),
            total_time: Duration::from_secs(600),
            stall_time: Duration::from_secs(60),
            recent_trees: 16,
        }
    }
}

type Outcome = Result<Arc<Tree>, FetchError>;
type Flight = Shared<BoxFuture<'static, Outcome>>;

/// Trees of artifacts by digest. Share it in an `Arc`.
pub struct ArtifactCache {
    root: PathBuf,
    limits: FetchLimits,
    table: Arc<Mutex<Table>>,
    /// Held as long as the cache lives.
    _lock: File,
}

#[derive(Default)]
struct Table {
    /// Trees that somebody holds.
    trees: HashMap<Digest, Weak<Tree>>,
    /// The most recently used, latest first.
    recent: VecDeque<Arc<Tree>>,
    /// Fetches under way. Weak: one that nobody waits for any more ends.
    flights: HashMap<Digest, WeakShared<BoxFuture<'static, Outcome>>>,
}

impl ArtifactCache {
    /// Takes a directory into use, creating it if need be, and removes what a crashed process left there. Blocks.
    ///
    /// # Errors
    /// When the directory cannot be prepared or another process uses it.
    pub fn new(root: impl Into<PathBuf>, limits: FetchLimits) -> Result<Self, OpenError> {
        let root = root.into();
        let prepare = |source| OpenError::Prepare { path: root.clone(), source };
        std::fs::create_dir_all(&root).map_err(prepare)?;
        let lock = File::create(root.join(LOCK_FILE)).map_err(prepare)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse { path: root }),
            Err(TryLockError::Error(source)) => return Err(prepare(source)),
        }
        remove_leftovers(&root)?;
        Ok(Self { root, limits, table: Arc::default(), _lock: lock })
    }

    /// The tree of an artifact: the one that is there already, or a new one.
    ///
    /// Callers who ask for one digest at the same time share one download, made with the first one's URL, client and policy, and share
    /// its error. A later call tries anew.
    ///
    /// # Errors
    /// [`FetchError::NotFound`] for a 404; others as they say.
    ///
    /// # Cancellation
    /// Dropping the future leaves the download to the others who wait for it; with the last one it ends and leaves nothing on disk.
    pub async fn get(&self, client: &HttpClient, artifact: &ArtifactRef, policy: &RetryPolicy) -> Outcome {
        let flight = {
            let mut table = lock(&self.table);
            if let Some(tree) = table.find(&artifact.digest, self.limits.recent_trees) {
                return Ok(tree);
            }
            match table.flights.get(&artifact.digest).and_then(WeakShared::upgrade) {
                Some(flight) => flight,
                None => self.start(&mut table, client, artifact, policy),
            }
        };
        flight.await
    }

    fn start(&self, table: &mut Table, client: &HttpClient, artifact: &ArtifactRef, policy: &RetryPolicy) -> Flight {
        let fetch = Fetch {
            client: client.clone(),
            artifact: artifact.clone(),
            policy: policy.clone(),
            root: self.root.clone(),
            limits: self.limits,
        };
        let (shared, digest, keep) = (self.table.clone(), artifact.digest, self.limits.recent_trees);
        let flight = async move {
            let outcome = fetch.run().await.map(Arc::new);
            // Before the outcome is known to anybody, so that whoever asks later finds the tree, or starts anew after an error.
            let mut table = lock(&shared);
            table.flights.remove(&digest);
            if let Ok(tree) = &outcome {
                table.insert(tree, keep);
            }
            outcome
        };
        let flight = flight.boxed().shared();
        table.flights.retain(|_, flight| flight.upgrade().is_some());
        if let Some(weak) = flight.downgrade() {
            table.flights.insert(digest, weak);
        }
        flight
    }
}

impl Table {
    fn find(&mut self, digest: &Digest, keep: usize) -> Option<Arc<Tree>> {
        let tree = self.trees.get(digest)?.upgrade()?;
        self.touch(&tree, keep);
        Some(tree)
    }

    fn insert(&mut self, tree: &Arc<Tree>, keep: usize) {
        self.trees.retain(|_, tree| tree.strong_count() > 0);
        self.trees.insert(*tree.digest(), Arc::downgrade(tree));
        self.touch(tree, keep);
    }

    /// Makes the tree the most recent one and lets go of the oldest beyond the bound.
    fn touch(&mut self, tree: &Arc<Tree>, keep: usize) {
        self.recent.retain(|known| known.digest() != tree.digest());
        self.recent.push_front(tree.clone());
        self.recent.truncate(keep);
    }
}

fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    // Every change leaves the table whole, so a holder's panic does not matter.
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

fn remove_leftovers(root: &Path) -> Result<(), OpenError> {
    let failed = |path: &Path, source| OpenError::Prepare { path: path.to_owned(), source };
    for entry in std::fs::read_dir(root).map_err(|source| failed(root, source))? {
        let entry = entry.map_err(|source| failed(root, source))?;
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            std::fs::remove_dir_all(entry.path()).map_err(|source| failed(&entry.path(), source))?;
        }
    }
    Ok(())
}
