//! Random directories: bases, overlays and components. What their kustomizations say is made by the modules below this one.
//!
//! The same seed makes the same files. Every field is first tried out with our library, and most of those that it refuses are taken back:
//! otherwise nearly all cases would fail at their first step and the steps after it would never be compared. A few stay, so that refusals
//! are compared, too. Deliberately no paths to other hosts.

mod changes;
mod plugs;
mod settings;
mod sources;

use fastrand::Rng;
use serde_json::{Value, json};

use super::edits::Made;
use super::kinds::{any_kind, object};
use super::oracle::tried;
use super::scalars::{NAMES, chance, pick};
use super::tree::Files;

/// The directory that is built.
pub(super) const TOP: &str = "top";

/// A directory that stands for the overlay which uses a component, while that is tried out.
const TRIAL: &str = "trial";

/// Of a hundred fields that do not build, those that stay.
const KEPT_FAULTS: u8 = 6;

/// The files of a seed.
pub(super) fn files(seed: u64) -> Files {
    let rng = Rng::with_seed(seed);
    let mut world = World { rng, files: Files::new(), used: Vec::new(), count: 0, has_var: false, broken: false };
    let mut visible = Vec::new();
    let mut below = Vec::new();
    for base in ["base", "base2"] {
        if base == "base" || chance(&mut world.rng, 35) {
            let layer = Layer::new(base, &[], &[]);
            visible.extend(world.layer(layer, Vec::new()));
            below.push(format!("../{base}"));
        }
    }
    if chance(&mut world.rng, 40) {
        visible = world.layer(Layer::new("mid", &below, &[]), visible);
        below = vec!["../mid".to_owned()];
    }
    let mut components = Vec::new();
    for component in ["comp", "comp2"] {
        if chance(&mut world.rng, 25) {
            components.push(format!("../{component}"));
            let mut layer = Layer::new(component, &[], &[]);
            layer.trial = Some(json!([{"resources": below.clone(), "components": components.clone()}]));
            visible = world.layer(layer, visible);
        }
    }
    world.layer(Layer::new(TOP, &below, &components), visible);
    world.files
}

struct World {
    rng: Rng,
    files: Files,
    used: Vec<(String, String)>,
    count: usize,
    has_var: bool,
    /// Something that our library refuses has been kept: nothing can be tried out any more.
    broken: bool,
}

/// One directory in the making.
struct Layer {
    dir: &'static str,
    fields: Value,
    /// The overlay to try a component in.
    trial: Option<Value>,
}

impl Layer {
    fn new(dir: &'static str, resources: &[String], components: &[String]) -> Self {
        let mut fields = json!({});
        for (field, paths) in [("resources", resources), ("components", components)] {
            if !paths.is_empty() {
                fields[field] = json!(paths);
            }
        }
        Self { dir, fields, trial: None }
    }
}

/// Appends to a list that may be absent.
fn append(fields: &mut Value, field: &str, item: Value) {
    match fields.get_mut(field).and_then(Value::as_array_mut) {
        Some(list) => list.push(item),
        None => fields[field] = json!([item]),
    }
}

impl World {
    /// Writes one directory; gives everything that a layer above it sees.
    fn layer(&mut self, mut layer: Layer, mut visible: Vec<Made>) -> Vec<Made> {
        if layer.trial.is_some() {
            layer.fields = json!({"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component"});
        } else if chance(&mut self.rng, 50) {
            layer.fields["apiVersion"] = json!("kustomize.config.k8s.io/v1beta1");
            layer.fields["kind"] = json!("Kustomization");
        }
        // In the order in which kustomize goes through the fields, so that later ones are made for what earlier ones left.
        self.tables(&mut layer, &mut visible);
        let count = if layer.dir == "base" { self.rng.usize(1..6) } else { self.rng.usize(0..4) };
        self.resources(&mut layer, count, &mut visible);
        self.generators(&mut layer, &mut visible);
        self.patches(&mut layer, &mut visible);
        self.settings(&mut layer, &mut visible);
        self.values(&mut layer, &mut visible);
        self.plugs(&mut layer, &mut visible);
        self.output(&mut layer);
        let named = |key: &String| key == "apiVersion" || key == "kind";
        if layer.fields.as_object().is_some_and(|map| map.keys().all(named)) {
            layer.fields["namePrefix"] = json!("only-");
        }
        self.write(&layer);
        self.files.remove(&format!("{TRIAL}/kustomization.yaml"));
        visible
    }

    fn write(&mut self, layer: &Layer) {
        self.files.insert(format!("{}/kustomization.yaml", layer.dir), json!([layer.fields]));
    }

    /// Changes the fields, unless the directory then does not build and the change is not one of the faults that stay.
    fn offer(&mut self, layer: &mut Layer, visible: &mut Vec<Made>, change: impl FnOnce(&mut Value)) -> bool {
        let before = layer.fields.clone();
        change(&mut layer.fields);
        if self.broken {
            return true;
        }
        self.write(layer);
        let dir = match &layer.trial {
            Some(trial) => {
                self.files.insert(format!("{TRIAL}/kustomization.yaml"), trial.clone());
                TRIAL
            }
            None => layer.dir,
        };
        match tried(&self.files, dir) {
            Some(built) => {
                refresh(visible, built);
                true
            }
            None if chance(&mut self.rng, KEPT_FAULTS) => {
                self.broken = true;
                true
            }
            None => {
                layer.fields = before;
                false
            }
        }
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
            generated: false,
            body,
        })
    }

    fn file(&mut self, dir: &str, prefix: &str, extension: &str, content: Value) -> String {
        self.count += 1;
        let name = format!("{prefix}{}.{extension}", self.count);
        self.files.insert(format!("{dir}/{name}"), content);
        name
    }

    /// A random one of what there is.
    fn any<'m>(&mut self, visible: &'m [Made]) -> &'m Made {
        &visible[self.rng.usize(..visible.len())]
    }

    fn resources(&mut self, layer: &mut Layer, count: usize, visible: &mut Vec<Made>) {
        let made: Vec<Made> = (0..count).filter_map(|_| self.make()).collect();
        let mut rest = made.as_slice();
        while !rest.is_empty() {
            let (group, others) = rest.split_at(self.rng.usize(1..=rest.len().min(3)));
            rest = others;
            let bodies: Vec<Value> = group.iter().map(|made| made.body.clone()).collect();
            let content = if chance(&mut self.rng, 8) {
                json!([{"apiVersion": "v1", "kind": "List", "items": bodies}])
            } else {
                Value::Array(bodies)
            };
            let name = self.file(layer.dir, "r", "yaml", content);
            let legacy = chance(&mut self.rng, 3) && layer.fields.get("resources").is_none();
            let field = if legacy { "bases" } else { "resources" };
            let before = visible.len();
            // A resource file may stand in `resources` only; the legacy field is for directories but reads files, too.
            visible.extend(group.iter().cloned());
            if !self.offer(layer, visible, |fields| append(fields, field, json!(name))) {
                visible.truncate(before);
                self.files.remove(&format!("{}/{name}", layer.dir));
            }
        }
    }
}

/// Brings what is known of the objects up to what was built.
fn refresh(visible: &mut Vec<Made>, mut built: Vec<Value>) {
    let found = |made: &Made, body: &Value| {
        let name = body["metadata"]["name"].as_str().unwrap_or_default();
        body["kind"] == json!(made.kind) && (name.contains(&made.name) || name.contains("renamed"))
    };
    visible.retain_mut(|made| {
        let Some(index) = built.iter().position(|body| found(made, body)) else { return false };
        made.body = built.remove(index);
        true
    });
}
