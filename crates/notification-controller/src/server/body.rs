//! Reading a request's body with a bound on its size and on the time it may take.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures::StreamExt;
use thiserror::Error;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Largest body of either server: 3 MiB, inclusive.
pub const MAX_BODY_BYTES: usize = 3 * 1024 * 1024;

/// Longest time for a body: a client that sends a byte a second does not hold a connection for good.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// How much of a body over the limit is read and dropped: the largest payload of a Git host (25 MiB at GitHub), rounded up.
const MAX_DISCARDED_BYTES: usize = 32 << 20;

/// How long that may take: a sender that announces much and sends nothing is not waited for.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(2);

/// Bodies up to this size are always read; the bound on connections bounds them all together.
const SMALL_BODY_BYTES: usize = 64 << 10;

/// What larger bodies may have together, beyond that, of both servers: some twenty of the largest.
const LARGE_BODIES_BYTES: usize = 64 << 20;

/// Room for larger bodies, taken when they become larger: a client that only announces one takes nothing.
static ROOM: Semaphore = Semaphore::const_new(LARGE_BODIES_BYTES);

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

    let hint = body.size_hint();
    let too_large = hint.lower() > MAX_BODY_BYTES as u64;
    let announced = hint.upper().and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(MAX_BODY_BYTES);
    let mut stream = body.into_data_stream();
    let reading = async {
        let collected = if too_large { Err(BodyError::Exceed) } else { collect(&mut stream, announced).await };
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

async fn collect(stream: &mut BodyDataStream, announced: usize) -> Result<Bytes, BodyError> {
    let mut body = Counted { bytes: Vec::new(), room: None };
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(BodyError::Read)?;
        let length = body.bytes.len() + chunk.len();
        if length > MAX_BODY_BYTES {
            return Err(BodyError::Exceed);
        }
        if length > SMALL_BODY_BYTES && body.room.is_none() {
            // All of it at once: bodies that each wait for the room of the others would never end.
            let room = u32::try_from(announced.saturating_sub(SMALL_BODY_BYTES)).unwrap_or(u32::MAX);
            body.room = Some(ROOM.acquire_many(room).await.map_err(|_| BodyError::Timeout)?);
        }
        body.bytes.extend_from_slice(&chunk);
    }
    Ok(Bytes::from_owner(body))
}

/// A body with the room that it takes, given back when nobody holds the body any more.
struct Counted {
    bytes: Vec<u8>,
    room: Option<SemaphorePermit<'static>>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
