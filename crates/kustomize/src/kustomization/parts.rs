//! The entries of a kustomization's lists and settings, and how each is decoded. Plugins are configured with the same ones.
//! Not here: the file as a whole, and anything that is done with it.

use std::collections::BTreeMap;
use std::fmt;

use sluice_yaml::Node;

use crate::config::{decode_gvk, field_specs};
use crate::decode::{DecodeError, Fields};
use crate::fieldspec::FieldSpec;
use crate::id::{Gvk, ResId, split_api_version};

/// One `labels` entry.
#[derive(Debug, Clone, Default)]
pub(crate) struct Label {
    pub(crate) pairs: BTreeMap<String, String>,
    pub(crate) include_selectors: bool,
    pub(crate) include_templates: bool,
    pub(crate) field_specs: Vec<FieldSpec>,
}

/// Which resources a patch or replacement is for: anchored regular expressions and selectors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Selector {
    pub(crate) gvk: Gvk,
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) labels: String,
    pub(crate) annotations: String,
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = ResId { gvk: self.gvk.clone(), name: self.name.clone(), namespace: self.namespace.clone() };
        write!(f, "{id}:a={}:l={}", self.annotations, self.labels)
    }
}

/// One patch.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_field_names, reason = "the names of kustomize's fields")]
pub(crate) struct Patch {
    pub(crate) path: String,
    pub(crate) patch: String,
    pub(crate) target: Option<Selector>,
    pub(crate) allow_name_change: bool,
    pub(crate) allow_kind_change: bool,
    /// The entry as written, for messages.
    pub(crate) source: Node,
}

/// One image change.
#[derive(Debug, Clone, Default)]
pub(crate) struct Image {
    pub(crate) name: String,
    pub(crate) new_name: String,
    pub(crate) tag_suffix: String,
    pub(crate) new_tag: String,
    pub(crate) digest: String,
}

/// One replica count.
#[derive(Debug, Clone, Default)]
pub(crate) struct Replica {
    pub(crate) name: String,
    pub(crate) count: i64,
}

/// Options of generated objects.
#[derive(Debug, Clone, Default)]
pub(crate) struct GeneratorOptions {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) disable_name_suffix_hash: bool,
    pub(crate) immutable: bool,
}

/// One generated `ConfigMap` or `Secret`.
#[derive(Debug, Clone, Default)]
pub(crate) struct GeneratorArgs {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) behavior: String,
    pub(crate) literals: Vec<String>,
    pub(crate) files: Vec<String>,
    pub(crate) envs: Vec<String>,
    /// Type of a Secret.
    pub(crate) secret_type: String,
    pub(crate) options: GeneratorOptions,
}

/// One variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Var {
    pub(crate) name: String,
    /// Group, version and kind without what `apiVersion` adds, and the field path without its default: for messages.
    pub(crate) written: (Gvk, String),
    pub(crate) object: ResId,
    pub(crate) field_path: String,
}

impl Var {
    /// As messages show it where its defaults have not been filled in.
    pub(crate) fn as_written(&self) -> String {
        format!("{{{} {} {{{}}}}}", self.name, self.written.0, self.written.1)
    }
}

impl fmt::Display for Var {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{} {} {{{}}}}}", self.name, self.object.gvk, self.field_path)
    }
}

/// How a replacement cuts and joins values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FieldOptions {
    pub(crate) delimiter: String,
    pub(crate) index: i64,
    pub(crate) create: bool,
}

/// Where a replacement's value comes from.
#[derive(Debug, Clone)]
pub(crate) struct ReplacementSource {
    pub(crate) id: ResId,
    pub(crate) field_path: String,
    pub(crate) options: FieldOptions,
}

/// Where a replacement's value goes.
#[derive(Debug, Clone)]
pub(crate) struct ReplacementTarget {
    pub(crate) select: Option<Selector>,
    pub(crate) reject: Vec<Selector>,
    pub(crate) field_paths: Vec<String>,
    pub(crate) options: FieldOptions,
}

/// One replacement, inline or in a file.
#[derive(Debug, Clone)]
pub(crate) struct Replacement {
    pub(crate) source: Option<ReplacementSource>,
    pub(crate) value: Option<String>,
    pub(crate) targets: Option<Vec<ReplacementTarget>>,
    pub(crate) path: String,
}

/// `sortOptions`.
#[derive(Debug, Clone, Default)]
pub(crate) struct SortOptions {
    pub(crate) order: String,
    pub(crate) legacy: Option<(Vec<String>, Vec<String>)>,
}

pub(super) fn decode_label(node: &Node) -> Result<Label, DecodeError> {
    let mut fields = Fields::new(node, "Label")?;
    let label = Label {
        pairs: fields.string_map("pairs")?.unwrap_or_default(),
        include_selectors: fields.boolean("includeSelectors")?,
        include_templates: fields.boolean("includeTemplates")?,
        field_specs: field_specs(&mut fields, "fields")?,
    };
    fields.finish()?;
    Ok(label)
}

pub(crate) fn decode_selector(node: &Node) -> Result<Selector, DecodeError> {
    let mut fields = Fields::new(node, "Selector")?;
    let selector = Selector {
        gvk: decode_gvk(&mut fields)?,
        name: fields.string("name")?,
        namespace: fields.string("namespace")?,
        labels: fields.string("labelSelector")?,
        annotations: fields.string("annotationSelector")?,
    };
    fields.finish()?;
    Ok(selector)
}

/// A patch, from a kustomization file or from the configuration of a plugin.
pub(crate) fn decode_patch(node: &Node) -> Result<Patch, DecodeError> {
    let mut fields = Fields::new(node, "Patch")?;
    let mut patch = Patch {
        path: fields.string("path")?,
        patch: fields.string("patch")?,
        target: fields.nested("target", decode_selector)?,
        source: node.clone(),
        ..Patch::default()
    };
    if let Some(options) = fields.take("options") {
        let mut options = Fields::new(options, "PatchArgs")?;
        patch.allow_name_change = options.boolean("allowNameChange")?;
        patch.allow_kind_change = options.boolean("allowKindChange")?;
        options.finish()?;
    }
    fields.finish()?;
    Ok(patch)
}

pub(crate) fn decode_image(node: &Node) -> Result<Image, DecodeError> {
    let mut fields = Fields::new(node, "Image")?;
    let image = Image {
        name: fields.string("name")?,
        new_name: fields.string("newName")?,
        tag_suffix: fields.string("tagSuffix")?,
        new_tag: fields.string("newTag")?,
        digest: fields.string("digest")?,
    };
    fields.finish()?;
    Ok(image)
}

pub(crate) fn decode_replica(node: &Node) -> Result<Replica, DecodeError> {
    let mut fields = Fields::new(node, "Replica")?;
    let replica = Replica { name: fields.string("name")?, count: fields.integer("count")? };
    fields.finish()?;
    Ok(replica)
}

pub(super) fn decode_sort_options(node: &Node) -> Result<SortOptions, DecodeError> {
    let mut fields = Fields::new(node, "SortOptions")?;
    let order = fields.string("order")?;
    let legacy = match fields.take("legacySortOptions") {
        None => None,
        Some(node) => {
            let mut legacy = Fields::new(node, "LegacySortOptions")?;
            let lists = (legacy.strings("orderFirst")?, legacy.strings("orderLast")?);
            legacy.finish()?;
            Some(lists)
        }
    };
    fields.finish()?;
    Ok(SortOptions { order, legacy })
}

pub(super) fn decode_generator_options(node: &Node) -> Result<GeneratorOptions, DecodeError> {
    let mut fields = Fields::new(node, "GeneratorOptions")?;
    let options = GeneratorOptions {
        labels: fields.string_map("labels")?.unwrap_or_default(),
        annotations: fields.string_map("annotations")?.unwrap_or_default(),
        disable_name_suffix_hash: fields.boolean("disableNameSuffixHash")?,
        immutable: fields.boolean("immutable")?,
    };
    fields.finish()?;
    Ok(options)
}

/// Arguments of a generator; `name` is what kustomize calls the structure.
pub(crate) fn decode_generator(
    node: &Node,
    name: &'static str,
    global: &GeneratorOptions,
) -> Result<GeneratorArgs, DecodeError> {
    let mut fields = Fields::new(node, name)?;
    let mut envs = fields.strings("envs")?;
    envs.extend(fields.optional_string("env")?.filter(|env| !env.is_empty()));
    let mut options = fields.nested("options", decode_generator_options)?.unwrap_or_default();
    for (local, global) in [(&mut options.labels, &global.labels), (&mut options.annotations, &global.annotations)] {
        for (key, value) in global {
            local.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    options.disable_name_suffix_hash |= global.disable_name_suffix_hash;
    options.immutable |= global.immutable;
    let args = GeneratorArgs {
        name: fields.string("name")?,
        namespace: fields.string("namespace")?,
        behavior: fields.string("behavior")?,
        literals: fields.strings("literals")?,
        files: fields.strings("files")?,
        envs,
        secret_type: fields.string("type")?,
        options,
    };
    fields.finish()?;
    Ok(args)
}

pub(super) fn decode_var(node: &Node) -> Result<Var, DecodeError> {
    let mut fields = Fields::new(node, "Var")?;
    let name = fields.string("name")?;
    let mut object = ResId::default();
    let mut written = (Gvk::default(), String::new());
    if let Some(node) = fields.take("objref") {
        let mut reference = Fields::new(node, "Target")?;
        object.gvk = decode_gvk(&mut reference)?;
        written.0 = object.gvk.clone();
        let api_version = reference.string("apiVersion")?;
        if !api_version.is_empty() {
            let (group, version) = split_api_version(&api_version);
            if !group.is_empty() {
                group.clone_into(&mut object.gvk.group);
            }
            version.clone_into(&mut object.gvk.version);
        }
        object.name = reference.string("name")?;
        object.namespace = reference.string("namespace")?;
        reference.finish()?;
    }
    let mut field_path = String::new();
    if let Some(node) = fields.take("fieldref") {
        let mut reference = Fields::new(node, "FieldSelector")?;
        field_path = reference.string("fieldPath")?;
        reference.finish()?;
    }
    fields.finish()?;
    written.1.clone_from(&field_path);
    if field_path.is_empty() {
        "metadata.name".clone_into(&mut field_path);
    }
    Ok(Var { name, written, object, field_path })
}

pub(super) fn decode_field_options(node: Option<&Node>) -> Result<FieldOptions, DecodeError> {
    let Some(node) = node else { return Ok(FieldOptions::default()) };
    let mut fields = Fields::new(node, "FieldOptions")?;
    let options = FieldOptions {
        delimiter: fields.string("delimiter")?,
        index: fields.integer("index")?,
        create: fields.boolean("create")?,
    };
    // Read and ignored by kustomize too.
    fields.string("encoding")?;
    fields.finish()?;
    Ok(options)
}

/// A replacement, from a kustomization file or from a file that one names.
pub(crate) fn decode_replacement(node: &Node) -> Result<Replacement, DecodeError> {
    let mut fields = Fields::new(node, "ReplacementField")?;
    let source = match fields.take("source") {
        None => None,
        Some(node) => {
            let mut source = Fields::new(node, "SourceSelector")?;
            let decoded = ReplacementSource {
                id: ResId {
                    gvk: decode_gvk(&mut source)?,
                    name: source.string("name")?,
                    namespace: source.string("namespace")?,
                },
                field_path: source.string("fieldPath")?,
                options: decode_field_options(source.take("options"))?,
            };
            source.finish()?;
            Some(decoded)
        }
    };
    let targets = fields.optional_list("targets", |node| {
        let mut target = Fields::new(node, "TargetSelector")?;
        let decoded = ReplacementTarget {
            select: target.nested("select", decode_selector)?,
            reject: target.list("reject", decode_selector)?,
            field_paths: target.strings("fieldPaths")?,
            options: decode_field_options(target.take("options"))?,
        };
        target.finish()?;
        Ok(decoded)
    })?;
    // An empty list does not survive the way that the entry takes to the transformer.
    let targets = targets.filter(|targets| !targets.is_empty());
    let replacement =
        Replacement { source, value: fields.optional_string("sourceValue")?, targets, path: fields.string("path")? };
    fields.finish()?;
    Ok(replacement)
}
