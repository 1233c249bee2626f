//! Objects of kind `OCIRepository` on a real API server and a real registry: artifacts, authentication, broken answers, and signatures by the real programs.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{Api, Client};
use serde_json::{Value, json};
use sluice_api::meta::Artifact;
use sluice_api::source::{OCIRepository, OCIRepositoryStatus};
use sluice_e2e::{Applied, NS, PATIENCE, Stack, apply, archive_names, condition};
use sluice_testkit::registry::{
    Fault, FaultKind, Image, Layer, PASSWORD, Registry, RegistryAuth, RegistryOptions, USERNAME, media_type,
};
use sluice_testkit::tools;
use sluice_testkit::wait::wait_until;

fn oci(name: &str, url: &str, more: &Value) -> Value {
    let mut spec = json!({ "url": url, "interval": "1h", "timeout": "30s" });
    if let (Some(spec), Some(more)) = (spec.as_object_mut(), more.as_object()) {
        spec.extend(more.clone());
    }
    json!({ "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "OCIRepository", "metadata": { "name": name }, "spec": spec })
}

fn secret(name: &str, type_: &str, data: &Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "type": type_, "stringData": data })
}

fn status(object: &OCIRepository) -> OCIRepositoryStatus {
    object.status.clone().unwrap_or_default()
}

fn ready(object: &OCIRepository) -> String {
    condition(&status(object).conditions, "Ready")
}

fn artifact(object: &OCIRepository) -> Result<Artifact> {
    status(object).artifact.context("there is no artifact")
}

/// Waits until the object fulfils `holds`; a failure shows its conditions.
async fn wait(stack: &Stack, name: &str, what: &str, holds: impl Fn(&OCIRepository) -> bool) -> Result<OCIRepository> {
    let api: Api<OCIRepository> = Api::namespaced(stack.client(), NS);
    let waited = wait_until(PATIENCE, what, async || Ok(api.get_opt(name).await?.filter(|object| holds(object)))).await;
    match waited {
        Ok(object) => Ok(object),
        Err(error) => {
            let conditions: Vec<Condition> = api.get(name).await.map(|object| status(&object).conditions)?;
            Err(error.context(format!("{name} has the conditions {}", serde_json::to_string(&conditions)?)))
        }
    }
}

async fn wait_ready(stack: &Stack, name: &str, revision: &str) -> Result<OCIRepository> {
    let text = format!("True Succeeded: stored artifact for digest '{revision}'");
    let holds = |object: &OCIRepository| {
        ready(object) == text && object.metadata.generation == status(object).observed_generation
    };
    wait(stack, name, &format!("the revision {revision}"), holds).await
}

async fn wait_failed(stack: &Stack, name: &str, reason: &str) -> Result<OCIRepository> {
    let start = format!("False {reason}: ");
    wait(stack, name, &format!("Ready=False with reason {reason}"), |object| ready(object).starts_with(&start)).await
}

/// A tar.gz as anybody packs one: by the system's `tar`.
#[expect(clippy::disallowed_methods, reason = "an independent writer of archives; this is a test")]
fn packed(files: &[(&str, &str)]) -> Result<Vec<u8>> {
    let dir = tempfile::tempdir()?;
    for (path, content) in files {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().context("a parent")?)?;
        std::fs::File::create(path)?.write_all(content.as_bytes())?;
    }
    let output = std::process::Command::new("tar").arg("-czf").arg("-").arg("-C").arg(dir.path()).arg(".").output()?;
    anyhow::ensure!(output.status.success(), "tar: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}

fn stored_file(stack: &Stack, artifact: &Artifact) -> PathBuf {
    stack.data.path().join("storage").join(&artifact.path)
}

fn push(registry: &Registry, repository: &str, tag: &str, text: &str) -> Result<String> {
    registry.push_image(repository, tag, &Image::flux(packed(&[("a.yaml", text)])?))
}

#[tokio::test]
async fn tags_ranges_and_digests_are_published_and_an_unchanged_tag_is_only_looked_at() -> Result<()> {
    let stack = Stack::start().await?;
    let registry = Registry::start(RegistryOptions::default())?;
    let _controller = stack.source_controller()?.start().await?;
    let client = stack.client();
    let content = packed(&[("a.yaml", "a: 1\n"), ("docs/b.md", "b"), ("photo.jpg", "x")])?;
    let image = Image::flux(content.clone())
        .annotate("org.opencontainers.image.source", "https://git.example/app")
        .annotate("org.opencontainers.image.revision", "main@sha1:0123");
    let first = registry.push_image("team/app", "latest", &image)?;
    let url = registry.oci_url("team/app");
    let object = apply(&client, oci("app", &url, &json!({}))).await?;
    let found = wait_ready(&stack, "app", &format!("latest@{first}")).await?;
    let found_status = status(&found);
    assert_eq!(condition(&found_status.conditions, "Reconciling"), "");
    assert_eq!(
        condition(&found_status.conditions, "ArtifactInStorage"),
        format!("True Succeeded: stored artifact for digest 'latest@{first}'")
    );
    let published = artifact(&found)?;
    assert_eq!(published.path, format!("ocirepository/apps/app/{first}.tar.gz"));
    assert!(found_status.url.context("a link")?.ends_with("/ocirepository/apps/app/latest.tar.gz"));
    assert_eq!(published.metadata.get("org.opencontainers.image.revision").map(String::as_str), Some("main@sha1:0123"));
    assert_eq!(archive_names(&stored_file(&stack, &published))?, [".", "a.yaml", "docs", "docs/b.md"]);
    let event = stack.event("OCIRepository", "app", "NewArtifact").await?;
    let text = format!(
        "stored artifact with revision 'latest@{first}' from '{url}', origin source 'https://git.example/app', origin revision 'main@sha1:0123'"
    );
    assert_eq!(event.message, Some(text));

    registry.take_requests();
    object.request_and_wait("unchanged").await?;
    let lines: Vec<String> =
        registry.take_requests().iter().map(sluice_testkit::registry::RegistryRequest::line).collect();
    assert_eq!(lines, ["GET /v2/ 200", "HEAD /v2/team/app/manifests/latest 200"], "no manifest and no content");
    let event = stack.event("OCIRepository", "app", "ArtifactUpToDate").await?;
    assert_eq!(event.message, Some(format!("artifact up-to-date with remote revision: 'latest@{first}'")));
    assert_eq!(event.type_.as_deref(), Some("Normal"));

    let second = push(&registry, "team/app", "latest", "a: 2\n")?;
    object.request("moved").await?;
    wait_ready(&stack, "app", &format!("latest@{second}")).await?;

    // The same revision by other rules is another artifact.
    registry.push_image("team/app", "latest", &image)?;
    object.patch(json!({ "spec": { "ignore": "*.md\n" } })).await?;
    let found = wait_ready(&stack, "app", &format!("latest@{first}")).await?;
    assert_eq!(archive_names(&stored_file(&stack, &artifact(&found)?))?, [".", "a.yaml", "docs", "photo.jpg"]);
    assert_eq!(status(&found).observed_ignore.as_deref(), Some("*.md\n"));
    object.patch(json!({ "spec": { "ignore": null, "layerSelector": { "operation": "copy" } } })).await?;
    let copied =
        |object: &OCIRepository| status(object).observed_layer_selector.is_some() && ready(object).starts_with("True");
    let found = wait(&stack, "app", "the copied layer", copied).await?;
    assert!(std::fs::read(stored_file(&stack, &artifact(&found)?))? == content, "byte for byte");

    for tag in ["1.0.0", "v1.2.0", "1.3.0-staging.1", "2.0.0"] {
        push(&registry, "team/app", tag, &format!("tag: {tag}\n"))?;
    }
    let chart = packed(&[("app/Chart.yaml", "name: app\n")])?;
    let helm = registry.push_image("charts/app", "6.1.0_build.7", &Image::helm("{}", chart))?;
    let of = |tag: &str| {
        registry.describe("team/app", tag).map(|found| found["digest"].as_str().unwrap_or_default().to_owned())
    };
    let helm_type = json!({ "ref": { "semver": "6.x" }, "layerSelector": { "mediaType": media_type::HELM_CHART, "operation": "copy" } });
    let cases = [
        (
            "semver",
            "team/app",
            json!({ "ref": { "semver": "1.x", "tag": "2.0.0" } }),
            format!("v1.2.0@{}", of("v1.2.0")?),
        ),
        (
            "filter",
            "team/app",
            json!({ "ref": { "semver": ">=1.0.0-0", "semverFilter": "staging" } }),
            format!("1.3.0-staging.1@{}", of("1.3.0-staging.1")?),
        ),
        ("digest", "team/app", json!({ "ref": { "digest": first, "semver": "1.x" } }), first.clone()),
        ("tag", "team/app", json!({ "ref": { "tag": "1.0.0" } }), format!("1.0.0@{}", of("1.0.0")?)),
        ("chart", "charts/app", helm_type, format!("6.1.0_build.7@{helm}")),
    ];
    for (name, repository, more, revision) in &cases {
        apply(&client, oci(name, &registry.oci_url(repository), more)).await?;
        wait_ready(&stack, name, revision).await.context(*name)?;
    }
    Ok(())
}

/// The Secrets and service accounts for a registry with passwords, one with tokens, and one with certificates only.
async fn provide_credentials(client: &Client, basic: &Registry, token: &Registry, open: &Registry) -> Result<()> {
    for (name, registry) in [("basic", basic), ("token", token)] {
        let data = json!({ ".dockerconfigjson": registry.docker_config() });
        apply(client, secret(name, "kubernetes.io/dockerconfigjson", &data)).await?;
        apply(client, json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": name }, "imagePullSecrets": [{ "name": name }] })).await?;
    }
    let wrong = json!({ "auths": { token.host(): { "username": USERNAME, "password": "s3cret-wrong" } } });
    apply(
        client,
        secret("wrong", "kubernetes.io/dockerconfigjson", &json!({ ".dockerconfigjson": wrong.to_string() })),
    )
    .await?;
    let (certificate, key) = basic.client_certificate().context("a client certificate")?;
    let data = json!({ "ca.crt": basic.ca_pem(), "tls.crt": certificate, "tls.key": key });
    apply(client, secret("basic-tls", "Opaque", &data)).await?;
    apply(client, secret("open-tls", "Opaque", &json!({ "ca.crt": open.ca_pem() }))).await?;
    apply(client, secret("half-tls", "Opaque", &json!({ "tls.crt": certificate }))).await?;
    Ok(())
}

#[expect(clippy::too_many_lines, reason = "two tables, one row per way in")]
#[tokio::test]
async fn registries_are_entered_with_pull_secrets_tokens_and_certificates() -> Result<()> {
    let stack = Stack::start().await?;
    let client = stack.client();
    let tls = RegistryOptions {
        auth: RegistryAuth::Basic,
        tls: true,
        client_certificates: true,
        ..RegistryOptions::default()
    };
    let basic = Registry::start(tls)?;
    let token = Registry::start(RegistryOptions { auth: RegistryAuth::Token, ..RegistryOptions::default() })?;
    let open = Registry::start(RegistryOptions { tls: true, ..RegistryOptions::default() })?;
    let revisions = [
        push(&basic, "team/app", "latest", "a: 1\n")?,
        push(&token, "team/app", "latest", "a: 2\n")?,
        push(&open, "team/app", "latest", "a: 3\n")?,
    ];
    let [in_basic, in_token, in_open] = revisions.map(|digest| format!("latest@{digest}"));
    provide_credentials(&client, &basic, &token, &open).await?;
    let controller = stack.source_controller()?.start().await?;

    let named = |field: &str, name: &str| json!({ field: { "name": name } });
    let good = [
        (
            "by-secret",
            &basic,
            json!({ "secretRef": { "name": "basic" }, "certSecretRef": { "name": "basic-tls" } }),
            &in_basic,
        ),
        (
            "by-account",
            &basic,
            json!({ "serviceAccountName": "basic", "certSecretRef": { "name": "basic-tls" } }),
            &in_basic,
        ),
        ("by-token", &token, named("secretRef", "token"), &in_token),
        // The account's pull secrets win over the login at the provider.
        ("by-account-not-cloud", &token, json!({ "serviceAccountName": "token", "provider": "aws" }), &in_token),
        ("trusted", &open, named("certSecretRef", "open-tls"), &in_open),
        ("insecure", &open, json!({ "insecure": true }), &in_open),
    ];
    let url = |registry: &Registry| registry.oci_url("team/app");
    for (name, registry, more, _) in &good {
        apply(&client, oci(name, &url(registry), more)).await?;
    }
    let tagged = format!("{}:v1", token.oci_url("team/app"));
    let bad = [
        (
            "wrong-password",
            url(&token),
            named("secretRef", "wrong"),
            "OCIArtifactPullFailed",
            "failed to determine artifact digest: ",
        ),
        ("no-password", url(&token), json!({}), "OCIArtifactPullFailed", "failed to determine artifact digest: "),
        (
            "no-secret",
            url(&token),
            named("secretRef", "absent"),
            "AuthenticationFailed",
            "failed to get credential: failed to get secret 'apps/absent': secrets \"absent\" not found",
        ),
        (
            "no-account",
            url(&token),
            json!({ "serviceAccountName": "absent" }),
            "AuthenticationFailed",
            "failed to get credential: serviceaccounts \"absent\" not found",
        ),
        (
            "no-proxy",
            url(&token),
            named("proxySecretRef", "absent"),
            "AuthenticationFailed",
            "failed to get proxy address: failed to get secret 'apps/absent'",
        ),
        (
            "half-tls",
            url(&open),
            named("certSecretRef", "half-tls"),
            "AuthenticationFailed",
            "failed to generate transport for 'oci://",
        ),
        ("untrusted", url(&open), json!({}), "OCIArtifactPullFailed", "failed to determine artifact digest: "),
        (
            "no-range",
            url(&token),
            json!({ "ref": { "semver": "one" } }),
            "ReadOperationFailed",
            "failed to determine the artifact tag for 'oci://",
        ),
        (
            "no-digest",
            url(&token),
            json!({ "ref": { "digest": "sha256:12" } }),
            "OCIArtifactPullFailed",
            "failed to determine artifact digest: invalid digest",
        ),
        (
            "tag-in-url",
            tagged.clone(),
            json!({}),
            "URLInvalid",
            &format!("URL validation failed for '{tagged}': URL must not contain a tag; remove ':v1'"),
        ),
        (
            "gate",
            url(&token),
            json!({ "serviceAccountName": "default", "provider": "gcp" }),
            "FeatureGateDisabled",
            "to use spec.serviceAccountName for provider authentication please enable the ObjectLevelWorkloadIdentity feature gate in the controller",
        ),
    ];
    apply(&client, json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "default" } })).await?;
    for (name, url, more, _, _) in &bad {
        apply(&client, oci(name, url, more)).await?;
    }
    for (name, _, _, revision) in &good {
        wait_ready(&stack, name, revision).await.context(*name)?;
    }
    for (name, _, _, reason, text) in &bad {
        let object = wait_failed(&stack, name, reason).await.context(*name)?;
        assert!(ready(&object).contains(text), "{name}: {}", ready(&object));
        let event = stack.event("OCIRepository", name, reason).await?;
        // A missing Secret is told quietly besides, with the same reason.
        if *name != "no-secret" {
            assert_eq!(event.type_.as_deref(), Some("Warning"), "{name}");
        }
        let conditions = status(&object).conditions;
        let stalls = matches!(*reason, "URLInvalid" | "FeatureGateDisabled");
        assert_eq!(condition(&conditions, "Stalled").starts_with(&format!("True {reason}: ")), stalls, "{name}");
        let failed = condition(&conditions, "FetchFailed").starts_with(&format!("True {reason}: "));
        assert_eq!(failed, *reason != "FeatureGateDisabled", "{name}");
        let everything = format!("{object:?}{event:?}");
        assert!(!everything.contains("s3cret") && !everything.contains(PASSWORD), "no password is shown: {everything}");
    }
    assert!(!controller.log().contains("s3cret") && !controller.log().contains(PASSWORD), "no password is logged");
    Ok(())
}

#[tokio::test]
async fn a_registry_that_breaks_says_why_and_leaves_the_published_artifact_alone() -> Result<()> {
    let stack = Stack::start().await?;
    let client = stack.client();
    let registry = Registry::start(RegistryOptions::default())?;
    let controller = stack.source_controller()?.start().await?;
    let manifest = |status: u16, code: &str| (Fault::status(status, code, "broken on purpose"), "/manifests/");
    let blob = |kind| (Fault::of(kind), "/blobs/");
    let (pull, layer) = ("OCIArtifactPullFailed", "OCIArtifactLayerOperationFailed");
    let (digest, extract) =
        ("failed to determine artifact digest: ", "failed to extract layer contents from artifact: ");
    let cases = [
        ("unauthorized", manifest(401, "UNAUTHORIZED"), pull, digest, "401"),
        ("forbidden", manifest(403, "DENIED"), pull, digest, "403 Forbidden: DENIED: broken on purpose"),
        ("absent", manifest(404, "MANIFEST_UNKNOWN"), pull, digest, "404 Not Found: MANIFEST_UNKNOWN"),
        ("busy", manifest(429, "TOOMANYREQUESTS"), pull, digest, "429"),
        ("down", manifest(503, "UNAVAILABLE"), pull, digest, "503"),
        ("exchanged", blob(FaultKind::Corrupt(20)), layer, extract, "digest mismatch"),
        ("truncated", blob(FaultKind::Truncate(20)), layer, extract, ""),
        ("stalled", blob(FaultKind::Stall(20)), layer, extract, "timed out after 3s"),
    ];
    let mut objects: Vec<(Applied, Artifact, String)> = Vec::new();
    for (name, ..) in &cases {
        let repository = format!("broken/{name}");
        let first = push(&registry, &repository, "latest", "a: 1\n")?;
        let object = apply(&client, oci(name, &registry.oci_url(&repository), &json!({ "timeout": "3s" }))).await?;
        let found = wait_ready(&stack, name, &format!("latest@{first}")).await?;
        objects.push((object, artifact(&found)?, push(&registry, &repository, "latest", "a: 2\n")?));
    }
    for ((name, (fault, path), ..), (object, ..)) in cases.iter().zip(&objects) {
        registry.inject(fault.clone().path(format!("/v2/broken/{name}{path}")));
        object.request("broken").await?;
    }
    for ((name, _, reason, start, text), (_, before, _)) in cases.iter().zip(&objects) {
        let object = wait_failed(&stack, name, reason).await.context(*name)?;
        let message = ready(&object);
        assert!(
            message.starts_with(&format!("False {reason}: {start}")) && message.contains(text),
            "{name}: {message}"
        );
        let conditions = status(&object).conditions;
        assert!(
            condition(&conditions, "FetchFailed").starts_with(&format!("True {reason}: ")),
            "{name}: {conditions:?}"
        );
        assert!(
            condition(&conditions, "Reconciling").starts_with("True ProgressingWithRetry"),
            "{name}: {conditions:?}"
        );
        assert_eq!(artifact(&object)?, *before, "{name}");
        assert!(stored_file(&stack, before).is_file(), "{name}");
    }
    registry.heal();
    for ((name, ..), (object, _, second)) in cases.iter().zip(&objects) {
        object.request("healed").await?;
        let found = wait_ready(&stack, name, &format!("latest@{second}")).await.context(*name)?;
        assert_eq!(condition(&status(&found).conditions, "FetchFailed"), "", "{name}");
    }

    // What comes whole and is still not what it should be.
    let layers = |layers| Image::of(media_type::FLUX_CONFIG, layers);
    let evil = |image: &Image, more: Value, text: &'static str| {
        Ok::<_, anyhow::Error>((
            registry.push_image("evil/app", &format!("t{}", text.len()), image)?,
            format!("t{}", text.len()),
            more,
            text,
        ))
    };
    let content = || Layer::new(media_type::FLUX_CONTENT, packed(&[("a.yaml", "a")]).unwrap_or_default());
    let cases = [
        evil(&layers(vec![]), json!({}), "no layers found in artifact")?,
        evil(
            &layers(vec![content()]),
            json!({ "layerSelector": { "mediaType": "text/x" } }),
            "failed to find layer with media type 'text/x' in artifact",
        )?,
        evil(
            &layers(vec![Layer::new(media_type::FLUX_CONTENT, "no archive")]),
            json!({}),
            "failed to extract layer contents from artifact: ",
        )?,
    ];
    for (_, tag, more, text) in cases {
        let mut more = more;
        more["ref"] = json!({ "tag": tag });
        apply(&client, oci(&tag, &registry.oci_url("evil/app"), &more)).await?;
        let object = wait_failed(&stack, &tag, layer).await.context(text)?;
        assert!(ready(&object).contains(text), "{text}: {}", ready(&object));
    }
    assert!(!controller.log().contains("panicked"), "{}", controller.log());
    Ok(())
}

/// A program that signs, with its files in a directory of its own.
struct Signer {
    dir: tempfile::TempDir,
}

impl Signer {
    fn new() -> Result<Self> {
        Ok(Self { dir: tempfile::tempdir()? })
    }

    #[expect(clippy::disallowed_methods, reason = "the real programs make the signatures; this is a test")]
    fn run(&self, program: &str, args: &[&str]) -> Result<()> {
        let output = std::process::Command::new(tools::program(program)?)
            .args(args)
            .current_dir(self.dir.path())
            .env("HOME", self.dir.path())
            .env("XDG_CONFIG_HOME", self.dir.path())
            .env("COSIGN_PASSWORD", "")
            .output()?;
        anyhow::ensure!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    fn file(&self, path: &str) -> Result<String> {
        std::fs::read_to_string(self.dir.path().join(path)).with_context(|| path.to_owned())
    }

    fn cosign(&self, reference: &str) -> Result<()> {
        let args = ["sign", "--key", "cosign.key", "--tlog-upload=false", "--allow-http-registry", "-y", reference];
        self.run("cosign", &args)
    }
}

/// A file of the fixtures of `sluice-signatures`, which the real programs made.
fn fixture(name: &str) -> Result<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/signatures/tests/fixtures").join(name);
    std::fs::read(&path).with_context(|| path.display().to_string())
}

/// Pushes the artifact that the fixtures are signatures of, with one of them attached as cosign 3 does it.
fn push_with_bundle(registry: &Registry, repository: &str, bundle: &str) -> Result<String> {
    registry.push_blob(repository, b"{}")?;
    registry.push_blob(repository, b"{\"hello\":\"sluice\"}\n")?;
    let manifest = fixture("artifact.json")?;
    let digest = registry.push_manifest(repository, "latest", media_type::MANIFEST, &manifest)?;
    let bundle_type = "application/vnd.dev.sigstore.bundle.v0.3+json";
    let mut attached = Image::of("application/vnd.oci.empty.v1+json", vec![Layer::new(bundle_type, fixture(bundle)?)]);
    attached.more.insert("subject".into(), registry.describe(repository, "latest")?);
    attached.more.insert("artifactType".into(), bundle_type.into());
    registry.push_image(repository, "attached", &attached)?;
    let entry = registry.describe(repository, "attached")?;
    registry.push_index(repository, &digest.replacen(':', "-", 1), &[entry])?;
    Ok(digest)
}

/// The Secrets with what is trusted: the signer's keys and certificate, and those of the fixtures.
async fn provide_trust(client: &Client, ours: &Signer) -> Result<()> {
    let keys =
        json!({ "ours.pub": ours.file("cosign.pub")?, "fixture.pub": String::from_utf8(fixture("cosign/p256.pub")?)? });
    apply(client, secret("keys", "Opaque", &keys)).await?;
    let policy = |identity: &str| {
        json!({ "version": "1.0", "trustPolicies": [{
        "name": "all", "registryScopes": ["*"], "signatureVerification": { "level": "strict" },
        "trustStores": ["ca:sluice"], "trustedIdentities": [identity],
    }] })
        .to_string()
    };
    let certificate = ours.file("notation/localkeys/sluice.crt")?;
    for (name, identity) in [("notary", "*"), ("notary-other", "x509.subject: C=DE, ST=BE, O=Other")] {
        let data = json!({ "trustpolicy.json": policy(identity), "ca.crt": certificate });
        apply(client, secret(name, "Opaque", &data)).await?;
    }
    let root = String::from_utf8(fixture("cosign/keyless.trusted_root.json")?)?;
    apply(client, secret("root", "Opaque", &json!({ "trusted_root.json": root }))).await?;
    Ok(())
}

/// A repository's tag was looked at since the requests were taken last, and nothing else of it asked for. Requests for other objects,
/// which are tried again and again, do not count.
fn only_looked_at(registry: &Registry, repository: &str) {
    let requests = registry.take_requests();
    let lines = requests.iter().map(sluice_testkit::registry::RegistryRequest::line);
    let lines: Vec<String> = lines.filter(|line| line.contains(&format!("/{repository}/"))).collect();
    let look = format!("HEAD /v2/{repository}/manifests/latest 200");
    assert!(!lines.is_empty() && lines.iter().all(|line| *line == look), "the tag and nothing else: {lines:?}");
}

#[tokio::test]
async fn signatures_of_cosign_and_notation_are_demanded_and_a_late_one_is_found() -> Result<()> {
    let stack = Stack::start().await?;
    let client = stack.client();
    let registry = Registry::start(RegistryOptions::default())?;
    let _controller = stack.source_controller()?.start().await?;
    let (ours, theirs) = (Signer::new()?, Signer::new()?);
    for signer in [&ours, &theirs] {
        signer.run("cosign", &["generate-key-pair"])?;
    }
    ours.run("notation", &["cert", "generate-test", "--default", "sluice"])?;
    provide_trust(&client, &ours).await?;

    let reference = |repository: &str, digest: &str| format!("{}/{repository}@{digest}", registry.host());
    let cosign = json!({ "verify": { "provider": "cosign", "secretRef": { "name": "keys" } } });
    let notation = |name: &str| json!({ "verify": { "provider": "notation", "secretRef": { "name": name } } });
    let keyless = |subject: &str| {
        json!({ "verify": { "provider": "cosign", "trustedRootSecretRef": { "name": "root" },
        "matchOIDCIdentity": [{ "issuer": "^https://issuer\\.test$", "subject": subject }] } })
    };
    let mut digests = std::collections::BTreeMap::new();
    for repository in ["cosign", "wrong", "unsigned", "notary"] {
        digests.insert(repository, push(&registry, repository, "latest", &format!("name: {repository}\n"))?);
    }
    for (repository, bundle) in [("bundle", "cosign/p256.bundle.json"), ("keyless", "cosign/keyless.bundle.json")] {
        digests.insert(repository, push_with_bundle(&registry, repository, bundle)?);
    }
    ours.cosign(&reference("cosign", &digests["cosign"]))?;
    theirs.cosign(&reference("wrong", &digests["wrong"]))?;
    ours.run("notation", &["sign", "--insecure-registry", &reference("notary", &digests["notary"])])?;
    let copy = |mut more: Value| {
        more["layerSelector"] = json!({ "operation": "copy" });
        more
    };

    for (name, repository, more) in [
        ("good-cosign", "cosign", cosign.clone()),
        ("good-notation", "notary", notation("notary")),
        ("good-bundle", "bundle", copy(cosign.clone())),
        ("good-keyless", "keyless", copy(keyless("ci.test"))),
    ] {
        apply(&client, oci(name, &registry.oci_url(repository), &more)).await?;
        let revision = format!("latest@{}", digests[repository]);
        let object = wait_ready(&stack, name, &revision).await.context(name)?;
        let verified = condition(&status(&object).conditions, "SourceVerified");
        assert_eq!(verified, format!("True Succeeded: verified signature of revision {revision}"), "{name}");
    }

    let provider = |name: &str, text: &str| {
        format!("False VerificationError: failed to verify the signature using provider '{name}': {text}")
    };
    let no_match = |repository: &str| {
        format!("no matching signatures were found for '{}'", reference(repository, &digests[repository]))
    };
    let unsigned = reference("unsigned", &digests["unsigned"]);
    let no_signature =
        format!("no signature is associated with \"{unsigned}\", make sure the artifact was signed successfully");
    for (name, repository, more, text) in [
        ("wrong-key", "wrong", cosign.clone(), provider("cosign", &no_match("wrong"))),
        ("unsigned", "unsigned", cosign.clone(), provider("cosign", &no_match("unsigned"))),
        ("unsigned-notation", "unsigned", notation("notary"), provider("notation", &no_signature)),
        ("wrong-notation", "notary", notation("notary-other"), provider("notation", "")),
        ("wrong-keyless", "keyless", copy(keyless("^other$")), provider("cosign keyless", &no_match("keyless"))),
        (
            "no-root",
            "keyless",
            json!({ "verify": { "provider": "cosign" } }),
            provider("cosign keyless", "this controller has no trusted root"),
        ),
        (
            "no-keys",
            "cosign",
            json!({ "verify": { "provider": "cosign", "secretRef": { "name": "absent" } } }),
            provider("cosign", "failed to get secret 'apps/absent'"),
        ),
    ] {
        apply(&client, oci(name, &registry.oci_url(repository), &more)).await?;
        let object = wait_failed(&stack, name, "VerificationError").await.context(name)?;
        assert!(ready(&object).starts_with(&text), "{name}: {}", ready(&object));
        let conditions = status(&object).conditions;
        assert!(
            condition(&conditions, "SourceVerified").starts_with("False VerificationError"),
            "{name}: {conditions:?}"
        );
        assert_eq!(condition(&conditions, "FetchFailed"), "", "{name}");
        assert!(status(&object).artifact.is_none(), "{name}: nothing unverified is published");
    }

    // Signed at last, the artifact is published without a change of the object; what is verified is not verified again.
    ours.cosign(&unsigned)?;
    let late = apply(&client, oci("unsigned", &registry.oci_url("unsigned"), &cosign)).await?;
    late.request("signed").await?;
    wait_ready(&stack, "unsigned", &format!("latest@{}", digests["unsigned"])).await?;
    registry.take_requests();
    late.request_and_wait("again").await?;
    only_looked_at(&registry, "unsigned");

    // A new revision without a signature does not replace the one that has one.
    push(&registry, "unsigned", "latest", "evil: true\n")?;
    late.request("replaced").await?;
    let object = wait_failed(&stack, "unsigned", "VerificationError").await?;
    assert_eq!(artifact(&object)?.revision, format!("latest@{}", digests["unsigned"]));
    late.patch(json!({ "spec": { "verify": null } })).await?;
    let object = wait(&stack, "unsigned", "the unsigned revision", |object| ready(object).starts_with("True")).await?;
    assert_eq!(condition(&status(&object).conditions, "SourceVerified"), "");
    Ok(())
}
