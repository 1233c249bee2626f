//! The kustomization file as a structure, decoded strictly. What the fields do is elsewhere.

use std::collections::BTreeMap;
use std::fmt;

use sluice_yaml::Node;

use crate::config::{decode_gvk, field_specs};
use crate::decode::{DecodeError, Fields};
use crate::fieldspec::FieldSpec;
use crate::id::{Gvk, ResId, split_api_version};

/// Names of a kustomization file, in order of preference.
pub(crate) const FILE_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

pub(crate) const COMPONENT: &str = "Component";
pub(crate) const KUSTOMIZATION: &str = "Kustomization";
pub(crate) const KUSTOMIZATION_VERSION: &str = "kustomize.config.k8s.io/v1beta1";
pub(crate) const COMPONENT_VERSION: &str = "kustomize.config.k8s.io/v1alpha1";

/// Fields that this engine refuses, with the reason.
const REFUSED: [(&str, &str); 3] = [
    ("helmCharts", "helm charts are not inflated"),
    ("helmChartInflationGenerator", "helm charts are not inflated"),
    ("helmGlobals", "helm charts are not inflated"),
];

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

/// A kustomization file or component.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kustomization {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) namespace: String,
    pub(crate) name_prefix: String,
    pub(crate) name_suffix: String,
    pub(crate) resources: Vec<String>,
    pub(crate) components: Vec<String>,
    pub(crate) common_labels: BTreeMap<String, String>,
    pub(crate) labels: Vec<Label>,
    pub(crate) common_annotations: BTreeMap<String, String>,
    pub(crate) patches_strategic_merge: Vec<String>,
    pub(crate) patches_json6902: Vec<Patch>,
    pub(crate) patches: Vec<Patch>,
    pub(crate) images: Vec<Image>,
    pub(crate) replacements: Vec<Replacement>,
    /// `replacements` as written, for messages.
    pub(crate) replacements_source: Vec<Node>,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) vars: Vec<Var>,
    pub(crate) sort_options: Option<SortOptions>,
    pub(crate) configurations: Vec<String>,
    pub(crate) config_maps: Vec<GeneratorArgs>,
    pub(crate) secrets: Vec<GeneratorArgs>,
    pub(crate) transformers: Vec<String>,
    pub(crate) validators: Vec<String>,
    pub(crate) crds: Vec<String>,
    /// `openapi`: `version` or `path`.
    pub(crate) openapi: BTreeMap<String, String>,
    pub(crate) generators: Vec<String>,
    pub(crate) build_metadata: Vec<String>,
    /// Names of deprecated fields in use, in the order of their warnings.
    pub(crate) deprecated: Vec<&'static str>,
    /// Whether nothing but the type is set.
    pub(crate) empty: bool,
    /// A field that is not implemented: name, reason, line.
    pub(crate) refused: Option<(&'static str, &'static str, u32)>,
}

impl Kustomization {
    /// Decodes a file's first document.
    pub(crate) fn decode(node: &Node) -> Result<Self, DecodeError> {
        let mut fields = Fields::new(node, "Kustomization")?;
        let (api_version, kind) = (fields.string("apiVersion")?, fields.string("kind")?);
        fields.reset_any_set();
        let mut deprecated = Vec::new();
        let mut deprecate = |name: &'static str, used: bool| {
            if used {
                deprecated.push(name);
            }
        };
        let bases = fields.optional_strings("bases")?;
        let common_labels = fields.string_map("commonLabels")?;
        let image_tags = fields.optional_list("imageTags", decode_image)?;
        let patches_json6902 = fields.optional_list("patchesJson6902", decode_patch)?;
        let patches_strategic_merge = fields.optional_strings("patchesStrategicMerge")?;
        let vars = fields.optional_list("vars", decode_var)?;
        deprecate("bases", bases.is_some());
        deprecate("commonLabels", common_labels.is_some());
        deprecate("imageTags", image_tags.is_some());
        deprecate("patchesJson6902", patches_json6902.is_some());
        deprecate("patchesStrategicMerge", patches_strategic_merge.is_some());
        deprecate("vars", vars.is_some());
        let refused = REFUSED.iter().find_map(|&(name, why)| fields.line_of(name).map(|line| (name, why, line)));
        for (name, _) in REFUSED {
            fields.take(name);
        }
        if let Some(metadata) = fields.take("metadata") {
            Fields::new(metadata, "ObjectMeta")?;
        }
        let options = fields.nested("generatorOptions", decode_generator_options)?.unwrap_or_default();
        let mut resources = fields.strings("resources")?;
        resources.extend(bases.unwrap_or_default());
        let mut images = fields.list("images", decode_image)?;
        images.extend(image_tags.unwrap_or_default());
        let written = fields.list("replacements", |node| Ok((decode_replacement(node)?, node.clone())))?;
        let (replacements, replacements_source) = written.into_iter().unzip();
        let mut result = Self {
            kind: if kind.is_empty() { KUSTOMIZATION.to_owned() } else { kind },
            api_version,
            namespace: fields.string("namespace")?,
            name_prefix: fields.string("namePrefix")?,
            name_suffix: fields.string("nameSuffix")?,
            resources,
            components: fields.strings("components")?,
            common_labels: common_labels.unwrap_or_default(),
            labels: fields.list("labels", decode_label)?,
            common_annotations: fields.string_map("commonAnnotations")?.unwrap_or_default(),
            patches_strategic_merge: patches_strategic_merge.unwrap_or_default(),
            patches_json6902: patches_json6902.unwrap_or_default(),
            patches: fields.list("patches", decode_patch)?,
            images,
            replacements,
            replacements_source,
            replicas: fields.list("replicas", decode_replica)?,
            vars: vars.unwrap_or_default(),
            sort_options: fields.nested("sortOptions", decode_sort_options)?,
            configurations: fields.strings("configurations")?,
            config_maps: fields.list("configMapGenerator", |node| decode_generator(node, "ConfigMapArgs", &options))?,
            secrets: fields.list("secretGenerator", |node| decode_generator(node, "SecretArgs", &options))?,
            transformers: fields.strings("transformers")?,
            validators: fields.strings("validators")?,
            crds: fields.strings("crds")?,
            openapi: fields.string_map("openapi")?.unwrap_or_default(),
            generators: fields.strings("generators")?,
            build_metadata: fields.strings("buildMetadata")?,
            deprecated,
            empty: false,
            refused,
        };
        if result.api_version.is_empty() {
            let component = result.kind == COMPONENT;
            let version = if component { COMPONENT_VERSION } else { KUSTOMIZATION_VERSION };
            result.api_version.push_str(version);
        }
        result.empty = !fields.any_set();
        fields.finish()?;
        Ok(result)
    }

    /// Complaints about kind and apiVersion.
    pub(crate) fn type_problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.kind != KUSTOMIZATION && self.kind != COMPONENT {
            problems.push(format!("kind should be {KUSTOMIZATION} or {COMPONENT}"));
        }
        let version = if self.kind == COMPONENT { COMPONENT_VERSION } else { KUSTOMIZATION_VERSION };
        if self.api_version != version {
            problems.push(format!("apiVersion for {} should be {version}", self.kind));
        }
        problems
    }
}

/// The warning that kustomize prints for a deprecated field.
pub(crate) fn deprecation_warning(field: &str) -> String {
    let (instead, experimental) = match field {
        "bases" => ("resources", ""),
        "commonLabels" => ("labels", ""),
        "imageTags" => ("images", ""),
        "vars" => ("replacements", "[EXPERIMENTAL] "),
        _ => ("patches", ""),
    };
    format!(
        "# Warning: '{field}' is deprecated. Please use '{instead}' instead. \
         {experimental}Run 'kustomize edit fix' to update your Kustomization automatically."
    )
}

fn decode_label(node: &Node) -> Result<Label, DecodeError> {
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

fn decode_sort_options(node: &Node) -> Result<SortOptions, DecodeError> {
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

fn decode_generator_options(node: &Node) -> Result<GeneratorOptions, DecodeError> {
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

fn decode_var(node: &Node) -> Result<Var, DecodeError> {
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

fn decode_field_options(node: Option<&Node>) -> Result<FieldOptions, DecodeError> {
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
