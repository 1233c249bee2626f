use serde_json::json;
use sluice_api::meta::EventSeverity;

use super::*;
use crate::fakes::{event, map, object};

fn source(value: serde_json::Value) -> CrossNamespaceObjectReference {
    object(value)
}

#[test]
fn a_source_matches_by_namespace_kind_severity_and_name() {
    use AlertSeverity::{Error, Info};
    let table = [
        (json!({"kind": "Kustomization", "name": "web"}), "apps", Info, true),
        (json!({"kind": "Kustomization", "name": "*"}), "apps", Info, true),
        (json!({"kind": "Kustomization", "name": "*", "apiVersion": "other/v9"}), "apps", Info, true),
        (json!({"kind": "Kustomization", "name": "web"}), "flux-system", Info, false),
        (json!({"kind": "Kustomization", "name": "web", "namespace": "apps"}), "flux-system", Info, true),
        (json!({"kind": "Kustomization", "name": "web", "namespace": "other"}), "apps", Info, false),
        (json!({"kind": "HelmRelease", "name": "web"}), "apps", Info, false),
        (json!({"kind": "kustomization", "name": "web"}), "apps", Info, false),
        (json!({"kind": "Kustomization", "name": "we*"}), "apps", Info, false),
        (json!({"kind": "Kustomization", "name": "web"}), "apps", Error, false),
    ];
    for (value, namespace, severity, expected) in table {
        let expected = if expected { SourceMatch::Yes } else { SourceMatch::No };
        let source = source(value);
        assert_eq!(source_match(&source, namespace, &severity, &event(&[])), expected, "{source:?} {namespace}");
    }
}

#[test]
fn severity_info_takes_all_and_others_take_their_equal_only() {
    let source = source(json!({"kind": "Kustomization", "name": "web"}));
    for (alert, event_severity, expected) in [
        ("info", "info", true),
        ("info", "error", true),
        ("info", "trace", true),
        ("info", "fatal", true),
        ("error", "error", true),
        ("error", "info", false),
        ("error", "Error", false),
    ] {
        let event = Event { severity: EventSeverity::from(event_severity), ..event(&[]) };
        let matches = source_match(&source, "apps", &AlertSeverity::from(alert), &event) == SourceMatch::Yes;
        assert_eq!(matches, expected, "{alert} {event_severity}");
    }
}

#[test]
fn labels_are_asked_for_even_when_a_name_is_given() {
    let labels = map(&[("team", "a")]);
    for name in ["*", "web"] {
        let source = source(json!({"kind": "Kustomization", "name": name, "matchLabels": {"team": "a"}}));
        let matched = source_match(&source, "apps", &AlertSeverity::Info, &event(&[]));
        assert_eq!(matched, SourceMatch::IfLabelled(&labels), "{name}");
    }
}

#[test]
fn empty_labels_ask_for_an_object_that_exists_and_absent_ones_for_nothing() {
    let nothing = map(&[]);
    for (value, expected) in [
        (json!({"kind": "Kustomization", "name": "*"}), SourceMatch::Yes),
        (json!({"kind": "Kustomization", "name": "*", "matchLabels": null}), SourceMatch::Yes),
        (json!({"kind": "Kustomization", "name": "*", "matchLabels": {}}), SourceMatch::IfLabelled(&nothing)),
    ] {
        let source = source(value);
        assert_eq!(source_match(&source, "apps", &AlertSeverity::Info, &event(&[])), expected, "{source:?}");
    }
}

#[test]
fn the_message_passes_by_inclusion_and_exclusion() {
    let table: [(&[&str], &[&str], bool, usize); 9] = [
        (&[], &[], true, 0),
        (&["app"], &[], true, 0),
        (&["^no", "lied$"], &[], true, 0),
        (&["^no"], &[], false, 0),
        (&["app"], &["lied"], false, 0),
        (&[], &["other"], true, 0),
        (&["("], &[], false, 1),
        (&["(", "app"], &[], true, 1),
        (&[], &["("], true, 1),
    ];
    for (inclusion, exclusion, passes, invalid) in table {
        let spec = AlertSpec {
            inclusion_list: inclusion.iter().map(|&text| text.to_owned()).collect(),
            exclusion_list: exclusion.iter().map(|&text| text.to_owned()).collect(),
            ..AlertSpec::default()
        };
        let verdict = MessageFilter::compile(&spec).verdict("applied");
        assert_eq!((verdict.passes, verdict.invalid.len()), (passes, invalid), "{inclusion:?} {exclusion:?}");
        assert!(verdict.invalid.iter().all(|text| text.starts_with("failed to compile regex \"(\": ")), "{verdict:?}");
    }
}
