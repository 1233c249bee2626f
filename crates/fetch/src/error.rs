//! Why an artifact is not to be had. Errors are shared by all who waited for the same download, so they can be cloned.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use sluice_archive::UnpackError;
use sluice_artifact::{Algorithm, Digest, DigestError};
use sluice_http_client::HttpError;
use thiserror::Error;

/// Why an artifact could not be fetched.
#[derive(Debug, Clone, Error)]
pub enum FetchError {
    /// The URL is none.
    #[error("invalid artifact URL")]
    ParseUrl(#[source] url::ParseError),
    /// The URL cannot be fetched over HTTP.
    #[error("artifact URL has scheme '{scheme}', expected http or https")]
    Scheme {
        /// The scheme.
        scheme: String,
    },
    /// The host to use instead of the URL's is none.
    #[error("invalid host override '{host}'")]
    HostOverride {
        /// The override as given.
        host: String,
    },
    /// The digest is absent or malformed.
    #[error(transparent)]
    ParseDigest(#[from] DigestError),
    /// The digest does not protect: it can be forged.
    #[error("unsupported digest algorithm: {algorithm}")]
    WeakDigest {
        /// The algorithm.
        algorithm: Algorithm,
    },
    /// The server has no such artifact (404): the source has moved on, or its storage was lost.
    #[error("artifact not found")]
    NotFound,
    /// The download failed.
    #[error("failed to download archive")]
    Download(#[source] Arc<HttpError>),
    /// The download took too long or stood still.
    #[error("failed to download archive: {what} within {seconds}s")]
    Timeout {
        /// What did not happen.
        what: &'static str,
        /// The bound.
        seconds: u64,
    },
    /// What was downloaded is not what was promised.
    #[error(
        "failed to verify archive: computed digest doesn't match provided '{digest}' (check whether file size exceeds max download size)"
    )]
    VerifyDigest {
        /// The promised digest.
        digest: Digest,
    },
    /// The archive is refused.
    #[error("failed to unpack archive")]
    Unpack(#[source] Arc<UnpackError>),
    /// The disk does not do what it should.
    #[error("failed to store artifact")]
    Store(#[source] Arc<io::Error>),
    /// Unpacking ended without a result: it panicked, or the process is shutting down.
    #[error("unpacking was aborted")]
    Aborted,
}

impl FetchError {
    pub(crate) fn download(error: HttpError) -> Self {
        match error.status() {
            Some(status) if status.as_u16() == 404 => Self::NotFound,
            _ => Self::Download(Arc::new(error)),
        }
    }

    pub(crate) fn store(error: io::Error) -> Self {
        Self::Store(Arc::new(error))
    }
}

/// Why a cache directory could not be taken into use.
#[derive(Debug, Error)]
pub enum OpenError {
    /// It could not be created, read or cleaned.
    #[error("failed to prepare artifact directory {}", path.display())]
    Prepare {
        /// The directory or what is in it.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Another process uses it. Its trees would look like leftovers.
    #[error("artifact directory {} is in use by another process", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
}
