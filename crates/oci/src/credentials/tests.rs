use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde_json::json;

use super::*;

fn keyring(auths: &serde_json::Value) -> Keyring {
    let mut keyring = Keyring::default();
    keyring.add_config_json(json!({ "auths": auths }).to_string().as_bytes()).unwrap();
    keyring
}

/// The user of the entry that is found for a repository, `-` for none.
fn user_for(keyring: &Keyring, repository: &str) -> String {
    match keyring.for_repository(&repository.parse().unwrap()) {
        Credential::Basic { username, .. } => username,
        Credential::Anonymous => "-".to_owned(),
        other => format!("{other:?}"),
    }
}

#[test]
fn every_form_of_an_entry_is_read() {
    let secret = |text: &str| Secret::new(text.to_owned());
    for (entry, expected) in [
        (json!({"auth": STANDARD.encode("user:pass")}), Credential::basic("user", "pass")),
        (json!({"auth": STANDARD_NO_PAD.encode("user:p:a:s")}), Credential::basic("user", "p:a:s")),
        (json!({"auth": STANDARD.encode("user:pass\0\0")}), Credential::basic("user", "pass")),
        (json!({"username": "user", "password": "pass"}), Credential::basic("user", "pass")),
        (
            json!({"username": "old", "password": "old", "auth": STANDARD.encode("user:pass")}),
            Credential::basic("user", "pass"),
        ),
        (json!({"username": "user", "password": null, "email": "x"}), Credential::Anonymous),
        (json!({}), Credential::Anonymous),
        (json!(null), Credential::Anonymous),
        (json!({"auth": STANDARD.encode("u:p"), "identitytoken": "t"}), Credential::IdentityToken(secret("t"))),
        (json!({"identitytoken": "t", "registrytoken": "r"}), Credential::RegistryToken(secret("r"))),
    ] {
        let keyring = keyring(&json!({"reg.example": entry}));
        assert_eq!(keyring.for_repository(&"reg.example/app".parse().unwrap()), expected, "{entry}");
    }
}

#[test]
fn a_malformed_configuration_is_refused_without_telling_its_values() {
    let bad_auth = |value: &str| json!({"auths": {"reg": {"auth": value}}}).to_string();
    for json in [
        "",
        "{\"auths\": \"hunter2\"}",
        "{\"auths\": {\"reg\": {\"password\": 7}}}",
        &bad_auth("hunter2"),
        &bad_auth("***"),
        &bad_auth(&STANDARD.encode("hunter2")),
        &bad_auth(&STANDARD.encode(b"\xff:x")),
        "{\"auths\": {\"\": {}}}",
        "{\"auths\": {\"https://\": {}}}",
        "{\"auths\": {\"https://hunter2@reg\": {}}",
    ] {
        let mut keyring = Keyring::default();
        let error = keyring.add_config_json(json.as_bytes()).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{json}: {error}");
        assert!(keyring.is_empty());
    }
    let large = format!("{{\"auths\": {{}}, \"x\": \"{}\"}}", "x".repeat(1 << 20));
    assert_eq!(Keyring::default().add_config_json(large.as_bytes()), Err(CredentialError::TooLarge));
}

#[test]
fn the_most_specific_entry_that_fits_is_taken() {
    let user = |name: &str| json!({"username": name, "password": "x"});
    let keyring = keyring(&json!({
        "reg.example": user("host"),
        "https://reg.example/team": user("team"),
        "reg.example/team/app": user("app"),
        "reg.example:5000": user("port"),
        "*.example": user("pattern"),
        "a-*.eu?.cloud.example": user("wild"),
        "https://index.docker.io/v1/": user("hub"),
        "http://v2.example/v2/": user("version"),
        "[::1]:5000": user("six"),
        "UPPER.example": user("upper"),
    }));
    for (repository, expected) in [
        ("reg.example/other", "host"),
        ("reg.example/team/other", "team"),
        ("reg.example/team/app", "app"),
        ("reg.example:5000/team/app", "port"),
        ("reg.example:5001/app", "-"),
        ("other.example/app", "pattern"),
        ("a.b.example/app", "-"),
        ("a-1.eu2.cloud.example/app", "wild"),
        ("b-1.eu2.cloud.example/app", "-"),
        ("nginx", "hub"),
        ("docker.io/team/app", "hub"),
        ("v2.example/app", "version"),
        ("[::1]:5000/app", "six"),
        ("upper.example/app", "upper"),
        ("localhost/app", "-"),
        ("evilreg.example.com/app", "-"),
    ] {
        assert_eq!(user_for(&keyring, repository), expected, "{repository}");
    }
}

#[test]
fn several_configurations_are_one_and_the_first_of_equals_wins() {
    let mut keyring = keyring(&json!({"reg.example": {"username": "first", "password": "x"}}));
    keyring.add_cfg(br#"{"reg.example": {"username": "second", "password": "x"}, "old.example": {"username": "cfg", "password": "x"}}"#).unwrap();
    assert_eq!(user_for(&keyring, "reg.example/app"), "first");
    assert_eq!(user_for(&keyring, "old.example/app"), "cfg");
}

#[test]
fn a_lookup_by_host_knows_no_patterns() {
    let user = |name: &str| json!({"username": name, "password": "x"});
    let keyring = keyring(
        &json!({"*.example": user("pattern"), "https://reg.example/v1/": user("host"), "docker.io": user("hub")}),
    );
    assert_eq!(keyring.for_host("reg.example"), Some(Credential::basic("host", "x")));
    assert_eq!(keyring.for_host("index.docker.io"), Some(Credential::basic("hub", "x")));
    assert_eq!(keyring.for_host("other.example"), None);
    assert_eq!(keyring.for_host("reg.example:443"), None);
}

#[test]
fn nothing_prints_a_secret() {
    let keyring = keyring(&json!({"reg.example": {"username": "user", "password": "hunter2"}}));
    let credential = keyring.for_repository(&"reg.example/app".parse().unwrap());
    assert_eq!(credential.secrets(), [STANDARD.encode("user:hunter2"), "hunter2".to_owned()]);
    assert!(!format!("{keyring:?} {credential:?}").contains("hunter2"));
}
