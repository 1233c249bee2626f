//! The controller's own credentials: a file that the environment names, else the metadata server.
//!
//! Deliberately not gcloud's files in the home directory: a controller has none.

use jiff::Timestamp;
use serde::Deserialize;

use super::{ExternalAccount, GcpError, MetadataServer, ServiceAccountKey};
use crate::credential::AccessToken;
use crate::environment::{Environment, Files, read_secret};
use crate::transport::Transport;

/// What the controller is.
#[derive(Clone, Debug)]
pub enum DefaultCredential {
    /// A service account with a key.
    Key(Box<ServiceAccountKey>),
    /// Somebody whom another issuer vouches for.
    External(Box<ExternalAccount>),
    /// Who the machine or the pod is.
    Metadata(MetadataServer),
}

impl DefaultCredential {
    /// What the environment says (`GOOGLE_APPLICATION_CREDENTIALS`).
    ///
    /// # Errors
    /// [`GcpError::File`], [`GcpError::Credentials`], [`GcpError::Key`] or [`GcpError::MetadataHost`].
    pub fn of_environment(environment: &Environment, files: &dyn Files) -> Result<Self, GcpError> {
        #[derive(Deserialize)]
        struct Kind {
            #[serde(rename = "type")]
            kind: String,
        }
        let Some(path) = environment.get("GOOGLE_APPLICATION_CREDENTIALS") else {
            return MetadataServer::of_environment(environment).map(Self::Metadata);
        };
        let json = read_secret(files, path)?;
        let json = json.expose().as_bytes();
        let Kind { kind } = serde_json::from_slice(json).map_err(|_| GcpError::Credentials("not JSON with a type"))?;
        match kind.as_str() {
            "service_account" => ServiceAccountKey::from_json(json).map(Box::new).map(Self::Key),
            "external_account" => ExternalAccount::from_json(json).map(Box::new).map(Self::External),
            _ => Err(GcpError::Credentials("the type is neither service_account nor external_account")),
        }
    }

    /// A token for these scopes.
    ///
    /// # Errors
    /// [`GcpError`].
    pub async fn token(
        &self,
        transport: &Transport,
        files: &dyn Files,
        scopes: &[&str],
        now: Timestamp,
    ) -> Result<AccessToken, GcpError> {
        match self {
            Self::Key(key) => key.token(transport, scopes, now).await,
            Self::External(account) => account.token(transport, files, scopes, now).await,
            Self::Metadata(server) => server.token(transport, scopes, now).await,
        }
    }
}
