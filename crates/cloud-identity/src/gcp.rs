//! Google Cloud: tokens for a service account's key, for the machine, and for a Kubernetes `ServiceAccount`; and logins to its registries.
//!
//! Deliberately no user credentials, no external executables and no AWS source in external accounts.

mod default;
mod exchange;
pub mod gke;
mod key;
mod metadata;
mod service_account;
#[cfg(test)]
mod tests;

pub use default::DefaultCredential;
pub use exchange::{Exchanger, ExternalAccount, SubjectSource, SubjectToken};
pub use key::ServiceAccountKey;
pub use metadata::{GkeCluster, METADATA_HOST, MetadataServer};
pub use service_account::{ServiceAccountIdentity, WorkloadIdentityProvider};

use crate::credential::{AccessToken, RegistryLogin};
use crate::environment::FileError;
use crate::jwt::KeyError;
use crate::transport::ExchangeError;

/// The annotation of a `ServiceAccount` with the service account of Google that it may act as.
pub const SERVICE_ACCOUNT_ANNOTATION: &str = "iam.gke.io/gcp-service-account";

/// The annotation of a `ServiceAccount` outside GKE with the provider that trusts its cluster.
pub const WORKLOAD_IDENTITY_PROVIDER_ANNOTATION: &str = "gcp.auth.fluxcd.io/workload-identity-provider";

/// What tokens are for, unless the caller says otherwise.
pub const SCOPES: [&str; 2] =
    ["https://www.googleapis.com/auth/cloud-platform", "https://www.googleapis.com/auth/userinfo.email"];

/// A token or a login that could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GcpError {
    /// The exchange failed.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// The request could not be built.
    #[error(transparent)]
    Request(#[from] sluice_http_client::HttpError),
    /// A file of the environment cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The credentials are not JSON of a known type.
    #[error("invalid Google credentials: {0}")]
    Credentials(&'static str),
    /// The key in the credentials cannot be used.
    #[error("invalid Google credentials")]
    Key(#[from] KeyError),
    /// The metadata server's place is not one.
    #[error("GCE_METADATA_HOST is not a host")]
    MetadataHost,
    /// The cluster could not be learnt.
    #[error("failed to get GKE cluster {what} from the metadata service")]
    GkeMetadata {
        /// Which part of its name.
        what: &'static str,
        /// Why.
        #[source]
        source: Box<GcpError>,
    },
    /// The annotation is not the e-mail address of a service account.
    #[error(
        "invalid {SERVICE_ACCOUNT_ANNOTATION} annotation: '{0}'. must match <name>@<project>.iam.gserviceaccount.com"
    )]
    ServiceAccount(String),
    /// The annotation is not the name of a provider.
    #[error(
        "invalid {WORKLOAD_IDENTITY_PROVIDER_ANNOTATION} annotation: '{0}'. must match \
         projects/<number>/locations/global/workloadIdentityPools/<pool>/providers/<provider>"
    )]
    Provider(String),
    /// The cluster's name is not one.
    #[error("invalid GKE cluster ID: '{0}'. must match projects/<project>/locations/<location>/clusters/<name>")]
    ClusterId(String),
    /// The registry is not one of Google's.
    #[error("invalid GCP registry: '{0}'. must be gcr.io, <region>.gcr.io or <region>-docker.pkg.dev")]
    Registry(String),
}

/// Whether a host is a registry of Google. Source: Google's documentation, and the registry of its sovereign cloud in France.
///
/// # Errors
/// [`GcpError::Registry`].
pub fn check_registry(host: &str) -> Result<(), GcpError> {
    let ends = |suffix: &str| host.strip_suffix(suffix).is_some_and(|name| !name.is_empty());
    if host == "gcr.io" || host == "docker.s3nsregistry.fr" || ends(".gcr.io") || ends("-docker.pkg.dev") {
        return Ok(());
    }
    Err(GcpError::Registry(host.chars().take(256).collect()))
}

/// A login by a token. Registries take it as it is.
pub fn registry_login(token: &AccessToken) -> RegistryLogin {
    RegistryLogin {
        username: "oauth2accesstoken".to_owned(),
        password: token.token.clone(),
        expires_at: token.expires_at,
    }
}

/// `error: description` of the token services, or the message of the other ones.
pub(crate) fn refusal(bytes: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Error {
        Code(String),
        Status { status: Option<String>, message: Option<String> },
    }
    #[derive(serde::Deserialize)]
    struct Refusal {
        error: Error,
        error_description: Option<String>,
    }
    let Refusal { error, error_description } = serde_json::from_slice(bytes).ok()?;
    let (code, message) = match error {
        Error::Code(code) => (Some(code), error_description),
        Error::Status { status, message } => (status, message),
    };
    let words: Vec<String> = [code, message].into_iter().flatten().filter(|text| !text.is_empty()).collect();
    (!words.is_empty()).then(|| words.join(": "))
}

/// `access_token` and `expires_in`, as all token services and the metadata server answer.
pub(crate) fn parse_token(bytes: &[u8], now: jiff::Timestamp) -> Result<AccessToken, &'static str> {
    #[derive(serde::Deserialize)]
    struct Answer {
        access_token: Option<String>,
        expires_in: Option<i64>,
    }
    let answer: Answer = serde_json::from_slice(bytes).map_err(|_| "not the JSON of a token")?;
    let token = answer.access_token.filter(|token| !token.is_empty()).ok_or("no access token")?;
    let expires_at = crate::credential::after(now, answer.expires_in.ok_or("no expiration")?);
    Ok(AccessToken { token: sluice_http_client::Secret::new(token), expires_at })
}
