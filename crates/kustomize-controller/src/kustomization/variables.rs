//! Phase: the variables of `spec.postBuild`, from the spec and from the `ConfigMap`s and Secrets that it names.
//!
//! Read with the controller's identity, live, on the management cluster, whatever identity applies the objects: that is the contract. Deliberately
//! not here: putting them in (`substitute`). Nothing is kept after the pass.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, Client, ResourceExt};
use sluice_api::kustomize::{Kustomization, PostBuild, SubstituteReference, SubstituteSourceKind, SubstituteStrategy};
use sluice_envsubst::{Limits, Strategy, Substitution, Unset, Variables};

/// Why there are no variables.
#[derive(Debug, thiserror::Error)]
pub(super) enum VariablesError {
    /// A referenced object cannot be read, or does not exist and is not optional.
    #[error("substitute from '{kind}/{name}' error: {error}")]
    Read {
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
        /// What the API server said. Part of the text, as in Flux.
        error: kube::Error,
    },
    /// A reference to something that has no variables.
    #[error("substitute from '{0}' error: kind must be ConfigMap or Secret")]
    Kind(String),
}

/// Reads everything that the object's substitution depends on; `None` when it asks for none.
pub(super) async fn read(
    client: &Client,
    object: &Kustomization,
    unset: Unset,
) -> Result<Option<Substitution>, VariablesError> {
    let Some(post_build) = &object.spec.post_build else { return Ok(None) };
    let namespace = object.namespace().unwrap_or_default();
    let mut variables = Variables::new();
    for reference in &post_build.substitute_from {
        for (name, value) in data_of(client, &namespace, reference).await? {
            variables.set(name, value);
        }
    }
    for (name, value) in &post_build.substitute {
        variables.set(name, value);
    }
    Ok(Some(Substitution { variables, strategy: strategy(post_build), unset, limits: Limits::default() }))
}

fn strategy(post_build: &PostBuild) -> Strategy {
    match post_build.substitute_strategy.clone().unwrap_or_default() {
        SubstituteStrategy::Always => Strategy::Always,
        SubstituteStrategy::WithVariables | SubstituteStrategy::Other(_) => Strategy::WithVariables,
    }
}

async fn data_of(
    client: &Client,
    namespace: &str,
    reference: &SubstituteReference,
) -> Result<BTreeMap<String, Vec<u8>>, VariablesError> {
    let failed = |error| VariablesError::Read { kind: reference.kind.to_string(), name: reference.name.clone(), error };
    let found = match &reference.kind {
        SubstituteSourceKind::ConfigMap => {
            let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
            api.get(&reference.name).await.map(|map| {
                map.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.into_bytes())).collect()
            })
        }
        SubstituteSourceKind::Secret => {
            let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
            api.get(&reference.name)
                .await
                .map(|secret| secret.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0)).collect())
        }
        SubstituteSourceKind::Other(kind) => return Err(VariablesError::Kind(format!("{kind}/{}", reference.name))),
    };
    match found {
        Err(kube::Error::Api(status)) if reference.optional && status.code == 404 => Ok(BTreeMap::new()),
        other => other.map_err(failed),
    }
}
