//! An HTTP server that records every request: the far end of a notification, a webhook, any outbound call.
//!
//! Deliberately no knowledge of any provider: a test looks at what arrived, byte for byte, and programs what is answered.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri};

use crate::wait::wait_until;

/// Largest body that is recorded. Nothing that a test sends comes near.
const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;

/// A request as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Path and query, as in the request line.
    pub uri: Uri,
    /// All headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Request {
    /// The path without the query.
    pub fn path(&self) -> &str {
        self.uri.path()
    }

    /// A header's value, empty if it is absent or not text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// If it is none.
    pub fn json(&self) -> anyhow::Result<serde_json::Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("not JSON: {}", self.text()))
    }

    /// The body as text, with replacement characters where it is not UTF-8.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// What to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: StatusCode,
    /// Headers to add.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// How long to wait before answering.
    pub delay: Duration,
}

impl Default for Answer {
    fn default() -> Self {
        Self { status: StatusCode::OK, headers: HeaderMap::new(), body: Bytes::new(), delay: Duration::ZERO }
    }
}

impl From<StatusCode> for Answer {
    fn from(status: StatusCode) -> Self {
        Self { status, ..Self::default() }
    }
}

/// A running server. Dropping it closes its port.
#[derive(Debug)]
pub struct Sink {
    address: SocketAddr,
    shared: Arc<Mutex<Record>>,
    server: tokio::task::JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Record {
    requests: Vec<Request>,
    next: VecDeque<Answer>,
    otherwise: Answer,
    /// Where each request is appended as a line of JSON, for people to look at.
    file: Option<std::fs::File>,
}

impl Sink {
    /// Starts on a free loopback port and answers 200 with an empty body until told otherwise.
    ///
    /// # Errors
    /// If no port can be had.
    pub async fn start() -> anyhow::Result<Self> {
        Self::serve(Record::default()).await
    }

    /// Like [`Sink::start`], and appends each request to a file as one line of JSON (`method`, `path`, `body`).
    ///
    /// # Errors
    /// If no port can be had or the file cannot be opened.
    pub async fn start_recording_to(file: &Path) -> anyhow::Result<Self> {
        let opened = std::fs::OpenOptions::new().create(true).append(true).open(file);
        let opened = opened.with_context(|| format!("open {}", file.display()))?;
        Self::serve(Record { file: Some(opened), ..Record::default() }).await
    }

    async fn serve(record: Record) -> anyhow::Result<Self> {
        let shared = Arc::new(Mutex::new(record));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.context("open the sink's port")?;
        let address = listener.local_addr()?;
        let router = Router::new().fallback(receive).with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move {
            // `serve` ends with an error only if it cannot be set up; a test then sees that nothing answers.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, shared, server })
    }

    /// `http://127.0.0.1:port`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers the coming requests with these, in this order, before falling back to the standing answer.
    pub fn answer_next(&self, answers: impl IntoIterator<Item = impl Into<Answer>>) {
        lock(&self.shared).next.extend(answers.into_iter().map(Into::into));
    }

    /// Changes the standing answer.
    pub fn answer_always(&self, answer: impl Into<Answer>) {
        lock(&self.shared).otherwise = answer.into();
    }

    /// Everything that arrived so far, in order of arrival.
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.shared).requests.clone()
    }

    /// Returns what arrived so far and forgets it.
    pub fn take_requests(&self) -> Vec<Request> {
        std::mem::take(&mut lock(&self.shared).requests)
    }

    /// Waits for the first request, past or future, of which `wanted` holds.
    ///
    /// # Errors
    /// If none arrives within `deadline`; the message lists what did arrive.
    pub async fn wait_for(&self, wanted: impl Fn(&Request) -> bool, deadline: Duration) -> anyhow::Result<Request> {
        let found = wait_until(deadline, "a request at the sink", async || {
            Ok(lock(&self.shared).requests.iter().find(|request| wanted(request)).cloned())
        });
        found.await.with_context(|| {
            let arrived = self.requests();
            let lines = arrived.iter().map(|request| format!("{} {} {}", request.method, request.uri, request.text()));
            format!("{} others arrived:\n{}", arrived.len(), lines.collect::<Vec<_>>().join("\n"))
        })
    }

    /// Waits until at least `count` requests have arrived, and returns all.
    ///
    /// # Errors
    /// If fewer arrive within `deadline`.
    pub async fn wait_for_count(&self, count: usize, deadline: Duration) -> anyhow::Result<Vec<Request>> {
        wait_until(deadline, &format!("{count} requests at the sink"), async || {
            let requests = self.requests();
            anyhow::ensure!(requests.len() >= count, "{} arrived", requests.len());
            Ok(Some(requests))
        })
        .await
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn receive(State(shared): State<Arc<Mutex<Record>>>, request: axum::extract::Request) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, MAX_BODY_BYTES).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let request = Request { method: head.method, uri: head.uri, headers: head.headers, body };
    let answer = lock(&shared).record(request);
    tokio::time::sleep(answer.delay).await;
    (answer.status, answer.headers, answer.body).into_response()
}

impl Record {
    fn record(&mut self, request: Request) -> Answer {
        use std::io::Write as _;
        if let Some(file) = &mut self.file {
            let body = request.json().unwrap_or_else(|_| request.text().into());
            let line =
                serde_json::json!({"method": request.method.as_str(), "path": request.uri.to_string(), "body": body});
            // The file is a convenience for a reader; the request counts all the same.
            let _ = writeln!(file, "{line}");
        }
        self.requests.push(request);
        self.next.pop_front().unwrap_or_else(|| self.otherwise.clone())
    }
}

/// A test that panicked while holding the lock has failed already; the record stays readable for the others.
fn lock(shared: &Mutex<Record>) -> MutexGuard<'_, Record> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(10);

    /// Sends raw bytes, so that no client library stands between the test and what the sink sees.
    async fn exchange(sink: &Sink, path: &str, body: &str) -> String {
        let mut stream = tokio::net::TcpStream::connect(sink.address()).await.unwrap();
        let length = body.len();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nX-Kind: test\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn a_request_is_recorded_whole() {
        let sink = Sink::start().await.unwrap();
        exchange(&sink, "/hook?a=b", r#"{"x":1}"#).await;
        let request = sink.wait_for(|request| request.path() == "/hook", DEADLINE).await.unwrap();
        assert_eq!(request.method, Method::POST);
        assert_eq!(request.uri, "/hook?a=b");
        assert_eq!(request.header("x-kind"), "test");
        assert_eq!(request.header("absent"), "");
        assert_eq!(request.json().unwrap(), serde_json::json!({"x": 1}));
    }

    #[tokio::test]
    async fn programmed_answers_come_in_order_and_then_the_standing_one() {
        let sink = Sink::start().await.unwrap();
        sink.answer_next([StatusCode::TOO_MANY_REQUESTS, StatusCode::BAD_GATEWAY]);
        sink.answer_always(Answer { body: "fine".into(), ..Answer::default() });
        let mut statuses = Vec::new();
        for _ in 0..3 {
            let answer = exchange(&sink, "/", "").await;
            statuses.push((answer[9..12].to_owned(), answer.ends_with("fine")));
        }
        let expected = [("429", false), ("502", false), ("200", true)];
        assert_eq!(statuses, expected.map(|(status, fine)| (status.to_owned(), fine)));
        assert_eq!(sink.wait_for_count(3, DEADLINE).await.unwrap().len(), 3);
    }

    #[tokio::test]
    async fn what_did_arrive_is_in_the_message_when_the_wanted_request_does_not() {
        let sink = Sink::start().await.unwrap();
        exchange(&sink, "/other", "text").await;
        let error = sink.wait_for(|request| request.path() == "/hook", Duration::from_millis(60)).await.unwrap_err();
        assert!(format!("{error:#}").contains("POST /other text"), "{error:#}");
    }

    #[tokio::test]
    async fn the_file_has_one_line_per_request() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("messages");
        let sink = Sink::start_recording_to(&file).await.unwrap();
        exchange(&sink, "/a", r#"{"x":1}"#).await;
        exchange(&sink, "/b", "not json").await;
        let expected = "{\"body\":{\"x\":1},\"method\":\"POST\",\"path\":\"/a\"}\n\
                        {\"body\":\"not json\",\"method\":\"POST\",\"path\":\"/b\"}\n";
        assert_eq!(std::fs::read_to_string(&file).unwrap(), expected);
    }

    #[tokio::test]
    async fn dropping_closes_the_port() {
        let sink = Sink::start().await.unwrap();
        let address = sink.address();
        drop(sink);
        wait_until(DEADLINE, "a refused connection", async || {
            Ok(tokio::net::TcpStream::connect(address).await.is_err().then_some(()))
        })
        .await
        .unwrap();
    }
}
