//! A bare repository per source, kept between reconciles so that a fetch moves only what changed.
//!
//! Deliberately one process and one mirror per directory: fetches of one mirror wait for each other, and for the reading of its trees.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{OwnedRwLockWriteGuard, RwLock, mpsc};
use tokio::task::spawn_blocking;

use crate::pack_stream::PackStream;
use crate::resolve::Origin;
use crate::store::{Piece, Store, StoreError};
use crate::{ObjectId, Remote, RemoteError, Resolved, SignedObject, SignedTag, Submodules, Target, Tree, signed};

/// Pieces between network and disk. A piece is at most one packet, so this is about 1 MiB.
const PIECES_IN_FLIGHT: usize = 16;

/// A commit as far as controllers speak of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its name.
    pub id: ObjectId,
    /// The first paragraph of its message on one line; what is not UTF-8 in it is replaced.
    pub subject: String,
    /// The committer's time, in seconds since 1970 UTC.
    pub committed_at: i64,
}

/// What a fetch moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transfer {
    /// Objects of the pack received.
    pub objects: u32,
    /// Bytes of the answer received.
    pub bytes: u64,
}

/// The result of a fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The target; where several were tied, the one whose commit is newest.
    pub target: Target,
    /// Its commit.
    pub commit: Commit,
    /// What was moved; `None` when everything was here already and the remote was not asked.
    pub transfer: Option<Transfer>,
}

/// Why a commit could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// By the remote's doing.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// By the mirror's.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// By one of the submodules'.
    #[error("failed to fetch submodule '{path}'")]
    Submodule {
        /// Its path from the root of all.
        path: String,
        /// The cause.
        #[source]
        source: Box<FetchError>,
    },
}

/// The mirror of one source.
#[derive(Clone, Debug)]
pub struct Mirror {
    pub(crate) store: Store,
    lock: Arc<RwLock<()>>,
    /// The lock of the mirror in whose directory this one is, held for the time of this one's life.
    outer: Option<Guard>,
}

impl Mirror {
    /// A mirror in a directory that is its own; the directory need not exist. Nothing is read or written yet.
    ///
    /// A mirror larger than `max_bytes` is dropped before the next fetch, which then fetches the whole tree again.
    pub fn new(dir: impl Into<PathBuf>, max_bytes: u64) -> Self {
        Self { store: Store { dir: dir.into(), max_bytes }, lock: Arc::default(), outer: None }
    }

    /// A mirror below another one's directory, which is locked.
    pub(crate) fn inner(dir: PathBuf, max_bytes: u64, outer: Guard) -> Self {
        Self { store: Store { dir, max_bytes }, lock: Arc::default(), outer: Some(outer) }
    }

    /// Makes the target's commit, with its tree and tag, be here. A damaged mirror is made anew.
    ///
    /// Runs under the remote's timeout. May be dropped at any time: the transfer ends and the mirror stays as it was.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn fetch(&self, remote: &Remote, resolved: &Resolved) -> Result<Fetched, FetchError> {
        remote
            .within(async {
                let guard = self.lock().await;
                self.fetch_untimed(&guard, remote, resolved).await
            })
            .await
    }

    /// The lock is held by each blocking step as well: such a step goes on for a moment after its future is dropped.
    pub(crate) async fn lock(&self) -> Guard {
        Arc::new(Arc::clone(&self.lock).write_owned().await)
    }

    pub(crate) async fn fetch_untimed(
        &self,
        guard: &Guard,
        remote: &Remote,
        resolved: &Resolved,
    ) -> Result<Fetched, FetchError> {
        let sole = resolved.ties.is_empty().then(|| resolved.target.clone());
        let (tip, here) = self
            .blocking(guard, move |store| {
                let tip = store.prepare()?;
                Ok((tip, sole.is_some_and(|target| store.has(&target))))
            })
            .await?;
        if here && let Ok((target, commit)) = self.finish(guard, resolved).await {
            return Ok(Fetched { target, commit, transfer: None });
        }
        if tip.is_some() && !here {
            match self.download_or_search(guard, remote, resolved, tip).await {
                // What we said that we have is damaged, or the pack did not fit it: start over, below.
                Err(FetchError::Store(StoreError::Pack(_) | StoreError::Read { .. })) => {}
                outcome => return outcome,
            }
        }
        if tip.is_some() {
            self.blocking(guard, Store::recreate).await?;
        }
        self.download_or_search(guard, remote, resolved, None).await
    }

    /// Some servers give only what their references name. A commit that the user names may still be in a branch's history.
    async fn download_or_search(
        &self,
        guard: &Guard,
        remote: &Remote,
        resolved: &Resolved,
        have: Option<ObjectId>,
    ) -> Result<Fetched, FetchError> {
        match self.download(guard, remote, resolved, have).await {
            Err(FetchError::Remote(RemoteError::CommitNotFound(id))) if resolved.origin == Origin::Given => {
                let pack = remote.open_history(id).await?;
                self.store_pack(guard, pack, resolved, None).await
            }
            outcome => outcome,
        }
    }

    async fn download(
        &self,
        guard: &Guard,
        remote: &Remote,
        resolved: &Resolved,
        have: Option<ObjectId>,
    ) -> Result<Fetched, FetchError> {
        // A tag object brings its commit along.
        let wants = resolved.targets().map(|target| target.tag.unwrap_or(target.commit)).collect();
        let pack = remote.open_pack(wants, have).await?;
        self.store_pack(guard, pack, resolved, have).await
    }

    async fn store_pack(
        &self,
        guard: &Guard,
        mut pack: PackStream,
        resolved: &Resolved,
        have: Option<ObjectId>,
    ) -> Result<Fetched, FetchError> {
        let max_object = pack.max_object();
        let (sender, receiver) = mpsc::channel(PIECES_IN_FLIGHT);
        let stop = StopOnDrop::default();
        let flag = Arc::clone(&stop.0);
        let writer = self.blocking(guard, move |store| store.write_pack(receiver, &flag, max_object));
        let transfer = async move {
            while let Some(piece) = pack.next().await? {
                if sender.send(Piece::Data(piece)).await.is_err() {
                    // The writer has given up; it says why.
                    return Ok(pack.received());
                }
            }
            let _ = sender.send(Piece::End).await;
            Ok::<_, RemoteError>(pack.received())
        };
        let (bytes, objects) = tokio::join!(transfer, writer);
        let transfer = Some(Transfer { bytes: bytes?, objects: objects? });
        match self.finish(guard, resolved).await {
            Ok((target, commit)) => Ok(Fetched { target, commit, transfer }),
            // A server that was asked for branches, and none of them leads to the commit.
            Err(StoreError::Read { id, .. }) if have.is_none() => Err(RemoteError::CommitNotFound(id).into()),
            Err(error) => Err(error.into()),
        }
    }

    async fn finish(&self, guard: &Guard, resolved: &Resolved) -> Result<(Target, Commit), StoreError> {
        let targets: Vec<Target> = resolved.targets().cloned().collect();
        let chosen = self.blocking(guard, move |store| store.finish(targets.iter())).await?;
        chosen.ok_or(StoreError::CutShort)
    }

    /// Runs a step on a thread that may block; the lock is held until it is done.
    pub(crate) fn blocking<T, F>(
        &self,
        guard: &Guard,
        step: F,
    ) -> impl Future<Output = Result<T, StoreError>> + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    {
        let (store, guards) = (self.store.clone(), (Arc::clone(guard), self.outer.clone()));
        let handle = spawn_blocking(move || {
            let outcome = step(&store);
            drop(guards);
            outcome
        });
        async move { handle.await.unwrap_or(Err(StoreError::Thread)) }
    }

    /// The tree of a commit that was fetched. Until the tree is dropped, fetches wait.
    ///
    /// # Errors
    /// [`StoreError::Read`] when the commit is not here or damaged.
    pub async fn tree(&self, commit: ObjectId) -> Result<Tree, StoreError> {
        let guard = Arc::clone(&self.lock).read_owned().await;
        let store = self.store.clone();
        spawn_blocking(move || Tree::open(&store.dir, commit, guard)).await.unwrap_or(Err(StoreError::Thread))
    }

    /// The tree of a commit with those of its submodules in it, as [`Mirror::fetch_with_submodules`] found them. Until the tree is dropped,
    /// fetches wait.
    ///
    /// # Errors
    /// [`StoreError::Read`] when one of the commits is not here or damaged.
    pub async fn tree_with_submodules(&self, commit: ObjectId, submodules: &Submodules) -> Result<Tree, StoreError> {
        let guard = Arc::clone(&self.lock).read_owned().await;
        let (store, submodules) = (self.store.clone(), submodules.clone());
        let open = move || {
            let mut tree = Tree::open(&store.dir, commit, guard)?;
            for module in submodules.0 {
                tree.add(module.path, &module.dir, module.commit)?;
            }
            Ok(tree)
        };
        spawn_blocking(open).await.unwrap_or(Err(StoreError::Thread))
    }

    /// What a signature on a commit that was fetched is of.
    ///
    /// # Errors
    /// [`StoreError::Read`], [`StoreError::NotACommit`], [`StoreError::TooLarge`].
    pub async fn signed_commit(&self, commit: ObjectId) -> Result<SignedObject, StoreError> {
        self.reading(move |store| signed::read_commit(&store.dir, commit)).await
    }

    /// What a signature on an annotated tag that was fetched ([`Target::tag`]) is of.
    ///
    /// # Errors
    /// [`StoreError::Read`], [`StoreError::NotATag`], [`StoreError::TooLarge`].
    pub async fn signed_tag(&self, tag: ObjectId) -> Result<SignedTag, StoreError> {
        self.reading(move |store| signed::read_tag(&store.dir, tag)).await
    }

    async fn reading<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    {
        let guard = Arc::clone(&self.lock).read_owned().await;
        let store = self.store.clone();
        let step = move || {
            let outcome = read(&store);
            drop(guard);
            outcome
        };
        spawn_blocking(step).await.unwrap_or(Err(StoreError::Thread))
    }

    /// Drops everything, as after [`crate::WalkError::Read`]; the next fetch starts from nothing.
    ///
    /// # Errors
    /// [`StoreError::Directory`], [`StoreError::Create`].
    pub async fn reset(&self) -> Result<(), StoreError> {
        let guard = self.lock().await;
        self.blocking(&guard, |store| {
            store.prune_modules(&BTreeSet::new());
            store.recreate()
        })
        .await
    }

    /// The bytes that the mirror's packs take on disk, with those of submodules. Blocks for the listing of a few directories.
    ///
    /// # Errors
    /// [`StoreError::Directory`].
    pub fn disk_usage(&self) -> Result<u64, StoreError> {
        self.store.disk_usage()
    }
}

pub(crate) type Guard = Arc<OwnedRwLockWriteGuard<()>>;

/// Tells the writing thread that nobody waits for it any more.
#[derive(Debug, Default)]
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
