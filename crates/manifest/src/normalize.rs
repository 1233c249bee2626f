//! Small repairs of a desired object before it is applied, so that what a server would default or refuse is not seen as drift.
//!
//! Deliberately not here: dropping fields that a built-in kind does not know. That needs the server's word (`sluice-ssa`), so that fields newer
//! than this program survive.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value};

use crate::object::Object;

/// Where the containers of each workload kind are.
const WORKLOADS: [(&str, &str, &[&str]); 7] = [
    ("", "Pod", &["spec", "containers"]),
    ("apps", "Deployment", &["spec", "template", "spec", "containers"]),
    ("apps", "StatefulSet", &["spec", "template", "spec", "containers"]),
    ("apps", "DaemonSet", &["spec", "template", "spec", "containers"]),
    ("apps", "ReplicaSet", &["spec", "template", "spec", "containers"]),
    ("batch", "Job", &["spec", "template", "spec", "containers"]),
    ("batch", "CronJob", &["spec", "jobTemplate", "spec", "template", "spec", "containers"]),
];

/// Normalises a desired object in place:
/// * `metadata.creationTimestamp` goes (generators write `null`), and `status` unless it is a CRD;
/// * container and Service ports get the protocol `TCP`, which is their list key under server-side apply;
/// * a Secret's `stringData` is encoded into `data`, where the server keeps it;
/// * a CRD's conversion webhook loses a CA bundle that is no PEM certificate, which newer servers refuse.
pub fn normalize(object: &mut Object) {
    if let Some(metadata) = object.as_map_mut().get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("creationTimestamp");
    }
    if object.is("apiextensions.k8s.io", "CustomResourceDefinition") {
        drop_invalid_ca_bundle(object);
    } else {
        object.as_map_mut().remove("status");
    }
    default_protocols(object);
    if object.is("", "Secret") {
        merge_string_data(object.as_map_mut());
    }
}

fn default_protocols(object: &mut Object) {
    if object.is("", "Service") {
        if let Some(ports) = object.at_mut(&["spec", "ports"]) {
            set_protocols(ports);
        }
        return;
    }
    let path = WORKLOADS.iter().find(|(group, kind, _)| object.is(group, kind)).map(|(_, _, path)| *path);
    let Some(Value::Array(containers)) = path.and_then(|path| object.at_mut(path)) else { return };
    containers.iter_mut().filter_map(|container| container.get_mut("ports")).for_each(set_protocols);
}

fn set_protocols(ports: &mut Value) {
    let Value::Array(ports) = ports else { return };
    for port in ports.iter_mut().filter_map(Value::as_object_mut) {
        let unset = port.get("protocol").is_none_or(|value| value.is_null() || value == "");
        if unset {
            port.insert("protocol".to_owned(), Value::String("TCP".to_owned()));
        }
    }
}

/// Leaves everything as it is when a value is no string: the server's refusal says which.
fn merge_string_data(secret: &mut Map<String, Value>) {
    let Some(Value::Object(plain)) = secret.get("stringData") else { return };
    let Some(encoded) = plain
        .iter()
        .map(|(key, value)| Some((key.clone(), Value::String(BASE64.encode(value.as_str()?)))))
        .collect::<Option<Vec<_>>>()
    else {
        return;
    };
    let data = secret.entry("data").or_insert(Value::Null);
    if data.is_null() {
        *data = Value::Object(Map::new());
    }
    let Some(data) = data.as_object_mut() else { return };
    data.extend(encoded);
    secret.remove("stringData");
}

fn drop_invalid_ca_bundle(crd: &mut Object) {
    let path = ["spec", "conversion", "webhook", "clientConfig"];
    let Some(config) = crd.at_mut(&path).and_then(Value::as_object_mut) else { return };
    if config.get("caBundle").is_some_and(|bundle| !is_certificate_bundle(bundle)) {
        config.remove("caBundle");
    }
}

/// Whether the value is base64 of PEM text with at least one certificate block whose body is base64.
fn is_certificate_bundle(value: &Value) -> bool {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let Some(Ok(pem)) = value.as_str().map(|text| BASE64.decode(text.as_bytes())) else { return false };
    let Ok(pem) = String::from_utf8(pem) else { return false };
    let Some((body, _)) = pem.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END)) else { return false };
    let body: String = body.split_whitespace().collect();
    BASE64.decode(body.as_bytes()).is_ok_and(|der| !der.is_empty())
}

#[cfg(test)]
mod tests;
