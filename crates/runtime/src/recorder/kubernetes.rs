//! Writes events to the Kubernetes API (core/v1), and raises the count of an event that repeats.
//!
//! Deliberately not the `events.k8s.io` API: `flux events` and dashboards select core/v1 events by their involved object.

use std::collections::{BTreeMap, HashMap};

use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;
use tokio::sync::mpsc;

use super::{Occurrence, Severity};

/// How many distinct events are remembered for counting; the number of client-go's event correlator.
const REMEMBERED: usize = 4096;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Sameness {
    uid: String,
    is_warning: bool,
    reason: String,
    message: String,
    metadata: BTreeMap<String, String>,
}

struct Seen {
    event_name: String,
    count: i32,
}

/// Sends what arrives in `queue` until the recorder is gone.
pub(super) async fn run(client: Client, controller: String, instance: String, mut queue: mpsc::Receiver<Occurrence>) {
    let mut seen: HashMap<Sameness, Seen> = HashMap::new();
    while let Some(occurrence) = queue.recv().await {
        let api: Api<Event> = Api::namespaced(client.clone(), &occurrence.involved.namespace);
        if let Err(error) = write(&api, &controller, &instance, &occurrence, &mut seen).await {
            let error = crate::logging::error_chain(&error);
            tracing::error!(reason = occurrence.notice.reason, error, "cannot write a Kubernetes event");
        }
    }
}

async fn write(
    api: &Api<Event>,
    controller: &str,
    instance: &str,
    occurrence: &Occurrence,
    seen: &mut HashMap<Sameness, Seen>,
) -> kube::Result<()> {
    let sameness = Sameness {
        uid: occurrence.involved.uid.clone(),
        is_warning: occurrence.notice.severity == Severity::Error,
        reason: occurrence.notice.reason.clone(),
        message: occurrence.notice.message.clone(),
        metadata: occurrence.notice.metadata.clone(),
    };
    if let Some(known) = seen.get_mut(&sameness) {
        known.count = known.count.saturating_add(1);
        let patch = json!({ "count": known.count, "lastTimestamp": second(occurrence) });
        match api.patch(&known.event_name, &PatchParams::default(), &Patch::Merge(patch)).await {
            // Events expire after an hour: a repeat after that is a new one.
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            other => return other.map(drop),
        }
    }
    let event = first(controller, instance, occurrence);
    let event_name = event.metadata.name.clone().unwrap_or_default();
    api.create(&PostParams::default(), &event).await?;
    if seen.len() >= REMEMBERED {
        seen.clear();
    }
    seen.insert(sameness, Seen { event_name, count: 1 });
    Ok(())
}

fn second(occurrence: &Occurrence) -> Time {
    Time(jiff::Timestamp::from_second(occurrence.at.as_second()).unwrap_or(occurrence.at))
}

fn first(controller: &str, instance: &str, occurrence: &Occurrence) -> Event {
    let Occurrence { involved, notice, at } = occurrence;
    // `<object>.<time>`, as client-go names events: unique per object, and no object name can leave the field's alphabet.
    let name = format!("{}.{:x}", involved.name, at.as_nanosecond());
    let is_warning = notice.severity == Severity::Error;
    Event {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: Some(involved.namespace.clone()),
            annotations: (!notice.metadata.is_empty()).then(|| notice.metadata.clone()),
            ..ObjectMeta::default()
        },
        involved_object: ObjectReference {
            api_version: Some(involved.api_version.clone()),
            kind: Some(involved.kind.clone()),
            namespace: Some(involved.namespace.clone()),
            name: Some(involved.name.clone()),
            uid: Some(involved.uid.clone()),
            resource_version: Some(involved.resource_version.clone()),
            field_path: None,
        },
        type_: Some(if is_warning { "Warning" } else { "Normal" }.to_owned()),
        reason: Some(notice.reason.clone()),
        message: Some(notice.message.clone()),
        count: Some(1),
        first_timestamp: Some(second(occurrence)),
        last_timestamp: Some(second(occurrence)),
        source: Some(EventSource { component: Some(controller.to_owned()), host: None }),
        reporting_component: Some(controller.to_owned()),
        reporting_instance: Some(instance.to_owned()),
        ..Event::default()
    }
}
