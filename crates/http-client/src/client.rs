//! Sending: one request, a request with retries, a bounded body, a download.
//!
//! Every future may be dropped at any time; that closes the connection.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use url::Url;

use crate::error::{classify, root_cause};
use crate::retry::retry_after;
use crate::{ClientConfig, ConfigError, HttpError, Request, RetryPolicy};

/// A client with its connection pool. Clones share both.
#[derive(Clone, Debug)]
pub struct HttpClient(reqwest::Client);

impl HttpClient {
    /// Makes a client.
    ///
    /// # Errors
    /// When certificates, key or proxy are unusable.
    pub fn new(config: &ClientConfig) -> Result<Self, ConfigError> {
        config.build().map(Self)
    }

    /// Sends once. Any status is a response; see [`Response::error_for_status`].
    ///
    /// # Errors
    /// [`HttpError::Transport`].
    pub async fn send(&self, request: &Request) -> Result<Response, HttpError> {
        let Request { method, url, headers, body, .. } = request;
        let target = request.target();
        let mut builder = self.0.request(method.clone(), url.clone()).headers(headers.clone());
        if !body.is_empty() || *method == Method::POST || *method == Method::PUT {
            builder = builder.body(body.clone());
        }
        match builder.send().await {
            Ok(inner) => Ok(Response { inner, method: method.clone(), target }),
            Err(error) => Err(transport(method, target, &error)),
        }
    }

    /// Sends, and sends again as `policy` has it. After the last attempt the response is returned whatever its status is.
    ///
    /// # Errors
    /// [`HttpError::Transport`] of the last attempt.
    pub async fn send_with_retry(&self, request: &Request, policy: &RetryPolicy) -> Result<Response, HttpError> {
        let mut attempt = 1;
        loop {
            let asked = match self.send(request).await {
                Ok(response) if policy.again_after_status(attempt, response.status()) => {
                    retry_after(response.status(), response.headers(), jiff::Timestamp::now())
                }
                Err(error) if policy.again_after_error(attempt, &error) => None,
                outcome => return outcome,
            };
            // Up to a tenth less, so that a thousand objects of one host do not come back in the same instant.
            let wait = policy.wait(attempt, asked).mul_f64(1.0 - fastrand::f64() / 10.0);
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    /// Sends with retries, takes a 2xx response and writes its body as it comes. Returns the number of bytes.
    ///
    /// A body that breaks off is not resumed or repeated: `writer` has part of it then, and the caller starts over.
    ///
    /// # Errors
    /// [`HttpError::Status`] for another status, [`HttpError::TooLarge`] beyond `max_bytes`, [`HttpError::Write`], or transport.
    pub async fn download<W>(
        &self,
        request: &Request,
        policy: &RetryPolicy,
        max_bytes: u64,
        writer: &mut W,
    ) -> Result<u64, HttpError>
    where
        W: AsyncWrite + Unpin + ?Sized,
    {
        let response = self.send_with_retry(request, policy).await?.error_for_status()?;
        response.into_body(max_bytes)?.copy_to(writer).await
    }
}

fn transport(method: &Method, target: String, error: &reqwest::Error) -> HttpError {
    HttpError::Transport { method: method.clone(), target, kind: classify(error), cause: root_cause(error) }
}

/// Status and headers of a response whose body has not been read.
#[derive(Debug)]
pub struct Response {
    inner: reqwest::Response,
    method: Method,
    target: String,
}

impl Response {
    /// The status.
    pub fn status(&self) -> StatusCode {
        self.inner.status()
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        self.inner.headers()
    }

    /// The URL that answered, after redirects.
    pub fn url(&self) -> &Url {
        self.inner.url()
    }

    /// Itself when the status is 2xx.
    ///
    /// # Errors
    /// [`HttpError::Status`] otherwise.
    pub fn error_for_status(self) -> Result<Self, HttpError> {
        let status = self.status();
        if status.is_success() {
            return Ok(self);
        }
        Err(HttpError::Status { method: self.method, target: self.target, status })
    }

    /// The body, of which at most `max_bytes` can be read.
    ///
    /// # Errors
    /// [`HttpError::TooLarge`] at once when the host announces more.
    pub fn into_body(self, max_bytes: u64) -> Result<Body, HttpError> {
        let Self { inner, method, target } = self;
        let announced = inner.content_length().unwrap_or(0);
        let body = Body { inner, method, target, limit: max_bytes, received: 0 };
        if announced > max_bytes { Err(body.too_large()) } else { Ok(body) }
    }
}

/// A response body with a byte limit, read as it comes.
#[derive(Debug)]
pub struct Body {
    inner: reqwest::Response,
    method: Method,
    target: String,
    limit: u64,
    received: u64,
}

impl Body {
    /// The next piece, in the size in which it came; `None` at the end.
    ///
    /// # Errors
    /// [`HttpError::TooLarge`] as soon as the limit is passed, or transport.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, HttpError> {
        let chunk = match self.inner.chunk().await {
            Ok(Some(chunk)) => chunk,
            Ok(None) => return Ok(None),
            Err(error) => return Err(transport(&self.method, self.target.clone(), &error)),
        };
        self.received = self.received.saturating_add(chunk.len() as u64);
        if self.received > self.limit { Err(self.too_large()) } else { Ok(Some(chunk)) }
    }

    /// Bytes read so far.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// The whole body in memory.
    ///
    /// # Errors
    /// As [`Body::chunk`].
    pub async fn bytes(mut self) -> Result<Bytes, HttpError> {
        let mut whole = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }

    /// Writes the whole body and flushes. Returns the number of bytes.
    ///
    /// # Errors
    /// As [`Body::chunk`], and [`HttpError::Write`].
    pub async fn copy_to<W>(mut self, writer: &mut W) -> Result<u64, HttpError>
    where
        W: AsyncWrite + Unpin + ?Sized,
    {
        while let Some(chunk) = self.chunk().await? {
            writer.write_all(&chunk).await.map_err(|source| self.write_error(source))?;
        }
        writer.flush().await.map_err(|source| self.write_error(source))?;
        Ok(self.received)
    }

    fn write_error(&self, source: std::io::Error) -> HttpError {
        HttpError::Write { method: self.method.clone(), target: self.target.clone(), source }
    }

    fn too_large(&self) -> HttpError {
        HttpError::TooLarge { method: self.method.clone(), target: self.target.clone(), limit: self.limit }
    }
}
