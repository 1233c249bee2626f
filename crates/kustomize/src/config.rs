//! The tables of a build: the built-in ones and those that `configurations` add. It holds them; transformers use them.

use sluice_yaml::Node;

use crate::decode::{DecodeError, Fields};
use crate::fieldspec::{FieldError, FieldSpec, merge_specs};
use crate::id::Gvk;

/// Fields in which resources of some kinds name resources of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BackReference {
    pub(crate) target: Gvk,
    pub(crate) referrers: Vec<FieldSpec>,
}

/// One table per transformer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Config {
    pub(crate) name_prefix: Vec<FieldSpec>,
    pub(crate) name_suffix: Vec<FieldSpec>,
    pub(crate) namespace: Vec<FieldSpec>,
    pub(crate) common_labels: Vec<FieldSpec>,
    pub(crate) labels: Vec<FieldSpec>,
    pub(crate) template_labels: Vec<FieldSpec>,
    pub(crate) common_annotations: Vec<FieldSpec>,
    pub(crate) name_reference: Vec<BackReference>,
    pub(crate) var_reference: Vec<FieldSpec>,
    pub(crate) images: Vec<FieldSpec>,
    pub(crate) replicas: Vec<FieldSpec>,
}

impl Config {
    /// Adds the rows of another configuration.
    pub(crate) fn merge(&mut self, other: &Self) -> Result<(), FieldError> {
        for (into, from) in self.spec_tables().into_iter().zip(other.clone().spec_tables()) {
            merge_specs(into, from)?;
        }
        for reference in &other.name_reference {
            match self.name_reference.iter_mut().find(|have| have.target == reference.target) {
                Some(have) => merge_specs(&mut have.referrers, &reference.referrers)?,
                None => self.name_reference.push(reference.clone()),
            }
        }
        self.sort();
        Ok(())
    }

    /// Rows are kept in the order of kinds that applying prefers; messages show it.
    pub(crate) fn sort(&mut self) {
        for table in self.spec_tables() {
            table.sort_by_cached_key(|spec| kind_order(&spec.gvk));
        }
        self.name_reference.sort_by_cached_key(|reference| kind_order(&reference.target));
    }

    fn spec_tables(&mut self) -> [&mut Vec<FieldSpec>; 10] {
        let Self {
            name_prefix,
            name_suffix,
            namespace,
            common_labels,
            labels,
            template_labels,
            common_annotations,
            name_reference: _,
            var_reference,
            images,
            replicas,
        } = self;
        [
            name_prefix,
            name_suffix,
            namespace,
            common_labels,
            labels,
            template_labels,
            common_annotations,
            var_reference,
            images,
            replicas,
        ]
    }

    /// Reads one file of `configurations`.
    pub(crate) fn decode(node: &Node) -> Result<Self, DecodeError> {
        let mut fields = Fields::new(node, "TransformerConfig")?;
        let config = Self {
            name_prefix: field_specs(&mut fields, "namePrefix")?,
            name_suffix: field_specs(&mut fields, "nameSuffix")?,
            namespace: field_specs(&mut fields, "namespace")?,
            common_labels: field_specs(&mut fields, "commonLabels")?,
            labels: field_specs(&mut fields, "labels")?,
            template_labels: field_specs(&mut fields, "templateLabels")?,
            common_annotations: field_specs(&mut fields, "commonAnnotations")?,
            name_reference: fields.list("nameReference", |node| {
                let mut fields = Fields::new(node, "NameBackReferences")?;
                let reference = BackReference {
                    target: decode_gvk(&mut fields)?,
                    referrers: field_specs(&mut fields, "fieldSpecs")?,
                };
                Ok(reference)
            })?,
            var_reference: field_specs(&mut fields, "varReference")?,
            images: field_specs(&mut fields, "images")?,
            replicas: field_specs(&mut fields, "replicas")?,
        };
        fields.finish()?;
        Ok(config)
    }
}

/// A list of field specifications.
pub(crate) fn field_specs(fields: &mut Fields<'_>, name: &'static str) -> Result<Vec<FieldSpec>, DecodeError> {
    fields.list(name, |node| {
        let mut fields = Fields::new(node, "FieldSpec")?;
        let spec = FieldSpec {
            gvk: decode_gvk(&mut fields)?,
            path: fields.string("path")?,
            create: fields.boolean("create")?,
        };
        Ok(spec)
    })
}

/// `group`, `version` and `kind` of a structure that has them inline.
pub(crate) fn decode_gvk(fields: &mut Fields<'_>) -> Result<Gvk, DecodeError> {
    Ok(Gvk { group: fields.string("group")?, version: fields.string("version")?, kind: fields.string("kind")? })
}

fn kind_order(gvk: &Gvk) -> (isize, String) {
    (crate::order::rank(&gvk.kind), gvk.sort_text())
}
