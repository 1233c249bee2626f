//! What the three protocols share: sending under a deadline, whole small answers, refusals, and an object's bytes into a writer.
//!
//! Deliberately follows no redirect: no storage service needs one here, and a hostile one could send signed requests elsewhere.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sluice_http_client::{
    ClientConfig, HeaderMap, HttpClient, Redirects, Request, Response, RetryPolicy, StatusCode, header,
};
use tokio::io::AsyncWrite;
use tokio::time::Instant;

use crate::error::{AnswerError, StoreError, excerpt, without_query};
use crate::key::MAX_KEY_BYTES;

/// Bytes of one page of a listing. Azure's pages have 5,000 entries of up to some 4 KiB for the key and 2 KiB for the rest.
pub(crate) const MAX_PAGE_BYTES: u64 = 32 * 1024 * 1024;

/// Bytes of any other answer that is read whole: errors, locations, attributes, credentials.
pub(crate) const MAX_ANSWER_BYTES: u64 = 256 * 1024;

/// Four requests within a few seconds: what is down for longer is for the next reconcile.
const RETRY: RetryPolicy =
    RetryPolicy { attempts: 4, min_wait: Duration::from_millis(200), max_wait: Duration::from_secs(2) };

/// All but the unreserved characters of RFC 3986: what AWS signs and every service decodes.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const RESERVED_BUT_SLASH: &AsciiSet = &RESERVED.remove(b'/');

/// A text as one path segment or query value: `/` is encoded.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// A key as a path: `/` stays.
pub(crate) fn encode_path(text: &str) -> String {
    utf8_percent_encode(text, RESERVED_BUT_SLASH).to_string()
}

/// A query without the `?`, in the order given.
pub(crate) fn encode_query(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    pairs.join("&")
}

/// The key that a service encoded, `+` for a space if it is form-encoded.
pub(crate) fn decode(text: &str, plus_is_space: PlusIsSpace) -> Result<String, AnswerError> {
    let bytes = match plus_is_space {
        PlusIsSpace::Yes => percent_encoding::percent_decode_str(&text.replace('+', " ")).collect(),
        PlusIsSpace::No => percent_encoding::percent_decode_str(text).collect(),
    };
    String::from_utf8(bytes).map_err(|_| AnswerError::Key(excerpt(text)))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PlusIsSpace {
    Yes,
    No,
}

/// A key as a service lists it.
pub(crate) fn listed_key(key: String) -> Result<String, AnswerError> {
    if key.is_empty() || key.len() > MAX_KEY_BYTES { Err(AnswerError::Key(excerpt(&key))) } else { Ok(key) }
}

/// Runs something up to a deadline. What was under way is dropped, and its connection closed.
pub(crate) async fn within<T>(
    deadline: Instant,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    tokio::time::timeout_at(deadline, work).await.unwrap_or(Err(StoreError::DeadlinePassed))
}

/// An HTTP client that follows no redirect.
pub(crate) fn client(config: &ClientConfig) -> Result<HttpClient, StoreError> {
    let config = ClientConfig { redirects: Redirects::Never, ..config.clone() };
    HttpClient::new(&config).map_err(StoreError::Client)
}

/// What a service says about a request that it refuses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Its code, such as `NoSuchKey`.
    pub code: String,
    /// Its message.
    pub message: String,
    /// The region that it names, if it is S3 and does.
    pub region: String,
}

/// An answer that is no success, read.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub status: StatusCode,
    pub problem: Problem,
    error: StoreError,
}

impl Refusal {
    pub(crate) fn code(&self) -> &str {
        &self.problem.code
    }

    pub(crate) fn into_error(self) -> StoreError {
        self.error
    }
}

/// Sends, and sorts the answer by its status. `read` finds the service's own words in a refusal's body and headers.
pub(crate) async fn send(
    client: &HttpClient,
    request: &Request,
    read: impl FnOnce(&[u8], &HeaderMap, StatusCode) -> Problem,
) -> Result<Result<Response, Refusal>, StoreError> {
    let response = client.send_with_retry(request, &RETRY).await?;
    let status = response.status();
    // 206 or 204 would be a success that nobody asked for.
    if status == StatusCode::OK {
        return Ok(Ok(response));
    }
    let headers = response.headers().clone();
    // What cannot be read of a refusal is no reason to forget the status.
    let body = match response.into_body(MAX_ANSWER_BYTES) {
        Ok(body) => body.bytes().await.unwrap_or_default(),
        Err(_) => Bytes::new(),
    };
    let problem = read(&body, &headers, status);
    let words = status.canonical_reason().unwrap_or("unexpected status");
    let detail = match (problem.code.as_str(), problem.message.as_str()) {
        ("", "") => words.to_owned(),
        ("", message) => message.to_owned(),
        (code, "") => code.to_owned(),
        (code, message) => format!("{code}: {message}"),
    };
    let error = StoreError::Refused {
        method: request.method().clone(),
        target: without_query(&request.target()),
        status,
        code: excerpt(&problem.code),
        detail: excerpt(&detail),
    };
    Ok(Err(Refusal { status, problem, error }))
}

/// Reads a whole answer and makes something of it.
pub(crate) async fn read<T>(
    request: &Request,
    response: Response,
    max_bytes: u64,
    parse: impl FnOnce(&[u8]) -> Result<T, AnswerError>,
) -> Result<T, StoreError> {
    let bytes = response.into_body(max_bytes)?.bytes().await?;
    parse(&bytes).map_err(|source| unreadable(request, source))
}

/// An answer that could not be read.
pub(crate) fn unreadable(request: &Request, source: AnswerError) -> StoreError {
    StoreError::Answer { method: request.method().clone(), target: without_query(&request.target()), source }
}

/// Writes an object's bytes. Returns their number.
pub(crate) async fn copy<W>(response: Response, max_bytes: u64, writer: &mut W) -> Result<u64, StoreError>
where
    W: AsyncWrite + Unpin + ?Sized,
{
    Ok(response.into_body(max_bytes)?.copy_to(writer).await?)
}

/// The entity tag header as it is.
pub(crate) fn etag(request: &Request, response: &Response) -> Result<String, StoreError> {
    let value = response.headers().get(header::ETAG).and_then(|value| value.to_str().ok());
    value
        .filter(|value| !value.is_empty())
        .map(str::to_owned)
        .ok_or_else(|| unreadable(request, AnswerError::Missing("ETag")))
}
