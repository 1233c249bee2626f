use sluice_api::meta::EventSeverity;

use super::*;
use crate::fakes::event;

const GROUP: &str = "kustomize.toolkit.fluxcd.io";

#[test]
fn the_key_is_the_digest_of_the_joined_parts() {
    let with = |text: &str| hex::encode(Sha256::digest(text));
    assert_eq!(key(&event(&[])).to_hex(), with("event/name=web/namespace=apps/kind=Kustomization/message=applied"));
    let event = event(&[
        (&format!("{GROUP}/token"), "t"),
        (&format!("{GROUP}/revision"), "r"),
        (&format!("{GROUP}/originRevision"), "o"),
        (&format!("{GROUP}/commit"), "c"),
        ("event.toolkit.fluxcd.io/revision", "not the controller's"),
    ]);
    assert_eq!(
        key(&event).to_hex(),
        with("event/name=web/namespace=apps/kind=Kustomization/message=applied/originRevision=o/revision=r/token=t")
    );
}

#[test]
fn only_what_identifies_the_event_changes_the_key() {
    let base = event(&[]);
    let changed = |change: fn(&mut Event)| {
        let mut event = base.clone();
        change(&mut event);
        key(&event) != key(&base)
    };
    assert!(changed(|e| e.message.push('!')));
    assert!(changed(|e| e.involved_object.name.push('2')));
    assert!(changed(|e| e.involved_object.namespace.push('2')));
    assert!(changed(|e| e.involved_object.kind.push('2')));
    assert!(!changed(|e| e.severity = EventSeverity::Error));
    assert!(!changed(|e| e.reason.push('2')));
    assert!(!changed(|e| e.involved_object.uid.push('2')));
    assert!(!changed(|e| e.reporting_controller.push('2')));
    assert!(!changed(|e| {
        e.metadata.insert("event.toolkit.fluxcd.io/change_request".to_owned(), "1".to_owned());
    }));
}
