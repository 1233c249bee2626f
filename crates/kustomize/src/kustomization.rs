//! The kustomization file as a structure, decoded strictly. What the fields do is elsewhere.

mod parts;

use std::collections::BTreeMap;

use sluice_yaml::Node;

use crate::decode::{DecodeError, Fields};

pub(crate) use parts::{
    FieldOptions, GeneratorArgs, GeneratorOptions, Image, Label, Patch, Replacement, ReplacementSource,
    ReplacementTarget, Replica, Selector, SortOptions, Var, decode_generator, decode_image, decode_patch,
    decode_replacement, decode_replica, decode_selector,
};
use parts::{decode_generator_options, decode_label, decode_sort_options, decode_var};

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
