//! `transformers` and `generators`: built-in plugins configured by objects instead of fields of the kustomization. Others are
//! refused.

use sluice_yaml::{Limits, Mapping, Node, Tag, Value};

use crate::config::field_specs;
use crate::decode::{DecodeError, Fields};
use crate::error::{Cause, go_quote};
use crate::kustomization::{
    GeneratorArgs, GeneratorOptions, Patch, Selector, decode_generator, decode_image, decode_patch, decode_replacement,
    decode_replica, decode_selector,
};
use crate::resource::Resource;
use crate::transform::{
    AddEntries, Affix, Affixes, AppendHashes, ImageTag, PatchConfigError, PatchStep, Replacements, ReplicaCount,
    SetNamespace, SubjectMode, Transform, ValueAdd, parse_strategic,
};

/// Reads the text of a file that a configuration names.
pub(crate) type ReadText<'r> = &'r dyn Fn(&str) -> Result<String, Cause>;

/// What a plugin may use of its kustomization.
pub(crate) struct Host<'h> {
    /// Reads a file.
    pub(crate) read: ReadText<'h>,
    /// The name of the kustomization's directory.
    pub(crate) dir_name: &'h str,
}

/// What a plugin is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PluginRole {
    Generator,
    Transformer,
}

/// Built-in generators. The last one inflates helm charts, which is refused.
const GENERATORS: [&str; 4] =
    ["ConfigMapGenerator", "SecretGenerator", "IAMPolicyGenerator", "HelmChartInflationGenerator"];

/// Built-in transformers.
const TRANSFORMERS: [&str; 14] = [
    "AnnotationsTransformer",
    "HashTransformer",
    "ImageTagTransformer",
    "LabelTransformer",
    "NamespaceTransformer",
    "PatchJson6902Transformer",
    "PatchStrategicMergeTransformer",
    "PatchTransformer",
    "PrefixSuffixTransformer",
    "PrefixTransformer",
    "SuffixTransformer",
    "ReplacementTransformer",
    "ReplicaCountTransformer",
    "ValueAddTransformer",
];

/// Whether an object names a plugin that exists and is allowed, in a place where it may stand.
pub(crate) fn check_plugin(resource: &Resource, role: PluginRole) -> Result<(), String> {
    let gvk = &resource.id.gvk;
    let kind = gvk.kind.as_str();
    if gvk.version != "builtin" || !gvk.group.is_empty() {
        return Err(format!("external plugins disabled; unable to load external plugin '{kind}'"));
    }
    match (role, GENERATORS.contains(&kind), TRANSFORMERS.contains(&kind)) {
        (_, false, false) => Err(format!("unable to load builtin {gvk}")),
        (PluginRole::Generator, false, true) => Err(format!("plugin {} not a generator", resource.id)),
        (PluginRole::Transformer, true, false) => Err(format!("plugin {} not a transformer", resource.id)),
        _ => Ok(()),
    }
}

/// Kind and configuration of a built-in plugin.
fn builtin(resource: &Resource) -> Result<(&str, Node), Cause> {
    let kind = resource.id.gvk.kind.as_str();
    // The configuration of a plugin is read once more from its printed form, in which numbers have one spelling.
    // The configuration is written and read before it is used.
    let mut node = resource.node.clone();
    node.refold()?;
    Ok((kind, Node::from_json(&node.to_json()?)))
}

/// What a generator plugin describes.
pub(crate) enum Generator {
    /// A `ConfigMap` or `Secret` to be made: kind and arguments.
    Args(&'static str, Box<GeneratorArgs>),
    /// The object itself.
    Made(Box<Resource>),
}

/// The service account that `IAMPolicyGenerator` describes.
fn service_account(node: &Node) -> Result<Resource, Cause> {
    let text = |path: &[&str]| node.at(path).and_then(Node::text).unwrap_or_default();
    let cloud = text(&["cloud"]);
    if cloud != "gke" {
        return Err(format!("cloud provider {cloud} not supported yet").into());
    }
    let account = format!(
        "{}@{}.iam.gserviceaccount.com",
        text(&["serviceAccount", "name"]),
        text(&["serviceAccount", "projectId"])
    );
    let mapping = |pairs: Vec<(&str, Node)>| -> Mapping {
        pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    };
    let annotations = mapping(vec![("iam.gke.io/gcp-service-account", Node::string(account))]);
    let mut metadata =
        vec![("annotations", annotations.into()), ("name", Node::string(text(&["kubernetesService", "name"])))];
    let namespace = text(&["kubernetesService", "namespace"]);
    if !namespace.is_empty() {
        metadata.push(("namespace", Node::string(namespace)));
    }
    let object = mapping(vec![
        ("apiVersion", Node::string("v1")),
        ("kind", Node::string("ServiceAccount")),
        ("metadata", mapping(metadata).into()),
    ]);
    Ok(Resource::new(object.into()))
}

/// What a generator plugin describes.
pub(crate) fn configure_generator(resource: &Resource) -> Result<Generator, Cause> {
    let (kind, node) = builtin(resource)?;
    let kind = match kind {
        "ConfigMapGenerator" => "ConfigMap",
        "SecretGenerator" => "Secret",
        "IAMPolicyGenerator" => return service_account(&node).map(|made| Generator::Made(Box::new(made))),
        other => return Err(format!("plugin '{other}' is not supported").into()),
    };
    // A plugin's configuration may have other fields, which nobody reads. One of them is the legacy `env`.
    let known = ["namespace", "name", "behavior", "literals", "files", "envs", "options", "type"];
    let fields: Mapping = known.iter().filter_map(|&key| Some((key.to_owned(), node.get(key)?.clone()))).collect();
    let mut args = decode_generator(&fields.into(), "plugin", &GeneratorOptions::default())?;
    for (field, own) in [(&mut args.name, &resource.id.name), (&mut args.namespace, &resource.id.namespace)] {
        if field.is_empty() {
            own.clone_into(field);
        }
    }
    Ok(Generator::Args(kind, Box::new(args)))
}

/// The transformers that one object configures (a prefix and a suffix are two).
pub(crate) fn configure(
    resource: &Resource,
    host: &Host<'_>,
    limits: &Limits,
) -> Result<Vec<Box<dyn Transform>>, Cause> {
    let read = host.read;
    let (kind, node) = builtin(resource)?;
    let mut fields = Fields::new(&node, "Plugin")?;
    let step: Box<dyn Transform> = match kind {
        "AnnotationsTransformer" => Box::new(AddEntries {
            pairs: fields.coerced_map("annotations")?,
            specs: field_specs(&mut fields, "fieldSpecs")?,
        }),
        "LabelTransformer" => Box::new(AddEntries {
            pairs: fields.coerced_map("labels")?,
            specs: field_specs(&mut fields, "fieldSpecs")?,
        }),
        "NamespaceTransformer" => Box::new(namespace(&mut fields)?),
        "PrefixTransformer" => Box::new(affixes(&mut fields, Affix::Prefix)?),
        "SuffixTransformer" => Box::new(affixes(&mut fields, Affix::Suffix)?),
        "PrefixSuffixTransformer" => {
            let specs = field_specs(&mut fields, "fieldSpecs")?;
            let step = |affix, text| Box::new(Affixes { affix, text, specs: specs.clone() }) as Box<dyn Transform>;
            return Ok(vec![
                step(Affix::Prefix, fields.string("prefix")?),
                step(Affix::Suffix, fields.string("suffix")?),
            ]);
        }
        "ImageTagTransformer" => {
            let image = fields.take("imageTag").map(decode_image).transpose()?.unwrap_or_default();
            Box::new(ImageTag::new(image, field_specs(&mut fields, "fieldSpecs")?))
        }
        "ReplicaCountTransformer" => Box::new(ReplicaCount {
            replica: fields.take("replica").map(decode_replica).transpose()?.unwrap_or_default(),
            specs: field_specs(&mut fields, "fieldSpecs")?,
        }),
        "PatchTransformer" => Box::new(patch_step(&plugin_patch(&node)?, read, limits)?),
        "PatchJson6902Transformer" => Box::new(json_step(&plugin_json_patch(&mut fields, &node)?, read, limits)?),
        "PatchStrategicMergeTransformer" => {
            let paths = fields.strings("paths")?;
            let patches = fields.string("patches")?;
            if paths.is_empty() && patches.is_empty() {
                return Err("empty file path and empty patch content".into());
            }
            Box::new(strategic_step((&paths, &patches), read, limits)?)
        }
        "ReplacementTransformer" => {
            Box::new(replacements(fields.list("replacements", decode_replacement)?, read, limits)?)
        }
        "ValueAddTransformer" => Box::new(value_add(&mut fields, host, limits)?),
        "HashTransformer" => Box::new(AppendHashes),
        other => return Err(format!("plugin '{other}' is not supported").into()),
    };
    Ok(vec![step])
}

fn namespace(fields: &mut Fields<'_>) -> Result<SetNamespace, Cause> {
    let namespace = match fields.take("metadata") {
        Some(metadata) => Fields::new(metadata, "ObjectMeta")?.string("namespace")?,
        None => String::new(),
    };
    let mode = fields.string("setRoleBindingSubjects")?;
    let subjects = SubjectMode::parse(&mode).ok_or_else(|| {
        format!(
            "invalid value {mode:?} for setRoleBindingSubjects: \
             must be one of \"defaultOnly\", \"none\" or \"allServiceAccounts\""
        )
    })?;
    Ok(SetNamespace {
        namespace,
        specs: field_specs(fields, "fieldSpecs")?,
        unset_only: fields.boolean("unsetOnly")?,
        subjects,
    })
}

fn affixes(fields: &mut Fields<'_>, affix: Affix) -> Result<Affixes, DecodeError> {
    let name = if affix == Affix::Prefix { "prefix" } else { "suffix" };
    Ok(Affixes { affix, text: fields.string(name)?, specs: field_specs(fields, "fieldSpecs")? })
}

fn without_type(node: &Node) -> Node {
    let mut only = node.clone();
    if let Some(mapping) = only.as_mapping_mut() {
        for field in ["apiVersion", "kind", "metadata"] {
            mapping.remove(field);
        }
    }
    only
}

/// A patch among the type fields of a plugin.
fn plugin_patch(node: &Node) -> Result<Patch, DecodeError> {
    let mut patch = decode_patch(&without_type(node))?;
    patch.source = node.clone();
    Ok(patch)
}

fn plugin_json_patch(fields: &mut Fields<'_>, node: &Node) -> Result<Patch, DecodeError> {
    Ok(Patch {
        path: fields.string("path")?,
        patch: fields.string("jsonOp")?,
        target: fields.take("target").map(decode_selector).transpose()?,
        source: node.clone(),
        ..Patch::default()
    })
}

fn value_add(fields: &mut Fields<'_>, host: &Host<'_>, limits: &Limits) -> Result<ValueAdd, Cause> {
    let mut targets = value_targets(fields)?;
    let path = fields.string("targetFilePath")?;
    if !path.is_empty() {
        let text = (host.read)(&path)?;
        let node = sluice_yaml::read_config(text.as_bytes(), limits)?.unwrap_or_default();
        targets.extend(value_targets(&mut Fields::new(&node, "ValueAddTransformer")?)?);
    }
    if targets.is_empty() {
        return Err("must specify at least one target".into());
    }
    let value = fields.string("value")?;
    Ok(ValueAdd { value: if value.is_empty() { host.dir_name.to_owned() } else { value }, targets })
}

fn value_targets(fields: &mut Fields<'_>) -> Result<Vec<(Selector, String, i64)>, DecodeError> {
    fields.list("targets", |node| {
        let mut target = Fields::new(node, "Target")?;
        let selector = target.take("selector").map(decode_selector).transpose()?.unwrap_or_default();
        Ok((selector, target.string("fieldPath")?, target.integer("filePathPosition")?))
    })
}

fn printed(patch: &Patch) -> String {
    sluice_yaml::write(&patch.source).unwrap_or_default()
}

/// The configuration that kustomize prints for a list of texts.
pub(crate) fn list_config(field: &str, entries: &[String]) -> String {
    let list: Vec<Node> = entries.iter().map(Node::string).collect();
    let mapping: Mapping = [(field.to_owned(), Node::from(list))].into_iter().collect();
    sluice_yaml::write(&mapping.into()).unwrap_or_default()
}

/// The configuration that kustomize prints for `replacements`.
pub(crate) fn replacements_config(written: &[Node]) -> String {
    let mapping: Mapping = [("Replacements".to_owned(), Node::from(written.to_vec()))].into_iter().collect();
    sluice_yaml::write(&mapping.into()).unwrap_or_default()
}

/// The configuration that kustomize prints for a patch, whose text is in `field`.
pub(crate) fn patch_config(patch: &Patch, field: &str) -> String {
    let Some(source) = patch.source.as_mapping() else { return String::new() };
    let blank = |node: &Node| node.is_null() || node.text() == Some("");
    let mapping: Mapping = source
        .iter()
        .filter(|(_, value)| !blank(value))
        .map(|(key, value)| (if key == "patch" { field } else { key }.to_owned(), value.clone()))
        .collect();
    sluice_yaml::write(&mapping.into()).unwrap_or_default()
}

/// An entry of `patches`.
pub(crate) fn patch_step(patch: &Patch, read: ReadText<'_>, limits: &Limits) -> Result<PatchStep, Cause> {
    let inline = patch.patch.trim();
    let (text, label) = match (inline.is_empty(), patch.path.is_empty()) {
        (true, true) => return Err(PatchConfigError::Neither(printed(patch)).into()),
        (false, false) => return Err(PatchConfigError::Both(printed(patch)).into()),
        (false, true) => (inline.to_owned(), format!("[patch: {}]", go_quote(inline))),
        (true, false) => {
            let text = read(&patch.path)
                .map_err(|error| format!("failed to get the patch file from path({}): {error}", patch.path))?;
            (text, format!("[path: {}]", go_quote(&patch.path)))
        }
    };
    Ok(PatchStep::new(patch, &text, label, limits)?)
}

/// An entry of `patchesJson6902`.
pub(crate) fn json_step(patch: &Patch, read: ReadText<'_>, limits: &Limits) -> Result<PatchStep, Cause> {
    if patch.target.as_ref().is_none_or(|target| target.name.is_empty()) {
        return Err(PatchConfigError::NoTargetName.into());
    }
    let text = match (patch.patch.is_empty(), patch.path.is_empty()) {
        (true, true) => return Err(PatchConfigError::JsonNeither.into()),
        (false, false) => return Err(PatchConfigError::JsonBoth.into()),
        (false, true) => patch.patch.clone(),
        (true, false) => read(&patch.path)?,
    };
    Ok(PatchStep::json(patch.target.as_ref(), &text, &patch.path, limits)?)
}

/// All of `patchesStrategicMerge`.
/// `text` is one more text, which is never a path; only a plugin has it.
pub(crate) fn strategic_step(
    (entries, inline): (&[String], &str),
    read: ReadText<'_>,
    limits: &Limits,
) -> Result<PatchStep, Cause> {
    let mut documents = Vec::new();
    for entry in entries {
        // An entry that reads as an object is the patch itself.
        if let Some(patches) = parse_strategic(entry, limits) {
            documents.extend(patches);
            continue;
        }
        let text = read(entry)?;
        let patches = crate::documents::parse_resources(text.as_bytes(), entry, limits);
        documents.extend(patches.map_err(PatchConfigError::Strategic)?);
    }
    if !inline.is_empty() {
        let patches = crate::documents::parse_resources(inline.as_bytes(), "", limits);
        documents.extend(patches.map_err(PatchConfigError::Strategic)?);
    }
    if documents.is_empty() {
        return Err(PatchConfigError::EmptyStrategic { paths: entries.to_vec(), patches: inline.to_owned() }.into());
    }
    Ok(PatchStep::strategic(documents))
}

/// `replacements`, with those in files read.
pub(crate) fn replacements(
    entries: Vec<crate::kustomization::Replacement>,
    read: ReadText<'_>,
    limits: &Limits,
) -> Result<Replacements, Cause> {
    let mut all = Vec::new();
    for entry in entries {
        if entry.path.is_empty() {
            all.push(entry);
            continue;
        }
        if entry.source.is_some() || entry.targets.is_some() {
            return Err("cannot specify both path and inline replacement".into());
        }
        let text = read(&entry.path)?;
        let node = sluice_yaml::read_config(text.as_bytes(), limits)
            .map_err(|error| format!("error converting YAML to JSON: {error}"))?
            .unwrap_or_default();
        let decode = |node: &Node| {
            decode_replacement(node).map_err(|error| format!("error unmarshaling JSON: while decoding JSON: {error}"))
        };
        match &node.value {
            Value::Sequence(items) => {
                for item in items {
                    all.push(decode(item)?);
                }
            }
            Value::Mapping(_) => all.push(decode(&node)?),
            Value::Scalar(scalar) => {
                let kind = match scalar.tag {
                    Tag::Str | Tag::Timestamp => "string",
                    Tag::Bool => "bool",
                    Tag::Int | Tag::Float => "float64",
                    Tag::Null => "invalid",
                };
                return Err(format!("unsupported replacement type encountered within replacement path: {kind}").into());
            }
        }
    }
    Ok(Replacements(all))
}
