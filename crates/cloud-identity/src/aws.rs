//! Amazon Web Services: the controller's own credentials, a role for a `ServiceAccount`, and logins to ECR, `CodeCommit` and EKS.
//!
//! Deliberately no shared configuration files and profiles: a controller has none. No assumption of a second role either.

pub mod codecommit;
mod container;
mod credentials;
pub mod ecr;
pub mod eks;
mod imds;
mod partition;
mod sts;
#[cfg(test)]
mod tests;

pub use credentials::{CredentialSource, controller_credentials};
pub use ecr::refusal as json_refusal;
pub use imds::INSTANCE_METADATA;
pub use sts::refusal as xml_refusal;
pub use sts::{RoleArn, StsEndpoint, WebIdentity, assume_role_with_web_identity, role_session_name};

use crate::environment::FileError;
use crate::transport::ExchangeError;

/// The audience of a `ServiceAccount`'s token for AWS.
pub const AUDIENCE: &str = "sts.amazonaws.com";

/// The annotation of a `ServiceAccount` with the role that it may take.
pub const ROLE_ANNOTATION: &str = "eks.amazonaws.com/role-arn";

/// Credentials or a login that could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AwsError {
    /// The exchange failed.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// The request could not be built: a token with a line break in it, for example.
    #[error(transparent)]
    Request(#[from] sluice_http_client::HttpError),
    /// A file of the environment cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The environment names no region, and neither does the object.
    #[error(
        "no AWS region is known: set AWS_REGION on the controller (EKS does so on pods with a role; recreate the pod if the role is newer)"
    )]
    NoControllerRegion,
    /// The object names no region.
    #[error("an AWS region is required for authenticating with a service account, configure one in the object spec")]
    NoRegion,
    /// Text that becomes part of a host name is not a region.
    #[error("invalid AWS region: '{0}'")]
    Region(String),
    /// The role's name is not one.
    #[error("invalid {ROLE_ANNOTATION} annotation: '{0}'. must match arn:aws[-*]:iam::<account>:role/<name>")]
    RoleArn(String),
    /// The STS endpoint is not one of AWS.
    #[error("invalid STS endpoint: '{0}'. must be https and an STS endpoint or VPC endpoint of amazonaws.com")]
    StsEndpoint(String),
    /// The environment names where credentials come from, and it is not a place to ask.
    #[error("{variable} is not a URL that credentials are asked from")]
    ContainerEndpoint {
        /// The variable.
        variable: &'static str,
    },
    /// The environment has half of what it must have.
    #[error("{present} is set but {absent} is not")]
    Incomplete {
        /// The variable that is there.
        present: &'static str,
        /// The variable that is not.
        absent: &'static str,
    },
    /// Nothing in the environment says who the controller is.
    #[error("no source of AWS credentials is configured")]
    NoSource,
    /// The registry is not an ECR one.
    #[error("invalid AWS registry: '{0}'. must be public.ecr.aws or <account>.dkr.ecr[-fips].<region>.amazonaws.com")]
    Registry(String),
    /// The Git URL is not of `CodeCommit`.
    #[error("invalid AWS CodeCommit Git URL: {0}")]
    CodeCommitUrl(String),
    /// The Git URL is not https.
    #[error("AWS CodeCommit authentication requires an HTTPS Git URL")]
    CodeCommitScheme,
    /// The cluster's name is not one.
    #[error("invalid EKS cluster ARN: '{0}'. must match arn:aws[-*]:eks:<region>:<account>:cluster/<name>")]
    ClusterArn(String),
}

/// A region's name: the shape of one is all that is checked, for new ones appear.
///
/// It becomes part of host names, so nothing but lower-case letters, digits and dashes may be in it.
pub(crate) fn check_region(region: &str) -> Result<(), AwsError> {
    let fine = !region.is_empty()
        && region.len() <= 64
        && region.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !region.starts_with('-')
        && !region.ends_with('-');
    if fine { Ok(()) } else { Err(AwsError::Region(region.chars().take(64).collect())) }
}
