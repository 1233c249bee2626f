//! The node's credentials from the instance metadata service, version 2.
//!
//! Deliberately not version 1: without a session token any server-side request forgery reads it.

use sluice_http_client::{HeaderName, Method, Request, Secret, Url};

use super::AwsError;
use super::credentials::{at, parse, refusal};
use crate::environment::Environment;
use crate::sigv4::AwsCredentials;
use crate::transport::{Exchange, ExchangeError, Transport};

/// Where the service is.
pub const INSTANCE_METADATA: &str = "http://169.254.169.254";

const ISSUER: &str = "the EC2 instance metadata service";
/// The longest name of a role.
const MAX_ROLE_BYTES: usize = 128;
const TTL: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");
const TOKEN: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token");

/// Where the metadata service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceMetadata(Url);

impl InstanceMetadata {
    pub(super) fn of_environment(environment: &Environment) -> Result<Self, AwsError> {
        const VARIABLE: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
        if environment.get("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Err(AwsError::NoSource);
        }
        let text = environment.get(VARIABLE).unwrap_or(INSTANCE_METADATA);
        Url::parse(text).map(Self).map_err(|_| AwsError::ContainerEndpoint { variable: VARIABLE })
    }

    fn at(&self, path: &str) -> Result<Url, AwsError> {
        at(&self.0, path).ok_or(ExchangeError::Malformed { issuer: ISSUER, problem: "a name that is no path" }.into())
    }
}

pub(super) async fn credentials(
    transport: &Transport,
    metadata: &InstanceMetadata,
) -> Result<AwsCredentials, AwsError> {
    const ROLES: &str = "latest/meta-data/iam/security-credentials/";
    // A minute, for it is used at once and twice.
    let request = Request::new(Method::PUT, metadata.at("latest/api/token")?).header(TTL, "60")?;
    let exchange = Exchange::local(ISSUER, request);
    let session = exchange.run(transport, |bytes| text(bytes).map(Secret::new), |_| None).await?;

    let request = Request::get(metadata.at(ROLES)?).header(TOKEN, session.expose())?;
    let role = Exchange::local(ISSUER, request).hiding(&session).run(transport, role, |_| None).await?;

    let request = Request::get(metadata.at(&format!("{ROLES}{role}"))?).header(TOKEN, session.expose())?;
    Ok(Exchange::local(ISSUER, request).hiding(&session).run(transport, parse, refusal).await?)
}

fn text(bytes: &[u8]) -> Result<String, &'static str> {
    let text = std::str::from_utf8(bytes).map_err(|_| "not UTF-8")?.trim();
    if text.is_empty() { Err("nothing") } else { Ok(text.to_owned()) }
}

/// The first line: an instance has one role. It becomes part of a path, so it may only have the characters of a role's name.
fn role(bytes: &[u8]) -> Result<String, &'static str> {
    let text = text(bytes)?;
    let name = text.lines().next().unwrap_or_default().trim();
    let fine = (1..=MAX_ROLE_BYTES).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte));
    if fine && name != "." && name != ".." { Ok(name.to_owned()) } else { Err("no name of a role") }
}
