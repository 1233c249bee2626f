//! Random directories: bases, overlays and components, and the fields of their kustomizations.
//!
//! The same seed makes the same files. Deliberately no paths to other hosts.

use fastrand::Rng;
use serde_json::{Map, Value, json};

use super::edits::{Made, field_path, json_patch, strategic, target};
use super::kinds::{any_kind, labels, object};
use super::scalars::{NAMES, chance, odd, pick, tame, text};
use super::tree::{Files, embedded};

/// The directory that is built.
pub(super) const TOP: &str = "top";

/// The files of a seed.
pub(super) fn files(seed: u64) -> Files {
    let mut world =
        World { rng: Rng::with_seed(seed), files: Files::new(), used: Vec::new(), count: 0, has_var: false };
    let mut visible = Vec::new();
    let mut below = Vec::new();
    for base in ["base", "base2"] {
        if base == "base" || chance(&mut world.rng, 35) {
            visible.extend(world.layer(base, "Kustomization", &[], &[], Vec::new()));
            below.push(format!("../{base}"));
        }
    }
    if chance(&mut world.rng, 40) {
        visible = world.layer("mid", "Kustomization", &below, &[], visible);
        below = vec!["../mid".to_owned()];
    }
    let mut components = Vec::new();
    for component in ["comp", "comp2"] {
        if chance(&mut world.rng, 25) {
            visible = world.layer(component, "Component", &[], &[], visible);
            components.push(format!("../{component}"));
        }
    }
    world.layer(TOP, "Kustomization", &below, &components, visible);
    world.files
}

struct World {
    rng: Rng,
    files: Files,
    used: Vec<(String, String)>,
    count: usize,
    has_var: bool,
}

impl World {
    /// Writes one directory; gives everything that a layer above it sees.
    fn layer(
        &mut self,
        dir: &str,
        kind: &str,
        resources: &[String],
        components: &[String],
        mut visible: Vec<Made>,
    ) -> Vec<Made> {
        let mut fields = json!({});
        if kind == "Component" {
            fields = json!({"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": kind});
        } else if chance(&mut self.rng, 50) {
            fields = json!({"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": kind});
        }
        let own = if dir == "base" { self.rng.usize(1..6) } else { self.rng.usize(0..4) };
        let mut list: Vec<Value> = resources.iter().map(|path| json!(path)).collect();
        let made: Vec<Made> = (0..own).filter_map(|_| self.make()).collect();
        list.extend(self.write_resources(dir, &made));
        visible.extend(made);
        if !list.is_empty() {
            fields["resources"] = Value::Array(list);
        }
        if !components.is_empty() {
            fields["components"] = json!(components);
        }
        self.generators(dir, &mut fields, &mut visible);
        self.simple_fields(&mut fields, &visible);
        self.label_fields(&mut fields);
        if !visible.is_empty() {
            self.patch_fields(dir, &mut fields, &visible);
            self.value_fields(dir, &mut fields, &visible);
        }
        self.rare_fields(dir, &mut fields);
        let empty = fields.as_object().is_some_and(|map| map.keys().all(|key| key == "apiVersion" || key == "kind"));
        if empty {
            fields["namePrefix"] = json!("only-");
        }
        self.files.insert(format!("{dir}/kustomization.yaml"), json!([fields]));
        visible
    }

    fn make(&mut self) -> Option<Made> {
        let rng = &mut self.rng;
        let (api_version, kind) = any_kind(rng);
        let name = pick(rng, &NAMES);
        let namespace = chance(rng, 15).then(|| pick(rng, &["shop", "default", "zoo"]).to_owned());
        let key = (kind.to_owned(), name.to_owned());
        if self.used.contains(&key) && !chance(rng, 2) {
            return None;
        }
        self.used.push(key);
        let mut body = object(rng, api_version, kind, name);
        if let Some(namespace) = &namespace {
            let metadata = &mut body["metadata"];
            let place = if metadata.get("\u{4}").is_some() { &mut metadata["\u{4}"] } else { metadata };
            place["namespace"] = json!(namespace);
        }
        Some(Made {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
            namespace,
            body,
        })
    }

    fn file(&mut self, dir: &str, prefix: &str, extension: &str, content: Value) -> String {
        self.count += 1;
        let name = format!("{prefix}{}.{extension}", self.count);
        self.files.insert(format!("{dir}/{name}"), content);
        name
    }

    fn write_resources(&mut self, dir: &str, made: &[Made]) -> Vec<Value> {
        let mut names = Vec::new();
        let mut rest = made;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(self.rng.usize(1..=rest.len().min(3)));
            rest = later;
            let bodies: Vec<Value> = now.iter().map(|made| made.body.clone()).collect();
            let content = if chance(&mut self.rng, 8) {
                json!([{"apiVersion": "v1", "kind": "List", "items": bodies}])
            } else {
                Value::Array(bodies)
            };
            names.push(json!(self.file(dir, "r", "yaml", content)));
        }
        names
    }

    fn generators(&mut self, dir: &str, fields: &mut Value, visible: &mut Vec<Made>) {
        for (field, kind) in [("configMapGenerator", "ConfigMap"), ("secretGenerator", "Secret")] {
            let mut list = Vec::new();
            while chance(&mut self.rng, 25) && list.len() < 3 {
                list.extend(self.generator(dir, kind, visible));
            }
            if !list.is_empty() {
                fields[field] = Value::Array(list);
            }
        }
        if chance(&mut self.rng, 10) {
            fields["generatorOptions"] = self.generator_options();
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
        let name = if !existing.is_empty() && chance(&mut self.rng, 40) {
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
            let body = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, "data": {"a": "x"}});
            visible.push(Made {
                api_version: "v1".to_owned(),
                kind: kind.to_owned(),
                name: name.clone(),
                namespace,
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
            entry["envs"] = json!([name]);
        }
    }

    fn plain_text(&mut self) -> String {
        match text(&mut self.rng) {
            Value::String(text) => text.trim_start_matches(['\u{1}', '\u{2}']).to_owned(),
            _ => String::new(),
        }
    }

    fn simple_fields(&mut self, fields: &mut Value, visible: &[Made]) {
        let rng = &mut self.rng;
        if chance(rng, 20) {
            fields["namespace"] = json!(pick(rng, &["shop", "prod", "default"]));
        }
        if chance(rng, 20) {
            fields["namePrefix"] = json!(pick(rng, &["p-", "dev-"]));
        }
        if chance(rng, 15) {
            fields["nameSuffix"] = json!(pick(rng, &["-s", "-v2"]));
        }
        if chance(rng, 15) {
            let mut image =
                json!({"name": pick(rng, &["nginx", "busybox", "reg.example.com:5000/team/app", "app", "ngin."])});
            if chance(rng, 50) {
                image["newName"] = json!(pick(rng, &["other/nginx", "reg.example.com:5000/x"]));
            }
            if chance(rng, 60) {
                image["newTag"] = json!(pick(rng, &["v9", "1.0"]));
            }
            if chance(rng, 20) {
                image["digest"] = json!("sha256:24a0c4b4a4c0eb97a1aabb8e29f18e917d05abfe1b7a7c07857230879ce7d3d3");
            }
            if chance(rng, 8) {
                image["tagSuffix"] = json!("-x");
            }
            fields["images"] = json!([image]);
        }
        let scaled: Vec<&Made> = visible
            .iter()
            .filter(|made| matches!(made.kind.as_str(), "Deployment" | "StatefulSet" | "ReplicaSet"))
            .collect();
        if !scaled.is_empty() && chance(rng, 15) {
            fields["replicas"] = json!([{"name": scaled[rng.usize(..scaled.len())].name, "count": rng.u8(0..9)}]);
        }
        if chance(rng, 6) {
            fields["sortOptions"] = match rng.u8(..3) {
                0 => json!({"order": "fifo"}),
                1 => json!({"order": "legacy"}),
                _ => {
                    json!({"order": "legacy", "legacySortOptions": {"orderFirst": ["Secret", "Namespace"], "orderLast": ["Deployment"]}})
                }
            };
        }
        if chance(rng, 6) {
            let all = ["originAnnotations", "transformerAnnotations", "managedByLabel"];
            fields["buildMetadata"] = json!([pick(rng, &all)]);
        }
    }

    fn label_fields(&mut self, fields: &mut Value) {
        let rng = &mut self.rng;
        if chance(rng, 12) {
            fields["commonLabels"] = labels(rng);
        }
        if chance(rng, 10) {
            fields["commonAnnotations"] = json!({"note": text(rng), "shared": tame(rng)});
        }
        if chance(rng, 15) {
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
            fields["labels"] = json!([entry]);
        }
    }

    fn patch_fields(&mut self, dir: &str, fields: &mut Value, visible: &[Made]) {
        let mut patches = Vec::new();
        while chance(&mut self.rng, 45) && patches.len() < 4 {
            let made = &visible[self.rng.usize(..visible.len())];
            patches.push(self.patch(dir, made));
        }
        if !patches.is_empty() {
            fields["patches"] = Value::Array(patches);
        }
        let made = &visible[self.rng.usize(..visible.len())];
        if chance(&mut self.rng, 8) {
            let patch = strategic(&mut self.rng, made);
            fields["patchesStrategicMerge"] = json!([if chance(&mut self.rng, 50) {
                embedded(vec![patch])
            } else {
                json!(self.file(dir, "p", "yaml", json!([patch])))
            }]);
        }
        if chance(&mut self.rng, 8) {
            let patch = json_patch(&mut self.rng, made);
            let version = made.api_version.rsplit('/').next().unwrap_or_default();
            let mut entry = json!({"target": {"group": made.group(), "version": version, "kind": made.kind, "name": made.name}, "patch": embedded(vec![patch])});
            if let Some(namespace) = &made.namespace {
                entry["target"]["namespace"] = json!(namespace);
            }
            fields["patchesJson6902"] = json!([entry]);
        }
    }

    fn patch(&mut self, dir: &str, made: &Made) -> Value {
        let mut entry = json!({});
        let documents = if chance(&mut self.rng, 35) {
            entry["target"] = target(&mut self.rng, made);
            vec![json_patch(&mut self.rng, made)]
        } else {
            if chance(&mut self.rng, 35) {
                entry["target"] = target(&mut self.rng, made);
            }
            let mut patch = strategic(&mut self.rng, made);
            if entry.get("target").is_some() && chance(&mut self.rng, 15) {
                patch["metadata"]["name"] = json!("renamed");
                if chance(&mut self.rng, 50) {
                    entry["options"] = json!({"allowNameChange": true});
                }
            }
            vec![patch]
        };
        if chance(&mut self.rng, 50) {
            entry["patch"] = embedded(documents);
        } else {
            entry["path"] = json!(self.file(dir, "p", "yaml", Value::Array(documents)));
        }
        entry
    }

    fn value_fields(&mut self, dir: &str, fields: &mut Value, visible: &[Made]) {
        let mut list = Vec::new();
        while chance(&mut self.rng, 18) && list.len() < 3 {
            let source = &visible[self.rng.usize(..visible.len())];
            let destination = &visible[self.rng.usize(..visible.len())];
            list.push(self.replacement(source, destination));
        }
        if !list.is_empty() {
            fields["replacements"] = Value::Array(if chance(&mut self.rng, 80) {
                list
            } else {
                vec![json!({"path": self.file(dir, "repl", "yaml", json!([list]))})]
            });
        }
        if !self.has_var && chance(&mut self.rng, 15) {
            self.has_var = true;
            let made = &visible[self.rng.usize(..visible.len())];
            let mut var = json!({"name": "WHO", "objref": {"apiVersion": made.api_version, "kind": made.kind, "name": made.name}});
            if let Some(namespace) = &made.namespace {
                var["objref"]["namespace"] = json!(namespace);
            }
            if chance(&mut self.rng, 50) {
                var["fieldref"] = json!({"fieldpath": field_path(&mut self.rng, &made.body)});
            }
            fields["vars"] = json!([var]);
        }
    }

    fn replacement(&mut self, from: &Made, to: &Made) -> Value {
        let rng = &mut self.rng;
        let mut source = json!({"kind": from.kind, "name": from.name});
        if chance(rng, 50) {
            source["fieldPath"] = json!(field_path(rng, &from.body));
        }
        if chance(rng, 15) {
            source["options"] = json!({"delimiter": pick(rng, &["-", ":", "/", "."]), "index": rng.i8(0..2)});
        }
        let mut goal = json!({"select": {"kind": to.kind}, "fieldPaths": [field_path(rng, &to.body)]});
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
        json!({"source": source, "targets": [goal]})
    }

    fn rare_fields(&mut self, dir: &str, fields: &mut Value) {
        if chance(&mut self.rng, 6) {
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
            ] {
                if chance(&mut self.rng, 35) {
                    config.insert(field.to_owned(), value);
                }
            }
            let name = self.file(dir, "config", "yaml", json!([config]));
            fields["configurations"] = json!([name]);
        }
        if chance(&mut self.rng, 8) {
            let rng = &mut self.rng;
            let plugin = match rng.u8(..5) {
                0 => {
                    json!({"kind": "LabelTransformer", "labels": labels(rng), "fieldSpecs": [{"path": "metadata/labels", "create": true}]})
                }
                1 => {
                    json!({"kind": "AnnotationsTransformer", "annotations": {"x": tame(rng)}, "fieldSpecs": [{"path": "metadata/annotations", "create": true}]})
                }
                2 => json!({"kind": "PrefixTransformer", "prefix": "pt-", "fieldSpecs": [{"path": "metadata/name"}]}),
                3 => {
                    json!({"kind": "NamespaceTransformer", "metadata": {"namespace": "moved"}, "unsetOnly": chance(rng, 50), "fieldSpecs": [{"path": "metadata/namespace", "create": true}]})
                }
                _ => {
                    json!({"kind": "ImageTagTransformer", "imageTag": {"name": "nginx", "newTag": "t"}, "fieldSpecs": [{"path": "spec/image"}]})
                }
            };
            let mut plugin = plugin;
            plugin["apiVersion"] = json!("builtin");
            plugin["metadata"]["name"] = json!("plug");
            let entry = if chance(rng, 50) {
                embedded(vec![plugin])
            } else {
                json!(self.file(dir, "t", "yaml", json!([plugin])))
            };
            fields["transformers"] = json!([entry]);
        }
        if chance(&mut self.rng, 2) {
            let odd = odd(&mut self.rng);
            fields["namePrefix"] = odd;
        }
    }
}
