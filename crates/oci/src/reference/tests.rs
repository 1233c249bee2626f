use super::*;

const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test]
fn a_repository_url_is_printed_fully_qualified() {
    for (url, expected) in [
        ("oci://ghcr.io/stefanprodan/manifests/podinfo", "ghcr.io/stefanprodan/manifests/podinfo"),
        ("oci://docker.io/nginx", "index.docker.io/library/nginx"),
        ("oci://docker.io/team/app", "index.docker.io/team/app"),
        ("oci://index.docker.io/nginx", "index.docker.io/library/nginx"),
        ("oci://nginx", "index.docker.io/library/nginx"),
        ("oci://team/app", "index.docker.io/team/app"),
        ("oci://localhost/app", "localhost/app"),
        ("oci://localhost:5000/app", "localhost:5000/app"),
        ("oci://127.0.0.1:5000/a/b_c-d.e", "127.0.0.1:5000/a/b_c-d.e"),
        ("oci://[::1]:5000/app", "[::1]:5000/app"),
        ("oci://REGISTRY.example/app", "REGISTRY.example/app"),
    ] {
        assert_eq!(Repository::parse_url(url).unwrap().to_string(), expected, "{url}");
    }
}

#[test]
fn a_tag_or_digest_in_a_repository_url_is_named_for_removal() {
    for (url, tag) in [
        ("oci://ghcr.io/stefanprodan/podinfo:v1", "v1"),
        ("oci://localhost:5000/app:latest", "latest"),
        ("oci://nginx:1", "1"),
        ("oci://localhost:5000", "5000"),
        ("oci://ghcr.io/app@sha256:abc", "abc"),
        ("oci://ghcr.io/app:v1@sha256:abc", "v1@sha256"),
    ] {
        let error = Repository::parse_url(url).unwrap_err();
        assert_eq!(error.to_string(), format!("URL must not contain a tag; remove ':{tag}'"), "{url}");
    }
}

#[test]
fn what_is_no_repository_is_refused() {
    for url in [
        "",
        "ghcr.io/app",
        "https://ghcr.io/app",
        "oci://",
        "oci://ghcr.io/",
        "oci://ghcr.io/a",
        "oci://ghcr.io/App",
        "oci://ghcr.io/app/",
        "oci://ghcr.io//app",
        "oci://ghcr.io/../app",
        "oci://ghcr.io/app/..",
        "oci://ghcr.io/app/.",
        "oci://ghcr.io/app?x=y",
        "oci://ghcr.io/app#x",
        "oci://ghcr.io/a%2fb",
        "oci://user@ghcr.io/app",
        "oci://user:pw@ghcr.io/app",
        "oci://ghcr.io:port/app",
        "oci://ghcr.io:/app",
        "oci://:5000/app",
        "oci://gh cr.io/app",
        "oci://ghcr.io:99999/app",
    ] {
        assert!(Repository::parse_url(url).is_err(), "{url}");
    }
    assert!(Repository::parse_url(&format!("oci://ghcr.io/{}", "a".repeat(256))).is_err());
}

#[test]
fn tags_are_what_the_specification_says() {
    for tag in ["latest", "v1.2.3", "_x", "6.0.0_build.1", "sha256-abc.sig", &"a".repeat(128)] {
        assert_eq!(tag.parse::<Tag>().unwrap().to_string(), tag);
    }
    for tag in ["", ".", "..", "-x", ".x", "a/b", "a:b", "a b", "a+b", "ü", "a%2e", "a?b", &"a".repeat(129)] {
        assert_eq!(tag.parse::<Tag>(), Err(ReferenceError::Tag(tag.to_owned())), "{tag}");
    }
}

#[test]
fn only_the_digests_of_registries_are_digests_here() {
    assert!(parse_digest(&format!("sha256:{HEX}")).is_ok());
    assert!(parse_digest(&format!("sha512:{HEX}{HEX}")).is_ok());
    for text in ["", "sha256:", "sha256:abc", HEX, &format!("blake3:{HEX}"), &format!("sha256:{}", HEX.to_uppercase())]
    {
        let error = parse_digest(text).unwrap_err();
        assert!(error.to_string().starts_with(&format!("invalid digest '{text}'")), "{error}");
    }
}

#[test]
fn a_reference_prints_tag_and_digest_in_their_own_ways() {
    let repository: Repository = "ghcr.io/team/app".parse().unwrap();
    assert_eq!(repository.at(Tag::latest()).to_string(), "ghcr.io/team/app:latest");
    let digest = parse_digest(&format!("sha256:{HEX}")).unwrap();
    assert_eq!(repository.at(digest).to_string(), format!("ghcr.io/team/app@sha256:{HEX}"));
    assert_eq!(attached_tag(&digest, ".sig").unwrap().as_str(), format!("sha256-{HEX}.sig"));
    assert_eq!(attached_tag(&digest, "").unwrap().as_str(), format!("sha256-{HEX}"));
}
