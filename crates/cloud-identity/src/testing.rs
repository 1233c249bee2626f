//! What the tests share: a time, a key made for them, files in memory, and requests as text.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use jiff::Timestamp;
use sluice_http_client::{ClientConfig, Proxy, RetryPolicy, Secret, Url};
use sluice_testkit::Sink;
use sluice_testkit::sink::{Answer, Request};

use crate::{Files, Transport};

/// Of no use anywhere: it was made for these tests.
pub(crate) const PKCS1: &str = include_str!("testdata/rsa-pkcs1.pem");
pub(crate) const PKCS8: &str = include_str!("testdata/rsa-pkcs8.pem");
pub(crate) const CERTIFICATE: &str = include_str!("testdata/certificate.pem");
pub(crate) const PUBLIC_DER: &[u8] = include_bytes!("testdata/rsa-public.der");

pub(crate) fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

pub(crate) fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

/// Without proxies and repetition.
pub(crate) fn transport() -> Transport {
    let config = ClientConfig { proxy: Proxy::Direct, ..ClientConfig::default() };
    Transport::new(&config).unwrap().with_retry(RetryPolicy::NEVER)
}

pub(crate) fn url(sink: &Sink) -> Url {
    sink.url().parse().unwrap()
}

pub(crate) fn answer(body: &str) -> Answer {
    Answer { body: body.to_owned().into(), ..Answer::default() }
}

pub(crate) fn status(status: u16, body: &str) -> Answer {
    Answer { status: http::StatusCode::from_u16(status).unwrap(), ..answer(body) }
}

/// A request as text: its line, the headers that the exchange itself sets, and its body.
pub(crate) fn shown(request: &Request) -> String {
    const OF_THE_CLIENT: [&str; 4] = ["host", "content-length", "user-agent", "accept-encoding"];
    let mut lines = vec![format!("{} {}", request.method, request.uri)];
    let headers: BTreeMap<&str, &str> = request
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .filter(|(name, value)| !OF_THE_CLIENT.contains(name) && (*name, *value) != ("accept", "*/*"))
        .collect();
    lines.extend(headers.iter().map(|(name, value)| format!("{name}: {value}")));
    if !request.body.is_empty() {
        lines.push(request.text());
    }
    lines.join("\n")
}

/// Everything that arrived, as text.
pub(crate) fn arrived(sink: &Sink) -> Vec<String> {
    sink.take_requests().iter().map(shown).collect()
}

/// An error with its causes, as objects show it.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text.push_str(": ");
        text.push_str(&error.to_string());
        next = error.source();
    }
    text
}

/// Files by their paths.
#[derive(Default)]
pub(crate) struct MemoryFiles(BTreeMap<String, Vec<u8>>);

impl<const N: usize> From<[(&str, &str); N]> for MemoryFiles {
    fn from(files: [(&str, &str); N]) -> Self {
        Self(files.into_iter().map(|(path, content)| (path.to_owned(), content.as_bytes().to_vec())).collect())
    }
}

impl Files for MemoryFiles {
    fn read(&self, path: &Path, max_bytes: usize) -> std::io::Result<Vec<u8>> {
        let content = path.to_str().and_then(|path| self.0.get(path)).ok_or(std::io::ErrorKind::NotFound)?;
        if content.len() > max_bytes { Err(std::io::ErrorKind::FileTooLarge.into()) } else { Ok(content.clone()) }
    }
}

/// The header and the claims of a token, after its signature was checked against the test key by another piece of code than signed it.
pub(crate) fn verified(token: &str) -> (serde_json::Value, serde_json::Value) {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let part =
        |text: &str| -> serde_json::Value { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap() };
    let (header, claims) = signed.split_once('.').unwrap();
    let (header, claims) = (part(header), part(claims));
    let parameters = if header["alg"] == "PS256" { &RSA_PSS_2048_8192_SHA256 } else { &RSA_PKCS1_2048_8192_SHA256 };
    let key = UnparsedPublicKey::new(parameters, PUBLIC_DER);
    key.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
    (header, claims)
}

/// A field of a form.
pub(crate) fn form_field(request: &Request, name: &str) -> String {
    let form: BTreeMap<_, _> = url::form_urlencoded::parse(&request.body).into_owned().collect();
    form[name].clone()
}
