//! Master keys as a document's metadata names them, the data key that each of them seals, and the port to whoever can open it.
//!
//! Deliberately no way to seal one.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;

use zeroize::Zeroizing;

use crate::age::AgeError;
use crate::openpgp::OpenPgpError;
use crate::{AwsKmsError, AzureKeyVaultError, GcpKmsError, VaultError};

/// A document's key, or a part of it. Zeroed when it is dropped, never printed.
#[derive(Clone)]
pub struct DataKey(Zeroizing<Vec<u8>>);

impl DataKey {
    /// Of these bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl From<Zeroizing<Vec<u8>>> for DataKey {
    fn from(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A master key, with the data key that it seals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MasterKey {
    /// An age recipient.
    Age(AgeKey),
    /// An `OpenPGP` key.
    OpenPgp(OpenPgpKey),
    /// A key of AWS KMS.
    AwsKms(AwsKmsKey),
    /// A key of Google Cloud KMS.
    GcpKms(GcpKmsKey),
    /// A key of Huawei Cloud KMS, which nobody here can ask.
    HuaweiKms(HuaweiKmsKey),
    /// A key of Azure Key Vault.
    AzureKeyVault(AzureKeyVaultKey),
    /// A transit key of Vault or `OpenBao`.
    Vault(VaultKey),
}

/// An age recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgeKey {
    /// The public key.
    pub recipient: String,
    /// An armoured age file.
    pub enc: String,
}

/// An `OpenPGP` key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenPgpKey {
    /// In hex.
    pub fingerprint: String,
    /// An armoured message.
    pub enc: String,
}

/// A key of AWS KMS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsKmsKey {
    /// The key's name, which has the region.
    pub arn: String,
    /// A role to take before the key is used.
    pub role: Option<String>,
    /// What was said when the data key was sealed and must be said again.
    pub context: BTreeMap<String, String>,
    /// Base64.
    pub enc: String,
}

/// A key of Google Cloud KMS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GcpKmsKey {
    /// `projects/…/cryptoKeys/…`.
    pub resource_id: String,
    /// Base64.
    pub enc: String,
}

/// A key of Huawei Cloud KMS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HuaweiKmsKey {
    /// `<region>:<key>`.
    pub key_id: String,
}

/// A key of Azure Key Vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AzureKeyVaultKey {
    /// Of the vault.
    pub vault_url: String,
    /// Of the key.
    pub name: String,
    /// Of the key.
    pub version: String,
    /// Base64 for URLs, without padding.
    pub enc: String,
}

/// A transit key of Vault or `OpenBao`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultKey {
    /// Of the server.
    pub address: String,
    /// Where the transit engine is mounted.
    pub engine_path: String,
    /// The key.
    pub key_name: String,
    /// In Vault's own form.
    pub enc: String,
}

impl MasterKey {
    /// How messages name it. Not a secret: it stands in the document in the clear.
    pub fn name(&self) -> String {
        match self {
            Self::Age(key) => key.recipient.clone(),
            Self::OpenPgp(key) => key.fingerprint.clone(),
            Self::AwsKms(key) => match &key.role {
                Some(role) => format!("{}+{role}", key.arn),
                None => key.arn.clone(),
            },
            Self::GcpKms(key) => key.resource_id.clone(),
            Self::HuaweiKms(key) => key.key_id.clone(),
            Self::AzureKeyVault(key) => format!("{}/keys/{}/{}", key.vault_url, key.name, key.version),
            Self::Vault(key) => format!("{}/v1/{}/keys/{}", key.address, key.engine_path, key.key_name),
        }
    }

    /// Keys at hand are tried before anybody is asked over the network: age, `OpenPGP`, then the others as the document has them.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Self::Age(_) => 0,
            Self::OpenPgp(_) => 1,
            _ => 2,
        }
    }
}

/// Why a master key did not give its data key. Never holds a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// age.
    #[error(transparent)]
    Age(#[from] AgeError),
    /// `OpenPGP`.
    #[error(transparent)]
    OpenPgp(#[from] OpenPgpError),
    /// AWS KMS.
    #[error("failed to decrypt sops data key with AWS KMS")]
    AwsKms(#[source] AwsKmsError),
    /// Google Cloud KMS.
    #[error("failed to decrypt sops data key with GCP KMS key")]
    GcpKms(#[source] GcpKmsError),
    /// Azure Key Vault.
    #[error("failed to decrypt sops data key with Azure Key Vault")]
    AzureKeyVault(#[source] AzureKeyVaultError),
    /// Vault or `OpenBao`.
    #[error("failed to decrypt sops data key with Vault")]
    Vault(#[source] VaultError),
    /// Nobody here can ask this service.
    #[error("keys of this service are not supported")]
    Unsupported,
    /// The service took too long.
    #[error("no answer within {0} seconds")]
    Timeout(u64),
    /// For other implementations of the port.
    #[error("{0}")]
    Other(String),
}

/// What [`KeyServices::decrypt`] returns.
pub type KeyFuture<'a> = Pin<Box<dyn Future<Output = Result<DataKey, KeyError>> + Send + 'a>>;

/// Whoever can open the data key that a master key seals.
pub trait KeyServices: Send + Sync {
    /// The data key. May be dropped at any time.
    fn decrypt<'a>(&'a self, key: &'a MasterKey) -> KeyFuture<'a>;
}
