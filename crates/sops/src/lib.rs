//! Decryption of SOPS documents: their five formats, their metadata, the ways to their data key, and the keys and key services that open it.
//!
//! [`decrypt`] turns an encrypted document into a plain one. Whoever can open a data key is behind the port [`KeyServices`]; [`Services`]
//! is the real one, over a [`KeyRing`] of keys at hand and the key services of Vault, AWS, Azure and Google Cloud.
//!
//! What it deliberately does not do: encrypt; verify the MAC of a document (what is decrypted here was changed by a build since it was
//! encrypted, and every single value is authenticated anyway); know anything about Kubernetes; read the environment or files of its own
//! accord. Plug-ins of age and keys in files of a home directory do not exist here.

pub mod age;
mod aws;
mod azure;
mod cipher;
mod credentials;
mod document;
mod flatten;
mod format;
mod gcp;
mod http;
mod key_group;
mod keys;
mod metadata;
pub mod openpgp;
mod ports;
mod ring;
mod rules;
mod services;
mod shamir;
mod store;
mod tree;
mod vault;

pub use aws::AwsKmsError;
pub use azure::AzureKeyVaultError;
pub use cipher::CipherError;
pub use credentials::{AzureKeyVaultLogin, CredentialError, aws_kms, azure_key_vault, gcp_kms, vault_token};
pub use document::{DecryptError, MAX_DOCUMENT_BYTES, decrypt};
pub use flatten::FlattenError;
pub use format::{Format, detect};
pub use gcp::GcpKmsError;
pub use http::ExchangeError;
pub use key_group::{DataKeyError, GroupFailure, KeyFailure};
pub use keys::{
    AgeKey, AwsKmsKey, AzureKeyVaultKey, DataKey, GcpKmsKey, HuaweiKmsKey, KeyError, KeyFuture, KeyServices, MasterKey,
    OpenPgpKey, VaultKey,
};
pub use metadata::MetadataError;
pub use ports::{Ambient, AmbientError, AmbientFuture, NoAmbient, VaultAccess};
pub use ring::{ImportError, KeyRing};
pub use services::{Endpoints, Services};
pub use shamir::ShamirError;
pub use store::StoreError;
pub use tree::TreeError;
pub use vault::{VaultError, VaultInstances, VaultInstancesError, VaultLogin};
