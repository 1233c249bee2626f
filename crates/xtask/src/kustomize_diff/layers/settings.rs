//! Random values of the simple fields: names, labels, images, replicas, tables, order and marks of the output.

use serde_json::{Map, Value, json};

use super::super::edits::Made;
use super::super::kinds::labels;
use super::super::scalars::{chance, odd, pick, tame, text};
use super::{Layer, TOP, World, append};

const DIGEST: &str = "sha256:24a0c4b4a4c0eb97a1aabb8e29f18e917d05abfe1b7a7c07857230879ce7d3d3";

impl World {
    pub(super) fn settings(&mut self, layer: &mut Layer, visible: &mut Vec<Made>) {
        let rng = &mut self.rng;
        let mut chosen: Vec<(&str, Value)> = Vec::new();
        if chance(rng, 20) {
            chosen.push(("namespace", json!(pick(rng, &["shop", "prod", "default"]))));
        }
        if chance(rng, 20) {
            chosen.push(("namePrefix", json!(pick(rng, &["p-", "dev-"]))));
        }
        if chance(rng, 15) {
            chosen.push(("nameSuffix", json!(pick(rng, &["-s", "-v2"]))));
        }
        if chance(rng, 20) {
            let entries = (0..rng.usize(1..3)).map(|_| label_entry(rng)).collect();
            chosen.push(("labels", Value::Array(entries)));
        }
        if chance(rng, 12) {
            chosen.push(("commonLabels", labels(rng)));
        }
        if chance(rng, 12) {
            chosen.push(("commonAnnotations", json!({"note": text(rng), "shared": tame(rng)})));
        }
        if chance(rng, 2) {
            let odd = odd(rng);
            chosen.push((pick(rng, &["namePrefix", "namespace"]), odd));
        }
        for (field, value) in chosen {
            self.offer(layer, visible, |fields| fields[field] = value);
        }
        self.late_patches(layer, visible);
        while chance(&mut self.rng, 15) && !visible.is_empty() {
            let scaled = ["Deployment", "StatefulSet", "ReplicaSet", "ReplicationController"];
            let found: Vec<&Made> = visible.iter().filter(|made| scaled.contains(&made.kind.as_str())).collect();
            if found.is_empty() {
                break;
            }
            let name = found[self.rng.usize(..found.len())].name.clone();
            let count = self.rng.u8(0..9);
            self.offer(layer, visible, |fields| append(fields, "replicas", json!({"name": name, "count": count})));
        }
        while chance(&mut self.rng, 15) {
            let image = image(&mut self.rng);
            let field = if chance(&mut self.rng, 5) { "imageTags" } else { "images" };
            self.offer(layer, visible, |fields| append(fields, field, image));
        }
    }

    /// `sortOptions` and `buildMetadata`, which only count at the top.
    pub(super) fn output(&mut self, layer: &mut Layer) {
        let rng = &mut self.rng;
        if chance(rng, if layer.dir == TOP { 10 } else { 2 }) {
            layer.fields["sortOptions"] = match rng.u8(..4) {
                0 => json!({"order": "fifo"}),
                1 => json!({"order": "legacy"}),
                2 => json!({"order": "legacy", "legacySortOptions": {"orderFirst": ["Deployment"]}}),
                _ => {
                    json!({"order": "legacy", "legacySortOptions": {"orderFirst": ["Secret", "Namespace"], "orderLast": ["Deployment"]}})
                }
            };
        }
        if chance(rng, if layer.dir == TOP { 15 } else { 2 }) {
            let mut all = vec!["originAnnotations", "transformerAnnotations", "managedByLabel"];
            rng.shuffle(&mut all);
            all.truncate(rng.usize(1..4));
            layer.fields["buildMetadata"] = json!(all);
        }
        if chance(rng, 3) {
            layer.fields["metadata"] = json!({"name": "me", "labels": {"a": "b"}});
        }
    }

    /// `configurations`, `crds` and `openapi`.
    pub(super) fn tables(&mut self, layer: &mut Layer, visible: &mut Vec<Made>) {
        if chance(&mut self.rng, 8) {
            let mut config = Map::new();
            for (field, value) in [
                (
                    "nameReference",
                    json!([{"kind": "ConfigMap", "version": "v1", "fieldSpecs": [{"kind": "Widget", "path": "spec/configRef/name"}]}]),
                ),
                ("commonLabels", json!([{"kind": "Widget", "path": "spec/selector", "create": true}])),
                ("images", json!([{"kind": "Widget", "path": "spec/image"}])),
                ("replicas", json!([{"kind": "Widget", "path": "spec/size"}])),
                ("varReference", json!([{"kind": "Widget", "path": "spec/values"}])),
                ("commonAnnotations", json!([{"kind": "Widget", "path": "spec/notes", "create": true}])),
                ("namespace", json!([{"kind": "Widget", "path": "spec/where", "create": true}])),
                ("namePrefix", json!([{"kind": "Widget", "path": "spec/image"}])),
                ("templateLabels", json!([{"kind": "Widget", "path": "spec/templateLabels", "create": true}])),
                ("labels", json!([{"kind": "Widget", "path": "spec/someLabels", "create": true}])),
            ] {
                if chance(&mut self.rng, 30) {
                    config.insert(field.to_owned(), value);
                }
            }
            let name = self.file(layer.dir, "config", "yaml", json!([config]));
            self.offer(layer, visible, |fields| fields["configurations"] = json!([name]));
        }
        if chance(&mut self.rng, 5) {
            let reference = json!({"description": "x", "x-kubernetes-object-ref-kind": "ConfigMap", "x-kubernetes-object-ref-api-version": "v1", "x-kubernetes-object-ref-name-key": "name", "$ref": "#/definitions/Ref"});
            let name = self.file(
                layer.dir,
                "crd",
                "json",
                json!(json!({
                "example.com/v1.Widget": {"Schema": {"description": "w", "properties": {
                    "apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"},
                    "spec": {"$ref": "Spec"}}}},
                "Spec": {"Schema": {"properties": {"configRef": reference, "image": {"type": "string"}}}},
            }).to_string()),
            );
            self.offer(layer, visible, |fields| fields["crds"] = json!([name]));
        }
        if chance(&mut self.rng, 5) {
            if chance(&mut self.rng, 30) {
                self.offer(layer, visible, |fields| fields["openapi"] = json!({"version": "v1.21.2"}));
                return;
            }
            let name = self.file(layer.dir, "schema", "json", json!(json!({"definitions": {
                "Widget": {
                    "type": "object",
                    "properties": {"spec": {"type": "object", "properties": {
                        "containers": {"type": "array", "items": {"type": "object"}, "x-kubernetes-patch-merge-key": "name", "x-kubernetes-patch-strategy": "merge"},
                        "values": {"type": "array", "items": {"type": "string"}, "x-kubernetes-patch-strategy": "merge"},
                    }}},
                    "x-kubernetes-group-version-kind": [{"group": "example.com", "kind": "Widget", "version": "v1"}],
                },
            }}).to_string()));
            self.offer(layer, visible, |fields| fields["openapi"] = json!({"path": name}));
        }
    }
}

fn image(rng: &mut fastrand::Rng) -> Value {
    let mut image = json!({"name": pick(rng, &["nginx", "busybox", "reg.example.com:5000/team/app", "app", "ngin."])});
    if chance(rng, 50) {
        image["newName"] = json!(pick(rng, &["other/nginx", "reg.example.com:5000/x"]));
    }
    if chance(rng, 60) {
        image["newTag"] = json!(pick(rng, &["v9", "1.0"]));
    }
    if chance(rng, 20) {
        image["digest"] = json!(DIGEST);
    }
    if chance(rng, 8) {
        image["tagSuffix"] = json!("-x");
    }
    image
}

fn label_entry(rng: &mut fastrand::Rng) -> Value {
    let mut entry = json!({"pairs": labels(rng)});
    if chance(rng, 30) {
        entry["includeSelectors"] = json!(chance(rng, 80));
    }
    if chance(rng, 30) {
        entry["includeTemplates"] = json!(chance(rng, 80));
    }
    if chance(rng, 10) {
        entry["fields"] = json!([{"path": "spec/extra/labels", "kind": "Widget", "create": chance(rng, 70)}]);
    }
    entry
}
