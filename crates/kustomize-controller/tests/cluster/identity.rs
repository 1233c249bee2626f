//! Another cluster, by workload identity: the generic provider. The clouds are tested where their exchanges are, at the HTTP boundary.

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, PostParams};
use kustomize_controller::cluster::TargetIdentity;
use serde_json::{Value, json};
use sluice_testkit::control_plane::ControlPlane;
use sluice_workload_identity::ServiceAccountIdentity;

use crate::rig::{NAMESPACE, Options, Rig, put, put_account, writes};

/// What the API server takes a token for.
const AUDIENCE: &str = "https://kubernetes.default.svc";

fn by_config_map() -> Value {
    json!({"kubeConfig": {"configMapRef": {"name": "cluster"}}})
}

async fn put_cluster(plane: &ControlPlane, more: Value) -> anyhow::Result<()> {
    let mut data = json!({"provider": "generic", "address": plane.url(), "ca.crt": plane.certificate_authority(),
        "audiences": AUDIENCE});
    if let (Value::Object(more), Some(data)) = (more, data.as_object_mut()) {
        data.extend(more);
    }
    put(
        &plane.client(),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cluster", "namespace": NAMESPACE}, "data": data}),
    )
    .await
}

fn forbidden(user: &str) -> String {
    format!(
        "secrets \"written\" is forbidden: User \"system:serviceaccount:apps:{user}\" cannot patch resource \"secrets\" in API group \
         \"\" in the namespace \"apps\""
    )
}

#[tokio::test]
async fn a_cluster_is_reached_with_the_token_of_a_service_account() -> anyhow::Result<()> {
    let plane = ControlPlane::start().await?;
    plane.create_namespace(NAMESPACE).await?;
    let rig = Rig::new(&plane, Options::default())?;
    put_account(&rig.client, "reacher").await?;
    put_cluster(&plane, json!({"serviceAccountName": "reacher"})).await?;
    let target = rig.target(by_config_map()).await?;
    assert_eq!((target.identity, target.user.as_deref()), (TargetIdentity::Remote, None));
    assert_eq!(writes(&target).await, ["written".to_owned(), forbidden("reacher")]);
    let event = |event: &str, count: u32| {
        format!(
            "gotk_token_cache_events_total{{event_type=\"{event}\",kind=\"Kustomization\",name=\"web\",namespace=\"apps\",\
             operation=\"fetch_kubeconfig\"}} {count}"
        )
    };
    let mut events = rig.token_events();
    events.sort();
    assert_eq!(events, [event("cache_hit", 2), event("cache_miss", 1)], "one token, asked for at each of two requests");
    rig.clusters.forget(NAMESPACE, "web");
    assert_eq!(rig.token_events(), [""; 0]);

    // Acting as another there is the reaching account's right to have.
    let mut spec = by_config_map();
    spec["serviceAccountName"] = "tenant".into();
    let [said, _] = writes(&rig.target(spec).await?).await;
    let expected = "User \"system:serviceaccount:apps:reacher\" cannot impersonate resource \"serviceaccounts\"";
    assert!(said.contains(expected), "{said}");

    // A token for somebody else is not taken.
    put_cluster(&plane, json!({"serviceAccountName": "reacher", "audiences": "elsewhere"})).await?;
    assert_eq!(writes(&rig.target(by_config_map()).await?).await, ["Unauthorized", "Unauthorized"]);
    put_cluster(&plane, json!({"serviceAccountName": "reacher", "ca.crt": "no certificate"})).await?;
    assert_eq!(rig.error(by_config_map()).await, "failed to set up the connection: the CA certificate cannot be used");
    Ok(())
}

#[tokio::test]
async fn the_account_is_the_named_one_the_default_one_or_the_controllers() -> anyhow::Result<()> {
    let plane = ControlPlane::start().await?;
    plane.create_namespace(NAMESPACE).await?;
    for name in ["reacher", "own"] {
        put_account(&plane.client(), name).await?;
    }
    put_cluster(&plane, json!({})).await?;
    let default = Options { default_kubeconfig_account: "reacher", ..Options::default() };
    let rig = Rig::new(&plane, default)?;
    assert_eq!(writes(&rig.target(by_config_map()).await?).await, ["written".to_owned(), forbidden("reacher")]);

    let accounts: Api<ServiceAccount> = Api::namespaced(plane.client(), NAMESPACE);
    let request = TokenRequest { spec: TokenRequestSpec::default(), ..TokenRequest::default() };
    let token = accounts.create_token_request("own", &PostParams::default(), &request).await?;
    let own_token = token.status.map(|status| status.token).unwrap_or_default();
    let pod = Options { gate: ServiceAccountIdentity::Refused, own_token, ..Options::default() };
    let rig = Rig::new(&plane, pod)?;
    assert_eq!(writes(&rig.target(by_config_map()).await?).await, ["written".to_owned(), forbidden("own")]);
    put_cluster(&plane, json!({"serviceAccountName": "reacher"})).await?;
    assert_eq!(
        rig.error(by_config_map()).await,
        "failed to get access token for cluster: ObjectLevelWorkloadIdentity feature gate is not enabled"
    );
    Ok(())
}

#[tokio::test]
async fn a_config_map_that_leads_nowhere_says_why() -> anyhow::Result<()> {
    let plane = ControlPlane::start().await?;
    plane.create_namespace(NAMESPACE).await?;
    let rig = Rig::new(&plane, Options::default())?;
    assert_eq!(
        rig.error(by_config_map()).await,
        "failed to get configmap apps/cluster: configmaps \"cluster\" not found"
    );
    for (data, expected) in [
        (json!({"provider": "oracle"}), "provider 'oracle' not implemented"),
        (
            json!({"address": "http://api.example.com"}),
            "failed to parse cluster address: the Kubernetes API server address 'http://api.example.com/' must use https scheme",
        ),
        (
            json!({"serviceAccountName": "gone"}),
            "failed to get access token for cluster: failed to get service account 'apps/gone': serviceaccounts \"gone\" not found",
        ),
        (
            json!({}),
            "failed to get access token for cluster: failed to read service account token file \
             /var/run/secrets/kubernetes.io/serviceaccount/token: entity not found",
        ),
        (
            json!({"provider": "aws", "cluster": "prod"}),
            "invalid EKS cluster ARN: 'prod'. must match arn:aws[-*]:eks:<region>:<account>:cluster/<name>",
        ),
    ] {
        // Whatever the one before had besides goes.
        let config_maps: Api<k8s_openapi::api::core::v1::ConfigMap> = Api::namespaced(plane.client(), NAMESPACE);
        let _ = config_maps.delete("cluster", &kube::api::DeleteParams::default()).await;
        put_cluster(&plane, data).await?;
        assert_eq!(rig.error(by_config_map()).await, expected);
    }
    let locked = Rig::new(&plane, Options { default_kubeconfig_account: "tenant", ..Options::default() })?;
    put_cluster(&plane, json!({"provider": "gcp"})).await?;
    assert_eq!(
        locked.error(by_config_map()).await,
        "failed to get access token for cluster: the default service account 'tenant' does not exist in namespace 'apps': the cluster \
         is under multi-tenant workload identity lockdown, ask its administrator for help"
    );
    Ok(())
}
