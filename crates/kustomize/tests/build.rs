//! Builds of small trees of our own: what comes out, what is refused and in which words, and what was looked at.

mod common;

use std::collections::BTreeSet;

use sluice_kustomize::{BuildError, BuildLimits, LoadRestrictor, MemoryTree, Options, build, describe};

use common::{path, tree};

fn built(files: &[(&str, &str)], dir: &str) -> Result<String, String> {
    let build = build(&tree(files), &path(dir), &Options::default()).map_err(|error| describe(&error))?;
    build.to_yaml().map_err(|error| error.to_string())
}

const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  template:\n    spec:\n      \
                          containers:\n      - name: web\n        image: web:1\n        envFrom:\n        - configMapRef:\n            name: settings\n";

#[test]
fn a_base_with_generator_prefix_and_patch_builds_with_its_references_in_step() {
    let files = [
        (
            "base/kustomization.yaml",
            "resources:\n- web.yaml\nconfigMapGenerator:\n- name: settings\n  literals:\n  - a=1\n",
        ),
        ("base/web.yaml", DEPLOYMENT),
        (
            "prod/kustomization.yaml",
            "resources:\n- ../base\nnamespace: shop\nnamePrefix: prod-\nimages:\n- name: web\n  newTag: \"2\"\npatches:\n- patch: |\n    \
             apiVersion: apps/v1\n    kind: Deployment\n    metadata:\n      name: web\n    spec:\n      replicas: 3\n",
        ),
    ];
    let expected = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: prod-web\n  namespace: shop\nspec:\n  replicas: 3\n  \
                    template:\n    spec:\n      containers:\n      - envFrom:\n        - configMapRef:\n            \
                    name: prod-settings-m2g4d22cc8\n        image: web:2\n        name: web\n---\napiVersion: v1\ndata:\n  a: \"1\"\n\
                    kind: ConfigMap\nmetadata:\n  name: prod-settings-m2g4d22cc8\n  namespace: shop\n";
    let got = built(&files, "prod").unwrap();
    // The hash is checked against kustomize elsewhere; here it must be the same in both places.
    let hash = got.rsplit("prod-settings-").next().unwrap().lines().next().unwrap();
    assert_eq!(got, expected.replace("m2g4d22cc8", hash));
}

#[test]
fn every_path_that_was_looked_at_is_in_the_read_set() {
    let tree = tree(&[
        ("a/kustomization.yaml", "resources:\n- ../b\n- c.yaml\n"),
        ("a/c.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: c}\n"),
        ("b/kustomization.yml", "namePrefix: x-\nresources: []\n"),
        ("unrelated.yaml", "nothing"),
    ]);
    let read = build(&tree, &path("a"), &Options::default()).unwrap().read;
    let set = |names: &[&str]| names.iter().map(|name| path(name)).collect::<BTreeSet<_>>();
    assert_eq!(read.files, set(&["a/kustomization.yaml", "a/c.yaml", "b/kustomization.yml"]));
    assert_eq!(read.dirs, set(&["a", "b"]));
    assert_eq!(
        read.absent,
        set(&["a/kustomization.yml", "a/Kustomization", "b/kustomization.yaml", "b/Kustomization"])
    );
}

#[test]
fn bad_kustomizations_are_refused_in_the_words_of_kustomize() {
    for (text, message) in [
        ("resourcez: []\n", "invalid Kustomization: json: unknown field \"resourcez\""),
        (
            "# c\nresources: a\n",
            "invalid Kustomization: json: cannot unmarshal string into Go struct field \
             Kustomization.resources of type []string",
        ),
        (
            "namePrefix: yes\n",
            "invalid Kustomization: json: cannot unmarshal bool into Go struct field \
             Kustomization.namePrefix of type string",
        ),
        ("a: b\nb: c: d\n", "invalid Kustomization: yaml: line 2: mapping values are not allowed in this context"),
        ("# nothing\n", "kustomization.yaml is empty"),
        (
            "kind: Frob\nnamePrefix: a\n",
            "Failed to read kustomization file under /:\nkind should be Kustomization or Component",
        ),
        (
            "namePrefix: a\nhelmCharts: []\n",
            "kustomization.yaml: line 2: field 'helmCharts' is not supported: helm charts are not inflated",
        ),
        (
            "resources:\n- https://example.org/x.yaml\n",
            "accumulating resources: 'https://example.org/x.yaml' is remote, and remote resources are not allowed",
        ),
        (
            "components:\n- nope\n",
            "accumulating components: loader.New \"must build at directory: not a valid directory: evalsymlink failure on '/nope' : lstat /nope: no such file or directory\"",
        ),
        (
            "resources:\n- ../x\n",
            "accumulating resources: accumulation err='accumulating resources from '../x': fs-security-constraint ../x: path '../x' is not in or below ''': fs-security-constraint ../x: path '../x' is not in or below ''",
        ),
        (
            "resources:\n- .\n",
            "accumulating resources: accumulation err='accumulating resources from '.': read /: is a directory': cycle detected: candidate root '/' contains visited root '/'",
        ),
    ] {
        assert_eq!(built(&[("kustomization.yaml", text)], ""), Err(message.to_owned()), "{text}");
    }
    assert!(built(&[], "").unwrap_err().starts_with("unable to find one of 'kustomization.yaml'"));
    let two = [("kustomization.yaml", "namePrefix: a\n"), ("Kustomization", "namePrefix: a\n")];
    assert!(built(&two, "").unwrap_err().starts_with("Found multiple kustomization files"));
}

#[test]
fn bad_resources_are_refused_in_the_words_of_kustomize() {
    for (text, message) in [
        (
            "a: b: c\n",
            "accumulating resources: accumulating resources from 'r.yaml': MalformedYAMLError: yaml: mapping values are not allowed in this context in File: r.yaml",
        ),
        ("apiVersion: v1\nmetadata: {name: a}\n", "missing kind in object {{v1 } {{a } map[] map[]}}'"),
        (
            "---\nkind: A\n---\nkind: B\nmetadata: {name: b}\n",
            "missing metadata.name in object {{ A} {{ } map[] map[]}}'",
        ),
        ("- a\n", "missing Resource metadata'"),
    ] {
        let files = [("kustomization.yaml", "resources: [r.yaml]\n"), ("r.yaml", text)];
        let error = built(&files, "").unwrap_err();
        assert!(error.contains(message), "{error}");
    }
    let twice = "apiVersion: v1\nkind: A\nmetadata: {name: a}\n---\napiVersion: v1\nkind: A\nmetadata: {name: a}\n";
    let error = built(&[("kustomization.yaml", "resources: [r.yaml]\n"), ("r.yaml", twice)], "").unwrap_err();
    assert!(error.contains("may not add resource with an already registered id: A.v1.[noGrp]/a.[noNs]"), "{error}");
}

#[test]
fn files_outside_of_the_root_are_refused_only_by_the_strict_restrictor() {
    let tree = tree(&[
        ("a/kustomization.yaml", "resources: [../r.yaml]\n"),
        ("r.yaml", "apiVersion: v1\nkind: A\nmetadata: {name: a}\n"),
    ]);
    assert!(build(&tree, &path("a"), &Options::default()).is_ok());
    let strict =
        Options { load_restrictor: LoadRestrictor::RootOnly, root_label: "/root".to_owned(), ..Options::default() };
    let error = describe(&build(&tree, &path("a"), &strict).unwrap_err());
    assert!(error.contains("security; file '/root/r.yaml' is not in or below '/root/a'"), "{error}");
}

#[test]
fn a_tower_of_bases_that_doubles_at_every_level_is_stopped() {
    let mut tree = tree(&[]);
    for level in 0..30 {
        let below = level + 1;
        tree.insert(path(&format!("l{level}/kustomization.yaml")), "resources: [a, b]\n");
        for side in ["a", "b"] {
            let text = format!("resources: [../../l{below}]\nnamePrefix: {side}-\n");
            tree.insert(path(&format!("l{level}/{side}/kustomization.yaml")), text);
        }
    }
    tree.insert(path("l30/kustomization.yaml"), "configMapGenerator: [{name: a}]\n");
    let limits = BuildLimits { kustomizations: 500, ..BuildLimits::default() };
    let error = build(&tree, &path("l0"), &Options { limits, ..Options::default() }).unwrap_err();
    assert!(describe(&error).contains("the build exceeds the limit of 500 kustomizations"), "{}", describe(&error));
    let deep = BuildLimits { depth: 5, ..BuildLimits::default() };
    let error = build(&tree, &path("l0"), &Options { limits: deep, ..Options::default() }).unwrap_err();
    assert!(describe(&error).contains("the limit of 5 nested kustomizations"), "{}", describe(&error));
}

#[test]
fn a_message_that_shows_an_object_does_not_show_the_values_of_a_secret() {
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {password: hunter2}\nx: {1: y}\n";
    let files = tree(&[("kustomization.yaml", "resources: [s.yaml]\n"), ("s.yaml", secret)]);
    let error = build(&files, &path(""), &Options::default()).unwrap().to_yaml().unwrap_err().to_string();
    assert!(!error.contains("hunter2"), "{error}");
    assert!(error.ends_with(": json: unsupported type: map[interface {}]interface {}"), "{error}");
}

#[test]
fn a_missing_directory_is_named() {
    let error = build(&tree(&[("f", "")]), &path("f"), &Options::default()).unwrap_err();
    assert!(matches!(error, BuildError::NotADirectory { .. }));
    assert_eq!(error.to_string(), "must build at directory: 'f': file is not directory");
}

/// A small generator of our own, so that a failure can be repeated from its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).expect("the remainder is below a usize")
    }
}

#[test]
fn mutated_kustomizations_and_manifests_never_panic() {
    let seeds = [
        (
            "kustomization.yaml",
            "resources: [r.yaml]\nnamespace: n\nnamePrefix: p-\nlabels: [{pairs: {a: b}, includeSelectors: true}]\n\
             images: [{name: web, newTag: '2'}]\nreplicas: [{name: web, count: 2}]\nvars: [{name: V, objref: {kind: Service, name: s, apiVersion: v1}}]\n\
             replacements: [{source: {kind: Service}, targets: [{select: {kind: Deployment}, fieldPaths: [spec.x.0.y], options: {create: true}}]}]\n\
             patches: [{target: {kind: D.*}, patch: '[{op: add, path: /spec/replicas, value: 1}]'}]\n\
             configMapGenerator: [{name: settings, literals: [a=1]}]\n",
        ),
        ("r.yaml", DEPLOYMENT),
        (
            "s.yaml",
            "apiVersion: v1\nkind: Service\nmetadata: {name: s, annotations: {x: 1}}\nspec: {ports: [{port: 80}]}\n",
        ),
    ];
    let mut random = Random(0x0DD_BA11_CAFE);
    let alphabet = b"abs \n:-&*'\"{}[],?~./$()=0\xff";
    for _ in 0..4_000 {
        let mut tree = MemoryTree::new();
        for (name, text) in &seeds {
            let mut text = text.as_bytes().to_vec();
            for _ in 0..random.below(4) {
                let at = random.below(text.len());
                match random.below(3) {
                    0 => drop(text.remove(at)),
                    1 => text[at] = alphabet[random.below(alphabet.len())],
                    _ => text.insert(at, alphabet[random.below(alphabet.len())]),
                }
            }
            tree.insert(path(name), text);
        }
        if let Ok(build) = build(&tree, &path(""), &Options::default()) {
            let _ = build.to_yaml();
        }
    }
}
