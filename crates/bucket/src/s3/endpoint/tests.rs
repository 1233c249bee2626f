use super::*;

fn url(scheme: Scheme, endpoint: &str, region: &str, bucket: &str, key: &str) -> String {
    let endpoint = Endpoint::parse(scheme, endpoint).unwrap();
    let (region, bucket) = (Region::new(region).unwrap(), BucketName::new(bucket).unwrap());
    endpoint.url(&region, &bucket, key, &[]).unwrap().into()
}

#[test]
fn the_bucket_is_in_the_path_but_for_the_three_services_that_want_it_in_the_host() {
    use Scheme::{Http, Https};
    for (scheme, endpoint, bucket, expected) in [
        (Https, "minio.example.com", "apps", "https://minio.example.com/apps/k"),
        (Http, "minio.example.com:9000", "apps", "http://minio.example.com:9000/apps/k"),
        (Https, "minio.example.com:443", "apps", "https://minio.example.com/apps/k"),
        (Http, "[::1]:9000", "apps", "http://[::1]:9000/apps/k"),
        (Http, "127.0.0.1:9000", "apps", "http://127.0.0.1:9000/apps/k"),
        (Https, "s3.amazonaws.com", "apps", "https://apps.s3.dualstack.eu-west-3.amazonaws.com/k"),
        (Https, "s3.us-west-2.amazonaws.com", "apps", "https://apps.s3.dualstack.eu-west-3.amazonaws.com/k"),
        (Https, "s3.amazonaws.com", "my.apps", "https://s3.dualstack.eu-west-3.amazonaws.com/my.apps/k"),
        (Http, "s3.amazonaws.com", "my.apps", "http://my.apps.s3.dualstack.eu-west-3.amazonaws.com/k"),
        (Https, "s3.amazonaws.com", "Apps_1", "https://s3.dualstack.eu-west-3.amazonaws.com/Apps_1/k"),
        (Https, "s3-fips.us-gov-west-1.amazonaws.com", "apps", "https://apps.s3-fips.us-gov-west-1.amazonaws.com/k"),
        (Https, "storage.googleapis.com", "apps", "https://apps.storage.googleapis.com/k"),
        (Https, "oss-eu-central-1.aliyuncs.com", "apps", "https://apps.oss-eu-central-1.aliyuncs.com/k"),
        (Https, "s3.amazonaws.com.evil.example", "apps", "https://s3.amazonaws.com.evil.example/apps/k"),
        (
            Https,
            "x.s3-outposts.us-east-1.amazonaws.com",
            "apps",
            "https://x.s3-outposts.us-east-1.amazonaws.com/apps/k",
        ),
    ] {
        assert_eq!(url(scheme, endpoint, "eu-west-3", bucket, "k"), expected);
    }
    let china = url(Https, "s3.cn-north-1.amazonaws.com.cn", "cn-north-1", "apps", "k");
    assert_eq!(china, "https://apps.s3.dualstack.cn-north-1.amazonaws.com.cn/k");
}

#[test]
fn a_key_is_encoded_and_stays_below_its_bucket() {
    for (key, path) in [
        ("a/b c.yaml", "/apps/a/b%20c.yaml"),
        ("ä+&?#%\\:", "/apps/%C3%A4%2B%26%3F%23%25%5C%3A"),
        ("/a//b", "/apps//a//b"),
        ("a\0\r\n\tb", "/apps/a%00%0D%0A%09b"),
        ("%2e%2e/a", "/apps/%252e%252e/a"),
        ("...", "/apps/..."),
        ("", "/apps/"),
    ] {
        assert_eq!(url(Scheme::Https, "host", "r", "apps", key), format!("https://host{path}"));
    }
    let endpoint = Endpoint::parse(Scheme::Https, "host").unwrap();
    let (region, bucket) = (Region::default_region(), BucketName::new("apps").unwrap());
    for key in ["..", "../other/x", "a/../b", "a/./b", ".", "a/.."] {
        let error = endpoint.url(&region, &bucket, key, &[]).unwrap_err();
        assert!(matches!(error, StoreError::UnrequestableKey { .. }), "{key}: {error}");
    }
}

#[test]
fn an_endpoint_is_a_host_and_a_port_and_nothing_else() {
    for endpoint in [
        "",
        "http://host",
        "host/path",
        "host/",
        "host?x",
        "host#x",
        "user@host",
        "user:pw@host",
        "host:port",
        "host:70000",
        "ho st",
        "host\n",
        "a\\b",
        "%65xample.com",
        ":9000",
        "[::1",
    ] {
        assert!(matches!(Endpoint::parse(Scheme::Https, endpoint), Err(EndpointError::Host(_))), "{endpoint:?}");
    }
}

#[test]
fn amazons_host_names_tell_the_region_and_others_do_not() {
    for (host, expected) in [
        ("s3.amazonaws.com", None),
        ("s3-external-1.amazonaws.com", None),
        ("s3.eu-west-1.amazonaws.com", Some("eu-west-1")),
        ("s3-eu-west-1.amazonaws.com", Some("eu-west-1")),
        ("s3.dualstack.eu-west-1.amazonaws.com", Some("eu-west-1")),
        ("s3-fips.us-gov-east-1.amazonaws.com", Some("us-gov-east-1")),
        ("s3-fips.dualstack.us-gov-east-1.amazonaws.com", Some("us-gov-east-1")),
        ("s3.cn-north-1.amazonaws.com.cn", Some("cn-north-1")),
        ("s3.dualstack.cn-north-1.amazonaws.com.cn", Some("cn-north-1")),
        ("s3express-use1-az4.us-east-1.amazonaws.com", Some("us-east-1")),
        ("s3express-control.us-east-1.amazonaws.com", Some("us-east-1")),
        ("bucket.vpce-1a2b3c4d-5e6f.s3.us-east-1.vpce.amazonaws.com", Some("us-east-1")),
        ("vpce-1a2b3c4d-5e6f.s3.us-east-1.vpce.amazonaws.com", None),
        ("s3-website-1.eu-west-1.amazonaws.com", None),
        ("s3.website-eu-west-1.amazonaws.com", None),
        ("my-elb-1.eu-west-1.amazonaws.com", None),
        ("ec2.eu-west-1.amazonaws.com", None),
        ("minio.example.com", None),
        ("s3.eu-west-1.amazonaws.com.example", None),
    ] {
        assert_eq!(region_of(host), expected, "{host}");
    }
}

#[test]
fn a_region_cannot_become_another_host() {
    for region in ["", "evil.example/", "a.b", "a b", "a/b", "a@b", "ä", &"a".repeat(65)] {
        assert!(Region::new(region).is_err(), "{region:?}");
    }
}
