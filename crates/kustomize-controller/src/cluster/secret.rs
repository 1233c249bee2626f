//! `spec.kubeConfig.secretRef`: a kubeconfig in a Secret of the object's namespace, read as the controller.
//!
//! Deliberately no copy of the Secret beyond this function.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt as _};
use sluice_api::kustomize::Kustomization;
use sluice_api::meta::SecretKeyReference;
use sluice_cloud_identity::{CacheKey, CacheKeyBuilder};
use sluice_ssa::Discovery;

use super::Shared;
use super::connect::connect;
use super::error::{ReadError, TargetError};
use super::kubeconfig::read;
use super::remotes::{Origin, Remote};

/// Where a kubeconfig is when nobody says where.
const DEFAULT_KEYS: [&str; 2] = ["value", "value.yaml"];

/// The cluster of a Secret's kubeconfig.
pub(super) async fn remote(
    shared: &Shared,
    object: &Kustomization,
    reference: &SecretKeyReference,
) -> Result<Remote, TargetError> {
    let namespace = object.namespace().unwrap_or_default();
    let named = reference.key.as_deref().filter(|key| !key.is_empty());
    let secret_name = format!("{namespace}/{}", reference.name);
    let origin = Origin {
        kind: "Secret",
        namespace: namespace.clone(),
        name: reference.name.clone(),
        key: named.unwrap_or_default().to_owned(),
    };
    let secrets: Api<Secret> = Api::namespaced(shared.own.clone(), &namespace);
    let not_found = || ReadError::NotFound { plural: "secrets", name: reference.name.clone() };
    let found = match secrets.get_opt(&reference.name).await {
        Ok(Some(secret)) => Ok(secret),
        Ok(None) => Err(not_found()),
        Err(error) => Err(ReadError::of(error)),
    };
    let secret = found.map_err(|source| {
        shared.remotes.forget(&origin);
        TargetError::ReadSecret { secret: secret_name.clone(), source }
    })?;
    let version = version(&secret);
    let made = shared.remotes.get_or_make(origin.clone(), version, || {
        let text = kubeconfig_of(secret.data.as_ref(), named)
            .map_err(|key| TargetError::NoKey { secret: secret_name.clone(), key: key.to_owned() })?;
        let environment = &shared.identities.platform().environment;
        let config = read(text, shared.settings.tls, environment)
            .map_err(|source| TargetError::Kubeconfig { secret: secret_name.clone(), source })?;
        let client = connect(config)?;
        Ok(Remote { discovery: Arc::new(Discovery::new(client.clone())), client })
    });
    made.inspect_err(|_| shared.remotes.forget(&origin))
}

/// Another Secret of the same name has another uid, and a changed one another resource version.
fn version(secret: &Secret) -> CacheKey {
    let key = CacheKeyBuilder::new("kubeconfig-secret").optional("uid", secret.metadata.uid.as_deref());
    key.optional("resourceVersion", secret.metadata.resource_version.as_deref()).build()
}

/// The kubeconfig, or the key under which it should be.
fn kubeconfig_of<'a>(
    data: Option<&'a BTreeMap<String, ByteString>>,
    named: Option<&'a str>,
) -> Result<&'a [u8], &'a str> {
    let get = |key: &str| Some(data?.get(key)?.0.as_slice());
    match named {
        Some(key) => get(key).ok_or(key),
        None => DEFAULT_KEYS.into_iter().find_map(get).ok_or(DEFAULT_KEYS[0]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_the_named_one_or_one_of_the_two_usual() {
        let data = |keys: &[&str]| -> BTreeMap<String, ByteString> {
            keys.iter().map(|key| ((*key).to_owned(), ByteString(key.as_bytes().to_vec()))).collect()
        };
        for (keys, named, expected) in [
            (&["value", "value.yaml", "own"][..], None, Ok("value")),
            (&["value.yaml", "own"], None, Ok("value.yaml")),
            (&["own"], None, Err("value")),
            (&["value", "own"], Some("own"), Ok("own")),
            (&["value"], Some("own"), Err("own")),
            (&[], None, Err("value")),
        ] {
            let data = data(keys);
            let found = kubeconfig_of(Some(&data), named).map(|text| std::str::from_utf8(text).unwrap());
            assert_eq!(found, expected, "{keys:?} {named:?}");
        }
        assert_eq!(kubeconfig_of(None, None), Err("value"));
    }
}
