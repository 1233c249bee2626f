//! Random patches and field paths that fit an object: strategic merges over every kind of list, JSON patches, replacements.
//!
//! Deliberately blind to what earlier steps did to the object: that some edits miss is part of the point.

use fastrand::Rng;
use serde_json::{Value, json};

use super::kinds::object;
use super::scalars::{chance, odd, pick, text};
use super::tree::{Step, at, at_mut, flow, is_plain_map, paths, raw, unmarked};

/// What the generator remembers of an object.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) namespace: Option<String>,
    /// Made by a generator: its name is not what the built object says.
    pub(super) generated: bool,
    pub(super) body: Value,
}

impl Made {
    /// The group, blank for the core one.
    pub(super) fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// The version.
    pub(super) fn version(&self) -> &str {
        self.api_version.rsplit('/').next().unwrap_or_default()
    }

    /// A name to find it by: the original one or, if that is known, the current one.
    pub(super) fn any_name(&self, rng: &mut Rng) -> String {
        let now = unmarked(&self.body["metadata"])["name"].as_str();
        match now {
            Some(now) if !self.generated && chance(rng, 30) => now.to_owned(),
            _ => self.name.clone(),
        }
    }
}

/// A strategic merge patch for an object.
pub(super) fn strategic(rng: &mut Rng, made: &Made) -> Value {
    let name = made.any_name(rng);
    let mut patch = object(rng, &made.api_version, &made.kind, &name);
    if let Some(namespace) = &made.namespace {
        patch["metadata"] = json!({"name": name, "namespace": namespace});
    }
    for _ in 0..rng.usize(0..3) {
        thin(rng, &mut patch);
    }
    for _ in 0..rng.usize(0..3) {
        direct(rng, &mut patch);
    }
    if chance(rng, 2) {
        patch = json!({"apiVersion": made.api_version, "kind": made.kind, "metadata": patch["metadata"], "$patch": "delete"});
    }
    patch
}

/// Paths that are not the object's identity.
fn below(value: &Value) -> Vec<Vec<Step>> {
    let identity = |path: &[Step]| match path {
        [Step::Key(key)] => matches!(key.as_str(), "apiVersion" | "kind" | "metadata"),
        [Step::Key(first), Step::Key(second), ..] => {
            first == "metadata" && (second == "name" || second == "namespace" || second == "\u{4}")
        }
        _ => false,
    };
    paths(value).into_iter().filter(|path| !identity(path)).collect()
}

fn choose(rng: &mut Rng, value: &Value) -> Option<Vec<Step>> {
    let all = below(value);
    (!all.is_empty()).then(|| all[rng.usize(..all.len())].clone())
}

/// Takes something out, so that patches are sparse.
fn thin(rng: &mut Rng, patch: &mut Value) {
    if let Some(path) = choose(rng, patch) {
        super::tree::remove(patch, &path);
    }
}

/// Puts a null or a directive in.
fn direct(rng: &mut Rng, patch: &mut Value) {
    let Some(place) = choose(rng, patch) else { return };
    let Some(found) = at_mut(patch, &place) else { return };
    if chance(rng, 45) {
        *found = if chance(rng, 80) { raw("null") } else { odd(rng) };
        return;
    }
    let strategy = match rng.u8(..20) {
        0..9 => "delete",
        9..15 => "replace",
        15..19 => "merge",
        _ => "odd",
    };
    match found {
        Value::Array(items) => {
            let at = rng.usize(..=items.len());
            items.insert(at, json!({"$patch": strategy}));
        }
        Value::Object(map) if !map.contains_key("\u{3}") && !map.contains_key("\u{4}") => {
            map.insert("$patch".to_owned(), strategy.into());
        }
        _ => {}
    }
}

/// A JSON patch for an object: a list of operations.
pub(super) fn json_patch(rng: &mut Rng, made: &Made) -> Value {
    let operations: Vec<Value> = (0..rng.usize(1..4)).filter_map(|_| operation(rng, &made.body)).collect();
    if operations.is_empty() {
        json!([{"op": "add", "path": "/metadata/labels", "value": {"x": "y"}}])
    } else {
        operations.into()
    }
}

fn operation(rng: &mut Rng, body: &Value) -> Option<Value> {
    let path = choose(rng, body)?;
    let node = at(body, &path)?;
    let place = pointer(&path);
    // Mostly of the same sort as what is there: a list in place of a name stops most builds.
    let value = match rng.u8(..20) {
        5.. => match unmarked(node) {
            Value::Array(items) => items.iter().filter(|_| chance(rng, 70)).cloned().collect(),
            Value::Object(map) => {
                let mut map = map.clone();
                map.retain(|_, _| chance(rng, 80));
                map.into()
            }
            _ if place.starts_with("/metadata/") => text(rng),
            _ => odd(rng),
        },
        0 => json!({"made": odd(rng)}),
        1 => json!([odd(rng), {"a": 1}]),
        2 => text(rng),
        _ => odd(rng),
    };
    let value = match place.as_str() {
        "/metadata/annotations" | "/metadata/labels" if !value.is_object() => json!({"made": text(rng)}),
        _ => value,
    };
    // Copying all annotations would show those that kustomize keeps for itself.
    let kinds = if place == "/metadata/annotations" { 9 } else { 12 };
    Some(match rng.u8(..kinds) {
        0..4 => json!({"op": "replace", "path": place, "value": value}),
        4..7 => match unmarked(node) {
            Value::Array(items) => {
                let end = pick(rng, &["-", "0", "-"]);
                let index = if chance(rng, 10) { items.len().to_string() } else { end.to_owned() };
                json!({"op": "add", "path": format!("{place}/{index}"), "value": items.first().cloned().filter(|_| chance(rng, 50)).unwrap_or(value)})
            }
            Value::Object(_) => {
                json!({"op": "add", "path": format!("{place}/{}", pick(rng, &["new", "a~1b", "t~0", "10", "y"])), "value": value})
            }
            _ => json!({"op": "add", "path": place, "value": value}),
        },
        7..9 => json!({"op": "remove", "path": place}),
        9 => json!({"op": "test", "path": place, "value": node}),
        10 => json!({"op": "copy", "from": place, "path": "/metadata/copied"}),
        _ => json!({"op": "move", "from": place, "path": "/metadata/moved"}),
    })
}

fn pointer(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Key(key) if key == "\u{4}" || key == "\u{3}" => {}
            Step::Key(key) => {
                text.push('/');
                text.push_str(&key.replace('~', "~0").replace('/', "~1"));
            }
            Step::Index(index) => {
                text.push('/');
                text.push_str(&index.to_string());
            }
        }
    }
    text
}

/// A field path of a replacement or variable to a scalar of an object.
pub(super) fn field_path(rng: &mut Rng, body: &Value) -> String {
    let scalars: Vec<Vec<Step>> = below(body)
        .into_iter()
        .filter(|path| at(body, path).is_some_and(|node| !node.is_array() && !node.is_object()))
        .collect();
    if scalars.is_empty() || chance(rng, 30) {
        return "metadata.name".to_owned();
    }
    let path = &scalars[rng.usize(..scalars.len())];
    let mut parts = Vec::new();
    for (index, step) in path.iter().enumerate() {
        match step {
            Step::Key(key) if key == "\u{4}" => {}
            Step::Key(key) if key.contains('.') => {
                parts.push(if chance(rng, 50) { format!("[{key}]") } else { key.replace('.', "\\.") });
            }
            Step::Key(key) => parts.push(key.clone()),
            Step::Index(number) => {
                let name =
                    at(body, &path[..=index]).and_then(|item| unmarked(item).get("name")).and_then(Value::as_str);
                // Names are compared as they are written, in quotes if they have some.
                let word = |name: &&str| name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-');
                let name = name.filter(word);
                parts.push(match (name, rng.u8(..4)) {
                    (Some(name), 0..3) => format!("[name={name}]"),
                    (_, 3) if index % 2 == 0 => "*".to_owned(),
                    _ => number.to_string(),
                });
            }
        }
    }
    parts.join(".")
}

/// A selector that finds an object, and perhaps more.
pub(super) fn target(rng: &mut Rng, made: &Made) -> Value {
    let mut target = json!({});
    if chance(rng, 85) {
        target["kind"] = json!(if chance(rng, 10) { ".*".to_owned() } else { made.kind.clone() });
    }
    if chance(rng, 60) {
        target["name"] = json!(match rng.u8(..5) {
            0 => format!("{}.*", &made.name[..1]),
            1 => format!("{}|nothing", made.name),
            _ => made.any_name(rng),
        });
    }
    if chance(rng, 15) && !made.group().is_empty() {
        target["group"] = json!(made.group());
    }
    if chance(rng, 10) {
        target["version"] = json!(pick(rng, &["v1", "v.*"]));
    }
    if chance(rng, 10) {
        target["labelSelector"] = json!(pick(rng, &["app", "app=web", "!tier", "app in (web,api)", "app!=web,tier"]));
    }
    if chance(rng, 5) {
        target["annotationSelector"] = json!(pick(rng, &["note", "!note", "note=web"]));
    }
    if chance(rng, 5) {
        target["namespace"] = json!(pick(rng, &["shop", "default", "s.*"]));
    }
    if target.as_object().is_some_and(serde_json::Map::is_empty) {
        target["kind"] = json!(made.kind);
    }
    if chance(rng, 15) && is_plain_map(&target) { flow(target) } else { target }
}
