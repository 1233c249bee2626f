//! `namePrefix` and `nameSuffix`.

use super::{Transform, TransformError};
use crate::fieldspec::{Create, FieldSpec, expect_scalar, set_text};
use crate::id::Gvk;
use crate::resmap::ResMap;

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
