//! The own cluster.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, DeleteParams};
use kustomize_controller::cluster::TargetIdentity;
use serde_json::json;
use sluice_manifest::{Object, normalize};
use sluice_ssa::{Applier, ApplyOptions};
use sluice_testkit::control_plane::ControlPlane;

use crate::rig::{NAMESPACE, Options, Rig, kustomization, put_account, writes};

#[tokio::test]
async fn a_service_account_may_what_it_may_and_a_refusal_names_it() -> anyhow::Result<()> {
    let plane = ControlPlane::start().await?;
    plane.create_namespace(NAMESPACE).await?;
    let rig = Rig::new(&plane, Options::default())?;
    put_account(&rig.client, "deployer").await?;

    let own = rig.target(json!({})).await?;
    assert_eq!((own.identity, own.user.as_deref()), (TargetIdentity::Own, None));
    assert_eq!(writes(&own).await, ["written", "written"]);

    let target = rig.target(json!({"serviceAccountName": "deployer"})).await?;
    let user = "system:serviceaccount:apps:deployer";
    assert_eq!((target.identity, target.user.as_deref()), (TargetIdentity::Impersonated, Some(user)));
    assert!(Arc::ptr_eq(&target.discovery, &rig.discovery), "the kinds of a cluster are the same for all");
    let forbidden = |user: &str, resource: &str| {
        format!(
            "{resource} \"written\" is forbidden: User \"{user}\" cannot patch resource \"{resource}\" in API group \"\" in the \
             namespace \"apps\""
        )
    };
    assert_eq!(writes(&target).await, ["written".to_owned(), forbidden(user, "secrets")]);

    // The same through the crate that applies: the refusal is the object's.
    let applier = Applier::new(target.client, "kustomize-controller", 4).with_discovery(target.discovery);
    let mut account = Object::new(json!({"apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": "other", "namespace": NAMESPACE}}))?;
    normalize(&mut account);
    let failure = applier.apply(vec![account], &ApplyOptions::default()).await.unwrap_err().text();
    assert!(failure.contains(&format!("User \"{user}\" cannot")), "{failure}");

    // An account that does not exist may nothing, and is named too.
    let nobody = rig.target(json!({"serviceAccountName": "nobody"})).await?;
    let user = "system:serviceaccount:apps:nobody";
    assert_eq!(writes(&nobody).await, [forbidden(user, "configmaps"), forbidden(user, "secrets")]);
    let error = rig.error(json!({"serviceAccountName": "a\nb"})).await;
    assert_eq!(error, r"the user 'system:serviceaccount:apps:a\nb' cannot be impersonated: its name cannot be sent");
    Ok(())
}

#[tokio::test]
async fn whether_the_account_is_still_there_is_asked_on_the_own_cluster() -> anyhow::Result<()> {
    let plane = ControlPlane::start().await?;
    plane.create_namespace(NAMESPACE).await?;
    let rig = Rig::new(&plane, Options::default())?;
    put_account(&rig.client, "deployer").await?;
    let exists = async |spec| rig.clusters.account_exists(&kustomization(spec)).await;
    let remote = json!({"serviceAccountName": "deployer", "kubeConfig": {"secretRef": {"name": "gone"}}});
    assert_eq!(exists(json!({})).await?, None);
    assert_eq!(exists(json!({"serviceAccountName": "deployer"})).await?, Some(true));
    assert_eq!(exists(remote.clone()).await?, Some(true));
    assert_eq!(exists(json!({"serviceAccountName": "nobody"})).await?, Some(false));
    let accounts: Api<ServiceAccount> = Api::namespaced(rig.client.clone(), NAMESPACE);
    accounts.delete("deployer", &DeleteParams::default()).await?;
    assert_eq!(exists(remote).await?, Some(false));

    let locked = Rig::new(&plane, Options { default_account: "tenant", ..Options::default() })?;
    assert_eq!(locked.clusters.account_exists(&kustomization(json!({}))).await?, Some(false));
    let target = locked.target(json!({})).await?;
    let user = "system:serviceaccount:apps:tenant";
    assert_eq!((target.identity, target.user.as_deref()), (TargetIdentity::Impersonated, Some(user)));
    let target = locked.target(json!({"serviceAccountName": "own"})).await?;
    assert_eq!(target.user.as_deref(), Some("system:serviceaccount:apps:own"));

    // An API server that says nothing has not said no.
    drop(plane);
    assert!(rig.clusters.account_exists(&kustomization(json!({"serviceAccountName": "deployer"}))).await.is_err());
    Ok(())
}
