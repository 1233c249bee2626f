//! More rules that random comparison with kustomize 5.8.1 showed: what directives, merges and marks do in places where nobody looks.

use sluice_kustomize::{MemoryTree, Options, RelPath, build, describe};

/// Builds the directory `top` of some files.
fn built(files: &[(&str, &str)]) -> Result<String, String> {
    let path = |text: &str| RelPath::new(text).expect("the tests name paths within the tree");
    let mut tree = MemoryTree::new();
    for (name, content) in files {
        tree.insert(path(name), *content);
    }
    let build = build(&tree, &path("top"), &Options::default()).map_err(|error| describe(&error))?;
    build.to_yaml().map_err(|error| describe(&error))
}

/// Builds one object with more fields of the kustomization.
fn built_with(object: &str, kustomization: &str) -> Result<String, String> {
    let kustomization = format!("resources: [o.yaml]\n{kustomization}");
    built(&[("top/kustomization.yaml", &kustomization), ("top/o.yaml", object)])
}

/// The fields below `spec` of a Pod after a patch.
fn pod_patched(patch: &str) -> Result<String, String> {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\n";
    let patch = format!("patches:\n- patch: |\n    {}", format!("{pod}{patch}").replace('\n', "\n    "));
    built_with(pod, &patch).map(|text| text.strip_prefix(pod).unwrap_or(&text).to_owned())
}

#[test]
fn directives_within_what_only_the_patch_has_are_obeyed() {
    let lists = |mounts: &str| format!("spec:\n  containers:\n  - name: a\n    volumeMounts: {mounts}\n");
    let empty = || Ok(lists("[]"));
    assert_eq!(pod_patched(&lists("[{$patch: replace}]")), empty());
    assert_eq!(pod_patched(&lists("[{$patch: merge}]")), empty());
    assert_eq!(pod_patched(&lists("[{}]")), empty());
    assert_eq!(pod_patched(&lists("[{$patch: odd}]")), Err("unknown patch strategy 'odd'".to_owned()));
    assert!(pod_patched(&lists("[text]")).unwrap_err().contains("expected MappingNode but got ScalarNode"));
}

#[test]
fn a_null_in_a_new_list_of_ports_takes_the_others_with_it() {
    let ports = |ports: &str| format!("spec:\n  containers:\n  - name: a\n    ports: {ports}\n");
    assert_eq!(pod_patched(&ports("[{containerPort: 80}, null]")), Ok(ports("[]")));
}

#[test]
fn items_of_a_merged_set_have_no_type_of_their_own() {
    let object = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n  finalizers: [x]\n";
    let steps = "transformers:\n- |\n  apiVersion: builtin\n  kind: PatchTransformer\n  metadata: {name: p}\n  patch: |\n    apiVersion: v1\n    kind: Secret\n    metadata: {name: s}\n- |\n  apiVersion: builtin\n  kind: ReplacementTransformer\n  metadata: {name: r}\n  replacements:\n  - sourceValue: \"1\"\n    targets:\n    - select: {kind: Secret}\n      fieldPaths: [metadata.finalizers.0]\n";
    assert!(built_with(object, steps).unwrap().contains("- 1\n"));
}

#[test]
fn the_last_of_several_fields_that_share_a_label_counts() {
    let object = "kind: Deployment\nmetadata:\n  name: d\nspec:\n  template: {}\n";
    let patch = "patches:\n- patch: |\n    kind: Deployment\n    metadata: {name: d}\n    spec:\n      template: {metadata: {labels: {a: last}}}\n      selector: {matchLabels: {a: first}}\n";
    let text = built(&[
        ("top/kustomization.yaml", &format!("resources: [base]\n{patch}")),
        ("top/base/kustomization.yaml", "resources: [o.yaml]\ncommonLabels: {a: base}\n"),
        ("top/base/o.yaml", object),
    ])
    .unwrap();
    assert_eq!(text.matches("a: last").count(), 3, "{text}");
}

#[test]
fn lists_in_a_set_of_texts_are_refused_when_it_is_merged() {
    let error = pod_patched("  finalizers: [[]]\n").unwrap_err();
    assert!(error.contains("expected ScalarNode but got SequenceNode"), "{error}");
}

#[test]
fn a_schema_of_a_base_stands_beside_the_built_in_one_if_that_was_needed_before() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\nspec:\n  containers:\n  - name: a\n";
    let kinds = |first: &'static str| {
        built(&[
            ("top/kustomization.yaml", "resources: [first, second]\npatches: [{path: p.yaml}]\n"),
            ("top/p.yaml", &pod.replace("name: a", "name: b")),
            ("top/first/kustomization.yaml", "resources: [o.yaml]\n"),
            ("top/first/o.yaml", first),
            ("top/second/kustomization.yaml", "resources: [o.yaml]\nopenapi: {path: s.json}\n"),
            ("top/second/s.json", "{\"definitions\": {}}"),
            ("top/second/o.yaml", pod),
        ])
        .unwrap()
    };
    let merged = kinds("apiVersion: example.com/v1\nkind: Thing\nmetadata:\n  name: t\n");
    assert!(merged.contains("- name: a") && merged.contains("- name: b"), "{merged}");
    let replaced = kinds("apiVersion: v1\nkind: Secret\nmetadata:\n  name: t\n");
    assert!(!replaced.contains("- name: a") && replaced.contains("- name: b"), "{replaced}");
}

#[test]
fn ids_that_a_component_makes_equal_are_refused_at_its_end() {
    let component = "kind: Component\nreplacements:\n- sourceValue: same\n  targets:\n  - select: {kind: Secret}\n";
    let secret = |name: &str| format!("apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\n");
    let error = built(&[
        ("top/kustomization.yaml", "resources: [a.yaml, b.yaml]\ncomponents: [../comp]\n"),
        ("top/a.yaml", &secret("a")),
        ("top/b.yaml", &secret("b")),
        ("comp/kustomization.yaml", component),
    ])
    .unwrap_err();
    assert!(error.contains("recursed merging from path '/comp': may not add resource"), "{error}");
}

#[test]
fn a_replacement_that_changes_its_own_source_goes_on_with_the_new_value() {
    let object = "apiVersion: example.com/v1\nkind: Thing\nmetadata:\n  name: t\nlist:\n- v: a\n- v: b\n";
    let replacement = "replacements:\n- source: {kind: Thing, fieldPath: list.0.v}\n  targets:\n  - select: {kind: Thing}\n    fieldPaths: [list.*.v]\n    options: {delimiter: /, index: 1}\n";
    let text = built_with(object, replacement).unwrap();
    assert!(text.contains("- v: a/a\n- v: b/a/a\n"), "{text}");
}

#[test]
fn a_text_in_the_place_of_a_number_is_refused_when_it_is_printed() {
    let object = "apiVersion: example.com/v1\nkind: Thing\nmetadata:\n  name: t\nv: 1\n";
    let replacement =
        "replacements:\n- source: {kind: Thing}\n  targets:\n  - select: {kind: Thing}\n    fieldPaths: [v]\n";
    let error = built_with(object, replacement).unwrap_err();
    assert_eq!(error, "map[string]interface {}(nil): yaml: cannot decode !!str `t` as a !!int");
    let later = format!(
        "{replacement}transformers:\n- |\n  apiVersion: builtin\n  kind: PatchTransformer\n  metadata: {{name: x}}\n  patch: |\n    apiVersion: example.com/v1\n    kind: Thing\n    metadata: {{name: t}}\n    v: null\n"
    );
    assert!(built_with(object, &later).is_ok());
}

#[test]
fn a_made_text_of_open_type_becomes_a_string_when_it_is_merged() {
    let object = "apiVersion: example.com/v1\nkind: Thing\nmetadata:\n  name: t\n";
    let replacement = "replacements:\n- sourceValue: \"true\"\n  targets:\n  - select: {kind: Thing}\n    fieldPaths: [spec.v]\n    options: {create: true}\n";
    assert!(built_with(object, replacement).unwrap().ends_with("v: true\n"));
    let merged = format!(
        "{replacement}transformers:\n- |\n  apiVersion: builtin\n  kind: PatchTransformer\n  metadata: {{name: x}}\n  patch: |\n    apiVersion: example.com/v1\n    kind: Thing\n    metadata: {{name: t}}\n"
    );
    assert!(built_with(object, &merged).unwrap().ends_with("v: \"true\"\n"));
}

#[test]
fn a_patch_with_a_target_takes_the_version_of_what_it_finds() {
    let object = "kind: Service\nmetadata:\n  name: s\n";
    let patch = "patches:\n- target: {kind: Service}\n  patch: |\n    apiVersion: v1\n    kind: Service\n    metadata: {name: s}\n    spec: {ports: [{}]}\n";
    let expected = "apiVersion: null\nkind: Service\nmetadata:\n  name: s\nspec:\n  ports:\n  - {}\n";
    assert_eq!(built_with(object, patch).as_deref(), Ok(expected));
}

#[test]
fn a_json_patch_that_takes_the_annotations_takes_the_record_of_transformers_too() {
    let object = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n";
    let patch = "buildMetadata: [transformerAnnotations]\npatches:\n- target: {kind: Secret}\n  patch: |-\n    - {op: replace, path: /metadata/annotations, value: {}}\n";
    assert_eq!(built_with(object, patch).as_deref(), Ok(object));
}

#[test]
fn the_hash_transformer_adds_a_hash_of_its_own() {
    let transformer = "apiVersion: builtin\nkind: HashTransformer\nmetadata:\n  name: h\n";
    let kustomization = "configMapGenerator: [{name: none}]\ntransformers: [h.yaml]\n";
    let text = built(&[("top/kustomization.yaml", kustomization), ("top/h.yaml", transformer)]).unwrap();
    assert!(text.contains("name: none-6ct58987ht-6ct58987ht\n"), "{text}");
}

#[test]
fn a_validator_must_not_mark_what_has_labels_from_a_file() {
    let validator = "validators:\n- |\n  apiVersion: builtin\n  kind: LabelTransformer\n  metadata: {name: v}\n  labels: {validated-by: me}\n  fieldSpecs: [{path: metadata/labels, create: true}]\n";
    let object = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n";
    assert!(built_with(object, validator).is_ok());
    assert!(built_with(object, &format!("commonLabels: {{a: b}}\n{validator}")).is_ok());
    assert!(built_with(&format!("{object}  labels: {{a: b}}\n"), validator).is_err());
    // Annotations that kustomize keeps for itself stand behind the labels.
    assert!(
        built_with(object, &format!("buildMetadata: [originAnnotations]\ncommonLabels: {{a: b}}\n{validator}"))
            .is_err()
    );
    let generated = |options: &str| format!("secretGenerator: [{{name: g{options}}}]\n{validator}");
    assert!(built_with(object, &generated("")).is_ok());
    assert!(built_with(object, &generated(", options: {labels: {a: b}}")).is_err());
}

#[test]
fn a_service_account_of_a_role_binding_needs_a_text_as_its_namespace() {
    let binding = |namespace: &str| {
        format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata:\n  name: b\nsubjects:\n- {{kind: ServiceAccount, name: a, namespace: {namespace}}}\n"
        )
    };
    assert!(built_with(&binding("x"), "").is_ok());
    let error = built_with(&binding("null"), "").unwrap_err();
    assert!(error.starts_with("Invalid Input: namespace is blank for resource \"RoleBinding.v1."), "{error}");
}

#[test]
fn a_directive_for_a_list_takes_those_like_it_and_empty_elements_with_it() {
    let account = "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: w\n";
    let patched = |secrets: &str| {
        let patch = format!("{account}secrets: {secrets}\n").replace('\n', "\n    ");
        let object = format!("{account}secrets:\n- name: api\n");
        built_with(&object, &format!("patches:\n- patch: |\n    {patch}"))
            .map(|text| text.strip_prefix(account).unwrap_or(&text).to_owned())
    };
    assert_eq!(patched("[{$patch: merge}, {}]").as_deref(), Ok("secrets:\n- name: api\n"));
    assert_eq!(patched("[{}, {$patch: replace}, {name: other}]").as_deref(), Ok("secrets:\n- name: other\n"));
    // Only the first directive can be one for the list.
    assert_eq!(patched("[{$patch: delete, name: api}, {$patch: delete}]").as_deref(), Ok("secrets: []\n"));
}

#[test]
fn a_directive_of_a_port_is_read_once_and_then_gone() {
    let lists = |ports: &str| format!("spec:\n  containers:\n  - name: a\n    ports:{ports}\n");
    assert_eq!(
        pod_patched(&lists(" [{$patch: delete, containerPort: 80}, {protocol: UDP}]")),
        Ok(lists("\n    - protocol: UDP\n    - containerPort: 80\n    - protocol: UDP\n    - protocol: UDP"))
    );
}

#[test]
fn the_fields_of_a_replacement_are_found_before_the_first_is_written() {
    let object = "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: db\nsecrets:\n- name: web\n- name: web\n";
    let replacement = "replacements:\n- source: {kind: ServiceAccount}\n  targets:\n  - select: {kind: ServiceAccount}\n    fieldPaths: ['secrets.[name=web].name']\n";
    let text = built_with(object, replacement);
    assert_eq!(text, Ok(object.replace("name: web", "name: db")));
}

#[test]
fn a_value_added_to_a_shared_annotation_shows_in_all_its_fields() {
    let object = "apiVersion: apps/v1\nkind: DaemonSet\nmetadata:\n  name: d\n";
    let steps = "commonAnnotations: {note: old}\ntransformers:\n- |\n  apiVersion: builtin\n  kind: ValueAddTransformer\n  metadata: {name: v}\n  value: new\n  targets: [{fieldPath: metadata/annotations/note}]\n";
    let base = ("base/kustomization.yaml", format!("resources: [o.yaml]\n{steps}"));
    let text =
        built(&[("top/kustomization.yaml", "resources: [../base]\n"), (base.0, &base.1), ("base/o.yaml", object)])
            .unwrap();
    assert_eq!((text.matches("note: new\n").count(), text.matches("note: old\n").count()), (2, 0), "{text}");
}

#[test]
fn of_writes_to_a_shared_label_the_last_counts_even_with_the_old_text() {
    let object = "apiVersion: apps/v1\nkind: DaemonSet\nmetadata:\n  name: d\n";
    let patch =
        format!("{object}  labels: {{team: new}}\nspec: {{template: {{metadata: {{labels: {{team: old}}}}}}}}\n");
    let top = format!("resources: [../base]\npatches:\n- patch: |\n    {}", patch.replace('\n', "\n    "));
    let text = built(&[
        ("top/kustomization.yaml", &top),
        ("base/kustomization.yaml", "resources: [o.yaml]\ncommonLabels: {team: old}\n"),
        ("base/o.yaml", object),
    ])
    .unwrap();
    assert_eq!((text.matches("team: old\n").count(), text.matches("team: new\n").count()), (3, 0), "{text}");
}

#[test]
fn no_folded_block_stays_in_braces() {
    let built = |labels: &str| {
        let head = "apiVersion: v1\nkind: Thing\nmetadata:\n  name: t\n";
        let patch = format!("{head}  labels:\n    a: >-\n      b\n        c\n");
        let patch = format!("patches:\n- patch: |\n    {}\n", patch.replace('\n', "\n    "));
        built_with(&format!("{head}  labels:{labels}\n"), &patch).unwrap()
    };
    assert!(built(" {x: y}").contains("    a: |-\n      b\n        c\n"), "{}", built(" {x: y}"));
    assert!(built("\n    x: y").contains("    a: |-\n      b\n\n        c\n"), "{}", built("\n    x: y"));
}

#[test]
fn a_date_as_namespace_becomes_a_point_in_time_after_a_patch() {
    let object = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n";
    let patch = format!("patches:\n- patch: |\n    {}\n", object.replace('\n', "\n    "));
    let built = |more: &str| {
        built(&[
            ("top/kustomization.yaml", &format!("resources: [../base]\n{more}")),
            ("base/kustomization.yaml", "resources: [o.yaml]\nnamespace: 2020-01-02\n"),
            ("base/o.yaml", object),
        ])
        .unwrap()
    };
    assert!(built("").ends_with("namespace: \"2020-01-02\"\n"));
    assert!(built(&patch).ends_with("namespace: \"2020-01-02T00:00:00Z\"\n"));
}

#[test]
fn a_text_with_a_fraction_is_no_whole_number() {
    let replaced = |value: &str| {
        let object = "apiVersion: v1\nkind: Thing\nmetadata:\n  name: t\nvalue: 1000\n";
        let steps = format!(
            "replacements:\n- sourceValue: \"{value}\"\n  targets: [{{select: {{kind: Thing}}, fieldPaths: [value]}}]\n"
        );
        built_with(object, &steps)
    };
    assert!(replaced("1").is_ok());
    assert!(replaced("1.0").unwrap_err().contains("cannot decode !!float `1.0` as a !!int"), "{:?}", replaced("1.0"));
}

#[test]
fn a_label_that_is_made_blank_stays_without_a_type() {
    let made = |metadata: &str, patch: &str| {
        let object = format!("apiVersion: v1\nkind: Thing\nmetadata:\n  name: t\n{metadata}");
        let steps = "replacements:\n- sourceValue: ''\n  targets: [{select: {kind: Thing}, fieldPaths: [metadata.labels.a], options: {create: true}}]\n";
        built(&[
            ("top/kustomization.yaml", &format!("resources: [../base]\n{patch}")),
            ("base/kustomization.yaml", &format!("resources: [o.yaml]\n{steps}")),
            ("base/o.yaml", &object),
        ])
        .unwrap()
    };
    let patch = "patches:\n- patch: |\n    apiVersion: v1\n    kind: Thing\n    metadata: {name: t}\n";
    assert!(made("", "").contains("a: null\n"));
    assert!(made("", patch).contains("a: null\n"));
    assert!(made("  labels: {}\n", "").contains("a: \"\"\n"));
}

#[test]
fn a_deletion_takes_all_elements_that_share_a_name() {
    let pod = |env: &str| {
        format!("apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\nspec:\n  containers:\n  - env:{env}\n    name: a\n")
    };
    let patch = pod(" [{$patch: delete, name: A}]").replace('\n', "\n    ");
    let text = built_with(&pod(" [{name: A}, {name: B}, {name: A}]"), &format!("patches:\n- patch: |\n    {patch}"));
    assert_eq!(text, Ok(pod("\n    - name: B")));
}

#[test]
fn the_mark_of_a_merge_is_no_text_for_a_variable() {
    let pod = |argument: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\nspec:\n  containers:\n  - name: a\n    args: [x, {argument}]\n"
        )
    };
    let vars = "vars:\n- name: V\n  objref: {apiVersion: v1, kind: Pod, name: p}\n";
    assert!(built_with(&pod("\"<<\""), vars).is_ok());
    assert!(built_with(&pod("<<"), vars).unwrap_err().contains("invalid value type expect a string"));
}

#[test]
fn a_folded_annotation_keeps_its_form_where_only_the_origin_is_noted() {
    let object = "apiVersion: v1\nkind: Thing\nmetadata:\n  name: t\n  annotations:\n    a: >-\n      b\n        c\n";
    let steps = "buildMetadata: [originAnnotations]\npatches:\n- target: {kind: Thing}\n  patch: '[{\"op\": \"test\", \"path\": \"/kind\", \"value\": \"Thing\"}]'\n";
    let text = built_with(object, steps).unwrap();
    assert!(text.contains("    a: |-\n      b\n\n        c\n"), "{text}");
}

#[test]
fn objects_that_a_step_below_gave_one_id_clash_even_in_the_first_base() {
    let steps = "secretGenerator: [{name: a}, {name: b, literals: [x=y]}]\nreplacements:\n- sourceValue: c\n  targets: [{select: {kind: Secret}}]\n";
    let text = built(&[("top/kustomization.yaml", "resources: [../base]\n"), ("base/kustomization.yaml", steps)]);
    assert!(text.unwrap_err().contains("may not add resource with an already registered id"));
}
