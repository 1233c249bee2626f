//! Blobs: content streamed to a writer, verified on the way.
//!
//! Deliberately no unpacking: what is written is to be trusted only after the whole of it has been verified.

use bytes::Bytes;
use sluice_artifact::Hasher;
use sluice_http_client::{FailureKind, Response, StatusCode, header};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use crate::session::Ask;
use crate::{Client, Descriptor, OciError};

impl Client {
    /// Writes a blob as it comes, and verifies size and digest. A transfer that breaks off is resumed where the registry can do that.
    ///
    /// After an error `writer` may have any part of the content, and none of it is verified.
    ///
    /// # Errors
    /// [`OciError::TooLarge`] before anything is sent, [`OciError::DigestMismatch`], [`OciError::SizeMismatch`], [`OciError::Write`], and
    /// the others.
    pub async fn blob<W>(&self, descriptor: &Descriptor, max_bytes: u64, writer: &mut W) -> Result<(), OciError>
    where
        W: AsyncWrite + Unpin + Send + ?Sized,
    {
        let what = self.repository().at(descriptor.digest).to_string();
        if descriptor.size > max_bytes {
            return Err(OciError::TooLarge { what, size: descriptor.size, limit: max_bytes });
        }
        self.within(&format!("get {what}"), self.transfer(descriptor, &what, writer)).await
    }

    /// A blob in memory, verified: for what is small.
    ///
    /// # Errors
    /// As [`Client::blob`].
    pub async fn blob_bytes(&self, descriptor: &Descriptor, max_bytes: u64) -> Result<Bytes, OciError> {
        let mut bytes = Vec::new();
        self.blob(descriptor, max_bytes, &mut bytes).await?;
        Ok(bytes.into())
    }

    async fn transfer<W>(&self, descriptor: &Descriptor, what: &str, writer: &mut W) -> Result<(), OciError>
    where
        W: AsyncWrite + Unpin + Send + ?Sized,
    {
        let mut progress = Progress { hasher: descriptor.digest.algorithm().hasher(), received: 0 };
        let mut attempt = 1;
        loop {
            let ask = Ask { from: progress.received, ..Ask::get(format!("blobs/{}", descriptor.digest)) };
            let response = self.session.send(&ask).await?;
            if progress.received > 0 && !resumes_at(&response, progress.received) {
                let actual = progress.received;
                return Err(OciError::SizeMismatch { what: what.to_owned(), expected: descriptor.size, actual });
            }
            match progress.copy(response, descriptor.size, what, writer).await {
                Err(OciError::Http(error))
                    if error.kind() == Some(FailureKind::Interrupted) && attempt < self.session.attempts() =>
                {
                    attempt += 1;
                }
                Err(error) => return Err(error),
                Ok(()) => break,
            }
        }
        writer.flush().await.map_err(|source| OciError::Write { what: what.to_owned(), source })?;
        if progress.received != descriptor.size {
            let actual = progress.received;
            return Err(OciError::SizeMismatch { what: what.to_owned(), expected: descriptor.size, actual });
        }
        let (expected, actual) = (descriptor.digest, progress.hasher.finish());
        if actual == expected {
            Ok(())
        } else {
            let (expected, actual) = (expected.to_string(), actual.to_string());
            Err(OciError::DigestMismatch { what: what.to_owned(), expected, actual })
        }
    }
}

/// What has been written so far.
struct Progress {
    hasher: Hasher,
    received: u64,
}

impl Progress {
    async fn copy<W>(&mut self, response: Response, size: u64, what: &str, writer: &mut W) -> Result<(), OciError>
    where
        W: AsyncWrite + Unpin + Send + ?Sized,
    {
        // A longer body is not merely too large for somebody: it is content that does not fit its descriptor.
        let mut body = match response.into_body(size - self.received) {
            Ok(body) => body,
            Err(sluice_http_client::HttpError::TooLarge { .. }) => return Err(longer(what, size)),
            Err(error) => return Err(error.into()),
        };
        loop {
            let chunk = match body.chunk().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => return Ok(()),
                Err(sluice_http_client::HttpError::TooLarge { .. }) => return Err(longer(what, size)),
                Err(error) => return Err(error.into()),
            };
            self.hasher.update(&chunk);
            self.received += chunk.len() as u64;
            writer.write_all(&chunk).await.map_err(|source| OciError::Write { what: what.to_owned(), source })?;
        }
    }
}

fn longer(what: &str, size: u64) -> OciError {
    OciError::SizeMismatch { what: what.to_owned(), expected: size, actual: size.saturating_add(1) }
}

/// Whether this is the rest of a blob from byte `from` on.
fn resumes_at(response: &Response, from: u64) -> bool {
    let range = response.headers().get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    response.status() == StatusCode::PARTIAL_CONTENT && range.starts_with(&format!("bytes {from}-"))
}
