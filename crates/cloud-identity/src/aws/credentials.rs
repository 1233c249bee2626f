//! The controller's own credentials: which source the environment names, and what it gives.
//!
//! Deliberately one source and no falling through: a source that is configured and fails is an error, not a reason to become somebody
//! else.

use sluice_http_client::{Secret, Url};

use super::container::ContainerEndpoint;
use super::imds::InstanceMetadata;
use super::sts::{RoleArn, StsEndpoint, WebIdentity, assume_role_with_web_identity};
use super::{AwsError, container, imds};
use crate::environment::{Environment, Files, read_secret};
use crate::sigv4::AwsCredentials;
use crate::transport::Transport;

/// Where the controller's credentials come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialSource {
    /// The environment has them.
    Static(AwsCredentials),
    /// A role for the token in a file (IRSA). The file is read at each exchange, for the token in it is rotated.
    WebIdentity {
        /// The role.
        role: RoleArn,
        /// The session's name, if the environment has one.
        session_name: Option<String>,
        /// The token's file.
        token_file: String,
    },
    /// A service beside the container (EKS Pod Identity, ECS).
    Container(ContainerEndpoint),
    /// The metadata service of the machine: the node's identity.
    Instance(InstanceMetadata),
}

impl CredentialSource {
    /// What the environment says, in the order of AWS' own libraries: keys, web identity, container, instance.
    ///
    /// # Errors
    /// [`AwsError::Incomplete`], [`AwsError::RoleArn`], [`AwsError::ContainerEndpoint`], or [`AwsError::NoSource`] where the metadata
    /// service is switched off.
    pub fn of_environment(environment: &Environment) -> Result<Self, AwsError> {
        let either =
            |first: &'static str, second: &'static str| environment.get(first).or_else(|| environment.get(second));
        match (either("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY"), either("AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY")) {
            (Some(id), Some(secret)) => {
                return Ok(Self::Static(AwsCredentials {
                    access_key_id: id.to_owned(),
                    secret_access_key: Secret::new(secret.to_owned()),
                    session_token: environment.secret("AWS_SESSION_TOKEN"),
                    expires_at: None,
                }));
            }
            (Some(_), None) => {
                return Err(AwsError::Incomplete { present: "AWS_ACCESS_KEY_ID", absent: "AWS_SECRET_ACCESS_KEY" });
            }
            (None, _) => {}
        }
        if let Some(token_file) = environment.get("AWS_WEB_IDENTITY_TOKEN_FILE") {
            let role = environment.get("AWS_ROLE_ARN");
            let role =
                role.ok_or(AwsError::Incomplete { present: "AWS_WEB_IDENTITY_TOKEN_FILE", absent: "AWS_ROLE_ARN" })?;
            return Ok(Self::WebIdentity {
                role: RoleArn::parse(role)?,
                session_name: environment.get("AWS_ROLE_SESSION_NAME").map(str::to_owned),
                token_file: token_file.to_owned(),
            });
        }
        if let Some(container) = ContainerEndpoint::of_environment(environment)? {
            return Ok(Self::Container(container));
        }
        InstanceMetadata::of_environment(environment).map(Self::Instance)
    }

    /// The credentials. `sts` is asked for a web identity.
    ///
    /// # Errors
    /// [`AwsError::Exchange`], [`AwsError::File`] or [`AwsError::Request`].
    pub async fn credentials(
        &self,
        transport: &Transport,
        files: &dyn Files,
        sts: &StsEndpoint,
    ) -> Result<AwsCredentials, AwsError> {
        match self {
            Self::Static(credentials) => Ok(credentials.clone()),
            Self::WebIdentity { role, session_name, token_file } => {
                let token = read_secret(files, token_file)?;
                let session_name = session_name.as_deref().unwrap_or("sluice");
                assume_role_with_web_identity(transport, sts, &WebIdentity { role, session_name, token: &token }).await
            }
            Self::Container(endpoint) => container::credentials(transport, files, endpoint).await,
            Self::Instance(metadata) => imds::credentials(transport, metadata).await,
        }
    }
}

/// The controller's credentials, as its environment has it. `region` is where STS is asked if that is what it takes, `AWS_REGION` if it
/// is `None`; `sts_endpoint` is asked instead of the region's own.
///
/// # Errors
/// [`AwsError`].
pub async fn controller_credentials(
    transport: &Transport,
    (environment, files): (&Environment, &dyn Files),
    region: Option<&str>,
    sts_endpoint: Option<&StsEndpoint>,
) -> Result<AwsCredentials, AwsError> {
    let region = region.or_else(|| environment.get("AWS_REGION")).ok_or(AwsError::NoControllerRegion)?;
    let sts = match sts_endpoint {
        Some(endpoint) => endpoint.clone(),
        None => StsEndpoint::of_region(region, environment)?,
    };
    CredentialSource::of_environment(environment)?.credentials(transport, files, &sts).await
}

/// What the container's service and the instance's answer with.
pub(super) fn parse(bytes: &[u8]) -> Result<AwsCredentials, &'static str> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        /// The instance's service alone has one.
        #[serde(default)]
        code: Option<String>,
        access_key_id: Option<String>,
        secret_access_key: Option<String>,
        token: Option<String>,
        expiration: Option<jiff::Timestamp>,
    }
    let answer: Answer = serde_json::from_slice(bytes).map_err(|_| "not the JSON of credentials")?;
    if answer.code.is_some_and(|code| code != "Success") {
        return Err("the role has no credentials");
    }
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let (Some(id), Some(secret)) = (given(answer.access_key_id), given(answer.secret_access_key)) else {
        return Err("no credentials");
    };
    Ok(AwsCredentials {
        access_key_id: id,
        secret_access_key: Secret::new(secret),
        session_token: given(answer.token).map(Secret::new),
        expires_at: Some(answer.expiration.ok_or("no expiration")?),
    })
}

/// `code: message` of either service.
pub(super) fn refusal(bytes: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Refusal {
        #[serde(alias = "Code")]
        code: Option<String>,
        #[serde(alias = "Message")]
        message: Option<String>,
    }
    let Refusal { code, message } = serde_json::from_slice(bytes).ok()?;
    let words: Vec<String> = [code, message].into_iter().flatten().filter(|text| !text.is_empty()).collect();
    (!words.is_empty()).then(|| words.join(": "))
}

/// `base` with another path, which may have a query.
pub(super) fn at(base: &Url, path: &str) -> Option<Url> {
    let text = base.as_str().trim_end_matches('/');
    Url::parse(&format!("{text}/{}", path.trim_start_matches('/'))).ok()
}
