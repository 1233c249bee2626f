//! Builds whose kustomizations name other hosts, over a source of our own: what is asked for, what may be done with it, and that
//! nothing is asked for without leave.

use std::sync::{Arc, Mutex};

use sluice_kustomize::{
    BuildLimits, Cause, FileTree, LinkTree, LoadRestrictor, MemoryTree, Options, RelPath, Remote, RemoteSource,
    RepoSpec, build, describe,
};

const OBJECT: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n";
const APP: &str = "https://example.org/team/app";

fn path(text: &str) -> RelPath {
    RelPath::new(text).expect("the tests name paths within the tree")
}

/// Answers every request from one tree and writes down what was asked.
#[derive(Default)]
struct Canned {
    tree: LinkTree,
    asked: Mutex<Vec<String>>,
}

impl RemoteSource for Canned {
    fn file(&self, url: &str, max_bytes: usize) -> Result<Vec<u8>, Cause> {
        self.asked.lock().expect("no test panics with it").push(format!("file {url}"));
        match url.rsplit_once("/files/") {
            Some((_, "large.yaml")) => Ok(vec![b'#'; max_bytes + 1]),
            Some((_, name)) => {
                Ok(OBJECT.replace("name: x", &format!("name: {}", name.trim_end_matches(".yaml"))).into())
            }
            None => Err("HTTP Error: status code 404 (Not Found)".into()),
        }
    }

    fn repository(&self, spec: &RepoSpec) -> Result<Box<dyn FileTree>, Cause> {
        self.asked.lock().expect("no test panics with it").push(format!("repository {} {}", spec.url, spec.reference));
        if spec.url.ends_with("/none") { Err("repository not found".into()) } else { Ok(Box::new(self.tree.clone())) }
    }
}

fn remote_tree() -> LinkTree {
    let mut tree = LinkTree::new();
    for (name, content) in [
        ("base/kustomization.yaml", "resources: [r.yaml, ../other]\n"),
        ("base/r.yaml", OBJECT),
        ("other/kustomization.yaml", "configMapGenerator: [{name: made, literals: [a=b]}]\n"),
        ("up/kustomization.yaml", "resources: [../../home]\n"),
        ("file/kustomization.yaml", "resources: [../base/r.yaml]\n"),
        ("absolute/kustomization.yaml", "resources: [/home/r.yaml]\n"),
        ("linked/kustomization.yaml", "resources: [r.yaml]\n"),
        ("self/kustomization.yaml", "resources: ['https://example.org/team/app//self?ref=v1']\n"),
        ("there/kustomization.yaml", "resources: ['https://example.org/team/app//back?ref=v1']\n"),
        ("back/kustomization.yaml", "resources: [../there]\n"),
        ("bad/kustomization.yaml", "resourcez: []\n"),
    ] {
        tree.insert(path(name), content);
    }
    tree.link(path("linked/r.yaml"), "../../home/r.yaml");
    tree
}

/// Builds a kustomization at `home`, which has a resource beside it that no remote may read.
fn built(kustomization: &str, options: Options) -> (Result<String, String>, Vec<String>, Vec<String>) {
    let source = Arc::new(Canned { tree: remote_tree(), asked: Mutex::default() });
    let options = Options { remote: Remote::Fetch(Arc::<Canned>::clone(&source)), ..options };
    let mut tree = MemoryTree::new();
    tree.insert(path("home/kustomization.yaml"), kustomization);
    tree.insert(path("home/r.yaml"), OBJECT);
    let result = build(&tree, &path("home"), &options).map_err(|error| describe(&error));
    let fetched = result.as_ref().map(|built| built.fetched.clone()).unwrap_or_default();
    let result = result.map(|built| {
        assert!(built.read.files.iter().all(|file| file.as_str().starts_with("home/")), "{:?}", built.read);
        built.to_yaml().expect("it has a JSON form")
    });
    let asked = source.asked.lock().expect("no test panics with it").clone();
    (result, asked, fetched)
}

#[test]
fn a_repository_is_asked_for_once_and_its_origins_name_it() {
    let kustomization = format!(
        "resources:\n- {APP}//base?ref=v1\n- {APP}//bases/../other?ref=v2\n- https://example.org/a/b/files/f.yaml\n\
         nameSuffix: -s\nbuildMetadata: [originAnnotations]\n"
    );
    let (result, asked, _) = built(&kustomization, Options::default());
    assert!(result.unwrap_err().contains("already registered id"), "both references have the generated object");
    // As in kustomize, a URL that may be a file is tried as one first.
    let expected = [
        format!("file {APP}//base?ref=v1"),
        format!("repository {APP} v1"),
        format!("file {APP}//bases/../other?ref=v2"),
        format!("repository {APP} v2"),
    ];
    assert_eq!(asked, expected);

    let kustomization = format!(
        "resources:\n- git::{APP}//base?ref=v1\n- https://example.org/a/b/files/f.yaml\nbuildMetadata: [originAnnotations]\n\
         configMapGenerator: [{{name: made, behavior: merge, literals: [c=d]}}]\n"
    );
    let (result, asked, fetched) = built(&kustomization, Options::default());
    let text = result.unwrap();
    for origin in [
        format!("      path: base/r.yaml\n      repo: {APP}\n      ref: v1\n"),
        format!("      repo: {APP}\n      ref: v1\n      configuredIn: other/kustomization.yaml\n"),
        "      path: files/f.yaml\n      repo: https://example.org/a/b\n".to_owned(),
    ] {
        assert!(text.contains(&origin), "{origin}\n{text}");
    }
    assert_eq!(asked, [format!("repository {APP} v1"), "file https://example.org/a/b/files/f.yaml".to_owned()]);
    assert_eq!(fetched, [format!("git::{APP}//base?ref=v1"), "https://example.org/a/b/files/f.yaml".to_owned()]);
}

#[test]
fn a_remote_file_may_stand_wherever_a_file_may() {
    let url = "https://example.org/files";
    let kustomization = format!(
        "resources: ['{url}/x.yaml']\npatches: [{{path: '{url}/x.yaml'}}]\nconfigMapGenerator: [{{name: g, files: [k={url}/x.yaml]}}]\n"
    );
    let (result, asked, _) = built(&kustomization, Options::default());
    assert!(result.unwrap().contains("k: |"));
    assert_eq!(asked.len(), 3);
}

#[test]
fn a_repository_cannot_leave_itself_whatever_is_allowed_at_home() {
    for (dir, says) in [
        ("up", "is not in or below"),
        ("file", "security; file 'https://example.org/team/app@v1//base/r.yaml' is not in or below"),
        ("absolute", "security; file"),
        ("linked", "is not in or below the root"),
        ("self", "cycle detected: candidate root 'https://example.org/team/app@v1//self'"),
        ("there", "cycle detected"),
        ("nope", "does not exist"),
        ("base/r.yaml", "file is not directory"),
        ("bad", "unknown field \"resourcez\""),
    ] {
        for load_restrictor in [LoadRestrictor::None, LoadRestrictor::RootOnly] {
            let options = Options { load_restrictor, ..Options::default() };
            let (result, ..) = built(&format!("resources: ['{APP}//{dir}?ref=v1']\n"), options);
            let error = result.unwrap_err();
            assert!(error.contains(says), "{dir}: {error}");
        }
    }
}

#[test]
fn failures_and_limits_name_the_url() {
    let (result, ..) = built("resources: ['https://example.org/team/none']\n", Options::default());
    let error = result.unwrap_err();
    assert!(
        error.contains("status code 404")
            && error.ends_with("fetching 'https://example.org/team/none': repository not found"),
        "{error}"
    );

    let limits = BuildLimits { remotes: 2, bytes: 10_000, ..BuildLimits::default() };
    let options = || Options { limits, ..Options::default() };
    let many = "resources: ['https://h/files/a.yaml', 'https://h/files/b.yaml', 'https://h/files/c.yaml']\n";
    assert_eq!(
        built(many, options()).0.unwrap_err(),
        "accumulating resources: the build exceeds the limit of 2 remote resources"
    );
    let large = built("resources: ['https://h/files/large.yaml']\n", options()).0.unwrap_err();
    assert_eq!(large, "accumulating resources: the build exceeds the limit of 10000 bytes");
}

#[test]
fn without_leave_nothing_is_asked_for() {
    for field in [
        "resources: ['URL']",
        "components: ['URL']",
        "patches: [{path: 'URL'}]",
        "configMapGenerator: [{name: x, files: ['URL']}]",
    ] {
        let mut tree = MemoryTree::new();
        tree.insert(path("kustomization.yaml"), field.replace("URL", "https://example.org/a/b"));
        let error = describe(&build(&tree, &RelPath::root(), &Options::default()).unwrap_err());
        assert!(error.contains("'https://example.org/a/b' is remote, and remote resources are not allowed"), "{error}");
    }
}
