//! Connections to other clusters that are used again by the next pass.
//!
//! What is kept is a connection, and a connection holds the credentials that it was made of. So it is taken only by a pass that has just
//! read its origin (the Secret or `ConfigMap`) and found it the same; another version takes its place; an origin that is gone takes it
//! along; and it ends when nobody used it for [`MAX_IDLE`], by a timer and not at somebody's next visit. Without it, each look at an
//! object that waits for health would cost a TLS handshake and the whole discovery anew.
//!
//! Deliberately no text of a kubeconfig, no token with an end, and nothing of the own cluster.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use kube::Client;
use sluice_cloud_identity::CacheKey;
use sluice_ssa::Discovery;
use tokio::time::Instant;

/// How long a connection outlives its last use: the usual interval of a Kustomization.
const MAX_IDLE: Duration = Duration::from_secs(600);
/// Connections at the same time. Each has a TLS configuration, some idle sockets and the cluster's kinds: about half a MiB.
const MAX_REMOTES: usize = 64;

/// What a connection is made from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    /// `Secret` or `ConfigMap`.
    pub(super) kind: &'static str,
    pub(super) namespace: String,
    pub(super) name: String,
    /// The key in it, for a Secret.
    pub(super) key: String,
}

/// A cluster that can be talked to.
#[derive(Clone)]
pub(super) struct Remote {
    pub(super) client: Client,
    pub(super) discovery: Arc<Discovery>,
}

/// The connections of the process.
#[derive(Default)]
pub(super) struct Remotes(Mutex<State>);

#[derive(Default)]
struct State {
    kept: HashMap<Origin, Kept>,
    /// Whether the timer runs.
    swept: bool,
}

struct Kept {
    version: CacheKey,
    remote: Remote,
    used: Instant,
}

impl Remotes {
    /// The connection of this very version of the origin, which the caller has read in this pass; else the one that `make` gives.
    pub(super) fn get_or_make<E>(
        self: &Arc<Self>,
        origin: Origin,
        version: CacheKey,
        make: impl FnOnce() -> Result<Remote, E>,
    ) -> Result<Remote, E> {
        let now = Instant::now();
        if let Some(kept) = self.lock().kept.get_mut(&origin)
            && kept.version == version
        {
            kept.used = now;
            return Ok(kept.remote.clone());
        }
        // Outside the lock. Two that come at once make two; the later one stays.
        let remote = make()?;
        let mut state = self.lock();
        state.kept.insert(origin, Kept { version, remote: remote.clone(), used: now });
        while state.kept.len() > MAX_REMOTES
            && let Some(oldest) = state.kept.iter().min_by_key(|(_, kept)| kept.used).map(|(origin, _)| origin.clone())
        {
            state.kept.remove(&oldest);
        }
        if !state.swept {
            state.swept = true;
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
        Ok(remote)
    }

    /// Ends the connection of an origin that is gone or not usable any more.
    pub(super) fn forget(&self, origin: &Origin) {
        self.lock().kept.remove(origin);
    }

    /// Ends what nobody used. Returns when to look again; `None` when nothing is left.
    fn end_idle(&self) -> Option<Instant> {
        let now = Instant::now();
        let mut state = self.lock();
        state.kept.retain(|_, kept| kept.used + MAX_IDLE > now);
        let next = state.kept.values().map(|kept| kept.used + MAX_IDLE).min();
        state.swept = next.is_some();
        next
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().kept.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each use is whole in itself, so a holder's panic leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn sweep(remotes: Weak<Remotes>) {
    loop {
        // Not held while waiting: the process's end must not wait for this.
        let Some(next) = remotes.upgrade().and_then(|remotes| remotes.end_idle()) else { return };
        tokio::time::sleep_until(next).await;
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use sluice_cloud_identity::CacheKeyBuilder;

    use super::*;
    use crate::cluster::connect::never_answering;

    fn origin(name: &str) -> Origin {
        Origin { kind: "Secret", namespace: "ns".into(), name: name.into(), key: String::new() }
    }

    fn version(text: &str) -> CacheKey {
        CacheKeyBuilder::new("test").part("version", text).build()
    }

    #[expect(clippy::unnecessary_wraps, reason = "it stands for what makes a connection, which can fail")]
    fn remote() -> Result<Remote, Infallible> {
        let client = never_answering();
        Ok(Remote { discovery: Arc::new(Discovery::new(client.clone())), client })
    }

    /// Whether the connection of this origin and version is the given one.
    fn is(remotes: &Arc<Remotes>, name: &str, text: &str, discovery: &Arc<Discovery>) -> bool {
        let Ok(found) = remotes.get_or_make(origin(name), version(text), remote);
        Arc::ptr_eq(&found.discovery, discovery)
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_lasts_as_long_as_its_origin_is_the_same() {
        let remotes = Arc::<Remotes>::default();
        let Ok(first) = remotes.get_or_make(origin("a"), version("1"), remote);
        assert!(is(&remotes, "a", "1", &first.discovery));
        assert!(!is(&remotes, "b", "1", &first.discovery), "another Secret");
        assert!(!is(&remotes, "a", "2", &first.discovery), "another version");
        assert!(!is(&remotes, "a", "1", &first.discovery), "the new version has taken its place");
        assert_eq!(remotes.len(), 2);
        remotes.forget(&origin("a"));
        assert_eq!(remotes.len(), 1);
        let failed: Result<Remote, &str> = remotes.get_or_make(origin("c"), version("1"), || Err("no"));
        assert_eq!((failed.err(), remotes.len()), (Some("no"), 1));
    }

    #[tokio::test(start_paused = true)]
    async fn an_unused_connection_ends_by_itself() {
        let remotes = Arc::<Remotes>::default();
        let Ok(first) = remotes.get_or_make(origin("a"), version("1"), remote);
        tokio::time::sleep(MAX_IDLE / 2).await;
        assert!(is(&remotes, "a", "1", &first.discovery));
        tokio::time::sleep(MAX_IDLE / 2 + Duration::from_secs(1)).await;
        assert_eq!(remotes.len(), 1, "it was used in between");
        tokio::time::sleep(MAX_IDLE).await;
        assert_eq!(remotes.len(), 0);
        // The timer starts again with the next one.
        assert!(!is(&remotes, "a", "1", &first.discovery));
        tokio::time::sleep(MAX_IDLE + Duration::from_secs(1)).await;
        assert_eq!(remotes.len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_connection_that_was_not_used_for_longest_makes_room() {
        let remotes = Arc::<Remotes>::default();
        let Ok(first) = remotes.get_or_make(origin("0"), version("1"), remote);
        for number in 1..MAX_REMOTES {
            tokio::time::advance(Duration::from_millis(1)).await;
            let _ = remotes.get_or_make(origin(&number.to_string()), version("1"), remote);
        }
        assert!(is(&remotes, "0", "1", &first.discovery));
        tokio::time::advance(Duration::from_millis(1)).await;
        let _ = remotes.get_or_make(origin("one more"), version("1"), remote);
        assert_eq!(remotes.len(), MAX_REMOTES);
        assert!(is(&remotes, "0", "1", &first.discovery), "1 was older");
    }
}
