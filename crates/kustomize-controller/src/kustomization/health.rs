//! Phase: wait until what was applied, or what `spec.healthChecks` names, is healthy.
//!
//! The wait is woken by watches and holds no worker. Deliberately not here: the rules of health (`sluice-kstatus`, `sluice-expressions`) and how
//! states are found out (`sluice-ssa`).

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use kube::{Resource, ResourceExt};
use sluice_api::kustomize::Kustomization;
use sluice_api::meta::GoDuration;
use sluice_expressions::{HealthCheck, HealthChecks, HealthChecksError};
use sluice_manifest::{Gvk, Object, ObjectId};
use sluice_runtime::cache::Cache;
use sluice_runtime::dispatcher::Pass;
use sluice_runtime::queue::Cause;
use sluice_ssa::{
    Access, Action, ChangeSet, FailFast, HealthFailure, HealthOptions, HealthTarget, Healthy, IfAbsent, ReaderOrder,
    wait_until_healthy,
};

/// A check without an API version is about this group and version.
const DEFAULT_API_VERSION: &str = "apps/v1";
/// How often a pass that must go on although it is outdated looks whether its object is to be deleted.
const DELETION_LOOK: Duration = Duration::from_secs(1);

/// Why the objects do not count as healthy.
#[derive(Debug, thiserror::Error)]
pub(super) enum HealthError {
    /// Some are not, and will not be soon enough.
    #[error("health check failed after {after}")]
    Failed {
        /// How long was waited.
        after: GoDuration,
        /// Which, and why.
        #[source]
        failure: HealthFailure,
    },
    /// Something newer made the wait pointless.
    #[error("New reconciliation triggered by {0}")]
    Canceled(Cause),
}

/// Whether a wait ends when its object is triggered again (gate `CancelHealthCheckOnNewRevision`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnTrigger {
    /// It ends.
    Cancel,
    /// It goes on; only the object's deletion ends it.
    GoOn,
}

/// Reads the expressions of the spec.
///
/// # Errors
/// One that is no good: only a change of the spec helps.
pub(super) fn checks(object: &Kustomization) -> Result<HealthChecks, HealthChecksError> {
    fn text(field: Option<&String>) -> &str {
        field.map(String::as_str).unwrap_or_default()
    }
    let checks: Vec<HealthCheck<'_>> = object
        .spec
        .health_check_exprs
        .iter()
        .map(|check| HealthCheck {
            api_version: &check.api_version,
            kind: text(check.kind.as_ref()),
            current: &check.current,
            in_progress: text(check.in_progress.as_ref()),
            failed: text(check.failed.as_ref()),
        })
        .collect();
    HealthChecks::new(&checks)
}

/// Jobs that are deleted some time after they have ended: their absence is success.
pub(super) fn jobs_that_go(objects: &[Object]) -> HashSet<ObjectId> {
    let goes = |object: &&Object| {
        object.is("batch", "Job") && object.at(&["spec", "ttlSecondsAfterFinished"]).is_some_and(|ttl| !ttl.is_null())
    };
    objects.iter().filter(goes).map(Object::id).collect()
}

/// What is waited for: nothing, or some objects.
pub(super) fn targets(
    object: &Kustomization,
    changes: &ChangeSet,
    jobs_that_go: &HashSet<ObjectId>,
    version_of: impl Fn(&ObjectId) -> Option<u64>,
) -> Vec<HealthTarget> {
    let if_absent = |id: &ObjectId| if jobs_that_go.contains(id) { IfAbsent::Healthy } else { IfAbsent::Wait };
    let mut targets: Vec<HealthTarget> = if object.spec.wait {
        let applied = changes.changes().iter().filter(|change| change.action != Action::Skipped);
        let target = |change: &sluice_ssa::Change| HealthTarget {
            id: change.entry.id.clone(),
            version: change.entry.version.clone(),
            min_resource_version: version_of(&change.entry.id),
            if_absent: if_absent(&change.entry.id),
        };
        applied.map(target).collect()
    } else {
        let target = |check: &sluice_api::kustomize::HealthCheckReference| {
            let api_version = check.api_version.as_deref().filter(|version| !version.is_empty());
            let Gvk { group, version, kind } = Gvk::new(api_version.unwrap_or(DEFAULT_API_VERSION), &check.kind);
            let namespace = check.namespace.clone().unwrap_or_default();
            let id = ObjectId { group, kind, namespace, name: check.name.clone() };
            HealthTarget { if_absent: if_absent(&id), min_resource_version: version_of(&id), version, id }
        };
        object.spec.health_checks.iter().map(target).collect()
    };
    // It would wait for itself until the timeout.
    targets.retain(|target| !is_self(object, &target.id));
    targets
}

fn is_self(object: &Kustomization, id: &ObjectId) -> bool {
    id.kind == Kustomization::kind(&())
        && id.group == Kustomization::group(&())
        && Some(&id.namespace) == object.namespace().as_ref()
        && id.name == object.name_any()
}

/// How to wait.
pub(super) struct Wait {
    pub(super) access: Access,
    pub(super) targets: Vec<HealthTarget>,
    pub(super) checks: Arc<HealthChecks>,
    pub(super) fail_fast: FailFast,
    pub(super) on_trigger: OnTrigger,
}

/// Waits, without the pass's worker.
pub(super) async fn wait(
    pass: &Pass<Kustomization>,
    cache: &Cache<Kustomization>,
    wait: Wait,
) -> Result<Healthy, HealthError> {
    let Wait { access, targets, checks, fail_fast, on_trigger } = wait;
    let order = match access {
        Access::Watched(_) => ReaderOrder::JobFirst,
        Access::Polled { .. } => ReaderOrder::ExpressionsFirst,
    };
    let options = HealthOptions { timeout: pass.object.timeout(), fail_fast, checks, order };
    let started = tokio::time::Instant::now();
    let healthy = wait_until_healthy(access, targets, options);
    let ended = async {
        tokio::select! {
            biased;
            outcome = healthy => outcome.map_err(|failure| HealthError::Failed { after: GoDuration::new(started.elapsed()), failure }),
            cause = canceled(pass, cache, on_trigger) => Err(HealthError::Canceled(cause)),
        }
    };
    pass.slot.rest(ended).await
}

/// Ends when the wait is pointless.
async fn canceled(pass: &Pass<Kustomization>, cache: &Cache<Kustomization>, on_trigger: OnTrigger) -> Cause {
    let cause = pass.queue.outdated(&pass.key).await;
    if on_trigger == OnTrigger::GoOn {
        let deleted = || cache.get(&pass.key).is_none_or(|object| object.metadata.deletion_timestamp.is_some());
        while !deleted() {
            tokio::time::sleep(DELETION_LOOK).await;
        }
    }
    cause.unwrap_or_else(|| Cause { kind: Kustomization::kind(&()).into_owned(), key: pass.key.clone() })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use sluice_manifest::Entry;

    use super::*;

    fn kustomization(spec: &Value) -> Kustomization {
        let mut object = json!({
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
            "metadata": {"name": "me", "namespace": "apps"},
            "spec": {"interval": "1m", "prune": true, "sourceRef": {"kind": "GitRepository", "name": "g"}},
        });
        object["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        serde_json::from_value(object).unwrap()
    }

    fn named(object: &Kustomization) -> Vec<String> {
        let mut changes = ChangeSet::default();
        for (id, action) in [
            ("apps_web_apps_Deployment", Action::Created),
            ("apps_cm__ConfigMap", Action::Unchanged),
            ("apps_left__Secret", Action::Skipped),
            ("apps_me_kustomize.toolkit.fluxcd.io_Kustomization", Action::Configured),
            ("apps_once_batch_Job", Action::Created),
        ] {
            changes.push(Entry::parse(id, "v1").unwrap(), action);
        }
        let job = Entry::parse("apps_once_batch_Job", "v1").unwrap().id;
        let targets = targets(object, &changes, &HashSet::from([job]), |_| None);
        targets
            .iter()
            .map(|target| format!("{} {} {:?}", target.id.to_inventory(), target.version, target.if_absent))
            .collect()
    }

    #[test]
    fn wait_is_for_everything_applied_but_what_was_skipped_and_the_object_itself() {
        let all = ["apps_web_apps_Deployment v1 Wait", "apps_cm__ConfigMap v1 Wait", "apps_once_batch_Job v1 Healthy"];
        let checks = json!([{"kind": "Deployment", "name": "x", "namespace": "apps"}]);
        assert_eq!(named(&kustomization(&json!({"wait": true, "healthChecks": checks}))), all);
    }

    #[test]
    fn checks_default_to_the_group_of_workloads_and_to_no_namespace() {
        let checks = json!([
            {"kind": "Deployment", "name": "x"},
            {"apiVersion": "example.com/v1beta1", "kind": "Thing", "name": "y", "namespace": "z"},
            {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "name": "me", "namespace": "apps"},
        ]);
        let found = named(&kustomization(&json!({"healthChecks": checks})));
        assert_eq!(found, ["_x_apps_Deployment v1 Wait", "z_y_example.com_Thing v1beta1 Wait"]);
        assert_eq!(named(&kustomization(&json!({}))), Vec::<String>::new());
    }
}
