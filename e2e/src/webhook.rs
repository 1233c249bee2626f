//! Requests as a Git host would send them.
//!
//! Deliberately returns status codes only: the servers under test say no more.

use anyhow::Context as _;
use sluice_http_client::{ClientConfig, HeaderName, HttpClient, Proxy, Request, install_crypto_provider};

/// Posts a JSON body; returns the status code.
///
/// # Errors
/// When there is no answer.
pub async fn post(url: &str, body: impl Into<Vec<u8>>) -> anyhow::Result<u16> {
    post_with(url, body, &[("content-type", "application/json")]).await
}

/// Posts a body with headers; returns the status code.
///
/// # Errors
/// When there is no answer.
pub async fn post_with(url: &str, body: impl Into<Vec<u8>>, headers: &[(&str, &str)]) -> anyhow::Result<u16> {
    install_crypto_provider();
    let client = HttpClient::new(&ClientConfig { proxy: Proxy::Direct, ..ClientConfig::default() })?;
    let mut request = Request::post(url.parse().context("a URL")?, body.into());
    for (name, value) in headers {
        request = request.header(HeaderName::from_bytes(name.as_bytes())?, value)?;
    }
    Ok(client.send(&request).await?.status().as_u16())
}
