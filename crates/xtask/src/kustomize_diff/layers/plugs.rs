//! Random entries of `transformers` and `validators`: every built-in transformer as an object.

use serde_json::{Value, json};

use super::super::edits::{Made, json_patch, strategic};
use super::super::kinds::labels;
use super::super::scalars::{chance, pick, tame};
use super::super::tree::embedded;
use super::{Layer, World, append};

impl World {
    pub(super) fn plugs(&mut self, layer: &mut Layer, visible: &mut Vec<Made>) {
        while chance(&mut self.rng, 20) && !visible.is_empty() {
            let (kind, fields) = self.transformer(layer.dir, visible);
            let entry = self.plugin_entry(layer.dir, kind, fields);
            self.offer(layer, visible, |fields| append(fields, "transformers", entry));
        }
        if chance(&mut self.rng, 4) && !visible.is_empty() {
            let made = self.any(visible).clone();
            let label = if chance(&mut self.rng, 95) { "validated-by" } else { "other" };
            let fields = if chance(&mut self.rng, 60) {
                json!({"labels": {label: "me"}, "fieldSpecs": [{"path": "metadata/labels", "create": true}]})
            } else {
                json!({"target": {"kind": made.kind}, "patch": "[]"})
            };
            let kind = if fields.get("labels").is_some() { "LabelTransformer" } else { "PatchTransformer" };
            let entry = self.plugin_entry(layer.dir, kind, fields);
            self.offer(layer, visible, |fields| append(fields, "validators", entry));
        }
    }

    fn transformer(&mut self, dir: &str, visible: &[Made]) -> (&'static str, Value) {
        let made = self.any(visible).clone();
        let rng = &mut self.rng;
        match rng.u8(..16) {
            0 => (
                "LabelTransformer",
                json!({"labels": labels(rng), "fieldSpecs": [{"path": "metadata/labels", "create": true}]}),
            ),
            1 => (
                "AnnotationsTransformer",
                json!({"annotations": {"x": tame(rng)}, "fieldSpecs": [{"path": "metadata/annotations", "create": true}]}),
            ),
            2 => ("PrefixTransformer", json!({"prefix": "pt-", "fieldSpecs": [{"path": "metadata/name"}]})),
            3 => ("SuffixTransformer", json!({"suffix": "-st", "fieldSpecs": [{"path": "metadata/name"}]})),
            4 => (
                "PrefixSuffixTransformer",
                json!({"prefix": "a-", "suffix": "-z", "fieldSpecs": [{"kind": "Deployment", "path": "metadata/name"}]}),
            ),
            5 | 6 => {
                let mut fields = json!({"metadata": {"namespace": "moved"}, "unsetOnly": chance(rng, 50), "fieldSpecs": [{"path": "metadata/namespace", "create": true}]});
                if chance(rng, 50) {
                    fields["setRoleBindingSubjects"] = json!(pick(rng, &["none", "allServiceAccounts", "defaultOnly"]));
                }
                ("NamespaceTransformer", fields)
            }
            7 => (
                "ImageTagTransformer",
                json!({"imageTag": {"name": "nginx", "newTag": "t"}, "fieldSpecs": [{"path": "spec/image"}]}),
            ),
            8 => ("HashTransformer", json!({})),
            9 => (
                "ReplicaCountTransformer",
                json!({"replica": {"name": made.name, "count": 4}, "fieldSpecs": [{"path": "spec/replicas", "create": true, "kind": made.kind}]}),
            ),
            10 => (
                "ValueAddTransformer",
                json!({"value": "v/w", "targets": [{"selector": {"kind": made.kind}, "fieldPath": pick(rng, &["metadata/name", "metadata/annotations/note", "spec/image"]), "filePathPosition": rng.u8(..3)}]}),
            ),
            11 => {
                let patch = strategic(rng, &made);
                ("PatchStrategicMergeTransformer", json!({"patches": embedded(vec![patch])}))
            }
            12 => {
                let patch = json_patch(rng, &made);
                (
                    "PatchJson6902Transformer",
                    json!({"target": {"kind": made.kind, "name": made.name, "group": made.group(), "version": made.version()}, "jsonOp": patch.to_string()}),
                )
            }
            13 => {
                let goal = self.any(visible).clone();
                let entry = self.replacement(&made, &goal);
                ("ReplacementTransformer", json!({"replacements": [entry]}))
            }
            _ => ("PatchTransformer", self.patch(dir, &made, visible)),
        }
    }
}
