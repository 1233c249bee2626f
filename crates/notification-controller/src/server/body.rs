//! Reading a request's body with a bound on its size and on the time it may take.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use thiserror::Error;

/// Largest body of either server: 3 MiB, inclusive.
pub const MAX_BODY_BYTES: usize = 3 * 1024 * 1024;

/// Longest time for a body: a client that sends a byte a second does not hold a connection for good.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// How much of a body over the limit is read and dropped: the largest payload of a Git host (25 MiB at GitHub), rounded up.
const MAX_DISCARDED_BYTES: usize = 32 << 20;

/// How long that may take: a sender that announces much and sends nothing is not waited for.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a body was not read.
#[derive(Debug, Error)]
pub enum BodyError {
    /// More than [`MAX_BODY_BYTES`].
    #[error("the request body exceeds {MAX_BODY_BYTES} bytes")]
    Exceed,
    /// The connection failed.
    #[error("failed to read the request body")]
    Read(#[source] axum::Error),
    /// The body did not end in time.
    #[error("the request body did not end within {} seconds", READ_TIMEOUT.as_secs())]
    Timeout,
}

/// The whole body.
///
/// # Errors
/// A body that is too large, too slow, or broken off. One over the limit is read on for a while and dropped, so that the sender gets to see
/// the answer.
pub async fn read(body: Body) -> Result<Bytes, BodyError> {
    use axum::body::HttpBody;

    let too_large = body.size_hint().lower() > MAX_BODY_BYTES as u64;
    let mut stream = body.into_data_stream();
    let reading = async {
        let collected = if too_large { Err(BodyError::Exceed) } else { collect(&mut stream).await };
        if matches!(collected, Err(BodyError::Exceed)) {
            // Whether the time is over or the body: the answer is the same.
            let _ = tokio::time::timeout(DISCARD_TIMEOUT, discard(&mut stream)).await;
        }
        collected
    };
    tokio::time::timeout(READ_TIMEOUT, reading).await.unwrap_or(Err(BodyError::Timeout))
}

/// Reads on for a while, keeping nothing: an answer given while the sender still writes is lost with the connection, and the sender
/// would see a broken pipe in place of the 413.
async fn discard(stream: &mut BodyDataStream) {
    let mut discarded = 0;
    while discarded < MAX_DISCARDED_BYTES {
        let Some(Ok(chunk)) = stream.next().await else { return };
        discarded += chunk.len();
    }
}

async fn collect(stream: &mut BodyDataStream) -> Result<Bytes, BodyError> {
    let mut buffer = BytesMut::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(BodyError::Read)?;
        if buffer.len() + chunk.len() > MAX_BODY_BYTES {
            return Err(BodyError::Exceed);
        }
        buffer.extend_from_slice(&chunk);
    }
    Ok(buffer.freeze())
}
