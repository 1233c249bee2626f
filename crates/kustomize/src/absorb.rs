//! How a generated object joins what is there: as a new one, merged into one, or in the place of one.

use sluice_yaml::Node;

use crate::error::BuildError;
use crate::generator::config_map_data;
use crate::resmap::ResMap;
use crate::resource::{Behavior, Resource};

/// Adds a generated object, or merges it into or puts it in place of the one that has or had its id.
pub(crate) fn absorb(resources: &mut ResMap, resource: Resource) -> Result<(), BuildError> {
    let fail = |problem: String| BuildError::Absorb { problem };
    let id = resource.id.clone();
    match (&resources.find(&id)[..], resource.behavior) {
        ([], Behavior::Merge | Behavior::Replace) => {
            Err(fail(format!("id {} does not exist; cannot merge or replace", id.go_syntax())))
        }
        ([], _) => resources.append(resource).map_err(|error| fail(error.to_string())),
        (&[index], behavior @ (Behavior::Merge | Behavior::Replace)) => {
            let combined = combine(resources.get(index), resource, behavior);
            resources.replace(index, combined);
            Ok(())
        }
        ([_], behavior) => Err(fail(format!(
            "id {} exists; can not use behavior: '{}', behavior must be merge or replace",
            id.go_syntax(),
            behavior.as_str()
        ))),
        (many, _) => Err(fail(format!("found {} objects that could accept merge of {id}", many.len()))),
    }
}

/// The new object with the old one's name, history and metadata, and with its data if they are merged.
fn combine(old: &Resource, mut new: Resource, behavior: Behavior) -> Resource {
    for field in ["labels", "annotations"] {
        let mut pairs = old.string_map(field);
        pairs.extend(new.string_map(field));
        let merged: std::collections::BTreeMap<String, String> = pairs.into_iter().collect();
        new.set_string_map(field, merged.into_iter().collect());
    }
    new.set_name(&old.id.name);
    new.set_namespace(&old.id.namespace);
    if behavior == Behavior::Merge {
        merge_data(old, &mut new);
    }
    new.note();
    Resource {
        past: old.past.clone(),
        prefixes: old.prefixes.clone(),
        suffixes: old.suffixes.clone(),
        behavior: old.behavior,
        needs_hash: old.needs_hash && new.needs_hash,
        var_names: old.var_names.clone(),
        origin: if behavior == Behavior::Merge && old.origin.is_some() {
            old.origin.clone()
        } else {
            new.origin.clone()
        },
        transformations: old.transformations.clone(),
        ..new
    }
}

fn merge_data(old: &Resource, new: &mut Resource) {
    let texts = |node: &Node, field: &str| -> Vec<(String, Vec<u8>)> {
        let mapping = node.get(field).and_then(Node::as_mapping);
        mapping
            .into_iter()
            .flat_map(sluice_yaml::Mapping::iter)
            .map(|(key, value)| (key.to_owned(), value.text().unwrap_or_default().into()))
            .collect()
    };
    for field in ["data", "binaryData"] {
        let mut pairs = texts(&old.node, field);
        pairs.extend(texts(&new.node, field));
        let merged = config_map_data(pairs).into_iter().next();
        let Some(object) = new.node.as_mapping_mut() else { continue };
        object.remove(field);
        if let Some((_, data)) = merged {
            object.insert(field, data);
        }
    }
}
