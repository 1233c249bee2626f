//! What can go wrong between a chart's name and its archive.
//!
//! Deliberately no verdict: what an error means for the object is said in one place for all phases.

use std::io;

use sluice_helm::lookup::{DownloadUrlError, LookupError};
use sluice_helm::tags::TagError;
use sluice_http_client::{FailureKind, HttpError, StatusCode};
use sluice_oci as oci;
use sluice_storage::VerifyError;

use super::registry::CHART_LAYERS;
use crate::helmrepository;
use crate::helmrepository::remote::{GetError, PrepareError};
use crate::source::registry::AccessError;
use crate::source::secrets::{BadSecret, SecretError};

/// Why there is no repository to talk to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// Its Secrets or URL cannot be used.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The Secret with the registry's credentials cannot be read.
    #[error("failed to get authentication secret '{name}'")]
    AuthSecret {
        name: String,
        #[source]
        source: SecretError,
    },
    /// The Secret's data make no credentials.
    #[error("failed to configure authentication options")]
    Auth(#[source] BadSecret),
    /// There is no login at the provider.
    #[error(transparent)]
    Login(AccessError),
}

/// Why no version was found.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChooseError {
    /// The index does not have it, or cannot be used.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The entry has no address.
    #[error(transparent)]
    Url(#[from] DownloadUrlError),
    /// The index cannot be downloaded.
    #[error(transparent)]
    Fetch(#[from] helmrepository::FetchFailed),
    /// The stored index is gone.
    #[error("failed to load index")]
    Stored(#[source] VerifyError),
    /// The index cannot be read again.
    #[error("failed to load index")]
    File(#[source] io::Error),
    /// The registry did not answer as it should.
    #[error(transparent)]
    Registry(#[from] oci::OciError),
    /// The chart's name makes no repository of a registry.
    #[error(transparent)]
    Reference(#[from] oci::ReferenceError),
    /// No tag is meant.
    #[error(transparent)]
    Tags(#[from] TagError),
    /// The process ends.
    #[error("the work was abandoned")]
    Abandoned,
}

impl ChooseError {
    /// Whether the chart reference is at fault, so that trying again cannot help. Tags come and go.
    pub(crate) fn is_reference_fault(&self) -> bool {
        match self {
            Self::Lookup(error) => error.is_reference_fault(),
            Self::Url(_) => true,
            Self::Fetch(_)
            | Self::Stored(_)
            | Self::File(_)
            | Self::Registry(_)
            | Self::Reference(_)
            | Self::Tags(_)
            | Self::Abandoned => false,
        }
    }

    /// Whether the registry refused the login, or is not trusted.
    pub(crate) fn is_unauthorized(&self) -> bool {
        matches!(self, Self::Registry(error) if is_unauthorized_at_registry(error))
    }
}

/// Why there is no archive.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DownloadError {
    /// The repository did not give it.
    #[error(transparent)]
    Get(#[from] GetError),
    /// The registry did not give it.
    #[error(transparent)]
    Registry(#[from] oci::OciError),
    /// What the tag names is no chart.
    #[error("manifest does not contain a layer with mediatype {}", CHART_LAYERS[0])]
    NoChartLayer,
    /// There is no temporary file.
    #[error("failed to create temporary file")]
    File(#[source] io::Error),
}

impl DownloadError {
    /// Whether the repository refused the login, or is not trusted.
    pub(crate) fn is_unauthorized(&self) -> bool {
        match self {
            Self::Get(GetError::Http(error)) => is_unauthorized(error),
            Self::Registry(error) => is_unauthorized_at_registry(error),
            Self::Get(_) | Self::NoChartLayer | Self::File(_) => false,
        }
    }
}

fn is_unauthorized(error: &HttpError) -> bool {
    error.kind() == Some(FailureKind::Tls) || error.status() == Some(StatusCode::UNAUTHORIZED)
}

fn is_unauthorized_at_registry(error: &oci::OciError) -> bool {
    match error {
        oci::OciError::Unauthorized(_) => true,
        oci::OciError::Http(error) => is_unauthorized(error),
        _ => false,
    }
}
