//! Charts that do not come from an index: out of a bucket, as a packaged file in Git, and signed ones of a registry.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sluice_e2e::{Applied, Stack, apply, chart, secret, source, status_condition};
use sluice_testkit::registry::{Image, Registry, RegistryOptions};
use sluice_testkit::s3::S3Server;
use sluice_testkit::tools;

/// Waits until Ready starts like this, and a good one is not being worked on.
async fn wait_ready(object: &Applied, start: &str) -> Result<Value> {
    let settled = |status: &Value| start.starts_with("False") || status_condition(status, "Reconciling").is_empty();
    object.status_when(start, |status| status_condition(status, "Ready").starts_with(start) && settled(status)).await
}

#[expect(clippy::disallowed_methods, reason = "independent readers and writers; this is a test")]
fn tar(args: &[&str]) -> Result<Vec<u8>> {
    let output = Command::new("tar").args(args).output().context("run tar")?;
    ensure!(output.status.success(), "tar {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}

const VALUES: &str = "replicas: 1\nimage: {name: web, tag: old}\n";

fn about(version: &str) -> String {
    format!("apiVersion: v2\nname: web\nversion: {version}\n")
}

/// The archive of a chart, made by the system's `tar`.
fn archive(version: &str) -> Result<Vec<u8>> {
    let dir = tempfile::tempdir()?;
    let root = dir.path().join("web");
    std::fs::create_dir_all(root.join("templates"))?;
    std::fs::write(root.join("Chart.yaml"), about(version))?;
    std::fs::write(root.join("values.yaml"), VALUES)?;
    std::fs::write(root.join("templates/config.yaml"), "kind: ConfigMap\n")?;
    tar(&["-czf", "-", "-C", &dir.path().display().to_string(), "web"])
}

fn stored(stack: &Stack, status: &Value) -> PathBuf {
    stack.data.path().join("storage").join(status["artifact"]["path"].as_str().unwrap_or_default())
}

fn file_of(stack: &Stack, status: &Value, name: &str) -> Result<String> {
    Ok(String::from_utf8(tar(&["-xzOf", &stored(stack, status).display().to_string(), name])?)?)
}

#[tokio::test]
async fn charts_of_a_bucket_are_packaged_and_follow_its_revision() -> Result<()> {
    let stack = Stack::start().await?;
    let s3 = S3Server::start().await?;
    let client = stack.client();
    apply(&client, secret("keys", &json!({ "accesskey": S3Server::ACCESS_KEY, "secretkey": S3Server::SECRET_KEY })))
        .await?;
    let packed = archive("0.2.0")?;
    for (key, content) in [
        ("charts/web/Chart.yaml", about("0.1.0").as_bytes()),
        ("charts/web/values.yaml", VALUES.as_bytes()),
        ("charts/web/templates/config.yaml", b"kind: ConfigMap\n"),
        ("charts/web-0.2.0.tgz", &packed),
        ("values/prod.yaml", b"image: {tag: new}\n"),
    ] {
        s3.put("charts", key, content).await?;
    }
    let _controller = stack.source_controller()?.start().await?;
    let bucket = json!({ "bucketName": "charts", "endpoint": s3.endpoint(), "insecure": true, "interval": "1h",
        "secretRef": { "name": "keys" } });
    let bucket = apply(&client, source("Bucket", "charts", bucket, &json!({}))).await?;
    let of = ("Bucket", "charts");
    let apply_chart = async |name: &str, path: &str, more: Value| apply(&client, chart(name, path, of, &more)).await;
    let source = wait_ready(&bucket, "True Succeeded: ").await?;
    let revision = source["artifact"]["revision"].as_str().context("a revision")?;
    let short = |revision: &str| revision.trim_start_matches("sha256:")[..12].to_owned();

    let plain = apply_chart("plain", "charts/web", json!({})).await?;
    let status = wait_ready(&plain, "True ChartPackageSucceeded: packaged 'web' chart with version '0.1.0'").await?;
    assert_eq!(status["observedSourceArtifactRevision"], revision);
    assert_eq!(file_of(&stack, &status, "web/values.yaml")?, VALUES);
    let by_revision = apply_chart("revision", "charts/web", json!({ "reconcileStrategy": "Revision" })).await?;
    let packaged = |version: &str| format!("True ChartPackageSucceeded: packaged 'web' chart with version '{version}'");
    wait_ready(&by_revision, &packaged(&format!("0.1.0+{}", short(revision)))).await?;
    let values = apply_chart("values", "charts/web", json!({ "valuesFiles": ["values/prod.yaml"] })).await?;
    let text = format!("{} and merged values files [values/prod.yaml]", packaged("0.1.0+1"));
    let status = wait_ready(&values, &text).await?;
    assert_eq!(file_of(&stack, &status, "web/values.yaml")?, "image:\n  tag: new\n");
    let file = apply_chart("file", "charts/web-0.2.0.tgz", json!({})).await?;
    let status = wait_ready(&file, "True ChartPullSucceeded: pulled 'web' chart with version '0.2.0'").await?;
    assert_eq!(std::fs::read(stored(&stack, &status))?, packed, "byte for byte");
    let absent = apply_chart("absent", "charts/none", json!({})).await?;
    wait_ready(&absent, "False InvalidChartReference: invalid chart reference: ").await?;

    s3.put("charts", "charts/web/templates/config.yaml", b"kind: Secret\n").await?;
    bucket.request_and_wait("changed").await?;
    let source = wait_ready(&bucket, "True Succeeded: ").await?;
    let newer = source["artifact"]["revision"].as_str().context("a revision")?;
    assert_ne!(newer, revision);
    let status = wait_ready(&by_revision, &packaged(&format!("0.1.0+{}", short(newer)))).await?;
    assert_eq!(file_of(&stack, &status, "web/templates/config.yaml")?, "kind: Secret\n");
    Ok(())
}

#[tokio::test]
async fn a_packaged_chart_in_git_is_handed_on_as_it_is_unless_it_is_changed() -> Result<()> {
    let stack = Stack::start().await?;
    let packed = archive("1.0.0")?;
    let copy = stack.repository("git", &[("values/prod.yaml", "replicas: 3\n")])?;
    std::fs::create_dir_all(copy.path().join("charts"))?;
    std::fs::write(copy.path().join("charts/web.tgz"), &packed)?;
    std::fs::write(copy.path().join("charts/broken.tgz"), "no archive")?;
    let head = copy.commit("Charts")?;
    copy.push()?;
    let client = stack.client();
    let _controller = stack.source_controller()?.start().await?;
    let url = stack.repository_url("git");
    let git = json!({ "url": url, "interval": "1h", "ref": { "branch": "main" } });
    apply(&client, source("GitRepository", "git", git, &json!({}))).await?;
    let of = ("GitRepository", "git");
    let apply_chart = async |name: &str, path: &str, more: Value| apply(&client, chart(name, path, of, &more)).await;

    let plain = apply_chart("plain", "charts/web.tgz", json!({})).await?;
    let status = wait_ready(&plain, "True ChartPullSucceeded: pulled 'web' chart with version '1.0.0'").await?;
    assert_eq!(std::fs::read(stored(&stack, &status))?, packed, "byte for byte");
    assert_eq!(status["artifact"]["path"], "helmchart/apps/plain/web-1.0.0.tgz");
    let by_revision = apply_chart("revision", "charts/web.tgz", json!({ "reconcileStrategy": "Revision" })).await?;
    let version = format!("1.0.0+{}", &head[..12]);
    let status =
        wait_ready(&by_revision, &format!("True ChartPackageSucceeded: packaged 'web' chart with version '{version}'"))
            .await?;
    assert!(file_of(&stack, &status, "web/Chart.yaml")?.contains(&format!("version: {version}\n")));
    let values = apply_chart("values", "charts/web.tgz", json!({ "valuesFiles": ["values/prod.yaml"] })).await?;
    let text = "True ChartPackageSucceeded: packaged 'web' chart with version '1.0.0+1' and merged values files [values/prod.yaml]";
    let status = wait_ready(&values, text).await?;
    assert_eq!(file_of(&stack, &status, "web/values.yaml")?, "replicas: 3\n");
    let broken = apply_chart("broken", "charts/broken.tgz", json!({})).await?;
    let status = wait_ready(&broken, "False InvalidChartReference: invalid chart reference: ").await?;
    assert!(status_condition(&status, "Stalled").starts_with("True InvalidChartReference: "), "{status}");
    Ok(())
}

/// A program that signs, with its files in a directory of its own.
struct Signer(tempfile::TempDir);

impl Signer {
    #[expect(clippy::disallowed_methods, reason = "the real programs make the signatures; this is a test")]
    fn run(&self, program: &str, args: &[&str]) -> Result<()> {
        let mut command = Command::new(tools::program(program)?);
        command.args(args).current_dir(self.0.path()).env("HOME", self.0.path());
        let output = command.env("XDG_CONFIG_HOME", self.0.path()).env("COSIGN_PASSWORD", "").output()?;
        ensure!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    fn file(&self, path: &str) -> Result<String> {
        std::fs::read_to_string(self.0.path().join(path)).with_context(|| path.to_owned())
    }

    fn cosign(&self, reference: &str) -> Result<()> {
        let args = ["sign", "--key", "cosign.key", "--tlog-upload=false", "--allow-http-registry", "-y", reference];
        self.run("cosign", &args)
    }
}

fn notation_policy(identity: &str) -> String {
    json!({ "version": "1.0", "trustPolicies": [{
        "name": "all", "registryScopes": ["*"], "signatureVerification": { "level": "strict" },
        "trustStores": ["ca:sluice"], "trustedIdentities": [identity],
    }] })
    .to_string()
}

#[tokio::test]
async fn signed_charts_of_a_registry_are_verified_before_anything_of_them_is_used() -> Result<()> {
    let stack = Stack::start().await?;
    let client = stack.client();
    let registry = Registry::start(RegistryOptions::default())?;
    let (ours, theirs) = (Signer(tempfile::tempdir()?), Signer(tempfile::tempdir()?));
    for signer in [&ours, &theirs] {
        signer.run("cosign", &["generate-key-pair"])?;
    }
    ours.run("notation", &["cert", "generate-test", "--default", "sluice"])?;
    let mut references = std::collections::BTreeMap::new();
    for (version, name) in [("1.0.0", "ours"), ("1.1.0", "theirs"), ("1.2.0", "unsigned"), ("1.3.0", "notation")] {
        let config = json!({ "name": "web", "version": version }).to_string();
        let digest = registry.push_image("charts/web", version, &Image::helm(config, archive(version)?))?;
        references.insert(name, format!("{}/charts/web@{digest}", registry.host()));
    }
    ours.cosign(&references["ours"])?;
    theirs.cosign(&references["theirs"])?;
    ours.run("notation", &["sign", "--insecure-registry", &references["notation"]])?;
    let certificate = ours.file("notation/localkeys/sluice.crt")?;
    for (name, data) in [
        ("keys", json!({ "ours.pub": ours.file("cosign.pub")? })),
        ("others", json!({ "theirs.pub": theirs.file("cosign.pub")? })),
        ("trust", json!({ "trustpolicy.json": notation_policy("*"), "ca.crt": certificate })),
        (
            "strangers",
            json!({ "trustpolicy.json": notation_policy("x509.subject: C=US, ST=WA, O=Other"), "ca.crt": certificate }),
        ),
    ] {
        apply(&client, secret(name, &data)).await?;
    }
    let controller = stack.source_controller()?.start().await?;
    let repository = json!({ "url": registry.oci_url("charts"), "type": "oci", "insecure": true, "interval": "1h" });
    apply(&client, source("HelmRepository", "charts", repository, &json!({}))).await?;
    let signed = |provider: &str, secret: &str, version: &str| json!({ "version": version, "verify": { "provider": provider, "secretRef": { "name": secret } } });
    let apply_chart =
        async |name: &str, more: Value| apply(&client, chart(name, "web", ("HelmRepository", "charts"), &more)).await;

    for (name, provider, secret, version) in
        [("cosign", "cosign", "keys", "1.0.0"), ("notation", "notation", "trust", "1.3.0")]
    {
        let applied = apply_chart(name, signed(provider, secret, version)).await?;
        let text = format!("True ChartPullSucceeded: pulled 'web' chart with version '{version}'");
        let status = wait_ready(&applied, &text).await.with_context(|| name.to_owned())?;
        let verified = format!("True Succeeded: verified signature of version {version}");
        assert_eq!(status_condition(&status, "SourceVerified"), verified, "{name}");
        assert!(file_of(&stack, &status, "web/Chart.yaml")?.contains(&format!("version: {version}\n")));
    }
    for (name, provider, secret, version) in [
        ("wrong-key", "cosign", "keys", "1.1.0"),
        ("unsigned", "cosign", "keys", "1.2.0"),
        ("other-identity", "notation", "strangers", "1.3.0"),
        ("unsigned-notation", "notation", "trust", "1.2.0"),
    ] {
        let applied = apply_chart(name, signed(provider, secret, version)).await?;
        let start = format!(
            "False VerificationError: chart verification error: failed to verify the signature using provider '{provider}'"
        );
        let status = wait_ready(&applied, &start).await.with_context(|| name.to_owned())?;
        assert!(
            status_condition(&status, "SourceVerified").starts_with("False VerificationError: "),
            "{name}: {status}"
        );
        assert!(
            status_condition(&status, "BuildFailed").starts_with("True ChartVerificationError: "),
            "{name}: {status}"
        );
        assert_eq!(status["artifact"], Value::Null, "{name}: nothing of it is published");
    }

    // Trust that is withdrawn counts from the next pass on, though nothing else has changed; what was published stays.
    let kept = apply_chart("withdrawn", signed("cosign", "keys", "1.0.0")).await?;
    let good = wait_ready(&kept, "True ChartPullSucceeded: ").await?;
    apply(
        &client,
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "keys" },
        "stringData": { "ours.pub": theirs.file("cosign.pub")? } }),
    )
    .await?;
    kept.request("withdrawn").await?;
    let status = wait_ready(&kept, "False VerificationError: ").await?;
    assert_eq!(status["artifact"], good["artifact"]);
    assert!(!controller.log().contains("panicked"), "{}", controller.log());
    Ok(())
}
