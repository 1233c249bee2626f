//! `validators`: transformers that must leave everything as it is, but for one label. What they are is configured as transformers are.

use sluice_yaml::{Node, Position, Scalar};

use crate::accumulator::Accumulator;
use crate::build::{Engine, Target};
use crate::error::BuildError;
use crate::resource::Resource;

impl Engine<'_> {
    /// Validators are transformers that must leave everything as it is.
    pub(crate) fn run_validators(&self, target: &Target<'_>, all: &mut Accumulator) -> Result<(), BuildError> {
        for step in self.plugin_steps(target, &target.kustomization.validators)? {
            let before: Vec<Node> = all.resources.iter().map(|resource| resource.node.clone()).collect();
            step.transform.apply(&mut all.resources).map_err(|error| BuildError::Transform {
                file: target.file(),
                kind: step.kind.clone(),
                cause: error.into(),
            })?;
            if before.len() != all.resources.len() {
                let problem =
                    format!("lists have different number of entries: {} and {}", before.len(), all.resources.len());
                return Err(BuildError::Validator { problem });
            }
            for (before, after) in before.iter().zip(all.resources.iter()) {
                if before != &without_validated_label(&after.node) || disturbed(after) {
                    return Err(BuildError::Validator { problem: after.id.to_string() });
                }
            }
        }
        Ok(())
    }
}

/// The mark that a validator may leave.
const VALIDATED_BY: &str = "validated-by";

/// Whether kustomize sees a change although only the mark was added: other labels are made anew without it, at the end of the metadata,
/// sorted and without a place in a file. Annotations that kustomize keeps for itself stand there, too.
fn disturbed(resource: &Resource) -> bool {
    let Some(metadata) = resource.node.get("metadata").and_then(Node::as_mapping) else { return false };
    let Some(labels) = metadata.get("labels").and_then(Node::as_mapping) else { return false };
    if labels.get(VALIDATED_BY).is_none() || labels.len() == 1 {
        return false;
    }
    let others: Vec<(&str, &Node)> = labels.iter().filter(|(key, _)| *key != VALIDATED_BY).collect();
    let made = others.iter().all(|(_, value)| {
        let style = value.as_scalar().map(|scalar| scalar.style);
        value.position == Position::default() && style == value.text().map(|text| Scalar::string(text).style)
    });
    // Where an object comes from is noted again behind every step.
    let noted = resource.origin.is_some() || !resource.transformations.is_empty() || resource.noted_behind_labels;
    let last = !noted && metadata.iter().last().is_some_and(|(key, _)| key == "labels");
    !(made && last && others.is_sorted_by_key(|(key, _)| *key))
}

fn without_validated_label(node: &Node) -> Node {
    let mut node = node.clone();
    if let Some(metadata) = node.get_mut("metadata").and_then(Node::as_mapping_mut)
        && let Some(labels) = metadata.get_mut("labels").and_then(Node::as_mapping_mut)
        && labels.remove(VALIDATED_BY).is_some()
        && labels.is_empty()
    {
        metadata.remove("labels");
    }
    node
}
