//! Variables put into one built object.
//!
//! The object is written as YAML, expanded as text and read again, as in Flux: quotes of the source are gone by then, so that a value may
//! change a field's type. Deliberately not here: where variables come from (`variables`).

use serde_json::Value;
use sluice_envsubst::{Substitution, SubstitutionError};
use sluice_yaml::{Limits, Node, WriteError, YamlError};

const SUBSTITUTE: &str = "kustomize.toolkit.fluxcd.io/substitute";
/// Compared as it is, unlike the other opt-outs.
const DISABLED: &str = "disabled";

/// Why an object cannot be substituted.
#[derive(Debug, thiserror::Error)]
pub(super) enum SubstituteError {
    /// It has no YAML form.
    #[error("cannot be written as YAML")]
    Write(#[source] WriteError),
    /// The text, or a variable's name.
    #[error("envsubst error")]
    Expand(#[source] SubstitutionError),
    /// What came out is no YAML.
    #[error("the result of the substitution is no YAML")]
    Read(#[source] YamlError),
    /// What came out has no JSON form.
    #[error("the result of the substitution has no JSON form")]
    Convert(#[source] WriteError),
}

/// Substitutes in `object`; `None` where it stays as it is.
pub(super) fn substitute(object: &Value, substitution: &Substitution) -> Result<Option<Value>, SubstituteError> {
    if !substitution.runs() || opted_out(object) {
        return Ok(None);
    }
    let text = sluice_yaml::write(&Node::from_json(object)).map_err(SubstituteError::Write)?;
    let Some(text) = substitution.apply(&text).map_err(SubstituteError::Expand)? else { return Ok(None) };
    let node = sluice_yaml::read_config(text.as_bytes(), &Limits::DEFAULT).map_err(SubstituteError::Read)?;
    node.unwrap_or_else(Node::null).to_json().map(Some).map_err(SubstituteError::Convert)
}

fn opted_out(object: &Value) -> bool {
    ["labels", "annotations"]
        .iter()
        .filter_map(|place| object.get("metadata")?.get(place)?.get(SUBSTITUTE)?.as_str())
        .any(|value| value == DISABLED)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use sluice_envsubst::{Limits as Bounds, Strategy, Unset, Variables};
    use sluice_runtime::logging::error_chain;

    use super::*;

    fn with(variables: &[(&str, &str)], strategy: Strategy, unset: Unset) -> Substitution {
        let mut set = Variables::new();
        for (name, value) in variables {
            set.set(*name, value);
        }
        Substitution { variables: set, strategy, unset, limits: Bounds::default() }
    }

    fn config_map(data: &Value) -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data})
    }

    #[test]
    fn values_take_the_type_that_their_text_has() {
        let substitution = with(
            &[("n", "123"), ("b", "yes"), ("e", ""), ("q", "\""), ("t", "a: b")],
            Strategy::WithVariables,
            Unset::Fail,
        );
        let given = config_map(&json!({"n": "${n}", "b": "${b}", "e": "${e}", "q": "${q}${n}${q}", "in": "x${n}y"}));
        let expected = config_map(&json!({"n": 123, "b": true, "e": null, "q": "123", "in": "x123y"}));
        assert_eq!(substitute(&given, &substitution).unwrap(), Some(expected));
    }

    #[test]
    fn without_variables_nothing_is_looked_at_unless_always() {
        let given = config_map(&json!({"a": "${x:=z}"}));
        let none = with(&[], Strategy::WithVariables, Unset::Fail);
        assert_eq!(substitute(&given, &none).unwrap(), None);
        let always = with(&[], Strategy::Always, Unset::Fail);
        assert_eq!(substitute(&given, &always).unwrap(), Some(config_map(&json!({"a": "z"}))));
    }

    #[test]
    fn an_object_can_opt_out_in_this_exact_spelling_only() {
        let substitution = with(&[("x", "1")], Strategy::WithVariables, Unset::Fail);
        for (value, place, left_alone) in [
            ("disabled", "annotations", true),
            ("disabled", "labels", true),
            ("Disabled", "annotations", false),
            ("enabled", "labels", false),
        ] {
            let mut given = config_map(&json!({"a": "v${x}"}));
            given["metadata"][place] = json!({SUBSTITUTE: value});
            assert_eq!(substitute(&given, &substitution).unwrap().is_none(), left_alone, "{place} {value}");
        }
    }

    #[test]
    fn errors_name_the_variable() {
        let given = config_map(&json!({"a": "${missing}"}));
        let cases = [
            (with(&[("x", "1")], Strategy::WithVariables, Unset::Fail), "variable not set (strict mode): \"missing\""),
            (with(&[("values.yaml", "1")], Strategy::WithVariables, Unset::Fail), "'values.yaml' var name is invalid"),
        ];
        for (substitution, expected) in cases {
            let text = error_chain(&substitute(&given, &substitution).unwrap_err());
            assert!(text.starts_with("envsubst error: ") && text.contains(expected), "{text}");
        }
    }
}
