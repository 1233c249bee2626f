//! A rendered request: plain data, comparable in tests, not yet tied to an HTTP client.

use sluice_http_client::{HeaderMap, Method, Url};

/// How to tell from the final response that the other side took the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// Any status from 200 to 299.
    Success2xx,
    /// The body is JSON with `ok: true`, whatever the status (Slack's Web API answers 200 with `ok: false`).
    SlackOk,
}

/// One request to one provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundRequest {
    /// The method.
    pub method: Method,
    /// The absolute URL.
    pub url: Url,
    /// Headers; values from Secrets are marked sensitive.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Vec<u8>,
    /// How to judge the answer.
    pub acceptance: Acceptance,
}
