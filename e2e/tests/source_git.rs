//! GitRepository on real servers: OpenSSH, TLS with client certificates, proxies, submodules, includes, signatures, and bad servers.

use anyhow::{Context as _, Result};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde_json::{Value, json};
use sluice_api::source::{GitRepository, GitRepositoryStatus};
use sluice_e2e::{Applied, PATIENCE, Stack, apply, archive_names, condition, git_ready, published};
use sluice_testkit::git::{GitServer, GitServerOptions, WorkingCopy};
use sluice_testkit::proxy::{ProxyKind, ProxyServer};
use sluice_testkit::sink::{Answer, Sink};
use sluice_testkit::ssh::{KeyFormat, KeyPair, KeyType, SshServer, SshServerOptions};
use sluice_testkit::wait::wait_until;

fn repository(name: &str, url: &str, more: &Value) -> Value {
    let mut spec = json!({ "url": url, "interval": "1h", "ref": { "branch": "main" } });
    if let (Some(spec), Some(more)) = (spec.as_object_mut(), more.as_object()) {
        spec.extend(more.clone());
    }
    json!({ "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "metadata": { "name": name }, "spec": spec })
}

async fn secret(stack: &Stack, name: &str, data: &Value) -> Result<()> {
    let object = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "stringData": data });
    apply(&stack.client(), object).await?;
    Ok(())
}

async fn source(stack: &Stack, name: &str, url: &str, more: Value) -> Result<Applied> {
    apply(&stack.client(), repository(name, url, &more)).await
}

fn status(object: &GitRepository) -> GitRepositoryStatus {
    object.status.clone().unwrap_or_default()
}

fn conditions(object: &GitRepository) -> Vec<Condition> {
    status(object).conditions
}

/// Waits until the object is ready with the commit, and returns the names in its artifact.
async fn ready_names(stack: &Stack, name: &str, commit: &str) -> Result<Vec<String>> {
    let done =
        |object: &GitRepository| published(object).ends_with(commit) && git_ready(object).starts_with("True Succeeded");
    let object = stack.git_repository(name, &format!("{name} to be published"), done).await?;
    names(stack, &object)
}

fn names(stack: &Stack, object: &GitRepository) -> Result<Vec<String>> {
    let artifact = status(object).artifact.context("no artifact")?;
    archive_names(&stack.data.path().join("storage").join(artifact.path))
}

/// Waits until Ready is False for this reason with this text.
async fn refused(stack: &Stack, name: &str, reason: &str, text: &str) -> Result<GitRepository> {
    let done = |object: &GitRepository| git_ready(object).starts_with(&format!("False {reason}: "));
    let object = stack.git_repository(name, &format!("{name} to be refused for {reason}"), done).await?;
    let ready = git_ready(&object);
    anyhow::ensure!(ready.contains(text), "{name}: expected {text:?} in {ready:?}");
    Ok(object)
}

fn head(copy: &WorkingCopy) -> Result<String> {
    Ok(copy.run(&["rev-parse", "HEAD"])?.trim().to_owned())
}

#[tokio::test]
async fn ssh_needs_the_hosts_own_key_and_a_key_that_is_let_in() -> Result<()> {
    let stack = Stack::start().await?;
    let server = SshServer::start(&SshServerOptions::default())?;
    let url = server.create_repo("web")?.to_string();
    let copy = server.working_copy("web")?;
    copy.write("a.yaml", "a: 1\n")?;
    let commit = copy.commit("First commit")?;
    copy.push()?;
    let plain = KeyPair::generate(KeyType::Ed25519, KeyFormat::OpenSsh, "")?;
    let locked = KeyPair::generate(KeyType::EcdsaP256, KeyFormat::OpenSsh, "s3cret-phrase")?;
    let stranger = KeyPair::generate(KeyType::Ed25519, KeyFormat::OpenSsh, "")?;
    server.authorize(&plain)?;
    server.authorize(&locked)?;
    let known = server.known_hosts();
    let another_key = format!("[127.0.0.1]:{} {}\n", server.port(), stranger.public);
    for (name, data) in [
        ("plain", json!({ "identity": plain.private, "known_hosts": known })),
        ("phrase", json!({ "identity": locked.private, "known_hosts": known, "password": "s3cret-phrase" })),
        ("no-phrase", json!({ "identity": locked.private, "known_hosts": known })),
        ("stranger", json!({ "identity": stranger.private, "known_hosts": known })),
        ("other-host", json!({ "identity": plain.private, "known_hosts": another_key })),
        ("no-hosts", json!({ "identity": plain.private })),
    ] {
        secret(&stack, name, &data).await?;
    }
    let controller = stack.source_controller()?.arg("--ssh-hostkey-algos=ssh-ed25519,nonsense").start().await?;
    for name in ["plain", "phrase", "no-phrase", "stranger", "other-host", "no-hosts"] {
        source(&stack, name, &url, json!({ "secretRef": { "name": name } })).await?;
    }
    source(&stack, "no-secret", &url, json!({})).await?;
    for name in ["plain", "phrase"] {
        assert_eq!(ready_names(&stack, name, &commit).await?, [".", "a.yaml"]);
    }
    let encrypted = "SSH identity key is encrypted but no 'password' field was provided in the secret 'apps/no-phrase'";
    let object = refused(&stack, "no-phrase", "AuthenticationFailed", encrypted).await?;
    assert_eq!(git_ready(&object), format!("False AuthenticationFailed: {encrypted}"));
    refused(&stack, "stranger", "GitOperationFailed", "authentication failed").await?;
    refused(&stack, "other-host", "GitOperationFailed", "host key").await?;
    let missing = "failed to configure authentication options: invalid 'ssh' auth option: 'known_hosts' is required";
    refused(&stack, "no-hosts", "AuthenticationFailed", missing).await?;
    refused(&stack, "no-secret", "AuthenticationFailed", "'identity' is required").await?;
    let log = controller.log();
    assert!(log.contains("nonsense"), "an unknown algorithm is told");
    assert!(!log.contains("s3cret") && !log.contains("PRIVATE KEY"), "nothing of a key is logged");
    Ok(())
}

#[tokio::test]
async fn certificates_and_proxies_lead_to_the_server_and_bad_servers_harm_nobody_else() -> Result<()> {
    let options = GitServerOptions { tls: true, client_certificates: true, ..GitServerOptions::default() };
    let stack = Stack::start_with(options).await?;
    let commit = head(&stack.repository("web", &[("a.yaml", "a: 1\n")])?)?;
    let url = stack.repository_url("web");
    let ca = stack.git.ca_pem().context("TLS")?.to_owned();
    let (certificate, key) = stack.git.client_certificate().context("TLS")?;
    let proxy = ProxyServer::start(ProxyKind::Http, Some(("pass", "s3cret-proxy")))?;
    let address = format!("http://127.0.0.1:{}", proxy.address().port().context("a port")?);
    for (name, data) in [
        ("both", json!({ "ca.crt": ca, "tls.crt": certificate, "tls.key": key })),
        ("ca", json!({ "ca.crt": ca })),
        ("half", json!({ "ca.crt": ca, "tls.crt": certificate })),
        ("proxy", json!({ "address": address, "username": "pass", "password": "s3cret-proxy" })),
        ("bad-proxy", json!({ "address": address, "username": "pass", "password": "s3cret-wrong" })),
    ] {
        secret(&stack, name, &data).await?;
    }
    let other = GitServer::start(GitServerOptions::default())?;
    let other_url = other.create_repo("other")?.to_string();
    let other_copy = other.working_copy("other")?;
    other_copy.write("b.yaml", "b: 1\n")?;
    let other_commit = other_copy.commit("First commit")?;
    other_copy.push()?;
    let controller = stack.source_controller()?.start().await?;
    let with =
        |secret: &str, proxy: &str| json!({ "secretRef": { "name": secret }, "proxySecretRef": { "name": proxy } });
    source(&stack, "ca", &url, json!({ "secretRef": { "name": "ca" } })).await?;
    source(&stack, "half", &url, json!({ "secretRef": { "name": "half" } })).await?;
    source(&stack, "bad-proxy", &url, with("both", "bad-proxy")).await?;
    source(&stack, "no-proxy", &url, with("both", "absent")).await?;
    source(&stack, "proxy", &url, with("both", "proxy")).await?;
    assert_eq!(ready_names(&stack, "proxy", &commit).await?, [".", "a.yaml"]);
    assert!(!proxy.targets().is_empty(), "the proxy was used");
    refused(&stack, "ca", "GitOperationFailed", "").await?;
    refused(&stack, "half", "AuthenticationFailed", "'tls.crt' and 'tls.key' must be set together").await?;
    refused(&stack, "bad-proxy", "GitOperationFailed", "").await?;
    refused(&stack, "no-proxy", "AuthenticationFailed", "failed to configure proxy options: failed to get secret")
        .await?;

    let kept = source(&stack, "kept", &other_url, json!({ "timeout": "2s" })).await?;
    ready_names(&stack, "kept", &other_commit).await?;
    // Does not compress: the stall is in the middle of the pack.
    let noise: Vec<u8> = (0_u32..20_000).map(|n| (n.wrapping_mul(2_654_435_761) >> 13).to_be_bytes()[3]).collect();
    other_copy.write("noise", noise)?;
    other_copy.commit("Second commit")?;
    other_copy.push()?;
    other.stall_after(2000);
    kept.request("stalled").await?;
    let object = refused(&stack, "kept", "GitOperationFailed", "timed out after 2s").await?;
    assert!(published(&object).ends_with(&other_commit), "the artifact stays");
    assert_eq!(names(&stack, &object)?, [".", "b.yaml"]);
    source(&stack, "cut", &format!("{}/x.git", cut_short().await?), json!({})).await?;
    source(&stack, "not-git", &format!("{}/x.git", stack.sink.url()), json!({})).await?;
    refused(&stack, "cut", "GitOperationFailed", "").await?;
    refused(&stack, "not-git", "GitOperationFailed", "does not speak the smart Git protocol").await?;
    let healthy = source(&stack, "healthy", &url, json!({ "secretRef": { "name": "both" } })).await?;
    ready_names(&stack, "healthy", &commit).await?;
    healthy.request_and_wait("again").await?;
    assert!(!controller.log().contains("s3cret"), "no password is logged");
    Ok(())
}

/// A server that breaks every answer off.
async fn cut_short() -> Result<String> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\n\
                          Content-Length: 1000\r\n\r\n001e# service=git-upload-pack\n0000000eversion 2\n";
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    Ok(url)
}

#[tokio::test]
async fn includes_submodules_and_sparse_checkouts_shape_the_tree() -> Result<()> {
    let stack = Stack::start().await?;
    let files = [("deploy/x.yaml", "x: 1\n"), ("deploy/notes.md", "#\n"), ("README", "r\n")];
    let lib = stack.repository("lib", &files)?;
    let lib_commit = head(&lib)?;
    let web = stack.repository("web", &[("apps/a.yaml", "a: 1\n"), ("infra/i.yaml", "i: 1\n"), ("z.yaml", "z\n")])?;
    web.write(".gitmodules", "[submodule \"sub\"]\n\tpath = sub\n\turl = ../lib.git\n")?;
    web.run(&["add", "--all"])?;
    web.run(&["update-index", "--add", "--cacheinfo", &format!("160000,{lib_commit},sub")])?;
    web.run(&["commit", "--quiet", "-m", "A submodule"])?;
    let commit = head(&web)?;
    web.push()?;
    let (url, lib_url) = (stack.repository_url("web"), stack.repository_url("lib"));
    let _controller = stack.source_controller()?.arg("--requeue-dependency=1h").start().await?;
    let include = |from: &str, to: &str| json!([{ "repository": { "name": "lib" }, "fromPath": from, "toPath": to }]);

    let more = json!({ "include": include("../deploy", "vendor/lib"), "ignore": "/apps\n*.md\n" });
    source(&stack, "web", &url, more).await?;
    let waiting = refused(&stack, "web", "NotFound", "could not get resource for include 'lib': ").await?;
    assert!(condition(&conditions(&waiting), "IncludeUnavailable").starts_with("True NotFound: "));
    assert_eq!(status(&waiting).observed_generation, Some(-1), "waiting is not done");

    // Nobody asks for web again: that lib has published wakes it, although the requeue is an hour away.
    let lib_object = source(&stack, "lib", &lib_url, json!({})).await?;
    let expected = [".", "infra", "infra/i.yaml", "vendor", "vendor/lib", "vendor/lib/x.yaml", "z.yaml"];
    assert_eq!(ready_names(&stack, "web", &commit).await?, expected);
    let object = stack.git_repository("web", "the status", |_| true).await?;
    let before = status(&object);
    assert_eq!(condition(&before.conditions, "IncludeUnavailable"), "");
    assert_eq!(before.observed_include, object.spec.include);
    let included: Vec<_> = before.included_artifacts.iter().map(|artifact| artifact.revision.clone()).collect();
    assert_eq!(included, [format!("main@sha1:{lib_commit}")]);

    lib.write("deploy/y.yaml", "y: 1\n")?;
    let second = lib.commit("Second commit")?;
    lib.push()?;
    lib_object.request("push").await?;
    let repacked = |object: &GitRepository| {
        status(object).included_artifacts.first().is_some_and(|artifact| artifact.revision.ends_with(&second))
            && git_ready(object).starts_with("True Succeeded")
    };
    let after = stack.git_repository("web", "the new include", repacked).await?;
    assert!(names(&stack, &after)?.contains(&"vendor/lib/y.yaml".to_owned()));
    let (old, new) = (before.artifact.context("artifact")?, status(&after).artifact.context("artifact")?);
    assert_eq!(old.revision, new.revision);
    assert_ne!(old.digest, new.digest);

    source(&stack, "taken", &url, json!({ "include": include("deploy", "apps") })).await?;
    let taken = "failed to copy 'lib' include from deploy to apps: 'apps' exists already";
    let object = refused(&stack, "taken", "CopyFailure", taken).await?;
    assert!(condition(&conditions(&object), "StorageOperationFailed").starts_with("True CopyFailure: "));
    source(&stack, "no-source", &url, json!({ "include": include("nope", "x") })).await?;
    refused(&stack, "no-source", "CopyFailure", "'nope' does not exist in the artifact").await?;

    source(&stack, "modules", &url, json!({ "recurseSubmodules": true, "sparseCheckout": [] })).await?;
    let modules = ready_names(&stack, "modules", &commit).await?;
    let of_sub: Vec<_> = modules.iter().filter(|name| name.starts_with("sub")).map(String::as_str).collect();
    assert_eq!(of_sub, ["sub", "sub/README", "sub/deploy", "sub/deploy/notes.md", "sub/deploy/x.yaml"]);
    let object = stack.git_repository("modules", "the status", |_| true).await?;
    assert!(status(&object).observed_recurse_submodules);

    let sparse = json!({ "sparseCheckout": ["./apps"], "recurseSubmodules": true });
    let object = source(&stack, "sparse", &url, sparse).await?;
    assert_eq!(ready_names(&stack, "sparse", &commit).await?, [".", "apps", "apps/a.yaml"]);
    object.patch(json!({ "spec": { "sparseCheckout": ["infra"] } })).await?;
    let changed = |object: &GitRepository| status(object).observed_sparse_checkout == ["infra"];
    let object = stack.git_repository("sparse", "the other directory", changed).await?;
    assert_eq!(names(&stack, &object)?, [".", "infra", "infra/i.yaml"]);
    source(&stack, "absent", &url, json!({ "sparseCheckout": ["Apps"] })).await?;
    let absent = "failed to sparse checkout directories : sparse checkout dir 'Apps' does not exist in repository: ";
    refused(&stack, "absent", "GitOperationFailed", absent).await?;
    Ok(())
}

/// A home of `GnuPG` with one key; its agent ends with it.
struct Gpg {
    dir: tempfile::TempDir,
    public: String,
    id: String,
}

impl Gpg {
    fn new() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let mut gpg = Self { dir, public: String::new(), id: String::new() };
        gpg.run(
            "gpg",
            &["--batch", "--passphrase", "", "--quick-generate-key", "a@example.com", "ed25519", "sign", "never"],
        )?;
        gpg.public = gpg.run("gpg", &["--armor", "--export"])?;
        let listed = gpg.run("gpg", &["--list-keys", "--with-colons"])?;
        let line = listed.lines().find(|line| line.starts_with("pub:")).context("no key")?;
        line.split(':').nth(4).context("no id")?.clone_into(&mut gpg.id);
        let script = format!("#!/bin/sh\nexec gpg --homedir {} \"$@\"\n", gpg.dir.path().display());
        std::fs::write(gpg.program(), script)?;
        std::fs::set_permissions(gpg.program(), std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
        Ok(gpg)
    }

    /// What git calls to sign.
    fn program(&self) -> std::path::PathBuf {
        self.dir.path().join("sign")
    }

    #[expect(clippy::disallowed_methods, reason = "GnuPG itself makes the keys; this is a test")]
    fn run(&self, program: &str, arguments: &[&str]) -> Result<String> {
        let mut command = std::process::Command::new(program);
        let output = command.arg("--homedir").arg(self.dir.path()).args(arguments).output()?;
        anyhow::ensure!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }

    fn sign(&self, copy: &WorkingCopy) -> Result<()> {
        copy.run(&["config", "gpg.format", "openpgp"])?;
        copy.run(&["config", "gpg.program", self.program().to_str().context("path")?])?;
        copy.run(&["config", "user.signingkey", &self.id])?;
        Ok(())
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let _ = self.run("gpgconf", &["--kill", "gpg-agent"]);
    }
}

/// Commits and tags of the repository `web`.
struct Signed {
    unsigned: String,
    by_gpg: String,
    gpg_tag: String,
    by_ssh: String,
    by_stranger: String,
}

/// The branches main (not signed), openpgp, ssh and stranger, and tags of them.
fn signed_repository(stack: &Stack, gpg: &Gpg, stranger: &Gpg, ssh_file: &str) -> Result<Signed> {
    let copy = stack.repository("web", &[("a.yaml", "a: 1\n")])?;
    let unsigned = head(&copy)?;
    copy.tag("v0.1.0")?.annotated_tag("v0.2.0", "Not signed")?;
    gpg.sign(&copy)?;
    copy.branch("openpgp")?;
    copy.run(&["commit", "-S", "--quiet", "--allow-empty", "-m", "Signed with OpenPGP"])?;
    let by_gpg = head(&copy)?;
    copy.run(&["tag", "-s", "v1.0.0", "-m", "Signed with OpenPGP"])?;
    let gpg_tag = copy.run(&["rev-parse", "refs/tags/v1.0.0"])?;
    copy.branch("ssh")?;
    copy.run(&["config", "gpg.format", "ssh"])?;
    copy.run(&["config", "user.signingkey", ssh_file])?;
    copy.run(&["commit", "-S", "--quiet", "--allow-empty", "-m", "Signed with SSH"])?;
    let by_ssh = head(&copy)?;
    copy.run(&["tag", "-s", "v2.0.0", "-m", "Signed with SSH"])?;
    copy.branch("stranger")?;
    stranger.sign(&copy)?;
    copy.run(&["commit", "-S", "--quiet", "--allow-empty", "-m", "Signed by a stranger"])?;
    copy.run(&["tag", "-s", "v3.0.0", "-m", "Signed by a stranger"])?;
    let by_stranger = head(&copy)?;
    copy.push()?;
    Ok(Signed { unsigned, by_gpg, gpg_tag, by_ssh, by_stranger })
}

#[tokio::test]
async fn only_signatures_of_trusted_keys_are_published_in_every_mode() -> Result<()> {
    let stack = Stack::start().await?;
    let gpg = Gpg::new()?;
    let stranger = Gpg::new()?;
    let ssh = KeyPair::generate(KeyType::Ed25519, KeyFormat::OpenSsh, "")?;
    let ssh_file = stack.data.path().join("signing-key");
    std::fs::write(&ssh_file, &ssh.private)?;
    std::fs::set_permissions(&ssh_file, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;

    let Signed { unsigned, by_gpg, gpg_tag, by_ssh, by_stranger } =
        signed_repository(&stack, &gpg, &stranger, ssh_file.to_str().context("path")?)?;
    secret(&stack, "keys", &json!({ "a.asc": gpg.public, "b.sshpub": ssh.public, "broken.asc": "none" })).await?;
    secret(&stack, "ssh-only", &json!({ "b.sshpub": ssh.public })).await?;
    let _controller = stack.source_controller()?.start().await?;
    let url = stack.repository_url("web");
    let verify = |mode: &str, keys: &str, reference: Value| json!({ "ref": reference, "verify": { "mode": mode, "secretRef": { "name": keys } } });
    let branch = |name: &str| json!({ "branch": name });
    let tag = |name: &str| json!({ "tag": name });
    let good = [
        ("head", verify("HEAD", "keys", branch("openpgp")), format!("\n\t- commit '{by_gpg}' with key '{}'", gpg.id)),
        ("old-head", verify("head", "keys", branch("ssh")), format!("\n\t- commit '{by_ssh}' with key 'SHA256:")),
        ("tag", verify("Tag", "keys", tag("v1.0.0")), format!("\n\t- tag 'v1.0.0@{gpg_tag}' with key '{}'", gpg.id)),
        (
            "both",
            verify("TagAndHEAD", "keys", json!({ "semver": "1.x" })),
            format!("\n\t- tag 'v1.0.0@{gpg_tag}' with key '{}'\n\t- commit '{by_gpg}' with key '{}'", gpg.id, gpg.id),
        ),
        ("named", verify("Tag", "ssh-only", json!({ "name": "refs/tags/v2.0.0" })), "\n\t- tag 'v2.0.0@".to_owned()),
    ];
    for (name, more, _) in &good {
        source(&stack, name, &url, more.clone()).await?;
    }
    let bad = [
        (
            "unsigned",
            verify("HEAD", "keys", branch("main")),
            "InvalidCommitSignature",
            format!("signature verification of commit '{unsigned}' failed: unsupported signature type: empty"),
        ),
        (
            "stranger",
            verify("HEAD", "keys", branch("stranger")),
            "InvalidCommitSignature",
            format!("signature verification of commit '{by_stranger}' failed: unable to verify payload"),
        ),
        (
            "wrong-kind",
            verify("HEAD", "ssh-only", branch("openpgp")),
            "InvalidCommitSignature",
            "PGP signature detected but no PGP public keys found in secret (keys with .asc suffix)".to_owned(),
        ),
        (
            "light",
            verify("Tag", "keys", tag("v0.1.0")),
            "InvalidGitObject",
            "cannot verify signature of tag 'v0.1.0' since it is not signed".to_owned(),
        ),
        (
            "annotated",
            verify("TagAndHEAD", "keys", tag("v0.2.0")),
            "InvalidGitObject",
            "cannot verify signature of tag 'v0.2.0@".to_owned(),
        ),
        (
            "tag-stranger",
            verify("Tag", "keys", tag("v3.0.0")),
            "InvalidTagSignature",
            "signature verification of tag 'v3.0.0@".to_owned(),
        ),
        (
            "no-tag",
            verify("Tag", "keys", branch("openpgp")),
            "InvalidVerificationMode",
            "cannot verify tag object's signature if a tag reference is not specified".to_owned(),
        ),
        (
            "no-keys",
            verify("HEAD", "absent", branch("openpgp")),
            "VerificationError",
            "public keys secret error: failed to get secret 'apps/absent'".to_owned(),
        ),
    ];
    for (name, more, ..) in &bad {
        source(&stack, name, &url, more.clone()).await?;
    }
    for (name, more, text) in &good {
        let done = |object: &GitRepository| git_ready(object).starts_with("True Succeeded");
        let object = stack.git_repository(name, &format!("{name} to be verified"), done).await?;
        let verified = condition(&conditions(&object), "SourceVerified");
        assert!(verified.starts_with(&format!("True Succeeded: verified signature of{text}")), "{name}: {verified}");
        let mode = more.pointer("/verify/mode").and_then(Value::as_str).map(|mode| mode.replace("head", "HEAD"));
        assert_eq!(status(&object).source_verification_mode, mode, "{name}");
    }
    for (name, _, reason, text) in &bad {
        let object = refused(&stack, name, reason, text).await?;
        let status = status(&object);
        assert!(condition(&status.conditions, "SourceVerified").starts_with(&format!("False {reason}: ")), "{name}");
        assert_eq!(status.artifact, None, "{name}: nothing is published that nobody signed");
        assert_eq!(condition(&status.conditions, "FetchFailed"), "", "{name}");
        assert_eq!(condition(&status.conditions, "Stalled").is_empty(), *name != "no-tag", "{name}");
    }
    verified_objects_follow_their_spec(&stack, &gpg.id, &url).await
}

/// What changes of the spec and of the branch do to a verified object.
async fn verified_objects_follow_their_spec(stack: &Stack, gpg_id: &str, url: &str) -> Result<()> {
    let tag = source(stack, "tag", url, json!({ "ref": { "tag": "v1.0.0" } })).await?;
    tag.patch(json!({ "spec": { "ref": { "branch": null }, "verify": { "mode": "TagAndHEAD" } } })).await?;
    let wider = |object: &GitRepository| status(object).source_verification_mode.as_deref() == Some("TagAndHEAD");
    let object = stack.git_repository("tag", "the wider mode", wider).await?;
    let verified = condition(&conditions(&object), "SourceVerified");
    assert!(verified.contains("- commit '") && verified.ends_with(&format!("with key '{gpg_id}'")), "{verified}");

    // A good branch moves to a commit that nobody signed: the artifact stays at the good one.
    let head = source(stack, "head", url, json!({ "ref": { "branch": "openpgp" } })).await?;
    let before = stack.git_repository("head", "the object", |_| true).await?;
    let copy = stack.git.working_copy("web")?;
    copy.write("evil.yaml", "e: 1\n")?;
    copy.commit("Not signed")?;
    copy.push_refs(&["+HEAD:refs/heads/openpgp"])?;
    head.request("moved").await?;
    let object = refused(stack, "head", "InvalidCommitSignature", "unsupported signature type: empty").await?;
    assert_eq!(published(&object), published(&before), "the artifact stays");
    head.patch(json!({ "spec": { "verify": null } })).await?;
    let free = |object: &GitRepository| {
        published(object) != published(&before) && status(object).source_verification_mode.is_none()
    };
    let object = stack.git_repository("head", "the object without verification", free).await?;
    assert_eq!(condition(&conditions(&object), "SourceVerified"), "");
    Ok(())
}

#[tokio::test]
async fn a_github_app_logs_in_and_providers_without_what_they_need_are_refused() -> Result<()> {
    let token = "s3cret-token".to_owned();
    let options =
        GitServerOptions { auth: Some(("x-access-token".into(), token.clone())), ..GitServerOptions::default() };
    let stack = Stack::start_with(options).await?;
    let commit = head(&stack.repository("web", &[("a.yaml", "a: 1\n")])?)?;
    let url = stack.repository_url("web");
    let (api, refusing) = (Sink::start().await?, Sink::start().await?);
    let answer = json!({ "token": token, "expires_at": "2099-01-01T00:00:00Z" });
    api.answer_always(Answer { body: answer.to_string().into(), ..Answer::default() });
    refusing.answer_always(Answer {
        status: 401_u16.try_into()?,
        body: json!({ "message": "A JSON web token could not be decoded" }).to_string().into(),
        ..Answer::default()
    });
    let key = KeyPair::generate(KeyType::Rsa, KeyFormat::Pem, "")?.private;
    let app = |base: &str| {
        json!({
            "githubAppID": "7", "githubAppInstallationID": "42", "githubAppPrivateKey": key, "githubAppBaseURL": base,
        })
    };
    secret(&stack, "app", &app(&api.url())).await?;
    secret(&stack, "refused", &app(&refusing.url())).await?;
    secret(&stack, "incomplete", &json!({ "githubAppID": "7", "githubAppInstallationID": "42" })).await?;
    secret(&stack, "plain", &json!({ "username": "x-access-token", "password": token })).await?;
    let controller = stack.source_controller()?.start().await?;
    let with = |provider: &str, secret: &str| json!({ "provider": provider, "secretRef": { "name": secret } });
    let object = source(&stack, "app", &url, with("github", "app")).await?;
    assert_eq!(ready_names(&stack, "app", &commit).await?, [".", "a.yaml"]);
    object.request_and_wait("again").await?;
    let asked: Vec<_> = api.requests().iter().map(|request| format!("{} {}", request.method, request.path())).collect();
    assert_eq!(asked, ["POST /app/installations/42/access_tokens"], "the token is kept");
    assert!(api.requests()[0].header("authorization").starts_with("Bearer ey"));

    source(&stack, "refused", &url, with("github", "refused")).await?;
    source(&stack, "incomplete", &url, with("github", "incomplete")).await?;
    source(&stack, "no-data", &url, with("github", "plain")).await?;
    source(&stack, "no-secret", &url, json!({ "provider": "github" })).await?;
    source(&stack, "generic", &url, json!({ "secretRef": { "name": "app" } })).await?;
    source(&stack, "gate", &url, json!({ "provider": "azure", "serviceAccountName": "robot" })).await?;
    let options = "failed to configure authentication options: ";
    refused(&stack, "refused", "AuthenticationFailed", &format!("{options}failed to create installation token: "))
        .await?;
    let no_key = format!("{options}private key must be provided to use github app authentication");
    refused(&stack, "incomplete", "AuthenticationFailed", &no_key).await?;
    let demanded = "secretRef with github app data must be specified when provider is set to github";
    let object = refused(&stack, "no-data", "InvalidProviderConfiguration", demanded).await?;
    assert_eq!(condition(&conditions(&object), "Stalled"), "");
    let object = refused(&stack, "no-secret", "InvalidProviderConfiguration", demanded).await?;
    assert_eq!(condition(&conditions(&object), "Stalled"), format!("True InvalidProviderConfiguration: {demanded}"));
    let unexpected = "secretRef 'apps/app' has github app data but provider is not set to github";
    refused(&stack, "generic", "InvalidProviderConfiguration", unexpected).await?;
    let gate = "to use spec.serviceAccountName for provider authentication please enable the \
                ObjectLevelWorkloadIdentity feature gate in the controller";
    let object = refused(&stack, "gate", "FeatureGateDisabled", gate).await?;
    assert!(condition(&conditions(&object), "Stalled").starts_with("True FeatureGateDisabled: "));
    let log = controller.log();
    assert!(!log.contains("s3cret") && !log.contains("PRIVATE KEY"), "no token is logged");
    wait_until(PATIENCE, "a warning about the refusal", async || {
        Ok(stack.event("GitRepository", "refused", "AuthenticationFailed").await.ok())
    })
    .await?;
    Ok(())
}
