//! Phase: the spec and its Secrets become a client of the repository.
//!
//! Deliberately sends nothing to the registry.

use sluice_api::source::OCIRepository;
use sluice_oci::{Client, OciError, ReferenceError, Repository, Security};

use crate::source::registry::{AccessError, Registries, Registry};

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PrepareError {
    /// Something that the spec names cannot be had.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// `spec.url` is no repository's.
    #[error("URL validation failed for '{url}'")]
    Url {
        url: String,
        #[source]
        source: ReferenceError,
    },
    /// Certificates, key or proxy are unusable.
    #[error("failed to generate transport for '{url}'")]
    Client {
        url: String,
        #[source]
        source: OciError,
    },
}

/// Reads what the spec names and makes the client of the object's repository.
pub(crate) async fn prepare(registries: &Registries, object: &OCIRepository) -> Result<Client, PrepareError> {
    let spec = &object.spec;
    let provider = object.provider();
    let registry = Registry {
        url: &spec.url,
        secret: spec.secret_ref.as_ref().map(|reference| reference.name.as_str()),
        service_account: spec.service_account_name.as_deref().filter(|name| !name.is_empty()),
        certificates: spec.cert_secret_ref.as_ref().map(|reference| reference.name.as_str()),
        proxy: spec.proxy_secret_ref.as_ref().map(|reference| reference.name.as_str()),
        provider: &provider,
        security: if spec.insecure { Security::Insecure } else { Security::Verified },
        timeout: object.timeout(),
    };
    let options = registries.options(object, &registry).await?;
    let url = || spec.url.clone();
    let repository = Repository::parse_url(&spec.url).map_err(|source| PrepareError::Url { url: url(), source })?;
    Client::new(repository, options).map_err(|source| PrepareError::Client { url: url(), source })
}
