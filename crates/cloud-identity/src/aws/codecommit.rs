//! User and password for `CodeCommit` over HTTPS: a signature over the repository's URL in place of a password. Pure.
//!
//! Deliberately not the general signer: `CodeCommit` signs a method of its own (`GIT`), the host alone, no payload, and a time without
//! its zone.

use jiff::{SignedDuration, Timestamp};
use sluice_http_client::{Secret, Url};

use super::{AwsError, check_region};
use crate::credential::{GitLogin, GitScheme};
use crate::sigv4::{AwsCredentials, Dialect, Signer, host};

/// How long AWS takes such a password.
const VALIDITY: SignedDuration = SignedDuration::from_mins(15);

/// A repository of `CodeCommit`, known from its URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeCommitUrl {
    url: Url,
    region: String,
}

impl CodeCommitUrl {
    /// Reads a URL: https, host `git-codecommit[-fips].<region>.amazonaws.com[.cn]`.
    ///
    /// # Errors
    /// [`AwsError::CodeCommitScheme`], [`AwsError::CodeCommitUrl`] with the host, or [`AwsError::Region`].
    pub fn parse(url: &Url) -> Result<Self, AwsError> {
        if url.scheme() != "https" {
            return Err(AwsError::CodeCommitScheme);
        }
        let name = url.host_str().unwrap_or_default();
        let rest = name.strip_prefix("git-codecommit.").or_else(|| name.strip_prefix("git-codecommit-fips."));
        let region = rest
            .and_then(|rest| rest.strip_suffix(".amazonaws.com").or_else(|| rest.strip_suffix(".amazonaws.com.cn")));
        let region = region.filter(|region| check_region(region).is_ok());
        let region = region.ok_or_else(|| AwsError::CodeCommitUrl(host(url)))?;
        Ok(Self { url: url.clone(), region: region.to_owned() })
    }

    /// The region, in which STS is asked for a `ServiceAccount`'s role as well.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// User and password at this time. They end after a quarter of an hour, or with the credentials if those end before.
    pub fn login(&self, credentials: &AwsCredentials, now: Timestamp) -> GitLogin {
        let date = now.strftime("%Y%m%dT%H%M%S").to_string();
        let signer =
            Signer { credentials, region: &self.region, service: "codecommit", dialect: Dialect::Standard, time: now };
        let canonical = format!("GIT\n{}\n\nhost:{}\n\nhost\n", self.url.path(), host(&self.url));
        let signature = signer.signature(&date, &canonical);
        let id = &credentials.access_key_id;
        let username = match &credentials.session_token {
            Some(token) => format!("{id}%{}", token.expose()),
            None => id.clone(),
        };
        let end = now.checked_add(VALIDITY).unwrap_or(now);
        GitLogin {
            scheme: GitScheme::Basic {
                username: Secret::new(username),
                password: Secret::new(format!("{date}Z{signature}")),
            },
            expires_at: credentials.expires_at.map_or(end, |own| own.min(end)),
        }
    }
}
