//! What the tools that others use push, attach and sign.

use super::*;

/// Runs a program that is not ours against the registry, with a configuration of its own.
fn run(program: &str, arguments: &[&str], dir: &std::path::Path) {
    let path = sluice_testkit::tools::program(program).unwrap();
    #[expect(clippy::disallowed_methods, reason = "what other tools push is what this client has to read")]
    let mut command = std::process::Command::new(path);
    command
        .args(arguments)
        .current_dir(dir)
        .env("HOME", dir)
        .env("XDG_CONFIG_HOME", dir.join(".config"))
        .env("DOCKER_CONFIG", dir)
        .env("COSIGN_PASSWORD", "");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn what_the_usual_tools_push_attach_and_sign_is_found() {
    let registry = locked(RegistryAuth::Token);
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("config.json"), registry.docker_config()).unwrap();
    std::fs::write(dir.path().join("file.txt"), "text").unwrap();
    let reference = format!("{}/team/app:v1", registry.host());
    run(
        "oras",
        &["push", "--plain-http", &reference, "--artifact-type", "test/kind", "file.txt:text/plain"],
        dir.path(),
    );
    let client = client(&registry, "team/app", with(login()));
    let subject = client.resolve(&tag("v1")).await.unwrap();
    let image = client.image(&subject, &Platform::default()).await.unwrap();
    assert_eq!(image.manifest.artifact_type, "test/kind");
    let [layer] = image.manifest.layers.as_slice() else { panic!("{image:?}") };
    assert_eq!((layer.media_type.as_str(), layer.size), ("text/plain", 4));
    assert_eq!(layer.annotations["org.opencontainers.image.title"], "file.txt");
    assert_eq!(client.blob_bytes(layer, UNLIMITED).await.unwrap(), "text");

    run(
        "oras",
        &["attach", "--plain-http", &reference, "--artifact-type", "test/sbom", "file.txt:text/plain"],
        dir.path(),
    );
    let [sbom] = &client.referrers(&subject, Some("test/sbom")).await.unwrap()[..] else { panic!("one referrer") };
    let attached = client.image(&sbom.digest, &Platform::default()).await.unwrap();
    assert_eq!(attached.manifest.subject.unwrap().digest, subject);

    run("cosign", &["generate-key-pair"], dir.path());
    let by_digest = format!("{}/team/app@{subject}", registry.host());
    let sign = ["sign", "--key", "cosign.key", "--tlog-upload=false", "--allow-http-registry", "-y", &by_digest];
    run("cosign", &sign, dir.path());
    let signatures = sluice_oci::attached_tag(&subject, ".sig").unwrap();
    let signatures = client.resolve(&signatures).await.unwrap();
    let image = client.image(&signatures, &Platform::default()).await.unwrap();
    assert!(image.manifest.layers[0].annotations.contains_key("dev.cosignproject.cosign/signature"), "{image:?}");
    let payload = client.blob_bytes(&image.manifest.layers[0], 1 << 20).await.unwrap();
    let payload: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(payload["critical"]["image"]["docker-manifest-digest"], subject.to_string());
}

#[tokio::test]
async fn a_notation_signature_is_a_referrer_with_an_envelope() {
    let registry = locked(RegistryAuth::Basic);
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("config.json"), registry.docker_config()).unwrap();
    let subject = digest(&registry.push_image("app", "v1", &Image::flux("x")).unwrap());
    let reference = format!("{}/app@{subject}", registry.host());
    run("notation", &["cert", "generate-test", "--default", "test.example"], dir.path());
    let login = ["-u", USERNAME, "-p", PASSWORD];
    run("notation", &[&["sign", "--insecure-registry"], &login[..], &[&reference]].concat(), dir.path());
    let client = client(&registry, "app", with(super::login()));
    let kind = "application/vnd.cncf.notary.signature";
    let [signature] = &client.referrers(&subject, Some(kind)).await.unwrap()[..] else { panic!("one signature") };
    let image = client.image(&signature.digest, &Platform::default()).await.unwrap();
    assert_eq!(image.manifest.subject.unwrap().digest, subject);
    let [envelope] = image.manifest.layers.as_slice() else { panic!("one envelope") };
    assert_eq!(envelope.media_type, "application/jose+json");
    let envelope = client.blob_bytes(envelope, 1 << 20).await.unwrap();
    let envelope: serde_json::Value = serde_json::from_slice(&envelope).unwrap();
    assert!(envelope["signature"].is_string(), "{envelope}");
}
