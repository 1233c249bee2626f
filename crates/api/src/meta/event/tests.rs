use serde_json::json;

use super::*;

fn full_event() -> Event {
    Event {
        involved_object: ObjectReference {
            kind: "GitRepository".to_owned(),
            namespace: "apps".to_owned(),
            name: "web".to_owned(),
            uid: "u-1".to_owned(),
            api_version: "source.toolkit.fluxcd.io/v1".to_owned(),
            resource_version: "7".to_owned(),
            field_path: String::new(),
        },
        severity: EventSeverity::Info,
        timestamp: Some(Time("2026-01-02T03:04:05.9Z".parse().unwrap())),
        message: "stored".to_owned(),
        reason: "NewArtifact".to_owned(),
        metadata: BTreeMap::from([("b".to_owned(), "2".to_owned()), ("a".to_owned(), "1".to_owned())]),
        reporting_controller: "source-controller".to_owned(),
        reporting_instance: "pod-0".to_owned(),
    }
}

#[test]
fn fields_are_written_in_the_order_of_the_wire() {
    assert_eq!(
        serde_json::to_string(&full_event()).unwrap(),
        concat!(
            r#"{"involvedObject":{"kind":"GitRepository","namespace":"apps","name":"web","uid":"u-1","#,
            r#""apiVersion":"source.toolkit.fluxcd.io/v1","resourceVersion":"7"},"severity":"info","#,
            r#""timestamp":"2026-01-02T03:04:05Z","message":"stored","reason":"NewArtifact","#,
            r#""metadata":{"a":"1","b":"2"},"reportingController":"source-controller","reportingInstance":"pod-0"}"#
        )
    );
}

#[test]
fn an_empty_event_writes_a_null_time_and_leaves_out_what_may_be_absent() {
    let empty = Event { severity: EventSeverity::Other(String::new()), ..Event::default() };
    assert_eq!(
        serde_json::to_string(&empty).unwrap(),
        r#"{"involvedObject":{},"severity":"","timestamp":null,"message":"","reason":"","reportingController":""}"#
    );
}

#[test]
fn an_event_reads_back_with_whole_seconds() {
    let read: Event = serde_json::from_str(&serde_json::to_string(&full_event()).unwrap()).unwrap();
    let expected = Event { timestamp: Some(Time("2026-01-02T03:04:05Z".parse().unwrap())), ..full_event() };
    assert_eq!(read, expected);
}

#[test]
fn names_in_any_case_nulls_unknown_fields_and_severities_are_read() {
    let read: Event = serde_json::from_value(json!({
        "INVOLVEDOBJECT": {"Kind": "Pod", "name": null, "surprise": [1]},
        "Severity": "fatal",
        "timestamp": null,
        "metadata": {"k": null},
        "extra": {},
    }))
    .unwrap();
    let expected = Event {
        involved_object: ObjectReference { kind: "Pod".to_owned(), ..ObjectReference::default() },
        severity: EventSeverity::Other("fatal".to_owned()),
        metadata: BTreeMap::from([("k".to_owned(), String::new())]),
        ..Event::default()
    };
    assert_eq!(read, expected);
}

#[test]
fn wrong_types_are_refused() {
    for body in [
        json!([]),
        json!("text"),
        json!({"message": 1}),
        json!({"metadata": {"k": 1}}),
        json!({"metadata": []}),
        json!({"timestamp": "yesterday"}),
        json!({"timestamp": ""}),
        json!({"involvedObject": "web"}),
    ] {
        assert!(serde_json::from_value::<Event>(body.clone()).is_err(), "{body}");
    }
}

#[test]
fn the_group_is_what_stands_before_the_slash() {
    for (api_version, group) in [("v1", ""), ("", ""), ("a.b/v1", "a.b")] {
        let reference = ObjectReference { api_version: api_version.to_owned(), ..ObjectReference::default() };
        assert_eq!(reference.group(), group);
    }
}
