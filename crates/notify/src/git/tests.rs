use super::*;
use crate::provider::fixtures;

const SHA: &str = "69b59063470310ebbd88a9156325322a124e55a3";

fn with(metadata: &[(&str, &str)]) -> Event {
    let metadata = metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Event { metadata, ..Event::default() }
}

#[test]
fn the_commit_is_in_the_strongest_of_three_keys_and_in_any_form() {
    let (modern, old, bare) = (format!("main@sha1:{SHA}"), format!("main/{SHA}"), SHA.to_owned());
    for revision in [&modern, &old, &bare, &format!("feature/x@sha1:{SHA}"), &format!("sha1:{SHA}")] {
        assert_eq!(commit(&with(&[("revision", revision)])), Ok(SHA), "{revision}");
    }
    let other = "x".repeat(40);
    assert_eq!(commit(&with(&[("commit", &other), ("originRevision", &modern)])), Ok(other.as_str()));
    assert_eq!(commit(&with(&[("originRevision", &modern), ("revision", &other)])), Ok(SHA));
    assert_eq!(commit(&with(&[])), Err(EventError::FindRevision));
    // The strongest key counts even if only a weaker one has a commit.
    for revision in ["main@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "6.0.1", ""] {
        let error = commit(&with(&[("commit", revision), ("revision", &modern)])).unwrap_err();
        assert_eq!(error.to_string(), format!("failed to extract commit hash from '{revision}' revision"));
    }
}

#[test]
fn a_status_is_named_by_the_expression_or_by_object_and_provider() {
    let mut notification = fixtures::notification(fixtures::event());
    let config = ProviderConfig {
        uid: "0c9c2e41-d2f9-4f9b-9c41-bebc1984d67a".to_owned(),
        ..fixtures::config(crate::Kind::GitHub)
    };
    assert_eq!(status_id(&notification, &config), "gitrepository/web/0c9c2e41");
    notification.commit_status = Some("Prod/Web".to_owned());
    assert_eq!(status_id(&notification, &config), "Prod/Web");
    assert_eq!(status_name(&notification.event), "gitrepository/web");
    assert_eq!(description(&notification.event), "new artifact");
}

#[test]
fn only_info_and_error_are_outcomes() {
    let with = |severity: &str| Event { severity: severity.into(), ..Event::default() };
    assert_eq!(outcome(&with("info"), "github"), Ok(Outcome::Success));
    assert_eq!(outcome(&with("error"), "github"), Ok(Outcome::Failure));
    let error = outcome(&with("trace"), "github").unwrap_err();
    assert_eq!(error.to_string(), "can't convert severity 'trace' to github state");
}

#[test]
fn a_change_request_is_a_number() {
    assert_eq!(change_request(&with(&[("change_request", "42")])), Ok(42));
    for bad in ["", "x", "-1", "1.5", "42/../7"] {
        let error = change_request(&with(&[("change_request", bad)])).unwrap_err();
        assert!(error.to_string().starts_with("invalid \"change_request\" metadata value"), "{error}");
    }
    assert_eq!(change_request(&with(&[])), Err(EventError::FindChangeRequest));
}

#[test]
fn an_address_is_read_in_all_the_forms_of_git() {
    for (address, origin, id) in [
        ("https://github.com/org/repo", "https://github.com/", "org/repo"),
        ("https://github.com/org/repo.git", "https://github.com/", "org/repo"),
        ("https://user:pw@github.com/org/repo", "https://github.com/", "org/repo"),
        ("https://github.com//org/repo", "https://github.com/", "org/repo"),
        ("https://github.com/org/repo/", "https://github.com/", "org/repo/"),
        ("https://github.com/org/repo.git.git", "https://github.com/", "org/repo.git"),
        ("http://gitea.local:3000/org/repo", "http://gitea.local:3000/", "org/repo"),
        ("ssh://git@github.com/org/repo.git", "https://github.com/", "org/repo"),
        ("ssh://git@host:2222/org/repo", "https://host:2222/", "org/repo"),
        ("git@github.com:org/repo.git", "https://github.com/", "org/repo"),
        ("git@github.com:/org/repo", "https://github.com/", "org/repo"),
        ("git://host/group/sub/repo", "https://host/", "group/sub/repo"),
        ("https://gitlab.com/1234", "https://gitlab.com/", "1234"),
        ("https://h/a%20b/c?x=1#f", "https://h/", "a b/c"),
    ] {
        let parsed = RepositoryAddress::parse(address).unwrap();
        assert_eq!((parsed.origin.as_str(), parsed.id.as_str()), (origin, id), "{address}");
    }
    for bad in ["", "org/repo", "file:///etc/passwd", "https://", "./x:y/z", "ftp://h/x", "https://h h/x"] {
        assert!(RepositoryAddress::parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn an_id_of_two_parts_is_an_owner_and_a_name() {
    let parts = |address: &str| {
        let parsed = RepositoryAddress::parse(address).unwrap();
        parsed.owner_and_name().map(|(owner, name)| format!("{owner} {name}"))
    };
    assert_eq!(parts("https://h/o/r").as_deref(), Some("o r"));
    for address in ["https://h/o", "https://h/o/r/", "https://h/o/s/r", "https://h/", "https://h/o/"] {
        assert_eq!(parts(address), None, "{address}");
    }
}
