//! `configMapGenerator` and `secretGenerator`: objects from literals, files and env files. Files are read by the caller's reader;
//! absorbing the result into what is there is the caller's.

use std::collections::{BTreeMap, HashSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sluice_yaml::{Key, Mapping, Node, Scalar, Tag};
use thiserror::Error;

use crate::error::go_quote;
use crate::kustomization::GeneratorArgs;
use crate::resource::{Behavior, Resource};

/// Base64 longer than this is broken into lines of this length.
const LINE: usize = 70;

/// Why an object could not be generated.
#[derive(Debug, Error)]
pub(crate) enum GeneratorError<E: std::error::Error + 'static> {
    #[error("a configmap must have a name")]
    NoName,
    #[error("loading KV pairs: env source files: [{}]", files.join(" "))]
    Envs { files: Vec<String>, source: SourceError<E> },
    #[error("loading KV pairs: literal sources [{}]", literals.join(" "))]
    Literals { literals: Vec<String>, source: SourceError<E> },
    #[error("loading KV pairs: file sources: [{}]", files.join(" "))]
    Files { files: Vec<String>, source: SourceError<E> },
    #[error("configmap {name} illegally repeats the key `{key}`")]
    RepeatedKey { name: String, key: String },
}

/// Why one source of key and value is bad.
#[derive(Debug, Error)]
pub(crate) enum SourceError<E: std::error::Error + 'static> {
    #[error(transparent)]
    Read(E),
    #[error("invalid literal source {0}, expected key=value")]
    Literal(String),
    #[error("missing key name for file path {} in source {}", go_quote(path), go_quote(source_text))]
    NoKey { path: String, source_text: String },
    #[error("missing file path for key name {} in source {}", go_quote(key), go_quote(source_text))]
    NoPath { key: String, source_text: String },
    #[error("source {} key name or file path contains '='", go_quote(.0))]
    TwoEquals(String),
    #[error("line {} has invalid utf8 bytes : {}", go_bytes(.0), String::from_utf8_lossy(.0))]
    NotUtf8(Vec<u8>),
}

/// A line where kustomize means its number and prints its bytes.
fn go_bytes(bytes: &[u8]) -> String {
    let numbers: Vec<String> = bytes.iter().map(u8::to_string).collect();
    format!("[{}]", numbers.join(" "))
}

type Pairs = Vec<(String, Vec<u8>)>;

/// Makes a `ConfigMap` or `Secret`.
pub(crate) fn generate<E: std::error::Error + 'static>(
    kind: &'static str,
    args: &GeneratorArgs,
    read: impl Fn(&str) -> Result<Vec<u8>, E>,
) -> Result<Resource, GeneratorError<E>> {
    if args.name.is_empty() {
        return Err(GeneratorError::NoName);
    }
    let mut metadata: Vec<(&str, Node)> = vec![("name", Node::string(&args.name))];
    if !args.namespace.is_empty() {
        metadata.push(("namespace", Node::string(&args.namespace)));
    }
    for (field, pairs) in [("labels", &args.options.labels), ("annotations", &args.options.annotations)] {
        if !pairs.is_empty() {
            metadata.push((field, string_mapping(pairs).into()));
        }
    }
    let mut object: Vec<(&str, Node)> =
        vec![("apiVersion", Node::string("v1")), ("kind", Node::string(kind)), ("metadata", mapping(metadata).into())];
    let data = data_of(args, read)?;
    if kind == "Secret" {
        let secret_type = if args.secret_type.is_empty() { "Opaque" } else { &args.secret_type };
        object.push(("type", Node::string(secret_type)));
        let data = data_mapping(data.into_iter().map(|(key, value)| (key, Node::string(encode(&value)))));
        object.push(("data", data.into()));
    } else {
        object.extend(config_map_data(data));
    }
    if args.options.immutable {
        object.push(("immutable", Scalar::new(Tag::Bool, "true").into()));
    }
    let mut resource = Resource::new(mapping(object).into());
    resource.needs_hash = !args.options.disable_name_suffix_hash;
    resource.behavior = Behavior::parse(&args.behavior);
    resource.note();
    Ok(resource)
}

fn mapping(fields: Vec<(&str, Node)>) -> Mapping {
    fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn string_mapping(pairs: &BTreeMap<String, String>) -> Mapping {
    // Made keys have no quotes: one that reads as a number is refused at the end.
    let mut mapping = Mapping::default();
    for (key, value) in pairs {
        mapping.insert_plain(key, Node::string(value));
    }
    mapping
}

/// `data` for text, `binaryData` for the rest; neither if there is none of its sort.
pub(crate) fn config_map_data(pairs: Pairs) -> Vec<(&'static str, Node)> {
    let (mut data, mut binary) = (Vec::new(), Vec::new());
    for (key, value) in pairs {
        match String::from_utf8(value) {
            Ok(text) => data.push((key, Node::string(text))),
            Err(error) => binary.push((key, Node::string(encode(error.as_bytes())))),
        }
    }
    [("data", data), ("binaryData", binary)]
        .into_iter()
        .filter(|(_, pairs)| !pairs.is_empty())
        .map(|(field, pairs)| (field, data_mapping(pairs.into_iter()).into()))
        .collect()
}

/// Keys are written without quotes, so that one that reads as a number or the like is refused at the end, as in kustomize.
fn data_mapping(pairs: impl Iterator<Item = (String, Node)>) -> Mapping {
    let mut data: Mapping = pairs.collect();
    for entry in data.entries_mut() {
        entry.key = Key::plain(std::mem::take(&mut entry.key.text));
    }
    data
}

fn data_of<E: std::error::Error + 'static>(
    args: &GeneratorArgs,
    read: impl Fn(&str) -> Result<Vec<u8>, E>,
) -> Result<Pairs, GeneratorError<E>> {
    let mut pairs =
        env_pairs(&args.envs, &read).map_err(|source| GeneratorError::Envs { files: args.envs.clone(), source })?;
    for literal in &args.literals {
        let pair = literal_pair(literal)
            .map_err(|source| GeneratorError::Literals { literals: args.literals.clone(), source })?;
        pairs.push(pair);
    }
    for file in &args.files {
        let pair =
            file_pair(file, &read).map_err(|source| GeneratorError::Files { files: args.files.clone(), source })?;
        pairs.push(pair);
    }
    let mut seen = HashSet::new();
    if let Some((key, _)) = pairs.iter().find(|(key, _)| !seen.insert(key.clone())) {
        return Err(GeneratorError::RepeatedKey { name: args.name.clone(), key: key.clone() });
    }
    Ok(pairs)
}

fn literal_pair<E: std::error::Error>(literal: &str) -> Result<(String, Vec<u8>), SourceError<E>> {
    let Some((key, value)) = literal.split_once('=').filter(|(key, _)| !key.is_empty()) else {
        return Err(SourceError::Literal(literal.to_owned()));
    };
    let unquoted =
        ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote)).unwrap_or(value);
    Ok((key.to_owned(), unquoted.into()))
}

fn file_pair<E: std::error::Error>(
    source: &str,
    read: impl Fn(&str) -> Result<Vec<u8>, E>,
) -> Result<(String, Vec<u8>), SourceError<E>> {
    let text = || source.to_owned();
    let (key, path) = match source.split_once('=') {
        None => (source.rsplit('/').next().unwrap_or(source), source),
        Some((_, rest)) if rest.contains('=') => return Err(SourceError::TwoEquals(text())),
        Some(("", path)) => return Err(SourceError::NoKey { path: path.to_owned(), source_text: text() }),
        Some((key, "")) => return Err(SourceError::NoPath { key: key.to_owned(), source_text: text() }),
        Some(pair) => pair,
    };
    Ok((key.to_owned(), read(path).map_err(SourceError::Read)?))
}

fn env_pairs<E: std::error::Error>(
    files: &[String],
    read: impl Fn(&str) -> Result<Vec<u8>, E>,
) -> Result<Pairs, SourceError<E>> {
    let mut pairs = Vec::new();
    for file in files {
        let content = read(file).map_err(SourceError::Read)?;
        for (index, line) in content.split(|&byte| byte == b'\n').enumerate() {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let line = std::str::from_utf8(line).map_err(|_| SourceError::NotUtf8(line.to_vec()))?;
            let line = if index == 0 { line.trim_start_matches('\u{feff}') } else { line }.trim_start();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            // A bare key is blank: the environment of this process is nobody's business.
            let (key, value) = line.split_once('=').unwrap_or((line, ""));
            if !key.is_empty() {
                pairs.push((key.to_owned(), value.into()));
            }
        }
    }
    Ok(pairs)
}

/// Base64, in lines of 70 if it is longer than one.
fn encode(bytes: &[u8]) -> String {
    let text = STANDARD.encode(bytes);
    if text.len() / LINE == 0 {
        return text;
    }
    let mut lines = String::with_capacity(text.len() + text.len() / LINE + 1);
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(LINE));
        lines.push_str(line);
        lines.push('\n');
        rest = after;
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use sluice_yaml::write;

    use super::*;

    fn generated(kind: &'static str, change: impl FnOnce(&mut GeneratorArgs)) -> Result<String, String> {
        let mut args = GeneratorArgs { name: "g".to_owned(), ..GeneratorArgs::default() };
        change(&mut args);
        let read = |path: &str| -> Result<Vec<u8>, Infallible> {
            Ok(match path {
                "env" => "\u{feff}A=1\n# no\n  B = 2 \nC\n\n".into(),
                "d/bin" => vec![0xff, 0],
                other => other.as_bytes().to_vec(),
            })
        };
        match generate(kind, &args, read) {
            Ok(resource) => {
                let object = resource.node.as_mapping().unwrap();
                let fields = ["data", "binaryData", "type"]
                    .into_iter()
                    .filter_map(|key| Some((key.to_owned(), object.get(key)?.clone())));
                Ok(write(&fields.collect::<Mapping>().into()).unwrap())
            }
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn sources_become_data_in_the_right_field() {
        let config_map = generated("ConfigMap", |args| {
            args.envs = vec!["env".to_owned()];
            args.literals = vec!["l='q=1'".to_owned()];
            args.files = vec!["k=d/f".to_owned(), "d/bin".to_owned()];
        });
        let expected = "binaryData:\n  bin: /wA=\ndata:\n  A: \"1\"\n  'B ': ' 2 '\n  C: \"\"\n  k: d/f\n  l: q=1\n";
        assert_eq!(config_map, Ok(expected.to_owned()));
        let secret = generated("Secret", |args| args.literals = vec![format!("k={}", "a".repeat(100))]);
        let text = STANDARD.encode("a".repeat(100));
        let expected = format!("data:\n  k: |\n    {}\n    {}\ntype: Opaque\n", &text[..70], &text[70..]);
        assert_eq!(secret, Ok(expected));
    }

    #[test]
    fn bad_sources_are_named() {
        let failing =
            |literal: &str| generated("ConfigMap", |args| args.literals = vec![literal.to_owned(), "k=1".to_owned()]);
        assert_eq!(failing("x"), Err("loading KV pairs: literal sources [x k=1]".to_owned()));
        assert_eq!(failing("k=2"), Err("configmap g illegally repeats the key `k`".to_owned()));
    }
}
