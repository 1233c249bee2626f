//! Resolving and fetching over SSH against OpenSSH's own server.
#![expect(clippy::unwrap_used, reason = "a failed step of a test's set-up is the test's failure")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sluice_git::{
    Auth, AuthError, FetchError, Fetched, Limits, Mirror, Reference, ReferenceSpec, Remote, RemoteConfig, RemoteError,
    SshAlgorithms, Tls, Transfer, auth_from_secret,
};
use sluice_http_client::{Proxy, Secret, Url};
use sluice_testkit::git::WorkingCopy;
use sluice_testkit::proxy::{ProxyKind, ProxyServer};
use sluice_testkit::ssh::{KeyFormat, KeyPair, KeyType, SshServer, SshServerOptions};
use sluice_testkit::wait_until;
use tempfile::TempDir;

fn credentials(url: &Url, key: &KeyPair, known_hosts: &str, password: &str) -> Result<Auth, AuthError> {
    let data = [("identity", key.private.as_str()), ("known_hosts", known_hosts), ("password", password)];
    let data: BTreeMap<_, _> = data.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect();
    Ok(auth_from_secret(url, &data)?.auth)
}

fn config(url: &Url, auth: Auth) -> RemoteConfig {
    RemoteConfig {
        url: url.clone(),
        auth,
        tls: Tls::default(),
        proxy: Proxy::Direct,
        timeout: Duration::from_secs(20),
        limits: Limits::default(),
    }
}

/// A server with one repository `app` of one commit, and a key that opens it.
struct Fixture {
    server: SshServer,
    url: Url,
    key: KeyPair,
    copy: WorkingCopy,
    mirror: Mirror,
    _dir: TempDir,
}

impl Fixture {
    fn new(options: &SshServerOptions) -> Self {
        let server = SshServer::start(options).unwrap();
        let url = server.create_repo("app").unwrap();
        let key = KeyPair::generate(KeyType::Ed25519, KeyFormat::OpenSsh, "").unwrap();
        server.authorize(&key).unwrap();
        let copy = server.working_copy("app").unwrap();
        copy.write("a", "one").unwrap().commit("first").unwrap();
        copy.push().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mirror = Mirror::new(dir.path().join("mirror"), 1 << 30);
        Self { server, url, key, copy, mirror, _dir: dir }
    }

    fn auth(&self) -> Auth {
        credentials(&self.url, &self.key, &self.server.known_hosts(), "").unwrap()
    }

    async fn fetch(&self, spec: &ReferenceSpec<'_>) -> Result<Fetched, FetchError> {
        self.fetch_with(config(&self.url, self.auth()), spec).await
    }

    async fn fetch_with(&self, config: RemoteConfig, spec: &ReferenceSpec<'_>) -> Result<Fetched, FetchError> {
        let remote = Remote::new(config)?;
        let resolved = remote.resolve(&Reference::from_spec(spec).unwrap()).await?;
        self.mirror.fetch(&remote, &resolved).await
    }

    /// How many references the server lists for this authentication.
    async fn list(&self, auth: Auth) -> Result<usize, String> {
        list(config(&self.url, auth)).await
    }
}

async fn list(config: RemoteConfig) -> Result<usize, String> {
    let remote = Remote::new(config).map_err(|error| error.to_string())?;
    remote.list_refs(&[]).await.map(|refs| refs.len()).map_err(|error| chain(&error))
}

fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn main_branch() -> ReferenceSpec<'static> {
    ReferenceSpec { branch: Some("main"), ..ReferenceSpec::default() }
}

async fn a_repository_is_followed(accept_git_protocol: bool) {
    let f = Fixture::new(&SshServerOptions { accept_git_protocol, ..SshServerOptions::default() });
    let first = f.fetch(&main_branch()).await.unwrap();
    assert!(matches!(first.transfer, Some(Transfer { objects: 3, .. })), "{first:?}");
    for file in 0..200 {
        f.copy.write(&format!("dir/file{file}"), format!("content of {file}\n").repeat(20)).unwrap();
    }
    f.copy.commit("second").unwrap();
    f.copy.push().unwrap();
    f.fetch(&main_branch()).await.unwrap();
    f.copy.write("dir/file3", "changed").unwrap().commit("third").unwrap();
    let tag = f.copy.annotated_tag("v1.2.3", "release").unwrap();
    f.copy.push().unwrap();
    let third = f.fetch(&ReferenceSpec { semver: Some("1.x"), ..ReferenceSpec::default() }).await.unwrap();
    assert_eq!(third.target.label.as_deref(), Some("v1.2.3"));
    assert_eq!(third.target.tag.map(|id| id.to_string()), Some(tag));
    // A tag, a commit, the root, one directory, one file.
    assert_eq!(third.transfer.map(|transfer| transfer.objects), Some(5));

    let remote = Remote::new(config(&f.url, f.auth())).unwrap();
    let resolved = remote.resolve(&Reference::from_spec(&main_branch()).unwrap()).await.unwrap();
    assert_eq!(f.mirror.fetch(&remote, &resolved).await.unwrap().transfer, None);
    let absent = "1".repeat(40);
    let error = f.fetch(&ReferenceSpec { commit: Some(&absent), ..ReferenceSpec::default() }).await.unwrap_err();
    assert_eq!(error.to_string(), format!("unable to resolve commit object for '{absent}': object not found"));
}

#[tokio::test]
async fn a_repository_is_followed_in_protocol_version_2_with_one_connection_each_time() {
    a_repository_is_followed(true).await;
    let f = Fixture::new(&SshServerOptions::default());
    f.fetch(&main_branch()).await.unwrap();
    assert_eq!(f.server.commands().unwrap(), ["git-upload-pack '/app.git' GIT_PROTOCOL=version=2"]);
}

#[tokio::test]
async fn a_repository_is_followed_in_protocol_version_0_where_the_version_is_not_heard() {
    a_repository_is_followed(false).await;
    let f = Fixture::new(&SshServerOptions { accept_git_protocol: false, ..SshServerOptions::default() });
    f.fetch(&main_branch()).await.unwrap();
    assert_eq!(f.server.commands().unwrap(), ["git-upload-pack '/app.git' GIT_PROTOCOL="]);
}

#[tokio::test]
async fn a_commit_that_no_branch_names_is_found_in_their_history() {
    for accept_git_protocol in [true, false] {
        let f = Fixture::new(&SshServerOptions { accept_git_protocol, ..SshServerOptions::default() });
        let first = f.copy.run(&["rev-parse", "HEAD"]).unwrap();
        f.copy.write("a", "two").unwrap().commit("second").unwrap();
        f.copy.push().unwrap();
        let fetched = f.fetch(&ReferenceSpec { commit: Some(&first), ..ReferenceSpec::default() }).await.unwrap();
        assert_eq!((fetched.commit.id.to_string(), fetched.commit.subject), (first, "first".to_owned()));
    }
}

#[tokio::test]
async fn every_type_and_format_of_key_opens_the_repository() {
    let f = Fixture::new(&SshServerOptions::default());
    let known_hosts = f.server.known_hosts();
    for kind in KeyType::ALL {
        for format in [KeyFormat::OpenSsh, KeyFormat::Pkcs8, KeyFormat::Pem] {
            if kind == KeyType::Ed25519 && format != KeyFormat::OpenSsh {
                continue;
            }
            for passphrase in ["", "open sesame"] {
                let key = KeyPair::generate(kind, format, passphrase).unwrap();
                f.server.authorize(&key).unwrap();
                let auth = credentials(&f.url, &key, &known_hosts, passphrase).unwrap();
                assert_eq!(f.list(auth).await, Ok(2), "{kind:?} {format:?} {passphrase}");
                if passphrase.is_empty() {
                    // A password besides a plain key is of no use and does no harm.
                    let auth = credentials(&f.url, &key, &known_hosts, "unused").unwrap();
                    assert_eq!(f.list(auth).await, Ok(2), "{kind:?} {format:?}");
                } else {
                    let error = credentials(&f.url, &key, &known_hosts, "").unwrap_err();
                    assert_eq!(error, AuthError::IdentityEncrypted, "{kind:?} {format:?}");
                    if kind == KeyType::EcdsaP256 {
                        let auth = credentials(&f.url, &key, &known_hosts, "wrong").unwrap();
                        let expected = "failed to decrypt the SSH identity key: wrong passphrase or damaged key";
                        assert_eq!(f.list(auth).await, Err(expected.to_owned()), "{kind:?} {format:?}");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn a_key_that_may_not_log_in_and_a_repository_that_is_not_there_are_named() {
    let f = Fixture::new(&SshServerOptions::default());
    let other = KeyPair::generate(KeyType::Ed25519, KeyFormat::OpenSsh, "").unwrap();
    let auth = credentials(&f.url, &other, &f.server.known_hosts(), "").unwrap();
    let rejected = "authentication failed: the server rejected the credentials";
    assert_eq!(f.list(auth).await, Err(rejected.to_owned()));
    let elsewhere = list(config(&f.server.url("other.git").unwrap(), f.auth())).await;
    assert_eq!(elsewhere, Err("repository not found".to_owned()));
    let [port] = sluice_testkit::wait::free_ports().unwrap();
    let nobody = Url::parse(&format!("ssh://git@127.0.0.1:{port}/app.git")).unwrap();
    let error = list(config(&nobody, f.auth())).await.unwrap_err();
    assert!(error.starts_with(&format!("failed to connect to 127.0.0.1:{port}: ")), "{error}");
    let error = Remote::new(config(&f.url, Auth::None)).unwrap_err();
    assert!(matches!(error, RemoteError::AuthScheme(_)), "{error}");
}

#[tokio::test]
async fn a_host_is_who_known_hosts_says_whatever_type_its_key_has() {
    for kind in KeyType::ALL {
        let f = Fixture::new(&SshServerOptions { host_keys: vec![kind], ..SshServerOptions::default() });
        assert_eq!(f.list(f.auth()).await, Ok(2), "{kind:?}");
    }
    let f = Fixture::new(&SshServerOptions { host_keys: KeyType::ALL.to_vec(), ..SshServerOptions::default() });
    let port = f.server.port();
    let other = KeyPair::generate(KeyType::Rsa, KeyFormat::OpenSsh, "").unwrap().public;
    for (index, key) in f.server.host_keys().iter().enumerate() {
        // The host shows the one key of its five that is known, even when another host's key of another type stands first.
        let known_hosts = format!("elsewhere {other}\n# comment\nnonsense\n[127.0.0.1]:{port} {key} host\n");
        let auth = credentials(&f.url, &f.key, &known_hosts, "").unwrap();
        assert_eq!(f.list(auth).await, Ok(2), "key {index}");
    }
    let rsa = &f.server.host_keys()[4];
    for (known_hosts, expected) in [
        (format!("elsewhere {rsa}"), "no key of [127.0.0.1]:"),
        (format!("[127.0.0.1]:{port} {other}"), "does not match known_hosts"),
        (format!("127.0.0.1 {rsa}"), "no key of [127.0.0.1]:"),
        (format!("[127.0.0.1]:{port} {rsa}\n@revoked * {rsa}"), "is revoked"),
        (format!("[127.0.0.*]:{port},![127.0.0.1]:{port} {rsa}"), "no key of [127.0.0.1]:"),
    ] {
        let auth = credentials(&f.url, &f.key, &known_hosts, "").unwrap();
        let error = f.list(auth).await.unwrap_err();
        assert!(error.starts_with("host key verification failed: ") && error.contains(expected), "{error}");
    }
    assert_eq!(f.server.commands().unwrap().len(), 5, "nobody logged in to a host that was not known");
}

#[tokio::test]
async fn hashed_names_written_by_ssh_keygen_are_understood() {
    let f = Fixture::new(&SshServerOptions::default());
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("known_hosts");
    std::fs::write(&file, f.server.known_hosts()).unwrap();
    #[expect(clippy::disallowed_methods, reason = "the tool's own output is what is to be read")]
    let status = std::process::Command::new("ssh-keygen")
        .args(["-q", "-H", "-f", file.to_str().unwrap()])
        .stderr(std::process::Stdio::null())
        .status();
    assert!(status.unwrap().success());
    let hashed = std::fs::read_to_string(&file).unwrap();
    assert!(hashed.starts_with("|1|") && !hashed.contains("127.0.0.1"));
    assert_eq!(f.list(credentials(&f.url, &f.key, &hashed, "").unwrap()).await, Ok(2));
}

#[tokio::test]
async fn a_host_with_a_certificate_needs_the_authority_alone() {
    let names = Some("127.0.0.1,git.example".to_owned());
    for host_keys in [vec![KeyType::Ed25519], vec![KeyType::EcdsaP384], vec![KeyType::Rsa]] {
        let options = SshServerOptions { host_keys, certified_names: names.clone(), ..SshServerOptions::default() };
        let f = Fixture::new(&options);
        let authority = f.server.authority().unwrap();
        let known_hosts = format!("@cert-authority [127.0.0.1]:{} {authority}", f.server.port());
        let auth = credentials(&f.url, &f.key, &known_hosts, "").unwrap();
        assert_eq!(f.list(auth).await, Ok(2), "{options:?}");
        let plain = f.auth();
        assert_eq!(f.list(plain).await, Ok(2), "{options:?}");
        let revoked = format!("{known_hosts}\n@revoked * {authority}");
        let error = f.list(credentials(&f.url, &f.key, &revoked, "").unwrap()).await.unwrap_err();
        assert!(error.contains("is revoked"), "{error}");
    }
    let names = Some("elsewhere".to_owned());
    let f = Fixture::new(&SshServerOptions { certified_names: names, ..SshServerOptions::default() });
    let known_hosts = format!("@cert-authority [127.0.0.1]:{} {}", f.server.port(), f.server.authority().unwrap());
    let error = f.list(credentials(&f.url, &f.key, &known_hosts, "").unwrap()).await.unwrap_err();
    assert!(error.ends_with("is not valid: it does not name the host"), "{error}");
}

#[tokio::test]
async fn the_process_lists_of_algorithms_replace_the_defaults() {
    let config_line = "KexAlgorithms ecdh-sha2-nistp384".to_owned();
    let options =
        SshServerOptions { host_keys: KeyType::ALL.to_vec(), config: vec![config_line], ..SshServerOptions::default() };
    let f = Fixture::new(&options);
    let with = |host_keys: &[&str], kex: &[&str]| {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let Auth::Ssh(mut auth) = f.auth() else { panic!("not SSH") };
        auth.algorithms = SshAlgorithms::from_names(&list(host_keys), &list(kex)).0;
        Auth::Ssh(auth)
    };
    assert_eq!(f.list(with(&["rsa-sha2-256"], &["ecdh-sha2-nistp384"])).await, Ok(2));
    let error = f.list(with(&[], &["curve25519-sha256"])).await.unwrap_err();
    assert!(error.contains("No common") && error.contains("curve25519-sha256"), "{error}");
    let error = f.list(with(&["ssh-dss"], &[])).await.unwrap_err();
    assert!(error.contains("No common"), "{error}");
}

#[tokio::test]
async fn a_proxy_is_used_with_its_credentials_and_its_certificate() {
    let f = Fixture::new(&SshServerOptions::default());
    for kind in [ProxyKind::Http, ProxyKind::Https, ProxyKind::Socks5] {
        for auth in [None, Some(("user", "p@ss"))] {
            let server = ProxyServer::start(kind, auth).unwrap();
            let ca = server.ca_pem().map(|pem| pem.as_bytes().to_vec());
            let through = |url: Url| RemoteConfig {
                proxy: Proxy::Url(Secret::new(url)),
                tls: Tls { ca: ca.clone(), identity: None },
                ..config(&f.url, f.auth())
            };
            assert_eq!(list(through(server.address().clone())).await, Ok(2), "{kind:?} {auth:?}");
            assert_eq!(server.targets(), [format!("127.0.0.1:{}", f.server.port())]);
            if auth.is_some() {
                let mut wrong = server.address().clone();
                wrong.set_password(Some("wrong")).unwrap();
                let error = list(through(wrong)).await.unwrap_err();
                assert_eq!(error, "the proxy refused the credentials", "{kind:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_server_that_never_answers_ends_in_a_timeout_and_in_a_closed_connection() {
    let f = Fixture::new(&SshServerOptions::default());
    f.server.stop_answering().unwrap();
    let timeout = Duration::from_millis(1500);
    let started = Instant::now();
    let error = f.fetch_with(RemoteConfig { timeout, ..config(&f.url, f.auth()) }, &main_branch()).await.unwrap_err();
    assert_eq!(error.to_string(), "timed out after 1.5s");
    assert!(started.elapsed() < Duration::from_secs(5));
    let ended = async || Ok(f.server.commands()?.contains(&"ended".to_owned()).then_some(()));
    wait_until(Duration::from_secs(10), "the server's command to end", ended).await.unwrap();
}

#[tokio::test]
async fn a_host_that_is_silent_from_the_start_is_let_go() {
    use tokio::io::AsyncReadExt as _;
    let f = Fixture::new(&SshServerOptions::default());
    for greeting in ["", "SSH-2.0-silent\r\n"] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("ssh://git@{}/app.git", listener.local_addr().unwrap())).unwrap();
        let closed = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut stream, greeting.as_bytes()).await.unwrap();
            // Returns when the other side closes.
            let _ = stream.read_to_end(&mut Vec::new()).await;
        });
        let timeout = Duration::from_millis(300);
        let error = list(RemoteConfig { timeout, ..config(&url, f.auth()) }).await.unwrap_err();
        assert_eq!(error, "timed out after 0.3s");
        tokio::time::timeout(Duration::from_secs(5), closed).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn limits_hold_over_ssh_as_well() {
    let f = Fixture::new(&SshServerOptions::default());
    let noise: Vec<u8> = (0..200_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    f.copy.write("noise", noise).unwrap().commit("second").unwrap();
    f.copy.push().unwrap();
    for (limits, expected) in [
        (Limits { pack_bytes: 100_000, ..Limits::default() }, "the answer is larger than 100000 bytes"),
        (Limits { ref_bytes: 50, ..Limits::default() }, "the answer is larger than 50 bytes"),
        (Limits { refs: 0, ..Limits::default() }, "the remote lists more than 0 references"),
    ] {
        let error = f.fetch_with(RemoteConfig { limits, ..config(&f.url, f.auth()) }, &main_branch()).await;
        assert_eq!(error.unwrap_err().to_string(), expected);
    }
}
