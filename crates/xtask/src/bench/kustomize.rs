//! How the time of a build grows with the number of resources: the library alone, on trees in memory.
//!
//! Deliberately no start of a program and no disk: what is measured is the engine, reading and writing YAML included.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use sluice_kustomize::{MemoryTree, Options, RelPath, build};

/// How much is measured.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Numbers of resources.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 2_000, 5_000, 10_000, 20_000, 50_000])]
    sizes: Vec<usize>,
    /// Builds of each, of which the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

/// Makes the tree of a shape with a number of resources.
type MakeTree = fn(usize) -> anyhow::Result<MemoryTree>;

/// The shapes.
const SHAPES: [(&str, MakeTree); 7] = [
    ("plain", plain),
    ("labels and prefix", labels_and_prefix),
    ("name references", name_references),
    ("10 % patched by name", patched),
    ("9 % deleted by patches", deleted),
    ("ten layers of bases", layers),
    ("generators", generators),
];

/// Builds every shape at every size and prints a table.
///
/// # Errors
/// When a build fails or gives another number of resources than it should.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut header = format!("{:<24}", "ms CPU (us per resource)");
    for size in &arguments.sizes {
        // Writing to a string does not fail.
        let _ = write!(header, "{size:>18}");
    }
    print(&header);
    for (name, make) in SHAPES {
        let mut line = format!("{name:<24}");
        for &size in &arguments.sizes {
            let median = median(&make(size)?, size, arguments.rounds)?;
            let micros = median.as_micros() / u128::try_from(size.max(1))?;
            let _ = write!(line, "{:>18}", format!("{} ({micros})", median.as_millis()));
        }
        print(&line);
    }
    Ok(())
}

fn median(tree: &MemoryTree, size: usize, rounds: usize) -> anyhow::Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..rounds.max(1) {
        let started = cpu_time();
        let built = build(tree, &RelPath::root(), &Options::default()).context("build")?;
        let text = built.to_yaml().context("print")?;
        times.push(cpu_time().saturating_sub(started));
        anyhow::ensure!(built.resources.len() == size && !text.is_empty(), "{} resources", built.resources.len());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

/// What this thread has computed so far: a build is one thread's work, and others on the machine must not count.
fn cpu_time() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(spent.tv_sec).unwrap_or_default(), u32::try_from(spent.tv_nsec).unwrap_or_default())
}

/// A tree of files; the file names are this module's own.
fn tree(files: impl IntoIterator<Item = (String, String)>) -> anyhow::Result<MemoryTree> {
    let mut tree = MemoryTree::new();
    for (name, content) in files {
        tree.insert(RelPath::new(&name)?, content);
    }
    Ok(tree)
}

fn list(field: &str, items: impl IntoIterator<Item = String>) -> String {
    items.into_iter().fold(format!("{field}:\n"), |text, item| text + "- " + &item + "\n")
}

fn deployment(number: usize) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: app-{number}\n  labels:\n    app: app-{number}\nspec:\n  replicas: 2\n  \
         selector:\n    matchLabels:\n      app: app-{number}\n  template:\n    metadata:\n      labels:\n        app: app-{number}\n    \
         spec:\n      containers:\n      - name: main\n        image: registry.example/app:1.0.{number}\n        env:\n        \
         - name: LEVEL\n          value: info\n        ports:\n        - containerPort: 8080\n"
    )
}

fn config_map(number: usize) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: config-{number}\ndata:\n  level: info\n  number: \"{number}\"\n"
    )
}

fn resources(count: usize, content: impl Fn(usize) -> String) -> Vec<(String, String)> {
    let mut files: Vec<_> = (0..count).map(|number| (format!("r{number}.yaml"), content(number))).collect();
    files
        .push(("kustomization.yaml".to_owned(), list("resources", (0..count).map(|number| format!("r{number}.yaml")))));
    files
}

fn with_fields(mut files: Vec<(String, String)>, fields: &str) -> anyhow::Result<MemoryTree> {
    if let Some((_, kustomization)) = files.last_mut() {
        kustomization.push_str(fields);
    }
    tree(files)
}

fn plain(count: usize) -> anyhow::Result<MemoryTree> {
    tree(resources(count, deployment))
}

fn labels_and_prefix(count: usize) -> anyhow::Result<MemoryTree> {
    let fields = "namePrefix: prod-\nnamespace: shop\nlabels:\n- includeSelectors: true\n  pairs:\n    team: shop\n";
    with_fields(resources(count, deployment), fields)
}

/// Every other resource is a Deployment that names the `ConfigMap` before it, and all names change.
fn name_references(count: usize) -> anyhow::Result<MemoryTree> {
    let content = |number: usize| {
        if number.is_multiple_of(2) {
            return config_map(number);
        }
        let reference = number - 1;
        deployment(number)
            + &format!("        envFrom:\n        - configMapRef:\n            name: config-{reference}\n")
    };
    with_fields(resources(count, content), "namePrefix: prod-\n")
}

fn patched(count: usize) -> anyhow::Result<MemoryTree> {
    let patch = |number: usize| {
        format!(
            "target:\n    kind: Deployment\n    name: app-{number}\n  patch: |\n    apiVersion: apps/v1\n    kind: Deployment\n    \
             metadata:\n      name: app-{number}\n    spec:\n      replicas: 3"
        )
    };
    let patches = list("patches", (0..count / 10).map(|number| patch(number * 10)));
    with_fields(resources(count, deployment), &patches)
}

/// A tenth more resources than asked for, which patches of their own then delete.
fn deleted(count: usize) -> anyhow::Result<MemoryTree> {
    let patch = |number: usize| {
        format!(
            "patch: |\n    apiVersion: apps/v1\n    kind: Deployment\n    metadata:\n      name: app-{number}\n    $patch: delete"
        )
    };
    let surplus = count / 10;
    let patches = list("patches", (0..surplus).map(|number| patch(number * 7)));
    with_fields(resources(count + surplus, deployment), &patches)
}

/// Bases within bases: every layer adds a tenth of the resources, and changes all that it has.
fn layers(count: usize) -> anyhow::Result<MemoryTree> {
    const LAYERS: usize = 10;
    let mut files = Vec::new();
    for layer in 0..LAYERS {
        let own = layer * count / LAYERS..(layer + 1) * count / LAYERS;
        let dir = if layer + 1 == LAYERS { String::new() } else { format!("l{layer}/") };
        let mut entries: Vec<_> = own.clone().map(|number| format!("r{number}.yaml")).collect();
        files.extend(own.map(|number| (format!("{dir}r{number}.yaml"), config_map(number))));
        if layer > 0 {
            let up = if dir.is_empty() { "" } else { "../" };
            entries.push(format!("{up}l{}", layer - 1));
        }
        let fields = format!("commonAnnotations:\n  layer: l{layer}\nnamePrefix: p{layer}-\n");
        files.push((format!("{dir}kustomization.yaml"), list("resources", entries) + &fields));
    }
    tree(files)
}

fn generators(count: usize) -> anyhow::Result<MemoryTree> {
    let one = |number: usize| format!("name: config-{number}\n  literals:\n  - level=info\n  - number={number}");
    tree([("kustomization.yaml".to_owned(), list("configMapGenerator", (0..count).map(one)))])
}

#[expect(clippy::print_stdout, reason = "the table is the program's output")]
fn print(line: &str) {
    println!("{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_builds_to_the_number_of_resources_asked_for() {
        for (name, make) in SHAPES {
            median(&make(40).unwrap(), 40, 1).unwrap_or_else(|error| panic!("{name}: {error:#}"));
        }
    }
}
