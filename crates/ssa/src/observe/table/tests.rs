//! What follows from the order of events: steps, drift, and who is woken.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use sluice_kstatus::{State, Status};
use sluice_manifest::{GroupKind, Object, ObjectId, Owner};
use tokio::time::Instant;

use super::{Effects, Limits, Look, REFUSED_FOR, Table};
use crate::observe::digest::{DesiredDigest, OwnedDigest, owned_digest};
use crate::observe::kind::Phase;
use crate::observe::mailbox::{Mailbox, Waiter};
use crate::observe::record::{Applied, DriftKind, ObjectState, Sighting};

fn config_maps() -> GroupKind {
    GroupKind { group: String::new(), kind: "ConfigMap".to_owned() }
}

fn id(name: &str) -> ObjectId {
    ObjectId { group: String::new(), kind: "ConfigMap".into(), namespace: "shop".into(), name: name.into() }
}

fn owner() -> Owner {
    Owner { name: "apps".into(), namespace: "flux-system".into() }
}

fn owned(content: &str) -> OwnedDigest {
    let document = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "uid": content}});
    owned_digest(&Object::new(document).unwrap(), "us", &[])
}

fn desired(content: &str) -> DesiredDigest {
    let document = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": content}});
    DesiredDigest::of(&Object::new(document).unwrap())
}

fn sighting(name: &str, resource_version: u64, content: &str) -> Sighting {
    let health = Status { state: State::Current, reason: String::new(), message: "Resource is current".into() };
    let state = ObjectState {
        uid: "u".into(),
        resource_version,
        generation: None,
        owner: Some(Arc::new(owner())),
        health: Arc::new(health),
        owned: owned(content),
        writers: Box::default(),
    };
    Sighting { namespace: "shop".into(), name: name.into(), state }
}

fn applied(resource_version: u64, content: &str) -> Applied {
    Applied {
        resource_version,
        owned: owned(content),
        desired: desired("manifest"),
        version: "v1".into(),
        owner: Some(Arc::new(owner())),
        epoch: 0,
        gone: false,
        reported: None,
    }
}

/// A table with a synced watch of config maps.
fn synced() -> Table {
    let mut table = Table::new(Limits { kinds: 2, records: 100 });
    assert!(table.ask(&config_maps(), "v1", Instant::now()));
    table.begin_list(&config_maps());
    assert_eq!(drift(&table.end_list(&config_maps())), []);
    table
}

fn drift(effects: &Effects) -> Vec<(String, DriftKind)> {
    effects.drift.iter().map(|drift| (drift.id.name.clone(), drift.kind)).collect()
}

/// One step of a story about the object `a`.
#[derive(Debug, Clone, Copy)]
enum Step {
    See(u64, &'static str),
    Apply(u64, &'static str),
    Delete(u64),
    Forget,
    Relist(Option<(u64, &'static str)>),
    BeginWrite,
    EndWrite,
}

fn play(table: &mut Table, step: Step) -> Vec<DriftKind> {
    let of = config_maps();
    let effects = match step {
        Step::See(version, content) => table.observe(&of, sighting("a", version, content)).unwrap(),
        Step::Apply(version, content) => table.applied(&id("a"), applied(version, content), Instant::now()),
        Step::Delete(version) => table.deleted(&of, &sighting("a", version, "any")),
        Step::Forget => {
            table.forget(&id("a"));
            Effects::default()
        }
        Step::Relist(listed) => {
            table.begin_list(&of);
            let mut effects = Effects::default();
            if let Some((version, content)) = listed {
                effects.drift.extend(table.observe(&of, sighting("a", version, content)).unwrap().drift);
            }
            effects.drift.extend(table.end_list(&of).drift);
            effects
        }
        Step::BeginWrite => {
            table.begin_write(&owner());
            Effects::default()
        }
        Step::EndWrite => table.end_write(&owner()),
    };
    assert!(effects.drift.iter().all(|drift| drift.owner == owner()));
    effects.drift.iter().map(|drift| drift.kind).collect()
}

#[test]
fn stories_of_one_object() {
    use DriftKind::{Changed, Deleted};
    use Step::{Apply, BeginWrite, Delete, EndWrite, Forget, Relist, See};
    for (title, steps, reported, in_step) in [
        ("the echo comes before the record", vec![See(5, "x"), Apply(5, "x")], vec![], true),
        ("the echo comes after the record", vec![Apply(5, "x"), See(5, "x")], vec![], true),
        ("the echo has not come", vec![See(4, "old"), Apply(5, "x")], vec![], false),
        ("the object was never seen", vec![Apply(5, "x")], vec![], false),
        ("an older event comes late", vec![Apply(5, "x"), See(4, "old")], vec![], false),
        ("an older event, then the echo", vec![Apply(5, "x"), See(4, "old"), See(5, "x")], vec![], true),
        ("somebody writes what is not ours", vec![Apply(5, "x"), See(5, "x"), See(6, "x")], vec![], true),
        ("somebody writes what is ours", vec![Apply(5, "x"), See(5, "x"), See(6, "y")], vec![Changed], false),
        ("somebody writes before the record", vec![See(5, "x"), See(6, "y"), Apply(5, "x")], vec![Changed], false),
        ("drift is told once", vec![Apply(5, "x"), See(6, "y"), See(7, "y"), See(7, "y")], vec![Changed], false),
        ("other drift is told again", vec![Apply(5, "x"), See(6, "y"), See(7, "z")], vec![Changed, Changed], false),
        ("somebody puts it back", vec![Apply(5, "x"), See(6, "y"), See(7, "x")], vec![Changed], true),
        (
            "the same drift after that",
            vec![Apply(5, "x"), See(6, "y"), See(7, "x"), See(8, "y")],
            vec![Changed, Changed],
            false,
        ),
        ("it is corrected", vec![Apply(5, "x"), See(6, "y"), Apply(7, "x"), See(7, "x")], vec![Changed], true),
        ("it is deleted", vec![Apply(5, "x"), See(5, "x"), Delete(6)], vec![Deleted], false),
        ("deletion is told once", vec![Apply(5, "x"), Delete(6), Delete(7), Relist(None)], vec![Deleted], false),
        ("an older deletion", vec![See(3, "x"), Apply(5, "x"), Delete(4), See(5, "x")], vec![], true),
        ("we delete it", vec![Apply(5, "x"), See(5, "x"), Forget, Delete(6)], vec![], false),
        ("it is made anew by somebody", vec![Apply(5, "x"), Delete(6), See(7, "x")], vec![Deleted], false),
        ("a list lacks it", vec![Apply(5, "x"), See(5, "x"), Relist(None)], vec![Deleted], false),
        ("a list has it changed", vec![Apply(5, "x"), See(5, "x"), Relist(Some((9, "y")))], vec![Changed], false),
        ("a list has it as it was", vec![Apply(5, "x"), See(5, "x"), Relist(Some((9, "x")))], vec![], true),
        ("a list lacks what was never seen", vec![Apply(5, "x"), Relist(None)], vec![Deleted], false),
        (
            "our write looks like drift",
            vec![Apply(5, "x"), See(5, "x"), BeginWrite, See(6, "y"), Apply(6, "y"), EndWrite],
            vec![],
            true,
        ),
        (
            "drift during our write",
            vec![Apply(5, "x"), BeginWrite, See(7, "y"), Apply(6, "x"), EndWrite],
            vec![Changed],
            false,
        ),
        (
            "we replace it",
            vec![Apply(5, "x"), See(5, "x"), BeginWrite, Delete(6), See(7, "y"), Apply(7, "y"), EndWrite],
            vec![],
            true,
        ),
        ("it is deleted during our write", vec![Apply(5, "x"), BeginWrite, Delete(6), EndWrite], vec![Deleted], false),
        (
            "two writes overlap",
            vec![Apply(5, "x"), BeginWrite, BeginWrite, See(6, "y"), EndWrite, Apply(6, "y"), EndWrite],
            vec![],
            true,
        ),
    ] {
        let mut table = synced();
        let kinds: Vec<DriftKind> = steps.iter().flat_map(|step| play(&mut table, *step)).collect();
        assert_eq!(kinds, reported, "{title}");
        assert_eq!(table.in_step(&id("a"), desired("manifest")), in_step, "{title}");
        assert!(!table.in_step(&id("a"), desired("another manifest")), "{title}");
    }
}

#[test]
fn nothing_is_in_step_while_changes_may_be_missed() {
    let mut table = synced();
    play(&mut table, Step::See(5, "x"));
    play(&mut table, Step::Apply(5, "x"));
    for (phase, expected) in [
        (Phase::Interrupted, false),
        (Phase::Synced, true),
        (Phase::Listing, false),
        (Phase::Refused(Instant::now()), false),
    ] {
        table.set_phase(&config_maps(), phase);
        let known = (table.is_watched(&config_maps()), table.in_step(&id("a"), desired("manifest")));
        assert_eq!(known, (expected, expected), "{phase:?}");
    }
}

#[test]
fn another_api_version_than_the_watched_one_is_not_compared() {
    let mut table = synced();
    table.applied(&id("a"), Applied { version: "v1beta1".into(), ..applied(5, "x") }, Instant::now());
    assert_eq!(play(&mut table, Step::See(6, "y")), []);
    assert_eq!(play(&mut table, Step::See(7, "x")), []);
    assert!(!table.in_step(&id("a"), desired("manifest")));
}

#[test]
fn nothing_is_left_of_what_is_gone() {
    let mut table = synced();
    play(&mut table, Step::See(5, "x"));
    play(&mut table, Step::Apply(5, "x"));
    let waiter = Waiter { wait: 1, target: 0, mailbox: Arc::default(), checks: None };
    table.register(&id("b"), waiter, Instant::now());
    assert_eq!(table.records, 2);
    table.unregister(&id("b"), 1);
    play(&mut table, Step::Delete(6));
    assert_eq!((table.records, table.state(&id("a"))), (0, None));
    let foreign = ObjectId { kind: "Foreign".into(), ..id("c") };
    table.register(&foreign, Waiter { wait: 2, target: 0, mailbox: Arc::default(), checks: None }, Instant::now());
    table.unregister(&foreign, 2);
    assert_eq!((table.records, table.kinds.len()), (0, 1));
}

#[test]
fn a_full_table_takes_no_more_objects_but_goes_on_with_those_it_has() {
    let mut table = Table::new(Limits { kinds: 2, records: 1 });
    table.ask(&config_maps(), "v1", Instant::now());
    assert!(table.observe(&config_maps(), sighting("a", 1, "x")).is_some());
    assert!(table.observe(&config_maps(), sighting("b", 2, "x")).is_none());
    assert!(table.observe(&config_maps(), sighting("a", 3, "x")).is_some());
    table.applied(&id("b"), applied(2, "x"), Instant::now());
    assert_eq!(table.records, 1);
}

#[test]
fn a_watch_is_started_once_and_again_some_time_after_a_refusal() {
    let mut table = Table::new(Limits { kinds: 1, records: 1 });
    let now = Instant::now();
    let other = GroupKind { group: "x.io".into(), kind: "ConfigMap".into() };
    assert!(table.ask(&config_maps(), "v1", now));
    assert!(!table.ask(&config_maps(), "v1", now), "it runs");
    assert!(!table.ask(&other, "v1", now), "there is no room");
    table.set_phase(&config_maps(), Phase::Refused(now));
    assert!(!table.ask(&config_maps(), "v1", now), "it was refused just now");
    assert!(table.ask(&other, "v1", now), "there is room");
    table.set_phase(&other, Phase::Refused(now));
    assert!(table.ask(&config_maps(), "v2", now + REFUSED_FOR));
    assert_eq!(table.watched_version(&id("a")), "v2");
}

#[test]
fn a_kind_retires_when_it_has_no_objects_and_nobody_asked_lately() {
    let mut table = synced();
    let later = Instant::now() + Duration::from_secs(1);
    play(&mut table, Step::See(5, "x"));
    assert!(!table.retire(&config_maps(), later), "it has an object");
    play(&mut table, Step::Delete(6));
    assert!(
        !table.retire(&config_maps(), Instant::now().checked_sub(Duration::from_secs(60)).unwrap()),
        "asked lately"
    );
    assert!(table.retire(&config_maps(), later));
    assert_eq!(table.look(&id("a")), Look::Unwatched);
    assert!(table.ask(&config_maps(), "v1", later));
}

#[test]
fn waits_hear_of_their_objects_and_of_the_watch_of_their_kind() {
    let mut table = synced();
    let mailbox = Arc::new(Mailbox::default());
    for (target, name) in [(0, "a"), (1, "b")] {
        let waiter = Waiter { wait: 1, target, mailbox: Arc::clone(&mailbox), checks: None };
        table.register(&id(name), waiter, Instant::now());
    }
    let heard = || mailbox.take().changed;
    play(&mut table, Step::See(5, "x"));
    assert_eq!(heard(), BTreeSet::from([0]));
    play(&mut table, Step::Delete(6));
    assert_eq!(heard(), BTreeSet::from([0]));
    table.set_phase(&config_maps(), Phase::Interrupted);
    assert_eq!(heard(), BTreeSet::from([0, 1]));
    table.set_phase(&config_maps(), Phase::Interrupted);
    assert_eq!(heard(), BTreeSet::new());
    let of_expressions = Waiter { wait: 2, target: 0, mailbox: Arc::clone(&mailbox), checks: Some(Default::default()) };
    table.register(&id("c"), of_expressions, Instant::now());
    let effects = table.observe(&config_maps(), sighting("c", 7, "x")).unwrap();
    assert_eq!((effects.judge.len(), heard()), (1, BTreeSet::new()), "told when it is judged");
    table.unregister(&id("b"), 1);
    table.observe(&config_maps(), sighting("b", 8, "x"));
    assert_eq!(heard(), BTreeSet::new());
}

#[test]
fn equal_states_and_owners_are_kept_once() {
    let mut table = synced();
    for (version, name) in (1..).zip(["a", "b", "c"]) {
        table.observe(&config_maps(), sighting(name, version, "x"));
    }
    let health = &table.state(&id("a")).unwrap().health;
    assert!(Arc::ptr_eq(health, &table.state(&id("c")).unwrap().health));
    let owner = |name: &str| table.state(&id(name)).unwrap().owner.clone().unwrap();
    assert!(Arc::ptr_eq(&owner("a"), &owner("b")));
}
