//! Delivery of one rendered request: retries, the deadline over all of them, and the judgement of the answer.
//!
//! It keeps no client between deliveries: providers are many, deliveries rare, and credentials should not outlive them.

use std::time::Duration;

use sluice_http_client::{
    ClientConfig, ConfigError, HttpClient, HttpError, Proxy, Redirects, Request, Response, RetryPolicy, StatusCode,
    TrustRoots,
};
use thiserror::Error;

use crate::config::ProviderConfig;
use crate::request::{Acceptance, OutboundRequest};

/// Five requests in all, waiting 2 s, 4 s, 8 s and 16 s between them.
pub const RETRY_POLICY: RetryPolicy =
    RetryPolicy { attempts: 5, min_wait: Duration::from_secs(2), max_wait: Duration::from_secs(30) };

/// Bytes of an answer that are read: enough for any provider's error text. A longer answer is left unread.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;

/// Bytes of a refusal that are repeated in the error (a Kubernetes event holds 1 KiB).
const MAX_QUOTED_BYTES: usize = 512;

/// Why a message was not delivered. Texts may quote the other side: mask them (`mask::mask`) before they leave.
#[derive(Debug, Error)]
pub enum SendError {
    /// A header that the HTTP client does not take, or no answer at all.
    #[error("request failed")]
    Exchange(#[from] HttpError),
    /// The answer's status says no.
    #[error("request failed: request failed with status code {status}: {body}")]
    Refused {
        /// The status code.
        status: u16,
        /// The beginning of the answer's body.
        body: String,
    },
    /// Slack's answer has a good form and says no.
    #[error("request failed: Slack responded with error: {0}")]
    RefusedBySlack(String),
    /// Slack's answer is not what it should be.
    #[error("request failed: unable to decode the response of Slack (status code {status})")]
    DecodeSlack {
        /// The status code.
        status: u16,
        /// What the decoder says.
        #[source]
        source: serde_json::Error,
    },
    /// The deadline passed, between or during attempts.
    #[error("request failed: not delivered within {}s", .0.as_secs_f64())]
    Timeout(Duration),
}

/// A client for one delivery through this provider.
///
/// Redirects stay on the host: another one would get the secret headers and the message, and could be inside the cluster.
///
/// # Errors
/// Certificates or a proxy that cannot be used.
pub fn client(config: &ProviderConfig) -> Result<HttpClient, ConfigError> {
    let tls = config.tls.clone().unwrap_or_default();
    HttpClient::new(&ClientConfig {
        roots: tls.ca.map_or(TrustRoots::System, TrustRoots::Only),
        identity: tls.identity,
        proxy: config.proxy.clone().map_or(Proxy::Environment, Proxy::Url),
        redirects: Redirects::SameHost,
        ..ClientConfig::default()
    })
}

/// Sends until the other side takes the message, refuses it for good, or `deadline` has passed.
///
/// Cancellation: dropping the future closes the connection; the other side may or may not have taken the message.
///
/// # Errors
/// The last attempt's failure, or [`SendError::Timeout`].
pub async fn send(
    client: &HttpClient,
    request: OutboundRequest,
    policy: &RetryPolicy,
    deadline: Duration,
) -> Result<(), SendError> {
    tokio::time::timeout(deadline, exchange(client, request, policy)).await.unwrap_or(Err(SendError::Timeout(deadline)))
}

async fn exchange(client: &HttpClient, request: OutboundRequest, policy: &RetryPolicy) -> Result<(), SendError> {
    let OutboundRequest { method, url, headers, body, acceptance } = request;
    // The paths of incoming webhooks are credentials.
    let mut request = Request::new(method, url).body(body).with_secret_path();
    for (name, value) in &headers {
        let invalid = || HttpError::Header { name: name.as_str().to_owned() };
        request = request.header(name.clone(), value.to_str().map_err(|_| invalid())?)?;
    }
    let response = client.send_with_retry(&request, policy).await?;
    judge(acceptance, response).await
}

async fn judge(acceptance: Acceptance, response: Response) -> Result<(), SendError> {
    let status = response.status();
    match acceptance {
        Acceptance::Success2xx if status.is_success() => Ok(()),
        Acceptance::Success2xx => {
            // What can be had of the answer is only an explanation: failing to read it must not hide the status.
            let body = read_answer(response).await.unwrap_or_default();
            Err(SendError::Refused { status: status.as_u16(), body: quote(&body) })
        }
        Acceptance::SlackOk => judge_slack(status, &read_answer(response).await?),
    }
}

async fn read_answer(response: Response) -> Result<Vec<u8>, HttpError> {
    Ok(response.into_body(MAX_ANSWER_BYTES)?.bytes().await?.to_vec())
}

#[derive(serde::Deserialize)]
struct SlackAnswer {
    #[serde(default)]
    ok: bool,
    #[serde(default)]
    error: String,
}

fn judge_slack(status: StatusCode, body: &[u8]) -> Result<(), SendError> {
    let answer: SlackAnswer =
        serde_json::from_slice(body).map_err(|source| SendError::DecodeSlack { status: status.as_u16(), source })?;
    if answer.ok { Ok(()) } else { Err(SendError::RefusedBySlack(quote(answer.error.as_bytes()))) }
}

/// The beginning of an answer as text.
fn quote(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(MAX_QUOTED_BYTES)]);
    text.trim().to_owned()
}

#[cfg(test)]
mod tests;
