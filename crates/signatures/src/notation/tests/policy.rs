use serde_json::{Value, json};

use crate::notation::TrustPolicy;
use crate::x509::testing::chain;

fn parse(change: impl Fn(&mut Value)) -> Result<(), String> {
    let mut document = json!({
        "version": "1.0",
        "trustPolicies": [{
            "name": "one", "registryScopes": ["registry.test/team/app"], "signatureVerification": { "level": "strict" },
            "trustStores": ["ca:acme"], "trustedIdentities": ["x509.subject: C=US, ST=WA, O=Acme"],
        }],
    });
    change(&mut document);
    TrustPolicy::from_json(document.to_string().as_bytes()).map(|_| ()).map_err(|error| chain(&error))
}

/// A change to a good document, and what then is wrong with it; nothing: it stays good.
type Case = (fn(&mut Value), &'static str);

const CASES: [Case; 32] = [
    (|_| {}, ""),
    (|d| d["version"] = json!("2.0"), "unsupported trust policy version \"2.0\""),
    (|d| d["trustPolicies"] = json!([]), "trust policy without statements"),
    (|d| d["trustPolicies"][0]["name"] = json!(""), "trust policy statement without name"),
    (
        |d| {
            let mut second = d["trustPolicies"][0].clone();
            second["registryScopes"] = json!(["*"]);
            d["trustPolicies"].as_array_mut().unwrap().push(second);
        },
        "two trust policy statements with the name \"one\"",
    ),
    (
        |d| {
            let mut second = d["trustPolicies"][0].clone();
            second["name"] = json!("two");
            d["trustPolicies"].as_array_mut().unwrap().push(second);
        },
        "registry scope \"registry.test/team/app\" is in several trust policy statements",
    ),
    (|d| level(d, "lenient"), "trust policy statement \"one\": invalid signature verification level \"lenient\""),
    (|d| level(d, ""), "trust policy statement \"one\": invalid signature verification level \"\""),
    (|d| level(d, "skip"), ""),
    (|d| overrides(d, "expiry", "log"), ""),
    (|d| overrides(d, "revocation", "skip"), ""),
    (
        |d| overrides(d, "expiry", "skip"),
        "trust policy statement \"one\": verification type \"expiry\" cannot have the action \"skip\"",
    ),
    (
        |d| overrides(d, "integrity", "log"),
        "trust policy statement \"one\": verification type \"integrity\" cannot have the action \"log\"",
    ),
    (|d| overrides(d, "taste", "log"), "trust policy statement \"one\": unsupported verification type \"taste\""),
    (|d| overrides(d, "expiry", "shrug"), "trust policy statement \"one\": unsupported verification action \"shrug\""),
    (
        |d| {
            level(d, "skip");
            overrides(d, "expiry", "log");
        },
        "trust policy statement \"one\": signature verification level \"skip\" cannot be customized",
    ),
    (
        |d| d["trustPolicies"][0]["signatureVerification"]["verifyTimestamp"] = json!("never"),
        "trust policy statement \"one\" has the invalid verifyTimestamp \"never\"",
    ),
    (|d| stores(d, &[]), "trust policy statement \"one\" must have trust stores and trusted identities"),
    (|d| stores(d, &["acme"]), "trust policy statement \"one\" has the invalid trust store \"acme\""),
    (|d| stores(d, &["x:acme"]), "trust policy statement \"one\" has the invalid trust store \"x:acme\""),
    (|d| stores(d, &["ca:../x"]), "trust policy statement \"one\" has the invalid trust store \"ca:../x\""),
    (|d| identities(d, &[]), "trust policy statement \"one\" must have trust stores and trusted identities"),
    (
        |d| identities(d, &["*", "x509.subject: C=US, ST=WA, O=Acme"]),
        "trust policy statement \"one\" has the invalid trusted identity \"*\"",
    ),
    (|d| identities(d, &["Acme"]), "trust policy statement \"one\" has the invalid trusted identity \"Acme\""),
    (
        |d| identities(d, &["x509.subject: C=US, O=Acme"]),
        "trust policy statement \"one\" has the invalid trusted identity \"x509.subject: C=US, O=Acme\": distinguished name without \"ST\"",
    ),
    (
        |d| identities(d, &["x509.subject: C=US, ST=WA, O=Acme", "x509.subject: C=US, ST=WA, O=Acme, CN=x"]),
        "trust policy statement \"one\" has overlapping trusted identities",
    ),
    (|d| identities(d, &["x509.subject: C=US, ST=WA, O=Acme\\, Inc., OU=a"]), ""),
    (|d| scopes(d, &[]), "trust policy statement \"one\" has no registry scopes"),
    (
        |d| scopes(d, &["*", "registry.test/app"]),
        "trust policy statement \"one\" has the registry scope \"*\" beside others",
    ),
    (|d| scopes(d, &["registry.test/*"]), "invalid registry scope \"registry.test/*\""),
    (|d| scopes(d, &["oci://registry.test/app"]), "invalid registry scope \"oci://registry.test/app\""),
    (|d| scopes(d, &["registry.test/App"]), "invalid registry scope \"registry.test/App\""),
];

fn level(document: &mut Value, level: &str) {
    document["trustPolicies"][0]["signatureVerification"]["level"] = json!(level);
}

fn overrides(document: &mut Value, check: &str, action: &str) {
    document["trustPolicies"][0]["signatureVerification"]["override"] = json!({ check: action });
}

fn stores(document: &mut Value, stores: &[&str]) {
    document["trustPolicies"][0]["trustStores"] = json!(stores);
}

fn identities(document: &mut Value, identities: &[&str]) {
    document["trustPolicies"][0]["trustedIdentities"] = json!(identities);
}

fn scopes(document: &mut Value, scopes: &[&str]) {
    document["trustPolicies"][0]["registryScopes"] = json!(scopes);
}

#[test]
fn every_rule_of_the_trust_policy_is_checked() {
    for (index, (change, expected)) in CASES.into_iter().enumerate() {
        match parse(change) {
            Ok(()) => assert_eq!(expected, "", "{index}"),
            Err(error) => assert_eq!(error, expected, "{index}"),
        }
    }
    assert!(TrustPolicy::from_json(b"[").is_err());
}

#[test]
fn a_reference_needs_a_digest_and_a_statement() {
    let document = json!({
        "version": "1.0",
        "trustPolicies": [{ "name": "one", "registryScopes": ["registry.test/app"], "signatureVerification": { "level": "skip" } }],
    });
    let policy = TrustPolicy::from_json(document.to_string().as_bytes()).unwrap();
    assert!(policy.requirement("registry.test/app@sha256:00").is_ok());
    for reference in ["registry.test/app:1", "registry.test/other@sha256:00", "app@sha256:00"] {
        assert!(policy.requirement(reference).is_err(), "{reference}");
    }
}
