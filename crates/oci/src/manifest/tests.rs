use serde_json::{Value, json};
use sluice_artifact::Algorithm;

use super::*;

fn digest(of: &str) -> Digest {
    Digest::of(Algorithm::Sha256, of.as_bytes())
}

fn descriptor(of: &str) -> Value {
    json!({"mediaType": "x", "digest": digest(of).to_string(), "size": of.len()})
}

fn parse(document: &Value, content_type: &str) -> Result<Document, String> {
    let bytes = Bytes::from(document.to_string());
    let manifest = Manifest::parse(bytes.clone(), digest("any"), content_type)?;
    assert_eq!((manifest.digest, manifest.bytes), (digest("any"), bytes));
    Ok(manifest.document)
}

#[test]
fn an_image_is_read_whole() {
    let image = json!({
        "schemaVersion": 2, "mediaType": media_type::IMAGE, "artifactType": "kind", "config": descriptor("config"),
        "layers": [descriptor("a"), {"digest": digest("b").to_string(), "size": 7, "annotations": {"k": "v"}, "unknown": 1}],
        "subject": descriptor("s"), "annotations": {"org.opencontainers.image.revision": "main@sha1:0"},
    });
    let plain = |of: &str| Descriptor {
        media_type: "x".into(),
        digest: digest(of),
        size: of.len() as u64,
        artifact_type: String::new(),
        annotations: BTreeMap::new(),
        platform: None,
    };
    let annotated =
        Descriptor { media_type: String::new(), size: 7, annotations: [("k".into(), "v".into())].into(), ..plain("b") };
    let expected = ImageManifest {
        artifact_type: "kind".into(),
        config: plain("config"),
        layers: vec![plain("a"), annotated],
        subject: Some(plain("s")),
        annotations: [("org.opencontainers.image.revision".into(), "main@sha1:0".into())].into(),
    };
    assert_eq!(parse(&image, ""), Ok(Document::Image(Box::new(expected))));
}

#[test]
fn the_document_says_what_it_is_and_the_header_only_where_it_does_not() {
    let image = json!({"schemaVersion": 2, "config": descriptor("c"), "layers": null});
    let index = json!({"schemaVersion": 2, "manifests": [], "annotations": null});
    for header in [
        "",
        "application/json",
        media_type::IMAGE,
        "application/vnd.docker.distribution.manifest.v2+json; charset=utf-8",
    ] {
        assert!(matches!(parse(&image, header), Ok(Document::Image(_))), "{header}");
    }
    for header in ["", "application/octet-stream", media_type::INDEX, media_type::DOCKER_INDEX] {
        assert!(matches!(parse(&index, header), Ok(Document::Index(_))), "{header}");
    }
    let typed = json!({"schemaVersion": 2, "mediaType": media_type::IMAGE, "config": descriptor("c")});
    assert!(matches!(parse(&typed, media_type::INDEX), Ok(Document::Image(_))));
}

#[test]
fn ambiguous_old_and_malformed_documents_are_refused() {
    let image = |more: Value| {
        let mut image = json!({"schemaVersion": 2, "config": descriptor("c"), "layers": [descriptor("l")]});
        image.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        image
    };
    for (document, content_type, expected) in [
        (json!([]), "", "not a manifest"),
        (json!({}), "", "unsupported manifest schema version"),
        (image(json!({"schemaVersion": 1})), "", "unsupported manifest schema version"),
        (image(json!({"manifests": []})), "", "neither an image nor an index"),
        (image(json!({"mediaType": media_type::INDEX})), "", "its fields are not those of"),
        (image(json!({})), media_type::INDEX, "its fields are not those of"),
        (json!({"schemaVersion": 2, "manifests": []}), media_type::IMAGE, "its fields are not those of"),
        (json!({"schemaVersion": 2}), "", "malformed manifest"),
        (image(json!({"mediaType": "application/x\n"})), "", "unsupported media type 'application/x\\n'"),
        (image(json!({"layers": [{"digest": "sha256:abc", "size": 1}]})), "", "malformed manifest: invalid digest"),
        (image(json!({"layers": [{"digest": digest("l").to_string(), "size": -1}]})), "", "malformed manifest"),
        (
            image(json!({"config": {"digest": format!("blake3:{}", digest("l").to_hex()), "size": 1}})),
            "",
            "malformed manifest",
        ),
        (image(json!({"annotations": {"k": 1}})), "", "malformed manifest"),
    ] {
        let error = parse(&document, content_type).unwrap_err();
        assert!(error.starts_with(expected), "{document} {content_type}: {error}");
    }
}

#[test]
fn the_first_entry_for_the_platform_is_chosen() {
    let entry = |of: &str, platform: Value| {
        let mut entry = descriptor(of);
        entry["platform"] = platform;
        entry
    };
    let linux = |architecture: &str| json!({"os": "linux", "architecture": architecture});
    let attestation = entry("attestation", json!({"os": "unknown", "architecture": "unknown"}));
    let v7 = entry("v7", json!({"os": "linux", "architecture": "arm", "variant": "v7"}));
    let select = |entries: Value, wanted: &Platform| {
        let document = json!({"schemaVersion": 2, "manifests": entries});
        let Ok(Document::Index(index)) = parse(&document, "") else { panic!("{document}") };
        index.select(wanted).map(|entry| entry.digest)
    };
    let default = Platform::default();
    for (entries, expected) in [
        (
            json!([
                entry("arm", linux("arm64")),
                attestation,
                entry("first", linux("amd64")),
                entry("second", linux("amd64"))
            ]),
            Some("first"),
        ),
        (
            json!([entry("windows", json!({"os": "windows", "architecture": "amd64"})), descriptor("plain")]),
            Some("plain"),
        ),
        (json!([{"broken": true}, entry("amd", linux("amd64"))]), Some("amd")),
        (json!([entry("arm", linux("arm64")), attestation]), None),
        (json!([entry("nothing", json!({}))]), None),
        (json!([]), None),
    ] {
        assert_eq!(select(entries.clone(), &default), expected.map(digest), "{entries}");
    }
    let arm = |variant: &str| Platform { architecture: "arm".into(), variant: variant.into(), ..Platform::default() };
    assert_eq!(select(json!([v7]), &arm("")), Some(digest("v7")));
    assert_eq!(select(json!([v7]), &arm("v7")), Some(digest("v7")));
    assert_eq!(select(json!([v7]), &arm("v6")), None);
    assert_eq!(arm("v7").to_string(), "linux/arm/v7");
}
