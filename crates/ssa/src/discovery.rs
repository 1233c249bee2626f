//! Which kinds a server serves, asked for one group and version at a time and remembered.
//!
//! A kind that is not found is asked for again, at most once in [`MISS_AGE`] per group and version, so a CRD that someone applies is noticed
//! soon and a misspelt kind costs little. Deliberately not here: full discovery of a server; most of it is never needed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{APIGroup, APIResourceList};
use sluice_manifest::Gvk;
use tokio::time::Instant;

use crate::error::RequestError;
use crate::request::Requests;
use crate::resource::{Resource, segment, version_path};

/// A kind's plural and scope change only with a CRD that is deleted and created anew.
const HIT_AGE: Duration = Duration::from_secs(600);
/// How long a missing kind is believed to be missing.
const MISS_AGE: Duration = Duration::from_secs(5);
/// Manifests name group versions freely; a cluster has a few hundred. Beyond this the memory is dropped and built anew.
const MAX_GROUP_VERSIONS: usize = 2048;

/// The kinds of one group and version, by kind.
struct Served {
    asked: Instant,
    kinds: HashMap<String, Resource>,
}

/// One slot per group and version. Its lock makes simultaneous askers wait for one request.
type Slot = Arc<tokio::sync::Mutex<Option<Served>>>;

/// A server's kinds. One per cluster, shared by all who apply to it.
pub struct Discovery {
    requests: Requests,
    slots: Mutex<HashMap<(String, String), Slot>>,
}

impl Discovery {
    /// Asks through this client, which needs no more rights than any authenticated user has.
    pub fn new(client: kube::Client) -> Self {
        Self { requests: Requests::new(client, ""), slots: Mutex::default() }
    }

    /// Where the kind is served.
    ///
    /// # Errors
    /// [`RequestError::NoMatch`] when it is not served; others when the server cannot be asked.
    pub async fn resolve(&self, gvk: &Gvk) -> Result<Resource, RequestError> {
        self.resolve_fresher_than(gvk, MISS_AGE).await
    }

    /// As [`Discovery::resolve`], but the server is asked again whenever the kind is not known. For callers that know that it appears.
    pub(crate) async fn resolve_now(&self, gvk: &Gvk) -> Result<Resource, RequestError> {
        self.resolve_fresher_than(gvk, Duration::ZERO).await
    }

    /// Where a kind is served whose version may be outdated: in that version if possible, else in any.
    ///
    /// # Errors
    /// As for [`Discovery::resolve`].
    pub async fn resolve_any_version(&self, gvk: &Gvk) -> Result<Resource, RequestError> {
        let missing = match self.resolve(gvk).await {
            Err(error @ RequestError::NoMatch { .. }) if !gvk.group.is_empty() => error,
            result => return result,
        };
        let path = format!("/apis/{}", segment(&gvk.group)?);
        let group: APIGroup = match self.requests.read(&path).await {
            Ok(text) => decode(&text)?,
            Err(error) if error.is_not_found() => return Err(missing),
            Err(error) => return Err(error),
        };
        for served in group.versions {
            let other = Gvk { version: served.version, ..gvk.clone() };
            match self.resolve(&other).await {
                Err(RequestError::NoMatch { .. }) => {}
                result => return result,
            }
        }
        Err(missing)
    }

    /// Forgets a group, whose CRDs have changed.
    pub fn forget(&self, group: &str) {
        self.lock().retain(|(known, _), _| known != group);
    }

    async fn resolve_fresher_than(&self, gvk: &Gvk, miss_age: Duration) -> Result<Resource, RequestError> {
        let missing = || RequestError::NoMatch { kind: gvk.kind.clone(), api_version: gvk.api_version() };
        let slot = self.slot(gvk);
        let mut served = slot.lock().await;
        if let Some(served) = &*served {
            match served.kinds.get(&gvk.kind) {
                Some(resource) if served.asked.elapsed() < HIT_AGE => return Ok(resource.clone()),
                None if served.asked.elapsed() < miss_age => return Err(missing()),
                _ => {}
            }
        }
        let fresh = Served { asked: Instant::now(), kinds: self.ask(gvk).await? };
        let found = fresh.kinds.get(&gvk.kind).cloned();
        *served = Some(fresh);
        found.ok_or_else(missing)
    }

    fn slot(&self, gvk: &Gvk) -> Slot {
        let mut slots = self.lock();
        if slots.len() >= MAX_GROUP_VERSIONS {
            slots.clear();
        }
        slots.entry((gvk.group.clone(), gvk.version.clone())).or_default().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(String, String), Slot>> {
        // The map stays whole whatever happens to a holder: each use is one operation.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the kinds of a group and version; none when the server does not know it.
    async fn ask(&self, gvk: &Gvk) -> Result<HashMap<String, Resource>, RequestError> {
        let list: APIResourceList = match self.requests.read(&version_path(gvk)?).await {
            Ok(text) => decode(&text)?,
            Err(error) if error.is_not_found() => return Ok(HashMap::new()),
            Err(error) => return Err(error),
        };
        let mut kinds = HashMap::new();
        for served in list.resources.into_iter().filter(|served| !served.name.contains('/')) {
            let resource = Resource {
                gvk: Gvk { kind: served.kind.clone(), ..gvk.clone() },
                plural: served.name,
                namespaced: served.namespaced,
            };
            kinds.entry(served.kind).or_insert(resource);
        }
        Ok(kinds)
    }
}

fn decode<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, RequestError> {
    serde_json::from_str(text).map_err(|error| RequestError::Answer(error.to_string()))
}
