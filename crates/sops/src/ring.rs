//! The keys at hand: what a Secret of decryption keys holds, by the names of its entries.

use sluice_cloud_identity::gcp::ServiceAccountKey;
use sluice_cloud_identity::{AwsCredentials, Environment};
use sluice_http_client::Secret;

use crate::age::{Identities, IdentityError};
use crate::credentials::{self, AzureKeyVaultLogin, CredentialError};
use crate::openpgp::{Keys, OpenPgpKeyError};

/// An entry that cannot be read. Never holds a key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// Age identities.
    #[error(transparent)]
    Age(#[from] IdentityError),
    /// An `OpenPGP` key.
    #[error(transparent)]
    OpenPgp(#[from] OpenPgpKeyError),
    /// Credentials of a service.
    #[error(transparent)]
    Credential(#[from] CredentialError),
}

/// Keys and credentials.
#[derive(Debug, Default)]
pub struct KeyRing {
    /// Age identities.
    pub age: Identities,
    /// `OpenPGP` keys.
    pub openpgp: Keys,
    /// For every Vault.
    pub vault_token: Option<Secret<String>>,
    /// For AWS KMS.
    pub aws: Option<AwsCredentials>,
    /// For Azure Key Vault.
    pub azure: Option<AzureKeyVaultLogin>,
    /// For Google Cloud KMS.
    pub gcp: Option<ServiceAccountKey>,
}

impl KeyRing {
    /// Adds what an entry has, by its name: `*.agekey`, `*.asc`, `sops.vault-token`, `sops.aws-kms`, `sops.azure-kv`, `sops.gcp-kms`. An
    /// entry of another name is passed over.
    ///
    /// # Errors
    /// [`ImportError`].
    pub fn import(&mut self, name: &str, value: &[u8], environment: &Environment) -> Result<(), ImportError> {
        match name {
            "sops.vault-token" => {
                let token = credentials::vault_token(value)?;
                self.vault_token = Some(token).filter(|token| !token.expose().is_empty());
            }
            "sops.aws-kms" => self.aws = Some(credentials::aws_kms(value)?),
            "sops.azure-kv" => self.azure = Some(credentials::azure_key_vault(value, environment)?),
            "sops.gcp-kms" => self.gcp = Some(credentials::gcp_kms(value)?),
            _ if is_age(name) => self.age.import(value)?,
            _ if has_extension(name, "asc") => self.openpgp.import(value)?,
            _ => {}
        }
        Ok(())
    }

    /// Adds age identities only, of an entry `*.agekey`.
    ///
    /// # Errors
    /// [`ImportError::Age`].
    pub fn import_age(&mut self, name: &str, value: &[u8]) -> Result<(), ImportError> {
        if is_age(name) {
            self.age.import(value)?;
        }
        Ok(())
    }
}

fn is_age(name: &str) -> bool {
    has_extension(name, "agekey")
}

/// By the last dot, as in Flux; the case of the letters counts.
fn has_extension(name: &str, extension: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, found)| found == extension)
}
