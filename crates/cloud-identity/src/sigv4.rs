//! AWS Signature Version 4: as request headers, and as the query of a presigned URL. Pure: the time is an argument.
//!
//! Deliberately not here: chunked (streaming) payload signatures and `SigV4A`. `CodeCommit`'s variant is in [`crate::aws::codecommit`].

use std::time::Duration;

use jiff::Timestamp;
use sluice_http_client::{HttpError, Method, Request, Secret, Url};

use crate::crypto::{hmac_sha256, sha256_hex};

mod canonical;
#[cfg(test)]
mod tests;

pub(crate) use canonical::host;
use canonical::{canonical_path, canonical_query, signed_headers};

pub(crate) const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// AWS credentials, long-lived or temporary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsCredentials {
    /// The access key's id; not a secret.
    pub access_key_id: String,
    /// The access key itself.
    pub secret_access_key: Secret<String>,
    /// The session's token, of temporary credentials.
    pub session_token: Option<Secret<String>>,
    /// When they end, as the issuer says; `None` for long-lived ones.
    pub expires_at: Option<Timestamp>,
}

/// Which of the two dialects a service speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// S3: the path is encoded once and not normalised, and the payload's hash is a header of its own.
    S3,
    /// Every other service: the path is normalised and encoded twice.
    Standard,
}

/// What stands for the body in the signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload<'a> {
    /// The body itself, empty for a request without one.
    Bytes(&'a [u8]),
    /// The body's SHA-256 in lower-case hex, where the caller has it already.
    Sha256Hex(&'a str),
    /// `UNSIGNED-PAYLOAD`: S3 over TLS, where hashing first would mean reading twice.
    Unsigned,
}

impl Payload<'_> {
    fn hash(self) -> String {
        match self {
            Self::Bytes(bytes) => sha256_hex(bytes),
            Self::Sha256Hex(hex) => hex.to_owned(),
            Self::Unsigned => "UNSIGNED-PAYLOAD".to_owned(),
        }
    }
}

/// A request before it is signed.
#[derive(Clone, Copy, Debug)]
pub struct Unsigned<'a> {
    /// The method.
    pub method: &'a Method,
    /// The URL as it will be sent. Write a space in its query as `%20`; a `+` is taken for a space as well.
    pub url: &'a Url,
    /// The headers to sign beside `host` and those that signing adds. All of them must be sent as they are here.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body.
    pub payload: Payload<'a>,
}

/// Who signs, for which service, and when.
#[derive(Clone, Copy, Debug)]
pub struct Signer<'a> {
    /// With which key.
    pub credentials: &'a AwsCredentials,
    /// The region, such as `eu-west-1`.
    pub region: &'a str,
    /// The service's signing name: `s3`, `sts`, `ecr`, `ecr-public`.
    pub service: &'a str,
    /// The service's dialect.
    pub dialect: Dialect,
    /// The time of the request. AWS accepts five minutes of difference.
    pub time: Timestamp,
}

impl Signer<'_> {
    /// The headers to add to the request, `authorization` last: `x-amz-date`, for S3 `x-amz-content-sha256`, and for temporary
    /// credentials `x-amz-security-token`.
    pub fn sign(&self, request: &Unsigned<'_>) -> Vec<(&'static str, Secret<String>)> {
        let date = amz_date(self.time);
        let hash = request.payload.hash();
        let mut added = vec![("x-amz-date", date.clone())];
        if self.dialect == Dialect::S3 {
            added.push(("x-amz-content-sha256", hash.clone()));
        }
        if let Some(token) = &self.credentials.session_token {
            added.push(("x-amz-security-token", token.expose().clone()));
        }
        let all = request.headers.iter().copied().chain(added.iter().map(|(name, value)| (*name, value.as_str())));
        let (names, lines) = signed_headers(&host(request.url), all);
        let canonical = self.canonical_request(request, &canonical_query(request.url, &[]), (&names, &lines), &hash);
        let signature = self.signature(&date, &canonical);
        let scope = self.scope(&date);
        let key_id = &self.credentials.access_key_id;
        let authorization =
            format!("{ALGORITHM} Credential={key_id}/{scope}, SignedHeaders={names}, Signature={signature}");
        added.push(("authorization", authorization));
        added.into_iter().map(|(name, value)| (name, Secret::new(value))).collect()
    }

    /// The URL with the signature in its query, good for `lifetime` (AWS: at most seven days, whole seconds). Whoever has it can make
    /// the request, so it is a secret. The caller sends `request.headers` with it; the payload is `UNSIGNED-PAYLOAD` for S3, whatever
    /// the request says.
    pub fn presign(&self, request: &Unsigned<'_>, lifetime: Duration) -> Secret<Url> {
        let date = amz_date(self.time);
        let payload = if self.dialect == Dialect::S3 { Payload::Unsigned } else { request.payload };
        let hash = payload.hash();
        let (names, lines) = signed_headers(&host(request.url), request.headers.iter().copied());
        let credential = format!("{}/{}", self.credentials.access_key_id, self.scope(&date));
        let seconds = lifetime.as_secs().to_string();
        let mut added = vec![
            ("X-Amz-Algorithm", ALGORITHM),
            ("X-Amz-Credential", &credential),
            ("X-Amz-Date", &date),
            ("X-Amz-Expires", &seconds),
            ("X-Amz-SignedHeaders", &names),
        ];
        if let Some(token) = &self.credentials.session_token {
            added.push(("X-Amz-Security-Token", token.expose()));
        }
        let query = canonical_query(request.url, &added);
        let canonical = self.canonical_request(request, &query, (&names, &lines), &hash);
        let signature = self.signature(&date, &canonical);
        let mut url = request.url.clone();
        url.set_query(Some(&format!("{query}&X-Amz-Signature={signature}")));
        Secret::new(url)
    }

    fn canonical_request(
        &self,
        request: &Unsigned<'_>,
        query: &str,
        (names, lines): (&str, &str),
        hash: &str,
    ) -> String {
        let path = canonical_path(request.url, self.dialect);
        format!("{}\n{path}\n{query}\n{lines}\n{names}\n{hash}", request.method)
    }

    /// `date` is the full time stamp; the scope has its first eight characters, the day.
    pub(crate) fn scope(&self, date: &str) -> String {
        format!("{}/{}/{}/aws4_request", day(date), self.region, self.service)
    }

    /// The signature over a canonical request, in hex. `date` is written into the signed text as it is.
    pub(crate) fn signature(&self, date: &str, canonical_request: &str) -> String {
        let text = format!("{ALGORITHM}\n{date}\n{}\n{}", self.scope(date), sha256_hex(canonical_request.as_bytes()));
        let secret = format!("AWS4{}", self.credentials.secret_access_key.expose());
        let mut key = hmac_sha256(secret.as_bytes(), day(date).as_bytes());
        for part in [self.region, self.service, "aws4_request"] {
            key = hmac_sha256(&key, part.as_bytes());
        }
        hex::encode(hmac_sha256(&key, text.as_bytes()))
    }
}

/// A signed request to send: `body` is signed, and so is every header given.
///
/// # Errors
/// [`HttpError::Header`] when a header (the session token, say) holds control characters.
pub fn signed_request(
    signer: &Signer<'_>,
    method: &Method,
    url: &Url,
    headers: &[(&'static str, &str)],
    body: &[u8],
) -> Result<Request, HttpError> {
    let unsigned = Unsigned { method, url, headers, payload: Payload::Bytes(body) };
    let mut request = Request::new(method.clone(), url.clone()).body(body.to_vec());
    for (name, value) in headers {
        request = request.header(sluice_http_client::HeaderName::from_static(name), value)?;
    }
    for (name, value) in signer.sign(&unsigned) {
        request = request.header(sluice_http_client::HeaderName::from_static(name), value.expose())?;
    }
    Ok(request)
}

/// `20150830T123600Z`.
pub(crate) fn amz_date(time: Timestamp) -> String {
    time.strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn day(date: &str) -> &str {
    date.split('T').next().unwrap_or(date)
}
