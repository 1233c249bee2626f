//! `vars`: `$(NAME)` in the fields of a table is replaced by the value of another resource's field. Deprecated, but in use.

use std::collections::{BTreeMap, BTreeSet};

use sluice_yaml::{Node, Scalar, Style, Tag, Value};

use crate::config::Config;
use crate::fieldpath::{lookup, split_field_path, split_indices};
use crate::fieldspec::{Create, FieldError};
use crate::kustomization::Var;
use crate::resmap::ResMap;

/// Marks the resources that new variables take their value from and adds the variables to those that are known.
pub(crate) fn add_vars(known: &mut Vec<Var>, new: &[Var], resources: &mut ResMap) -> Result<(), String> {
    for var in new {
        let any_namespace = var.object.namespace.is_empty() && !var.object.gvk.is_cluster_scoped();
        let mut wanted = var.object.key();
        // A namespace that is stated is compared as it stands, so that no cluster-scoped object has it.
        if !var.object.namespace.is_empty() {
            wanted.namespace.clone_from(&var.object.namespace);
        }
        let found: Vec<usize> = resources
            .positions()
            .filter(|&index| {
                resources.get(index).keys().iter().any(|key| {
                    key.gvk == wanted.gvk
                        && key.name == wanted.name
                        && (any_namespace || key.namespace == wanted.namespace)
                })
            })
            .collect();
        match found.as_slice() {
            [] => {}
            [one] => resources.edit(*one, |resource| resource.var_names.push(var.name.clone())),
            _ => {
                return Err(format!("found {} resId matches for var {var} (unable to disambiguate)", found.len()));
            }
        }
        if known.iter().any(|have| have.name == var.name) {
            return Err(format!("var '{}' already encountered", var.name));
        }
        known.push(var.clone());
    }
    Ok(())
}

/// Adds the variables of a base.
pub(crate) fn merge_vars(known: &mut Vec<Var>, other: Vec<Var>) -> Result<(), String> {
    for var in other {
        if let Some(have) = known.iter().find(|have| have.name == var.name) {
            return Err(format!("var '{}' already encountered", have.name));
        }
        known.push(var);
    }
    Ok(())
}

/// What variables stand for: alone in a field, and within a text.
type Values<'v> = BTreeMap<&'v str, (Scalar, String)>;

/// A value as Go's decimal parsers read it and as Go prints it: numbers lose their notation. `None` if they refuse it.
fn decoded(scalar: &Scalar) -> Option<(Scalar, String)> {
    let same = |tag, text: String| (Scalar::new(tag, text.as_str()), text);
    // A field that a step made has no type, so that its value is the text that it has.
    if scalar.style == Style::Untyped {
        return Some(same(Tag::Str, scalar.text.clone()));
    }
    Some(match scalar.tag {
        Tag::Int => same(Tag::Int, scalar.text.parse::<i64>().ok()?.to_string()),
        Tag::Float => {
            let value: f64 = scalar.text.parse().ok().filter(|value: &f64| value.is_finite())?;
            (Scalar::new(Tag::Float, value.to_string()), go_short(value))
        }
        Tag::Bool => same(Tag::Bool, scalar.text.to_ascii_lowercase()),
        Tag::Str | Tag::Null | Tag::Timestamp => same(Tag::Str, scalar.text.clone()),
    })
}

/// A number with an exponent where Go's shortest form has one.
pub(crate) fn go_short(value: f64) -> String {
    let scientific = format!("{value:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return value.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}

/// Replaces the variables everywhere and returns the names of those that nothing used.
///
/// A failure also tells which had not been used until then, if it came to using them.
pub(crate) fn resolve(
    vars: &[Var],
    resources: &mut ResMap,
    config: &Config,
) -> Result<Vec<String>, (Vec<String>, String)> {
    let mut values: Values<'_> = BTreeMap::new();
    for var in vars {
        let resource = resources
            .iter()
            .find(|resource| resource.var_names.contains(&var.name))
            .ok_or_else(|| format!("var '{var}' cannot be mapped to a field in the set of known resources"))
            .map_err(|problem| (Vec::new(), problem))?;
        let path = split_indices(split_field_path(&var.field_path));
        let absent = || (Vec::new(), format!("field specified in var '{var}' not found in corresponding resource"));
        let value = lookup(&resource.node, &path).ok_or_else(absent)?;
        // A map or list cannot be put into a text; the variable then stays as it is.
        if let Some(scalar) = value.as_scalar() {
            values.insert(&var.name, decoded(scalar).ok_or_else(absent)?);
        }
    }
    if vars.is_empty() {
        return Ok(Vec::new());
    }
    let mut used: BTreeSet<String> = BTreeSet::new();
    let expanded = resources.edit_all(|resource| {
        for spec in &config.var_reference {
            let mut visited = false;
            spec.visit(&mut resource.node, &resource.id, Create::Never, &mut |field| {
                visited = true;
                expand_field(field, &values, &mut used)
            })?;
            if visited {
                resource.settle_shared();
            }
        }
        Ok::<(), FieldError>(())
    });
    let unused = vars.iter().map(|var| var.name.clone()).filter(|name| !used.contains(name)).collect();
    match expanded {
        Ok(()) => Ok(unused),
        Err(error) => Err((unused, error.to_string())),
    }
}

fn expand_field(field: &mut Node, values: &Values<'_>, used: &mut BTreeSet<String>) -> Result<(), String> {
    match &mut field.value {
        Value::Scalar(scalar) if is_string(scalar) => expand_scalar(scalar, values, used),
        Value::Scalar(_) => {}
        Value::Mapping(mapping) => {
            for value in mapping.values_mut() {
                if let Value::Scalar(scalar) = &mut value.value
                    && is_string(scalar)
                {
                    expand_scalar(scalar, values, used);
                }
            }
        }
        Value::Sequence(items) => {
            for item in items {
                match &mut item.value {
                    Value::Scalar(scalar) if is_string(scalar) => expand_scalar(scalar, values, used),
                    _ => return Err("invalid value type expect a string".to_owned()),
                }
            }
        }
    }
    Ok(())
}

/// Whether a variable may stand in it. Without quotes `<<` is no text but the mark of a merge.
fn is_string(scalar: &Scalar) -> bool {
    let is_mark = scalar.text == "<<" && matches!(scalar.style, Style::Plain | Style::Untyped);
    (scalar.tag == Tag::Str || scalar.style == Style::Untyped) && !is_mark
}

/// Expands in place: other fields may share the scalar.
fn expand_scalar(scalar: &mut Scalar, values: &Values<'_>, used: &mut BTreeSet<String>) {
    let shared = scalar.shared;
    *scalar = Scalar { shared, ..expand(&scalar.text, values, used) };
}

/// Replaces `$(NAME)`; `$$` is a dollar sign; a text that is one variable takes the value's type.
fn expand(text: &str, values: &Values<'_>, used: &mut BTreeSet<String>) -> Scalar {
    let mut result = String::new();
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        let (before, after) = (&rest[..dollar], &rest[dollar + 1..]);
        result.push_str(before);
        if after.is_empty() {
            result.push('$');
            rest = after;
        } else if let Some(after) = after.strip_prefix('$') {
            result.push('$');
            rest = after;
        } else if let Some((name, tail)) = after.strip_prefix('(').and_then(|inner| inner.split_once(')')) {
            if let Some((value, within)) = values.get(name) {
                used.insert(name.to_owned());
                if text.len() == name.len() + 3 {
                    return value.clone();
                }
                result.push_str(within);
            } else {
                result.push_str("$(");
                result.push_str(name);
                result.push(')');
            }
            rest = tail;
        } else {
            result.push('$');
            let first = after.chars().next().map_or(0, char::len_utf8);
            result.push_str(&after[..first]);
            rest = &after[first..];
        }
    }
    result.push_str(rest);
    Scalar::new(Tag::Str, result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_expand_and_dollars_escape() {
        let values = BTreeMap::from([
            ("A", decoded(&Scalar::new(Tag::Str, "x")).unwrap()),
            ("N", decoded(&Scalar::plain("5")).unwrap()),
            ("F", decoded(&Scalar::plain("0.0000001")).unwrap()),
        ]);
        let mut used = BTreeSet::new();
        for (text, expected) in [
            ("$(A)-$(A)", "x-x"),
            ("$$(A)", "$(A)"),
            ("$$$(A)", "$x"),
            ("$(UNKNOWN) $", "$(UNKNOWN) $"),
            ("$A $(A", "$A $(A"),
            ("port-$(N)", "port-5"),
            ("$(F)s", "1e-07s"),
        ] {
            assert_eq!(expand(text, &values, &mut used), Scalar::new(Tag::Str, expected), "{text}");
        }
        assert_eq!(expand("$(N)", &values, &mut used), Scalar::plain("5"));
        assert_eq!(used.len(), 3);
        assert_eq!(decoded(&Scalar::plain("0x10")), None);
    }
}
