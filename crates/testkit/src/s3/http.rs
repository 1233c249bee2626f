//! One plain HTTP request to a server of the test kit.
//!
//! Deliberately no client library: what is under test is one.

use std::fmt::Write as _;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A response: status and everything after the headers.
#[derive(Debug)]
pub(crate) struct Answer {
    what: String,
    status: u16,
    body: String,
}

impl Answer {
    /// Fails, with the body in the message, unless the status is this one.
    pub(crate) fn expect(self, status: u16) -> anyhow::Result<Self> {
        anyhow::ensure!(self.status == status, "{}: status {}: {}", self.what, self.status, self.body);
        Ok(self)
    }
}

/// Sends a request to loopback and reads the response to its end.
pub(crate) async fn exchange(port: u16, method: &str, target: &str, body: &[u8]) -> anyhow::Result<Answer> {
    exchange_with(port, method, target, "", body).await
}

/// [`exchange`] with header lines, each ended by CR LF.
pub(crate) async fn exchange_with(
    port: u16,
    method: &str,
    target: &str,
    headers: &str,
    body: &[u8],
) -> anyhow::Result<Answer> {
    let what = format!("{method} {}", target.split('?').next().unwrap_or_default());
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.with_context(|| what.clone())?;
    let length = body.len();
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
    );
    stream.write_all(head.as_bytes()).await.with_context(|| what.clone())?;
    stream.write_all(body).await.with_context(|| what.clone())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.with_context(|| what.clone())?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no HTTP response")?;
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    Ok(Answer { what, status, body })
}

/// A key as a path: everything but letters, digits and a few marks percent-encoded.
pub(crate) fn encode(key: &str) -> String {
    key.bytes().fold(String::new(), |mut path, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => path.push(char::from(byte)),
            // Writing to a string does not fail.
            _ => drop(write!(path, "%{byte:02X}")),
        }
        path
    })
}
