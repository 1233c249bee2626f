//! Phase: what SOPS encrypted is decrypted, twice: files that generators and patches name before the build, objects and values of Secrets after
//! it.
//!
//! Before the build: `sources::gather` on a thread that may block, then `Decryptor::sources`, whose files are laid over the tree. After it:
//! `Decryptor::resource` for each object. Deliberately no cache: what was decrypted is gone with the pass, and nothing of it is on disk.

mod access;
mod keys;
mod sources;
#[cfg(test)]
mod tests;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sluice_kustomize::MemoryTree;
use sluice_sops::{DecryptError, Format, KeyServices, decrypt, detect};

pub use access::{Access, AccessSettings};
pub use keys::KeySettings;
pub(super) use keys::{KeysError, decryptor};
pub(super) use sources::{Encrypted, SourcesError, gather};

const ANNOTATION: &str = "kustomize.toolkit.fluxcd.io/decrypt";
const DISABLED: &str = "disabled";

/// An object that cannot be decrypted. Never holds a value of it.
#[derive(Debug, thiserror::Error)]
pub(super) enum ResourceError {
    /// It was encrypted as a whole.
    #[error("failed to decrypt and format '{name}' {kind} data")]
    Whole {
        /// Its namespace and name.
        name: String,
        /// Its kind.
        kind: String,
        /// Why.
        #[source]
        source: DecryptError,
    },
    /// A value of a Secret was encrypted.
    #[error("failed to decrypt and format '{name}' Secret field '{field}'")]
    Field {
        /// The Secret's namespace and name.
        name: String,
        /// The value's key.
        field: String,
        /// Why.
        #[source]
        source: DecryptError,
    },
    /// It has no JSON form, before or after.
    #[error("failed to unmarshal decrypted '{name}' {kind} to JSON")]
    Json {
        /// Its namespace and name.
        name: String,
        /// Its kind.
        kind: String,
    },
}

/// Whoever opens what is encrypted, for one pass.
pub(super) struct Decryptor {
    services: Box<dyn KeyServices>,
}

impl Decryptor {
    /// With these keys and services.
    pub(super) fn new(services: Box<dyn KeyServices>) -> Self {
        Self { services }
    }

    /// The files in the clear, to be laid over the tree.
    pub(super) async fn sources(&self, encrypted: Vec<Encrypted>) -> Result<MemoryTree, SourcesError> {
        let mut files = MemoryTree::new();
        for Encrypted { paths, format, content } in encrypted {
            let plain = decrypt(&content, (format, format), &*self.services).await;
            let plain = plain.map_err(|source| SourcesError::decrypt(&paths, source))?;
            for path in paths {
                files.insert(path, plain.clone());
            }
        }
        Ok(files)
    }

    /// Decrypts an object in place; whether it changed.
    pub(super) async fn resource(&self, object: &mut Value) -> Result<bool, ResourceError> {
        if opted_out(object) {
            return Ok(false);
        }
        if is_encrypted(object) {
            return self.whole(object).await.map(|()| true);
        }
        if object.get("kind").and_then(Value::as_str) == Some("Secret") {
            return self.values(object).await;
        }
        Ok(false)
    }

    async fn whole(&self, object: &mut Value) -> Result<(), ResourceError> {
        let (name, kind) = (full_name(object), text(object, "/kind").to_owned());
        let json = || ResourceError::Json { name: name.clone(), kind: kind.clone() };
        let document = serde_json::to_vec(object).map_err(|_| json())?;
        let plain = decrypt(&document, (Format::Json, Format::Json), &*self.services).await;
        let plain = plain.map_err(|source| ResourceError::Whole { name: name.clone(), kind: kind.clone(), source })?;
        *object = serde_json::from_slice(&plain).map_err(|_| json())?;
        Ok(())
    }

    async fn values(&self, object: &mut Value) -> Result<bool, ResourceError> {
        let name = full_name(object);
        let Some(data) = object.get_mut("data").and_then(Value::as_object_mut) else { return Ok(false) };
        let mut changed = false;
        for (key, value) in data {
            // What is not base64 is refused later, by who reads Secrets.
            let Some(Ok(document)) = value.as_str().map(|text| STANDARD.decode(text)) else { continue };
            let Some(input) = detect(&document) else { continue };
            let plain = decrypt(&document, (input, Format::of_name(key)), &*self.services).await;
            let plain =
                plain.map_err(|source| ResourceError::Field { name: name.clone(), field: key.clone(), source })?;
            *value = Value::String(STANDARD.encode(plain));
            changed = true;
        }
        Ok(changed)
    }
}

/// Compared without regard to case, and as an annotation only, unlike the other opt-outs.
fn opted_out(object: &Value) -> bool {
    let annotation = object.get("metadata").and_then(|metadata| metadata.get("annotations")?.get(ANNOTATION)?.as_str());
    annotation.is_some_and(|value| value.eq_ignore_ascii_case(DISABLED))
}

/// Whether SOPS encrypted the object as a whole.
fn is_encrypted(object: &Value) -> bool {
    match object.pointer("/sops/mac") {
        None | Some(Value::Null) => false,
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::Object(fields)) => !fields.is_empty(),
        Some(_) => true,
    }
}

fn text<'o>(object: &'o Value, path: &str) -> &'o str {
    object.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

fn full_name(object: &Value) -> String {
    format!("{}/{}", text(object, "/metadata/namespace"), text(object, "/metadata/name"))
}
