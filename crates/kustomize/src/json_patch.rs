//! JSON patches (RFC 6902) with the leniencies of the Go library that kustomize uses: negative indices count from the end, `-`
//! appends. It works on JSON values; the resource is converted before and after.

use serde_json::Value as Json;
use sluice_yaml::{Limits, Node, WriteError, YamlError, read_config};
use thiserror::Error;

use crate::growth::{Growth, TooMuchGrowth, json_weight};
use crate::json_spelling::odd_values;

/// How messages about absent paths end.
const MISSING: &str = "missing value";
/// From here on Go writes a floating-point number with an exponent.
const EXPONENT_FROM: u64 = 1_000_000;

/// Why a text is not a JSON patch or does not apply.
#[derive(Debug, Error)]
pub(crate) enum JsonPatchError {
    #[error(transparent)]
    Yaml(#[from] YamlError),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Value(#[from] WriteError),
    #[error("json: cannot unmarshal {found} into Go value of type jsonpatch.Patch")]
    NotAList { found: &'static str },
    #[error("operation {index}: {problem}")]
    BadOperation { index: usize, problem: &'static str },
    #[error("Unexpected kind: {0}")]
    UnknownOperation(String),
    #[error("{operation} operation does not apply: doc is missing path: {path:?}: {MISSING}")]
    MissingPath { operation: &'static str, path: String },
    #[error("replace operation does not apply: doc is missing path: {path}: {MISSING}")]
    MissingReplace { path: String },
    #[error("test operation does not apply: is missing path: {path}: {MISSING}")]
    MissingTest { path: String },
    #[error("{operation} operation does not apply: doc is missing from path: {path}: {MISSING}")]
    MissingFrom { operation: &'static str, path: String },
    #[error("error in copy for from: '{path}': unable to get nonexistent key: {key}: {MISSING}")]
    MissingCopied { path: String, key: String },
    #[error("error in move for path: '{key}': unable to get nonexistent key: {key}: {MISSING}")]
    MissingMoved { key: String },
    #[error("error in remove for path: '{path}': unable to remove nonexistent key: {key}: {MISSING}")]
    MissingRemove { path: String, key: String },
    #[error("{operation} operation does not apply: doc is missing key: {path}: {MISSING}")]
    MissingKey { operation: &'static str, path: String },
    #[error("error in {operation} for path: '{path}': {}", bad_index(key))]
    BadIndex { operation: &'static str, path: String, key: String },
    #[error("testing value {path} failed: test failed")]
    TestFailed { path: String },
    #[error(transparent)]
    Growth(#[from] TooMuchGrowth),
}

/// What is wrong with an index.
fn bad_index(key: &str) -> String {
    if key.parse::<i64>().is_ok() {
        format!("Unable to access invalid index: {key}: invalid index referenced")
    } else {
        format!("value was not a proper array index: '{key}': strconv.Atoi: parsing {key:?}: invalid syntax")
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Operation {
    Add(Json),
    Replace(Json),
    Remove,
    /// With whether the value is spelt as no value of the object is.
    Test(Json, bool),
    Move(String),
    Copy(String),
}

/// A parsed patch.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct JsonPatch(Vec<(String, Operation)>);

impl JsonPatch {
    /// Parses a patch written as JSON or YAML.
    pub(crate) fn parse(text: &str, limits: &Limits) -> Result<Self, JsonPatchError> {
        // What starts as JSON does must be JSON: in YAML's flow style names would not need quotes.
        let mut odd = Vec::new();
        if text.starts_with('[') {
            serde_json::from_str::<Json>(text)?;
            odd = odd_values(text);
        }
        let mut patch =
            read_config(text.as_bytes(), limits)?.map_or_else(|| Ok(Self::default()), |node| Self::from_node(&node))?;
        for ((_, operation), is_odd) in patch.0.iter_mut().zip(odd) {
            if let Operation::Test(_, odd) = operation {
                *odd = is_odd;
            }
        }
        Ok(patch)
    }

    fn from_node(node: &Node) -> Result<Self, JsonPatchError> {
        let Some(items) = node.as_sequence() else {
            let found = match node.to_json()? {
                Json::Object(_) => "object",
                Json::String(_) => "string",
                Json::Number(_) => "number",
                Json::Bool(_) => "bool",
                Json::Null => return Ok(Self::default()),
                Json::Array(_) => "array",
            };
            return Err(JsonPatchError::NotAList { found });
        };
        items.iter().enumerate().map(|(index, item)| operation(index, item)).collect::<Result<_, _>>().map(Self)
    }

    /// Whether an operation takes or replaces all annotations.
    pub(crate) fn takes_annotations(&self) -> bool {
        self.0.iter().any(|(path, operation)| {
            matches!(path.as_str(), "/metadata" | "/metadata/annotations")
                && matches!(operation, Operation::Add(_) | Operation::Replace(_) | Operation::Remove)
        })
    }

    /// Whether an operation before one puts a value at a path or around it.
    fn writes(&self, before: usize, path: &str) -> bool {
        self.0[..before].iter().any(|(written, operation)| {
            matches!(operation, Operation::Add(_) | Operation::Replace(_)) && path.starts_with(written.as_str())
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Applies every operation in order.
    pub(crate) fn apply(&self, document: &mut Json, growth: &Growth) -> Result<(), JsonPatchError> {
        self.0.iter().enumerate().try_for_each(|(index, (path, operation))| {
            // What the patch itself wrote has the spelling of the patch.
            let odd = matches!(operation, Operation::Test(_, true)) && !self.writes(index, path);
            if odd && lookup(document, path).is_some() {
                return Err(JsonPatchError::TestFailed { path: path.clone() });
            }
            apply(document, (path, operation), growth)
        })
    }
}

fn operation(index: usize, item: &Node) -> Result<(String, Operation), JsonPatchError> {
    let bad = |problem| JsonPatchError::BadOperation { index, problem };
    if item.as_mapping().is_none() {
        return Err(bad("must be an object"));
    }
    let text = |field: &str| item.get(field).and_then(Node::as_str).map(str::to_owned);
    let path = text("path").ok_or_else(|| bad("path is missing"))?;
    let value = || item.get("value").map(Node::to_json).transpose();
    let needed = || value()?.ok_or_else(|| bad("value is missing"));
    let from = || text("from").ok_or_else(|| bad("from is missing"));
    let operation = match text("op").unwrap_or_default().as_str() {
        "add" => Operation::Add(needed()?),
        "replace" => Operation::Replace(needed()?),
        "remove" => Operation::Remove,
        "test" => Operation::Test(value()?.unwrap_or_default(), false),
        "move" => Operation::Move(from()?),
        "copy" => Operation::Copy(from()?),
        other => return Err(JsonPatchError::UnknownOperation(other.to_owned())),
    };
    Ok((path, operation))
}

fn apply(document: &mut Json, (path, operation): (&str, &Operation), growth: &Growth) -> Result<(), JsonPatchError> {
    match operation {
        Operation::Add(value) => {
            growth.spend(json_weight(value))?;
            add(document, path, value.clone(), "add")
        }
        Operation::Replace(value) => {
            growth.spend(json_weight(value))?;
            *existing(document, path)? = value.clone();
            Ok(())
        }
        Operation::Remove => remove(document, path, "remove").map(drop),
        Operation::Test(value, _) => {
            let (parent, last) = path.rsplit_once('/').unwrap_or_default();
            let found = lookup(document, path);
            if found.is_none() {
                match lookup(document, parent) {
                    Some(Json::Object(_)) => {}
                    Some(Json::Array(_)) => {
                        return Err(JsonPatchError::BadIndex {
                            operation: "test",
                            path: path.to_owned(),
                            key: last.to_owned(),
                        });
                    }
                    _ => return Err(JsonPatchError::MissingTest { path: path.to_owned() }),
                }
            }
            // A missing field equals null.
            if found.unwrap_or(&Json::Null) == value {
                return Ok(());
            }
            Err(JsonPatchError::TestFailed { path: path.to_owned() })
        }
        Operation::Move(from) => {
            get(document, from, "move")?;
            let value = remove(document, from, "move")?;
            add(document, path, value, "move")
        }
        Operation::Copy(from) => {
            let value = get(document, from, "copy")?;
            growth.spend(json_weight(value))?;
            let value = value.clone();
            add(document, path, value, "copy")
        }
    }
}

/// The document after a patch: the Go library reads all numbers as floating point, which large integers do not survive, and writes those
/// from a million on with an exponent, which is what their text is from then on.
pub(crate) fn rounded(json: Json) -> Json {
    match json {
        Json::Number(number) if number.as_i64().is_some_and(|number| number.unsigned_abs() < EXPONENT_FROM) => {
            Json::Number(number)
        }
        Json::Number(number) => number.as_f64().and_then(serde_json::Number::from_f64).map_or(Json::Null, Json::Number),
        Json::Array(items) => items.into_iter().map(rounded).collect(),
        Json::Object(fields) => fields.into_iter().map(|(key, value)| (key, rounded(value))).collect(),
        other => other,
    }
}

/// The parts of a pointer.
fn parts(path: &str) -> Vec<String> {
    path.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~")).collect()
}

fn position(key: &str, length: usize) -> Option<usize> {
    let index: i64 = key.parse().ok()?;
    let length = i64::try_from(length).ok()?;
    usize::try_from(if index < 0 { index + length } else { index }).ok()
}

fn step<'j>(value: &'j Json, key: &str) -> Option<&'j Json> {
    match value {
        Json::Object(fields) => fields.get(key),
        Json::Array(items) => items.get(position(key, items.len())?),
        _ => None,
    }
}

fn step_mut<'j>(value: &'j mut Json, key: &str) -> Option<&'j mut Json> {
    match value {
        Json::Object(fields) => fields.get_mut(key),
        Json::Array(items) => {
            let at = position(key, items.len())?;
            items.get_mut(at)
        }
        _ => None,
    }
}

fn lookup<'j>(document: &'j Json, path: &str) -> Option<&'j Json> {
    parts(path).iter().try_fold(document, |value, key| step(value, key))
}

/// The value that is to be moved or copied.
fn get<'j>(document: &'j Json, from: &str, operation: &'static str) -> Result<&'j Json, JsonPatchError> {
    lookup(document, from).ok_or_else(|| {
        let (parent, last) = from.rsplit_once('/').unwrap_or_default();
        let key = last.replace("~1", "/").replace("~0", "~");
        match (lookup(document, parent), operation) {
            (Some(Json::Object(_)), "copy") => JsonPatchError::MissingCopied { path: from.to_owned(), key },
            (Some(Json::Object(_)), _) => JsonPatchError::MissingMoved { key },
            (Some(Json::Array(_)), _) => JsonPatchError::BadIndex { operation, path: from.to_owned(), key },
            _ => JsonPatchError::MissingFrom { operation, path: from.to_owned() },
        }
    })
}

/// The container that a path's last part is in, and that part.
fn container<'j>(
    document: &'j mut Json,
    path: &str,
    operation: &'static str,
) -> Result<(&'j mut Json, String), JsonPatchError> {
    let missing = || JsonPatchError::MissingPath { operation, path: path.to_owned() };
    let mut parts = parts(path);
    let last = parts.pop().ok_or_else(missing)?;
    let container = parts.iter().try_fold(document, |value, key| step_mut(value, key)).ok_or_else(missing)?;
    if container.is_object() || container.is_array() { Ok((container, last)) } else { Err(missing()) }
}

fn add(document: &mut Json, path: &str, value: Json, operation: &'static str) -> Result<(), JsonPatchError> {
    if path.is_empty() {
        *document = value;
        return Ok(());
    }
    match container(document, path, operation)? {
        (Json::Object(fields), key) => {
            fields.insert(key, value);
        }
        (Json::Array(items), key) => {
            // Counted from the end, -1 is the place after the last element.
            let at = if key == "-" { Some(items.len()) } else { position(&key, items.len() + 1) };
            let Some(at) = at.filter(|&at| at <= items.len()) else {
                return Err(JsonPatchError::BadIndex { operation, path: path.to_owned(), key });
            };
            items.insert(at, value);
        }
        _ => {}
    }
    Ok(())
}

fn existing<'j>(document: &'j mut Json, path: &str) -> Result<&'j mut Json, JsonPatchError> {
    if path.is_empty() {
        return Ok(document);
    }
    let missing = |_| JsonPatchError::MissingReplace { path: path.to_owned() };
    let (container, key) = container(document, path, "replace").map_err(missing)?;
    step_mut(container, &key).ok_or_else(|| JsonPatchError::MissingKey { operation: "replace", path: path.to_owned() })
}

fn remove(document: &mut Json, path: &str, operation: &'static str) -> Result<Json, JsonPatchError> {
    let missing = |key: String| JsonPatchError::MissingRemove { path: path.to_owned(), key };
    match container(document, path, operation)? {
        (Json::Object(fields), key) => fields.remove(&key).ok_or_else(|| missing(key)),
        (Json::Array(items), key) => match position(&key, items.len()).filter(|&at| at < items.len()) {
            Some(at) => Ok(items.remove(at)),
            None => Err(JsonPatchError::BadIndex { operation, path: path.to_owned(), key }),
        },
        _ => Err(missing(String::new())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn applied(patch: &str) -> Result<Json, String> {
        let mut document = json!({"a": {"b": [1, 2, 3]}, "c/d": 1});
        JsonPatch::parse(patch, &Limits::DEFAULT)
            .and_then(|patch| patch.apply(&mut document, &Growth::default()))
            .map(|()| document)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn operations_apply_in_order() {
        let patch = "- {op: add, path: /a/b/-, value: 4}\n- {op: add, path: /a/b/0, value: 0}\n- {op: remove, path: /a/b/-1}\n\
                     - {op: replace, path: /c~1d, value: yes}\n- {op: copy, from: /a/b, path: /e}\n- {op: move, from: /e/0, path: /f}\n\
                     - {op: test, path: /f, value: 0}\n- {op: add, path: /a/b/-1, value: 9}\n";
        assert_eq!(applied(patch), Ok(json!({"a": {"b": [0, 1, 2, 3, 9]}, "c/d": true, "e": [1, 2, 3], "f": 0})));
    }

    #[test]
    fn what_does_not_apply_is_an_error() {
        for (patch, error) in [
            (
                "- {op: remove, path: /x}",
                "error in remove for path: '/x': unable to remove nonexistent key: x: missing value",
            ),
            (
                "- {op: add, path: /x/y, value: 1}",
                "add operation does not apply: doc is missing path: \"/x/y\": missing value",
            ),
            (
                "- {op: replace, path: /x, value: 1}",
                "replace operation does not apply: doc is missing key: /x: missing value",
            ),
            ("- {op: test, path: /a, value: 1}", "testing value /a failed: test failed"),
            (
                "- {op: add, path: /a/b/9, value: 1}",
                "error in add for path: '/a/b/9': Unable to access invalid index: 9: invalid index referenced",
            ),
            ("- {op: frob, path: /a}", "Unexpected kind: frob"),
            ("- {op: add}", "operation 0: path is missing"),
            ("- {op: add, path: /x}", "operation 0: value is missing"),
            ("[{op: add, path: /x, value: 1}]", "key must be a string at line 1 column 3"),
            ("foo", "json: cannot unmarshal string into Go value of type jsonpatch.Patch"),
        ] {
            assert_eq!(applied(patch), Err(error.to_owned()), "{patch}");
        }
    }

    #[test]
    fn numbers_become_floating_point_ones_which_have_an_exponent_from_a_million_on() {
        let before = json!([1, 999_999, 1_000_000, 9_007_199_254_740_993_u64, i64::MAX, u64::MAX, 0.5]);
        let texts =
            ["1", "999999", "1e+06", "9.007199254740992e+15", "9.223372036854776e+18", "1.8446744073709552e+19", "0.5"];
        let after = Node::from_json(&rounded(before));
        let after: Vec<&str> = after.as_sequence().unwrap().iter().filter_map(Node::text).collect();
        assert_eq!(after, texts);
    }

    #[test]
    fn a_test_in_json_compares_the_spelling_of_what_the_patch_did_not_write() {
        let failed = |path: &str| Err(format!("testing value {path} failed: test failed"));
        let document = json!({"a": {"b": [1, 2, 3]}, "c/d": 1});
        for (patch, expected) in [
            (r#"[{"op": "test", "path": "/c~1d", "value": 1}]"#, Ok(document.clone())),
            (r#"[{"op": "test", "path": "/c~1d", "value": 1.0}]"#, failed("/c~1d")),
            ("- {op: test, path: /c~1d, value: 1.0}", Ok(document.clone())),
            (
                r#"[{"op": "add", "path": "/a", "value": "<"}, {"op": "test", "path": "/a", "value": "<"}]"#,
                Ok(json!({"a": "<", "c/d": 1})),
            ),
        ] {
            assert_eq!(applied(patch), expected, "{patch}");
        }
    }
}
