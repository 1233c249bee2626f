//! The managed identity of the node, from its metadata service.
//!
//! Deliberately only the service of virtual machines, which AKS nodes are: App Service, Arc and Service Fabric have others.

use jiff::Timestamp;
use serde::Deserialize;
use sluice_http_client::{HeaderName, Request, Url};

use super::{AzureError, token_service};
use crate::credential::AccessToken;
use crate::environment::Environment;
use crate::transport::{Exchange, Transport};

/// Where the service is.
pub const INSTANCE_METADATA: &str = "http://169.254.169.254";

const METADATA: HeaderName = HeaderName::from_static("metadata");

/// The service's place: the environment's, or the usual one.
pub(super) fn endpoint(environment: &Environment) -> Result<Url, AzureError> {
    let text = environment.get("AZURE_POD_IDENTITY_AUTHORITY_HOST").unwrap_or(INSTANCE_METADATA);
    Url::parse(text).map_err(|_| AzureError::MetadataUrl)
}

/// A token for the identity with this client id; for the only one, if `None`.
pub(super) async fn token(
    transport: &Transport,
    (endpoint, client_id): (&Url, Option<&str>),
    (scope, now): (&str, Timestamp),
) -> Result<AccessToken, AzureError> {
    let mut url = endpoint.clone();
    url.set_path("/metadata/identity/oauth2/token");
    // The service speaks the older protocol, of resources.
    let resource = scope.strip_suffix("/.default").unwrap_or(scope);
    url.query_pairs_mut().append_pair("api-version", "2018-02-01").append_pair("resource", resource);
    if let Some(client_id) = client_id {
        url.query_pairs_mut().append_pair("client_id", client_id);
    }
    let request = Request::get(url).header(METADATA, "true")?;
    let exchange = Exchange::local("the Azure instance metadata service", request);
    Ok(exchange.run(transport, |bytes| token_service::parse(bytes, now), refusal).await?)
}

/// `error: description`: here the description alone says little.
fn refusal(bytes: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Refusal {
        error: Option<String>,
        error_description: Option<String>,
    }
    let Refusal { error, error_description } = serde_json::from_slice(bytes).ok()?;
    let words: Vec<String> = [error, error_description].into_iter().flatten().filter(|text| !text.is_empty()).collect();
    (!words.is_empty()).then(|| words.join(": "))
}
