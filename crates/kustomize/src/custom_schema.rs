//! `openapi.path`: an API schema that takes the place of the built-in one for strategic merge.
//!
//! Of a schema only what merging needs is kept: fields, list elements, merge keys, and which type an object has. It does not
//! validate objects.

use std::collections::HashMap;

use sluice_yaml::{Limits, Node, YamlError};

/// References followed from one type to the next; a type that is only a reference to itself would never end.
const MAX_REFERENCES: usize = 64;
/// How a reference to a definition of the same file starts.
const LOCAL: &str = "#/definitions/";

/// The type of a field, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TypeId(usize);

/// One type.
#[derive(Debug, Default, PartialEq, Eq)]
struct Shape {
    /// A reference to a definition, which stands for this type.
    reference: Option<String>,
    fields: HashMap<String, TypeId>,
    /// The type of all other fields.
    others: Option<TypeId>,
    element: Option<TypeId>,
    /// Keys of a list that is merged; empty for a set of scalars.
    merge_keys: Option<Vec<String>>,
}

/// The schema of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct CustomSchema {
    shapes: Vec<Shape>,
    definitions: HashMap<String, TypeId>,
    /// Types of objects by group, version and kind.
    objects: HashMap<[String; 3], TypeId>,
    /// It stands beside the built-in schema: objects had been read before a base chose it.
    pub(crate) is_added: bool,
}

impl CustomSchema {
    /// Reads a file of `definitions`, in JSON or YAML.
    pub(crate) fn parse(content: &[u8], limits: &Limits) -> Result<Self, YamlError> {
        let node = sluice_yaml::read_config(content, limits)?.unwrap_or_default();
        let mut schema = Self::default();
        let definitions = node.get("definitions").and_then(Node::as_mapping);
        for (name, definition) in definitions.into_iter().flat_map(sluice_yaml::Mapping::iter) {
            let id = schema.add(definition);
            schema.definitions.insert(name.to_owned(), id);
            let objects = definition.get("x-kubernetes-group-version-kind").and_then(Node::as_sequence);
            for object in objects.unwrap_or_default() {
                let key = ["group", "version", "kind"]
                    .map(|part| object.get(part).and_then(Node::as_str).unwrap_or_default().to_owned());
                schema.objects.insert(key, id);
            }
        }
        Ok(schema)
    }

    /// The type of an object.
    pub(crate) fn object(&self, group: &str, version: &str, kind: &str) -> Option<TypeId> {
        self.objects.get(&[group, version, kind].map(str::to_owned)).copied()
    }

    /// The type of a field; `None` if nothing is known of it.
    pub(crate) fn field(&self, id: TypeId, name: &str) -> Option<TypeId> {
        let shape = self.resolve(id)?;
        shape.fields.get(name).copied().or(shape.others)
    }

    /// Keys and element type of a list that is merged; no keys for a set of scalars.
    pub(crate) fn list(&self, id: TypeId) -> Option<(&[String], Option<TypeId>)> {
        let shape = self.resolve(id)?;
        Some((shape.merge_keys.as_deref()?, shape.element))
    }

    fn resolve(&self, id: TypeId) -> Option<&Shape> {
        let mut shape = self.shapes.get(id.0)?;
        for _ in 0..MAX_REFERENCES {
            let Some(reference) = &shape.reference else { return Some(shape) };
            shape = self.shapes.get(self.definitions.get(reference)?.0)?;
        }
        None
    }

    /// The depth of the file, and so of this recursion, is bounded by the reader.
    fn add(&mut self, node: &Node) -> TypeId {
        let id = TypeId(self.shapes.len());
        self.shapes.push(Shape::default());
        let text = |field: &str| node.get(field).and_then(Node::as_str);
        let mut shape = Shape {
            reference: text("$ref").and_then(|reference| reference.strip_prefix(LOCAL)).map(str::to_owned),
            merge_keys: text("x-kubernetes-patch-strategy").map(|_| {
                let listed = node.get("x-kubernetes-list-map-keys").and_then(Node::as_sequence);
                match listed {
                    Some(keys) => keys.iter().filter_map(Node::as_str).map(str::to_owned).collect(),
                    None => text("x-kubernetes-patch-merge-key").map(str::to_owned).into_iter().collect(),
                }
            }),
            ..Shape::default()
        };
        if let Some(properties) = node.get("properties").and_then(Node::as_mapping) {
            for (name, property) in properties.iter() {
                let field = self.add(property);
                shape.fields.insert(name.to_owned(), field);
            }
        }
        shape.others =
            node.get("additionalProperties").filter(|value| value.as_mapping().is_some()).map(|value| self.add(value));
        shape.element = node.get("items").filter(|value| value.as_mapping().is_some()).map(|value| self.add(value));
        self.shapes[id.0] = shape;
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_references_and_merge_keys_are_found_and_circles_end() {
        let file = r##"{"definitions": {
            "a.T": {"properties": {"list": {"$ref": "#/definitions/a.L"}, "loop": {"$ref": "#/definitions/loop"}},
                    "x-kubernetes-group-version-kind": [{"group": "a", "version": "v1", "kind": "T"}]},
            "a.L": {"items": {"properties": {"x": {}}}, "x-kubernetes-patch-strategy": "merge",
                    "x-kubernetes-list-map-keys": ["n", "p"], "x-kubernetes-patch-merge-key": "n"},
            "loop": {"$ref": "#/definitions/loop"}}}"##;
        let schema = CustomSchema::parse(file.as_bytes(), &Limits::DEFAULT).unwrap();
        let object = schema.object("a", "v1", "T").unwrap();
        let list = schema.field(object, "list").unwrap();
        let (keys, element) = schema.list(list).unwrap();
        assert_eq!(keys, ["n", "p"]);
        assert!(schema.field(element.unwrap(), "x").is_some());
        let circle = schema.field(object, "loop").unwrap();
        assert_eq!((schema.field(circle, "x"), schema.list(circle)), (None, None));
        assert_eq!(schema.object("", "v1", "Pod"), None);
    }
}
