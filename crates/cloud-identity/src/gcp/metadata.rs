//! The metadata server of Google's machines: the token of the machine's (or, on GKE, the pod's) identity, and the name of the cluster.
//!
//! Deliberately never through a proxy.

use jiff::Timestamp;
use sluice_http_client::{HeaderName, Request, Url};

use super::{GcpError, parse_token};
use crate::credential::AccessToken;
use crate::environment::Environment;
use crate::transport::{Exchange, Transport};

/// Where the server is.
pub const METADATA_HOST: &str = "169.254.169.254";

const ISSUER: &str = "the Google metadata service";
const FLAVOR: HeaderName = HeaderName::from_static("metadata-flavor");
/// The longest name of a project, location or cluster.
const MAX_NAME_BYTES: usize = 200;

/// The metadata server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataServer(Url);

impl MetadataServer {
    /// At the host that the environment names (`GCE_METADATA_HOST`, with or without a port), else at the usual one.
    ///
    /// # Errors
    /// [`GcpError::MetadataHost`].
    pub fn of_environment(environment: &Environment) -> Result<Self, GcpError> {
        let host = environment.get("GCE_METADATA_HOST").unwrap_or(METADATA_HOST);
        let url = Url::parse(&format!("http://{host}")).ok().filter(|url| url.path() == "/" && url.query().is_none());
        url.map(Self).ok_or(GcpError::MetadataHost)
    }

    fn get(&self, path: &str) -> Result<Exchange, GcpError> {
        let mut url = self.0.clone();
        url.set_path(&format!("/computeMetadata/v1/{path}"));
        // The header proves that nobody was talked into this request by a link.
        Ok(Exchange::local(ISSUER, Request::get(url).header(FLAVOR, "Google")?))
    }

    /// The token of the identity of whoever asks.
    ///
    /// # Errors
    /// [`GcpError::Exchange`] or [`GcpError::Request`].
    pub async fn token(&self, transport: &Transport, scopes: &[&str], now: Timestamp) -> Result<AccessToken, GcpError> {
        let mut url = self.0.clone();
        url.set_path("/computeMetadata/v1/instance/service-accounts/default/token");
        if !scopes.is_empty() {
            url.query_pairs_mut().append_pair("scopes", &scopes.join(","));
        }
        let exchange = Exchange::local(ISSUER, Request::get(url).header(FLAVOR, "Google")?);
        Ok(exchange.run(transport, |bytes| parse_token(bytes, now), |_| None).await?)
    }

    /// The cluster that this runs in. It does not change while a pod lives, so ask once.
    ///
    /// # Errors
    /// [`GcpError::GkeMetadata`].
    pub async fn cluster(&self, transport: &Transport) -> Result<GkeCluster, GcpError> {
        let ask = async |what: &'static str, path: &str| {
            let text = match self.get(path) {
                Ok(exchange) => exchange.run(transport, name, |_| None).await.map_err(GcpError::from),
                Err(error) => Err(error),
            };
            text.map_err(|source| GcpError::GkeMetadata { what, source: Box::new(source) })
        };
        Ok(GkeCluster {
            project: ask("project ID", "project/project-id").await?,
            location: ask("location", "instance/attributes/cluster-location").await?,
            name: ask("name", "instance/attributes/cluster-name").await?,
        })
    }
}

/// A name, which becomes part of an audience.
fn name(bytes: &[u8]) -> Result<String, &'static str> {
    let text = std::str::from_utf8(bytes).map_err(|_| "not UTF-8")?.trim();
    let fine = text.len() <= MAX_NAME_BYTES
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte));
    match (text.is_empty(), fine) {
        (true, _) => Err("empty value"),
        (false, true) => Ok(text.to_owned()),
        (false, false) => Err("not a name"),
    }
}

/// A cluster of GKE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GkeCluster {
    /// Its project.
    pub project: String,
    /// Its region or zone.
    pub location: String,
    /// Its name.
    pub name: String,
}

impl GkeCluster {
    /// The pool of the project's identities: the audience of a `ServiceAccount`'s token.
    pub fn pool(&self) -> String {
        format!("{}.svc.id.goog", self.project)
    }

    /// What the token service takes such a token for.
    pub fn audience(&self) -> String {
        let Self { project, location, name } = self;
        format!(
            "identitynamespace:{}:https://container.googleapis.com/v1/projects/{project}/locations/{location}/clusters/{name}",
            self.pool()
        )
    }
}
