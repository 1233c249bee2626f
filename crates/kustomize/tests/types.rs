//! Rules about types, spelling and shared values that random comparison with kustomize 5.8.1 showed, each as a small build of our own.

use sluice_kustomize::{MemoryTree, Options, RelPath, build, describe};

/// Builds a layer over a base of two objects of one file each; `base` and `top` are more fields of the two kustomizations.
fn built(objects: [&str; 2], base: &str, top: &str) -> Result<String, String> {
    let path = |text: &str| RelPath::new(text).expect("the tests name paths within the tree");
    let mut tree = MemoryTree::new();
    for (name, content) in [
        ("base/kustomization.yaml", format!("resources: [a.yaml, b.yaml]\n{base}")),
        ("base/a.yaml", objects[0].to_owned()),
        ("base/b.yaml", objects[1].to_owned()),
        ("kustomization.yaml", format!("resources: [base]\n{top}")),
    ] {
        tree.insert(path(name), content);
    }
    let build = build(&tree, &path(""), &Options::default()).map_err(|error| describe(&error))?;
    build.to_yaml().map_err(|error| error.to_string())
}

const SOURCE: &str = "kind: Source\nmetadata:\n  name: word\n";
const THING: &str = "kind: Thing\nmetadata:\n  name: t\n";

fn patch(object: &str) -> String {
    format!("patches:\n- patch: |\n    {}\n", object.trim_end().replace('\n', "\n    "))
}

#[test]
fn a_number_in_the_place_of_a_quoted_text_stays_one_until_it_is_written() {
    let replace =
        "replacements:\n- source: {kind: Source}\n  targets:\n  - select: {kind: Thing}\n    fieldPaths: [v]\n";
    let thing = format!("{THING}v: \"1\"\n");
    let number = patch(&format!("{THING}v: 8080\n"));
    let text = built([SOURCE, &thing], "", &number).unwrap();
    assert!(text.ends_with("v: \"8080\"\n"), "{text}");
    let error = built([SOURCE, &thing], "", &format!("{number}{replace}")).unwrap_err();
    assert!(error.ends_with("yaml: cannot decode !!str `word` as a !!int"), "{error}");
    let text = built([SOURCE, &thing], "", &patch(&format!("{THING}v: !!float 3\n"))).unwrap();
    assert!(text.ends_with("v: 3\n"), "{text}");
}

#[test]
fn a_port_that_a_merge_puts_into_the_list_twice_is_one() {
    let service = "apiVersion: v1\nkind: Service\nmetadata:\n  name: s\n";
    let ports = "spec:\n  ports:\n  - port: 80\n    protocol: UDP\n  - protocol: UDP\n";
    let replace = "replacements:\n- source: {kind: Source}\n  targets:\n  - select: {kind: Service}\n    fieldPaths: [spec.ports.1.protocol]\n";
    let text = built([SOURCE, service], &patch(&format!("{service}{ports}")), replace).unwrap();
    assert!(
        text.ends_with("  ports:\n  - port: 80\n    protocol: UDP\n  - protocol: word\n  - protocol: word\n"),
        "{text}"
    );
}

#[test]
fn a_directive_in_a_set_of_texts_stands_alone_or_is_refused() {
    let account = "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: s\n";
    let merged = |finalizers: &str| {
        let changed = format!("{account}  finalizers: {finalizers}\n");
        built([SOURCE, account], "", &patch(&changed)).map(|text| text.contains("finalizers: []"))
    };
    assert_eq!(merged("[$patch: delete]"), Ok(true));
    for finalizers in ["[{}, $patch: delete]", "[null, $patch: delete]"] {
        let error = merged(finalizers).unwrap_err();
        assert_eq!(error, "wrong node kind: expected ScalarNode but got MappingNode: node contents:\n$patch: delete\n");
    }
}

#[test]
fn nulls_in_a_set_of_texts_vanish_even_if_no_patch_names_them() {
    let account = "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: s\n  finalizers: [null]\n";
    let text =
        built([SOURCE, account], "", &patch("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: s}\n")).unwrap();
    assert!(text.contains("finalizers: []"), "{text}");
}

#[test]
fn a_subject_whose_name_is_no_text_stops_the_namespace() {
    let binding = "kind: RoleBinding\nmetadata:\n  name: r\nsubjects:\n- name: []\n";
    let error = built([SOURCE, binding], "", "namespace: shop\n").unwrap_err();
    let end = "looking up name on (cluster)role binding subject: wrong node kind: expected ScalarNode but got SequenceNode: \
               node contents:\n[]\n";
    assert!(error.ends_with(end), "{error}");
}

#[test]
fn a_variable_from_a_field_that_a_replacement_made_is_a_text() {
    let source = "kind: Source\nmetadata:\n  name: word\n  annotations: {port: \"8080\"}\n";
    let thing = "kind: Deployment\nmetadata:\n  name: t\nspec:\n  template:\n    metadata:\n      annotations:\n        v: $(PORT)\n";
    let top = "replacements:\n- source: {kind: Source, fieldPath: metadata.annotations.port}\n  targets:\n  - select: {kind: Source}\n    \
               fieldPaths: [spec.port]\n    options: {create: true}\nvars:\n- name: PORT\n  objref: {kind: Source, name: word}\n  \
               fieldref: {fieldpath: spec.port}\n";
    let text = built([source, thing], "", top).unwrap();
    assert!(text.ends_with("        v: \"8080\"\n"), "{text}");
}

#[test]
fn a_large_number_has_an_exponent_for_what_comes_behind_a_json_patch() {
    let thing = format!("{THING}v: 1000650000\nw: x\n");
    let top = "patches:\n- target: {kind: Thing}\n  patch: '[{\"op\": \"test\", \"path\": \"/w\", \"value\": \"x\"}]'\n\
               replacements:\n- source: {kind: Thing, fieldPath: v}\n  targets:\n  - select: {kind: Thing}\n    fieldPaths: [w]\n";
    let text = built([SOURCE, &thing], "", top).unwrap();
    assert!(text.ends_with("v: 1000650000\nw: \"1.00065e+09\"\n"), "{text}");
}

#[test]
fn keys_in_a_kustomization_lose_their_notation() {
    let keys = |pairs: &str| built([SOURCE, THING], "", &format!("commonAnnotations: {pairs}\n"));
    assert!(keys("{\"n\": x}").is_ok());
    for pairs in ["{n: x}", "{0x10: x}", "{1.50: x}"] {
        let error = keys(pairs).unwrap_err();
        assert!(error.ends_with("json: unsupported type: map[interface {}]interface {}"), "{error}");
    }
    let generated = |pairs: &str| {
        let top =
            format!("configMapGenerator:\n- name: c\n  options: {{disableNameSuffixHash: true, labels: {pairs}}}\n");
        built([SOURCE, THING], "", &top)
    };
    assert!(generated("{\"n\": x}").is_ok() && generated("{\"5\": x}").is_err() && generated("{yes: x}").is_err());
}

#[test]
fn a_source_cannot_have_a_wildcard() {
    let thing = format!("{THING}v: [1]\n");
    let top = "replacements:\n- source: {kind: Thing, fieldPath: v.*.x}\n  targets:\n  - select: {kind: Source}\n";
    let error = built([SOURCE, &thing], "", top).unwrap_err();
    assert_eq!(error, "error looking up replacement source: wildcard is not supported in PathGetter");
}

#[test]
fn a_validator_disturbs_labels_that_kustomize_would_make_anew_in_another_place_or_spelling() {
    let validators = "validators:\n- |\n  apiVersion: builtin\n  kind: LabelTransformer\n  metadata: {name: v}\n  labels: {validated-by: me}\n  \
                      fieldSpecs: [{path: metadata/labels}]\n";
    let labelled = "labels:\n- pairs: {a: b}\n";
    assert!(built([SOURCE, THING], labelled, validators).is_ok());
    for (base, prefix) in [
        (labelled, "namePrefix: p-\n"),
        ("labels:\n- pairs: {a: \"1.0\"}\n- pairs: {a: b}\n", ""),
        ("configMapGenerator:\n- name: c\n  options: {disableNameSuffixHash: true, labels: {a: b}}\n", ""),
    ] {
        let refused = built([SOURCE, THING], base, &format!("{prefix}{validators}")).unwrap_err();
        assert!(refused.contains("validator shouldn't modify the resource map"), "{base}: {refused}");
    }
}
