//! Signatures against the values that AWS publishes: its Signature Version 4 test suite and the examples of S3's reference.

use std::time::Duration;

use jiff::Timestamp;
use sluice_http_client::{Method, Secret, Url};

use super::{AwsCredentials, Dialect, Payload, Signer, Unsigned};

type Headers<'a> = &'a [(&'a str, &'a str)];
/// Method, path, headers, body, names of the signed headers, signature.
type SuiteCase<'a> = (&'a Method, &'a str, Headers<'a>, &'a str, &'a str, &'a str);
/// Method, path, headers, body, signature.
type S3Case<'a> = (Method, &'a str, Headers<'a>, &'a str, &'a str);

const SUITE_TIME: &str = "2015-08-30T12:36:00Z";
const S3_TIME: &str = "2013-05-24T00:00:00Z";
const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn credentials(id: &str, secret: &str, token: Option<&str>) -> AwsCredentials {
    AwsCredentials {
        access_key_id: id.into(),
        secret_access_key: Secret::new(secret.into()),
        session_token: token.map(|token| Secret::new(token.to_owned())),
        expires_at: None,
    }
}

fn suite_credentials() -> AwsCredentials {
    credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None)
}

fn s3_credentials() -> AwsCredentials {
    credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None)
}

fn signer<'a>(credentials: &'a AwsCredentials, service: &'a str, dialect: Dialect, time: &str) -> Signer<'a> {
    Signer { credentials, region: "us-east-1", service, dialect, time: time.parse::<Timestamp>().unwrap() }
}

fn authorization(signer: &Signer<'_>, method: &Method, url: &str, headers: &[(&str, &str)], body: &[u8]) -> String {
    let url = Url::parse(url).unwrap();
    let headers = signer.sign(&Unsigned { method, url: &url, headers, payload: Payload::Bytes(body) });
    let (name, value) = headers.last().unwrap();
    assert_eq!(*name, "authorization");
    value.expose().clone()
}

#[test]
fn the_vectors_of_the_suite_are_reproduced() {
    const FORM: &[(&str, &str)] = &[("Content-Type", "application/x-www-form-urlencoded")];
    let host = "https://example.amazonaws.com";
    let credentials = suite_credentials();
    let signer = signer(&credentials, "service", Dialect::Standard, SUITE_TIME);
    let (get, post) = (&Method::GET, &Method::POST);
    #[rustfmt::skip]
    let cases: &[SuiteCase<'_>] = &[
        (get, "/", &[], "", "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        (get, "//", &[], "", "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        (get, "/./", &[], "", "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        (get, "/example/..", &[], "", "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        (get, "/?Param2=value2&Param1=value1", &[], "", "host;x-amz-date",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
        (post, "/", &[], "", "host;x-amz-date", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        (post, "/", FORM, "Param1=value1", "content-type;host;x-amz-date",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"),
    ];
    for (method, path, headers, body, names, signature) in cases {
        let expected = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders={names}, Signature={signature}"
        );
        let found = authorization(&signer, method, &format!("{host}{path}"), headers, body.as_bytes());
        assert_eq!(found, expected, "{method} {path}");
    }
}

#[test]
fn the_documented_request_to_iam_is_reproduced() {
    let credentials = suite_credentials();
    let signer = signer(&credentials, "iam", Dialect::Standard, SUITE_TIME);
    let url = "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08";
    let headers = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
    let found = authorization(&signer, &Method::GET, url, &headers, b"");
    assert!(found.ends_with("Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"), "{found}");
}

#[test]
fn the_documented_requests_to_s3_are_reproduced() {
    let credentials = s3_credentials();
    let signer = signer(&credentials, "s3", Dialect::S3, S3_TIME);
    let host = "https://examplebucket.s3.amazonaws.com";
    #[rustfmt::skip]
    let cases: &[S3Case<'_>] = &[
        (Method::GET, "/test.txt", &[("Range", "bytes=0-9")], "",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
        (Method::PUT, "/test$file.text", &[("Date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")],
            "Welcome to Amazon S3.", "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"),
        (Method::GET, "/?lifecycle", &[], "", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        (Method::GET, "/?max-keys=2&prefix=J", &[], "", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ];
    for (method, path, headers, body, signature) in cases {
        let found = authorization(&signer, method, &format!("{host}{path}"), headers, body.as_bytes());
        assert!(found.ends_with(&format!("Signature={signature}")), "{path}: {found}");
    }
}

#[test]
fn the_documented_presigned_url_of_s3_is_reproduced() {
    let credentials = s3_credentials();
    let signer = signer(&credentials, "s3", Dialect::S3, S3_TIME);
    let url = Url::parse("https://examplebucket.s3.amazonaws.com/test.txt").unwrap();
    let request = Unsigned { method: &Method::GET, url: &url, headers: &[], payload: Payload::Bytes(b"") };
    let expected = "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256\
        &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z\
        &X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
        &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
    assert_eq!(signer.presign(&request, Duration::from_secs(86_400)).expose().as_str(), expected);
}

#[test]
fn the_added_headers_are_those_of_the_dialect_and_a_session_token_is_signed() {
    let token = credentials("id", "secret", Some("token"));
    let url = Url::parse("http://localhost:9000/b").unwrap();
    let request = Unsigned { method: &Method::GET, url: &url, headers: &[], payload: Payload::Bytes(b"") };
    let shown = |signer: &Signer<'_>, request: &Unsigned<'_>| -> Vec<(&str, String)> {
        let signed = signer.sign(request).into_iter();
        signed.map(|(name, value)| (name, value.expose().split(", Signature=").next().unwrap().to_owned())).collect()
    };
    let standard = signer(&token, "sts", Dialect::Standard, S3_TIME);
    let scope = "AWS4-HMAC-SHA256 Credential=id/20130524/us-east-1/sts/aws4_request, SignedHeaders=";
    let expected = [
        ("x-amz-date", "20130524T000000Z".to_owned()),
        ("x-amz-security-token", "token".to_owned()),
        ("authorization", format!("{scope}host;x-amz-date;x-amz-security-token")),
    ];
    assert_eq!(shown(&standard, &request), expected);

    let s3 = signer(&token, "s3", Dialect::S3, S3_TIME);
    for (payload, hash) in [
        (Payload::Bytes(b""), EMPTY_SHA256),
        (Payload::Sha256Hex("abc"), "abc"),
        (Payload::Unsigned, "UNSIGNED-PAYLOAD"),
    ] {
        let headers = shown(&s3, &Unsigned { payload, ..request });
        assert_eq!(headers[1], ("x-amz-content-sha256", hash.to_owned()));
        assert_eq!(headers.len(), 4);
    }
}

#[test]
fn s3_encodes_the_path_once_and_others_twice() {
    for (path, once, twice) in [
        ("/a%20b/c%2Fd", "/a%20b/c/d", "/a%2520b/c%252Fd"),
        ("/a!(b)'c", "/a%21%28b%29%27c", "/a%21%28b%29%27c"),
        ("/a//b/", "/a//b/", "/a/b/"),
        ("/ü", "/%C3%BC", "/%25C3%25BC"),
        ("/a+b=c", "/a%2Bb%3Dc", "/a%2Bb%3Dc"),
        ("", "/", "/"),
    ] {
        let url = Url::parse(&format!("https://host{path}")).unwrap();
        assert_eq!(super::canonical_path(&url, Dialect::S3), once, "{path}");
        assert_eq!(super::canonical_path(&url, Dialect::Standard), twice, "{path}");
    }
}

#[test]
fn header_values_are_trimmed_and_joined_and_the_port_counts_unless_it_is_the_usual_one() {
    let headers = [("My-Header", "  a   b  c "), ("my-header", "two"), ("Accept", "x")];
    let (names, lines) = super::signed_headers("h", headers.into_iter());
    assert_eq!(names, "accept;host;my-header");
    assert_eq!(lines, "accept:x\nhost:h\nmy-header:a b c,two\n");
    for (url, expected) in [("https://h:443/", "h"), ("https://h:8443/", "h:8443"), ("http://h:80/", "h")] {
        assert_eq!(super::host(&Url::parse(url).unwrap()), expected, "{url}");
    }
}

#[test]
fn query_parameters_are_ordered_by_name_and_value_and_encoded_strictly() {
    let url = Url::parse("https://h/?b=2&a=x%20y&a=1&empty&c=%2F*~").unwrap();
    assert_eq!(super::canonical_query(&url, &[("A", "z")]), "A=z&a=1&a=x%20y&b=2&c=%2F%2A~&empty=");
}
