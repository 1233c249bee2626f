//! Resolving, fetching and walking against git's own HTTP server.
#![expect(clippy::unwrap_used, reason = "a failed step of a test's set-up is the test's failure")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sluice_git::{
    Auth, Commit, Entry, EntryKind, FetchError, Fetched, Limits, Mirror, Reference, ReferenceSpec, Remote,
    RemoteConfig, RemoteError, Tls, Transfer, Visit, WalkError, WalkLimits, auth_from_secret,
};
use sluice_http_client::{Proxy, Secret, Url};
use sluice_testkit::git::{GitServer, GitServerOptions, Protocol, WorkingCopy};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const MAX_MIRROR: u64 = 1 << 30;

const WALK: WalkLimits = WalkLimits { entries: 1000, depth: 20, bytes: 1 << 20 };

fn config(url: &Url) -> RemoteConfig {
    RemoteConfig {
        url: url.clone(),
        auth: Auth::None,
        tls: Tls::default(),
        proxy: Proxy::Direct,
        timeout: Duration::from_secs(20),
        limits: Limits::default(),
    }
}

fn remote(url: &Url) -> Remote {
    Remote::new(config(url)).unwrap()
}

/// A server with one repository `app`, its working copy, and a mirror.
struct Fixture {
    server: GitServer,
    url: Url,
    copy: WorkingCopy,
    mirror: Mirror,
    dir: TempDir,
}

impl Fixture {
    fn new(options: GitServerOptions) -> Self {
        let server = GitServer::start(options).unwrap();
        let url = server.create_repo("app").unwrap();
        let copy = server.working_copy("app").unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mirror = Mirror::new(dir.path().join("mirror"), MAX_MIRROR);
        Self { server, url, copy, mirror, dir }
    }

    async fn fetch(&self, spec: ReferenceSpec<'_>) -> Result<Fetched, FetchError> {
        let remote = remote(&self.url);
        let resolved = remote.resolve(&Reference::from_spec(&spec).unwrap()).await?;
        self.mirror.fetch(&remote, &resolved).await
    }

    /// The tree as `kind path content`, a line each; read on a thread that may block, as controllers do.
    async fn tree(&self, fetched: &Fetched) -> Result<Vec<String>, WalkError> {
        let tree = self.mirror.tree(fetched.commit.id).await.unwrap();
        let read = move || {
            let mut lines = Vec::new();
            tree.walk(WALK, &mut |entry| {
                let content = entry.with_content(|bytes| String::from_utf8_lossy(bytes).into_owned())?;
                lines.push(format!("{:?} {} {content}", entry.kind(), entry.path().display()).trim_end().to_owned());
                Ok(Visit::Continue)
            })?;
            Ok(lines)
        };
        tokio::task::spawn_blocking(read).await.unwrap()
    }

    fn requests(&self) -> Vec<String> {
        self.server.take_requests().into_iter().map(|r| format!("{} {} {}", r.method, r.target, r.status)).collect()
    }
}

fn branch(name: &str) -> ReferenceSpec<'_> {
    ReferenceSpec { branch: Some(name), ..ReferenceSpec::default() }
}

const ADVERTISEMENT: &str = "GET /app.git/info/refs?service=git-upload-pack 200";
const POST: &str = "POST /app.git/git-upload-pack 200";

async fn every_strategy_finds_its_commit(protocol: Protocol) {
    let f = Fixture::new(GitServerOptions { protocol, ..GitServerOptions::default() });
    let first = f.copy.write("a.txt", "one").unwrap().commit("first\n\nbody").unwrap();
    f.copy.annotated_tag("v1.0.0", "release").unwrap();
    let second = f.copy.write("a.txt", "two").unwrap().commit("second").unwrap();
    f.copy.tag("v1.1.0").unwrap().tag("v1.2.0-rc.1").unwrap().tag("v9").unwrap();
    f.copy.branch("feature/x").unwrap();
    let third = f.copy.write("a.txt", "three").unwrap().commit("third").unwrap();
    f.copy.push().unwrap().push_refs(&[&format!("{third}:refs/pull/420/head")]).unwrap();

    let none = ReferenceSpec::default();
    for (spec, revision, content) in [
        (branch("main"), format!("main@sha1:{second}"), "two"),
        (branch("feature/x"), format!("feature/x@sha1:{third}"), "three"),
        (ReferenceSpec { tag: Some("v1.0.0"), ..none }, format!("v1.0.0@sha1:{first}"), "one"),
        (ReferenceSpec { semver: Some(">=1.0.0"), ..none }, format!("v1.1.0@sha1:{second}"), "two"),
        (ReferenceSpec { semver: Some("~1.0"), ..none }, format!("v1.0.0@sha1:{first}"), "one"),
        (
            ReferenceSpec { name: Some("refs/pull/420/head"), ..none },
            format!("refs/pull/420/head@sha1:{third}"),
            "three",
        ),
        (ReferenceSpec { commit: Some(&first), ..none }, format!("sha1:{first}"), "one"),
        (ReferenceSpec { commit: Some(&first), branch: Some("main"), ..none }, format!("main@sha1:{first}"), "one"),
    ] {
        let fetched = f.fetch(spec).await.unwrap();
        let tree = f.tree(&fetched).await.unwrap();
        assert_eq!((fetched.target.revision(), tree), (revision, vec![format!("File a.txt {content}")]), "{spec:?}");
    }
    let fetched = f.fetch(ReferenceSpec { commit: Some(&first), ..none }).await.unwrap();
    let commit = Commit { id: first.parse().unwrap(), subject: "first".into(), committed_at: 1_767_225_660 };
    assert_eq!(fetched.commit, commit);
}

#[tokio::test]
async fn every_strategy_finds_its_commit_in_protocol_version_2() {
    every_strategy_finds_its_commit(Protocol::Current).await;
}

#[tokio::test]
async fn every_strategy_finds_its_commit_in_protocol_version_0() {
    every_strategy_finds_its_commit(Protocol::V0Only).await;
}

async fn a_second_fetch_moves_only_what_changed(protocol: Protocol) {
    let f = Fixture::new(GitServerOptions { protocol, ..GitServerOptions::default() });
    for file in 0..200 {
        f.copy.write(&format!("dir{}/file{file}", file % 10), format!("content of {file}\n").repeat(20)).unwrap();
    }
    f.copy.commit("first").unwrap();
    f.copy.push().unwrap();
    let first = f.fetch(branch("main")).await.unwrap();
    // A commit, the root, ten directories and two hundred files.
    assert_eq!(first.transfer.map(|t| t.objects), Some(212));

    f.copy.write("dir3/file3", "changed").unwrap().commit("second").unwrap();
    let third = f.copy.write("dir3/file13", "changed too").unwrap().commit("third").unwrap();
    f.copy.push().unwrap();
    let second = f.fetch(branch("main")).await.unwrap();
    assert_eq!(second.target.revision(), format!("main@sha1:{third}"));
    let moved = second.transfer.unwrap();
    // A commit, the root, one directory and two files; the commit between does not matter.
    assert_eq!(moved.objects, 5);
    assert!(moved.bytes < 2000, "{moved:?}");
    assert_eq!(f.tree(&second).await.unwrap().len(), 210);

    // What was in an old commit only is asked for again when it comes back: nobody has its history.
    f.copy.run(&["checkout", "--quiet", "HEAD~2", "--", "."]).unwrap();
    f.copy.commit("as it was").unwrap();
    f.copy.push().unwrap();
    let back = f.fetch(branch("main")).await.unwrap();
    assert_eq!(f.tree(&back).await.unwrap(), f.tree(&first).await.unwrap());
}

#[tokio::test]
async fn a_second_fetch_moves_only_what_changed_in_protocol_version_2() {
    a_second_fetch_moves_only_what_changed(Protocol::Current).await;
}

#[tokio::test]
async fn a_second_fetch_moves_only_what_changed_in_protocol_version_0() {
    a_second_fetch_moves_only_what_changed(Protocol::V0Only).await;
}

#[tokio::test]
async fn an_unchanged_head_is_found_by_listing_only_what_is_asked_for() {
    let f = Fixture::new(GitServerOptions::default());
    f.copy.write("a", "a").unwrap().commit("first").unwrap();
    for number in 0..300 {
        f.copy.run(&["branch", &format!("other-{number}")]).unwrap();
    }
    f.copy.push().unwrap();
    let first = f.fetch(branch("main")).await.unwrap();
    assert_eq!(f.requests(), [ADVERTISEMENT, POST, POST]);

    let remote = remote(&f.url);
    let resolved = remote.resolve(&Reference::from_spec(&branch("main")).unwrap()).await.unwrap();
    assert_eq!(resolved.revision(), Some(first.target.revision()));
    let listed: u64 = f.server.take_requests().iter().map(|request| request.sent).sum();
    assert!(listed < 1000, "{listed} bytes for one of 301 branches");

    // Fetching what is here already asks nobody.
    let again = f.mirror.fetch(&remote, &resolved).await.unwrap();
    assert_eq!((again.transfer, f.requests()), (None, vec![]));
}

#[tokio::test]
async fn a_tree_is_walked_in_order_with_links_and_modes() {
    let f = Fixture::new(GitServerOptions::default());
    f.copy.write("a/b/c.txt", "c").unwrap().write("a.txt", "a").unwrap().write("a-b", "x").unwrap();
    f.copy.write("run.sh", "#!").unwrap().make_executable("run.sh").unwrap().symlink("link", "../../etc").unwrap();
    let submodule = format!("160000,{},sub", "1".repeat(40));
    f.copy.run(&["update-index", "--add", "--cacheinfo", &submodule]).unwrap();
    f.copy.run(&["add", "a", "a.txt", "a-b", "run.sh", "link"]).unwrap();
    f.copy.run(&["commit", "--quiet", "-m", "tree"]).unwrap();
    f.copy.push().unwrap();
    let fetched = f.fetch(branch("main")).await.unwrap();
    let expected = [
        "Directory a",
        "Directory a/b",
        "File a/b/c.txt c",
        "File a-b x",
        "File a.txt a",
        "Symlink link ../../etc",
        "Executable run.sh #!",
        "Submodule sub",
    ];
    assert_eq!(f.tree(&fetched).await.unwrap(), expected);

    let tree = f.mirror.tree(fetched.commit.id).await.unwrap();
    let mut visited = Vec::new();
    tree.walk(WALK, &mut |entry| {
        visited.push(entry.path().display().to_string());
        Ok(if entry.kind() == EntryKind::Directory { Visit::Skip } else { Visit::Continue })
    })
    .unwrap();
    assert_eq!(visited, ["a", "a-b", "a.txt", "link", "run.sh", "sub"]);

    for (limits, expected) in [
        (WalkLimits { entries: 7, ..WALK }, "the tree has more than 7 entries"),
        (WalkLimits { depth: 1, ..WALK }, "the tree has more than 1 levels of directories"),
        (WalkLimits { bytes: 3, ..WALK }, "the tree has more than 3 bytes"),
    ] {
        let read = &mut |entry: &Entry<'_>| Ok(entry.with_content(|_| Visit::Continue)?);
        assert_eq!(tree.walk(limits, read).unwrap_err().to_string(), expected);
    }
    let unread = tree.walk(WalkLimits { bytes: 3, ..WALK }, &mut |_| Ok(Visit::Continue));
    assert!(unread.is_ok(), "{unread:?}");
    let error = tree.walk(WALK, &mut |_| Err("full".into())).unwrap_err();
    assert_eq!(error.to_string(), "failed to process 'a'");
}

#[tokio::test]
async fn hostile_paths_are_refused_by_name_before_they_are_visited() {
    let f = Fixture::new(GitServerOptions::default());
    f.copy.write("ok", "ok").unwrap().commit("first").unwrap();
    let blob = f.copy.run(&["rev-parse", "HEAD:ok"]).unwrap();
    let bytes: Vec<u8> = (0..40).step_by(2).map(|at| u8::from_str_radix(&blob[at..at + 2], 16).unwrap()).collect();
    for (name, reason) in [
        ("..", "'.' and '..' are not file names"),
        (".GIT", "'.git' is reserved"),
        ("../../evil", "'/' in a name"),
        ("/etc/evil", "'/' in a name"),
    ] {
        let tree = [format!("100644 {name}\0").as_bytes(), &bytes].concat();
        let tree =
            f.copy.run_with_input(&["hash-object", "-t", "tree", "-w", "--stdin", "--literally"], &tree).unwrap();
        let parent = f.copy.run_with_input(&["mktree"], format!("040000 tree {tree}\tdir\n").as_bytes()).unwrap();
        f.copy.commit_tree(&parent, "hostile").unwrap();
        f.copy.push().unwrap();
        let fetched = f.fetch(branch("main")).await.unwrap();
        let error = f.tree(&fetched).await.unwrap_err();
        assert_eq!(error.to_string(), format!("refused path 'dir/{name}' in the tree: {reason}"));
    }
}

#[tokio::test]
async fn credentials_decide_and_are_never_in_an_error() {
    let auth = Some(("user".to_owned(), "hunter2".to_owned()));
    let f = Fixture::new(GitServerOptions { auth, ..GitServerOptions::default() });
    f.copy.write("a", "a").unwrap().commit("first").unwrap();
    f.copy.push().unwrap();
    let list = async |url: &Url, data: &[(&str, &str)]| {
        let data: BTreeMap<_, _> = data.iter().map(|(k, v)| ((*k).to_owned(), v.as_bytes().to_vec())).collect();
        let auth = auth_from_secret(url, &data).unwrap().auth;
        let remote = Remote::new(RemoteConfig { auth, ..config(url) }).unwrap();
        remote.list_refs(&[]).await.map(|refs| refs.len()).map_err(|error| error.to_string())
    };
    let in_url = Url::parse(&f.url.as_str().replace("http://", "http://user:hunter2@")).unwrap();
    let rejected = Err("authentication failed: the server rejected the credentials".to_owned());
    assert_eq!(list(&f.url, &[("username", "user"), ("password", "hunter2")]).await, Ok(2));
    assert_eq!(list(&in_url, &[]).await, Ok(2));
    assert_eq!(list(&f.url, &[]).await, Err("authentication required".to_owned()));
    assert_eq!(list(&f.url, &[("username", "user"), ("password", "hunter3")]).await, rejected);
    assert_eq!(list(&f.url, &[("bearerToken", "hunter3")]).await, rejected);

    let auth = Some((String::new(), "token".to_owned()));
    let f = Fixture::new(GitServerOptions { auth, ..GitServerOptions::default() });
    assert_eq!(list(&f.url, &[("bearerToken", "token")]).await, Ok(0));
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let f = Fixture::new(GitServerOptions::default());
    f.copy.write("a", "a").unwrap().commit("first").unwrap();
    f.copy.push().unwrap();
    let none = ReferenceSpec::default();
    let absent = "1".repeat(40);
    for (spec, expected) in [
        (none, "couldn't find remote ref \"refs/heads/master\"".to_owned()),
        (ReferenceSpec { tag: Some("v1"), ..none }, "couldn't find remote ref \"refs/tags/v1\"".into()),
        (ReferenceSpec { semver: Some("1.x"), ..none }, "no match found for semver: 1.x".into()),
        (
            ReferenceSpec { name: Some("refs/heads/x"), ..none },
            "unable to resolve ref 'refs/heads/x' to a specific commit".into(),
        ),
        (
            ReferenceSpec { commit: Some(&absent), ..none },
            format!("unable to resolve commit object for '{absent}': object not found"),
        ),
    ] {
        assert_eq!(f.fetch(spec).await.unwrap_err().to_string(), expected);
    }
    let elsewhere = remote(&f.server.base().join("other.git").unwrap());
    assert_eq!(elsewhere.list_refs(&[]).await.unwrap_err().to_string(), "repository not found");
    let unknown = remote(&Url::parse("http://no-such-host.invalid/app.git").unwrap());
    let error = unknown.list_refs(&[]).await.unwrap_err().to_string();
    assert!(error.contains("no-such-host.invalid") && error.contains("unknown host"), "{error}");
    let error = Remote::new(config(&Url::parse("ssh://git@host/app.git").unwrap())).unwrap_err();
    assert_eq!(error.to_string(), "the authentication does not fit the URL scheme 'ssh'");
}

#[tokio::test]
async fn an_empty_repository_is_told_from_a_missing_branch_in_both_protocol_versions() {
    for protocol in [Protocol::Current, Protocol::V0Only] {
        let f = Fixture::new(GitServerOptions { protocol, ..GitServerOptions::default() });
        let error = f.fetch(branch("main")).await.unwrap_err();
        assert!(matches!(error, FetchError::Remote(RemoteError::EmptyRepository)), "{error}");
        assert_eq!(error.to_string(), "git repository is empty");
        f.copy.branch("dev").unwrap().write("a", "a").unwrap().commit("first").unwrap();
        f.copy.push().unwrap();
        let error = f.fetch(branch("main")).await.unwrap_err().to_string();
        assert_eq!(error, "couldn't find remote ref \"refs/heads/main\"");
    }
}

#[tokio::test]
async fn a_certificate_is_trusted_with_its_ca_and_unknown_without() {
    let f = Fixture::new(GitServerOptions { tls: true, ..GitServerOptions::default() });
    f.copy.write("a", "a").unwrap().commit("first").unwrap();
    f.copy.push().unwrap();
    let ca = f.server.ca_pem().map(|pem| pem.as_bytes().to_vec());
    let trusting = Remote::new(RemoteConfig { tls: Tls { ca, identity: None }, ..config(&f.url) }).unwrap();
    let resolved = trusting.resolve(&Reference::from_spec(&branch("main")).unwrap()).await.unwrap();
    assert_eq!(f.mirror.fetch(&trusting, &resolved).await.unwrap().transfer.map(|t| t.objects), Some(3));
    let error = remote(&f.url).list_refs(&[]).await.unwrap_err().to_string();
    assert!(error.ends_with("TLS handshake failed: invalid peer certificate: UnknownIssuer"), "{error}");
}

#[tokio::test]
async fn redirects_stay_with_the_host() {
    let auth = Some(("user".to_owned(), "hunter2".to_owned()));
    let f = Fixture::new(GitServerOptions { auth, ..GitServerOptions::default() });
    f.copy.write("a", "a").unwrap().commit("first").unwrap();
    f.copy.push().unwrap();
    let auth = Auth::Basic { username: "user".into(), password: Secret::new("hunter2".into()) };
    let moved = f.server.base().join("old.git").unwrap();
    let list = async || {
        let remote = Remote::new(RemoteConfig { auth: auth.clone(), ..config(&moved) }).unwrap();
        remote.list_refs(&[]).await.map(|refs| refs.len()).map_err(|error| error.to_string())
    };
    f.server.redirect("/old.git", "/app.git");
    assert_eq!(list().await, Ok(2));
    f.server.redirect("/old.git", "http://elsewhere.invalid/app.git");
    assert_eq!(list().await, Err("redirect refused: it leads to another host".to_owned()));
    f.server.redirect("/old.git", "/old.git");
    assert_eq!(list().await, Err("redirect refused: too many redirects".to_owned()));
    f.server.redirect("/old.git/info/refs", "/login");
    assert_eq!(list().await, Err("redirect refused: it does not lead to a repository".to_owned()));
}

#[tokio::test]
async fn a_server_that_never_answers_ends_in_a_timeout() {
    let f = Fixture::new(GitServerOptions::default());
    f.copy.write("a", "a").unwrap().commit("first").unwrap();
    f.copy.push().unwrap();
    let timeout = Duration::from_millis(300);
    let remote = Remote::new(RemoteConfig { timeout, ..config(&f.url) }).unwrap();
    let resolved = remote.resolve(&Reference::from_spec(&branch("main")).unwrap()).await.unwrap();
    f.server.stop_answering();
    let started = Instant::now();
    let error = f.mirror.fetch(&remote, &resolved).await.unwrap_err();
    assert_eq!(error.to_string(), "timed out after 0.3s");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_fetch_that_is_dropped_lets_go_of_the_mirror() {
    let f = Fixture::new(GitServerOptions::default());
    f.copy.write("a", "a").unwrap().commit("first").unwrap();
    f.copy.push().unwrap();
    let silent = remote(&f.url);
    let resolved = silent.resolve(&Reference::from_spec(&branch("main")).unwrap()).await.unwrap();
    f.server.stop_answering();
    let fetch = f.mirror.fetch(&silent, &resolved);
    tokio::time::timeout(Duration::from_millis(200), fetch).await.unwrap_err();
    tokio::time::timeout(Duration::from_secs(5), f.mirror.reset()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_web_page_is_not_taken_for_a_repository() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/app.git", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await;
        let page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 7\r\n\r\nsign in";
        let _ = stream.write_all(page).await;
    });
    let error = remote(&url).list_refs(&[]).await.unwrap_err();
    assert_eq!(error.to_string(), "the server does not speak the smart Git protocol");
}

#[tokio::test]
async fn a_pack_over_the_limit_is_refused_and_leaves_nothing() {
    let f = Fixture::new(GitServerOptions::default());
    let noise: Vec<u8> = (0..200_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    f.copy.write("noise", noise).unwrap().commit("first").unwrap();
    f.copy.push().unwrap();
    for (limits, expected) in [
        (Limits { pack_bytes: 100_000, ..Limits::default() }, "response body is larger than 100000 bytes"),
        (Limits { pack_objects: 2, ..Limits::default() }, "the remote sends 3 objects, more than 2"),
        (Limits { object_bytes: 100_000, ..Limits::default() }, "the remote sends an object of more than 100000 bytes"),
        (Limits { refs: 1, ..Limits::default() }, "the remote lists more than 1 references"),
    ] {
        let remote = Remote::new(RemoteConfig { limits, ..config(&f.url) }).unwrap();
        let outcome = match remote.list_refs(&[]).await {
            Ok(_) => {
                let resolved = remote.resolve(&Reference::from_spec(&branch("main")).unwrap()).await.unwrap();
                f.mirror.fetch(&remote, &resolved).await.map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        let error = outcome.unwrap_err();
        assert!(error.ends_with(expected), "{error}");
    }
    // The writing thread removes its file when it ends, which the next fetch waits for.
    f.mirror.reset().await.unwrap();
    assert_eq!(f.mirror.disk_usage().unwrap(), 0);
}

#[tokio::test]
async fn a_damaged_file_of_the_mirror_is_told_from_what_a_visitor_fails_with() {
    use std::os::unix::fs::PermissionsExt as _;
    let f = Fixture::new(GitServerOptions::default());
    let content = (0..2000).map(|number| number.to_string()).collect::<Vec<_>>().join("\n");
    f.copy.write("a", content).unwrap().commit("first").unwrap();
    f.copy.push().unwrap();
    let fetched = f.fetch(branch("main")).await.unwrap();
    let dir = f.dir.path().join("mirror/objects/pack");
    let packs = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    for pack in packs.filter(|path| path.extension().is_some_and(|extension| extension == "pack")) {
        let mut bytes = std::fs::read(&pack).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x55;
        std::fs::set_permissions(&pack, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&pack, bytes).unwrap();
    }
    assert!(matches!(f.tree(&fetched).await, Err(WalkError::Read { path, .. }) if path == "a"));
}

#[tokio::test]
async fn a_damaged_or_oversized_mirror_is_made_anew() {
    let f = Fixture::new(GitServerOptions::default());
    f.copy.write("a", "a").unwrap().commit("first").unwrap();
    f.copy.push().unwrap();
    f.fetch(branch("main")).await.unwrap();
    let packs = || {
        let dir = f.dir.path().join("mirror/objects/pack");
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
    };
    let damage: [(&str, &dyn Fn()); 3] = [
        ("empty packs", &|| {
            for path in packs() {
                std::fs::remove_file(&path).unwrap();
                std::fs::write(&path, b"").unwrap();
            }
        }),
        ("no objects", &|| std::fs::remove_dir_all(f.dir.path().join("mirror/objects")).unwrap()),
        ("no repository", &|| std::fs::remove_dir_all(f.dir.path().join("mirror")).unwrap()),
    ];
    for (number, (name, damage)) in damage.iter().enumerate() {
        damage();
        f.copy.write("a", format!("after {number}")).unwrap().commit("next").unwrap();
        f.copy.push().unwrap();
        let fetched = f.fetch(branch("main")).await.unwrap();
        assert_eq!(f.tree(&fetched).await.unwrap(), [format!("File a after {number}")], "{name}");
    }
    let small = Mirror::new(f.dir.path().join("mirror"), 1);
    let remote = remote(&f.url);
    let resolved = remote.resolve(&Reference::from_spec(&branch("main")).unwrap()).await.unwrap();
    let transfer = small.fetch(&remote, &resolved).await.unwrap().transfer;
    assert!(matches!(transfer, Some(Transfer { objects: 3, .. })), "{transfer:?}");
}

#[tokio::test]
async fn a_version_0_server_that_gives_no_commits_by_hash_is_searched_through_its_branches() {
    let f = Fixture::new(GitServerOptions { protocol: Protocol::V0Only, ..GitServerOptions::default() });
    let first = f.copy.write("a", "one").unwrap().commit("first").unwrap();
    f.copy.write("a", "two").unwrap().commit("second").unwrap();
    f.copy.push().unwrap();
    f.copy
        .run(&[
            "--git-dir",
            f.server.repo_path("app").to_str().unwrap(),
            "config",
            "--unset-all",
            "uploadpack.allowReachableSHA1InWant",
        ])
        .unwrap();
    f.fetch(branch("main")).await.unwrap();
    let none = ReferenceSpec::default();
    let fetched = f.fetch(ReferenceSpec { commit: Some(&first), ..none }).await.unwrap();
    assert_eq!(f.tree(&fetched).await.unwrap(), ["File a one"]);
    let absent = "1".repeat(40);
    let error = f.fetch(ReferenceSpec { commit: Some(&absent), ..none }).await.unwrap_err().to_string();
    assert_eq!(error, format!("unable to resolve commit object for '{absent}': object not found"));
}

#[tokio::test]
async fn among_versions_of_equal_precedence_the_newest_commit_wins() {
    let f = Fixture::new(GitServerOptions::default());
    f.copy.write("a", "old").unwrap().commit("old").unwrap();
    f.copy.tag("v1.0.0+b").unwrap();
    f.copy.write("a", "new").unwrap().commit("new").unwrap();
    f.copy.tag("v1.0.0+a").unwrap();
    f.copy.push().unwrap();
    let fetched = f.fetch(ReferenceSpec { semver: Some("1.x"), ..ReferenceSpec::default() }).await.unwrap();
    assert_eq!(fetched.target.label.as_deref(), Some("v1.0.0+a"));
    assert_eq!(f.tree(&fetched).await.unwrap(), ["File a new"]);
}

#[tokio::test]
async fn a_rewritten_branch_is_followed() {
    let f = Fixture::new(GitServerOptions::default());
    f.copy.write("a", "one").unwrap().write("b", "b").unwrap().commit("first").unwrap();
    f.copy.push().unwrap();
    f.fetch(branch("main")).await.unwrap();
    f.copy.run(&["checkout", "--quiet", "--orphan", "again"]).unwrap();
    f.copy.write("a", "other").unwrap().remove("b").unwrap().commit("unrelated").unwrap();
    f.copy.run(&["branch", "--force", "main"]).unwrap();
    f.copy.push().unwrap();
    // The server has forgotten the old commit altogether.
    f.copy.run(&["--git-dir", f.server.repo_path("app").to_str().unwrap(), "gc", "--quiet", "--prune=now"]).unwrap();
    let fetched = f.fetch(branch("main")).await.unwrap();
    assert_eq!(f.tree(&fetched).await.unwrap(), ["File a other"]);
}

#[tokio::test]
async fn fetches_of_many_mirrors_at_once_do_not_disturb_each_other() {
    let server = Arc::new(GitServer::start(GitServerOptions::default()).unwrap());
    let dir = tempfile::tempdir().unwrap();
    let mut tasks = Vec::new();
    for number in 0..8 {
        let name = format!("app{number}");
        let url = server.create_repo(&name).unwrap();
        let copy = server.working_copy(&name).unwrap();
        let commit = copy.write("n", number.to_string()).unwrap().commit(&name).unwrap();
        copy.push().unwrap();
        let mirror = Mirror::new(dir.path().join(&name), MAX_MIRROR);
        tasks.push(tokio::spawn(async move {
            let remote = remote(&url);
            let resolved = remote.resolve(&Reference::from_spec(&branch("main")).unwrap()).await.unwrap();
            let fetched = mirror.fetch(&remote, &resolved).await.unwrap();
            assert_eq!((fetched.commit.id.to_string(), fetched.commit.subject), (commit, name));
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}
