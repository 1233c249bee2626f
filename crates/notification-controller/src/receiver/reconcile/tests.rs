use serde_json::{Value, json};
use sluice_notify::SecretData;

use super::*;
use crate::fakes::{Cluster, object};

fn receiver(spec: &Value) -> Receiver {
    object(json!({
        "apiVersion": "notification.toolkit.fluxcd.io/v1",
        "kind": "Receiver",
        "metadata": {"name": "web", "namespace": "apps"},
        "spec": spec,
    }))
}

async fn phases(spec: &Value, secret: Option<&str>) -> Result<String, String> {
    let mut cluster = Cluster::default();
    if let Some(token) = secret {
        cluster.secrets.insert("apps/hook".to_owned(), SecretData::from_iter([("token", token)]));
    }
    let reconciler = ReceiverReconciler::new(Arc::new(cluster));
    reconciler.phases(&receiver(spec)).await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn the_spec_is_checked_before_the_secret_is_read() {
    let good = json!({"type": "generic", "resources": [], "secretRef": {"name": "hook"}});
    let filtered = json!({"type": "generic", "resources": [], "secretRef": {"name": "hook"}, "resourceFilter": "true"});
    assert_eq!(phases(&good, Some("token")).await, Ok(webhook_path(b"token", "web", "apps")));
    let unread = "unable to read token from secret 'apps/hook' error".to_owned();
    assert_eq!(phases(&good, None).await, Err(unread));
    let refused = "invalid resourceFilter expression: filters are not supported yet".to_owned();
    assert_eq!(phases(&filtered, None).await, Err(refused));
}

#[test]
fn a_receiver_is_found_by_its_secret_in_its_own_namespace() {
    let with = receiver(&json!({"type": "generic", "resources": [], "secretRef": {"name": "hook"}}));
    assert_eq!(secret_indexes(&with), [secret_index(&Key::new("apps", "hook"))]);
    assert_eq!(secret_indexes(&receiver(&json!({"type": "generic", "resources": []}))), [""; 0]);
}
