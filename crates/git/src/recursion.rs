//! Fetching a commit's submodules, and theirs: each into a mirror of its own below the first one's directory.
//!
//! Deliberately one after another: a tree has few submodules, and a host's patience is shared by all sources.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;

use sha1::{Digest as _, Sha1};
use sluice_http_client::Url;

use crate::mirror::{FetchError, Fetched, Guard, Mirror};
use crate::store::{Gitlink, MODULES};
use crate::submodule::{MAX_DEPTH, MAX_SUBMODULES, SubmoduleError, resolve_url};
use crate::{ObjectId, Remote, Resolved, StoreError};

/// Submodules that were fetched, for [`Mirror::tree_with_submodules`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Submodules(pub(crate) Vec<Submodule>);

impl Submodules {
    /// How many there are, at all depths.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Submodule {
    /// From the root of all.
    pub(crate) path: Vec<u8>,
    pub(crate) dir: PathBuf,
    pub(crate) commit: ObjectId,
}

/// A repository whose submodules are to be looked for.
struct Level {
    mirror: Mirror,
    guard: Guard,
    commit: ObjectId,
    url: Url,
    path: Vec<u8>,
    depth: usize,
}

impl Mirror {
    /// [`Mirror::fetch`], then the same for the commit's submodules and theirs, ten levels deep; deeper ones are left out. A submodule that
    /// either the tree or `.gitmodules` does not have is left out as well.
    ///
    /// The remote's authentication is used for submodules on the same host; hosts that only `.gitmodules` names get none, but for SSH
    /// keys, whose use gives nothing away. All runs under the remote's timeout as a whole.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn fetch_with_submodules(
        &self,
        remote: &Remote,
        resolved: &Resolved,
    ) -> Result<(Fetched, Submodules), FetchError> {
        remote
            .within(async {
                let guard = self.lock().await;
                let fetched = self.fetch_untimed(&guard, remote, resolved).await?;
                let submodules = self.fetch_modules(&guard, remote, fetched.commit.id).await?;
                Ok((fetched, submodules))
            })
            .await
    }

    async fn fetch_modules(&self, guard: &Guard, remote: &Remote, commit: ObjectId) -> Result<Submodules, FetchError> {
        let mut found = Vec::new();
        let mut used: BTreeMap<PathBuf, ObjectId> = BTreeMap::new();
        let first = Level {
            mirror: self.clone(),
            guard: guard.clone(),
            commit,
            url: remote.url().clone(),
            path: Vec::new(),
            depth: 0,
        };
        let mut levels = VecDeque::from([first]);
        while let Some(level) = levels.pop_front() {
            let commit = level.commit;
            let links = level.mirror.blocking(&level.guard, move |store| store.submodules(commit)).await;
            let links = links.map_err(|error| at(&level.path, error.into()))?;
            if level.depth == MAX_DEPTH {
                continue;
            }
            for link in links {
                let path = join(&level.path, &link.path);
                if found.len() == MAX_SUBMODULES {
                    return Err(at(&path, StoreError::from(SubmoduleError::TooMany).into()));
                }
                let dir = self.module_dir(&level.url, &link, &mut used);
                let next = self.fetch_module(guard, remote, &level.url, &link, dir).await;
                let (mirror, guard, url) = next.map_err(|error| at(&path, error))?;
                let dir = mirror.store.dir.clone();
                found.push(Submodule { path: path.clone(), dir, commit: link.commit });
                levels.push_back(Level { mirror, guard, commit: link.commit, url, path, depth: level.depth + 1 });
            }
        }
        let keep: BTreeSet<PathBuf> = used.into_keys().collect();
        self.blocking(guard, move |store| {
            store.prune_modules(&keep);
            Ok(())
        })
        .await?;
        Ok(Submodules(found))
    }

    async fn fetch_module(
        &self,
        outer: &Guard,
        remote: &Remote,
        parent: &Url,
        link: &Gitlink,
        dir: PathBuf,
    ) -> Result<(Mirror, Guard, Url), FetchError> {
        let url = resolve_url(parent, &link.url).map_err(StoreError::from)?;
        let remote = remote.of_submodule(url.clone())?;
        let mirror = Mirror::inner(dir, self.store.max_bytes, outer.clone());
        let guard = mirror.lock().await;
        mirror.fetch_untimed(&guard, &remote, &Resolved::of_commit(link.commit)).await?;
        Ok((mirror, guard, url))
    }

    /// One directory for each URL; another one for each further commit of the same URL, because a fetch may make a mirror anew.
    fn module_dir(&self, parent: &Url, link: &Gitlink, used: &mut BTreeMap<PathBuf, ObjectId>) -> PathBuf {
        let url = resolve_url(parent, &link.url).map(String::from).unwrap_or_default();
        let name = hex::encode(Sha1::digest(url.as_bytes()));
        let mut dir = self.store.dir.join(MODULES).join(&name);
        let mut number = 2;
        while used.get(&dir).is_some_and(|commit| *commit != link.commit) {
            dir = self.store.dir.join(MODULES).join(format!("{name}-{number}"));
            number += 1;
        }
        used.insert(dir.clone(), link.commit);
        dir
    }
}

fn join(parent: &[u8], path: &[u8]) -> Vec<u8> {
    if parent.is_empty() { path.to_vec() } else { [parent, b"/", path].concat() }
}

fn at(path: &[u8], error: FetchError) -> FetchError {
    if path.is_empty() {
        return error;
    }
    FetchError::Submodule { path: crate::tree::lossy(path), source: Box::new(error) }
}
