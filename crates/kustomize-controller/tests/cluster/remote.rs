//! Another cluster, by the kubeconfig of a Secret.

use std::sync::Arc;

use kube::api::{Api, DeleteParams};
use kustomize_controller::cluster::TargetIdentity;
use serde_json::{Value, json};
use sluice_manifest::Gvk;
use sluice_testkit::control_plane::ControlPlane;
use sluice_testkit::proxy::{ProxyKind, ProxyServer};

use crate::rig::{NAMESPACE, Options, Rig, is_written, put_account, put_secret, writes};

fn by_secret(name: &str) -> Value {
    json!({"kubeConfig": {"secretRef": {"name": name}}})
}

fn kubeconfig(plane: &ControlPlane) -> anyhow::Result<Value> {
    Ok(serde_json::from_slice(&std::fs::read(plane.kubeconfig_path())?)?)
}

#[tokio::test]
async fn a_kubeconfig_leads_to_another_cluster_also_as_a_service_account_there() -> anyhow::Result<()> {
    let (own, other) = tokio::try_join!(ControlPlane::start(), ControlPlane::start())?;
    own.create_namespace(NAMESPACE).await?;
    other.create_namespace(NAMESPACE).await?;
    let rig = Rig::new(&own, Options::default())?;
    let kubeconfig = kubeconfig(&other)?;
    put_secret(&rig.client, "other", &[("value.yaml", &kubeconfig.to_string())]).await?;

    let target = rig.target(by_secret("other")).await?;
    assert_eq!((target.identity, target.user.as_deref()), (TargetIdentity::Remote, None));
    assert_eq!(writes(&target).await, ["written", "written"]);
    assert_eq!((is_written(&own.client()).await?, is_written(&other.client()).await?), (false, true));
    let gvk = Gvk { group: "apps".into(), version: "v1".into(), kind: "Deployment".into() };
    assert!(target.discovery.resolve(&gvk).await?.namespaced);

    // The account is one of the other cluster: it exists there alone.
    put_account(&other.client(), "deployer").await?;
    let mut spec = by_secret("other");
    spec["serviceAccountName"] = "deployer".into();
    let tenant = rig.target(spec).await?;
    let user = "system:serviceaccount:apps:deployer";
    assert_eq!((tenant.identity, tenant.user.as_deref()), (TargetIdentity::Remote, Some(user)));
    let forbidden = format!(
        "secrets \"written\" is forbidden: User \"{user}\" cannot patch resource \"secrets\" in API group \"\" in the namespace \"apps\""
    );
    assert_eq!(writes(&tenant).await, ["written".to_owned(), forbidden]);
    assert!(Arc::ptr_eq(&tenant.discovery, &target.discovery), "one connection for one Secret");

    // A changed Secret is another connection, even if it says the same.
    put_secret(&rig.client, "other", &[("value", &kubeconfig.to_string())]).await?;
    let again = rig.target(by_secret("other")).await?;
    assert!(!Arc::ptr_eq(&again.discovery, &target.discovery));
    assert_eq!(writes(&again).await, ["written", "written"]);

    // Without its credentials it is nobody there.
    let mut bare = kubeconfig.clone();
    bare["users"] =
        json!([{"name": "sluice", "user": {"client-certificate": "/a", "client-key": "/b", "as": "admin"}}]);
    put_secret(&rig.client, "other", &[("value", &bare.to_string())]).await?;
    let nobody = rig.target(by_secret("other")).await?;
    assert_eq!(writes(&nobody).await, ["Unauthorized", "Unauthorized"]);

    // A server that no certificate vouches for is not talked to, whatever the kubeconfig says.
    let mut insecure = kubeconfig;
    insecure["clusters"][0]["cluster"] = json!({"server": other.url(), "insecure-skip-tls-verify": true});
    put_secret(&rig.client, "other", &[("value", &insecure.to_string())]).await?;
    let unverified = rig.target(by_secret("other")).await?;
    let [said, _] = writes(&unverified).await;
    assert!(said.to_lowercase().contains("certificate"), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_kubeconfig_goes_through_its_proxy() -> anyhow::Result<()> {
    let plane = ControlPlane::start().await?;
    plane.create_namespace(NAMESPACE).await?;
    let rig = Rig::new(&plane, Options::default())?;
    let (http, socks) =
        (ProxyServer::start(ProxyKind::Http, Some(("me", "p@ss")))?, ProxyServer::start(ProxyKind::Socks5, None)?);
    for (name, proxy) in [("http", &http), ("socks", &socks)] {
        let mut kubeconfig = kubeconfig(&plane)?;
        kubeconfig["clusters"][0]["cluster"]["proxy-url"] = proxy.address().as_str().into();
        put_secret(&rig.client, name, &[("value", &kubeconfig.to_string())]).await?;
        let target = rig.target(by_secret(name)).await?;
        assert_eq!(writes(&target).await, ["written", "written"], "{name}");
        let expected = plane.url().trim_start_matches("https://").to_owned();
        assert_eq!(proxy.targets().first(), Some(&expected), "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn a_secret_that_leads_nowhere_says_why() -> anyhow::Result<()> {
    let plane = ControlPlane::start().await?;
    plane.create_namespace(NAMESPACE).await?;
    let rig = Rig::new(&plane, Options::default())?;
    assert_eq!(
        rig.error(by_secret("gone")).await,
        "unable to read KubeConfig secret 'apps/gone' error: secrets \"gone\" not found"
    );
    put_secret(&rig.client, "kc", &[("other", "x")]).await?;
    assert_eq!(
        rig.error(by_secret("kc")).await,
        "KubeConfig secret 'apps/kc' does not contain a 'value' key with a kubeconfig"
    );
    assert_eq!(
        rig.error(json!({"kubeConfig": {"secretRef": {"name": "kc", "key": "config"}}})).await,
        "KubeConfig secret 'apps/kc' does not contain a 'config' key with a kubeconfig"
    );
    assert_eq!(
        rig.error(json!({"kubeConfig": {"secretRef": {"name": "kc", "key": "other"}}})).await,
        "invalid kubeconfig in secret 'apps/kc': field '.' is not what a kubeconfig has there"
    );
    assert_eq!(
        rig.error(json!({"kubeConfig": {}})).await,
        "exactly one of spec.kubeConfig.configMapRef or spec.kubeConfig.secretRef must be specified"
    );

    // What was good once is not used when the Secret has turned bad or is gone.
    let good = kubeconfig(&plane)?;
    put_secret(&rig.client, "kc", &[("value", &good.to_string())]).await?;
    rig.target(by_secret("kc")).await?;
    let mut exec = good.clone();
    exec["users"][0]["user"] =
        json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/true"}});
    put_secret(&rig.client, "kc", &[("value", &exec.to_string())]).await?;
    let error = rig.error(by_secret("kc")).await;
    let expected =
        "invalid kubeconfig in secret 'apps/kc': user 'sluice' has an exec credential plugin, which is never run: ";
    assert!(error.starts_with(expected), "{error}");
    let mut key = good;
    key["users"][0]["user"]["client-key-data"] = "czNjcmV0".into();
    put_secret(&rig.client, "kc", &[("value", &key.to_string())]).await?;
    assert_eq!(
        rig.error(by_secret("kc")).await,
        "failed to set up the connection: the client certificate and key are not a usable pair"
    );
    let secrets: Api<k8s_openapi::api::core::v1::Secret> = Api::namespaced(rig.client.clone(), NAMESPACE);
    secrets.delete("kc", &DeleteParams::default()).await?;
    assert_eq!(
        rig.error(by_secret("kc")).await,
        "unable to read KubeConfig secret 'apps/kc' error: secrets \"kc\" not found"
    );
    Ok(())
}
