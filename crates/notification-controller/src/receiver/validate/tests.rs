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
    validate(&object(spec)).map_err(|error| error.to_string())
}

#[test]
fn a_spec_is_served_or_the_first_broken_rule_is_named() {
    let oidc = json!([{"issuerURL": "https://i", "validations": [{"expression": "true", "message": "m"}]}]);
    let filtered = json!([{"kind": "Bucket", "name": "b"}, {"kind": "Bucket", "name": "*", "filter": "true"}]);
    let table = [
        (json!({}), Ok(())),
        (json!({"type": "gitlab"}), Ok(())),
        (json!({"resourceFilter": ""}), Ok(())),
        (
            json!({"resourceFilter": "true", "resources": filtered}),
            Err("invalid resourceFilter expression: filters are not supported yet"),
        ),
        (
            json!({"resources": filtered, "secretRef": null}),
            Err(
                "invalid filter expression for resources[1] (kind=\"Bucket\", name=\"*\"): filters are not supported yet",
            ),
        ),
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
        (
            json!({"type": "generic-oidc", "oidcProviders": oidc, "secretRef": null}),
            Err("receivers of type 'generic-oidc' are not supported yet"),
        ),
    ];
    for (changes, expected) in table {
        assert_eq!(verdict(&changes), expected.map_err(str::to_owned), "{changes}");
    }
}
