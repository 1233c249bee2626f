//! The built-in tables of field specifications, as kustomize 5.8.1 has them: which fields hold labels, names, images and so on.
//!
//! Rows that are the same for many workload kinds are written once per pod specification and multiplied here. User tables
//! (`configurations`) are added elsewhere.

use crate::config::{BackReference, Config};
use crate::fieldspec::FieldSpec;
use crate::id::Gvk;

/// Kinds with a pod specification and where it is.
const POD_SPECS: &[(&str, &str)] = &[
    ("Pod", "spec"),
    ("PodTemplate", "template/spec"),
    ("Deployment", "spec/template/spec"),
    ("ReplicaSet", "spec/template/spec"),
    ("DaemonSet", "spec/template/spec"),
    ("StatefulSet", "spec/template/spec"),
    ("Job", "spec/template/spec"),
    ("CronJob", "spec/jobTemplate/spec/template/spec"),
];

/// Kinds whose pods' service account, claims and priority class are followed; not quite those of [`POD_SPECS`].
const POD_OWNERS: &[(&str, &str)] = &[
    ("Pod", "spec"),
    ("StatefulSet", "spec/template/spec"),
    ("Deployment", "spec/template/spec"),
    ("ReplicationController", "spec/template/spec"),
    ("CronJob", "spec/jobTemplate/spec/template/spec"),
    ("Job", "spec/template/spec"),
    ("DaemonSet", "spec/template/spec"),
];

const CONFIG_MAP_FIELDS: &[&str] = &[
    "volumes/configMap/name",
    "containers/env/valueFrom/configMapKeyRef/name",
    "initContainers/env/valueFrom/configMapKeyRef/name",
    "containers/envFrom/configMapRef/name",
    "initContainers/envFrom/configMapRef/name",
    "volumes/projected/sources/configMap/name",
];

const SECRET_FIELDS: &[&str] = &[
    "volumes/secret/secretName",
    "containers/env/valueFrom/secretKeyRef/name",
    "initContainers/env/valueFrom/secretKeyRef/name",
    "containers/envFrom/secretRef/name",
    "initContainers/envFrom/secretRef/name",
    "imagePullSecrets/name",
    "volumes/projected/sources/secret/name",
];

const VAR_FIELDS: &[&str] = &[
    "containers/args",
    "containers/command",
    "containers/env/value",
    "containers/volumeMounts/mountPath",
    "initContainers/args",
    "initContainers/command",
    "initContainers/env/value",
    "initContainers/volumeMounts/mountPath",
];

const RBAC: &str = "rbac.authorization.k8s.io";
const ADMISSION: &str = "admissionregistration.k8s.io";

fn row(group: &str, version: &str, kind: &str, path: &str) -> FieldSpec {
    FieldSpec::new(Gvk::new(group, version, kind), path, false)
}

fn made(group: &str, version: &str, kind: &str, path: &str) -> FieldSpec {
    FieldSpec::new(Gvk::new(group, version, kind), path, true)
}

/// The configuration of a build without `configurations`.
pub(crate) fn default_config() -> Config {
    let mut common_labels = selector_fields();
    common_labels.extend(label_fields());
    let mut config = Config {
        name_prefix: vec![row("", "", "", "metadata/name")],
        name_suffix: vec![row("", "", "", "metadata/name")],
        namespace: vec![
            made("", "", "Namespace", "metadata/name"),
            made("apiregistration.k8s.io", "", "APIService", "spec/service/namespace"),
            row(
                "apiextensions.k8s.io",
                "",
                "CustomResourceDefinition",
                "spec/conversion/webhook/clientConfig/service/namespace",
            ),
        ],
        common_labels,
        labels: Vec::new(),
        template_labels: label_fields(),
        common_annotations: annotation_fields(),
        name_reference: back_references(),
        var_reference: var_fields(),
        images: [
            "spec/containers[]/image",
            "spec/initContainers[]/image",
            "spec/volumes[]/image/reference",
            "spec/template/spec/containers[]/image",
            "spec/template/spec/initContainers[]/image",
            "spec/template/spec/volumes[]/image/reference",
        ]
        .map(|path| made("", "", "", path))
        .to_vec(),
        replicas: ["Deployment", "ReplicationController", "ReplicaSet", "StatefulSet"]
            .map(|kind| made("", "", kind, "spec/replicas"))
            .to_vec(),
    };
    config.sort();
    config
}

fn selector_fields() -> Vec<FieldSpec> {
    let mut rows = vec![
        made("", "v1", "Service", "spec/selector"),
        made("", "v1", "ReplicationController", "spec/selector"),
        made("", "", "Deployment", "spec/selector/matchLabels"),
        made("", "", "ReplicaSet", "spec/selector/matchLabels"),
        made("", "", "DaemonSet", "spec/selector/matchLabels"),
        made("apps", "", "StatefulSet", "spec/selector/matchLabels"),
        row("batch", "", "Job", "spec/selector/matchLabels"),
        row("batch", "", "CronJob", "spec/jobTemplate/spec/selector/matchLabels"),
        row("policy", "", "PodDisruptionBudget", "spec/selector/matchLabels"),
        row("networking.k8s.io", "", "NetworkPolicy", "spec/podSelector/matchLabels"),
        row("networking.k8s.io", "", "NetworkPolicy", "spec/ingress/from/podSelector/matchLabels"),
        row("networking.k8s.io", "", "NetworkPolicy", "spec/egress/to/podSelector/matchLabels"),
    ];
    for kind in ["Deployment", "StatefulSet"] {
        for affinity in ["podAffinity", "podAntiAffinity"] {
            for term in [
                "preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm",
                "requiredDuringSchedulingIgnoredDuringExecution",
            ] {
                let path = format!("spec/template/spec/affinity/{affinity}/{term}/labelSelector/matchLabels");
                rows.push(row("apps", "", kind, &path));
            }
        }
        rows.push(row("apps", "", kind, "spec/template/spec/topologySpreadConstraints/labelSelector/matchLabels"));
    }
    rows
}

fn label_fields() -> Vec<FieldSpec> {
    vec![
        made("", "", "", "metadata/labels"),
        made("", "v1", "ReplicationController", "spec/template/metadata/labels"),
        made("", "", "Deployment", "spec/template/metadata/labels"),
        made("", "", "ReplicaSet", "spec/template/metadata/labels"),
        made("", "", "DaemonSet", "spec/template/metadata/labels"),
        made("apps", "", "StatefulSet", "spec/template/metadata/labels"),
        made("apps", "", "StatefulSet", "spec/volumeClaimTemplates[]/metadata/labels"),
        made("batch", "", "Job", "spec/template/metadata/labels"),
        made("batch", "", "CronJob", "spec/jobTemplate/metadata/labels"),
        made("batch", "", "CronJob", "spec/jobTemplate/spec/template/metadata/labels"),
    ]
}

fn annotation_fields() -> Vec<FieldSpec> {
    vec![
        made("", "", "", "metadata/annotations"),
        made("", "v1", "ReplicationController", "spec/template/metadata/annotations"),
        made("", "", "Deployment", "spec/template/metadata/annotations"),
        made("", "", "ReplicaSet", "spec/template/metadata/annotations"),
        made("", "", "DaemonSet", "spec/template/metadata/annotations"),
        made("", "", "StatefulSet", "spec/template/metadata/annotations"),
        made("batch", "", "Job", "spec/template/metadata/annotations"),
        made("batch", "", "CronJob", "spec/jobTemplate/metadata/annotations"),
        made("batch", "", "CronJob", "spec/jobTemplate/spec/template/metadata/annotations"),
    ]
}

fn var_fields() -> Vec<FieldSpec> {
    let mut rows = Vec::new();
    for &(kind, pod_spec) in POD_SPECS.iter().filter(|(kind, _)| *kind != "PodTemplate") {
        rows.extend(VAR_FIELDS.iter().map(|field| row("", "", kind, &format!("{pod_spec}/{field}"))));
        // The table has a path for CronJobs that leads nowhere; it is kept for what it would find.
        let volumes = if kind == "CronJob" { "spec/jobTemplate/spec/template" } else { pod_spec };
        rows.push(row("", "", kind, &format!("{volumes}/volumes/nfs/server")));
    }
    rows.retain(|row| !(row.gvk.kind == "StatefulSet" && row.path.ends_with("nfs/server")));
    rows.extend([
        row("", "", "Deployment", "spec/template/metadata/annotations"),
        row("", "", "Ingress", "spec/rules/host"),
        row("", "", "Ingress", "spec/tls/hosts"),
        row("", "", "Ingress", "spec/tls/secretName"),
        row("", "", "Service", "spec/ports/port"),
        row("", "", "Service", "spec/ports/targetPort"),
        row("", "", "StatefulSet", "spec/volumeClaimTemplates/spec/nfs/server"),
        row("", "", "PersistentVolume", "spec/nfs/server"),
        row("", "", "", "metadata/labels"),
        row("", "", "", "metadata/annotations"),
    ]);
    rows
}

fn back_references() -> Vec<BackReference> {
    let scale = || vec![row("", "", "HorizontalPodAutoscaler", "spec/scaleTargetRef/name")];
    let target = |group: &str, version: &str, kind: &str, referrers: Vec<FieldSpec>| BackReference {
        target: Gvk::new(group, version, kind),
        referrers,
    };
    let owners = |field: &str| -> Vec<FieldSpec> {
        POD_OWNERS.iter().map(|(kind, spec)| row("", "", kind, &format!("{spec}/{field}"))).collect()
    };
    vec![
        target("", "", "Deployment", scale()),
        target("", "", "ReplicationController", scale()),
        target("", "", "ReplicaSet", scale()),
        target("", "", "StatefulSet", scale()),
        target("", "v1", "ConfigMap", config_map_referrers()),
        target("", "v1", "Secret", secret_referrers()),
        target("", "v1", "Service", service_referrers()),
        target(RBAC, "", "Role", vec![row(RBAC, "", "RoleBinding", "roleRef/name")]),
        target(
            RBAC,
            "",
            "ClusterRole",
            vec![row(RBAC, "", "RoleBinding", "roleRef/name"), row(RBAC, "", "ClusterRoleBinding", "roleRef/name")],
        ),
        target("", "v1", "ServiceAccount", {
            let mut rows =
                vec![row(RBAC, "", "RoleBinding", "subjects"), row(RBAC, "", "ClusterRoleBinding", "subjects")];
            rows.extend(owners("serviceAccountName"));
            rows
        }),
        target("", "v1", "PersistentVolumeClaim", owners("volumes/persistentVolumeClaim/claimName")),
        target(
            "",
            "v1",
            "PersistentVolume",
            vec![
                row("", "", "PersistentVolumeClaim", "spec/volumeName"),
                row("", "", "ClusterRole", "rules/resourceNames"),
            ],
        ),
        target(
            "storage.k8s.io",
            "v1",
            "StorageClass",
            vec![
                row("", "", "PersistentVolume", "spec/storageClassName"),
                row("", "", "PersistentVolumeClaim", "spec/storageClassName"),
                row("", "", "StatefulSet", "spec/volumeClaimTemplates/spec/storageClassName"),
            ],
        ),
        target("scheduling.k8s.io", "v1", "PriorityClass", owners("priorityClassName")),
        // The group of this row is not one that exists, so it finds nothing; kept because kustomize's table has it.
        target("networking.k8s.io/v1", "v1", "IngressClass", vec![row("", "", "Ingress", "spec/ingressClassName")]),
        target(
            ADMISSION,
            "",
            "ValidatingAdmissionPolicy",
            vec![row(ADMISSION, "", "ValidatingAdmissionPolicyBinding", "spec/policyName")],
        ),
    ]
}

/// Fields of every pod specification. Only the rows of a plain Pod are tied to a version.
fn pod_fields(fields: &[&str]) -> Vec<FieldSpec> {
    let mut rows = Vec::new();
    for (kind, spec) in POD_SPECS {
        let version = if *kind == "Pod" { "v1" } else { "" };
        rows.extend(fields.iter().map(|field| row("", version, kind, &format!("{spec}/{field}"))));
    }
    rows
}

fn config_map_referrers() -> Vec<FieldSpec> {
    let mut rows = pod_fields(CONFIG_MAP_FIELDS);
    rows.extend([
        row("", "", "Node", "spec/configSource/configMap"),
        row("", "", "Role", "rules/resourceNames"),
        row("", "", "ClusterRole", "rules/resourceNames"),
        row("", "", "Ingress", r"metadata/annotations/nginx.ingress.kubernetes.io\/fastcgi-params-configmap"),
    ]);
    rows
}

fn secret_referrers() -> Vec<FieldSpec> {
    let mut rows = pod_fields(SECRET_FIELDS);
    rows.extend([
        row("", "", "Ingress", "spec/tls/secretName"),
        row("", "", "Ingress", r"metadata/annotations/ingress.kubernetes.io\/auth-secret"),
        row("", "", "Ingress", r"metadata/annotations/nginx.ingress.kubernetes.io\/auth-secret"),
        row("", "", "Ingress", r"metadata/annotations/nginx.ingress.kubernetes.io\/auth-tls-secret"),
        row("", "", "ServiceAccount", "imagePullSecrets/name"),
        row("", "", "StorageClass", "parameters/secretName"),
        row("", "", "StorageClass", "parameters/adminSecretName"),
        row("", "", "StorageClass", "parameters/userSecretName"),
        row("", "", "StorageClass", "parameters/secretRef"),
        row("", "", "Role", "rules/resourceNames"),
        row("", "", "ClusterRole", "rules/resourceNames"),
        row("serving.knative.dev", "v1", "Service", "spec/template/spec/containers/env/valueFrom/secretKeyRef/name"),
        row("", "", "PersistentVolume", "spec/azureFile/secretName"),
    ]);
    rows
}

fn service_referrers() -> Vec<FieldSpec> {
    vec![
        row("apps", "", "StatefulSet", "spec/serviceName"),
        row("", "", "Ingress", "spec/rules/http/paths/backend/serviceName"),
        row("", "", "Ingress", "spec/backend/serviceName"),
        row("", "", "Ingress", "spec/rules/http/paths/backend/service/name"),
        row("", "", "Ingress", "spec/defaultBackend/service/name"),
        row("apiregistration.k8s.io", "", "APIService", "spec/service/name"),
        row(ADMISSION, "", "ValidatingWebhookConfiguration", "webhooks/clientConfig/service"),
        row(ADMISSION, "", "MutatingWebhookConfiguration", "webhooks/clientConfig/service"),
    ]
}
