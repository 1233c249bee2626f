//! Trees of several repositories, parts of trees, and names that hurt elsewhere.
#![expect(clippy::unwrap_used, reason = "a failed step of a test's set-up is the test's failure")]

mod common;

use common::{chain, config, fetch, main_branch};
use sluice_git::{
    Auth, FetchError, Fetched, Mirror, Reference, Remote, RemoteConfig, SparsePaths, Submodules, Tree, Visit,
    WalkError, WalkLimits,
};
use sluice_http_client::{Secret, Url};
use sluice_testkit::git::{GitServer, GitServerOptions, WorkingCopy};
use tempfile::TempDir;

struct Fixture {
    server: GitServer,
    mirror: Mirror,
    dir: TempDir,
}

impl Fixture {
    fn new(options: GitServerOptions) -> Self {
        let server = GitServer::start(options).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mirror = Mirror::new(dir.path().join("mirror"), 1 << 30);
        Self { server, mirror, dir }
    }

    /// A repository with these submodules (path, URL, commit) and a file that says its name; returns its commit as well.
    fn repository(&self, name: &str, modules: &[(&str, &str, &str)]) -> (WorkingCopy, String) {
        self.server.create_repo(name).unwrap();
        let copy = self.server.working_copy(name).unwrap();
        let commit = with_modules(&copy, name, modules);
        (copy, commit)
    }

    async fn fetch(&self, auth: Auth, name: &str) -> Result<(Fetched, Submodules), FetchError> {
        let url = self.server.base().join(&format!("{name}.git")).unwrap();
        let remote = Remote::new(RemoteConfig { auth, ..config(&url) }).unwrap();
        let resolved = remote.resolve(&Reference::from_spec(&main_branch()).unwrap()).await?;
        self.mirror.fetch_with_submodules(&remote, &resolved).await
    }

    async fn lines(&self, name: &str) -> Vec<String> {
        let (fetched, modules) = self.fetch(Auth::None, name).await.map_err(|error| chain(&error)).unwrap();
        let tree = self.mirror.tree_with_submodules(fetched.commit.id, &modules).await.unwrap();
        let mut lines = lines(&tree, &SparsePaths::default()).unwrap();
        lines.retain(|line| !line.contains(".gitmodules"));
        lines.into_iter().map(|line| line.replace("Directory ", "").replace("File ", "")).collect()
    }

    fn module_mirrors(&self) -> usize {
        std::fs::read_dir(self.dir.path().join("mirror/sluice-modules")).map_or(0, Iterator::count)
    }
}

fn with_modules(copy: &WorkingCopy, name: &str, modules: &[(&str, &str, &str)]) -> String {
    let text = modules.iter().fold(String::new(), |text, (path, url, _)| {
        format!("{text}[submodule \"{path}\"]\n\tpath = {path}\n\turl = {url}\n")
    });
    copy.write("name", name).unwrap();
    if !modules.is_empty() {
        copy.write(".gitmodules", text).unwrap();
    }
    copy.run(&["add", "--all"]).unwrap();
    for (path, _, commit) in modules {
        copy.run(&["update-index", "--add", "--cacheinfo", &format!("160000,{commit},{path}")]).unwrap();
    }
    copy.run(&["commit", "--quiet", "--allow-empty", "-m", name]).unwrap();
    copy.push().unwrap();
    copy.run(&["rev-parse", "HEAD"]).unwrap()
}

#[tokio::test]
async fn submodules_appear_at_their_paths_with_their_own_submodules() {
    let f = Fixture::new(GitServerOptions::default());
    let (inner_copy, inner) = f.repository("inner", &[]);
    let (_, middle) = f.repository("group/middle", &[("deep/inner", "../../inner.git", &inner)]);
    let modules = [("libs/middle", "./../group/middle.git", &middle[..]), ("other", "../inner.git", &inner)];
    let (copy, _) = f.repository("app", &modules);
    let expected = [
        "libs",
        "libs/middle",
        "libs/middle/deep",
        "libs/middle/deep/inner",
        "libs/middle/deep/inner/name inner",
        "libs/middle/name group/middle",
        "name app",
        "other",
        "other/name inner",
    ];
    assert_eq!(f.lines("app").await, expected);
    assert_eq!(f.module_mirrors(), 2, "one for each URL");

    // A second commit of a URL in the same tree has a mirror of its own; unchanged ones ask nobody.
    let inner_2 = inner_copy.write("name", "inner 2").unwrap().commit("inner 2").unwrap();
    inner_copy.push().unwrap();
    with_modules(&copy, "app", &[modules[0], ("other", "../inner.git", &inner_2)]);
    f.server.take_requests();
    let found = f.lines("app").await;
    assert!(found.contains(&"other/name inner 2".to_owned()), "{found:?}");
    assert!(found.contains(&"libs/middle/deep/inner/name inner".to_owned()), "{found:?}");
    let targets: Vec<String> = f.server.take_requests().into_iter().map(|request| request.target).collect();
    assert!(!targets.iter().any(|target| target.contains("middle")), "{targets:?}");

    // Mirrors of submodules that are gone go.
    copy.run(&["rm", "--quiet", "--cached", "libs/middle", "other"]).unwrap();
    copy.remove(".gitmodules").unwrap().commit("none").unwrap();
    copy.push().unwrap();
    assert_eq!(f.lines("app").await, ["name app"]);
    assert_eq!(f.module_mirrors(), 0);
}

#[tokio::test]
async fn a_submodule_of_which_tree_and_file_do_not_agree_is_left_out() {
    let f = Fixture::new(GitServerOptions::default());
    let (_, inner) = f.repository("inner", &[]);
    let (copy, _) = f.repository("app", &[("sub", "../inner.git", &inner)]);
    copy.write(".gitmodules", "[submodule \"x\"]\npath = elsewhere\nurl = ../inner.git\n").unwrap();
    copy.run(&["add", ".gitmodules"]).unwrap();
    copy.run(&["commit", "--quiet", "-m", "other path"]).unwrap();
    copy.push().unwrap();
    assert_eq!(f.lines("app").await, ["name app", "Submodule sub"]);
    // A link instead of the file is not read, wherever it leads.
    copy.remove(".gitmodules").unwrap().symlink(".gitmodules", "name").unwrap();
    copy.run(&["add", ".gitmodules"]).unwrap();
    copy.run(&["commit", "--quiet", "-m", "link"]).unwrap();
    copy.push().unwrap();
    assert_eq!(f.lines("app").await, ["name app", "Submodule sub"]);
}

#[tokio::test]
async fn a_chain_of_submodules_is_followed_ten_levels_deep() {
    let f = Fixture::new(GitServerOptions::default());
    let (copy, mut commit) = f.repository("app", &[]);
    // Each commit has the one before as its submodule: the nearest thing to a cycle that hashes allow.
    for _ in 0..13 {
        commit = with_modules(&copy, "app", &[("sub", "./../app.git", &commit)]);
    }
    let (_, modules) = f.fetch(Auth::None, "app").await.unwrap();
    assert_eq!(modules.count(), 10);
    let lines = f.lines("app").await;
    assert!(lines.contains(&format!("Submodule {}", ["sub"; 11].join("/"))), "{lines:?}");
}

#[tokio::test]
async fn a_tree_of_too_many_submodules_is_refused() {
    let f = Fixture::new(GitServerOptions::default());
    let (_, leaf) = f.repository("leaf", &[]);
    let names: Vec<String> = (0..20).map(|number| format!("m{number}")).collect();
    let modules: Vec<_> = names.iter().map(|name| (name.as_str(), "../leaf.git", leaf.as_str())).collect();
    let (_, branch) = f.repository("branch", &modules);
    let modules: Vec<_> = names.iter().map(|name| (name.as_str(), "../branch.git", branch.as_str())).collect();
    f.repository("app", &modules);
    let error = f.fetch(Auth::None, "app").await.unwrap_err();
    assert!(chain(&error).ends_with("more than 256 submodules"), "{}", chain(&error));
}

#[tokio::test]
async fn hostile_and_missing_submodules_are_named_by_their_path() {
    let f = Fixture::new(GitServerOptions::default());
    let absent = "1".repeat(40);
    let (_, _) = f.repository("inner", &[]);
    for (index, (url, expected)) in [
        ("file:///etc", "unsupported submodule URL".to_owned()),
        ("-u./payload", "unsupported submodule URL".to_owned()),
        ("../../../../x", "unsupported submodule URL".to_owned()),
        ("ssh://git@localhost/x", "the authentication does not fit the URL scheme 'ssh'".to_owned()),
        ("../nowhere.git", "repository not found".to_owned()),
        ("../inner.git", format!("unable to resolve commit object for '{absent}': object not found")),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("app{index}");
        f.repository(&name, &[("a/sub", url, &absent)]);
        let error = chain(&f.fetch(Auth::None, &name).await.unwrap_err());
        assert_eq!(error, format!("failed to fetch submodule 'a/sub': {expected}"), "{url}");
    }
}

#[tokio::test]
async fn credentials_go_to_submodules_on_the_same_host_and_nowhere_else() {
    let login = Some(("user".to_owned(), "hunter2".to_owned()));
    let auth = Auth::Basic { username: "user".into(), password: Secret::new("hunter2".into()) };
    let f = Fixture::new(GitServerOptions { auth: login.clone(), ..GitServerOptions::default() });
    let other = Fixture::new(GitServerOptions { auth: login, ..GitServerOptions::default() });
    let (_, same) = f.repository("same", &[]);
    let (copy, _) = f.repository("app", &[("sub", "../same.git", &same)]);
    assert_eq!(f.fetch(auth.clone(), "app").await.unwrap().1.count(), 1);
    let (_, elsewhere) = other.repository("elsewhere", &[]);
    let url = other.server.base().join("elsewhere.git").unwrap();
    with_modules(&copy, "app", &[("sub", url.as_str(), &elsewhere)]);
    let error = chain(&f.fetch(auth, "app").await.unwrap_err());
    assert_eq!(error, "failed to fetch submodule 'sub': authentication required");
}

#[tokio::test]
async fn a_sparse_walk_has_the_directories_named_and_the_way_to_them() {
    let f = Fixture::new(GitServerOptions::default());
    let (_, inner) = f.repository("inner", &[]);
    f.server.create_repo("app").unwrap();
    let copy = f.server.working_copy("app").unwrap();
    for path in ["apps/web/deploy.yaml", "apps/website/no", "apps/no", "infra/a/b", "Infra/no", "no"] {
        copy.write(path, "x").unwrap();
    }
    with_modules(&copy, "app", &[("apps/web/sub", "../inner.git", &inner)]);
    let (fetched, modules) = f.fetch(Auth::None, "app").await.unwrap();
    let tree = f.mirror.tree_with_submodules(fetched.commit.id, &modules).await.unwrap();
    let expected = [
        "Directory apps",
        "Directory apps/web",
        "File apps/web/deploy.yaml x",
        "Submodule apps/web/sub",
        "Directory infra",
        "Directory infra/a",
        "File infra/a/b x",
    ];
    assert_eq!(lines(&tree, &SparsePaths::new(&["./apps/web", "infra/"])).unwrap(), expected);
    for absent in ["missing", "apps/web/missing", "INFRA", "../etc", "/infra", "no/below", "-x"] {
        let error = lines(&tree, &SparsePaths::new(&["infra", absent])).unwrap_err();
        let reason = "does not exist in repository: no such file or directory";
        assert_eq!(error.to_string(), format!("sparse checkout dir '{absent}' {reason}"));
    }
}

#[tokio::test]
async fn a_backslash_in_a_name_is_a_character_like_any_other() {
    let f = Fixture::new(GitServerOptions::default());
    let (copy, _) = f.repository("app", &[]);
    copy.write(r"units/dev-disk-by\x2dlabel.mount", "unit").unwrap().commit("unit").unwrap();
    copy.push().unwrap();
    assert_eq!(f.lines("app").await, ["name app", "units", r"units/dev-disk-by\x2dlabel.mount unit"]);
}

#[tokio::test]
async fn signed_objects_are_taken_apart_for_their_verification() {
    let f = Fixture::new(GitServerOptions::default());
    let (copy, first) = f.repository("app", &[]);
    let remote = Remote::new(config(&f.server.base().join("app.git").unwrap())).unwrap();
    let key = sluice_testkit::ssh::KeyPair::generate(
        sluice_testkit::ssh::KeyType::Ed25519,
        sluice_testkit::ssh::KeyFormat::OpenSsh,
        "",
    )
    .unwrap();
    let file = f.dir.path().join("key");
    std::fs::write(&file, &key.private).unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    for (name, value) in [("gpg.format", "ssh"), ("user.signingkey", file.to_str().unwrap())] {
        copy.run(&["config", name, value]).unwrap();
    }
    copy.run(&["commit", "--quiet", "--allow-empty", "-S", "-m", "signed\n\nbody"]).unwrap();
    copy.run(&["tag", "-s", "v1.0.0", "-m", "release"]).unwrap();
    copy.push().unwrap();
    let spec = sluice_git::ReferenceSpec { tag: Some("v1.0.0"), ..Default::default() };
    let fetched = fetch(&f.mirror, &remote, &spec).await.unwrap();

    let commit = f.mirror.signed_commit(fetched.commit.id).await.unwrap();
    let payload = String::from_utf8(commit.payload).unwrap();
    assert!(payload.starts_with("tree ") && payload.contains(&format!("parent {first}")), "{payload}");
    assert!(payload.ends_with("\n\nsigned\n\nbody\n") && !payload.contains("gpgsig"), "{payload}");
    let armour = ("-----BEGIN SSH SIGNATURE-----\n", "-----END SSH SIGNATURE-----\n");
    let signature = String::from_utf8(commit.signature.unwrap()).unwrap();
    assert!(signature.starts_with(armour.0) && signature.ends_with(armour.1), "{signature}");

    let tag = f.mirror.signed_tag(fetched.target.tag.unwrap()).await.unwrap();
    assert_eq!((tag.name.as_str(), tag.target), ("v1.0.0", fetched.commit.id));
    assert!(tag.object.payload.ends_with(b"\n\nrelease\n"));
    let tag_signature = tag.object.signature.unwrap();
    // The proof that exactly the payload was signed: OpenSSH's own check of both.
    for (payload, signature) in [(payload.into_bytes(), signature.into_bytes()), (tag.object.payload, tag_signature)] {
        verify(f.dir.path(), &key.public, &payload, &signature);
    }

    let plain: sluice_git::ObjectId = first.parse().unwrap();
    let spec = sluice_git::ReferenceSpec { commit: Some(&first), ..Default::default() };
    fetch(&f.mirror, &remote, &spec).await.unwrap();
    assert_eq!(f.mirror.signed_commit(plain).await.unwrap().signature, None);
    let error = f.mirror.signed_tag(plain).await.unwrap_err();
    assert_eq!(error.to_string(), format!("object {plain} is not a tag"));
}

fn verify(dir: &std::path::Path, public: &str, payload: &[u8], signature: &[u8]) {
    std::fs::write(dir.join("signers"), format!("me {public}\n")).unwrap();
    std::fs::write(dir.join("signature"), signature).unwrap();
    std::fs::write(dir.join("payload"), payload).unwrap();
    #[expect(clippy::disallowed_methods, reason = "OpenSSH's own judgement is what is asked for")]
    let mut command = std::process::Command::new("ssh-keygen");
    let output = command
        .current_dir(dir)
        .args(["-Y", "verify", "-n", "git", "-I", "me", "-f", "signers", "-s", "signature"])
        .stdin(std::fs::File::open(dir.join("payload")).unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn a_tag_that_leads_to_another_commit_than_the_server_said_is_refused() {
    let f = Fixture::new(GitServerOptions::default());
    let (copy, first) = f.repository("app", &[]);
    let tag = copy.annotated_tag("v1.0.0", "release").unwrap();
    let second = copy.write("a", "evil").unwrap().commit("evil").unwrap();
    copy.push().unwrap();
    let url: Url = f.server.base().join("app.git").unwrap();
    let remote = Remote::new(config(&url)).unwrap();
    let spec = sluice_git::ReferenceSpec { tag: Some("v1.0.0"), ..Default::default() };
    let mut resolved = remote.resolve(&Reference::from_spec(&spec).unwrap()).await.unwrap();
    assert_eq!(resolved.target.commit.to_string(), first);
    resolved.target.commit = second.parse().unwrap();
    fetch(&f.mirror, &remote, &main_branch()).await.unwrap();
    let error = f.mirror.fetch(&remote, &resolved).await.unwrap_err();
    assert_eq!(error.to_string(), format!("tag {tag} is not of commit {second}"));
}

/// The tree as `kind path content`, a line each.
fn lines(tree: &Tree, paths: &SparsePaths) -> Result<Vec<String>, WalkError> {
    let limits = WalkLimits { entries: 1000, depth: 20, bytes: 1 << 20 };
    let mut lines = Vec::new();
    tree.walk_within(paths, limits, &mut |entry| {
        let content = entry.with_content(|bytes| String::from_utf8_lossy(bytes).into_owned())?;
        lines.push(format!("{:?} {} {content}", entry.kind(), entry.path().display()).trim_end().to_owned());
        Ok(Visit::Continue)
    })?;
    Ok(lines)
}
