//! What is read from Secrets. Verification itself is tested in `sluice-signatures`, and end to end on a registry.

use super::*;

fn data(entries: &[(&str, &str)]) -> SecretData {
    entries.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect()
}

#[test]
fn only_keys_with_the_suffix_count_and_a_bad_one_is_named() {
    assert_eq!(public_keys(&data(&[("cosign.key", "private"), ("readme", "x")]), "apps/keys").expect("none").len(), 0);
    let error = public_keys(&data(&[("cosign.pub", "nonsense")]), "apps/keys").expect_err("refused");
    assert_eq!(error.to_string(), "cannot read 'cosign.pub' of secret 'apps/keys'");
}

#[test]
fn notation_needs_a_policy_and_certificates() {
    let refused = |entries: &[(&str, &str)]| {
        let error = notation_trust(&data(entries), "apps/trust").expect_err("refused");
        error.to_string()
    };
    let policy = r#"{"version":"1.0","trustPolicies":[{"name":"all","registryScopes":["*"],
        "signatureVerification":{"level":"strict"},"trustStores":["ca:any"],"trustedIdentities":["*"]}]}"#;
    assert_eq!(refused(&[]), "no trustpolicy.json in secret 'apps/trust'");
    assert_eq!(refused(&[("trustpolicy.json", "{")]), "cannot read 'trustpolicy.json' of secret 'apps/trust'");
    assert_eq!(refused(&[("trustpolicy.json", policy)]), "no certificates in secret 'apps/trust'");
    assert_eq!(
        refused(&[("trustpolicy.json", policy), ("ca.crt", "nonsense")]),
        "cannot read 'ca.crt' of secret 'apps/trust'"
    );
}

#[tokio::test]
async fn the_public_root_is_looked_for_where_sigstore_keeps_it() {
    let error = PublicRoot::below(Path::new("")).read().await.expect_err("there is none");
    assert!(matches!(error, VerifyError::NoRoot), "{error}");
    let dir = tempfile::tempdir().expect("a directory");
    let error = PublicRoot::below(dir.path()).read().await.expect_err("there is none");
    assert!(matches!(error, VerifyError::NoRoot), "{error}");
    std::fs::create_dir(dir.path().join("targets")).expect("a directory");
    std::fs::write(dir.path().join("targets/trusted_root.json"), "{}").expect("written");
    let error = PublicRoot::below(dir.path()).read().await.expect_err("it is empty");
    assert!(matches!(error, VerifyError::Root { .. }), "{error}");
}

#[test]
fn a_demand_names_its_provider_as_messages_have_it() {
    let secret = LocalObjectReference { name: "keys".into() };
    for (provider, secret, expected) in [
        (SignatureProvider::Cosign, Some(&secret), "cosign"),
        (SignatureProvider::Cosign, None, "cosign keyless"),
        (SignatureProvider::Notation, None, "notation"),
    ] {
        let demand = Demand { provider: &provider, secret, identities: &[], trusted_root: None };
        assert_eq!(demand.provider_text(), expected);
    }
}
