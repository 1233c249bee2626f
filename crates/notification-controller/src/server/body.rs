//! Reading a request's body with a bound on its size and on the time it may take.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use thiserror::Error;

/// Largest body of either server: 3 MiB, inclusive.
pub const MAX_BODY_BYTES: usize = 3 * 1024 * 1024;

/// Longest time for a body: a client that sends a byte a second does not hold a connection for good.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

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
/// A body that is too large, too slow, or broken off. A declared length over the limit is refused before reading.
pub async fn read(body: Body) -> Result<Bytes, BodyError> {
    use axum::body::HttpBody;

    if body.size_hint().lower() > MAX_BODY_BYTES as u64 {
        return Err(BodyError::Exceed);
    }
    tokio::time::timeout(READ_TIMEOUT, collect(body)).await.unwrap_or(Err(BodyError::Timeout))
}

async fn collect(body: Body) -> Result<Bytes, BodyError> {
    let mut stream = body.into_data_stream();
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
