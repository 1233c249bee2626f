//! The whole way of one document: read, metadata out, data key, values decrypted in place, written.

use std::time::Duration;

use tokio::time::timeout;

use crate::cipher::{Cipher, CipherError};
use crate::format::Format;
use crate::key_group::{DataKeyError, data_key};
use crate::keys::KeyServices;
use crate::metadata::{MetadataError, extract};
use crate::store::{self, StoreError};
use crate::tree::{self, TreeError};

/// The largest document that is decrypted, in bytes, as in Flux.
pub const MAX_DOCUMENT_BYTES: usize = 5 << 20;

/// How long everybody together may take to give a data key: several keys may each have a service that does not answer.
const DATA_KEY_TIMEOUT: Duration = Duration::from_secs(120);

/// A document that could not be decrypted. Never holds a value of it.
#[derive(Debug, thiserror::Error)]
pub enum DecryptError {
    /// It is larger than is read.
    #[error("cannot decrypt data with size ({0} bytes) exceeding limit ({MAX_DOCUMENT_BYTES})")]
    TooLarge(usize),
    /// It is not of its format.
    #[error("failed to load encrypted {} data", .format.name())]
    Load {
        /// The format.
        format: Format,
        /// What is wrong.
        #[source]
        source: StoreError,
    },
    /// Its metadata cannot be used.
    #[error("failed to load encrypted {} data", .format.name())]
    Metadata {
        /// The format.
        format: Format,
        /// What is wrong.
        #[source]
        source: MetadataError,
    },
    /// Nobody opened its data key.
    #[error("cannot get sops data key")]
    DataKey(#[source] DataKeyError),
    /// Nobody opened its data key in time.
    #[error("cannot get sops data key: no answer within {} seconds", DATA_KEY_TIMEOUT.as_secs())]
    Timeout,
    /// The data key is none.
    #[error("error decrypting sops tree")]
    Cipher(#[source] CipherError),
    /// A value cannot be decrypted.
    #[error("error decrypting sops tree: Error walking tree")]
    Tree(#[source] TreeError),
    /// The result has no form in the output's format.
    #[error("failed to emit encrypted {} file as decrypted {}", .input.name(), .output.name())]
    Emit {
        /// The document's format.
        input: Format,
        /// The format asked for.
        output: Format,
        /// What is wrong.
        #[source]
        source: StoreError,
    },
}

/// Decrypts a document of format `input` and writes it in format `output`, as SOPS would.
///
/// May be dropped at any time.
///
/// # Errors
/// [`DecryptError`].
pub async fn decrypt(
    document: &[u8],
    (input, output): (Format, Format),
    services: &dyn KeyServices,
) -> Result<Vec<u8>, DecryptError> {
    if document.len() > MAX_DOCUMENT_BYTES {
        return Err(DecryptError::TooLarge(document.len()));
    }
    let mut branches = store::load(document, input).map_err(|source| DecryptError::Load { format: input, source })?;
    let metadata = extract(&mut branches, store::layout(input))
        .map_err(|source| DecryptError::Metadata { format: input, source })?;
    let key = timeout(DATA_KEY_TIMEOUT, data_key(&metadata, services)).await;
    let key = key.map_err(|_| DecryptError::Timeout)?.map_err(DecryptError::DataKey)?;
    let cipher = Cipher::new(key).map_err(DecryptError::Cipher)?;
    tree::decrypt(&mut branches, &metadata.rule, &cipher).map_err(DecryptError::Tree)?;
    store::emit(&branches, output).map_err(|source| DecryptError::Emit { input, output, source })
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
