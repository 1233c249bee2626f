//! The keys of a Kustomization: those of the Secret that it names, or the age identities that the controller has for all.
//!
//! Read with the controller's identity, live, from the object's own namespace. Deliberately not kept after the pass.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, ResourceExt as _};
use sluice_api::kustomize::{Decryption, Kustomization};
use sluice_http_client::HttpClient;
use sluice_sops::{ImportError, KeyRing, Services};

use super::Decryptor;
use super::access::{Access, AccessSettings, VaultOfCluster};

/// The only provider that there is.
const SOPS: &str = "sops";
/// What the Secret of an object is called.
const PURPOSE: &str = "decryption Secret";

/// Keys that cannot be had.
#[derive(Debug, thiserror::Error)]
pub(in crate::kustomization) enum KeysError {
    /// There is no such Secret.
    #[error("secrets \"{0}\" not found")]
    NotFound(String),
    /// The Secret cannot be read.
    #[error("cannot get sops {purpose} '{secret}'")]
    Read {
        /// What it is for.
        purpose: &'static str,
        /// Namespace and name.
        secret: String,
        /// What the API server said.
        #[source]
        source: kube::Error,
    },
    /// An entry of it is no key.
    #[error("failed to import '{entry}' data from sops {purpose} '{secret}'")]
    Import {
        /// What the Secret is for.
        purpose: &'static str,
        /// Namespace and name.
        secret: String,
        /// The entry.
        entry: String,
        /// What is wrong with it.
        #[source]
        source: ImportError,
    },
}

impl KeysError {
    /// The Secret that an object names cannot be read.
    pub(in crate::kustomization) fn read(namespace: &str, name: &str, source: kube::Error) -> Self {
        Self::Read { purpose: PURPOSE, secret: format!("{namespace}/{name}"), source }
    }
}

/// What flags say of keys.
#[derive(Debug, Clone, Default)]
pub struct KeySettings {
    /// `--sops-age-secret`, empty for none.
    pub age_secret: String,
    /// `RUNTIME_NAMESPACE`.
    pub runtime_namespace: String,
    /// What they say of identities.
    pub access: AccessSettings,
}

/// Whoever decrypts for an object; `None` if it asks for nobody. `http` is of [`Services::client`].
pub(in crate::kustomization) async fn decryptor(
    client: &Client,
    (access, http): (&Access, &HttpClient),
    settings: &KeySettings,
    object: &Kustomization,
) -> Result<Option<Decryptor>, KeysError> {
    let Some(decryption) = object.spec.decryption.as_ref().filter(|decryption| decryption.provider == SOPS) else {
        return Ok(None);
    };
    let namespace = object.namespace().unwrap_or_default();
    let ring = ring(client, (decryption, &namespace), settings, access).await?;
    let cloud = Arc::new(access.of(client, object, &settings.access));
    let vault = VaultOfCluster::new(Arc::clone(&cloud), &settings.access.vault_config_map, &settings.runtime_namespace);
    let vault = vault.map(|vault| Box::new(vault) as Box<dyn sluice_sops::VaultAccess>);
    let platform = access.identities.platform().clone();
    let services = Services::new(ring, (cloud, vault), platform, access.transport.clone(), http.clone());
    Ok(Some(Decryptor::new(Box::new(services))))
}

/// Which entries of a Secret count.
#[derive(Clone, Copy, PartialEq)]
enum Entries {
    All,
    AgeOnly,
}

async fn ring(
    client: &Client,
    (decryption, namespace): (&Decryption, &str),
    settings: &KeySettings,
    access: &Access,
) -> Result<KeyRing, KeysError> {
    let mut ring = KeyRing::default();
    let (namespace, name, purpose, entries) = match &decryption.secret_ref {
        Some(reference) => (namespace, reference.name.as_str(), PURPOSE, Entries::All),
        None if settings.age_secret.is_empty() => return Ok(ring),
        // Credentials of clouds in it would stand in for every tenant's workload identity.
        None => {
            let name = settings.age_secret.as_str();
            (settings.runtime_namespace.as_str(), name, "SOPS age decryption Secret", Entries::AgeOnly)
        }
    };
    let secret = format!("{namespace}/{name}");
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let found = api.get_opt(name).await;
    let found = found.map_err(|source| KeysError::Read { purpose, secret: secret.clone(), source })?;
    let found = found.ok_or_else(|| KeysError::NotFound(name.to_owned()))?;
    for (entry, value) in found.data.unwrap_or_default() {
        let imported = match entries {
            Entries::All => ring.import(&entry, &value.0, &access.identities.platform().environment),
            Entries::AgeOnly => ring.import_age(&entry, &value.0),
        };
        imported.map_err(|source| KeysError::Import { purpose, secret: secret.clone(), entry, source })?;
    }
    Ok(ring)
}
