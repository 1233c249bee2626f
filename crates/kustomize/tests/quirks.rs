//! Rules that random comparison with kustomize 5.8.1 showed, each as a small build of our own: what a user would not guess.

use sluice_kustomize::{MemoryTree, Options, RelPath, build, describe};

/// Builds files in the root of a tree.
fn built(files: &[(&str, &str)]) -> Result<String, String> {
    let path = |text: &str| RelPath::new(text).expect("the tests name paths within the tree");
    let mut tree = MemoryTree::new();
    for (name, content) in files {
        tree.insert(path(name), *content);
    }
    let build = build(&tree, &path(""), &Options::default()).map_err(|error| describe(&error))?;
    build.to_yaml().map_err(|error| error.to_string())
}

/// Builds one object with more fields of the kustomization.
fn built_with(object: &str, kustomization: &str) -> Result<String, String> {
    built(&[("kustomization.yaml", &format!("resources: [o.yaml]\n{kustomization}")), ("o.yaml", object)])
}

const THING: &str = "apiVersion: example.com/v1\nkind: Thing\nmetadata:\n  name: t\n";

fn thing_patched(value: &str, change: &str) -> Option<String> {
    let patch =
        format!("patches:\n- patch: |\n    {}    v: {change}\n", THING.replace('\n', "\n    ").trim_end_matches(' '));
    built_with(&format!("{THING}v: {value}\n"), &patch).ok()?.lines().last().map(str::to_owned)
}

#[test]
fn a_patch_keeps_the_quotes_of_the_value_that_it_replaces() {
    for (value, change, result) in [
        ("\"1\"", "8080", "v: \"8080\""),
        ("'x'", "true", "v: \"true\""),
        ("1", "8080", "v: 8080"),
        ("x", "true", "v: true"),
        ("x", "\"8\"", "v: \"8\""),
    ] {
        assert_eq!(thing_patched(value, change).as_deref(), Some(result), "{value} to {change}");
    }
}

#[test]
fn replica_counts_keep_quotes_too() {
    let object = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  replicas: \"1\"\n";
    let text = built_with(object, "replicas:\n- name: web\n  count: 4\n").unwrap();
    assert!(text.ends_with("replicas: \"4\"\n"), "{text}");
}

#[test]
fn a_label_that_one_step_put_into_several_fields_changes_in_all_of_them() {
    let base = "resources: [o.yaml]\ncommonLabels:\n  app: one\n";
    let object = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n";
    let text = built(&[
        ("kustomization.yaml", "resources: [base]\nlabels:\n- pairs:\n    app: two\n"),
        ("base/kustomization.yaml", base),
        ("base/o.yaml", object),
    ])
    .unwrap();
    assert_eq!(text.matches("app: two").count(), 3, "{text}");
    assert_eq!(text.matches("app: one").count(), 0, "{text}");
}

#[test]
fn an_element_without_its_merge_key_takes_the_others_away() {
    let object = "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: s\nsecrets:\n- name: one\n";
    let patch = "patches:\n- patch: |\n    apiVersion: v1\n    kind: ServiceAccount\n    metadata:\n      name: s\n    secrets:\n    - {}\n";
    assert!(built_with(object, patch).unwrap().ends_with("secrets: []\n"));
}

#[test]
fn of_new_elements_with_the_same_key_the_last_stands() {
    let object = "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: s\n";
    let patch = "patches:\n- patch: |\n    apiVersion: v1\n    kind: ServiceAccount\n    metadata:\n      name: s\n    secrets:\n    \
                 - name: a\n      x: 1\n    - name: a\n      y: 2\n";
    assert!(built_with(object, patch).unwrap().ends_with("secrets:\n- name: a\n  \"y\": 2\n"));
}

#[test]
fn directives_without_a_counterpart_are_ordinary_fields_if_they_are_unknown() {
    let patch = format!(
        "patches:\n- patch: |\n    {}    v:\n      $patch: odd\n",
        THING.replace('\n', "\n    ").trim_end_matches(' ')
    );
    assert!(built_with(THING, &patch).unwrap().ends_with("v:\n  $patch: odd\n"));
}

#[test]
fn a_patch_that_takes_all_annotations_takes_the_name_hash_with_them() {
    let text = built(&[(
        "kustomization.yaml",
        "configMapGenerator:\n- name: c\n  literals: [a=x]\npatches:\n- patch: |\n    apiVersion: v1\n    kind: ConfigMap\n    \
         metadata:\n      name: c\n      annotations:\n        $patch: delete\n",
    )])
    .unwrap();
    assert!(text.ends_with("  name: c\n"), "{text}");
}

#[test]
fn json_patches_see_annotations_once_an_object_has_a_history() {
    let patch = "patches:\n- target: {kind: Thing}\n  patch: '[{\"op\": \"add\", \"path\": \"/metadata/annotations/x\", \"value\": \"z\"}]'\n";
    assert!(built_with(THING, patch).unwrap().contains("annotations:\n    x: z\n"));
}

#[test]
fn json_patches_must_be_json_if_they_start_so_and_must_have_values() {
    for patch in ["'[{op: remove, path: /v}]'", "'[{\"op\": \"add\", \"path\": \"/v\"}]'"] {
        let kustomization = format!("patches:\n- target: {{kind: Thing}}\n  patch: {patch}\n");
        assert!(built_with(&format!("{THING}v: 1\n"), &kustomization).is_err(), "{patch}");
    }
}

#[test]
fn keys_that_read_as_numbers_are_refused_where_a_step_makes_them() {
    for kustomization in [
        "labels:\n- pairs: {\"10\": x}\n",
        "commonAnnotations: {\"true\": x}\n",
        "configMapGenerator:\n- name: c\n  literals: [\"10=x\"]\n",
    ] {
        assert!(built_with(THING, kustomization).is_err(), "{kustomization}");
    }
    assert!(built_with(THING, "labels:\n- pairs: {\"yes\": x}\n").is_ok());
}

#[test]
fn replacements_leave_the_type_of_their_target_and_need_one() {
    let replaced = |target: &str, source: &str| {
        let object = format!("{THING}s: {source}\nv: {target}\n");
        let kustomization = "replacements:\n- source: {kind: Thing, fieldPath: s}\n  targets:\n  - select: {kind: Thing}\n    fieldPaths: [v]\n";
        built_with(&object, kustomization).ok().map(|text| text.lines().last().unwrap().to_owned())
    };
    assert_eq!(replaced("1", "web"), None);
    assert_eq!(replaced("null", "web"), None);
    assert_eq!(replaced("true", "1"), None);
    assert_eq!(replaced("1", "\"8\"").as_deref(), Some("v: 8"));
    assert_eq!(replaced("x", "7").as_deref(), Some("v: \"7\""));
    assert_eq!(replaced("x", "{a: 1}").as_deref(), Some("v: \"\""));
    let none = "replacements:\n- source: {kind: Thing}\n  targets: []\n";
    assert!(built_with(THING, none).is_err());
}

#[test]
fn folded_blocks_get_a_line_break_before_indented_lines() {
    let text = built_with(&format!("{THING}v: >-\n  one\n    two\n"), "namePrefix: p-\n").unwrap();
    assert!(text.ends_with("v: |-\n  one\n\n    two\n"), "{text}");
}

#[test]
fn a_variable_with_a_namespace_finds_no_cluster_scoped_object() {
    let object = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: space\n";
    let vars = |namespace: &str| {
        format!("vars:\n- name: NAME\n  objref:\n    apiVersion: v1\n    kind: Namespace\n    name: space\n{namespace}")
    };
    assert_eq!(built_with(object, &vars("")).as_deref(), Ok(object));
    assert!(built_with(object, &vars("    namespace: default\n")).is_err());
}

#[test]
fn a_block_that_starts_with_a_tab_is_an_error_wherever_it_is_written_and_read() {
    let problem = "found a tab character where an indentation space is expected";
    let object = format!("{THING}v: |2\n  \tx\n");
    let shown = "map[string]interface {}{\"apiVersion\":\"example.com/v1\", \"kind\":\"Thing\", \
                 \"metadata\":map[string]interface {}{\"name\":\"t\"}, \"v\":\"\\tx\\n\"}";
    let patch = |value| {
        format!(
            "patches:\n- patch: '[{{\"op\": \"add\", \"path\": \"/w\", \"value\": \"{value}\"}}]'\n  target: {{kind: Thing}}\n"
        )
    };
    for (object, kustomization, expected) in [
        (&*object, String::new(), Err(format!("{shown}: yaml: line 5: {problem}"))),
        (&*object, patch("w"), Err(format!("yaml: line 5: {problem}"))),
        (THING, patch("\\tx\\n"), Err(format!("yaml: line 5: {problem}"))),
        (THING, patch("\\tx"), Ok(format!("{THING}w: \"\\tx\"\n"))),
        (&format!("{THING}v: \"\\tx\\n\"\n"), String::new(), Ok(format!("{THING}v: \"\\tx\\n\"\n"))),
    ] {
        assert_eq!(built_with(object, &kustomization), expected, "{object} {kustomization}");
    }
    let generator = "configMapGenerator: [{name: g, files: [f]}]\n";
    let generated = |text: &str| built(&[("kustomization.yaml", generator), ("f", text)]);
    assert_eq!(generated("\tx\n"), Err(format!("yaml: line 2: {problem}")));
    assert!(generated("\tx").is_ok() && generated("x\n\ty\n").is_ok());
}

#[test]
fn a_control_character_is_an_error_when_the_object_is_printed() {
    assert_eq!(
        built_with(&format!("{THING}v: \"\\x7F\"\n"), ""),
        Err("map[string]interface {}{\"apiVersion\":\"example.com/v1\", \"kind\":\"Thing\", \
             \"metadata\":map[string]interface {}{\"name\":\"t\"}, \"v\":\"\\x7f\"}: yaml: control characters are not allowed"
            .to_owned())
    );
}

#[test]
fn a_hash_transformer_hashes_generated_names_once_more() {
    let plugin = "apiVersion: builtin\n  kind: HashTransformer\n  metadata: {name: h}\n";
    let kustomization = format!("configMapGenerator: [{{name: g, literals: [a=b]}}]\ntransformers:\n- |\n  {plugin}");
    let text = built(&[("kustomization.yaml", &kustomization)]).unwrap();
    assert!(text.ends_with("  name: g-4h2mbtbbt6-4h2mbtbbt6\n"), "{text}");
}
