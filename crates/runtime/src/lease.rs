//! Leader election on a `coordination.k8s.io/v1` Lease: of several replicas one works, and another follows when it is gone.
//!
//! Deliberately trusts no clock but its own: a lease is stale when *this* process has seen no renewal for the lease's duration
//! (the rule of client-go's `leaderelection`), so clocks that differ between machines do no harm.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::flags::LeaderFlags;

/// The name of a controller's lease. With a shard selector the name gets `-` and the first eight hex digits of the selector's SHA-256.
pub fn lease_name(controller: &str, label_selector: &str) -> String {
    let base = format!("{controller}-leader-election");
    if label_selector.is_empty() {
        return base;
    }
    let digest = hex::encode(Sha256::digest(label_selector.as_bytes()));
    format!("{base}-{}", &digest[..8])
}

/// The durations of an election.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// How long an unrenewed lease keeps others out.
    pub lease: Duration,
    /// How long the leader tries to renew before it gives up.
    pub renew_deadline: Duration,
    /// Pause between tries.
    pub retry: Duration,
}

impl From<&LeaderFlags> for Timing {
    fn from(flags: &LeaderFlags) -> Self {
        Self {
            lease: flags.leader_election_lease_duration,
            renew_deadline: flags.leader_election_renew_deadline,
            retry: flags.leader_election_retry_period,
        }
    }
}

/// One replica's part in an election.
#[derive(Debug)]
pub struct Candidate {
    api: Api<Lease>,
    name: String,
    identity: String,
    timing: Timing,
    /// What was seen last, and when: the base of the staleness rule.
    observed: Option<(LeaseSpec, Instant)>,
}

impl Candidate {
    /// A candidate for the lease `name` in `namespace`. `identity` must be unique among the replicas.
    pub fn new(client: Client, namespace: &str, name: String, identity: String, timing: Timing) -> Self {
        Self { api: Api::namespaced(client, namespace), name, identity, timing, observed: None }
    }

    /// Waits until this replica leads. Errors of the API server are logged and tried again.
    ///
    /// Cancel safe: dropping the future at most leaves a lease that expires.
    pub async fn acquire(&mut self) {
        tracing::info!(lease = self.name, identity = self.identity, "attempting to acquire leader lease");
        loop {
            match self.try_acquire_or_renew().await {
                Ok(true) => break,
                Ok(false) => {}
                Err(error) => {
                    tracing::error!(lease = self.name, error = %crate::logging::error_chain(&error), "cannot acquire the lease");
                }
            }
            // A little jitter keeps replicas that started together from colliding for ever.
            tokio::time::sleep(self.timing.retry.mul_f64(1.0 + 0.2 * fastrand::f64())).await;
        }
        tracing::info!(lease = self.name, identity = self.identity, "acquired leader lease");
    }

    /// Keeps the lease until it is lost (returns) or `stop` is cancelled (returns as well).
    pub async fn hold(&mut self, stop: &CancellationToken) {
        let mut renewed = Instant::now();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(self.timing.retry) => {}
            }
            let budget = self.timing.renew_deadline.saturating_sub(renewed.elapsed());
            match tokio::time::timeout(budget, self.try_acquire_or_renew()).await {
                Ok(Ok(true)) => renewed = Instant::now(),
                Ok(Ok(false)) => {
                    tracing::error!(lease = self.name, "the lease is held by another replica");
                    return;
                }
                Ok(Err(error)) => {
                    tracing::error!(lease = self.name, error = %crate::logging::error_chain(&error), "cannot renew the lease");
                }
                Err(_) => {}
            }
            if renewed.elapsed() >= self.timing.renew_deadline {
                tracing::error!(lease = self.name, "the lease was not renewed in time");
                return;
            }
        }
    }

    /// Gives the lease up, so that another replica need not wait for its end. Does nothing when another holds it.
    pub async fn release(&mut self) {
        let Ok(Some(mut lease)) = self.api.get_opt(&self.name).await else { return };
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_deref() != Some(self.identity.as_str()) {
            return;
        }
        spec.holder_identity = Some(String::new());
        spec.lease_duration_seconds = Some(1);
        spec.renew_time = Some(MicroTime(Timestamp::now()));
        match self.api.replace(&self.name, &PostParams::default(), &lease).await {
            Ok(_) => tracing::info!(lease = self.name, "released leader lease"),
            Err(error) => {
                tracing::error!(lease = self.name, error = %crate::logging::error_chain(&error), "cannot release the lease");
            }
        }
    }

    async fn try_acquire_or_renew(&mut self) -> kube::Result<bool> {
        let now = Timestamp::now();
        let Some(mut lease) = self.api.get_opt(&self.name).await? else {
            return self.create(now).await;
        };
        let seen = lease.spec.clone().unwrap_or_default();
        if self.observed.as_ref().is_none_or(|(spec, _)| *spec != seen) {
            self.observed = Some((seen.clone(), Instant::now()));
        }
        let unrenewed_for = self.observed.as_ref().map_or(Duration::ZERO, |(_, at)| at.elapsed());
        let Some(spec) = next_spec(&seen, &self.identity, unrenewed_for, self.timing.lease, now) else {
            return Ok(false);
        };
        lease.spec = Some(spec);
        // The resource version in the metadata makes this fail when another replica was faster.
        match self.api.replace(&self.name, &PostParams::default(), &lease).await {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn create(&self, now: Timestamp) -> kube::Result<bool> {
        let spec = next_spec(&LeaseSpec::default(), &self.identity, Duration::ZERO, self.timing.lease, now);
        let lease = Lease { metadata: ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() }, spec };
        match self.api.create(&PostParams::default(), &lease).await {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The lease that `identity` may write over `seen`, or `None` while another replica holds it.
fn next_spec(
    seen: &LeaseSpec,
    identity: &str,
    unrenewed_for: Duration,
    lease: Duration,
    now: Timestamp,
) -> Option<LeaseSpec> {
    let holder = seen.holder_identity.as_deref().unwrap_or_default();
    let holds_for = Duration::from_secs(u64::try_from(seen.lease_duration_seconds.unwrap_or(0)).unwrap_or(0));
    let is_ours = holder == identity;
    if !is_ours && !holder.is_empty() && unrenewed_for < holds_for {
        return None;
    }
    let transitions = seen.lease_transitions.unwrap_or(0);
    Some(LeaseSpec {
        holder_identity: Some(identity.to_owned()),
        lease_duration_seconds: Some(i32::try_from(lease.as_secs().max(1)).unwrap_or(i32::MAX)),
        acquire_time: if is_ours { seen.acquire_time.clone() } else { Some(MicroTime(now)) },
        renew_time: Some(MicroTime(now)),
        lease_transitions: Some(if is_ours || seen.holder_identity.is_none() {
            transitions
        } else {
            transitions.saturating_add(1)
        }),
        ..seen.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(35);

    fn held_by(holder: &str) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(holder.into()),
            lease_duration_seconds: Some(35),
            lease_transitions: Some(3),
            acquire_time: Some(MicroTime(Timestamp::UNIX_EPOCH)),
            ..LeaseSpec::default()
        }
    }

    fn next(seen: &LeaseSpec, unrenewed: u64) -> Option<LeaseSpec> {
        next_spec(seen, "me", Duration::from_secs(unrenewed), LEASE, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_fresh_lease_of_another_replica_is_left_alone() {
        assert_eq!(next(&held_by("other"), 34), None);
    }

    #[test]
    fn a_stale_or_released_lease_is_taken_over() {
        for (seen, unrenewed) in [(held_by("other"), 35), (held_by(""), 0)] {
            let taken = next(&seen, unrenewed).expect("the lease is free");
            assert_eq!(taken.holder_identity.as_deref(), Some("me"));
            assert_eq!(taken.lease_transitions, Some(4));
            assert_eq!(taken.lease_duration_seconds, Some(35));
        }
    }

    #[test]
    fn renewing_keeps_the_time_of_acquisition_and_the_count() {
        let renewed = next(&held_by("me"), 0).expect("it is ours");
        assert_eq!(renewed.acquire_time, held_by("me").acquire_time);
        assert_eq!(renewed.lease_transitions, Some(3));
    }

    #[test]
    fn a_new_lease_starts_at_zero_transitions() {
        let created = next(&LeaseSpec::default(), 0).expect("nobody holds it");
        assert_eq!(created.lease_transitions, Some(0));
    }

    #[test]
    fn a_shard_has_a_lease_of_its_own() {
        assert_eq!(lease_name("source-controller", ""), "source-controller-leader-election");
        let shard = lease_name("source-controller", "sharding.fluxcd.io/key=shard1");
        let suffix = shard.strip_prefix("source-controller-leader-election-").expect("the base stays");
        assert_eq!(suffix.len(), 8);
        assert_ne!(shard, lease_name("source-controller", "sharding.fluxcd.io/key=shard2"));
    }
}
