//! What the control plane promises to the tests that use it.

use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::api::{DeleteParams, ListParams};
use kube::config::AuthInfo;

use super::*;

const CRD: &str = "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: widgets.example.test
spec:
  group: example.test
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, listKind: WidgetList}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        x-kubernetes-validations:
        - rule: 'true'
";

fn pod() -> Pod {
    serde_json::from_value(json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "none"}]}
    }))
    .unwrap()
}

#[tokio::test]
async fn a_started_server_has_rbac_takes_pods_serves_new_crds_and_leaves_nothing_behind() {
    let plane = ControlPlane::start().await.unwrap();
    let client = plane.client();

    let roles: Api<ClusterRole> = Api::all(client.clone());
    roles.get("cluster-admin").await.unwrap();
    plane.create_namespace("team").await.unwrap();
    let pods: Api<Pod> = Api::namespaced(client.clone(), "team");
    pods.create(&PostParams::default(), &pod()).await.unwrap();

    let crds = tempfile::tempdir().unwrap();
    std::fs::write(crds.path().join("widgets.yaml"), CRD).unwrap();
    plane.install_crds_from(crds.path()).await.unwrap();
    let list = http::Request::get("/apis/example.test/v1/namespaces/team/widgets").body(Vec::new()).unwrap();
    assert!(client.request_text(list).await.unwrap().contains("WidgetList"));

    let mut nobody = plane.config();
    nobody.auth_info = AuthInfo::default();
    let nobody: Api<Pod> = Api::namespaced(kube::Client::try_from(nobody).unwrap(), "team");
    match nobody.list(&ListParams::default()).await {
        Err(kube::Error::Api(status)) => assert_eq!(status.code, 401),
        other => panic!("expected 401, got {other:?}"),
    }

    let dir = plane.servers.dir().to_owned();
    assert!(plane.kubeconfig_path().starts_with(&dir));
    drop(plane);
    assert!(!dir.exists());
}

#[tokio::test]
async fn with_the_controller_manager_namespaces_are_deleted_with_their_contents() {
    let options = Options { controller_manager: true, ..Options::default() };
    let plane = ControlPlane::start_with(&options).await.unwrap();
    plane.create_namespace("team").await.unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(plane.client(), "team");
    let map =
        ConfigMap { metadata: ObjectMeta { name: Some("m".into()), ..ObjectMeta::default() }, ..ConfigMap::default() };
    maps.create(&PostParams::default(), &map).await.unwrap();
    let namespaces: Api<Namespace> = Api::all(plane.client());
    namespaces.delete("team", &DeleteParams::default()).await.unwrap();
    wait_until(Duration::from_secs(30), "the namespace to be gone", async || {
        Ok(namespaces.get_opt("team").await?.is_none().then_some(()))
    })
    .await
    .unwrap();
    assert_eq!(maps.list(&ListParams::default()).await.unwrap().items, []);
}

#[tokio::test]
async fn a_server_that_ends_is_reported_with_its_log() {
    let dir = tempfile::tempdir().unwrap();
    let broken = dir.path().join("broken");
    std::fs::write(&broken, "#!/bin/sh\necho no luck today\nexit 9\n").unwrap();
    std::fs::set_permissions(&broken, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let binaries = Binaries { etcd: broken.clone(), apiserver: broken, controller_manager: None };
    let options = Options { parent_dir: Some(dir.path().to_owned()), ..Options::default() };
    let _ = rustls::crypto::ring::default_provider().install_default();
    let error = ControlPlane::try_start(&binaries, &options).await.unwrap_err();
    assert_eq!(format!("{error:#}"), "etcd ended with code 9; its log ends with:\nno luck today\n");
}
