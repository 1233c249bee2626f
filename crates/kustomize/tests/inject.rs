//! The top kustomization that is made up or edited.

mod common;

use sluice_kustomize::{
    FileTree, ImageOverride, Injection, Options, PatchOverride, PatchTarget, build, describe, generate,
};

use common::{path, tree};

fn text(files: &[(&str, &str)], dir: &str, injection: &Injection) -> Result<String, String> {
    let tree = tree(files);
    generate(&tree, &path(dir), injection).map(|generated| generated.text).map_err(|error| describe(&error))
}

const OBJECT: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";
const HEAD: &str = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n";

#[test]
fn a_directory_of_manifests_becomes_a_list_of_its_files_and_kustomizations() {
    let files = [
        ("app/b.yaml", OBJECT),
        ("app/a/z.yml", OBJECT),
        ("app/a/notes.txt", "not yaml: ["),
        ("app/sub/kustomization.yaml", "namePrefix: x\nbad: ["),
        ("app/sub/r.yaml", "bad: ["),
        ("other.yaml", "bad: ["),
    ];
    let expected = format!("{HEAD}resources:\n- ./a/z.yml\n- ./b.yaml\n- ./sub\n");
    assert_eq!(text(&files, "app", &Injection::default()), Ok(expected));
}

#[test]
fn an_empty_directory_gets_a_placeholder_namespace() {
    let files = [("app/readme.md", "hello")];
    assert_eq!(text(&files, "app", &Injection::default()), Ok(format!("{HEAD}namespace: _placeholder\n")));
    let injection = Injection { target_namespace: Some("shop".to_owned()), ..Injection::default() };
    assert_eq!(text(&files, "app", &injection), Ok(format!("{HEAD}namespace: shop\n")));
    assert_eq!(text(&files, "nope", &injection), Err("kustomization path not found: nope".to_owned()));
}

#[test]
fn a_bad_manifest_fails_the_whole_build_with_file_and_line() {
    let files = [("app/a.yaml", "a: 1\nb: c: d\n")];
    let expected = "failed to decode Kubernetes YAML from app/a.yaml: MalformedYAMLError: yaml: line 2: mapping values are not allowed \
                    in this context in File: ";
    assert_eq!(text(&files, "app", &Injection::default()), Err(expected.to_owned()));
}

#[test]
fn an_existing_file_keeps_what_kustomize_knows_and_gets_what_was_asked_for() {
    let existing = "# comment\nRESOURCES: [a.yaml]\nunknown: 1\nnamePrefix: old-\nimages:\n- name: web\n  newName: w\n  newTag: '1'\n  junk: x\n\
                    patches:\n- path: p.yaml\n";
    let injection = Injection {
        target_namespace: Some("shop".to_owned()),
        name_prefix: Some("new-".to_owned()),
        patches: vec![PatchOverride {
            patch: "x".to_owned(),
            target: Some(PatchTarget { kind: "Deployment".to_owned(), ..PatchTarget::default() }),
        }],
        components: vec!["../c".to_owned()],
        images: vec![
            ImageOverride { name: "web".to_owned(), digest: "sha256:b".to_owned(), ..ImageOverride::default() },
            ImageOverride { name: "db".to_owned(), new_tag: "2".to_owned(), ..ImageOverride::default() },
        ],
        ..Injection::default()
    };
    let expected = "apiVersion: kustomize.config.k8s.io/v1beta1\ncomponents:\n- ../c\nimages:\n- digest: sha256:b\n  name: web\n  newName: w\n\
                    - name: db\n  newTag: \"2\"\nkind: Kustomization\nnamePrefix: new-\nnamespace: shop\npatches:\n- path: p.yaml\n- patch: x\n  \
                    target:\n    kind: Deployment\nresources:\n- a.yaml\n";
    assert_eq!(text(&[("app/kustomization.yml", existing)], "app", &injection), Ok(expected.to_owned()));
}

#[test]
fn an_existing_file_without_resources_asks_for_origins_so_that_it_is_not_empty() {
    let expected =
        "apiVersion: kustomize.config.k8s.io/v1beta1\nbuildMetadata:\n- originAnnotations\nkind: Kustomization\n";
    assert_eq!(text(&[("kustomization.yaml", "")], "", &Injection::default()), Ok(expected.to_owned()));
    let injection = Injection { build_metadata: vec!["managedByLabel".to_owned()], ..Injection::default() };
    let got = text(&[("kustomization.yaml", "namePrefix: a\n")], "", &injection).unwrap();
    assert!(got.contains("buildMetadata:\n- managedByLabel\n"), "{got}");
}

#[test]
fn an_existing_file_that_is_wrong_is_refused_by_name() {
    let wrong = text(&[("kustomization.yaml", "resources:\n- a\nnamePrefix: 5\n")], "", &Injection::default());
    let expected = "kustomization.yaml: json: cannot unmarshal number into Go struct field Kustomization.namePrefix of type string";
    assert_eq!(wrong, Err(expected.to_owned()));
}

#[test]
fn components_must_be_local_and_missing_ones_may_be_ignored() {
    let files = [("app/a.yaml", OBJECT), ("c/kustomization.yaml", "kind: Component\n")];
    for component in [
        "https://example.org/x",
        "GIT::x",
        "gh:a/b",
        "git@host:x",
        "github.com/a/b",
        "/abs",
        "file:///abs",
        "ssh://h/x",
        "http://h",
    ] {
        let injection = Injection { components: vec![component.to_owned()], ..Injection::default() };
        let expected = format!("component path '{component}' must be local and relative");
        assert_eq!(text(&files, "app", &injection), Err(expected));
    }
    let injection = Injection {
        components: vec!["../c".to_owned(), "../gone".to_owned()],
        ignore_missing_components: true,
        ..Injection::default()
    };
    let got = text(&files, "app", &injection).unwrap();
    assert!(got.contains("components:\n- ../c\nkind"), "{got}");
}

#[test]
fn the_overlay_builds_and_the_source_stays_as_it_was() {
    let source = tree(&[("app/a.yaml", OBJECT)]);
    let injection = Injection { target_namespace: Some("shop".to_owned()), ..Injection::default() };
    let generated = generate(&source, &path("app"), &injection).unwrap();
    let built = build(&generated.tree, &path("app"), &Options::default()).unwrap();
    let expected = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  namespace: shop\n";
    assert_eq!(built.to_yaml().unwrap(), expected);
    assert!(source.read(&generated.path).is_err());
    assert!(generated.read.listed.contains(&path("app")) && generated.read.files.contains(&path("app/a.yaml")));
}
