//! Random patches of all kinds, replacements and variables.

use serde_json::{Value, json};

use super::super::edits::{Made, field_path, json_patch, strategic, target};
use super::super::scalars::{NAMES, chance, pick, tame};
use super::super::tree::embedded;
use super::{Layer, World, append};

impl World {
    pub(super) fn patches(&mut self, layer: &mut Layer, visible: &mut Vec<Made>) {
        if chance(&mut self.rng, 10) && !visible.is_empty() {
            let made = self.any(visible).clone();
            let patch = strategic(&mut self.rng, &made);
            let entry = if chance(&mut self.rng, 50) {
                embedded(vec![patch])
            } else {
                json!(self.file(layer.dir, "p", "yaml", json!([patch])))
            };
            self.offer(layer, visible, |fields| append(fields, "patchesStrategicMerge", entry));
        }
        let mut tries = 0;
        while chance(&mut self.rng, 55) && tries < 5 && !visible.is_empty() {
            tries += 1;
            let made = self.any(visible).clone();
            let entry = self.patch(layer.dir, &made, visible);
            self.offer(layer, visible, |fields| append(fields, "patches", entry));
        }
    }

    /// `patchesJson6902`, which run after names and labels are set.
    pub(super) fn late_patches(&mut self, layer: &mut Layer, visible: &mut Vec<Made>) {
        if !chance(&mut self.rng, 10) || visible.is_empty() {
            return;
        }
        let made = self.any(visible).clone();
        let patch = json_patch(&mut self.rng, &made);
        let version = made.api_version.rsplit('/').next().unwrap_or_default();
        let mut entry =
            json!({"target": {"group": made.group(), "version": version, "kind": made.kind, "name": made.name}});
        if chance(&mut self.rng, 50) {
            entry["patch"] = embedded(vec![patch]);
        } else {
            entry["path"] = json!(self.file(layer.dir, "p", "yaml", json!([patch])));
        }
        if let Some(namespace) = &made.namespace {
            entry["target"]["namespace"] = json!(namespace);
        }
        self.offer(layer, visible, |fields| append(fields, "patchesJson6902", entry));
    }

    pub(super) fn patch(&mut self, dir: &str, made: &Made, visible: &[Made]) -> Value {
        let mut entry = json!({});
        let documents = if chance(&mut self.rng, 40) {
            entry["target"] = target(&mut self.rng, made);
            vec![json_patch(&mut self.rng, made)]
        } else {
            if chance(&mut self.rng, 35) {
                entry["target"] = target(&mut self.rng, made);
            }
            let mut patch = strategic(&mut self.rng, made);
            let mut options = json!({});
            if entry.get("target").is_some() && chance(&mut self.rng, 15) {
                patch["metadata"]["name"] = json!("renamed");
                if chance(&mut self.rng, 50) {
                    options["allowNameChange"] = json!(true);
                }
            }
            if entry.get("target").is_some() && !visible.iter().any(|made| made.generated) && chance(&mut self.rng, 5) {
                patch["kind"] = json!("Other");
                options["allowKindChange"] = json!(chance(&mut self.rng, 80));
            }
            if options != json!({}) {
                entry["options"] = options;
            }
            let mut documents = vec![patch];
            while entry.get("target").is_none() && chance(&mut self.rng, 15) {
                let other = self.any(visible).clone();
                documents.push(strategic(&mut self.rng, &other));
            }
            documents
        };
        if chance(&mut self.rng, 50) {
            entry["patch"] = embedded(documents);
        } else {
            entry["path"] = json!(self.file(dir, "p", "yaml", Value::Array(documents)));
        }
        entry
    }

    pub(super) fn values(&mut self, layer: &mut Layer, visible: &mut Vec<Made>) {
        let mut tries = 0;
        while chance(&mut self.rng, 30) && tries < 3 && !visible.is_empty() {
            tries += 1;
            let (source, goal) = (self.any(visible).clone(), self.any(visible).clone());
            let mut entry = self.replacement(&source, &goal);
            if chance(&mut self.rng, 15) {
                let list = if chance(&mut self.rng, 60) { json!([entry]) } else { entry };
                entry = json!({"path": self.file(layer.dir, "repl", "yaml", json!([list]))});
            }
            self.offer(layer, visible, |fields| append(fields, "replacements", entry));
        }
        if !self.has_var && chance(&mut self.rng, 20) && !visible.is_empty() {
            let made = self.any(visible).clone();
            let mut var = json!({"name": "WHO", "objref": {"apiVersion": made.api_version, "kind": made.kind, "name": made.name}});
            if let Some(namespace) = &made.namespace {
                var["objref"]["namespace"] = json!(namespace);
            }
            if chance(&mut self.rng, 50) {
                var["fieldref"] = json!({"fieldpath": field_path(&mut self.rng, &made.body)});
            }
            self.has_var = self.offer(layer, visible, |fields| append(fields, "vars", var));
        }
    }

    pub(super) fn replacement(&mut self, from: &Made, to: &Made) -> Value {
        let rng = &mut self.rng;
        let mut source = json!({"kind": from.kind, "name": from.name});
        if chance(rng, 50) {
            source["fieldPath"] = json!(field_path(rng, &from.body));
        }
        if chance(rng, 15) {
            source["options"] =
                json!({"delimiter": pick(rng, &["-", ":", "/", "."]), "index": i32::from(chance(rng, 20))});
        }
        let mut goal = json!({"select": {"kind": to.kind}, "fieldPaths": [field_path(rng, &to.body)]});
        if chance(rng, 20) {
            goal["fieldPaths"] = json!([field_path(rng, &to.body), field_path(rng, &to.body)]);
        }
        if chance(rng, 70) {
            goal["select"]["name"] = json!(to.name);
        }
        match rng.u8(..10) {
            0 => goal["options"] = json!({"delimiter": pick(rng, &["-", ":", "/"]), "index": rng.i8(-1..3)}),
            1 | 2 => {
                goal["options"] = json!({"create": true});
                let path = pick(
                    rng,
                    &[
                        "metadata.annotations.made",
                        "spec.new.field",
                        "metadata.labels.[a.b/c]",
                        "spec.template.spec.containers.[name=new].image",
                    ],
                );
                goal["fieldPaths"] = json!([path]);
            }
            3 => goal["reject"] = json!([{"name": pick(rng, &NAMES)}]),
            _ => {}
        }
        // Another text as a name is almost never what somebody wants.
        let named = goal["fieldPaths"].as_array().is_some_and(|paths| paths.contains(&json!("metadata.name")));
        if named && let Some(source) = source.as_object_mut() {
            source.remove("fieldPath");
        }
        if chance(rng, 8) {
            json!({"sourceValue": if named { pick(rng, &NAMES).to_owned() } else { tame(rng) }, "targets": [goal]})
        } else {
            json!({"source": source, "targets": [goal]})
        }
    }
}
