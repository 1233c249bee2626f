//! Random generators: `configMapGenerator`, `secretGenerator`, their options, and the same as plugins.

use serde_json::{Value, json};

use super::super::edits::Made;
use super::super::scalars::{NAMES, chance, pick, tame, text};
use super::super::tree::embedded;
use super::{Layer, World, append};

impl World {
    pub(super) fn generators(&mut self, layer: &mut Layer, visible: &mut Vec<Made>) {
        if chance(&mut self.rng, 10) {
            let options = self.generator_options();
            self.offer(layer, visible, |fields| fields["generatorOptions"] = options);
        }
        for (field, kind) in [("configMapGenerator", "ConfigMap"), ("secretGenerator", "Secret")] {
            let mut tries = 0;
            while chance(&mut self.rng, 25) && tries < 3 {
                tries += 1;
                let before = visible.len();
                let Some(entry) = self.generator(layer.dir, kind, visible) else { continue };
                let plugin = chance(&mut self.rng, 15);
                let offered = if plugin {
                    let entry = self.plugin_entry(layer.dir, &format!("{kind}Generator"), entry);
                    self.offer(layer, visible, |fields| append(fields, "generators", entry))
                } else {
                    self.offer(layer, visible, |fields| append(fields, field, entry))
                };
                if !offered {
                    visible.truncate(before);
                }
            }
        }
        if chance(&mut self.rng, 2) {
            let entry = embedded(vec![json!({
                "apiVersion": "builtin", "kind": "IAMPolicyGenerator", "metadata": {"name": "iam"}, "cloud": "gke",
                "kubernetesService": {"namespace": "shop", "name": "runner"},
                "serviceAccount": {"name": "acc", "projectId": "proj"},
            })]);
            self.offer(layer, visible, |fields| append(fields, "generators", entry));
        }
    }

    /// An entry of `generators` or `transformers` with these fields, inline or in a file.
    pub(super) fn plugin_entry(&mut self, dir: &str, kind: &str, mut fields: Value) -> Value {
        let name = fields.get("name").cloned().unwrap_or_else(|| json!(format!("plug{}", self.count)));
        self.count += 1;
        if let Some(map) = fields.as_object_mut() {
            map.insert("apiVersion".to_owned(), json!("builtin"));
            map.insert("kind".to_owned(), json!(kind));
            let metadata = map.entry("metadata").or_insert_with(|| json!({}));
            metadata["name"] = name;
        }
        if chance(&mut self.rng, 50) {
            embedded(vec![fields])
        } else {
            json!(self.file(dir, "t", "yaml", json!([fields])))
        }
    }

    fn generator_options(&mut self) -> Value {
        let rng = &mut self.rng;
        let mut options = json!({});
        if chance(rng, 50) {
            options["labels"] = json!({"generated": "by", "app": "web"});
        }
        if chance(rng, 40) {
            options["annotations"] = json!({"note": text(rng)});
        }
        if chance(rng, 30) {
            options["disableNameSuffixHash"] = json!(chance(rng, 80));
        }
        if chance(rng, 20) {
            options["immutable"] = json!(true);
        }
        options
    }

    fn generator(&mut self, dir: &str, kind: &str, visible: &mut Vec<Made>) -> Option<Value> {
        let existing: Vec<Made> = visible.iter().filter(|made| made.kind == kind).cloned().collect();
        let mut entry = json!({});
        let name = if !existing.is_empty() && chance(&mut self.rng, 50) {
            entry["behavior"] = json!(pick(&mut self.rng, &["merge", "merge", "replace"]));
            let old = &existing[self.rng.usize(..existing.len())];
            if let Some(namespace) = &old.namespace {
                entry["namespace"] = json!(namespace);
            }
            old.name.clone()
        } else {
            let name = pick(&mut self.rng, &NAMES).to_owned();
            let key = (kind.to_owned(), name.clone());
            if self.used.contains(&key) {
                return None;
            }
            self.used.push(key);
            let namespace = chance(&mut self.rng, 8).then(|| "shop".to_owned());
            if let Some(namespace) = &namespace {
                entry["namespace"] = json!(namespace);
            }
            if chance(&mut self.rng, 4) {
                entry["behavior"] = json!("create");
            }
            let body = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, "data": {"a": "x"}});
            visible.push(Made {
                api_version: "v1".to_owned(),
                kind: kind.to_owned(),
                name: name.clone(),
                namespace,
                generated: true,
                body,
            });
            name
        };
        entry["name"] = json!(name);
        self.sources(dir, &mut entry);
        if kind == "Secret" && chance(&mut self.rng, 20) {
            entry["type"] = json!("example.com/special");
        }
        if chance(&mut self.rng, 15) {
            entry["options"] = self.generator_options();
        }
        Some(entry)
    }

    fn sources(&mut self, dir: &str, entry: &mut Value) {
        if chance(&mut self.rng, 70) {
            let rng = &mut self.rng;
            let mut literals = Vec::new();
            for key in ["a", "b", "c.d"].iter().take(rng.usize(1..4)) {
                let value = match text(rng) {
                    Value::String(text) if !text.starts_with('\u{2}') => text,
                    _ => tame(rng),
                };
                let quote = pick(rng, &["", "", "", "\"", "'"]);
                literals.push(json!(format!("{key}={quote}{value}{quote}")));
            }
            entry["literals"] = Value::Array(literals);
        }
        if chance(&mut self.rng, 20) {
            let text = self.plain_text();
            let name = self.file(dir, "data", "txt", json!(text));
            entry["files"] = json!([if chance(&mut self.rng, 50) { format!("key={name}") } else { name }]);
        }
        if chance(&mut self.rng, 15) {
            let text = pick(&mut self.rng, &["E=1\nF=two words \n# c\n\nG\n", "\u{feff}E=x=y\n  H='q'\n", "E=\n", ""]);
            let name = self.file(dir, "vars", "env", json!(text));
            if chance(&mut self.rng, 20) {
                entry["env"] = json!(name);
            } else {
                entry["envs"] = json!([name]);
            }
        }
    }

    fn plain_text(&mut self) -> String {
        if chance(&mut self.rng, 25) {
            return "{\"a\": {\"b\": [1, 2.50, \"x\"]}, \"url\": \"http://h/p\"}".to_owned();
        }
        match text(&mut self.rng) {
            Value::String(text) => text.trim_start_matches(['\u{1}', '\u{2}']).to_owned(),
            _ => String::new(),
        }
    }
}
