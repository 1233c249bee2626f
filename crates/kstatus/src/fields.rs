//! Reading fields the way a Go program reads an unstructured object, with its error texts.
//!
//! Two manners: strict ones, where a wrong type is an error, and lenient ones, where it counts as absent. Deliberately not here: what
//! fields mean.

use serde_json::Value;

/// A field of another type than it should have.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FieldError {
    /// On the way to a field, or the field itself.
    #[error("{path} accessor error: {value} is of the type {found}, expected {expected}")]
    Accessor { path: String, value: String, found: &'static str, expected: &'static str },
    /// A part of the conditions.
    #[error("cannot read {0} as part of the conditions")]
    Conditions(&'static str),
}

fn accessor(path: &[&str], value: &Value, expected: &'static str) -> FieldError {
    let (value, found) = described(value);
    FieldError::Accessor { path: format!(".{}", path.join(".")), value, found, expected }
}

/// A value and its type as Go prints them; the contents of lists and maps are left out, they can be long.
fn described(value: &Value) -> (String, &'static str) {
    match value {
        Value::Null => ("<nil>".to_owned(), "<nil>"),
        Value::Bool(value) => (value.to_string(), "bool"),
        Value::Number(number) if number.is_i64() => (number.to_string(), "int64"),
        Value::Number(number) => (number.to_string(), "float64"),
        Value::String(value) => (value.clone(), "string"),
        Value::Array(_) => ("[...]".to_owned(), "[]interface {}"),
        Value::Object(_) => ("map[...]".to_owned(), "map[string]interface {}"),
    }
}

/// The value at a path; `None` if some part of it is missing.
pub(crate) fn field<'o>(object: &'o Value, path: &[&str]) -> Result<Option<&'o Value>, FieldError> {
    let mut value = object;
    for (index, name) in path.iter().enumerate() {
        match value {
            Value::Null => return Ok(None),
            Value::Object(fields) => match fields.get(*name) {
                Some(inner) => value = inner,
                None => return Ok(None),
            },
            other => return Err(accessor(&path[..=index], other, "map[string]interface{}")),
        }
    }
    Ok(Some(value))
}

/// A string, strictly.
pub(crate) fn text<'o>(object: &'o Value, path: &[&str]) -> Result<Option<&'o str>, FieldError> {
    let Some(value) = field(object, path)? else { return Ok(None) };
    value.as_str().map(Some).ok_or_else(|| accessor(path, value, "string"))
}

/// An integer, strictly.
pub(crate) fn integer(object: &Value, path: &[&str]) -> Result<Option<i64>, FieldError> {
    let Some(value) = field(object, path)? else { return Ok(None) };
    value.as_i64().map(Some).ok_or_else(|| accessor(path, value, "int64"))
}

/// A string, or the default if it is missing or none.
pub(crate) fn text_or<'o>(object: &'o Value, path: &[&str], default: &'o str) -> &'o str {
    field(object, path).ok().flatten().and_then(Value::as_str).unwrap_or(default)
}

/// An integer, or the default if it is missing or none.
pub(crate) fn integer_or(object: &Value, path: &[&str], default: i64) -> i64 {
    field(object, path).ok().flatten().and_then(Value::as_i64).unwrap_or(default)
}

/// A condition of an object's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Condition<'o> {
    pub(crate) kind: &'o str,
    pub(crate) status: &'o str,
    pub(crate) reason: &'o str,
    pub(crate) message: &'o str,
}

impl Condition<'_> {
    pub(crate) fn is_true(&self) -> bool {
        self.status == "True"
    }
}

/// All conditions, in the order they have; missing fields are empty.
pub(crate) fn conditions(object: &Value) -> Result<Vec<Condition<'_>>, FieldError> {
    let status = match object.get("status") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Object(status)) => status,
        Some(_) => return Err(FieldError::Conditions("a status that is no map")),
    };
    match status.get("conditions") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(conditions)) => conditions.iter().map(condition).collect(),
        Some(_) => Err(FieldError::Conditions("something that is no list")),
    }
}

fn condition(value: &Value) -> Result<Condition<'_>, FieldError> {
    let field = |name: &str| match value.get(name) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text.as_str()),
        Some(_) => Err(FieldError::Conditions("a field that is no string")),
    };
    if !value.is_object() && !value.is_null() {
        return Err(FieldError::Conditions("an item that is no map"));
    }
    Ok(Condition {
        kind: field("type")?,
        status: field("status")?,
        reason: field("reason")?,
        message: field("message")?,
    })
}
