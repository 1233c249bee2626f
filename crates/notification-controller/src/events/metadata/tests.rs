use super::*;
use crate::fakes::{event, map};

#[test]
fn the_later_source_wins_and_every_conflict_is_reported() {
    let event = event(&[
        ("event.toolkit.fluxcd.io/a", "annotation"),
        ("event.toolkit.fluxcd.io/b", "annotation"),
        ("event.toolkit.fluxcd.io/c", "annotation"),
        ("event.toolkit.fluxcd.io/summary", "annotation"),
        ("kustomize.toolkit.fluxcd.io/c", "controller"),
        ("kustomize.toolkit.fluxcd.io/d", "controller"),
        ("kustomize.toolkit.fluxcd.io/aa/bb", "controller"),
    ]);
    let alert = map(&[("b", "alert"), ("d", "alert"), ("e", "alert"), ("summary", "alert")]);
    let merged = merge(&event, AlertMetadata { event_metadata: &alert, summary: Some("text") });
    let expected = Merged {
        metadata: map(&[
            ("a", "annotation"),
            ("aa/bb", "controller"),
            ("b", "alert"),
            ("c", "controller"),
            ("d", "controller"),
            ("e", "alert"),
            ("summary", "text"),
        ]),
        conflicts: map(&[
            ("b", "involved object annotations, Alert object .spec.eventMetadata"),
            ("c", "involved object annotations, involved object controller metadata"),
            ("d", "Alert object .spec.eventMetadata, involved object controller metadata"),
            ("summary", "involved object annotations, Alert object .spec.eventMetadata, Alert object .spec.summary"),
        ]),
    };
    assert_eq!(merged, expected);
}

#[test]
fn an_empty_summary_is_none() {
    let merged = merge(&event(&[]), AlertMetadata { event_metadata: &BTreeMap::new(), summary: Some("") });
    assert_eq!(merged, Merged::default());
}
