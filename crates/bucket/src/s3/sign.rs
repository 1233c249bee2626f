//! Signing an S3 request, which has no body.
//!
//! Deliberately only the join of this crate's requests and the signer: the algorithm is `sluice-cloud-identity`'s.

use jiff::Timestamp;
use sluice_cloud_identity::sigv4::{AwsCredentials, Dialect, Payload, Signer, Unsigned};
use sluice_http_client::{HeaderName, HttpError, Method, Request, Url};

use super::Region;

/// Adds the headers that sign a request of `method` to `url` in `region` at `now`. Nothing else of it is signed.
///
/// # Errors
/// [`HttpError::Header`] for credentials that are not header text.
pub(super) fn sign(
    mut request: Request,
    url: &Url,
    credentials: &AwsCredentials,
    region: &Region,
    now: Timestamp,
) -> Result<Request, HttpError> {
    let method = request.method().clone();
    for (name, value) in headers(&method, url, credentials, region, now) {
        request = request.header(HeaderName::from_static(name), &value)?;
    }
    Ok(request)
}

fn headers(
    method: &Method,
    url: &Url,
    credentials: &AwsCredentials,
    region: &Region,
    time: Timestamp,
) -> Vec<(&'static str, String)> {
    let signer = Signer { credentials, region: region.as_str(), service: "s3", dialect: Dialect::S3, time };
    let added = signer.sign(&Unsigned { method, url, headers: &[], payload: Payload::Bytes(b"") });
    added.into_iter().map(|(name, value)| (name, value.expose().clone())).collect()
}

#[cfg(test)]
mod tests {
    use sluice_http_client::Secret;

    use super::*;

    /// Method, URL, session token and the signature, which Python's `hmac` computed.
    const VECTORS: &[(&str, &str, Option<&str>, &str)] = &[
        (
            "GET",
            "https://apps.s3.dualstack.eu-west-3.amazonaws.com/a/b%20c.yaml",
            None,
            "f8fa62266b45fe1d330dad88ee7efd61cdc48310e21b701bec66eced3424c5e4",
        ),
        (
            "HEAD",
            "http://127.0.0.1:9000/apps/",
            None,
            "c7e6a71f0834de13bff2d57f3df10f88ff9e2ce0b75b2fd2c629af84a1499b77",
        ),
        (
            "GET",
            "https://minio.example.com/apps/?continuation-token=t%2B%2F%3D&delimiter=&encoding-type=url&list-type=2&prefix=a%2F%C3%A4",
            None,
            "ce57766d2b9aa8ba42741dd9de9203eec640ae8cf3a135f2fed35c536e64ed9a",
        ),
        (
            "GET",
            "https://minio.example.com/apps/x",
            Some("session-token"),
            "e7ab1b8bc1187a4d608c9401ed61125d81ae8a5026ee8e50f452df44387485c6",
        ),
    ];

    #[test]
    fn signatures_are_those_computed_elsewhere() {
        let now = "2026-01-02T03:04:05Z".parse().unwrap();
        for (method, url, token, expected) in VECTORS {
            let credentials = AwsCredentials {
                access_key_id: "AKIDSLUICE".to_owned(),
                secret_access_key: Secret::new("sluice/secret+key".to_owned()),
                session_token: token.map(|token| Secret::new(token.to_owned())),
                expires_at: None,
            };
            let region = Region::new("eu-west-3").unwrap();
            let signed = headers(&method.parse().unwrap(), &Url::parse(url).unwrap(), &credentials, &region, now);
            let names = if token.is_some() { ";x-amz-security-token" } else { "" };
            let expected = format!(
                "AWS4-HMAC-SHA256 Credential=AKIDSLUICE/20260102/eu-west-3/s3/aws4_request, \
                 SignedHeaders=host;x-amz-content-sha256;x-amz-date{names}, Signature={expected}"
            );
            assert_eq!(signed.last(), Some(&("authorization", expected)), "{url}");
        }
    }

    #[test]
    fn credentials_that_are_not_header_text_are_an_error_that_does_not_show_them() {
        let credentials = AwsCredentials {
            access_key_id: "a\nb".to_owned(),
            secret_access_key: Secret::new("hunter2".to_owned()),
            session_token: None,
            expires_at: None,
        };
        let url = Url::parse("https://host/").unwrap();
        let region = Region::default_region();
        let error = sign(Request::get(url.clone()), &url, &credentials, &region, Timestamp::UNIX_EPOCH).unwrap_err();
        assert_eq!(error.to_string(), "header 'authorization' has an invalid value");
        assert!(!format!("{credentials:?}").contains("hunter2"));
    }
}
