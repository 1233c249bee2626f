//! Ways in for the fuzz targets of `crates/source-controller/fuzz` to what is private. Deliberately no logic, and in no build without the
//! feature `fuzzing`.

use sluice_artifact::{Algorithm, Digest};
use sluice_http_client::{HeaderMap, HeaderValue, Url, header};

use crate::manifest::Manifest;
use crate::{Keyring, challenge, link, token};

/// Reads a header as what a registry asks for, and as the link to the next page.
pub fn headers(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let mut headers = HeaderMap::new();
    headers.insert(header::WWW_AUTHENTICATE, value.clone());
    headers.insert(header::LINK, value);
    let _ = challenge::find(&headers);
    if let Ok(page) = Url::parse("https://registry.example/v2/app/tags/list?n=2")
        && let Some(next) = link::next_page(&page, &headers)
    {
        assert_eq!((next.origin(), next.path()), (page.origin(), page.path()), "a list leads nowhere else");
    }
}

/// Reads a manifest of any type.
pub fn manifest(bytes: &[u8], content_type: &str) {
    let digest = Digest::of(Algorithm::Sha256, bytes);
    if let Ok(manifest) = Manifest::parse(bytes.to_vec().into(), digest, content_type) {
        let _ = format!("{manifest:?}");
    }
}

/// Reads the answer of a token server, and a docker configuration.
pub fn credentials(bytes: &[u8]) {
    let _ = token::read(bytes);
    let mut keyring = Keyring::default();
    let _ = keyring.add_config_json(bytes);
    let _ = keyring.add_cfg(bytes);
    let _ = keyring.for_host("registry.example");
}
