//! `transformers` and `generators`: built-in plugins configured by objects instead of fields of the kustomization. Others are
//! refused.

use sluice_yaml::{Limits, Mapping, Node};

use crate::config::field_specs;
use crate::decode::{DecodeError, Fields};
use crate::error::Cause;
use crate::kustomization::{
    GeneratorArgs, GeneratorOptions, Patch, Selector, decode_generator, decode_image, decode_patch, decode_replacement,
    decode_replica, decode_selector,
};
use crate::resource::Resource;
use crate::transform::{
    AddEntries, Affix, Affixes, ImageTag, PatchConfigError, PatchStep, Replacements, ReplicaCount, SetNamespace,
    SubjectMode, Transform, ValueAdd, parse_strategic,
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

/// Kind and configuration of a built-in plugin.
fn builtin(resource: &Resource) -> Result<(&str, Node), Cause> {
    let kind = resource.id.gvk.kind.as_str();
    if resource.id.gvk.version != "builtin" || !resource.id.gvk.group.is_empty() {
        return Err(format!("external plugins disabled; unable to load external plugin '{kind}'").into());
    }
    // The configuration of a plugin is read once more from its printed form, in which numbers have one spelling.
    Ok((kind, Node::from_json(&resource.to_json()?)))
}

/// The object that a generator plugin describes: its kind and arguments.
pub(crate) fn configure_generator(resource: &Resource) -> Result<(&'static str, GeneratorArgs), Cause> {
    let (kind, node) = builtin(resource)?;
    let kind = match kind {
        "ConfigMapGenerator" => "ConfigMap",
        "SecretGenerator" => "Secret",
        other => return Err(format!("plugin '{other}' is not supported").into()),
    };
    // A plugin's configuration may have other fields, which nobody reads.
    let known = ["namespace", "name", "behavior", "literals", "files", "envs", "env", "options", "type"];
    let fields: Mapping = known.iter().filter_map(|&key| Some((key.to_owned(), node.get(key)?.clone()))).collect();
    let mut args = decode_generator(&fields.into(), &GeneratorOptions::default())?;
    for (field, own) in [(&mut args.name, &resource.id.name), (&mut args.namespace, &resource.id.namespace)] {
        if field.is_empty() {
            own.clone_into(field);
        }
    }
    Ok((kind, args))
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
            let mut paths = fields.strings("paths")?;
            paths.extend(fields.optional_string("patches")?);
            Box::new(strategic_step(&paths, read, limits)?)
        }
        "ReplacementTransformer" => {
            Box::new(replacements(fields.list("replacements", decode_replacement)?, read, limits)?)
        }
        "ValueAddTransformer" => Box::new(value_add(&mut fields, host, limits)?),
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

/// An entry of `patches`.
pub(crate) fn patch_step(patch: &Patch, read: ReadText<'_>, limits: &Limits) -> Result<PatchStep, Cause> {
    let inline = patch.patch.trim();
    let (text, label) = match (inline.is_empty(), patch.path.is_empty()) {
        (true, true) => return Err(PatchConfigError::Neither(printed(patch)).into()),
        (false, false) => return Err(PatchConfigError::Both(printed(patch)).into()),
        (false, true) => (inline.to_owned(), format!("[patch: {inline:?}]")),
        (true, false) => {
            let text = read(&patch.path)
                .map_err(|error| format!("failed to get the patch file from path({}): {error}", patch.path))?;
            (text, format!("[path: {:?}]", patch.path))
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
pub(crate) fn strategic_step(entries: &[String], read: ReadText<'_>, limits: &Limits) -> Result<PatchStep, Cause> {
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
    if documents.is_empty() {
        return Err(PatchConfigError::EmptyStrategic(entries.to_vec()).into());
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
        let Some(node) = sluice_yaml::read_config(text.as_bytes(), limits)? else { continue };
        match node.as_sequence() {
            Some(items) => {
                for item in items {
                    all.push(decode_replacement(item)?);
                }
            }
            None => all.push(decode_replacement(&node)?),
        }
    }
    Ok(Replacements(all))
}
