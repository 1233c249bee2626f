//! Charts in an OCI registry: versions are tags, an archive is a layer.
//!
//! Deliberately nothing of signatures: whoever verifies gets the client and the digest that was chosen.

use sluice_api::source::{HelmRepository, RegistryProvider};
use sluice_helm::tags;
use sluice_oci as oci;

use super::{ChooseError, Chosen, ConnectError, DownloadError, Place};
use crate::helmchart::Context;
use crate::helmrepository::remote::{self, Access, PrepareError};
use crate::source::registry::Registry;
use crate::source::secrets::{BadSecret, Secrets};

/// The key of a docker configuration in a Secret.
const DOCKER_CONFIG: &str = ".dockerconfigjson";
/// The media types of the layer that is a chart, the present one and that of old charts.
pub(super) const CHART_LAYERS: [&str; 2] =
    ["application/vnd.cncf.helm.chart.content.v1.tar+gzip", "application/tar+gzip"];
/// How Helm names itself to registries; some tell clients apart by it.
const USER_AGENT: &str = "flux/v2/helm/v4/oras/v2";

/// Repositories of a registry below a URL.
pub(crate) struct OciRepository {
    url: String,
    options: oci::ClientOptions,
}

impl OciRepository {
    /// What an object describes.
    pub(super) async fn connect(context: &Context, object: &HelmRepository) -> Result<Self, ConnectError> {
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
        Ok(Self { url, options })
    }

    /// What no object describes.
    pub(super) fn anonymous(url: &str) -> Self {
        let options = oci::ClientOptions { http: http_config(&Access::default()), ..oci::ClientOptions::default() };
        Self { url: url.to_owned(), options }
    }

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

    pub(super) async fn choose(&self, chart: &str, version: &str) -> Result<Chosen, ChooseError> {
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

    pub(super) async fn download<W>(
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

fn http_config(access: &Access) -> sluice_http_client::ClientConfig {
    sluice_http_client::ClientConfig { user_agent: USER_AGENT.to_owned(), ..access.client_config() }
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
