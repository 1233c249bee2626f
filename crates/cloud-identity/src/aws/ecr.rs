//! Logins to Amazon's container registries, private and public.
//!
//! Deliberately no per-repository policy: a login is for all repositories that the identity may read.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Deserialize;
use sluice_http_client::{Method, Secret, Url};

use super::{AwsError, check_region, partition};
use crate::credential::RegistryLogin;
use crate::jwt::timestamp;
use crate::sigv4::{AwsCredentials, Dialect, Signer, signed_request};
use crate::transport::{Exchange, Transport};

/// The host of the public registry.
pub const PUBLIC_REGISTRY: &str = "public.ecr.aws";
/// Where the public registry's logins are had, whatever region the user is in.
const PUBLIC_REGION: &str = "us-east-1";
const DOMAINS: [&str; 8] = [
    "amazonaws.com",
    "amazonaws.com.cn",
    "amazonaws.eu",
    "sc2s.sgov.gov",
    "c2s.ic.gov",
    "cloud.adc-e.uk",
    "csp.hci.ic.gov",
    "on.aws",
];

/// A registry of ECR, known from its host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EcrRegistry {
    /// `public.ecr.aws`.
    Public,
    /// An account's registry in a region.
    Private {
        /// The region.
        region: String,
        /// Whether it is reached at its FIPS endpoint.
        endpoint: EcrEndpoint,
    },
}

/// Which endpoint of ECR gives the login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EcrEndpoint {
    /// The usual one.
    Standard,
    /// The one with validated cryptography, for hosts with `ecr-fips`.
    Fips,
}

impl EcrRegistry {
    /// Reads a registry's host: `public.ecr.aws`, `<account>.dkr.ecr[-fips].<region>.<domain>` or
    /// `<account>.dkr-ecr[-fips].<region>.on.aws`.
    ///
    /// # Errors
    /// [`AwsError::Registry`].
    pub fn parse(host: &str) -> Result<Self, AwsError> {
        let refused = || AwsError::Registry(host.chars().take(256).collect());
        if host == PUBLIC_REGISTRY {
            return Ok(Self::Public);
        }
        let (account, rest) = host.split_once(".dkr").ok_or_else(refused)?;
        let rest = rest.strip_prefix(['.', '-']).and_then(|rest| rest.strip_prefix("ecr")).ok_or_else(refused)?;
        let (endpoint, rest) = match rest.strip_prefix("-fips") {
            Some(rest) => (EcrEndpoint::Fips, rest),
            None => (EcrEndpoint::Standard, rest),
        };
        let (region, domain) = rest.strip_prefix('.').and_then(|rest| rest.split_once('.')).ok_or_else(refused)?;
        let account_fine = !account.is_empty() && account.bytes().all(|byte| byte.is_ascii_digit());
        if !account_fine || !DOMAINS.contains(&domain) || check_region(region).is_err() {
            return Err(refused());
        }
        Ok(Self::Private { region: region.to_owned(), endpoint })
    }

    /// The region in which the login is asked for, and in which STS is asked for a `ServiceAccount`'s role.
    pub fn region(&self) -> &str {
        match self {
            Self::Public => PUBLIC_REGION,
            Self::Private { region, .. } => region,
        }
    }

    /// Where the login is asked for.
    ///
    /// # Errors
    /// None in practice: the region's shape is known.
    pub fn api(&self) -> Result<Url, AwsError> {
        let text = match self {
            Self::Public => format!("https://api.ecr-public.{PUBLIC_REGION}.amazonaws.com/"),
            Self::Private { region, endpoint } => {
                let name = match endpoint {
                    EcrEndpoint::Standard => "api.ecr",
                    EcrEndpoint::Fips => "ecr-fips",
                };
                format!("https://{name}.{region}.{}/", partition::domain(region))
            }
        };
        Url::parse(&text).map_err(|_| AwsError::Registry(text))
    }

    fn protocol(&self) -> (&'static str, &'static str) {
        match self {
            Self::Public => ("ecr-public", "SpencerFrontendService.GetAuthorizationToken"),
            Self::Private { .. } => ("ecr", "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"),
        }
    }
}

/// Asks `api` (see [`EcrRegistry::api`]) for a login.
///
/// # Errors
/// [`AwsError::Exchange`] or [`AwsError::Request`].
pub async fn login(
    transport: &Transport,
    (registry, api): (&EcrRegistry, &Url),
    credentials: &AwsCredentials,
    now: Timestamp,
) -> Result<RegistryLogin, AwsError> {
    let (service, target) = registry.protocol();
    let signer = Signer { credentials, region: registry.region(), service, dialect: Dialect::Standard, time: now };
    let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target)];
    let request = signed_request(&signer, &Method::POST, api, &headers, b"{}")?;
    let mut exchange = Exchange::internet("Amazon ECR", request);
    exchange.secrets.extend(credentials.session_token.clone());
    Ok(exchange.run(transport, parse, refusal).await?)
}

fn parse(bytes: &[u8]) -> Result<RegistryLogin, &'static str> {
    /// The public registry answers with one, the private ones with a list.
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Data {
        Many(Vec<Login>),
        One(Login),
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Login {
        authorization_token: Option<String>,
        expires_at: Option<f64>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        authorization_data: Option<Data>,
    }
    let answer: Answer = serde_json::from_slice(bytes).map_err(|_| "not the JSON of a login")?;
    let login = match answer.authorization_data {
        Some(Data::One(login)) => Some(login),
        Some(Data::Many(logins)) => logins.into_iter().next(),
        None => None,
    };
    let login = login.ok_or("no authorization data returned")?;
    let token = login.authorization_token.ok_or("no authorization token")?;
    let expires_at = login.expires_at.and_then(timestamp).ok_or("no expiration")?;
    let decoded = STANDARD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let decoded = decoded.ok_or("the authorization token is not base64 text")?;
    let (username, password) = decoded.split_once(':').ok_or("invalid authorization token format")?;
    Ok(RegistryLogin { username: username.to_owned(), password: Secret::new(password.to_owned()), expires_at })
}

/// What a service that speaks JSON says in a refusal: `Type: message`.
pub fn refusal(bytes: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Refusal {
        #[serde(rename = "__type")]
        kind: Option<String>,
        #[serde(alias = "Message")]
        message: Option<String>,
    }
    let Refusal { kind, message } = serde_json::from_slice(bytes).ok()?;
    // The type may come with its name space: `com.amazonaws.ecr#InvalidParameterException`.
    let kind = kind.map(|kind| kind.rsplit('#').next().unwrap_or_default().to_owned());
    let words: Vec<String> = [kind, message].into_iter().flatten().filter(|text| !text.is_empty()).collect();
    (!words.is_empty()).then(|| words.join(": "))
}
