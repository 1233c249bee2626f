//! Every kind as it is on the wire: full objects, minimal ones, and ones from a newer schema.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests may")]

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sluice_api::kustomize::{DeletionPolicy, Kustomization, SourceKind};
use sluice_api::notification::{Alert, AlertSeverity, Provider, ProviderType, Receiver};
use sluice_api::source::{
    Bucket, BucketProvider, ExternalArtifact, GitProvider, GitRepository, GitVerification, GitVerificationMode,
    HelmChart, HelmRepository, HelmRepositoryType, LayerOperation, OCIRepository, ReconcileStrategy, RegistryProvider,
};
use sluice_api::{ArtifactSource, ObjectStatus, Reconcilable};

/// The full example of a kind, and what comes of reading and writing it.
struct Case {
    kind: &'static str,
    text: &'static str,
    read_and_write: fn(Value) -> Result<Value, serde_json::Error>,
}

fn read_and_write<T: DeserializeOwned + Serialize>(value: Value) -> Result<Value, serde_json::Error> {
    serde_json::to_value(serde_json::from_value::<T>(value)?)
}

fn cases() -> [Case; 10] {
    macro_rules! case {
        ($kind:ident, $file:literal) => {
            Case {
                kind: stringify!($kind),
                text: include_str!(concat!("examples/", $file)),
                read_and_write: read_and_write::<$kind>,
            }
        };
    }
    [
        case!(GitRepository, "gitrepository.json"),
        case!(OCIRepository, "ocirepository.json"),
        case!(HelmRepository, "helmrepository.json"),
        case!(HelmChart, "helmchart.json"),
        case!(Bucket, "bucket.json"),
        case!(ExternalArtifact, "externalartifact.json"),
        case!(Kustomization, "kustomization.json"),
        case!(Receiver, "receiver.json"),
        case!(Provider, "provider.json"),
        case!(Alert, "alert.json"),
    ]
}

impl Case {
    fn value(&self) -> Value {
        serde_json::from_str(self.text).unwrap()
    }

    fn schema(&self) -> JSONSchemaProps {
        let crd = sluice_api::crds().into_iter().find(|crd| crd.spec.names.kind == self.kind).unwrap();
        let version = crd.spec.versions.into_iter().next().unwrap();
        version.schema.unwrap().open_api_v3_schema.unwrap()
    }
}

/// The paths that the schema has and the value has not.
fn missing(path: &str, schema: &JSONSchemaProps, value: Option<&Value>, found: &mut Vec<String>) {
    let Some(value) = value else {
        found.push(path.to_owned());
        return;
    };
    for (name, property) in schema.properties.iter().flatten() {
        missing(&format!("{path}.{name}"), property, value.get(name), found);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items {
        missing(&format!("{path}[]"), items, value.get(0), found);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &schema.additional_properties {
        missing(&format!("{path}{{}}"), values, value.as_object().and_then(|map| map.values().next()), found);
    }
}

#[test]
fn the_examples_have_every_field_of_the_schema() {
    for case in cases() {
        let mut found = Vec::new();
        missing(case.kind, &case.schema(), Some(&case.value()), &mut found);
        assert_eq!(found, Vec::<String>::new());
    }
}

#[test]
fn a_full_object_is_written_as_it_was_read() {
    for case in cases() {
        assert_eq!((case.read_and_write)(case.value()).unwrap(), case.value(), "{}", case.kind);
    }
}

/// Removes what the schema does not require, in the spec.
fn minimal(schema: &JSONSchemaProps, value: &mut Value) {
    if let (Some(properties), Some(fields)) = (&schema.properties, value.as_object_mut()) {
        let required = schema.required.clone().unwrap_or_default();
        fields.retain(|name, _| required.contains(name));
        for (name, field) in fields.iter_mut() {
            minimal(&properties[name], field);
        }
    }
    if let (Some(JSONSchemaPropsOrArray::Schema(items)), Some(values)) = (&schema.items, value.as_array_mut()) {
        for item in values {
            minimal(items, item);
        }
    }
}

#[test]
fn absent_optional_fields_are_readable_and_not_written() {
    for case in cases() {
        let mut value = case.value();
        minimal(&case.schema().properties.unwrap()["spec"], &mut value["spec"]);
        value.as_object_mut().unwrap().remove("status");
        assert_eq!((case.read_and_write)(value.clone()).unwrap(), value, "{}", case.kind);
    }
}

/// Adds an unknown field to every object of the tree except maps of strings.
fn with_unknown_fields(schema: &JSONSchemaProps, value: &mut Value) {
    if let (Some(properties), Some(fields)) = (&schema.properties, value.as_object_mut()) {
        for (name, field) in fields.iter_mut() {
            with_unknown_fields(&properties[name], field);
        }
        fields.insert("fromTheFuture".to_owned(), json!({"deep": [1, null]}));
    }
    if let (Some(JSONSchemaPropsOrArray::Schema(items)), Some(values)) = (&schema.items, value.as_array_mut()) {
        for item in values {
            with_unknown_fields(items, item);
        }
    }
}

#[test]
fn unknown_fields_are_passed_over() {
    for case in cases() {
        let mut value = case.value();
        with_unknown_fields(&case.schema(), &mut value);
        assert_eq!((case.read_and_write)(value).unwrap(), case.value(), "{}", case.kind);
    }
}

/// Replaces every enumerated text by one that no schema knows yet.
fn with_unknown_values(schema: &JSONSchemaProps, value: &mut Value) {
    if schema.enum_.is_some() {
        *value = json!("from-the-future");
    }
    if let (Some(properties), Some(fields)) = (&schema.properties, value.as_object_mut()) {
        for (name, field) in fields.iter_mut() {
            with_unknown_values(&properties[name], field);
        }
    }
    if let (Some(JSONSchemaPropsOrArray::Schema(items)), Some(values)) = (&schema.items, value.as_array_mut()) {
        for item in values {
            with_unknown_values(items, item);
        }
    }
}

#[test]
fn unknown_values_of_enumerations_are_kept() {
    for case in cases() {
        let mut value = case.value();
        with_unknown_values(&case.schema(), &mut value);
        assert_eq!((case.read_and_write)(value.clone()).unwrap(), value, "{}", case.kind);
    }
}

#[test]
fn wrong_types_and_missing_required_fields_are_refused() {
    for (pointer, wrong) in
        [("/spec/interval", json!("soon")), ("/spec/suspend", json!("yes")), ("/spec/path", json!(1))]
    {
        let mut value: Value = serde_json::from_str(include_str!("examples/kustomization.json")).unwrap();
        *value.pointer_mut(pointer).unwrap() = wrong;
        assert!(serde_json::from_value::<Kustomization>(value).is_err(), "{pointer}");
    }
    let value = json!({"metadata": {"name": "a"}, "spec": {"interval": "1m"}});
    assert!(serde_json::from_value::<GitRepository>(value).is_err());
}

fn read<T: DeserializeOwned>(spec: &Value) -> T {
    serde_json::from_value(json!({"apiVersion": "v", "kind": "K", "metadata": {"name": "a"}, "spec": spec})).unwrap()
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn absent_fields_have_the_defaults_of_the_contract() {
    let git: GitRepository = read(&json!({"url": "https://a", "interval": "1m"}));
    assert_eq!((git.timeout(), git.provider(), git.interval()), (secs(60), GitProvider::Generic, secs(60)));
    let oci: OCIRepository = read(&json!({"url": "oci://a", "interval": "1m", "verify": {}}));
    assert_eq!(
        (oci.timeout(), oci.provider(), oci.layer_operation()),
        (secs(60), RegistryProvider::Generic, LayerOperation::Extract)
    );
    assert_eq!(oci.spec.verify.unwrap().provider().as_str(), "cosign");
    let helm: HelmRepository = read(&json!({"url": "https://a"}));
    assert_eq!(
        (helm.timeout(), helm.interval(), helm.repository_type(), helm.provider()),
        (secs(60), secs(60), HelmRepositoryType::Default, RegistryProvider::Generic)
    );
    let chart: HelmChart = read(&json!({
        "chart": "a", "interval": "1m", "sourceRef": {"kind": "Bucket", "name": "b"}, "verify": {},
    }));
    assert_eq!((chart.version(), chart.reconcile_strategy()), ("*", ReconcileStrategy::ChartVersion));
    assert_eq!(chart.spec.verify.unwrap().provider().as_str(), "cosign");
    let bucket: Bucket = read(&json!({"bucketName": "b", "endpoint": "e", "interval": "1m"}));
    assert_eq!((bucket.timeout(), bucket.provider()), (secs(60), BucketProvider::Generic));
    let receiver: Receiver = read(&json!({"type": "github", "resources": []}));
    assert_eq!((receiver.interval(), receiver.suspended()), (secs(600), false));
    let provider: Provider = read(&json!({"type": "incident.io"}));
    assert_eq!((provider.timeout(), provider.spec.type_), (secs(15), ProviderType::IncidentIo));
    let alert: Alert = read(&json!({"providerRef": {"name": "p"}, "eventSources": []}));
    assert_eq!(alert.event_severity(), AlertSeverity::Info);
}

#[test]
fn the_timeout_of_a_kustomization_follows_the_interval_and_has_a_floor() {
    let table = [
        (json!({"interval": "10m"}), 570, 600),
        (json!({"interval": "40s"}), 30, 40),
        (json!({"interval": "10s", "retryInterval": "2s"}), 30, 2),
        (json!({"interval": "10m", "timeout": "1s"}), 30, 600),
        (json!({"interval": "10m", "timeout": "1h"}), 3600, 600),
    ];
    for (mut spec, timeout, retry) in table {
        spec["prune"] = json!(true);
        spec["sourceRef"] = json!({"kind": "OCIRepository", "name": "a"});
        let ks: Kustomization = read(&spec);
        assert_eq!((ks.timeout(), ks.retry_interval()), (secs(timeout), secs(retry)), "{spec}");
        assert_eq!(ks.deletion_policy(), DeletionPolicy::MirrorPrune);
        assert_eq!(ks.spec.source_ref.kind, SourceKind::OciRepository);
    }
}

#[test]
fn any_mode_but_the_tag_modes_verifies_the_commit() {
    let table = [
        (None, GitVerificationMode::Head),
        (Some("head"), GitVerificationMode::Head),
        (Some("HEAD"), GitVerificationMode::Head),
        (Some("Tag"), GitVerificationMode::Tag),
        (Some("TagAndHEAD"), GitVerificationMode::TagAndHead),
        (Some("nonsense"), GitVerificationMode::Head),
    ];
    for (text, expected) in table {
        let verification = GitVerification { mode: text.map(Into::into), ..GitVerification::default() };
        assert_eq!(verification.mode(), expected, "{text:?}");
    }
}

#[test]
fn a_status_is_read_and_written_through_the_trait() {
    let mut repository: GitRepository = serde_json::from_str(include_str!("examples/gitrepository.json")).unwrap();
    assert_eq!(repository.artifact().map(|artifact| artifact.revision.as_str()), Some("main@sha1:0a"));
    let status = repository.status.as_mut().unwrap();
    assert_eq!((status.observed_generation(), status.last_handled_reconcile_at()), (Some(2), Some("token-1")));
    assert_eq!(status.conditions().len(), 1);
    status.set_observed_generation(Some(3));
    status.set_last_handled_reconcile_at(None);
    status.conditions_mut().clear();
    let written = serde_json::to_value(&repository).unwrap();
    assert_eq!(written["status"]["observedGeneration"], json!(3));
    assert_eq!(written["status"].get("lastHandledReconcileAt"), None);
    assert_eq!(written["status"].get("conditions"), None);
}

#[test]
fn the_paths_of_an_include_have_defaults() {
    let git: GitRepository = read(&json!({
        "url": "https://a", "interval": "1m",
        "include": [{"repository": {"name": "r"}}, {"repository": {"name": "r"}, "fromPath": "f", "toPath": "t"}],
    }));
    let paths: Vec<_> = git.spec.include.iter().map(|include| (include.from_path(), include.to_path())).collect();
    assert_eq!(paths, [("", "r"), ("f", "t")]);
}

#[test]
fn empty_labels_of_a_reference_stay_apart_from_absent_ones() {
    let references =
        json!([{"kind": "GitRepository", "name": "*"}, {"kind": "GitRepository", "name": "*", "matchLabels": {}}]);
    let receiver = json!({"type": "generic", "secretRef": {"name": "token"}, "resources": references});
    let alert = json!({"providerRef": {"name": "chat"}, "eventSources": references});
    assert_eq!(read_and_write::<sluice_api::notification::ReceiverSpec>(receiver.clone()).unwrap(), receiver);
    assert_eq!(read_and_write::<sluice_api::notification::AlertSpec>(alert.clone()).unwrap(), alert);
}
