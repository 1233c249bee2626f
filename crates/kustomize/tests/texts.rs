//! Errors in the words of kustomize, down to the letter, for faults that the corpus does not have.

use sluice_kustomize::{LoadRestrictor, MemoryTree, Options, RelPath, build, describe};

const DEPLOYMENT: &str = "kind: Deployment\napiVersion: apps/v1\nmetadata:\n  name: d\nspec:\n  replicas: 1\n";
const DUPLICATE: &str = "may not add resource with an already registered id: Deployment.v1.apps/d.[noNs]";

fn error_of(kustomization: &str, more: &[(&str, &str)]) -> String {
    let mut tree = MemoryTree::new();
    let path = |name: &str| RelPath::new(name).expect("the names of the tests are fine");
    tree.insert(path("kustomization.yaml"), kustomization);
    tree.insert(path("d.yaml"), DEPLOYMENT);
    for (name, content) in more {
        tree.insert(path(name), *content);
    }
    let options =
        Options { load_restrictor: LoadRestrictor::RootOnly, root_label: "/r".to_owned(), ..Options::default() };
    let error = build(&tree, &RelPath::root(), &options).err();
    error.map_or_else(|| "no error".to_owned(), |error| describe(&error))
}

#[test]
fn faults_of_resources_say_how_each_reading_failed() {
    let missing =
        |name: &str| format!("evalsymlink failure on '/r/{name}' : lstat /r/{name}: no such file or directory");
    let not_a_directory = "must build at directory: '/r/d.yaml': file is not directory";
    for (kustomization, more, expected) in [
        (
            "resources: [x.yaml]\n",
            ("y", ""),
            format!(
                "accumulation err='accumulating resources from 'x.yaml': {0}': must build at directory: not a valid directory: {0}",
                missing("x.yaml")
            ),
        ),
        (
            "resources: [d.yaml, d.yaml]\n",
            ("y", ""),
            format!("accumulation err='merging resources from 'd.yaml': {DUPLICATE}': {not_a_directory}"),
        ),
        (
            "resources: [.]\n",
            ("y", ""),
            "accumulation err='accumulating resources from '.': '/r' must resolve to a file': cycle detected: candidate root '/r' \
             contains visited root '/r'"
                .to_owned(),
        ),
        (
            "resources: [c]\n",
            ("c/kustomization.yaml", "kind: Component\nnamePrefix: a\n"),
            "accumulation err='accumulating resources from 'c': '/r/c' must resolve to a file': expected kind != 'Component' for \
             path '/r/c'"
                .to_owned(),
        ),
    ] {
        let expected = format!("accumulating resources: {expected}");
        assert_eq!(error_of(kustomization, &[more]), expected, "{kustomization}");
    }
    assert_eq!(
        error_of("components: [c]\n", &[("c/kustomization.yaml", "namePrefix: a\n")]),
        "accumulating components: accumulateDirectory: \"expected kind 'Component' for path '/r/c' but got 'Kustomization'\""
    );
}

#[test]
fn faults_of_fields_show_their_configuration() {
    let head = "resources: [d.yaml]\n";
    for (fields, expected) in [
        (
            "patches:\n- path: p.yaml\n  target: {kind: Deployment}\n",
            "trouble configuring builtin PatchTransformer with config: `\npath: p.yaml\ntarget:\n  kind: Deployment\n`: failed to get \
             the patch file from path(p.yaml): evalsymlink failure on '/r/p.yaml' : lstat /r/p.yaml: no such file or directory",
        ),
        (
            "patches:\n- target: {kind: '(', name: x}\n  patch: 'kind: Deployment\n\n    metadata: {name: x}'\n",
            "unable to find patch target \"(.[noVer].[noGrp]/x.[noNs]:a=:l=\" in `resources`: error parsing regexp: missing closing ): \
             `^(?:()$`",
        ),
        (
            "patches:\n- target: {kind: Deployment}\n  patch: '[{\"op\": \"remove\", \"path\": \"/a\"}]'\n",
            "error in remove for path: '/a': unable to remove nonexistent key: a: missing value",
        ),
        (
            "configMapGenerator:\n- name: a\n- name: a\n",
            "merging from generator &{0xc000000000 <nil>}: id resid.ResId{Gvk:resid.Gvk{Group:\"\", Version:\"v1\", \
             Kind:\"ConfigMap\", isClusterScoped:false}, Name:\"a\", Namespace:\"\"} exists; can not use behavior: 'unspecified', \
             behavior must be merge or replace",
        ),
        (
            "configMapGenerator:\n- name: a\n  literals: [k=1, x]\n",
            "loading KV pairs: literal sources [k=1 x]: invalid literal source x, expected key=value",
        ),
        (
            "secretGenerator:\n- name: 1\n",
            "invalid Kustomization: json: cannot unmarshal number into Go struct field SecretArgs.secretGenerator.name of type string",
        ),
        (
            "patches: [a]\n",
            "invalid Kustomization: json: cannot unmarshal string into Go struct field Kustomization.patches of type types.Patch",
        ),
        (
            "replacements:\n- source: {kind: X, fieldPath: a.b}\n  targets:\n  - select: {kind: Deployment}\n",
            "nothing selected by X.[noVer].[noGrp]/[noName].[noNs]:a.b",
        ),
        ("openapi: {version: v1.2.3}\n", "the specified OpenAPI version is not built in"),
        (
            "crds: [c.json]\n",
            "loading CRDs [c.json]: evalsymlink failure on '/r/c.json' : lstat /r/c.json: no such file or directory",
        ),
        (
            "generators:\n- |-\n  apiVersion: builtin\n  kind: LabelTransformer\n  metadata: {name: x}\n",
            "loading generator plugins: plugin LabelTransformer.builtin.[noGrp]/x.[noNs] not a generator",
        ),
        (
            "validators:\n- |-\n  apiVersion: builtin\n  kind: PrefixTransformer\n  metadata: {name: x}\n  prefix: p-\n  \
             fieldSpecs: [{path: metadata/name}]\n",
            "validator shouldn't modify the resource map: Deployment.v1.apps/p-d.[noNs]",
        ),
    ] {
        assert_eq!(error_of(&format!("{head}{fields}"), &[]), expected, "{fields}");
    }
}

#[test]
fn a_validator_that_changes_nothing_is_fine() {
    let fields = "validators:\n- |-\n  apiVersion: builtin\n  kind: PrefixTransformer\n  metadata: {name: x}\n";
    assert_eq!(error_of(&format!("resources: [d.yaml]\n{fields}"), &[]), "no error");
}
