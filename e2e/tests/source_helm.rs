//! Helm repositories and charts on a real API server, with file servers, a Git server and a registry as their origins.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sluice_e2e::{Applied, PATIENCE, Stack, apply, chart, secret, source, status_condition};
use sluice_testkit::files::{FileServer, FileServerOptions};
use sluice_testkit::registry::{Image, PASSWORD, Registry, RegistryAuth, RegistryOptions, USERNAME};
use sluice_testkit::wait::wait_until;

fn repository(name: &str, url: &str, more: &Value) -> Value {
    source("HelmRepository", name, json!({ "url": url, "interval": "1h" }), more)
}

fn ready(status: &Value) -> String {
    status_condition(status, "Ready")
}

async fn wait_ready(object: &Applied, text: &str) -> Result<Value> {
    object.status_when(text, |status| ready(status) == text && status_condition(status, "Reconciling").is_empty()).await
}

async fn wait_failed(object: &Applied, start: &str) -> Result<Value> {
    object.status_when(start, |status| ready(status).starts_with(start)).await
}

/// Runs a program of the system: a reader and writer that is not ours.
#[expect(clippy::disallowed_methods, reason = "independent readers and writers; this is a test")]
fn run(program: &str, args: &[&str]) -> Result<Vec<u8>> {
    let output = Command::new(program).args(args).output().with_context(|| format!("run {program}"))?;
    ensure!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}

/// The archive of a chart with these files, made by the system's `tar`.
fn archive(name: &str, files: &[(&str, &str)]) -> Result<Vec<u8>> {
    let dir = tempfile::tempdir()?;
    for (path, content) in files {
        let path = dir.path().join(name).join(path);
        std::fs::create_dir_all(path.parent().context("a file has a directory")?)?;
        std::fs::write(path, content)?;
    }
    run("tar", &["-czf", "-", "-C", &dir.path().display().to_string(), name])
}

/// The archive of a chart with values, two values files, and a template.
fn web(version: &str) -> Result<Vec<u8>> {
    let about = format!("apiVersion: v2\nname: web\nversion: {version}\n");
    let files = [
        ("Chart.yaml", about.as_str()),
        ("values.yaml", "replicas: 1\nimage: {name: web, tag: old}\n"),
        ("values-a.yaml", "image: {tag: a}\n"),
        ("values-b.yaml", "image: {tag: b}\nextra: true\n"),
        ("templates/config.yaml", "kind: ConfigMap\n"),
    ];
    archive("web", &files)
}

/// An index with versions of the chart `web`, whose archives are below `at`.
fn index(versions: &[&str], at: &str) -> String {
    let mut text = "apiVersion: v1\nentries:\n  web:\n".to_owned();
    for version in versions {
        let entry = format!(
            "  - apiVersion: v2\n    name: web\n    version: {version}\n    urls: [\"{at}web-{version}.tgz\"]\n"
        );
        text.push_str(&entry);
    }
    text
}

fn publish(server: &FileServer, versions: &[&str]) -> Result<()> {
    for version in versions {
        server.put(&format!("/charts/web-{version}.tgz"), web(version)?);
    }
    server.put("/charts/index.yaml", index(versions, ""));
    Ok(())
}

fn stored(stack: &Stack, status: &Value) -> PathBuf {
    stack.data.path().join("storage").join(status["artifact"]["path"].as_str().unwrap_or_default())
}

/// A file of a stored chart.
fn file_of(archive: &Path, name: &str) -> Result<String> {
    Ok(String::from_utf8(run("tar", &["-xzOf", &archive.display().to_string(), name])?)?)
}

fn sha256(content: &[u8]) -> Result<String> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("content");
    std::fs::write(&path, content)?;
    let line = String::from_utf8(run("sha256sum", &[&path.display().to_string()])?)?;
    Ok(line.split(' ').next().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn an_index_is_published_by_its_own_digest_and_a_bad_one_leaves_the_last_in_place() -> Result<()> {
    let stack = Stack::start().await?;
    let server = FileServer::start(FileServerOptions::default()).await?;
    let text = index(&["1.0.0", "2.0.0", "1.5.0"], "");
    server.put("/charts/index.yaml", text.clone());
    let _controller = stack.source_controller()?.arg("--helm-index-max-size=4096").start().await?;
    let url = format!("{}/charts", server.url());
    let charts = apply(&stack.client(), repository("charts", &url, &json!({}))).await?;

    let hex = sha256(text.as_bytes())?;
    let good = wait_ready(&charts, &format!("True Succeeded: stored artifact: revision 'sha256:{hex}'")).await?;
    assert_eq!(good["artifact"]["revision"], format!("sha256:{hex}"));
    assert_eq!(good["artifact"]["path"], format!("helmrepository/apps/charts/index-{hex}.yaml"));
    assert!(good["url"].as_str().unwrap_or_default().ends_with("/helmrepository/apps/charts/index.yaml"), "{good}");
    assert_eq!((&good["observedGeneration"], &good["artifact"]["metadata"]), (&json!(1), &Value::Null));
    let bytes = std::fs::read(stored(&stack, &good))?;
    assert_eq!(good["artifact"]["digest"], format!("sha256:{}", sha256(&bytes)?), "of what is stored");
    let json: Value = serde_json::from_slice(&bytes)?;
    let versions: Vec<&Value> =
        json["entries"]["web"].as_array().context("a list")?.iter().map(|entry| &entry["version"]).collect();
    assert_eq!(versions, ["2.0.0", "1.5.0", "1.0.0"]);
    let size = bytes.len();
    let event = stack.event("HelmRepository", "charts", "NewArtifact").await?;
    let shown = if size < 1000 { format!("{size}B") } else { "kB".to_owned() };
    let message = event.message.unwrap_or_default();
    assert!(message.starts_with("stored fetched index of size ") && message.contains(&shown), "{message}");
    assert!(message.ends_with(&format!(" from '{url}/'")), "{message}");

    server.take_requests();
    charts.request_and_wait("same").await?;
    assert_eq!(server.take_requests().len(), 1, "the index is asked for once");
    let same = charts.status_when("the status", |_| true).await?;
    assert_eq!(same["artifact"], good["artifact"]);
    stack.event("HelmRepository", "charts", "ArtifactUpToDate").await?;

    for (bad, start) in [
        ("apiVersion: v1\nentries: [", "False IndexationFailed: failed to load Helm repository from index YAML: "),
        ("entries: {}", "False IndexationFailed: failed to load Helm repository from index YAML: no API version"),
        (&"# x\n".repeat(2000), "False Failed: failed to fetch Helm repository index: failed to cache index to "),
    ] {
        server.put("/charts/index.yaml", bad.to_owned());
        charts.request(start).await?;
        let failed = wait_failed(&charts, start).await?;
        assert_eq!((&failed["artifact"], &failed["url"]), (&good["artifact"], &good["url"]));
        assert!(status_condition(&failed, "ArtifactOutdated").is_empty(), "{failed}");
        assert!(status_condition(&failed, "ArtifactInStorage").starts_with("True "), "{failed}");
    }
    let too_large = wait_failed(&charts, "False Failed: ").await?;
    assert!(ready(&too_large).ends_with("response body is larger than 4096 bytes"), "{too_large}");
    assert!(stored(&stack, &good).exists(), "the last good index is still served");
    server.remove("/charts/index.yaml");
    charts.request("gone").await?;
    charts.status_when("the 404", |status| ready(status).contains("404 Not Found")).await?;
    server.put("/charts/index.yaml", text);
    charts.request_and_wait("again").await?;
    stack.event("HelmRepository", "charts", "Succeeded").await?;

    let newer = index(&["3.0.0"], "");
    server.put("/charts/index.yaml", newer.clone());
    charts.request_and_wait("newer").await?;
    wait_ready(&charts, &format!("True Succeeded: stored artifact: revision 'sha256:{}'", sha256(newer.as_bytes())?))
        .await?;

    static_objects(&stack, &charts).await
}

/// A repository of the type oci has neither status nor finalizer, and loses what it had.
async fn static_objects(stack: &Stack, charts: &Applied) -> Result<()> {
    let oci = apply(&stack.client(), repository("oci", "oci://localhost:1/charts", &json!({ "type": "oci" }))).await?;
    charts.patch(json!({ "spec": { "type": "oci", "url": "oci://localhost:1/charts" } })).await?;
    for object in [&oci, charts] {
        wait_until(PATIENCE, "a bare object", async || {
            let found = object.get().await?.context("it is there")?;
            let bare = found.metadata.finalizers.is_none()
                && found.data["status"].as_object().is_none_or(serde_json::Map::is_empty);
            Ok(bare.then_some(()))
        })
        .await?;
    }
    let dir = stack.data.path().join("storage/helmrepository/apps/charts");
    assert!(!dir.exists(), "the artifacts are gone");
    oci.delete().await?;
    wait_until(PATIENCE, "the deletion", async || Ok(oci.get().await?.is_none().then_some(()))).await
}

#[tokio::test]
async fn credentials_and_certificates_are_used_as_the_secrets_have_them_and_never_shown() -> Result<()> {
    let stack = Stack::start().await?;
    let auth = Some(("robot".to_owned(), "s3cret-right".to_owned()));
    let server = FileServer::start(FileServerOptions { auth, tls: true, client_certificates: true }).await?;
    publish(&server, &["1.0.0"])?;
    let client = stack.client();
    let ca = server.ca_pem().context("a CA")?;
    let (certificate, key) = server.client_certificate().context("a client certificate")?;
    let login = |password: &str| json!({ "username": "robot", "password": password });
    let mut everything = login("s3cret-right");
    for (name, value) in [("caFile", ca), ("certFile", certificate), ("keyFile", key)] {
        everything[name] = value.into();
    }
    for (name, data) in [
        ("right", login("s3cret-right")),
        ("wrong", login("s3cret-wrong")),
        ("half", json!({ "password": "s3cret-half" })),
        ("legacy", everything),
        ("certs", json!({ "ca.crt": ca, "tls.crt": certificate, "tls.key": key })),
        ("half-certs", json!({ "tls.crt": certificate })),
        ("no-ca", json!({ "tls.crt": certificate, "tls.key": key })),
    ] {
        apply(&client, secret(name, &data)).await?;
    }
    let controller = stack.source_controller()?.start().await?;
    let url = format!("{}/charts/", server.url());
    let with = |auth: &str, certs: &str| {
        let mut spec = json!({});
        for (field, name) in [("secretRef", auth), ("certSecretRef", certs)] {
            if !name.is_empty() {
                spec[field] = json!({ "name": name });
            }
        }
        spec
    };
    let fetch = "False Failed: failed to fetch Helm repository index: failed to cache index to temporary file: GET ";
    let auth = "False AuthenticationFailed: failed to ";
    for (name, spec, start, text) in [
        ("good", with("right", "certs"), "True Succeeded: ", "stored artifact"),
        ("legacy", with("legacy", ""), "True Succeeded: ", "stored artifact"),
        ("wrong", with("wrong", "certs"), fetch, "401 Unauthorized"),
        ("nobody", with("", "certs"), fetch, "401 Unauthorized"),
        ("unknown-ca", with("right", "no-ca"), fetch, "certificate"),
        ("half", with("half", "certs"), auth, "required fields 'username' and 'password'"),
        ("half-certs", with("right", "half-certs"), auth, "no 'tls.key'"),
        ("absent", with("absent", ""), auth, "get authentication secret 'apps/absent': "),
        ("absent-certs", with("", "absent"), auth, "get TLS authentication secret 'apps/absent': "),
    ] {
        let applied = apply(&client, repository(name, &url, &spec)).await?;
        let status = wait_failed(&applied, start).await.with_context(|| name.to_owned())?;
        assert!(ready(&status).contains(text), "{name}: {status}");
        assert!(!status.to_string().contains("s3cret"), "{status}");
    }
    let odd = apply(&client, repository("odd", "oci://localhost/charts", &json!({}))).await?;
    let refused = "invalid Helm repository URL: 'oci' URL scheme cannot be used with 'default' HelmRepository type";
    let status = wait_failed(&odd, "False URLInvalid: ").await?;
    assert_eq!(status_condition(&status, "Stalled"), format!("True URLInvalid: {refused}"));
    assert_eq!(status["observedGeneration"], 1);

    let from = |name: &str| chart(name, "web", ("HelmRepository", name), &json!({}));
    let good = apply(&client, from("good")).await?;
    wait_ready(&good, "True ChartPullSucceeded: pulled 'web' chart with version '1.0.0'").await?;
    // The stored index is enough to choose; the download then meets the changed password.
    apply(&client, secret("right", &login("s3cret-wrong"))).await?;
    apply(&client, repository("good", &url, &json!({ "interval": "2h" }))).await?;
    good.patch(json!({ "spec": { "valuesFiles": ["values-a.yaml"] } })).await?;
    let status = wait_failed(&good, "False Unknown: unknown build error: chart pull error: ").await?;
    assert!(ready(&status).contains("401 Unauthorized"), "{status}");
    let event = stack.event("HelmChart", "good", "AuthenticationFailed").await?;
    assert!(!format!("{event:?}{status}").contains("s3cret"));
    assert!(!controller.log().contains("s3cret"), "no password is logged");
    Ok(())
}

#[tokio::test]
async fn charts_of_an_index_are_chosen_by_version_and_take_other_values() -> Result<()> {
    let stack = Stack::start().await?;
    let auth = Some(("robot".to_owned(), "s3cret".to_owned()));
    let server = FileServer::start(FileServerOptions { auth, ..FileServerOptions::default() }).await?;
    let versions = ["1.0.0", "1.2.0", "1.2.1", "2.0.0-rc.1"];
    publish(&server, &versions)?;
    let other = FileServer::start(FileServerOptions::default()).await?;
    other.put("/web-1.0.0.tgz", web("1.0.0")?);
    server.put("/elsewhere/index.yaml", index(&["1.0.0"], &format!("{}/", other.url())));
    let client = stack.client();
    apply(&client, secret("login", &json!({ "username": "robot", "password": "s3cret" }))).await?;
    let _controller = stack.source_controller()?.start().await?;
    let login = json!({ "secretRef": { "name": "login" } });
    let of = ("HelmRepository", "charts");
    // Before its source is there.
    let early = apply(&client, chart("early", "web", of, &json!({}))).await?;
    let text =
        "False SourceUnavailable: failed to get source: helmrepositories.source.toolkit.fluxcd.io \"charts\" not found";
    wait_failed(&early, text).await?;
    let charts = apply(&client, repository("charts", &format!("{}/charts", server.url()), &login)).await?;
    let status = wait_ready(&early, "True ChartPullSucceeded: pulled 'web' chart with version '1.2.1'").await?;
    assert_eq!(std::fs::read(stored(&stack, &status))?, server_copy("1.2.1", &server).await?, "byte for byte");
    assert_eq!(status["artifact"]["path"], "helmchart/apps/early/web-1.2.1.tgz");
    assert!(status["url"].as_str().unwrap_or_default().ends_with("/helmchart/apps/early/latest.tar.gz"), "{status}");
    assert_eq!((&status["observedChartName"], &status["artifact"]["revision"]), (&json!("web"), &json!("1.2.1")));
    let source = charts.status_when("the repository", |status| ready(status).starts_with("True ")).await?;
    assert_eq!(status["observedSourceArtifactRevision"], source["artifact"]["revision"]);

    let pulled = |version: &str| format!("True ChartPullSucceeded: pulled 'web' chart with version '{version}'");
    let packaged = |version: &str, files: &str| {
        format!(
            "True ChartPackageSucceeded: packaged 'web' chart with version '{version}' and merged values files [{files}]"
        )
    };
    let files = json!({ "version": "1.0.0", "valuesFiles": ["values-a.yaml", "./values-b.yaml"] });
    let missing =
        json!({ "version": "1.0.0", "valuesFiles": ["none.yaml", "values-b.yaml"], "ignoreMissingValuesFiles": true });
    for (name, spec, expected) in [
        ("exact", json!({ "version": "1.0.0" }), pulled("1.0.0")),
        ("range", json!({ "version": "~1.0" }), pulled("1.0.0")),
        ("wide", json!({ "version": ">=1.0.0 <2.0.0" }), pulled("1.2.1")),
        ("prerelease", json!({ "version": ">=1.0.0-0" }), pulled("2.0.0-rc.1")),
        ("own-values", json!({ "valuesFiles": ["./values.yaml"] }), pulled("1.2.1")),
        ("values", files, packaged("1.0.0+1", "values-a.yaml ./values-b.yaml")),
        ("ignored", missing, packaged("1.0.0+1", "values-b.yaml")),
    ] {
        let applied = apply(&client, chart(name, "web", of, &spec)).await?;
        let status = wait_ready(&applied, &expected).await.with_context(|| name.to_owned())?;
        let observed = if name == "ignored" { json!(["values-b.yaml"]) } else { Value::Null };
        assert_eq!(status["observedValuesFiles"], observed, "{name}");
        if name == "values" {
            let path = stored(&stack, &status);
            assert_eq!(file_of(&path, "web/values.yaml")?, "extra: true\nimage:\n  tag: b\n");
            assert!(file_of(&path, "web/Chart.yaml")?.contains("version: 1.0.0+1\n"));
        }
    }
    let elsewhere = repository("elsewhere", &format!("{}/elsewhere", server.url()), &login);
    let elsewhere_repository = apply(&client, elsewhere).await?;
    let elsewhere = apply(&client, chart("elsewhere", "web", ("HelmRepository", "elsewhere"), &json!({}))).await?;
    wait_ready(&elsewhere, &pulled("1.0.0")).await?;
    assert!(other.take_requests().iter().all(|request| !request.has_credentials), "not for other hosts");
    elsewhere_repository.patch(json!({ "spec": { "passCredentials": true } })).await?;
    elsewhere_repository.request_and_wait("credentials").await?;
    elsewhere.patch(json!({ "spec": { "version": "1.0.0" } })).await?;
    elsewhere.status_when("the second generation", |status| status["observedGeneration"] == 2).await?;
    assert!(other.take_requests().iter().any(|request| request.has_credentials), "but where the user wants it");

    failures(&stack, &server, &charts).await
}

/// What is at a path of the server, asked for with its password.
async fn server_copy(version: &str, server: &FileServer) -> Result<Vec<u8>> {
    let url = format!("{}/charts/web-{version}.tgz", server.url());
    tokio::task::spawn_blocking(move || run("curl", &["--silent", "--fail", "--user", "robot:s3cret", &url])).await?
}

/// Charts that cannot be, what becomes of them when their source has something new, and what of those whose source goes.
async fn failures(stack: &Stack, server: &FileServer, charts: &Applied) -> Result<()> {
    let client = stack.client();
    let of = ("HelmRepository", "charts");
    let reference = "False InvalidChartReference: invalid chart reference: ";
    for (name, of_chart, spec, start, text) in [
        ("no-chart", "absent", json!({}), reference, "no chart name found"),
        ("bad-name", "We_b", json!({}), reference, "invalid chart name 'We_b'"),
        ("bad-range", "web", json!({ "version": "x.y.z!" }), reference, "improper constraint: x.y.z!"),
        (
            "no-values",
            "web",
            json!({ "valuesFiles": ["none.yaml"] }),
            "False ValuesFilesError: values files merge error: ",
            "none.yaml",
        ),
    ] {
        let applied = apply(&client, chart(name, of_chart, of, &spec)).await?;
        let status = wait_failed(&applied, start).await.with_context(|| name.to_owned())?;
        assert!(ready(&status).contains(text), "{name}: {status}");
        assert!(status_condition(&status, "Stalled").starts_with("True "), "{name}: {status}");
        assert_eq!(status["observedGeneration"], 1, "{name}");
    }
    let unsigned = json!({ "verify": { "provider": "cosign", "secretRef": { "name": "login" } } });
    let unsigned = apply(&client, chart("unsigned", "web", of, &unsigned)).await?;
    let status = wait_failed(&unsigned, "False VerificationError: chart verification error: not implemented").await?;
    assert_eq!(
        status_condition(&status, "BuildFailed"),
        "True ChartVerificationError: chart verification error: not implemented"
    );

    let later = apply(&client, chart("later", "web", of, &json!({ "version": "3.x" }))).await?;
    let status = wait_failed(&later, reference).await?;
    assert!(status_condition(&status, "Stalled").starts_with("True InvalidChartReference: "), "{status}");
    publish(server, &["1.0.0", "3.1.0"])?;
    charts.request_and_wait("new version").await?;
    let status = wait_ready(&later, "True ChartPullSucceeded: pulled 'web' chart with version '3.1.0'").await?;
    assert_eq!(status_condition(&status, "Stalled"), "");

    charts.delete().await?;
    wait_until(PATIENCE, "the deletion", async || Ok(charts.get().await?.is_none().then_some(()))).await?;
    later.request("without a source").await?;
    let lost = wait_failed(&later, "False SourceUnavailable: ").await?;
    assert_eq!(lost["artifact"], status["artifact"]);
    assert!(stored(stack, &lost).exists(), "the chart is still served");
    let path = stored(stack, &lost);
    later.delete().await?;
    wait_until(PATIENCE, "the removal of the chart", async || Ok((!path.exists()).then_some(()))).await
}

#[tokio::test]
async fn charts_of_a_git_repository_are_packaged_with_their_dependencies() -> Result<()> {
    let stack = Stack::start().await?;
    let auth = Some(("robot".to_owned(), "s3cret".to_owned()));
    let server = FileServer::start(FileServerOptions { auth, ..FileServerOptions::default() }).await?;
    publish(&server, &["1.0.0", "1.2.0"])?;
    let needs = format!(
        "apiVersion: v2\nname: app\nversion: 0.1.0\ndependencies:\n- name: web\n  alias: front\n  version: 1.0.x\n  \
         repository: {}/charts\n- name: lib\n  version: \">=0.0.1\"\n  repository: file://../lib\n",
        server.url()
    );
    let copy = stack.repository(
        "git",
        &[
            ("charts/app/Chart.yaml", needs.as_str()),
            ("charts/app/values.yaml", "a: 1\n"),
            ("charts/app/.helmignore", "secret.txt\n"),
            ("charts/app/secret.txt", "not for the chart"),
            ("charts/lib/Chart.yaml", "apiVersion: v2\nname: lib\nversion: 0.0.2\ntype: library\n"),
            ("charts/plain/Chart.yaml", "apiVersion: v2\nname: plain\nversion: 1.2.3+old\n"),
            ("charts/plain/values.yaml", "a: 1\n"),
            ("values/prod.yaml", "a: 2\n"),
        ],
    )?;
    let head = copy.run(&["rev-parse", "HEAD"])?.trim().to_owned();
    let client = stack.client();
    apply(&client, secret("login", &json!({ "username": "robot", "password": "s3cret" }))).await?;
    let _controller = stack.source_controller()?.start().await?;
    let url = stack.repository_url("git");
    let git = source(
        "GitRepository",
        "git",
        json!({ "url": url, "interval": "1h", "ref": { "branch": "main" } }),
        &json!({}),
    );
    let git = apply(&client, git).await?;
    let of = ("GitRepository", "git");

    // Without an object that describes its repository, the dependency is asked for anonymously.
    let app = apply(&client, chart("app", "charts/app", of, &json!({}))).await?;
    let status = wait_failed(
        &app,
        "False DependencyBuildError: dependency build error: failed to add remote dependency 'front'",
    )
    .await?;
    assert!(ready(&status).contains("401 Unauthorized"), "{status}");
    assert!(status_condition(&status, "BuildFailed").starts_with("True DependencyBuildError: "), "{status}");
    let described =
        repository("described", &format!("{}/charts/", server.url()), &json!({ "secretRef": { "name": "login" } }));
    let described = apply(&client, described).await?;
    described.status_when("the repository", |status| ready(status).starts_with("True ")).await?;
    app.request("with the repository").await?;
    let status = wait_ready(&app, "True ChartPackageSucceeded: packaged 'app' chart with version '0.1.0'").await?;
    let event = stack.event("HelmChart", "app", "ResolvedDependencies").await?;
    assert_eq!(event.message.as_deref(), Some("resolved 2 chart dependencies"));
    let names = sluice_e2e::archive_names(&stored(&stack, &status))?;
    for name in ["app/Chart.yaml", "app/charts/front/Chart.yaml", "app/charts/lib/Chart.yaml"] {
        assert!(names.iter().any(|found| found == name), "{name} in {names:?}");
    }
    assert!(!names.iter().any(|name| name.ends_with("secret.txt")), "{names:?}");
    assert!(file_of(&stored(&stack, &status), "app/charts/front/Chart.yaml")?.contains("version: 1.0.0\n"));

    let packaged =
        |version: &str| format!("True ChartPackageSucceeded: packaged 'plain' chart with version '{version}'");
    let short = &head[..12];
    let merged = " and merged values files [values/prod.yaml]";
    let by_revision =
        apply(&client, chart("revision", "charts/plain", of, &json!({ "reconcileStrategy": "Revision" }))).await?;
    wait_ready(&by_revision, &packaged(&format!("1.2.3+{short}"))).await?;
    let both = json!({ "reconcileStrategy": "Revision", "valuesFiles": ["values/prod.yaml"] });
    let both = apply(&client, chart("both", "charts/plain", of, &both)).await?;
    let status = wait_ready(&both, &format!("{}{merged}", packaged(&format!("1.2.3+{short}.1")))).await?;
    assert_eq!(file_of(&stored(&stack, &status), "plain/values.yaml")?, "a: 2\n");
    let by_version = apply(&client, chart("version", "./charts/plain", of, &json!({}))).await?;
    let first = wait_ready(&by_version, &packaged("1.2.3+old")).await?;
    for (name, path) in [("absolute", "/charts/plain"), ("absent", "charts/none"), ("climbing", "../../../../etc")] {
        let applied = apply(&client, chart(name, path, of, &json!({}))).await?;
        let status = wait_failed(&applied, "False InvalidChartReference: invalid chart reference: ").await?;
        assert!(status_condition(&status, "Stalled").starts_with("True "), "{status}");
    }

    // A new commit with the same version wakes all; only for the strategy Revision it is a new chart.
    copy.write("charts/plain/values.yaml", "a: 3\n")?;
    let second = copy.commit("Other values")?;
    copy.push()?;
    git.request_and_wait("second").await?;
    wait_ready(&by_revision, &packaged(&format!("1.2.3+{}", &second[..12]))).await?;
    let revision = format!("main@sha1:{second}");
    let seen = by_version
        .status_when("the new revision", |status| status["observedSourceArtifactRevision"] == revision.as_str())
        .await?;
    assert_eq!(seen["artifact"], first["artifact"]);
    copy.write("charts/plain/Chart.yaml", "apiVersion: v2\nname: plain\nversion: 1.3.0\n")?;
    copy.commit("Another version")?;
    copy.push()?;
    git.request_and_wait("third").await?;
    let status = wait_ready(&by_version, &packaged("1.3.0")).await?;
    assert_eq!(file_of(&stored(&stack, &status), "plain/values.yaml")?, "a: 3\n");
    Ok(())
}

#[tokio::test]
async fn charts_of_a_registry_are_chosen_by_tag() -> Result<()> {
    let stack = Stack::start().await?;
    let registry = Registry::start(RegistryOptions { auth: RegistryAuth::Basic, ..RegistryOptions::default() })?;
    for version in ["1.0.0", "1.1.0", "1.1.0+build"] {
        let config = json!({ "name": "web", "version": version }).to_string();
        registry.push_image("charts/web", &version.replace('+', "_"), &Image::helm(config, web(version)?))?;
    }
    let client = stack.client();
    apply(&client, secret("login", &json!({ "username": USERNAME, "password": PASSWORD }))).await?;
    apply(&client, secret("wrong", &json!({ "username": USERNAME, "password": "wrong" }))).await?;
    let docker = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "docker" },
        "type": "kubernetes.io/dockerconfigjson", "stringData": { ".dockerconfigjson": registry.docker_config() } });
    apply(&client, docker).await?;
    let strange = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "strange" },
        "type": "kubernetes.io/dockerconfigjson", "stringData": { ".dockerconfigjson": r#"{"auths":{"other.example":{"auth":"YTpi"}}}"# } });
    apply(&client, strange).await?;
    let _controller = stack.source_controller()?.start().await?;
    let url = registry.oci_url("charts");
    for secret in ["login", "docker", "wrong", "strange"] {
        let spec = json!({ "type": "oci", "insecure": true, "secretRef": { "name": secret } });
        apply(&client, repository(secret, &url, &spec)).await?;
    }
    let pulled = |version: &str| format!("True ChartPullSucceeded: pulled 'web' chart with version '{version}'");
    for (name, source, version, expected) in [
        ("exact", "login", "1.0.0", "1.0.0"),
        ("range", "docker", "1.x", "1.1.0+build"),
        ("build", "login", "1.1.0+build", "1.1.0+build"),
    ] {
        let applied =
            apply(&client, chart(name, "web", ("HelmRepository", source), &json!({ "version": version }))).await?;
        let status = wait_ready(&applied, &pulled(expected)).await.with_context(|| name.to_owned())?;
        assert_eq!(status["artifact"]["revision"], expected, "{name}");
        assert!(file_of(&stored(&stack, &status), "web/Chart.yaml")?.contains(&format!("version: {expected}\n")));
    }
    let values = json!({ "version": "1.0.0", "valuesFiles": ["values-a.yaml"] });
    let values = apply(&client, chart("values", "web", ("HelmRepository", "login"), &values)).await?;
    let text = "True ChartPackageSucceeded: packaged 'web' chart with version '1.0.0+1' and merged values files [values-a.yaml]";
    wait_ready(&values, text).await?;

    let none = apply(&client, chart("none", "web", ("HelmRepository", "login"), &json!({ "version": "9.x" }))).await?;
    let status = wait_failed(&none, "False ChartPullError: chart pull error: ").await?;
    assert_eq!(status_condition(&status, "Stalled"), "", "tags come and go");
    for (source, text) in [("wrong", ""), ("strange", "no auth config for '")] {
        let applied = apply(&client, chart(source, "web", ("HelmRepository", source), &json!({}))).await?;
        let status = wait_failed(&applied, "False Unknown: unknown build error: ").await?;
        assert!(ready(&status).contains(text), "{status}");
        stack.event("HelmChart", source, "AuthenticationFailed").await?;
    }
    let keys = json!({ "verify": { "provider": "cosign", "secretRef": { "name": "login" } }, "version": "1.0.0" });
    let unsigned = apply(&client, chart("unsigned", "web", ("HelmRepository", "login"), &keys)).await?;
    let text = "failed to verify the signature using provider 'cosign': no public keys found in secret 'apps/login'";
    let status = wait_failed(&unsigned, &format!("False VerificationError: {text}")).await?;
    assert_eq!(status_condition(&status, "FetchFailed"), format!("True Unknown: unknown build error: {text}"));
    Ok(())
}
