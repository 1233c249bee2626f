//! `replacements`: values copied from one resource's field into fields of others.

use sluice_yaml::{Node, Scalar, Style, Tag, Value};

use super::{Transform, TransformError};
use crate::fieldpath::{for_each, lookup, split_field_path};
use crate::growth::{Growth, weight};
use crate::id::{Gvk, ResId};
use crate::kustomization::{FieldOptions, Replacement, ReplacementSource, ReplacementTarget};
use crate::resmap::ResMap;
use crate::resource::Resource;
use crate::selector::Matcher;

const DEFAULT_PATH: &str = "metadata.name";

/// All replacements of a layer.
#[derive(Debug)]
pub(crate) struct Replacements(pub(crate) Vec<Replacement>);

impl Transform for Replacements {
    fn apply(&self, resources: &mut ResMap) -> Result<(), TransformError> {
        for replacement in &self.0 {
            let text = TransformError::Replacement;
            let targets = replacement.targets.as_deref();
            let (Some(targets), true) = (targets, replacement.value.is_some() || replacement.source.is_some()) else {
                return Err(text("replacements must specify a source and at least one target".to_owned()));
            };
            let (mut value, origin) = match (&replacement.source, &replacement.value) {
                (Some(_), Some(_)) => {
                    return Err(text("value and resource selectors are mutually exclusive".to_owned()));
                }
                (Some(source), None) => source_value(resources, source).map_err(text)?,
                (None, value) => (Scalar::plain(value.clone().unwrap_or_default()).into(), None),
            };
            for target in targets {
                replace(resources, (&mut value, origin.as_ref()), target)?;
            }
        }
        Ok(())
    }
}

/// The field that a value comes from, as long as the value is that field and not a part of it: what is written to it is in the value, too.
type Source = (usize, Vec<String>);

fn source_value(resources: &ResMap, source: &ReplacementSource) -> Result<(Node, Option<Source>), String> {
    let label = || {
        let path = if source.field_path.is_empty() { String::new() } else { format!(":{}", source.field_path) };
        let FieldOptions { delimiter, index, create } = &source.options;
        let options = if delimiter.is_empty() && !create {
            String::new()
        } else {
            format!(":{delimiter}({index}), create={create}")
        };
        format!("{}{path}{options}", source.id)
    };
    let name = Some(source.id.name.as_str()).filter(|name| !name.is_empty());
    let candidates = resources.named(name);
    let mut found = candidates.iter().copied().filter(|&index| is_selected(resources.get(index), &source.id));
    let index = found.next().ok_or_else(|| format!("nothing selected by {}", label()))?;
    if found.next().is_some() {
        return Err(format!("multiple matches for selector {}", label()));
    }
    let path = if source.field_path.is_empty() { DEFAULT_PATH } else { &source.field_path };
    let parts = split_field_path(path);
    let wildcard = parts.iter().position(|part| part == "*");
    if wildcard.is_some_and(|at| lookup(&resources.get(index).node, &parts[..at]).is_some_and(|node| !node.is_null())) {
        return Err("error looking up replacement source: wildcard is not supported in PathGetter".to_owned());
    }
    let value = lookup(&resources.get(index).node, &parts)
        .filter(|value| !value.is_null_or_empty())
        .ok_or_else(|| format!("fieldPath `{path}` is missing for replacement source {}", source.id))?;
    let origin = (source.options.delimiter.is_empty() && value.as_scalar().is_some()).then_some((index, parts));
    Ok((refine(value, &source.options)?, origin))
}

/// Whether a present or past id has all that the source names.
fn is_selected(resource: &Resource, wanted: &ResId) -> bool {
    let matches = |gvk: &Gvk, name: &str, namespace: &str| {
        let wanted_namespace = if wanted.namespace.is_empty() { "default" } else { &wanted.namespace };
        (wanted.name.is_empty() || wanted.name == name)
            && (wanted.namespace.is_empty() || wanted_namespace == namespace)
            && gvk.is_selected_by(&wanted.gvk)
    };
    matches(&resource.id.gvk, &resource.id.name, resource.id.effective_namespace())
        || resource.past.iter().any(|past| matches(&resource.past_gvk(past), &past.name, &past.namespace))
}

fn refine(value: &Node, options: &FieldOptions) -> Result<Node, String> {
    if options.delimiter.is_empty() {
        return Ok(value.clone());
    }
    let Some(scalar) = value.as_scalar() else {
        return Err("delimiter option can only be used with scalar nodes".to_owned());
    };
    let parts: Vec<&str> = scalar.text.split(options.delimiter.as_str()).collect();
    let part = usize::try_from(options.index)
        .ok()
        .and_then(|index| parts.get(index))
        .ok_or_else(|| format!("options.index {} is out of bounds for value {}", options.index, scalar.text))?;
    Ok(with_text(scalar, part).into())
}

/// The scalar with another text; its type stays if the new text can have it.
fn with_text(scalar: &Scalar, text: &str) -> Scalar {
    if scalar.tag == Tag::Str { Scalar::new(Tag::Str, text) } else { Scalar::plain(text) }
}

fn replace(
    resources: &mut ResMap,
    (value, origin): (&mut Node, Option<&Source>),
    target: &ReplacementTarget,
) -> Result<(), TransformError> {
    let Some(select) = &target.select else {
        return Err(TransformError::Replacement("target must specify resources to select".to_owned()));
    };
    let select = Matcher::new(select)?;
    let reject = target.reject.iter().map(Matcher::new).collect::<Result<Vec<_>, _>>()?;
    let default = [DEFAULT_PATH.to_owned()];
    let paths = if target.field_paths.is_empty() { &default } else { target.field_paths.as_slice() };
    let (weight, growth) = (weight(value), resources.growth());
    for index in resources.named(select.plain_name()) {
        let resource = resources.get(index);
        let any_id = |matcher: &Matcher| {
            matcher.id(&resource.id.gvk, &resource.id.name, &resource.id.namespace)
                || resource.past.iter().any(|past| matcher.id(&resource.past_gvk(past), &past.name, &past.namespace))
        };
        let rejected = |matcher: &Matcher| {
            (matcher.by_metadata() && matcher.metadata(resource)) || (matcher.by_id && any_id(matcher))
        };
        if !select.metadata(resource) || !any_id(&select) || reject.iter().any(rejected) {
            continue;
        }
        resources
            .edit(index, |resource| {
                let Some((_, parts)) = origin.filter(|(source, _)| *source == index) else {
                    let copied = Copied { value, weight, growth: &growth };
                    return paths
                        .iter()
                        .try_for_each(|path| set(&mut resource.node, path, copied, &target.options).map(drop));
                };
                for path in paths {
                    set_with_source(&mut resource.node, path, (value, parts, weight, &growth), &target.options)?;
                }
                Ok(())
            })
            .map_err(TransformError::Replacement)?;
    }
    Ok(())
}

/// A value with what it costs to copy it.
#[derive(Clone, Copy)]
struct Copied<'v> {
    value: &'v Node,
    weight: usize,
    growth: &'v Growth,
}

impl Copied<'_> {
    /// Pays for the value and for text that it is joined with.
    fn pay(&self, more: usize) -> Result<(), String> {
        self.growth.spend(self.weight.saturating_add(more)).map_err(|error| error.to_string())
    }
}

fn set(node: &mut Node, path: &str, copied: Copied<'_>, options: &FieldOptions) -> Result<usize, String> {
    let value = copied.value;
    let parts = split_field_path(path);
    if let Some(result) = set_structured(node, &parts, copied) {
        return result.map(|()| 1);
    }
    let create = options.create.then_some(value);
    let verb = if options.create { "find or create" } else { "find" };
    let missing = format!("unable to {verb} field {path:?} in replacement target");
    let count = for_each(node, &parts, create, &mut |field| set_field(field, copied, options))
        .map_err(|problem| if problem.starts_with("delimiter") { problem } else { format!("{missing}: {problem}") })?;
    if count == 0 { Err(missing) } else { Ok(count) }
}

/// The same in the resource that the value comes from: what is written to the field that it is counts for the fields after it.
fn set_with_source(
    node: &mut Node,
    path: &str,
    (value, source, weight, growth): (&mut Node, &[String], usize, &Growth),
    options: &FieldOptions,
) -> Result<(), String> {
    let parts = split_field_path(path);
    if options.create {
        // Fields are made first, so that no field moves while they are written.
        // If that fails, so does the write below, which says why.
        let _made = for_each(node, &parts, Some(value), &mut |_| Ok(()));
    }
    let Some(source) = lookup(node, source).map(std::ptr::from_ref) else {
        return set(node, path, Copied { value, weight, growth }, options).map(drop);
    };
    if for_each(node, &parts, None, &mut |_| Ok(())).is_ok_and(|count| count > 0) && !leads_into_text(node, &parts) {
        return for_each(node, &parts, None, &mut |field| {
            set_field(field, Copied { value, weight, growth }, options)?;
            if std::ptr::eq(field, source) {
                value.clone_from(field);
            }
            Ok(())
        })
        .map(drop);
    }
    set(node, path, Copied { value, weight, growth }, options).map(drop)
}

/// Whether a path goes on below a scalar.
fn leads_into_text(node: &Node, parts: &[String]) -> bool {
    (1..parts.len()).any(|at| lookup(node, &parts[..at]).is_some_and(|field| field.as_scalar().is_some()))
}

fn set_field(field: &mut Node, copied: Copied<'_>, options: &FieldOptions) -> Result<(), String> {
    copied.pay(field.text().map_or(0, str::len))?;
    let mut value = copied.value.clone();
    if !options.delimiter.is_empty() {
        let Some(old) = field.as_scalar() else {
            return Err("delimiter option can only be used with scalar nodes".to_owned());
        };
        let new = value.text().unwrap_or_default();
        let mut parts: Vec<&str> = old.text.split(options.delimiter.as_str()).collect();
        match usize::try_from(options.index) {
            Err(_) => parts.insert(0, new),
            Ok(index) if index >= parts.len() => parts.push(new),
            Ok(index) => parts[index] = new,
        }
        value = Node::string(parts.join(&options.delimiter));
    }
    put(field, &value);
    Ok(())
}

/// A scalar keeps its type and takes the text only, which of a map or list is blank; anything else is replaced.
fn put(field: &mut Node, value: &Node) {
    let Value::Scalar(old) = &mut field.value else {
        field.value = value.value.clone();
        return;
    };
    let text = value.text().unwrap_or_default();
    // A field that was made, for the value or by an earlier step, has no type yet.
    if old.style == Style::Untyped {
        *old = Scalar::untyped(text);
        return;
    }
    // The field keeps its type. Whether the text fits shows when it is printed.
    text.clone_into(&mut old.text);
}

/// A path may go on inside a JSON text that a field holds. `None` if it does not.
fn set_structured(node: &mut Node, parts: &[String], copied: Copied<'_>) -> Option<Result<(), String>> {
    let value = copied.value;
    let at =
        (1..parts.len()).find(|&at| lookup(node, &parts[..at]).is_some_and(|field| field.as_scalar().is_some()))?;
    let text = lookup(node, &parts[..at])?.text()?.to_owned();
    let mut inner = sluice_yaml::read_documents(text.as_bytes(), &sluice_yaml::Limits::DEFAULT).ok()?.pop()?;
    if let Err(problem) = copied.growth.spend(text.len()).map_err(|error| error.to_string()) {
        return Some(Err(problem));
    }
    let set_text = &mut |field: &mut Node| {
        copied.pay(0)?;
        put(field, value);
        Ok(())
    };
    if for_each(&mut inner, &parts[at..], None, set_text).ok()? == 0 {
        return None;
    }
    let first = text.trim_start().chars().next()?;
    if !matches!(first, '{' | '[') {
        let path = parts.join(".");
        return Some(Err(format!("replacing inside of a YAML text is not supported (field path {path:?})")));
    }
    let json = inner.to_json().ok()?;
    let pretty = text.contains('\n') && text.contains("  ");
    let new = if pretty { serde_json::to_string_pretty(&json) } else { serde_json::to_string(&json) }.ok()?;
    let set = for_each(node, &parts[..at], None, &mut |field| {
        field.value = Node::string(&new).value;
        Ok(())
    });
    Some(set.map(drop))
}
