//! The custom resource definitions, made of the derived schemas and of what every one of them has in common.
//!
//! Deliberately not a second description of the fields: types, bounds, patterns and texts are in the attributes and doc
//! comments of the types; here is only what derivation writes differently from the contract.

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use crate::constants::{DISABLED, label};
use crate::{kustomize, notification, source};

/// The definitions of all ten kinds, sorted by plural name within their group.
pub fn crds() -> Vec<CustomResourceDefinition> {
    [
        kustomize::Kustomization::crd(),
        notification::Alert::crd(),
        notification::Provider::crd(),
        notification::Receiver::crd(),
        source::Bucket::crd(),
        source::ExternalArtifact::crd(),
        source::GitRepository::crd(),
        source::HelmChart::crd(),
        source::HelmRepository::crd(),
        source::OCIRepository::crd(),
    ]
    .into_iter()
    .map(finish)
    .collect()
}

/// Brings one derived definition to the contract.
fn finish(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    let names = &mut crd.spec.names;
    names.list_kind = Some(format!("{}List", names.kind));
    // Variable substitution over the manifests of the toolkit itself must not touch a text such as `${name}` in a description.
    crd.metadata.annotations.get_or_insert_default().insert(label::SUBSTITUTE.to_owned(), DISABLED.to_owned());
    for version in &mut crd.spec.versions {
        version.subresources.take_if(|subresources| subresources.status.is_none());
        if let Some(schema) = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut()) {
            normalise(schema);
            finish_root(schema);
        }
    }
    crd
}

/// The root: the three fields of every object, nothing required, and the default status.
fn finish_root(root: &mut JSONSchemaProps) {
    root.required = None;
    let properties = root.properties.get_or_insert_default();
    for (name, type_, description) in [
        ("apiVersion", "string", "Group and version of this representation of the object."),
        ("kind", "string", "Kind of the object."),
        ("metadata", "object", "Name, namespace, labels, annotations and the like."),
    ] {
        let property = JSONSchemaProps {
            type_: Some(type_.to_owned()),
            // The API server refuses any description of metadata but its own.
            description: (name != "metadata").then(|| description.to_owned()),
            ..JSONSchemaProps::default()
        };
        properties.insert(name.to_owned(), property);
    }
    if let Some(status) = properties.get_mut("status")
        && status.properties.as_ref().is_some_and(|fields| fields.contains_key("observedGeneration"))
    {
        // Tells an object that was never reconciled from one whose status was lost.
        status.default = Some(JSON(json!({ "observedGeneration": -1 })));
    }
}

/// Removes what derivation adds beyond the contract, in the whole tree.
fn normalise(schema: &mut JSONSchemaProps) {
    schema.title = None;
    schema.nullable = None;
    if let Some(values) = &mut schema.enum_ {
        values.retain(|JSON(value)| !value.is_null());
    }
    if let Some(description) = &mut schema.description {
        *description = unwrap_lines(description);
    }
    for property in schema.properties.iter_mut().flat_map(BTreeMap::values_mut) {
        normalise(property);
    }
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(items)) => normalise(items),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => items.iter_mut().for_each(normalise),
        None => {}
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        normalise(values);
    }
}

/// Doc comments are wrapped for the source file; a description is one line per paragraph.
fn unwrap_lines(text: &str) -> String {
    let paragraphs: Vec<String> =
        text.split("\n\n").map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    paragraphs.join("\n\n")
}

/// CEL rules as the schema extension lists them.
pub(crate) fn cel_rules(rules: &[(&str, &str)]) -> Value {
    rules.iter().map(|(rule, message)| json!({ "rule": rule, "message": message })).collect()
}

/// The schema of `status.conditions`, with the bounds that the library type does not declare.
pub(crate) fn conditions_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": {
            "type": "object",
            "description": "State of the object in one respect.",
            "required": ["lastTransitionTime", "message", "reason", "status", "type"],
            "properties": {
                "lastTransitionTime": {
                    "type": "string",
                    "format": "date-time",
                    "description": "When status, reason or message changed last.",
                },
                "message": {
                    "type": "string",
                    "maxLength": 32768,
                    "description": "Details for people.",
                },
                "observedGeneration": {
                    "type": "integer",
                    "format": "int64",
                    "minimum": 0,
                    "description": "Generation of the spec that the condition is about.",
                },
                "reason": {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 1024,
                    "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
                    "description": "Details for machines: a word in camel case.",
                },
                "status": {
                    "type": "string",
                    "enum": ["True", "False", "Unknown"],
                    "description": "Whether the condition holds.",
                },
                "type": {
                    "type": "string",
                    "maxLength": 316,
                    "pattern": concat!(
                        r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?",
                        r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$"
                    ),
                    "description": "In which respect.",
                },
            },
        },
    })
}

#[cfg(test)]
mod tests;
