use serde_json::{Value, json};

use super::*;
use crate::fakes::object;

fn verdict(changes: &Value) -> Result<(), String> {
    let mut spec = json!({
        "type": "github",
        "secretRef": {"name": "token"},
        "resources": [{"kind": "GitRepository", "name": "web"}],
    });
    for (key, value) in changes.as_object().unwrap() {
        spec[key] = value.clone();
        if value.is_null() {
            spec.as_object_mut().unwrap().remove(key);
        }
    }
    validate(&object(spec)).map_err(|error| sluice_runtime::logging::error_chain(&error))
}

/// The verdict on a Receiver with one provider of this form.
fn provider(changes: &Value) -> Result<(), String> {
    let mut provider = json!({"issuerURL": "https://i", "validations": [{"expression": "true", "message": "m"}]});
    provider.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    verdict(&json!({"type": "generic-oidc", "secretRef": null, "oidcProviders": [provider]}))
}

#[test]
fn a_spec_is_served_or_the_first_broken_rule_is_named() {
    let oidc = json!([{"issuerURL": "https://i", "validations": [{"expression": "true", "message": "m"}]}]);
    let filtered = json!([{"kind": "Bucket", "name": "b"}, {"kind": "Bucket", "name": "*", "filter": "req.x"}]);
    let got_dyn = "CEL expression output type mismatch: expected bool, got dyn";
    let for_all = format!("invalid resourceFilter expression: {got_dyn}");
    let for_one = format!("invalid filter expression for resources[1] (kind=\"Bucket\", name=\"*\"): {got_dyn}");
    let table = [
        (json!({}), Ok(())),
        (json!({"type": "gitlab"}), Ok(())),
        (json!({"resourceFilter": ""}), Ok(())),
        (json!({"resourceFilter": "req.x == res.metadata.name"}), Ok(())),
        (json!({"resourceFilter": "req.x", "resources": filtered}), Err(for_all.as_str())),
        (json!({"resources": filtered, "secretRef": null}), Err(for_one.as_str())),
        (json!({"secretRef": null}), Err("secretRef is required when type is not generic-oidc")),
        (json!({"oidcProviders": oidc}), Err("oidcProviders can only be set when type is generic-oidc")),
        (
            json!({"type": "generic-oidc", "oidcProviders": []}),
            Err("generic-oidc receivers must define at least one oidcProvider"),
        ),
        (
            json!({"type": "generic-oidc", "oidcProviders": oidc}),
            Err("secretRef cannot be set when type is generic-oidc"),
        ),
        (json!({"type": "generic-oidc", "oidcProviders": oidc, "secretRef": null}), Ok(())),
    ];
    for (changes, expected) in table {
        assert_eq!(verdict(&changes), expected.map_err(str::to_owned), "{changes}");
    }
}

#[test]
fn claims_are_only_known_to_filters_behind_tokens() {
    let oidc = json!([{"issuerURL": "https://i", "validations": [{"expression": "true", "message": "m"}]}]);
    let filter = "claims.sub == 'x'";
    let with = json!({"type": "generic-oidc", "oidcProviders": oidc, "secretRef": null, "resourceFilter": filter});
    assert_eq!(verdict(&with), Ok(()));
    let error = verdict(&json!({"resourceFilter": filter})).unwrap_err();
    let start = "invalid resourceFilter expression: failed to parse the CEL expression 'claims.sub == 'x'': ";
    assert!(error.starts_with(start) && error.contains("undeclared reference to 'claims'"), "{error}");
}

#[test]
fn a_provider_s_broken_rule_is_named_with_its_place() {
    let at = "oidcProviders[0] (issuerURL=\"https://i\"): ";
    let table = [
        (json!({}), Ok(())),
        (json!({"variables": [{"name": "a", "expression": "claims.sub"}]}), Ok(())),
        (json!({"issuerURL": ""}), Err("oidcProviders[0] (issuerURL=\"\"): issuerURL is required".to_owned())),
        (
            json!({"issuerURL": "ftp://i"}),
            Err("oidcProviders[0] (issuerURL=\"ftp://i\"): issuerURL must start with http:// or https://".to_owned()),
        ),
        (
            json!({"validations": []}),
            Err(format!("{at}at least one validation is required, or every token of the issuer would be accepted")),
        ),
        (json!({"variables": [{"name": "", "expression": "1"}]}), Err(format!("{at}variables[0]: name is required"))),
        (
            json!({"variables": [{"name": "a", "expression": ""}]}),
            Err(format!("{at}variables[0] (name=\"a\"): expression is required")),
        ),
        (
            json!({"validations": [{"expression": "", "message": "m"}]}),
            Err(format!("{at}validations[0]: expression is required")),
        ),
        (
            json!({"validations": [{"expression": "true", "message": ""}]}),
            Err(format!("{at}validations[0]: message is required")),
        ),
        (
            json!({"validations": [{"expression": "claims.x", "message": "m"}]}),
            Err(format!(
                "{at}invalid expression for validation \"m\": CEL expression output type mismatch: expected bool, got dyn"
            )),
        ),
    ];
    for (changes, expected) in table {
        assert_eq!(provider(&changes), expected, "{changes}");
    }
    let twice = json!({"issuerURL": "https://i", "validations": [{"expression": "true", "message": "m"}]});
    let twice = verdict(&json!({"type": "generic-oidc", "secretRef": null, "oidcProviders": [twice, twice]}));
    assert_eq!(twice, Err("oidcProviders[1] (issuerURL=\"https://i\"): issuerURL is not unique".to_owned()));
}
