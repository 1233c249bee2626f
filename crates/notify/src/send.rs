//! Delivery: retries, the deadline over all of them, and the judgement of answers. The only place that sends.
//!
//! It decides nothing about content: what is sent next is a [`Step`]'s affair.

use std::time::Duration;

use sluice_http_client::{ConfigError, HttpClient, HttpError, Request, Response, RetryPolicy, StatusCode};
use thiserror::Error;

use crate::config::ProviderConfig;
use crate::mask::Masks;
use crate::nats::{self, NatsError};
use crate::provider::Plan;
use crate::request::{Acceptance, Answer, OutboundRequest, Retry};
use crate::step::{Step, StepError};

/// Five requests in all, waiting 2 s, 4 s, 8 s and 16 s between them.
pub const RETRY_POLICY: RetryPolicy =
    RetryPolicy { attempts: 5, min_wait: Duration::from_secs(2), max_wait: Duration::from_secs(30) };

/// Bytes of a final answer that are read: enough for any provider's error text. A longer answer is left unread.
const MAX_REFUSAL_BYTES: u64 = 64 * 1024;

/// Bytes of an answer in the middle of an exchange: a page of 100 comments of 64 KiB each, with their dress.
const MAX_ANSWER_BYTES: u64 = 16 * 1024 * 1024;

/// Bytes of a refusal that are repeated in the error (a Kubernetes event holds 1 KiB).
const MAX_QUOTED_BYTES: usize = 512;

/// Requests of one exchange. The longest has three; more is a loop.
const MAX_STEPS: usize = 16;

/// Why a message was not delivered. Texts may quote the other side: mask them (`Delivery::masks`) before they leave.
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
    /// An answer in the middle of an exchange cannot be used.
    #[error(transparent)]
    Step(#[from] StepError),
    /// The exchange did not come to an end.
    #[error("request failed: no end after {MAX_STEPS} requests")]
    BoundSteps,
    /// The message queue did not take it.
    #[error(transparent)]
    Nats(#[from] NatsError),
    /// The deadline passed, between or during attempts.
    #[error("request failed: not delivered within {}s", .0.as_secs_f64())]
    Timeout(Duration),
}

/// HTTP clients for deliveries. Those with settings of their own live for one delivery, so that credentials do not outlive it; the others share
/// one, which holds no secret, since making a client reads the machine's certificates. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Clients(std::sync::Arc<std::sync::OnceLock<HttpClient>>);

impl Clients {
    /// A client for one delivery through this provider.
    ///
    /// # Errors
    /// Certificates or a proxy that cannot be used.
    pub fn get(&self, config: &ProviderConfig) -> Result<HttpClient, ConfigError> {
        let http = config.http();
        let is_plain = config.proxy.is_none() && config.tls.is_none();
        match self.0.get() {
            Some(shared) if is_plain => Ok(shared.clone()),
            _ if is_plain => {
                let made = HttpClient::new(&http)?;
                Ok(self.0.get_or_init(|| made).clone())
            }
            _ => HttpClient::new(&http),
        }
    }
}

/// One notification that only needs to be sent. `Debug` shows no secret.
#[derive(Debug)]
pub struct Delivery {
    pub(crate) client: HttpClient,
    pub(crate) plan: Plan,
    pub(crate) timeout: Duration,
    pub(crate) masks: Masks,
}

impl Delivery {
    /// Whether there is nothing to send: the provider's type does not tell this event.
    pub fn is_empty(&self) -> bool {
        matches!(self.plan, Plan::Http(Step::Done))
    }

    /// About how much memory it holds, in bytes.
    pub fn size(&self) -> usize {
        match &self.plan {
            Plan::Http(step) => step.request().map_or(0, |request| request.body.len()),
            Plan::Nats(publication) => publication.size(),
        }
    }

    /// The bound of its sending, retries included.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// What to mask in the text of an error.
    pub fn masks(&self) -> &Masks {
        &self.masks
    }

    /// Sends until the other side takes the message, refuses it for good, or `deadline` has passed.
    ///
    /// Cancellation: dropping the future closes the connection; the other side may or may not have taken the message.
    ///
    /// # Errors
    /// The last attempt's failure, or [`SendError::Timeout`].
    pub async fn send(self, policy: &RetryPolicy, deadline: Duration) -> Result<(), SendError> {
        let Self { client, plan, .. } = self;
        let sent = async {
            match plan {
                Plan::Http(step) => walk(&client, step, policy).await,
                Plan::Nats(publication) => Ok(nats::publish(&publication).await?),
            }
        };
        tokio::time::timeout(deadline, sent).await.unwrap_or(Err(SendError::Timeout(deadline)))
    }
}

async fn walk(client: &HttpClient, mut step: Step, policy: &RetryPolicy) -> Result<(), SendError> {
    for _ in 0..MAX_STEPS {
        step = match step {
            Step::Done => return Ok(()),
            Step::Last(request) => {
                exchange(client, *request, policy, MAX_REFUSAL_BYTES).await?;
                return Ok(());
            }
            Step::Ask(request, then) => then(exchange(client, *request, policy, MAX_ANSWER_BYTES).await?)?,
        };
    }
    Err(SendError::BoundSteps)
}

/// Sends one request and judges its answer. For look-ups while a provider is prepared, and for every step of a delivery.
///
/// # Errors
/// No answer, or one that the request's acceptance refuses.
pub(crate) async fn ask(
    client: &HttpClient,
    request: OutboundRequest,
    policy: &RetryPolicy,
) -> Result<Answer, SendError> {
    exchange(client, request, policy, MAX_ANSWER_BYTES).await
}

async fn exchange(
    client: &HttpClient,
    request: OutboundRequest,
    policy: &RetryPolicy,
    max_bytes: u64,
) -> Result<Answer, SendError> {
    let OutboundRequest { method, url, headers, body, acceptance, retry } = request;
    // The paths of incoming webhooks are credentials.
    let mut request = Request::new(method, url).body(body).with_secret_path();
    for (name, value) in &headers {
        let invalid = || HttpError::Header { name: name.as_str().to_owned() };
        request = request.header(name.clone(), value.to_str().map_err(|_| invalid())?)?;
    }
    let policy = if retry == Retry::Never { &RetryPolicy::NEVER } else { policy };
    let response = client.send_with_retry(&request, policy).await?;
    judge(acceptance, response, max_bytes).await
}

async fn judge(acceptance: Acceptance, response: Response, max_bytes: u64) -> Result<Answer, SendError> {
    let (status, headers) = (response.status(), response.headers().clone());
    let is_accepted = match acceptance {
        Acceptance::Success2xx => status.is_success(),
        Acceptance::Success2xxOr(other) => status.is_success() || status == other,
        Acceptance::SlackOk => {
            let body = read(response, max_bytes).await?;
            judge_slack(status, &body)?;
            return Ok(Answer { status, headers, body });
        }
    };
    if is_accepted {
        // A final answer is of no interest; failing to read it is none either.
        let body = read(response, max_bytes).await;
        let body = if max_bytes == MAX_REFUSAL_BYTES { body.unwrap_or_default() } else { body? };
        return Ok(Answer { status, headers, body });
    }
    // What can be had of the answer is only an explanation: failing to read it must not hide the status.
    let body = read(response, MAX_REFUSAL_BYTES).await.unwrap_or_default();
    Err(SendError::Refused { status: status.as_u16(), body: quote(&body) })
}

async fn read(response: Response, max_bytes: u64) -> Result<Vec<u8>, HttpError> {
    Ok(response.into_body(max_bytes)?.bytes().await?.to_vec())
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
