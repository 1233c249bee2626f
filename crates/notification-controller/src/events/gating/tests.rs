use super::*;
use crate::fakes::event;

const UPDATE: (&str, &str) = ("kustomize.toolkit.fluxcd.io/commit_status", "update");
const COMMIT: (&str, &str) = ("event.toolkit.fluxcd.io/commit", "abc");
const CHANGE_REQUEST: (&str, &str) = ("event.toolkit.fluxcd.io/change_request", "7");

type Row = (&'static [(&'static str, &'static str)], EventSeverity, [Gate; 4]);

#[test]
fn the_matrix_of_classes_and_events_is_the_reference_s() {
    use EventSeverity::{Error, Info};
    use Gate::{Drop, Pass, Skip};
    // Metadata, severity, then the gate for: generic, other, git status, change request.
    let table: [Row; 9] = [
        (&[], Info, [Pass, Pass, Drop, Drop]),
        (&[], Error, [Pass, Pass, Pass, Drop]),
        (&[UPDATE], Info, [Pass, Skip, Pass, Skip]),
        (&[UPDATE, CHANGE_REQUEST], Info, [Pass, Skip, Pass, Skip]),
        (&[COMMIT], Info, [Pass, Pass, Pass, Drop]),
        (&[CHANGE_REQUEST], Info, [Pass, Pass, Drop, Pass]),
        (&[("event.toolkit.fluxcd.io/commit", "")], Info, [Pass, Pass, Drop, Drop]),
        (&[("kustomize.toolkit.fluxcd.io/commit", "abc")], Info, [Pass, Pass, Drop, Drop]),
        (&[("event.toolkit.fluxcd.io/commit_status", "update")], Info, [Pass, Pass, Drop, Drop]),
    ];
    for (metadata, severity, expected) in table {
        let event = Event { severity, ..event(metadata) };
        let classes =
            [ProviderClass::Generic, ProviderClass::Other, ProviderClass::GitStatus, ProviderClass::ChangeRequest];
        assert_eq!(classes.map(|class| gate(class, &event)), expected, "{metadata:?} {:?}", event.severity);
    }
}

#[test]
fn every_type_has_its_class() {
    for name in ProviderType::KNOWN {
        let expected = match *name {
            "github" | "gitlab" | "gitea" | "bitbucketserver" | "bitbucket" | "azuredevops" => ProviderClass::GitStatus,
            "generic" | "generic-hmac" => ProviderClass::Generic,
            name if name.ends_with("requestcomment") => ProviderClass::ChangeRequest,
            _ => ProviderClass::Other,
        };
        assert_eq!(ProviderClass::of(&ProviderType::from(*name)), expected, "{name}");
    }
}
