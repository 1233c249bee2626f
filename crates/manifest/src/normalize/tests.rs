use serde_json::json;

use super::*;

fn check(input: Value, expected: &Value) {
    let mut object = Object::new(input).unwrap();
    normalize(&mut object);
    assert_eq!(&object.clone().into_value(), expected);
    normalize(&mut object);
    assert_eq!(&object.into_value(), expected, "normalising twice changes nothing more");
}

#[test]
fn creation_timestamp_and_status_go() {
    check(
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "status": {"replicas": 1},
               "metadata": {"name": "a", "creationTimestamp": null}}),
        &json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}}),
    );
}

#[test]
fn a_crd_keeps_its_status() {
    let crd = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "a"}, "status": {"storedVersions": []}});
    check(crd.clone(), &crd);
}

#[test]
fn container_ports_default_to_tcp_in_every_workload_kind_but_not_in_init_containers() {
    for (group, kind, path) in WORKLOADS {
        let api_version = if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") };
        let nest = |containers: Value| {
            let pod = json!({"containers": containers, "initContainers": [{"ports": [{"containerPort": 1}]}]});
            let inner = path[..path.len() - 1].iter().rev().fold(pod, |value, key| json!({ *key: value }));
            let mut document = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "a"}});
            document["spec"] = inner["spec"].clone();
            document
        };
        check(
            nest(json!([{"ports": [{"containerPort": 80}, {"containerPort": 53, "protocol": "UDP"}]}, {"name": "x"}])),
            &nest(json!([
                {"ports": [{"containerPort": 80, "protocol": "TCP"}, {"containerPort": 53, "protocol": "UDP"}]},
                {"name": "x"}])),
        );
    }
}

#[test]
fn service_ports_default_to_tcp_for_core_services_only() {
    let service = |api_version: &str, port: Value| json!({"apiVersion": api_version, "kind": "Service", "metadata": {"name": "a"}, "spec": {"ports": [port]}});
    check(service("v1", json!({"port": 80})), &service("v1", json!({"port": 80, "protocol": "TCP"})));
    check(service("v1", json!({"port": 80, "protocol": ""})), &service("v1", json!({"port": 80, "protocol": "TCP"})));
    let knative = service("serving.knative.dev/v1", json!({"port": 80}));
    check(knative.clone(), &knative);
}

#[test]
fn malformed_ports_are_left_for_the_server_to_refuse() {
    for ports in [json!("x"), json!([1]), json!(null), json!({"port": 80})] {
        let service =
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"ports": ports}});
        check(service.clone(), &service);
    }
}

#[test]
fn string_data_is_encoded_over_data() {
    let secret = |rest: Value| {
        let mut document = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}});
        document.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        document
    };
    check(
        secret(json!({"data": {"a": "b2xk", "c": "Yw=="}, "stringData": {"a": "new", "b": ""}})),
        &secret(json!({"data": {"a": "bmV3", "b": "", "c": "Yw=="}})),
    );
    check(secret(json!({"stringData": {"a": "ü"}})), &secret(json!({"data": {"a": "w7w="}})));
    check(secret(json!({"data": null, "stringData": {"a": "x"}})), &secret(json!({"data": {"a": "eA=="}})));
    let numeric = secret(json!({"stringData": {"a": 1}}));
    check(numeric.clone(), &numeric);
}

#[test]
fn a_ca_bundle_that_is_no_certificate_goes() {
    let crd = |bundle: Option<&str>| {
        let mut config = json!({"service": {"name": "s"}});
        if let Some(bundle) = bundle {
            config["caBundle"] = json!(bundle);
        }
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "a"},
            "spec": {"conversion": {"webhook": {"clientConfig": config}}}})
    };
    let good = BASE64.encode("-----BEGIN CERTIFICATE-----\nMIIB\nAAAA\n-----END CERTIFICATE-----\n");
    check(crd(Some(&good)), &crd(Some(&good)));
    for bad in
        ["Cg==", "", "!!", "bm90IHBlbQ==", &BASE64.encode("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----")]
    {
        check(crd(Some(bad)), &crd(None));
    }
}
