//! Which `ConfigMap`s and Secrets a Kustomization reads: their change is a reason to look at it again.
//!
//! Deliberately not here: reading them.

use kube::ResourceExt;
use sluice_api::kustomize::Kustomization;
use sluice_runtime::queue::Key;

/// The kinds as the API names them.
pub(super) const CONFIG_MAP: &str = "ConfigMap";
pub(super) const SECRET: &str = "Secret";

/// Kind and key of each, optional ones too: one that appears counts as a change.
pub(super) fn references(object: &Kustomization) -> impl Iterator<Item = (&str, Key)> {
    let spec = &object.spec;
    let variables = spec.post_build.iter().flat_map(|post_build| &post_build.substitute_from);
    let variables = variables.map(|reference| (reference.kind.as_str(), reference.name.as_str()));
    let access = spec.kube_config.iter().flat_map(|access| {
        let secret = access.secret_ref.iter().map(|reference| (SECRET, reference.name.as_str()));
        secret.chain(access.config_map_ref.iter().map(|reference| (CONFIG_MAP, reference.name.as_str())))
    });
    let keys = spec.decryption.iter().filter_map(|decryption| decryption.secret_ref.as_ref());
    let keys = keys.map(|reference| (SECRET, reference.name.as_str()));
    let namespace = object.namespace().unwrap_or_default();
    variables.chain(access).chain(keys).map(move |(kind, name)| (kind, Key::new(namespace.clone(), name)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn everything_that_is_read_is_named() {
        let object: Kustomization = serde_json::from_value(json!({
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
            "metadata": {"name": "a", "namespace": "apps"},
            "spec": {
                "interval": "1m", "prune": true, "sourceRef": {"kind": "GitRepository", "name": "g"},
                "postBuild": {"substituteFrom": [
                    {"kind": "ConfigMap", "name": "v"}, {"kind": "Secret", "name": "w", "optional": true}]},
                "kubeConfig": {"secretRef": {"name": "k"}},
                "decryption": {"provider": "sops", "secretRef": {"name": "d"}},
            },
        }))
        .unwrap();
        let found: Vec<String> = references(&object).map(|(kind, key)| format!("{kind} {key}")).collect();
        assert_eq!(found, ["ConfigMap apps/v", "Secret apps/w", "Secret apps/k", "Secret apps/d"]);
    }
}
