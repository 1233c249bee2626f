//! Credentials from a service beside the container: EKS Pod Identity's agent, ECS' agent.
//!
//! Deliberately only at addresses that such an agent can have.

use std::net::IpAddr;

use sluice_http_client::{Request, Secret, Url, header};
use url::Host;

use super::AwsError;
use super::credentials::{at, parse, refusal};
use crate::environment::{Environment, Files, read_secret};
use crate::sigv4::AwsCredentials;
use crate::transport::{Exchange, Transport};

const RELATIVE: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const FULL: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";

/// Where ECS' agent is.
const ECS_AGENT: &str = "http://169.254.170.2";
/// The addresses at which plain http is spoken, beside loopback: ECS' agent, EKS Pod Identity's in both families. Anything else could be
/// a machine on the way, or the authorization token would leave the node in the clear.
const AGENTS: [&str; 3] = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"];

/// Where the agent is, and what it wants to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerEndpoint {
    url: Url,
    authorization: Authorization,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Authorization {
    None,
    Token(Secret<String>),
    /// Read at each exchange, for the token in it is rotated.
    File(String),
}

impl ContainerEndpoint {
    /// What the environment says; `None` if it names no such service. The relative form wins, as AWS has it.
    pub(super) fn of_environment(environment: &Environment) -> Result<Option<Self>, AwsError> {
        let url = if let Some(path) = environment.get(RELATIVE) {
            let base = Url::parse(ECS_AGENT).ok();
            base.and_then(|base| at(&base, path)).ok_or(AwsError::ContainerEndpoint { variable: RELATIVE })?
        } else if let Some(text) = environment.get(FULL) {
            let url = Url::parse(text).ok().filter(trusted);
            url.ok_or(AwsError::ContainerEndpoint { variable: FULL })?
        } else {
            return Ok(None);
        };
        let authorization = if let Some(path) = environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
            Authorization::File(path.to_owned())
        } else if let Some(token) = environment.secret("AWS_CONTAINER_AUTHORIZATION_TOKEN") {
            Authorization::Token(token)
        } else {
            Authorization::None
        };
        Ok(Some(Self { url, authorization }))
    }
}

fn trusted(url: &Url) -> bool {
    let address = match url.host() {
        Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
        Some(Host::Domain(_)) | None => None,
    };
    let local = url.host_str() == Some("localhost")
        || address
            .is_some_and(|address| address.is_loopback() || AGENTS.iter().any(|agent| agent.parse() == Ok(address)));
    url.scheme() == "https" || (url.scheme() == "http" && local)
}

pub(super) async fn credentials(
    transport: &Transport,
    files: &dyn Files,
    endpoint: &ContainerEndpoint,
) -> Result<AwsCredentials, AwsError> {
    let token = match &endpoint.authorization {
        Authorization::None => None,
        Authorization::Token(token) => Some(token.clone()),
        Authorization::File(path) => Some(read_secret(files, path)?),
    };
    let request = Request::get(endpoint.url.clone()).header(header::ACCEPT, "application/json")?;
    let exchange = match token {
        None => Exchange::local("AWS container credentials", request),
        Some(token) => {
            let request = request.header(header::AUTHORIZATION, token.expose())?;
            Exchange::local("AWS container credentials", request).hiding(&token)
        }
    };
    Ok(exchange.run(transport, parse, refusal).await?)
}
