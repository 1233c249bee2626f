//! Phase: the spec, its Secrets and its identity become a store to ask.
//!
//! Deliberately sends nothing to the store; what it asks are the API server and whoever hands out credentials.

use kube::Client;
use sluice_api::source::{Bucket, BucketProvider};
use sluice_bucket::{
    AzureSettings, BucketName, GcsSettings, NameError, OperationError, S3Settings, Scheme, SecretData, Store,
    StoreError, gcs_secret, s3_secret,
};
use sluice_cloud_identity::aws::AwsError;
use sluice_cloud_identity::azure::AzureError;
use sluice_cloud_identity::gcp::GcpError;
use sluice_cloud_identity::{Environment, IdentityError};
use sluice_http_client::{ClientConfig, Proxy, Secret, Url};
use tokio::time::Instant;

use super::credentials;
use super::sts::{self, StsError};
use crate::source::identity::{GateDisabled, Identities, ObjectIdentityError};
use crate::source::secrets::{self, BadSecret, SecretError, Secrets, TlsMaterial};

/// Where Google's own libraries look for a service that stands in for theirs.
const GCS_EMULATOR: &str = "STORAGE_EMULATOR_HOST";

/// A Secret cannot be read, or its data make nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretFailed {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] SecretError),
    /// Its data are not what they should be.
    #[error(transparent)]
    Data(#[from] BadSecret),
    /// It lacks what credentials need.
    #[error(transparent)]
    Fields(#[from] sluice_bucket::SecretError),
}

/// Credentials could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CredentialError {
    /// It cannot be said who the object is.
    #[error(transparent)]
    Object(#[from] ObjectIdentityError),
    /// Its identity gave none.
    #[error(transparent)]
    Identity(Box<IdentityError>),
    /// AWS.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// Azure, with what the Secret has.
    #[error(transparent)]
    Azure(#[from] AzureError),
    /// A certificate that may be one, but not in a form that is read.
    #[error("a client certificate with a password is not supported: give it and its key as PEM without encryption")]
    EncryptedCertificate(#[source] AzureError),
    /// Google, with what the Secret has.
    #[error(transparent)]
    Gcp(#[from] GcpError),
}

impl From<IdentityError> for CredentialError {
    fn from(error: IdentityError) -> Self {
        Self::Identity(Box::new(error))
    }
}

/// Why there is no store.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccessError {
    /// The object names a service account, and the gate is off.
    #[error(transparent)]
    Gate(#[from] GateDisabled),
    /// `spec.sts` cannot be used.
    #[error(transparent)]
    Sts(#[from] StsError),
    /// The Secret with the credentials.
    #[error(transparent)]
    Secret(SecretFailed),
    /// The Secret with the credentials for the token service.
    #[error("failed to get STS secret")]
    StsSecret(#[source] SecretFailed),
    /// The proxy.
    #[error("failed to get proxy URL")]
    Proxy(#[source] SecretFailed),
    /// The certificates.
    #[error("failed to get TLS config")]
    Tls(#[source] SecretFailed),
    /// The certificates of the token service.
    #[error("failed to get STS TLS config")]
    StsTls(#[source] SecretFailed),
    /// The bucket's name is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The endpoint that the environment names for Google is none.
    #[error("failed to parse {GCS_EMULATOR}")]
    Emulator(#[source] url::ParseError),
    /// There are no credentials.
    #[error(transparent)]
    Credentials(#[from] CredentialError),
    /// The token service of the store gave none, which is told as the first request that would have needed them.
    #[error(transparent)]
    Operation(#[from] OperationError),
    /// No client can be made of it.
    #[error(transparent)]
    Client(#[from] StoreError),
}

/// What the phase works with.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) client: &'a Client,
    pub(super) identities: &'a Identities,
    pub(super) object: &'a Bucket,
}

/// A Secret with credentials.
pub(super) struct NamedSecret {
    pub(super) name: String,
    pub(super) data: SecretData,
}

/// Makes the store of the object. Everything that it names is read now. `deadline` is for the token service of an S3 store.
pub(super) async fn open(context: Context<'_>, deadline: Instant) -> Result<Store, AccessError> {
    let spec = &context.object.spec;
    context.identities.check(spec.service_account_name.as_deref())?;
    let sts = sts::endpoint(context.object)?;
    let bucket = BucketName::new(&spec.bucket_name)?;
    let secrets = Secrets::of(context.client, context.object);
    let secret = match &spec.secret_ref {
        None => None,
        Some(reference) => {
            let data = secrets.data(&reference.name).await.map_err(|error| AccessError::Secret(error.into()))?;
            Some(NamedSecret { name: reference.name.clone(), data })
        }
    };
    let proxy = match &spec.proxy_secret_ref {
        Some(reference) => proxy(&secrets, &reference.name).await.map_err(AccessError::Proxy)?,
        None => Proxy::Environment,
    };
    let http = ClientConfig { proxy, ..ClientConfig::default() };
    match context.object.provider() {
        BucketProvider::Gcp => gcs(context, bucket, secret, &http).await,
        BucketProvider::Azure => azure(context, bucket, secret, &http).await,
        BucketProvider::Generic | BucketProvider::Aws | BucketProvider::Other(_) => {
            let credentials = S3Credentials { secrets: &secrets, secret, sts, deadline };
            s3(context, bucket, credentials, &http).await
        }
    }
}

/// Where the credentials of an S3 store come from.
struct S3Credentials<'a> {
    secrets: &'a Secrets,
    secret: Option<NamedSecret>,
    sts: Option<Url>,
    deadline: Instant,
}

async fn s3(
    context: Context<'_>,
    bucket: BucketName,
    from: S3Credentials<'_>,
    http: &ClientConfig,
) -> Result<Store, AccessError> {
    let spec = &context.object.spec;
    let scheme = if spec.insecure { Scheme::Http } else { Scheme::Https };
    let mut store_http = http.clone();
    if let (Some(reference), Scheme::Https) = (&spec.cert_secret_ref, scheme) {
        let TlsMaterial { roots, identity } = tls(from.secrets, &reference.name).await.map_err(AccessError::Tls)?;
        (store_http.roots, store_http.identity) = (roots, identity);
    }
    let credentials = match (from.secret, context.object.provider(), from.sts) {
        (Some(secret), _, _) => {
            s3_secret(&secret.name, &secret.data).map_err(|error| AccessError::Secret(error.into()))?
        }
        (None, BucketProvider::Aws, sts) => Some(credentials::aws(context, sts.as_ref(), http).await?),
        (None, _, Some(endpoint)) => {
            let service = credentials::TokenService { secrets: from.secrets, bucket: &bucket, endpoint: &endpoint };
            Some(credentials::ldap(context.object, service, http, from.deadline).await?)
        }
        (None, _, None) => None,
    };
    let region = spec.region.clone().unwrap_or_default();
    let settings = S3Settings { endpoint: spec.endpoint.clone(), scheme, region, bucket, credentials };
    Ok(Store::s3(settings, &store_http)?)
}

async fn gcs(
    context: Context<'_>,
    bucket: BucketName,
    secret: Option<NamedSecret>,
    http: &ClientConfig,
) -> Result<Store, AccessError> {
    let endpoint = gcs_endpoint(&context.identities.platform().environment).map_err(AccessError::Emulator)?;
    let key = match secret {
        Some(secret) => {
            Some(gcs_secret(&secret.name, &secret.data).map_err(|error| AccessError::Secret(error.into()))?)
        }
        None => None,
    };
    let auth = credentials::gcp(context, key.as_ref(), http).await?;
    Ok(Store::gcs(GcsSettings { endpoint, bucket, auth }, http)?)
}

/// Google's service, or what the controller's environment names in its place, as for Google's own libraries.
fn gcs_endpoint(environment: &Environment) -> Result<Url, url::ParseError> {
    match environment.get(GCS_EMULATOR) {
        None => GcsSettings::ENDPOINT.parse(),
        Some(text) if text.contains("://") => text.parse(),
        Some(host) => format!("http://{host}").parse(),
    }
}

async fn azure(
    context: Context<'_>,
    container: BucketName,
    secret: Option<NamedSecret>,
    http: &ClientConfig,
) -> Result<Store, AccessError> {
    let auth = credentials::azure(context, secret.as_ref(), http).await?;
    let endpoint = Secret::new(context.object.spec.endpoint.clone());
    Ok(Store::azure(AzureSettings { endpoint, container, auth }, http)?)
}

async fn proxy(secrets: &Secrets, name: &str) -> Result<Proxy, SecretFailed> {
    Ok(secrets::proxy(&secrets.data(name).await?)?)
}

/// Roots and client certificate of a Secret.
pub(super) async fn tls(secrets: &Secrets, name: &str) -> Result<TlsMaterial, SecretFailed> {
    Ok(secrets::tls(&secrets.data(name).await?, &secrets.full_name(name))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn googles_service_is_googles_unless_the_environment_names_another() {
        let with = |value: Option<&str>| {
            let environment = value.map(|value| (GCS_EMULATOR, value)).into_iter().collect();
            gcs_endpoint(&environment).map(String::from).expect("a URL")
        };
        assert_eq!(with(None), "https://storage.googleapis.com/");
        assert_eq!(with(Some("127.0.0.1:4443")), "http://127.0.0.1:4443/");
        assert_eq!(with(Some("https://gcs.test")), "https://gcs.test/");
    }
}
