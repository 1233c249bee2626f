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
    reconciler.phases(&Arc::new(receiver(spec))).await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn the_spec_is_checked_before_the_secret_is_read() {
    let good = json!({"type": "generic", "resources": [], "secretRef": {"name": "hook"}});
    let filtered =
        json!({"type": "generic", "resources": [], "secretRef": {"name": "hook"}, "resourceFilter": "req.x"});
    assert_eq!(phases(&good, Some("token")).await, Ok(webhook_path(b"token", "web", "apps")));
    let unread = "unable to read token from secret 'apps/hook' error".to_owned();
    assert_eq!(phases(&good, None).await, Err(unread));
    let refused = "invalid resourceFilter expression".to_owned();
    assert_eq!(phases(&filtered, None).await, Err(refused));
}

#[tokio::test]
async fn the_path_of_a_receiver_for_tokens_is_made_without_a_secret() {
    let provider = json!({"issuerURL": "https://i", "validations": [{"expression": "true", "message": "m"}]});
    let oidc = json!({"type": "generic-oidc", "resources": [], "oidcProviders": [provider]});
    assert_eq!(phases(&oidc, None).await, Ok(webhook_path(b"", "web", "apps")));
}

#[test]
fn a_receiver_is_found_by_its_secret_in_its_own_namespace() {
    let with = receiver(&json!({"type": "generic", "resources": [], "secretRef": {"name": "hook"}}));
    assert_eq!(secret_indexes(&with), [secret_index(&Key::new("apps", "hook"))]);
    assert_eq!(secret_indexes(&receiver(&json!({"type": "generic", "resources": []}))), [""; 0]);
}
