use kube::core::response::{StatusCause, StatusDetails};

use sluice_kstatus::{State, Status as Health};

use super::*;
use crate::change::ChangeSet;
use crate::failure::{ApplyError, Errors, MAX_LISTED};
use crate::options::Origin;

fn id(kind: &str, namespace: &str) -> ObjectId {
    ObjectId { group: String::new(), kind: kind.into(), namespace: namespace.into(), name: "x".into() }
}

fn status(code: u16, reason: &str, message: &str, causes: &[(&str, &str)]) -> kube::Error {
    let causes = causes
        .iter()
        .map(|(field, reason)| StatusCause {
            reason: (*reason).into(),
            message: "Invalid value: hunter2".into(),
            field: (*field).into(),
        })
        .collect();
    let details = StatusDetails {
        name: String::new(),
        group: String::new(),
        kind: String::new(),
        uid: String::new(),
        causes,
        retry_after_seconds: 0,
    };
    kube::Error::Api(Status::failure(message, reason).with_code(code).with_details(details).boxed())
}

#[test]
fn dry_run_errors_have_their_literal_texts() {
    for (kind, namespace, error, expected) in [
        ("ConfigMap", "n", status(422, "Invalid", "bad", &[]), "ConfigMap/n/x dry-run failed (Invalid): bad"),
        ("ConfigMap", "n", status(403, "Forbidden", "no", &[]), "ConfigMap/n/x dry-run failed (Forbidden): no"),
        (
            "ConfigMap",
            "n",
            status(409, "Conflict", "c", &[(".a", "FieldManagerConflict")]),
            "ConfigMap/n/x dry-run failed (FieldManagerConflict): c",
        ),
        ("ConfigMap", "n", status(500, "", "odd", &[]), "ConfigMap/n/x dry-run failed: odd"),
        ("ConfigMap", "n", status(502, "Failed to parse error data", "<h>", &[]), "ConfigMap/n/x dry-run failed: <h>"),
        ("ConfigMap", "n", status(404, "NotFound", "gone", &[]), "ConfigMap/n/x not found: gone"),
        ("ConfigMap", "", status(404, "NotFound", "gone", &[]), "ConfigMap/x namespace not specified: gone"),
    ] {
        let subject = id(kind, namespace);
        let error = RequestError::about(&subject, error);
        assert_eq!(ApplyError::dry_run(&subject, &error).to_string(), expected);
    }
    let missing = RequestError::NoMatch { kind: "Thing".into(), api_version: "x.io/v1".into() };
    assert_eq!(
        ApplyError::dry_run(&id("Thing", "n"), &missing).to_string(),
        r#"Thing/n/x dry-run failed: no matches for kind "Thing" in version "x.io/v1""#
    );
}

#[test]
fn a_refusal_about_a_secret_quotes_no_value() {
    for (error, expected) in [
        (
            status(
                422,
                "Invalid",
                "data[password]: Invalid value: hunter2",
                &[("data[password]", "FieldValueInvalid")],
            ),
            "Secret/n/x dry-run failed (Invalid): data[password]: FieldValueInvalid \
             (message withheld because it may contain Secret data)",
        ),
        (
            status(500, "InternalError", "expected string, got hunter2", &[]),
            "Secret/n/x dry-run failed (InternalError): message withheld because it may contain Secret data",
        ),
        (
            status(403, "Forbidden", "admission webhook denied hunter2", &[]),
            "Secret/n/x dry-run failed (Forbidden): message withheld because it may contain Secret data",
        ),
        (
            status(404, "NotFound", "namespaces \"n\" not found", &[]),
            "Secret/n/x not found: namespaces \"n\" not found",
        ),
    ] {
        let subject = id("Secret", "n");
        let error = RequestError::about(&subject, error);
        assert!(!format!("{error:?}").contains("hunter2"));
        assert_eq!(ApplyError::dry_run(&subject, &error).to_string(), expected);
    }
}

#[test]
fn what_counts_as_immutable() {
    for (error, expected) in [
        (status(409, "Conflict", "", &[]), true),
        (status(422, "Invalid", "any", &[]), true),
        (status(400, "BadRequest", "field is immutable", &[]), true),
        (status(500, "", "immutable field changed", &[]), true),
        (status(400, "BadRequest", "field is not immutable", &[]), false),
        (status(403, "Forbidden", "no", &[]), false),
    ] {
        let error = RequestError::about(&id("ConfigMap", "n"), error);
        assert_eq!(error.is_immutable(), expected, "{error:?}");
    }
}

fn refused(subject: &str) -> ApplyError {
    ApplyError::Apply { subject: subject.to_owned(), message: "no".into() }
}

#[test]
fn a_failure_lists_what_was_applied_before() {
    let mut changes = ChangeSet::default();
    assert_eq!(Errors::new(refused("ConfigMap/n/x")).after(changes.clone()).text(), "ConfigMap/n/x apply failed: no");
    let entry = sluice_manifest::Entry { id: id("Namespace", ""), version: "v1".into() };
    changes.push(entry, crate::Action::Created);
    assert_eq!(
        Errors::new(refused("ConfigMap/n/x")).after(changes).text(),
        "ConfigMap/n/x apply failed: no\nNamespace/x created"
    );
}

#[test]
fn a_failure_lists_all_errors_up_to_a_bound_and_counts_the_rest() {
    let mut errors = Errors::new(refused("A/1"));
    for number in 2..=MAX_LISTED + 7 {
        errors.push(refused(&format!("A/{number}")));
    }
    let failure = errors.after(ChangeSet::default());
    assert_eq!((failure.others.len(), failure.unlisted), (MAX_LISTED - 1, 7));
    let text = failure.text();
    assert!(text.starts_with("A/1 apply failed: no\nA/2 apply failed: no\n"), "{text}");
    assert!(text.ends_with("\nA/100 apply failed: no\nand 7 more"), "{text}");
}

#[test]
fn an_error_ends_with_where_the_object_came_from() {
    let origin = |line| Origin { file: "apps/web.yaml".into(), line };
    for (origin, expected) in [
        (None, "A/1 apply failed: no"),
        (Some(origin(None)), "A/1 apply failed: no (from apps/web.yaml)"),
        (Some(origin(Some(12))), "A/1 apply failed: no (from apps/web.yaml, line 12)"),
    ] {
        assert_eq!(refused("A/1").naming_origin(origin.as_ref()).to_string(), expected);
    }
}

#[test]
fn an_error_says_how_often_it_was_tried() {
    let error = |attempts| RequestError::about(&id("ConfigMap", "n"), status(503, "", "busy", &[])).tried(attempts);
    assert_eq!(error(1).to_string(), "busy");
    assert_eq!(error(4).to_string(), "busy (tried 4 times)");
    assert_eq!(RequestError::Transport("cut off".into()).tried(2).to_string(), "cut off (tried 2 times)");
}

#[test]
fn waiting_errors_list_every_object_with_its_state() {
    let health = |state, message: &str| Health { state, reason: String::new(), message: message.into() };
    let objects = vec![
        (id("Namespace", ""), health(State::InProgress, "soon")),
        (id("ConfigMap", "n"), health(State::Failed, "")),
        (id("ConfigMap", "n"), health(State::Unknown, "no number")),
    ];
    assert_eq!(
        ApplyError::WaitTimeout { unready: objects }.to_string(),
        "timeout waiting for: [Namespace/x status: 'InProgress', ConfigMap/n/x status: 'Failed', \
         ConfigMap/n/x status: 'Unknown': no number]"
    );
}
