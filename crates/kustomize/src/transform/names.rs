//! `namePrefix` and `nameSuffix`, and the hashes behind the names of generated objects.

use sluice_yaml::Node;

use super::{Transform, TransformError};
use crate::error::Cause;
use crate::fieldspec::{Create, FieldSpec, expect_scalar, set_text};
use crate::hash::content_hash;
use crate::id::Gvk;
use crate::resmap::ResMap;
use crate::resource::Resource;

/// Which end of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Affix {
    /// In front.
    Prefix,
    /// Behind.
    Suffix,
}

/// Adds a prefix or suffix to names.
#[derive(Debug)]
pub(crate) struct Affixes {
    pub(crate) affix: Affix,
    pub(crate) text: String,
    pub(crate) specs: Vec<FieldSpec>,
}

/// Kinds whose name says what they are and must not change.
fn keeps_its_name(gvk: &Gvk) -> bool {
    match gvk.kind.as_str() {
        "CustomResourceDefinition" | "Namespace" => true,
        "APIService" => gvk.group == "apiregistration.k8s.io",
        _ => false,
    }
}

impl Transform for Affixes {
    fn apply(&self, resources: &mut ResMap) -> Result<(), TransformError> {
        if self.text.is_empty() {
            return Ok(());
        }
        resources.edit_all(|resource| {
            let (original, ..) = resource.original();
            if keeps_its_name(&original) {
                return Ok(());
            }
            for spec in &self.specs {
                if !original.is_selected_by(&spec.gvk) {
                    continue;
                }
                if spec.path == "metadata/name" {
                    match self.affix {
                        Affix::Prefix => resource.prefixes.push(self.text.clone()),
                        Affix::Suffix => resource.suffixes.push(self.text.clone()),
                    }
                    resource.store_past_id();
                }
                spec.visit(&mut resource.node, &resource.id, Create::Scalar, &mut |field| {
                    expect_scalar(field)?;
                    let old = field.text().unwrap_or_default();
                    let new = match self.affix {
                        Affix::Prefix => format!("{}{old}", self.text),
                        Affix::Suffix => format!("{old}{}", self.text),
                    };
                    set_text(field, &new)
                })?;
                resource.refresh();
            }
            Ok(())
        })
    }
}

/// Hashes the names of generated objects early; they get another hash at the end.
pub(crate) struct AppendHashes;

impl Transform for AppendHashes {
    fn apply(&self, resources: &mut ResMap) -> Result<(), TransformError> {
        resources.edit_all(|resource| append_hash(resource).map_err(TransformError::Hash))
    }
}

/// Puts the hash of a generated object behind its name.
pub(crate) fn append_hash(resource: &mut Resource) -> Result<(), Cause> {
    if !resource.needs_hash {
        return Ok(());
    }
    for field in ["data", "binaryData", "stringData"] {
        resource.node.get_mut(field).map_or(Ok(()), Node::refold)?;
    }
    resource.node.refold()?;
    if let Some(hash) = content_hash(&resource.node)? {
        resource.store_past_id();
        resource.set_name(&format!("{}-{hash}", resource.id.name.clone()));
    }
    Ok(())
}
