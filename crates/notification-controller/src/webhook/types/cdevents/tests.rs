use http::HeaderMap;
use serde_json::{Value, json};

use super::table::TYPES;
use super::*;

/// The smallest value that a rule accepts.
fn smallest(rule: &Rule) -> Value {
    match rule {
        Rule::Text | Rule::NonEmpty | Rule::Uri => json!("x"),
        Rule::PackageUrl => json!("pkg:oci/web@sha256%3Aab?repository_url=r"),
        Rule::OneOf(known) => json!(known[0]),
        Rule::Texts => json!(["x"]),
        Rule::Object(fields) => content(fields, |_| true),
    }
}

fn content(fields: &[Field], wanted: impl Fn(&Field) -> bool) -> Value {
    fields.iter().filter(|field| wanted(field)).map(|field| (field.name.to_owned(), smallest(&field.rule))).collect()
}

fn event(type_: &str, subject_type: &str, content: &Value) -> Value {
    json!({
        "context": {
            "version": "0.4.1", "id": "1", "source": "/ci/example", "type": type_,
            "timestamp": "2026-01-01T00:00:00.123456789Z",
        },
        "subject": {"id": "web", "source": "/ci/example", "type": subject_type, "content": content},
    })
}

fn verdict(event: &Value) -> Result<(), String> {
    validate(event.to_string().as_bytes()).map_err(|error| error.to_string())
}

fn merged() -> Value {
    event("dev.cdevents.change.merged.0.2.0", "change", &json!({"repository": {"id": "r"}}))
}

#[test]
fn every_type_is_accepted_with_all_and_with_only_its_required_fields() {
    for (type_, subject, fields) in TYPES {
        let type_ = format!("dev.cdevents.{type_}");
        assert_eq!(verdict(&event(&type_, subject, &content(fields, |_| true))), Ok(()), "{type_}");
        let required = content(fields, |field| field.need == Need::Required);
        assert_eq!(verdict(&event(&type_, subject, &required)), Ok(()), "{type_}");
    }
}

#[test]
fn a_required_field_that_is_missing_or_empty_is_named() {
    for (type_, subject, fields) in TYPES {
        let type_ = format!("dev.cdevents.{type_}");
        for field in fields.iter().filter(|field| field.need == Need::Required) {
            let expected = Err(format!("field 'subject.content.{}' is missing or invalid", field.name));
            let without = content(fields, |other| other.name != field.name);
            assert_eq!(verdict(&event(&type_, subject, &without)), expected, "{type_}");
            let mut empty = content(fields, |_| true);
            empty[field.name] = if matches!(field.rule, Rule::Object(_)) { json!(null) } else { json!("") };
            assert_eq!(verdict(&event(&type_, subject, &empty)), expected, "{type_}");
        }
    }
}

#[test]
fn the_rows_are_sorted_and_their_subjects_fit_their_types() {
    assert!(TYPES.is_sorted_by(|a, b| a.0 < b.0));
    for (type_, subject, _) in TYPES {
        assert!(type_.starts_with(&format!("{}.", subject.to_lowercase())), "{type_} {subject}");
    }
}

#[test]
fn unknown_fields_names_in_other_case_and_missing_optional_parts_are_fine() {
    let mut odd = merged();
    odd["context"]["version"] = json!("0.3.0");
    odd["context"]["gitRepository"] = json!({"anything": 1});
    odd["subject"].as_object_mut().unwrap().remove("content");
    odd["subject"].as_object_mut().unwrap().remove("source");
    odd["context"].as_object_mut().unwrap().remove("timestamp");
    odd["customData"] = json!({"x": 1});
    odd["more"] = json!([]);
    assert_eq!(verdict(&odd), Ok(()));
    let text = merged().to_string().replace("\"context\"", "\"Context\"").replace("\"id\"", "\"ID\"");
    assert_eq!(validate(text.as_bytes()), Ok(()));
}

#[test]
fn broken_contexts_and_subjects_are_refused_by_field() {
    let field = |path: &str| format!("field '{path}' is missing or invalid");
    let unknown = |type_: &str| format!("unknown event type {type_:?}");
    for (path, value, error) in [
        ("/context/version", json!(""), field("context.version")),
        ("/context/id", json!(""), field("context.id")),
        ("/context/source", json!(""), field("context.source")),
        ("/context/source", json!("a\u{7}"), field("context.source")),
        ("/context/source", json!("/%zz"), field("context.source")),
        ("/context/source", json!(":x"), field("context.source")),
        ("/context/schemaUri", json!("https://x.example/schema"), field("context.schemaUri")),
        ("/context/links", json!([{"linkType": "ELSE"}]), field("context.links")),
        ("/context/links", json!([{"linkType": "PATH", "from": {"contextId": ""}}]), field("context.links")),
        ("/context/links", json!([{"linkType": "RELATION", "target": {"contextId": "1"}}]), field("context.links")),
        ("/context/type", json!("dev.cdevents.change.merged.0.1.2"), unknown("dev.cdevents.change.merged.0.1.2")),
        ("/context/type", json!("dev.cdevents.change.merged.1.0.0"), unknown("dev.cdevents.change.merged.1.0.0")),
        ("/context/type", json!("dev.cdevents.change.eaten.0.2.0"), unknown("dev.cdevents.change.eaten.0.2.0")),
        ("/context/type", json!("change.merged"), unknown("change.merged")),
        ("/context/type", json!(""), unknown("")),
        ("/subject/id", json!(""), field("subject.id")),
        ("/subject/source", json!("/%z"), field("subject.source")),
        ("/subject/type", json!("branch"), field("subject.type")),
        ("/subject/content/repository/id", json!(""), field("subject.content.repository.id")),
        ("/subject/content/repository", json!({}), field("subject.content.repository.id")),
    ] {
        let mut broken = merged();
        match broken.pointer_mut(path) {
            Some(place) => *place = value.clone(),
            None => broken["context"][path.rsplit('/').next().unwrap()] = value.clone(),
        }
        assert_eq!(verdict(&broken), Err(error), "{path} {value}");
    }
    let mut custom = merged();
    custom["customData"] = json!([1]);
    assert_eq!(verdict(&custom), Err(field("customData")));
    let mut newer = merged();
    let context = newer["context"].as_object_mut().unwrap();
    let version = context.remove("version").unwrap();
    context.insert("specversion".to_owned(), version);
    assert_eq!(verdict(&newer), Err(field("context.version")));
}

#[test]
fn links_of_all_kinds_are_accepted() {
    let mut linked = merged();
    linked["context"]["chainId"] = json!("c");
    linked["context"]["links"] = json!([
        {"linkType": "PATH", "from": {"contextId": "1"}, "tags": {"a": "b"}},
        {"linkType": "END", "from": {"contextId": "1"}},
        {"linkType": "RELATION", "linkKind": "TRIGGER", "target": {"contextId": "2"}},
    ]);
    assert_eq!(verdict(&linked), Ok(()));
}

#[test]
fn events_of_third_parties_need_their_names_in_order() {
    let custom = |type_: &str, subject: &str, content: Value| verdict(&event(type_, subject, &content)).is_ok();
    assert!(custom("dev.cdeventsx.tool-quota.exceeded.0.1.0", "tool-quota", json!({"any": [1]})));
    assert!(!custom("dev.cdeventsx.tool-quota.exceeded.0.1.0", "quota", json!({})));
    assert!(!custom("dev.cdeventsx.tool-quota.exceeded.0.1.0", "tool-quota", json!("x")));
    for type_ in ["tool.exceeded.0.1.0", "tool-quota.exceeded", "tool-quota.exceeded.0.10.0", "Tool-q.e.0.1.0"] {
        assert!(!custom(&format!("dev.cdeventsx.{type_}"), "tool-quota", json!({})), "{type_}");
    }
}

#[test]
fn what_is_no_json_of_an_event_is_refused() {
    let trailing = format!("{}x", merged());
    for body in ["", "{", "[]", "null", "{\"context\":1}", "{\"context\":{\"type\":1}}", trailing.as_str()] {
        assert!(validate(body.as_bytes()).is_err(), "{body}");
    }
    let mut late = merged();
    late["context"]["timestamp"] = json!("yesterday");
    assert!(verdict(&late).unwrap_err().starts_with("malformed JSON body"));
}

#[test]
fn package_urls_are_told_from_other_texts() {
    for (text, good) in [
        ("pkg:oci/web@sha256%3Aab?repository_url=r", true),
        ("pkg:golang/example.com/a/b@v1.0.0#sub", true),
        ("pkg:npm/%40scope/name", true),
        ("pkg://deb/debian/curl", true),
        ("pkg:oci/", false),
        ("pkg:oci", false),
        ("pkg:/web", false),
        ("pkg:1x/web", false),
        ("pkg:oci/@1", false),
        ("oci/web", false),
        ("", false),
    ] {
        assert_eq!(is_package_url(text), good, "{text:?}");
    }
}

#[test]
fn the_wanted_event_is_the_header_s_and_not_the_body_s() {
    let events = ["cd.change.merged.v1".to_owned()];
    let body = merged().to_string();
    let refused = |header: Option<&str>| {
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            headers.insert("ce-type", header.parse().unwrap());
        }
        let call = Call { headers: &headers, body: body.as_bytes(), token: b"", events: &events };
        check(&call).map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(refused(Some("CD.Change.Merged.v1")), Ok(()));
    assert_eq!(refused(None), Err("event \"\" is not one of the receiver's".to_owned()));
    let other = "dev.cdevents.change.merged.0.2.0";
    assert_eq!(refused(Some(other)), Err(format!("event {other:?} is not one of the receiver's")));
}
