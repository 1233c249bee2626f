//! A repository of charts: which version is meant, and its archive. Over HTTP by an index, or in an OCI registry by tags.
//!
//! Deliberately no building, and nothing of signatures.

use std::fs::File;
use std::io::{self, Seek as _};
use std::sync::Arc;

use sluice_api::ArtifactSource as _;
use sluice_api::source::{HelmRepository, RegistryProvider};
use sluice_artifact::ArtifactPath;
use sluice_helm::index::Limits;
use sluice_helm::lookup::{self, DownloadUrlError, LookupError};
use sluice_helm::tags::{self, TagError};
use sluice_http_client::{FailureKind, HttpError, StatusCode};
use sluice_oci as oci;
use sluice_storage::{Storage, VerifyError};
use tokio::sync::Mutex;

use super::Context;
use crate::helmrepository;
use crate::helmrepository::remote::{self, Access, GetError, PrepareError, Remote};
use crate::source::registry::{AccessError, Registry};
use crate::source::secrets::{BadSecret, SecretError, Secrets};

/// The key of a docker configuration in a Secret.
const DOCKER_CONFIG: &str = ".dockerconfigjson";
/// The media types of the layer that is a chart, the present one and that of old charts.
const CHART_LAYERS: [&str; 2] = ["application/vnd.cncf.helm.chart.content.v1.tar+gzip", "application/tar+gzip"];
/// How Helm names itself to registries; some tell clients apart by it.
const USER_AGENT: &str = "flux/v2/helm/v4/oras/v2";

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

/// A chart version that was chosen.
#[derive(Clone, Debug)]
pub(crate) struct Chosen {
    pub(crate) name: String,
    pub(crate) version: String,
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    Url(String),
    /// The repository in the registry, and what the version's tag named when it was chosen.
    Registry(oci::Repository, oci::Digest),
}

/// A repository of charts.
pub(crate) enum Repository {
    /// With an index.
    Http(HttpRepository),
    /// In a registry.
    Oci(OciRepository),
}

/// A repository with an index.
pub(crate) struct HttpRepository {
    remote: Remote,
    storage: Arc<Storage>,
    index: Index,
    max_index_bytes: u64,
}

/// Where the index is.
enum Index {
    /// What the repository's object has published.
    Stored(ArtifactPath),
    /// With the repository; downloaded once.
    Remote(Mutex<Option<File>>),
}

/// Repositories of a registry below a URL.
pub(crate) struct OciRepository {
    url: String,
    options: oci::ClientOptions,
}

/// The repository that an object describes.
pub(crate) async fn connect(context: &Context, object: &HelmRepository) -> Result<Repository, ConnectError> {
    if helmrepository::is_oci(object) {
        return Ok(Repository::Oci(connect_oci(context, object).await?));
    }
    let remote = remote::prepare(&context.client, object).await?;
    let stored = object.artifact().and_then(|artifact| artifact.path.parse().ok());
    // Our own form of an index is larger than what most repositories serve, by its indentation.
    let (index, factor) = stored.map_or((Index::Remote(Mutex::default()), 1), |path| (Index::Stored(path), 2));
    let max_index_bytes = context.limits.index_bytes.saturating_mul(factor);
    Ok(Repository::Http(HttpRepository { remote, storage: Arc::clone(&context.storage), index, max_index_bytes }))
}

/// A repository that no object describes.
pub(crate) fn anonymous(context: &Context, normalised_url: &str) -> Result<Repository, ConnectError> {
    if normalised_url.starts_with("oci") {
        let options = oci::ClientOptions { http: http_config(&Access::default()), ..oci::ClientOptions::default() };
        return Ok(Repository::Oci(OciRepository { url: normalised_url.to_owned(), options }));
    }
    Ok(Repository::Http(HttpRepository {
        remote: Remote::anonymous(normalised_url)?,
        storage: Arc::clone(&context.storage),
        index: Index::Remote(Mutex::default()),
        max_index_bytes: context.limits.index_bytes,
    }))
}

fn http_config(access: &Access) -> sluice_http_client::ClientConfig {
    sluice_http_client::ClientConfig { user_agent: USER_AGENT.to_owned(), ..access.client_config() }
}

async fn connect_oci(context: &Context, object: &HelmRepository) -> Result<OciRepository, ConnectError> {
    let secrets = Secrets::of(&context.client, object);
    let provider = object.provider();
    let url = sluice_helm::urls::normalise(&object.spec.url)
        .map_err(|error| PrepareError::Url(remote::UrlFault::Malformed(error)))?;
    let access = Access { basic: None, tls: remote::tls(&secrets, object).await? };
    let security = if object.spec.insecure { oci::Security::Insecure } else { oci::Security::Verified };
    let options = oci::ClientOptions {
        http: http_config(&access),
        security,
        credentials: match &object.spec.secret_ref {
            Some(reference) => secret_credentials(&secrets, &reference.name, &url).await?,
            None => login(context, object, &provider).await?,
        },
        timeout: object.timeout(),
        ..oci::ClientOptions::default()
    };
    Ok(OciRepository { url, options })
}

/// The login at the provider, with the identity of the controller itself.
async fn login(
    context: &Context,
    object: &HelmRepository,
    provider: &RegistryProvider,
) -> Result<oci::Credentials, ConnectError> {
    if *provider == RegistryProvider::Generic {
        return Ok(oci::Credentials::Anonymous);
    }
    let registry = Registry {
        url: &object.spec.url,
        secret: None,
        service_account: None,
        certificates: None,
        proxy: None,
        provider,
        security: oci::Security::Verified,
        timeout: object.timeout(),
    };
    Ok(context.registries.options(object, &registry).await.map_err(ConnectError::Login)?.credentials)
}

/// User and password, or the entry of a docker configuration for the registry.
async fn secret_credentials(secrets: &Secrets, secret: &str, url: &str) -> Result<oci::Credentials, ConnectError> {
    let name = secrets.full_name(secret);
    let data = secrets.data(secret).await;
    let data = data.map_err(|source| ConnectError::AuthSecret { name: name.clone(), source })?;
    let Some(config) = data.get(DOCKER_CONFIG) else {
        let basic = remote::basic(&data, &name).map_err(ConnectError::Auth)?;
        return Ok(basic.map_or(oci::Credentials::Anonymous, |basic| {
            oci::Credentials::Fixed(oci::Credential::basic(basic.username, basic.password.expose()))
        }));
    };
    let mut keyring = oci::Keyring::default();
    keyring.add_config_json(config).map_err(|error| ConnectError::Auth(BadSecret::new(error.to_string())))?;
    let host = url.trim_start_matches("oci://").split('/').next().unwrap_or_default();
    let credential = keyring.for_host(host).ok_or_else(|| {
        let why = format!("no auth config for '{host}' in the docker-registry Secret '{secret}'");
        ConnectError::Auth(BadSecret::new(why))
    })?;
    Ok(oci::Credentials::Fixed(credential))
}

impl Repository {
    /// The version of a chart that `version` means.
    pub(crate) async fn choose(&self, chart: &str, version: &str) -> Result<Chosen, ChooseError> {
        match self {
            Self::Http(repository) => repository.choose(chart, version).await,
            Self::Oci(repository) => repository.choose(chart, version).await,
        }
    }

    /// The archive of a chosen version, of at most `max_bytes`, in a temporary file that is at its start.
    pub(crate) async fn download(&self, chosen: &Chosen, max_bytes: u64) -> Result<File, DownloadError> {
        let mut out = tokio::fs::File::from_std(tempfile::tempfile().map_err(DownloadError::File)?);
        match (self, &chosen.place) {
            (Self::Http(repository), Place::Url(url)) => repository.remote.get(url, max_bytes, &mut out).await?,
            (Self::Oci(repository), Place::Registry(name, digest)) => {
                repository.download((name, digest), max_bytes, &mut out).await?;
            }
            // A version is only ever downloaded from the repository that it was chosen in.
            (Self::Http(_), Place::Registry(..)) | (Self::Oci(_), Place::Url(_)) => {
                return Err(DownloadError::NoChartLayer);
            }
        }
        let mut file = out.into_std().await;
        file.rewind().map_err(DownloadError::File)?;
        Ok(file)
    }
}

impl HttpRepository {
    async fn choose(&self, chart: &str, version: &str) -> Result<Chosen, ChooseError> {
        let file = self.open_index().await?;
        let limits = Limits { bytes: self.max_index_bytes, ..Limits::DEFAULT };
        let (name, range) = (chart.to_owned(), version.to_owned());
        let look = move || lookup::find(io::BufReader::new(file), &name, &range, &limits);
        let found = tokio::task::spawn_blocking(look).await.map_err(|_| ChooseError::Abandoned)??;
        let url = found.download_url(self.remote.url())?;
        Ok(Chosen { name: found.name, version: found.version, place: Place::Url(url) })
    }

    async fn open_index(&self) -> Result<File, ChooseError> {
        match &self.index {
            Index::Stored(path) => self.storage.open(path).map_err(ChooseError::Stored),
            Index::Remote(downloaded) => {
                let mut downloaded = downloaded.lock().await;
                let file = match downloaded.take() {
                    Some(file) => file,
                    None => helmrepository::download(&self.remote, self.max_index_bytes).await?,
                };
                let mut copy = file.try_clone().map_err(ChooseError::File)?;
                copy.rewind().map_err(ChooseError::File)?;
                *downloaded = Some(file);
                Ok(copy)
            }
        }
    }
}

impl OciRepository {
    fn client(&self, repository: &oci::Repository) -> Result<oci::Client, oci::OciError> {
        oci::Client::new(repository.clone(), self.options.clone())
    }

    /// A client and the digest for a version chosen here.
    pub(crate) fn artifact<'c>(
        &self,
        chosen: &'c Chosen,
    ) -> Result<Option<(oci::Client, &'c oci::Digest)>, oci::OciError> {
        match &chosen.place {
            Place::Registry(repository, digest) => Ok(Some((self.client(repository)?, digest))),
            Place::Url(_) => Ok(None),
        }
    }

    async fn choose(&self, chart: &str, version: &str) -> Result<Chosen, ChooseError> {
        let repository = oci::Repository::parse_url(&tags::chart_url(&self.url, chart))?;
        let client = self.client(&repository)?;
        let version = if tags::is_concrete(version) {
            version.to_owned()
        } else {
            let found = client.tags().await?;
            tags::choose(chart, version, found.iter().map(oci::Tag::as_str))?
        };
        // Once: what is verified, what is pulled and what is published must be one thing.
        let digest = client.resolve(&tags::tag_of(&version).parse()?).await?;
        let name = chart.trim_matches('/').rsplit('/').next().unwrap_or(chart).to_owned();
        Ok(Chosen { name, version, place: Place::Registry(repository, digest) })
    }

    async fn download<W>(
        &self,
        (repository, digest): (&oci::Repository, &oci::Digest),
        max_bytes: u64,
        out: &mut W,
    ) -> Result<(), DownloadError>
    where
        W: tokio::io::AsyncWrite + Unpin + Send + ?Sized,
    {
        let client = self.client(repository)?;
        let image = client.image(digest, &oci::Platform::default()).await?;
        let layers = &image.manifest.layers;
        let chart = layers.iter().find(|layer| CHART_LAYERS.contains(&layer.media_type.as_str()));
        client.blob(chart.ok_or(DownloadError::NoChartLayer)?, max_bytes, out).await?;
        Ok(())
    }
}
