//! Kustomizations that are made to loop, exhaust, escape or crash a build: each is an error that names the file (and the line where
//! there is one), soon, in bounded memory, without a panic.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

use sluice_kustomize::{
    BuildError, BuildLimits, DirTree, FileTree, LinkTree, LoadRestrictor, MemoryTree, Options, RelPath, build, describe,
};

/// Far more than any case takes on a slow machine in a debug build.
const PATIENCE: Duration = Duration::from_secs(30);

const OBJECT: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n";

fn path(text: &str) -> RelPath {
    RelPath::new(text).expect("the tests name paths within the tree")
}

fn tree(files: &[(&str, &[u8])]) -> MemoryTree {
    let mut tree = MemoryTree::new();
    for (name, content) in files {
        tree.insert(path(name), *content);
    }
    tree
}

/// The error of a build that must fail soon.
fn failure(tree: &dyn FileTree, dir: &str, options: &Options) -> String {
    let started = Instant::now();
    let error = build(tree, &path(dir), options).expect_err("the build must fail");
    assert!(started.elapsed() < PATIENCE, "took {:?}", started.elapsed());
    describe(&error)
}

fn root_only() -> Options {
    Options { load_restrictor: LoadRestrictor::RootOnly, ..Options::default() }
}

#[test]
fn bad_bytes_in_a_kustomization_are_an_error_with_its_name() {
    let deep = "[".repeat(100_000);
    let deep = deep.as_bytes();
    for (content, says) in [
        (&b"resources: [a.yaml]\nnamePrefix: \xff\n"[..], ""),
        (b"resources: [a.yaml]\nnamePrefix: \x00\n", ""),
        (b"namePrefix: &a [*a]\n", "unknown anchor"),
        (b"resources:\n- a\n  - b: c: d\n", "line 3"),
        (deep, "levels"),
        (b"resources: {a: b}\n", "Kustomization.resources"),
        (b"? [a]\n: b\n", "line 1"),
        (b"[]\n", ""),
        (b"a.yaml", ""),
        (b"\xfe\xff\x00a", ""),
        (b"resources: !!binary /w==\n", ""),
        (b"namespace: |\n  x", "no such file"),
    ] {
        let mut content = content.to_vec();
        if content.starts_with(b"namespace") {
            content = b"resources: [missing.yaml]\nnamespace: |\n  x".to_vec();
        }
        let files = tree(&[("d/kustomization.yaml", &content)]);
        let error = build(&files, &path("d"), &Options::default()).expect_err("the build must fail");
        let (shown, place) = (describe(&error), error.place().map(|(file, _)| file));
        let named = place == Some("d/kustomization.yaml") || shown.contains("missing.yaml");
        assert!(named && shown.contains(says), "for {:?}: {shown}", String::from_utf8_lossy(&content));
    }
}

#[test]
fn bad_bytes_in_a_resource_are_an_error_with_its_name() {
    for (content, says) in [
        (&b"a: \xff\n"[..], "r.yaml"),
        (b"a: \x00\n", "r.yaml"),
        (b"a: 1\nb: c: d\n", "line 2"),
        (b"a: 1\nb: 2\na: 3\n", "line 3"),
        (b"kind: X\rmetadata: [\r", "r.yaml"),
        (b"a: *x\n", "unknown anchor"),
        (b"--- {a: 1}\n", "r.yaml"),
        (b"just text\n", "r.yaml"),
        (b"apiVersion: v1\nkind: List\nitems: 1\n", "r.yaml"),
        (b"apiVersion: v1\nkind: X\nmetadata: []\n", "r.yaml"),
        (b"apiVersion: v1\nkind: X\nmetadata: {name: []}\n", "r.yaml"),
    ] {
        let files = tree(&[("kustomization.yaml", b"resources: [r.yaml]\n"), ("r.yaml", content)]);
        let error = failure(&files, "", &Options::default());
        // kustomize, whose words these are, does not say where a duplicate key is.
        let named = error.contains("r.yaml") || error.contains("already defined");
        assert!(named && error.contains(says), "for {:?}: {error}", String::from_utf8_lossy(content));
    }
}

#[test]
fn the_place_of_an_error_is_known_where_the_words_of_kustomize_leave_it_out() {
    for (resource, expected) in [
        (&b"a: 1\nb: \xff\n"[..], Some(("r.yaml", 2))),
        (b"a: 1\n---\nb: \x01\n", Some(("r.yaml", 3))),
        (b"a: 1\nb: *x\n", Some(("r.yaml", 2))),
        (b"a: 1\n---\nb: 1\n\nb: 2\n", Some(("r.yaml", 5))),
        (b"a: 1\nb: c: d\n", None),
    ] {
        let files = tree(&[("kustomization.yaml", b"resources: [r.yaml]\n"), ("r.yaml", resource)]);
        let error = build(&files, &RelPath::root(), &Options::default()).expect_err("the build must fail");
        assert_eq!(error.place(), expected, "for {:?}: {}", String::from_utf8_lossy(resource), describe(&error));
    }
    let files = tree(&[("d/kustomization.yaml", b"resources: []\nnamePrefix: \xff\n")]);
    let error = build(&files, &path("d"), &Options::default()).expect_err("the build must fail");
    assert_eq!(error.place(), Some(("d/kustomization.yaml", 2)), "{}", describe(&error));
}

#[test]
fn a_byte_order_mark_and_other_line_ends_are_no_reason_to_fail() {
    for text in [format!("\u{feff}{OBJECT}"), OBJECT.replace('\n', "\r\n"), OBJECT.replace('\n', "\r")] {
        let files =
            tree(&[("kustomization.yaml", b"\xef\xbb\xbfresources: [r.yaml]\r\n"), ("r.yaml", text.as_bytes())]);
        let built =
            build(&files, &RelPath::root(), &Options::default()).unwrap_or_else(|error| panic!("{}", describe(&error)));
        assert_eq!(built.resources[0].id().name, "x", "for {text:?}");
    }
}

#[test]
fn cycles_of_every_kind_end() {
    let component = b"apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\ncomponents: [../b]\n";
    let back = b"apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\ncomponents: [../a]\n";
    for files in [
        tree(&[("a/kustomization.yaml", b"resources: [../b]\n"), ("b/kustomization.yaml", b"resources: [../a]\n")]),
        tree(&[("a/kustomization.yaml", b"resources: [.]\n")]),
        tree(&[("a/kustomization.yaml", b"resources: [..]\n"), ("kustomization.yaml", b"resources: [a]\n")]),
        tree(&[("a/kustomization.yaml", b"components: [../b]\n"), ("b/kustomization.yaml", component)]),
        tree(&[("a/kustomization.yaml", component), ("b/kustomization.yaml", back)]),
        tree(&[("a/kustomization.yaml", b"generators: [../b]\n"), ("b/kustomization.yaml", b"transformers: [../a]\n")]),
    ] {
        let error = failure(&files, "a", &root_only());
        assert!(error.contains("cycle detected"), "{error}");
    }
}

#[test]
fn a_cycle_through_a_linked_directory_is_seen_as_one() {
    let mut links = LinkTree::new();
    links.insert(path("a/kustomization.yaml"), "resources: [loop]\n");
    links.link(path("a/loop"), "../a");
    assert!(failure(&links, "a", &Options::default()).contains("cycle detected"));

    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a/kustomization.yaml", "resources: [loop]\n");
    symlink("../a", dir.path().join("a/loop")).unwrap();
    let disk = DirTree::new(dir.path(), 1 << 20).unwrap();
    for options in [Options::default(), root_only()] {
        assert!(failure(&disk, "a", &options).contains("cycle detected"));
    }
}

#[test]
fn no_path_and_no_link_leads_out_of_the_root() {
    let outside = tempfile::tempdir().unwrap();
    write(outside.path(), "secret.yaml", OBJECT);
    write(outside.path(), "base/kustomization.yaml", "namePrefix: x-\n");
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    write(root, "d/x", "");
    for (link, target) in [
        ("d/file.yaml", outside.path().join("secret.yaml")),
        ("d/dir", outside.path().to_owned()),
        ("d/relative.yaml", Path::new("../../../../../../../../etc/passwd").to_owned()),
        ("d/chain1.yaml", Path::new("chain2.yaml").to_owned()),
        ("d/chain2.yaml", outside.path().join("secret.yaml")),
        ("d/loop.yaml", Path::new("loop.yaml").to_owned()),
        ("d/proc.yaml", Path::new("/proc/self/environ").to_owned()),
    ] {
        symlink(target, root.join(link)).unwrap();
    }
    let disk = DirTree::new(root, 1 << 20).unwrap();
    let absolute = outside.path().join("secret.yaml");
    let absolute = absolute.to_str().unwrap();
    let absolute_dir = outside.path().to_str().unwrap();
    for entry in [
        "file.yaml",
        "dir/secret.yaml",
        "dir/base",
        "relative.yaml",
        "chain1.yaml",
        "loop.yaml",
        "proc.yaml",
        absolute,
        absolute_dir,
        "../../etc/passwd",
        "../../../../../../../../../etc/passwd",
        "/etc/passwd",
        "\"a\\0b\"",
        "..",
        "../..",
    ] {
        for field in [
            format!("resources: [{entry}]\n"),
            format!("components: [{entry}]\n"),
            format!("configurations: [{entry}]\n"),
            format!("patches: [{{path: {entry}}}]\n"),
            format!("patchesStrategicMerge: [{entry}]\n"),
            format!("replacements: [{{path: {entry}}}]\n"),
            format!("generators: [{entry}]\n"),
            format!("transformers: [{entry}]\n"),
            format!("configMapGenerator: [{{name: x, files: [{entry}]}}]\n"),
            format!("configMapGenerator: [{{name: x, envs: [{entry}]}}]\n"),
        ] {
            write(root, "d/kustomization.yaml", &field);
            for options in [Options::default(), root_only()] {
                let error = failure(&disk, "d", &options);
                assert!(!error.contains("root:"), "{field}: {error}");
            }
        }
    }
}

#[test]
fn the_load_restriction_looks_behind_links() {
    let mut links = LinkTree::new();
    links.insert(path("a/kustomization.yaml"), "resources: [in.yaml, out.yaml]\n");
    links.insert(path("a/sub/in.yaml"), OBJECT);
    links.insert(path("b/out.yaml"), OBJECT.replace('x', "y"));
    links.link(path("a/in.yaml"), "sub/in.yaml");
    links.link(path("a/out.yaml"), "../b/out.yaml");
    let error = failure(&links, "a", &root_only());
    assert!(error.contains("security; file '/a/out.yaml' is not in or below '/a'"), "{error}");
    let built = build(&links, &path("a"), &Options::default()).unwrap();
    assert_eq!(built.resources.len(), 2);
}

#[test]
fn links_that_lead_elsewhere_are_in_the_record_of_reads() {
    let mut links = LinkTree::new();
    links.insert(path("a/kustomization.yaml"), "resources: [base]\n");
    links.insert(path("b/kustomization.yaml"), "resources: [r.yaml]\n");
    links.insert(path("b/r.yaml"), OBJECT);
    links.link(path("a/base"), "../b");
    let read = build(&links, &path("a"), &Options::default()).unwrap().read;
    assert_eq!(read.links.into_iter().collect::<Vec<_>>(), [(path("a/base"), path("b"))]);
    assert!(read.files.contains(&path("b/r.yaml")));
}

#[test]
fn more_than_the_limits_is_refused_by_name() {
    let limits = BuildLimits { resources: 50, bytes: 100_000, ..BuildLimits::default() };
    let options = Options { limits, ..Options::default() };
    let many = (0..60).fold(String::new(), |mut text, number| {
        writeln!(text, "---\n{}", OBJECT.replace('x', &format!("x{number}"))).unwrap();
        text
    });
    let generated = (0..60).fold("configMapGenerator:\n".to_owned(), |mut text, number| {
        writeln!(text, "- name: g{number}").unwrap();
        text
    });
    let huge = "x".repeat(200_000);
    for (kustomization, file, says) in [
        ("resources: [r.yaml]\n", many.as_str(), "50 resources"),
        (&generated, "", "50 resources"),
        ("resources: [r.yaml]\n", &huge, "100000 bytes"),
        ("configMapGenerator: [{name: x, files: [r.yaml]}]\n", &huge, "100000 bytes"),
    ] {
        let files = tree(&[("kustomization.yaml", kustomization.as_bytes()), ("r.yaml", file.as_bytes())]);
        let error = failure(&files, "", &options);
        assert!(error.contains(says), "{error}");
    }

    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "kustomization.yaml", "resources: [big.yaml]\n");
    write(dir.path(), "big.yaml", &huge);
    let error = failure(&DirTree::new(dir.path(), 1000).unwrap(), "", &Options::default());
    assert!(error.contains("big.yaml is larger than 1000 bytes"), "{error}");
}

#[test]
fn alias_bombs_are_refused_in_every_file_that_is_yaml() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..30 {
        let item = format!("*a{}, ", level - 1).repeat(10);
        writeln!(bomb, "a{level}: &a{level} [{item}]").unwrap();
    }
    for kustomization in [
        "resources: [bomb.yaml]\n",
        "patches: [{path: bomb.yaml}]\n",
        "patches: [{path: bomb.yaml, target: {kind: X}}]\n",
        "patchesStrategicMerge: [bomb.yaml]\n",
        "patchesJson6902: [{path: bomb.yaml, target: {kind: X, version: v1, name: x}}]\n",
        "replacements: [{path: bomb.yaml}]\n",
        "configurations: [bomb.yaml]\n",
        "generators: [bomb.yaml]\n",
        "transformers: [bomb.yaml]\n",
        &bomb,
    ] {
        let files = tree(&[("kustomization.yaml", kustomization.as_bytes()), ("bomb.yaml", bomb.as_bytes())]);
        let error = failure(&files, "", &Options::default());
        assert!(error.contains("limit") || error.contains("bomb.yaml"), "{error}");
    }
}

#[test]
fn bases_that_multiply_end_at_the_limit_of_visits() {
    let mut files = MemoryTree::new();
    for level in 0..40 {
        let next = level + 1;
        files.insert(path(&format!("l{level}/kustomization.yaml")), format!("resources: [../l{next}, ../l{next}]\n"));
    }
    files.insert(path("l40/kustomization.yaml"), "namePrefix: x-\n");
    assert!(failure(&files, "l0", &Options::default()).contains("kustomizations"));
}

#[test]
fn very_deep_objects_go_through_every_transformer() {
    let deep = |levels: usize| {
        format!(
            "{OBJECT}spec:{}\n",
            (0..levels).fold(String::new(), |text, _| text + " {a:") + " 1" + &"}".repeat(levels)
        )
    };
    let kustomization =
        b"resources: [r.yaml]\nnamePrefix: p-\nnamespace: shop\ncommonLabels: {a: b}\nimages: [{name: a, newTag: b}]\n\
        patches: [{path: r.yaml}, {path: r.yaml, target: {kind: ConfigMap}}]\n";
    let files = |levels| tree(&[("kustomization.yaml", kustomization), ("r.yaml", deep(levels).as_bytes())]);
    let built = build(&files(200), &RelPath::root(), &Options::default())
        .unwrap_or_else(|error| panic!("{}", describe(&error)));
    assert!(built.to_yaml().unwrap().contains("a: 1"));
    assert!(failure(&files(100_000), "", &Options::default()).contains("levels"));
}

#[test]
fn a_patch_that_grows_a_resource_over_and_over_is_bounded_in_time() {
    // Each copy doubles the object: a few lines would ask for more memory than there is.
    let mut patch = String::new();
    for level in 0..64 {
        let next = level + 1;
        writeln!(patch, "- {{op: copy, from: /data, path: /data/k{next}}}").unwrap();
    }
    let files = tree(&[
        ("kustomization.yaml", b"resources: [r.yaml]\npatches: [{path: p.yaml, target: {kind: ConfigMap}}]\n"),
        ("r.yaml", format!("{OBJECT}data: {{k0: 0123456789}}\n").as_bytes()),
        ("p.yaml", patch.as_bytes()),
    ]);
    let error = failure(&files, "", &Options::default());
    assert!(error.contains("limit"), "{error}");
}

#[test]
fn regular_expressions_of_a_manifest_are_bounded() {
    let nested = "(((((a{1,100}){1,100}){1,100}){1,100}){1,100})";
    for kustomization in [
        format!("resources: [r.yaml]\npatches: [{{target: {{name: \"{nested}\"}}, patch: \"[]\"}}]\n"),
        format!("resources: [r.yaml]\nimages: [{{name: \"{nested}\", newTag: x}}]\n"),
    ] {
        let files = tree(&[("kustomization.yaml", kustomization.as_bytes()), ("r.yaml", OBJECT.as_bytes())]);
        let started = Instant::now();
        let _ = build(&files, &RelPath::root(), &Options::default());
        assert!(started.elapsed() < PATIENCE);
    }
}

#[test]
fn errors_are_not_as_large_as_what_caused_them_many_times_over() {
    let long = "x".repeat(100_000);
    let files = tree(&[("kustomization.yaml", format!("resources: [{long}]\n").as_bytes())]);
    let error = build(&files, &RelPath::root(), &Options::default()).expect_err("there is no such file");
    assert!(matches!(error, BuildError::Resources { .. }));
    assert!(describe(&error).len() < 2_000_000);
}

fn write(root: &Path, name: &str, content: &str) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().expect("it lies in the root")).expect("make the directory");
    fs::write(path, content).expect("write the file");
}
