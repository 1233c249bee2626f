//! `crds`: rows for the transformers' tables from the hints in API definitions (`x-kubernetes-annotation` and the like).
//!
//! A file maps type names to `Schema`s. It does not read `CustomResourceDefinition` objects, as kustomize does not.

use sluice_yaml::{Limits, Mapping, Node};

use crate::config::{BackReference, Config};
use crate::decode::{DecodeError, Fields};
use crate::error::Cause;
use crate::fieldspec::FieldSpec;
use crate::id::Gvk;

/// Depth of references from type to type; types that contain themselves would never end.
const MAX_DEPTH: usize = 32;
/// Rows of one file: types that refer to each other many times over multiply.
const MAX_ROWS: usize = 10_000;

const ANNOTATION: &str = "x-kubernetes-annotation";
const LABEL_SELECTOR: &str = "x-kubernetes-label-selector";
const IDENTITY: &str = "x-kubernetes-identity";
const REFERENCE_VERSION: &str = "x-kubernetes-object-ref-api-version";
const REFERENCE_KIND: &str = "x-kubernetes-object-ref-kind";
const REFERENCE_NAME_KEY: &str = "x-kubernetes-object-ref-name-key";

/// The rows that one file of definitions asks for.
pub(crate) fn crd_config(content: &[u8], file: &str, limits: &Limits) -> Result<Config, Cause> {
    let fail = |problem: String| Cause::from(format!("unable to parse open API definition from '{file}': {problem}"));
    let node = sluice_yaml::read_config(content, limits).map_err(|error| fail(error.to_string()))?.unwrap_or_default();
    let definitions = Definitions::new(&node).map_err(|error| fail(error.to_string()))?;
    let mut config = Config::default();
    for (name, properties) in &definitions.0 {
        if ["kind", "apiVersion", "metadata"].iter().all(|field| properties.get(field).is_some()) {
            let kind = name.rsplit('.').next().unwrap_or_default();
            let mut walk =
                Walk { definitions: &definitions, gvk: Gvk::new("", "", kind), rows: 0, config: &mut config };
            walk.visit(name, &mut Vec::new())?;
        }
    }
    config.sort();
    Ok(config)
}

/// Type names and properties.
struct Definitions<'n>(Vec<(&'n str, &'n Mapping)>);

impl<'n> Definitions<'n> {
    fn new(node: &'n Node) -> Result<Self, DecodeError> {
        static NONE: std::sync::LazyLock<Mapping> = std::sync::LazyLock::new(Mapping::default);
        let Some(mapping) = node.as_mapping() else {
            return Fields::new(node, "nameToApiMap").map(|_| Self(Vec::new()));
        };
        let mut definitions = Vec::new();
        for (name, definition) in mapping.iter() {
            let mut fields = Fields::new(definition, "OpenAPIDefinition")?;
            let schema = fields.take("schema");
            let properties = schema.and_then(|schema| schema.get("properties")).and_then(Node::as_mapping);
            definitions.push((name, properties.unwrap_or(&NONE)));
        }
        Ok(Self(definitions))
    }

    fn get(&self, name: &str) -> Option<&'n Mapping> {
        self.0.iter().find(|(have, _)| *have == name).map(|(_, properties)| *properties)
    }
}

struct Walk<'w, 'n> {
    definitions: &'w Definitions<'n>,
    gvk: Gvk,
    rows: usize,
    config: &'w mut Config,
}

impl Walk<'_, '_> {
    fn visit(&mut self, name: &str, path: &mut Vec<String>) -> Result<(), Cause> {
        if path.len() > MAX_DEPTH {
            return Err(format!("type '{name}' is nested deeper than {MAX_DEPTH}").into());
        }
        let Some(properties) = self.definitions.get(name) else { return Ok(()) };
        for (field, property) in properties.iter() {
            path.push(field.to_owned());
            self.hints(property, path)?;
            if let Some(reference) = property.get("$ref").and_then(Node::as_str) {
                self.visit(reference, path)?;
            }
            path.pop();
        }
        Ok(())
    }

    fn hints(&mut self, property: &Node, path: &[String]) -> Result<(), Cause> {
        let text = |hint: &str| property.get(hint).and_then(Node::as_str);
        let row = |path: &[String]| FieldSpec::new(self.gvk.clone(), &path.join("/"), false);
        let mut added = Config::default();
        if text(ANNOTATION).is_some() {
            added.common_annotations.push(row(path));
        }
        if text(LABEL_SELECTOR).is_some() {
            added.common_labels.push(row(path));
        }
        if text(IDENTITY).is_some() {
            added.name_prefix.push(row(path));
        }
        if let (Some(version), Some(kind)) = (text(REFERENCE_VERSION), text(REFERENCE_KIND)) {
            let mut path = path.to_vec();
            path.push(text(REFERENCE_NAME_KEY).unwrap_or("name").to_owned());
            let referrers = vec![row(&path)];
            added.name_reference.push(BackReference { target: Gvk::new("", version, kind), referrers });
        }
        if added == Config::default() {
            return Ok(());
        }
        self.rows += 1;
        if self.rows > MAX_ROWS {
            return Err(format!("more than {MAX_ROWS} fields have hints").into());
        }
        Ok(self.config.merge(&added)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_become_rows_through_references_between_types() {
        let file = r#"{"a.Thing": {"Schema": {"properties": {
            "apiVersion": {}, "kind": {}, "metadata": {}, "spec": {"$ref": "a.Spec"}}}},
          "a.Spec": {"Schema": {"properties": {
            "marks": {"x-kubernetes-annotation": ""}, "chosen": {"x-kubernetes-label-selector": ""},
            "bee": {"x-kubernetes-object-ref-api-version": "v1beta1", "x-kubernetes-object-ref-kind": "Bee"}}}}}"#;
        let config = crd_config(file.as_bytes(), "f", &Limits::DEFAULT).unwrap();
        let row = |path| FieldSpec::new(Gvk::new("", "", "Thing"), path, false);
        let expected = Config {
            common_annotations: vec![row("spec/marks")],
            common_labels: vec![row("spec/chosen")],
            name_reference: vec![BackReference {
                target: Gvk::new("", "v1beta1", "Bee"),
                referrers: vec![row("spec/bee/name")],
            }],
            ..Config::default()
        };
        assert_eq!(config, expected);
    }

    #[test]
    fn types_within_themselves_end() {
        let file = r#"{"a.T": {"Schema": {"properties": {"apiVersion": {}, "kind": {}, "metadata": {}, "t": {"$ref": "a.T"}}}}}"#;
        let error = crd_config(file.as_bytes(), "f", &Limits::DEFAULT).unwrap_err();
        assert_eq!(error.to_string(), "type 'a.T' is nested deeper than 32");
    }
}
