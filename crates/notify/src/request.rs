//! A rendered request and its answer: plain data, comparable in tests, not yet tied to an HTTP client.

use std::fmt;

use sluice_http_client::{HeaderMap, Method, StatusCode, Url};

/// How to tell from a final answer that the other side took the message. The answer to a request with a continuation
/// (see [`crate::Step`]) is judged in the same way before the continuation gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// Any status from 200 to 299.
    Success2xx,
    /// The same, or this one: a thing that may be absent.
    Success2xxOr(StatusCode),
    /// The body is JSON with `ok: true`, whatever the status (Slack's Web API answers 200 with `ok: false`).
    SlackOk,
}

/// Whether a request may be sent again after a failure that looks transient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// As often as the policy of all deliveries has it.
    Standard,
    /// Once only.
    Never,
}

/// One request to one provider. `Debug` shows neither path, query, headers nor body: each of them carries secrets.
#[derive(Clone, PartialEq, Eq)]
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
    /// Whether to repeat it.
    pub retry: Retry,
}

impl OutboundRequest {
    /// A request without headers and body that wants a 2xx and may be repeated.
    pub fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: Vec::new(),
            acceptance: Acceptance::Success2xx,
            retry: Retry::Standard,
        }
    }
}

impl fmt::Debug for OutboundRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.url.host_str().unwrap_or_default();
        write!(f, "OutboundRequest({} {}://{host}/***, {} bytes)", self.method, self.url.scheme(), self.body.len())
    }
}

/// An accepted answer, for the continuation of an exchange. `Debug` shows no content.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body, bounded.
    pub body: Vec<u8>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer({}, {} bytes)", self.status, self.body.len())
    }
}
