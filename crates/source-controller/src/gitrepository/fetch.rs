//! Phase: the commit, with its submodules when asked for, comes into the mirror.
//!
//! Deliberately reads nothing of it: whether it is to be trusted comes next.

use sluice_api::source::GitRepository;
use sluice_git::{FetchError, Fetched, Mirror, Remote, Resolved, StoreError, Submodules, Tree};

/// The commit could not be fetched.
#[derive(Debug, thiserror::Error)]
#[error("failed to checkout and determine revision: unable to clone '{url}'")]
pub(crate) struct FetchFailed {
    url: String,
    #[source]
    source: FetchError,
}

/// A commit in the mirror.
#[derive(Debug)]
pub(crate) struct FetchedCommit {
    fetched: Fetched,
    submodules: Option<Submodules>,
}

impl FetchedCommit {
    /// The commit, and what led to it.
    pub(super) fn fetched(&self) -> &Fetched {
        &self.fetched
    }

    /// The artifact's revision.
    pub(crate) fn revision(&self) -> String {
        self.fetched.target.revision()
    }

    /// The first line of the commit's message.
    pub(crate) fn subject(&self) -> String {
        self.fetched.commit.subject.clone()
    }

    /// The tree, with those of the submodules that were fetched.
    pub(super) async fn tree(&self, mirror: &Mirror) -> Result<Tree, StoreError> {
        let commit = self.fetched.commit.id;
        match &self.submodules {
            Some(submodules) => mirror.tree_with_submodules(commit, submodules).await,
            None => mirror.tree(commit).await,
        }
    }
}

/// Fetches what is missing.
pub(crate) async fn fetch(
    mirror: &Mirror,
    remote: &Remote,
    resolved: &Resolved,
    object: &GitRepository,
) -> Result<FetchedCommit, FetchFailed> {
    let spec = &object.spec;
    // A sparse checkout has no submodules, as in Flux.
    let recurse = spec.recurse_submodules && spec.sparse_checkout.is_empty();
    let fetched = if recurse {
        let fetched = mirror.fetch_with_submodules(remote, resolved).await;
        fetched.map(|(fetched, submodules)| FetchedCommit { fetched, submodules: Some(submodules) })
    } else {
        mirror.fetch(remote, resolved).await.map(|fetched| FetchedCommit { fetched, submodules: None })
    };
    let fetched =
        fetched.map_err(|source| FetchFailed { url: sluice_http_client::mask_url_text(&spec.url), source })?;
    if let Some(transfer) = fetched.fetched.transfer {
        tracing::debug!(objects = transfer.objects, bytes = transfer.bytes, "fetched");
    }
    Ok(fetched)
}
