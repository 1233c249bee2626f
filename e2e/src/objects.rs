//! Objects as a user writes them: JSON, applied as it stands.
//!
//! Deliberately untyped, so that a test can also write what no typed client would.

use anyhow::Context as _;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::gvk::GroupVersionKind;
use kube::{Api, Client};
use serde_json::{Value, json};

use sluice_testkit::wait::wait_until;

use crate::{NS, PATIENCE};

/// A kind with what its requests need.
#[derive(Debug, Clone)]
pub struct Applied {
    api: Api<DynamicObject>,
    name: String,
}

impl Applied {
    /// Changes the object by a merge patch.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn patch(&self, patch: Value) -> anyhow::Result<()> {
        self.api.patch(&self.name, &PatchParams::default(), &Patch::Merge(patch)).await.context("patch the object")?;
        Ok(())
    }

    /// Deletes the object.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn delete(&self) -> anyhow::Result<()> {
        self.api.delete(&self.name, &kube::api::DeleteParams::default()).await.context("delete the object")?;
        Ok(())
    }

    /// Asks for a reconcile, as `flux reconcile` does.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn request(&self, token: &str) -> anyhow::Result<()> {
        self.patch(json!({ "metadata": { "annotations": { "reconcile.fluxcd.io/requestedAt": token } } })).await
    }

    /// Asks for a reconcile and waits until it is over: the request acknowledged and the object not being worked on.
    ///
    /// # Errors
    /// After a minute.
    pub async fn request_and_wait(&self, token: &str) -> anyhow::Result<()> {
        self.request(token).await?;
        wait_until(PATIENCE, "the request to be handled", async || {
            let object = self.get().await?.context("it is gone")?;
            let handled = object.data.pointer("/status/lastHandledReconcileAt").and_then(Value::as_str) == Some(token);
            let conditions = object.data.pointer("/status/conditions").and_then(Value::as_array);
            let busy = conditions.is_some_and(|all| all.iter().any(|one| one["type"] == "Reconciling"));
            Ok((handled && !busy).then_some(()))
        })
        .await
    }

    /// The status, once it fulfils `holds`.
    ///
    /// # Errors
    /// After a minute; the message has the status.
    pub async fn status_when(&self, what: &str, holds: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        let status = async || Ok::<_, anyhow::Error>(self.get().await?.map(|found| found.data["status"].clone()));
        let waited = wait_until(PATIENCE, what, async || Ok(status().await?.filter(|status| holds(status)))).await;
        match waited {
            Ok(status) => Ok(status),
            Err(error) => Err(error.context(format!("the status is {:?}", status().await?))),
        }
    }

    /// The object, if it is there.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn get(&self) -> anyhow::Result<Option<DynamicObject>> {
        Ok(self.api.get_opt(&self.name).await?)
    }
}

/// A condition of a status, as `status reason: message`; empty when there is none.
pub fn status_condition(status: &Value, type_: &str) -> String {
    let conditions = status["conditions"].clone();
    crate::condition(&serde_json::from_value::<Vec<_>>(conditions).unwrap_or_default(), type_)
}

/// Creates or replaces an object of the namespace [`NS`]. `document` needs `apiVersion`, `kind` and `metadata.name`.
///
/// # Errors
/// When the API server refuses.
pub async fn apply(client: &Client, document: Value) -> anyhow::Result<Applied> {
    apply_to(client, NS, document).await
}

/// As [`apply`], to another namespace.
///
/// # Errors
/// When the API server refuses.
pub async fn apply_to(client: &Client, namespace: &str, document: Value) -> anyhow::Result<Applied> {
    let text = |pointer: &str| {
        document.pointer(pointer).and_then(Value::as_str).with_context(|| format!("{pointer} of {document}"))
    };
    let (api_version, kind, name) = (text("/apiVersion")?, text("/kind")?, text("/metadata/name")?.to_owned());
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let gvk = GroupVersionKind::gvk(group, version, kind);
    let plural = match kind {
        "GitRepository" | "OCIRepository" | "HelmRepository" => kind.to_lowercase().replace("ory", "ories"),
        kind => format!("{}s", kind.to_lowercase()),
    };
    let api: Api<DynamicObject> =
        Api::namespaced_with(client.clone(), namespace, &ApiResource::from_gvk_with_plural(&gvk, &plural));
    let object: DynamicObject = serde_json::from_value(document.clone()).context("read the object")?;
    match api.create(&kube::api::PostParams::default(), &object).await {
        Ok(_) => {}
        Err(kube::Error::Api(answer)) if answer.code == 409 => {
            api.patch(&name, &PatchParams::default(), &Patch::Merge(document)).await.context("change the object")?;
        }
        Err(error) => return Err(error).with_context(|| format!("create {kind} {name}")),
    }
    Ok(Applied { api, name })
}
