//! Pulling, resolving, listing, and the ways there: TLS, client certificates, a proxy.

use super::*;

#[tokio::test]
async fn an_artifact_is_resolved_and_pulled_with_one_question_each() {
    let registry = plain();
    let pushed = Image::flux(b"content".to_vec()).annotate("org.opencontainers.image.revision", "main@sha1:0");
    let pushed = registry.push_image("team/app", "v1", &pushed).unwrap();
    let client = client(&registry, "team/app", options());
    assert_eq!(client.resolve(&tag("v1")).await.unwrap(), digest(&pushed));
    let image = client.image(&digest(&pushed), &Platform::default()).await.unwrap();
    assert_eq!(image.digest, digest(&pushed));
    assert_eq!(image.manifest.annotations["org.opencontainers.image.revision"], "main@sha1:0");
    let [layer] = image.manifest.layers.as_slice() else { panic!("{image:?}") };
    assert_eq!((layer.media_type.as_str(), layer.size), (media_type::FLUX_CONTENT, 7));
    assert_eq!(client.blob_bytes(layer, UNLIMITED).await.unwrap(), "content");
    assert_eq!(client.tags().await.unwrap(), [tag("v1")]);
    let expected = [
        "GET /v2/ 200".to_owned(),
        "HEAD /v2/team/app/manifests/v1 200".to_owned(),
        format!("GET /v2/team/app/manifests/{pushed} 200"),
        format!("GET /v2/team/app/blobs/{} 200", layer.digest),
        "GET /v2/team/app/tags/list 200".to_owned(),
    ];
    assert_eq!(lines(&registry), expected);
}

#[tokio::test]
async fn a_tag_is_resolved_by_its_content_where_the_registry_does_not_tell() {
    let registry = plain();
    let pushed = registry.push_image("app", "v1", &Image::flux("x")).unwrap();
    let client = client(&registry, "app", options());
    for fault in [
        Fault::of(FaultKind::Header("Docker-Content-Digest", None)),
        Fault::of(FaultKind::Header("Docker-Content-Digest", Some("sha256:zz".into()))),
        Fault::answer(405, &[], ""),
        Fault::answer(404, &[], ""),
    ] {
        registry.inject(fault.method("HEAD"));
        assert_eq!(client.resolve(&tag("v1")).await.unwrap(), digest(&pushed));
        registry.heal();
    }
}

#[tokio::test]
async fn an_index_leads_to_the_image_for_the_platform_and_keeps_its_own_digest() {
    let registry = plain();
    let mut entries = Vec::new();
    for architecture in ["arm64", "amd64"] {
        let pushed = registry.push_image("app", architecture, &Image::flux(architecture)).unwrap();
        let mut entry = registry.describe("app", &pushed).unwrap();
        entry["platform"] = serde_json::json!({"os": "linux", "architecture": architecture});
        entries.push(entry);
    }
    let inner = registry.push_index("app", "multi", &entries).unwrap();
    let outer = registry.push_index("app", "outer", &[registry.describe("app", &inner).unwrap()]).unwrap();
    let client = client(&registry, "app", options());
    assert_eq!(client.resolve(&tag("multi")).await.unwrap(), digest(&inner));
    assert!(matches!(client.manifest(&digest(&inner).into()).await.unwrap().document, Document::Index(_)));
    for index in [&inner, &outer] {
        let image = client.image(&digest(index), &Platform::default()).await.unwrap();
        assert_eq!(image.digest.to_string(), entries[1]["digest"]);
        assert_eq!(client.blob_bytes(&image.manifest.layers[0], UNLIMITED).await.unwrap(), "amd64");
    }
    let riscv = Platform { architecture: "riscv64".into(), ..Platform::default() };
    let error = client.image(&digest(&inner), &riscv).await.unwrap_err();
    let expected = format!("{}@{inner}: no image for platform linux/riscv64", client.repository());
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn a_registry_behind_tls_is_known_by_its_ca_and_cannot_have_its_realm_in_the_clear() {
    let options_tls = RegistryOptions { auth: RegistryAuth::Token, tls: true, ..RegistryOptions::default() };
    let registry = Registry::start(options_tls).unwrap();
    let pushed = registry.push_image("app", "v1", &Image::flux("x")).unwrap();
    let ca = registry.ca_pem().unwrap().as_bytes().to_vec();
    let trusting = |roots: TrustRoots, security: Security| {
        let http = ClientConfig { roots, ..options().http };
        client(&registry, "app", ClientOptions { http, security, ..with(login()) })
    };
    let secure = trusting(TrustRoots::SystemAnd(ca.clone()), Security::Verified);
    assert_eq!(secure.resolve(&tag("v1")).await.unwrap(), digest(&pushed));
    let insecure = trusting(TrustRoots::System, Security::Insecure);
    assert_eq!(insecure.resolve(&tag("v1")).await.unwrap(), digest(&pushed));
    // The host is local, but a certificate that is not trusted is no reason to go on without one.
    for unknown in
        [trusting(TrustRoots::System, Security::Verified), trusting(TrustRoots::Only(Vec::new()), Security::Insecure)]
    {
        let error = unknown.resolve(&tag("v1")).await.unwrap_err();
        assert!(error.to_string().contains("TLS handshake failed: invalid peer certificate"), "{error}");
    }
    let clear = Fault::answer(401, &[("WWW-Authenticate", "Bearer realm=\"http://127.0.0.1:1/token\"")], "");
    registry.inject(clear.path("/v2/"));
    let error = trusting(TrustRoots::SystemAnd(ca), Security::Verified).resolve(&tag("v1")).await.unwrap_err();
    let expected = "names an unusable token server: its address is http, the registry's is https";
    assert_eq!(error.to_string(), format!("registry {} {expected}", registry.host()));
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_a_registry_that_wants_one() {
    let registry =
        Registry::start(RegistryOptions { tls: true, client_certificates: true, ..RegistryOptions::default() })
            .unwrap();
    registry.push_image("app", "v1", &Image::flux("x")).unwrap();
    let roots = TrustRoots::SystemAnd(registry.ca_pem().unwrap().as_bytes().to_vec());
    let (certificate, key) = registry.client_certificate().unwrap();
    let key = Secret::new(key.as_bytes().to_vec());
    let identity = ClientIdentity { certificate: certificate.as_bytes().to_vec(), key };
    let tags = async |identity: Option<ClientIdentity>| {
        let http = ClientConfig { roots: roots.clone(), identity, ..options().http };
        client(&registry, "app", ClientOptions { http, ..options() }).tags().await
    };
    assert_eq!(tags(Some(identity)).await.unwrap(), [tag("v1")]);
    assert!(matches!(tags(None).await, Err(OciError::Http(_))));
}

#[tokio::test]
async fn everything_goes_through_the_proxy_and_under_the_given_name() {
    let registry = locked(RegistryAuth::Token);
    let pushed = registry.push_image("app", "v1", &Image::flux("x")).unwrap();
    let proxy = ProxyServer::start(ProxyKind::Http, Some(("p", "w"))).unwrap();
    let http = ClientConfig {
        proxy: Proxy::Url(Secret::new(proxy.address().clone())),
        user_agent: "flux/v2 test".into(),
        ..ClientConfig::default()
    };
    // What is on this machine may be spoken to in plain HTTP: an https attempt comes first, and fails.
    let client = client(&registry, "app", ClientOptions { http, ..with(login()) });
    let layer = layer(&client, &pushed).await;
    client.blob_bytes(&layer, UNLIMITED).await.unwrap();
    assert!(
        proxy.targets().len() >= 4 && proxy.targets().iter().all(|target| *target == registry.host()),
        "{:?}",
        proxy.targets()
    );
    assert!(registry.requests().iter().all(|request| request.header("user-agent") == "flux/v2 test"));
}

#[tokio::test]
async fn tags_are_read_over_all_pages_and_not_endlessly() {
    let registry = plain();
    registry.push_image("app", "v1", &Image::flux("x")).unwrap();
    let client = client(&registry, "app", options());
    let page = |tags: &[&str]| serde_json::json!({"name": "app", "tags": tags}).to_string();
    let next = |last: &str| format!("</v2/app/tags/list?last={last}&n=1000>; rel=\"next\"");
    registry.inject(Fault::answer(200, &[], page(&["d"])).path("last=c"));
    registry.inject(Fault::answer(200, &[("Link", &next("c"))], page(&["c", "../x", "-"])).path("last=b"));
    registry.inject(Fault::answer(200, &[("Link", &next("b"))], page(&["a", "b"])).path("list?n=1000"));
    assert_eq!(client.tags().await.unwrap(), ["a", "b", "c", "d"].map(tag));
    registry.heal();
    registry.inject(Fault::answer(200, &[], r#"{"name":"app","tags":null}"#).path("/tags/"));
    assert_eq!(client.tags().await.unwrap(), []);
    registry.heal();
    registry.inject(Fault::answer(200, &[("Link", &next("a"))], page(&["a"])).path("/tags/"));
    let error = client.tags().await.unwrap_err();
    assert_eq!(error.to_string(), format!("list tags of {}: more than the limit of 200 pages", client.repository()));
    registry.heal();
    let many: Vec<String> = (0..100_001).map(|n| n.to_string()).collect();
    registry.inject(Fault::answer(200, &[], serde_json::json!({"tags": many}).to_string()).path("/tags/"));
    let error = client.tags().await.unwrap_err();
    assert_eq!(error.to_string(), format!("list tags of {}: more than the limit of 100000 tags", client.repository()));
}

#[tokio::test]
async fn referrers_come_from_the_api_or_from_the_tag() {
    let registry = plain();
    let subject = registry.push_image("app", "v1", &Image::flux("x")).unwrap();
    let client = client(&registry, "app", options());
    assert_eq!(client.referrers(&digest(&subject), None).await.unwrap(), []);
    // This registry has no API for them, so that whoever attaches something keeps an index under a tag.
    let mut entries = Vec::new();
    for kind in ["signature", "sbom"] {
        let pushed = registry.push_image("app", kind, &Image::flux(kind)).unwrap();
        let mut entry = registry.describe("app", &pushed).unwrap();
        entry["artifactType"] = kind.into();
        entries.push(entry);
    }
    registry.push_index("app", &subject.replace(':', "-"), &entries).unwrap();
    let kinds = async |wanted: Option<&str>| {
        let found = client.referrers(&digest(&subject), wanted).await.unwrap();
        found.into_iter().map(|entry| entry.artifact_type).collect::<Vec<_>>()
    };
    assert_eq!(kinds(None).await, ["signature", "sbom"]);
    assert_eq!(kinds(Some("sbom")).await, ["sbom"]);
    let api = |entries: &[serde_json::Value]| serde_json::json!({"schemaVersion": 2, "manifests": entries}).to_string();
    let next = format!("</v2/app/referrers/{subject}?page=2>; rel=\"next\"");
    let typed = ("Content-Type", media_type::INDEX);
    registry.inject(Fault::answer(200, &[typed], api(&entries[..1])).path("page=2"));
    registry.inject(Fault::answer(200, &[typed, ("Link", &next)], api(&entries[1..])).path("/referrers/"));
    assert_eq!(kinds(None).await, ["sbom", "signature"]);
    registry.heal();
    // An answer for people is none.
    registry.inject(Fault::answer(200, &[("Content-Type", "text/html")], "<html>").path("/referrers/"));
    assert_eq!(kinds(Some("signature")).await, ["signature"]);
    registry.heal();
    registry.inject(Fault::status(403, "DENIED", "no").path("/referrers/"));
    assert!(matches!(client.referrers(&digest(&subject), None).await, Err(OciError::Forbidden(_))));
}
