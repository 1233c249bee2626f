use super::*;

#[test]
fn the_advertised_host_is_derived_from_the_storage_address() {
    let cases = [
        (":9090", "localhost:9090"),
        ("0.0.0.0:9090", "pod-1:9090"),
        ("127.0.0.1:9090", "127.0.0.1:9090"),
        ("example:80", "example:80"),
        ("[::1]:9090", "[::1]:9090"),
        ("[::]:9090", "[::]:9090"),
        ("localhost:", "localhost:"),
    ];
    for (address, expected) in cases {
        assert_eq!(advertised_host(address, "pod-1").as_deref(), Ok(expected), "{address}");
    }
}

#[test]
fn a_malformed_storage_address_is_an_error() {
    let cases = [
        ("", "missing port in address"),
        ("localhost", "missing port in address"),
        ("::1:9090", "too many colons in address"),
        ("[::1:9090", "missing ']' in address"),
        ("[::1]x:9090", "missing ']' in address"),
        ("a]:9090", "unexpected bracket in address"),
        ("a:[90", "unexpected bracket in address"),
    ];
    for (address, reason) in cases {
        let expected = AddressError::Malformed { address: address.to_owned(), reason };
        assert_eq!(advertised_host(address, "pod-1"), Err(expected));
    }
    assert_eq!(advertised_host("0.0.0.0:1", ""), Err(AddressError::NoHostname("0.0.0.0:1".to_owned())));
}

#[test]
fn a_url_has_the_advertised_host_and_its_scheme_if_it_has_one() {
    let path = ArtifactPath::new("HelmChart", "apps", "web", "web-6.0.3+1.tgz").unwrap();
    let rest = "helmchart/apps/web/web-6.0.3+1.tgz";
    let cases = [
        ("source-controller.flux-system.svc.cluster.local.", "http://source-controller.flux-system.svc.cluster.local."),
        ("localhost:9090", "http://localhost:9090"),
        ("http://proxy", "http://proxy"),
        ("https://proxy:8443/", "https://proxy:8443"),
    ];
    for (host, base) in cases {
        assert_eq!(BaseUrl::new(host).of(&path), format!("{base}/{rest}"));
    }
}

#[test]
fn rewriting_replaces_the_host_and_leaves_what_is_no_url() {
    let cases = [
        ("new:9090", "http://old/a/b.tar.gz", "http://new:9090/a/b.tar.gz"),
        ("new", "http://old", "http://new"),
        ("https://new", "http://old:1/a?b#c", "https://new/a?b#c"),
        ("new", "", ""),
        ("new", "a/b", "a/b"),
    ];
    for (host, url, expected) in cases {
        assert_eq!(BaseUrl::new(host).rewrite(url), expected);
    }
}
