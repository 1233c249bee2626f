//! How strategic merge joins lists: the merge keys of the Kubernetes 1.21 API, which is the schema that kustomize carries.
//!
//! Only fields on the way to such a list are described; everything else has no schema and is replaced whole.

use crate::custom_schema::{CustomSchema, TypeId};
use crate::id::split_api_version;

/// The version of the built-in schema, by the name that `openapi.version` gives it.
pub(crate) const BUILT_IN_VERSION: &str = "v1.21.2";

/// A type of the API, as far as merging needs it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Type<'s> {
    /// A list whose elements are told apart by these keys.
    Keyed(&'static [&'static str], &'static Type<'static>),
    /// A set of scalars.
    Set,
    /// A structure with the fields that matter.
    Struct(&'static [(&'static str, Type<'static>)]),
    /// Known to have no merging below.
    #[default]
    Plain,
    /// A type of the user's own schema.
    Custom(&'s CustomSchema, TypeId),
}

/// A list that is merged: its keys (none for a set of scalars) and the type of its elements.
pub(crate) type MergedList<'s> = (Vec<&'s str>, Type<'s>);

impl<'s> Type<'s> {
    /// How a list is merged; `None` if it is replaced or no list.
    pub(crate) fn list(self) -> Option<MergedList<'s>> {
        match self {
            Self::Keyed(keys, element) => Some((keys.to_vec(), *element)),
            Self::Set => Some((Vec::new(), Type::Plain)),
            Self::Custom(schema, id) => schema.list(id).map(|(keys, element)| {
                let element = element.map_or(Type::Plain, |id| Type::Custom(schema, id));
                (keys.iter().map(String::as_str).collect(), element)
            }),
            Self::Struct(_) | Self::Plain => None,
        }
    }

    /// The type of a field of a structure.
    pub(crate) fn field(self, name: &str) -> Self {
        match self {
            Self::Custom(schema, id) => schema.field(id, name).map_or(Type::Plain, |id| Type::Custom(schema, id)),
            Self::Struct(fields) => {
                fields.iter().find(|(field, _)| *field == name).map_or(Self::Plain, |(_, kind)| *kind)
            }
            Self::Keyed(..) | Self::Set | Self::Plain => Self::Plain,
        }
    }
}

const LEAF: Type = Type::Plain;
const META: Type = Type::Struct(&[("finalizers", Type::Set), ("ownerReferences", Type::Keyed(&["uid"], &LEAF))]);
const CONDITIONS: Type = Type::Struct(&[("conditions", Type::Keyed(&["type"], &LEAF))]);
const CONTAINER: Type = Type::Struct(&[
    ("env", Type::Keyed(&["name"], &LEAF)),
    ("ports", Type::Keyed(&["containerPort", "protocol"], &LEAF)),
    ("volumeDevices", Type::Keyed(&["devicePath"], &LEAF)),
    ("volumeMounts", Type::Keyed(&["mountPath"], &LEAF)),
]);
const EPHEMERAL_CONTAINER: Type = Type::Struct(&[
    ("env", Type::Keyed(&["name"], &LEAF)),
    ("volumeDevices", Type::Keyed(&["devicePath"], &LEAF)),
    ("volumeMounts", Type::Keyed(&["mountPath"], &LEAF)),
]);
const VOLUME: Type =
    Type::Struct(&[("ephemeral", Type::Struct(&[("volumeClaimTemplate", Type::Struct(&[("metadata", META)]))]))]);
const POD_SPEC: Type = Type::Struct(&[
    ("containers", Type::Keyed(&["name"], &CONTAINER)),
    ("ephemeralContainers", Type::Keyed(&["name"], &EPHEMERAL_CONTAINER)),
    ("hostAliases", Type::Keyed(&["ip"], &LEAF)),
    ("imagePullSecrets", Type::Keyed(&["name"], &LEAF)),
    ("initContainers", Type::Keyed(&["name"], &CONTAINER)),
    ("topologySpreadConstraints", Type::Keyed(&["topologyKey", "whenUnsatisfiable"], &LEAF)),
    ("volumes", Type::Keyed(&["name"], &VOLUME)),
]);
const TEMPLATE: Type = Type::Struct(&[("metadata", META), ("spec", POD_SPEC)]);
const TEMPLATED: Type = Type::Struct(&[("template", TEMPLATE)]);

const POD: Type = Type::Struct(&[
    ("metadata", META),
    ("spec", POD_SPEC),
    ("status", Type::Struct(&[("conditions", Type::Keyed(&["type"], &LEAF)), ("podIPs", Type::Keyed(&["ip"], &LEAF))])),
]);
const POD_TEMPLATE: Type = Type::Struct(&[("metadata", META), ("template", TEMPLATE)]);
const WORKLOAD: Type = Type::Struct(&[("metadata", META), ("spec", TEMPLATED), ("status", CONDITIONS)]);
const CRON_JOB: Type = Type::Struct(&[
    ("metadata", META),
    ("spec", Type::Struct(&[("jobTemplate", Type::Struct(&[("metadata", META), ("spec", TEMPLATED)]))])),
]);
const SERVICE: Type = Type::Struct(&[
    ("metadata", META),
    ("spec", Type::Struct(&[("ports", Type::Keyed(&["port", "protocol"], &LEAF))])),
    ("status", CONDITIONS),
]);
const SERVICE_ACCOUNT: Type = Type::Struct(&[("metadata", META), ("secrets", Type::Keyed(&["name"], &LEAF))]);
const NODE: Type = Type::Struct(&[
    ("metadata", META),
    ("spec", Type::Struct(&[("podCIDRs", Type::Set)])),
    (
        "status",
        Type::Struct(&[("addresses", Type::Keyed(&["type"], &LEAF)), ("conditions", Type::Keyed(&["type"], &LEAF))]),
    ),
]);
const COMPONENT_STATUS: Type = Type::Struct(&[("metadata", META), ("conditions", Type::Keyed(&["type"], &LEAF))]);
const WEBHOOKS: Type = Type::Struct(&[("metadata", META), ("webhooks", Type::Keyed(&["name"], &LEAF))]);
const CSI_NODE: Type =
    Type::Struct(&[("metadata", META), ("spec", Type::Struct(&[("drivers", Type::Keyed(&["name"], &LEAF))]))]);
const WITH_CONDITIONS: Type = Type::Struct(&[("metadata", META), ("status", CONDITIONS)]);
const OTHER: Type = Type::Struct(&[("metadata", META)]);

/// The type of an object: by the user's own schema if there is one, which hides the built-in one as a whole unless that was in use before.
pub(crate) fn type_of<'s>(api_version: &str, kind: &str, custom: Option<&'s CustomSchema>) -> Option<Type<'s>> {
    match custom {
        Some(schema) => {
            let (group, version) = split_api_version(api_version);
            let custom = schema.object(group, version, kind).map(|id| Type::Custom(schema, id));
            custom.or_else(|| if schema.is_added { built_in(api_version, kind) } else { None })
        }
        None => built_in(api_version, kind),
    }
}

/// Whether the built-in schema has a type.
pub(crate) fn is_built_in(api_version: &str, kind: &str) -> bool {
    built_in(api_version, kind).is_some()
}

/// The type of an object of the built-in API; `None` for kinds that it lacks.
fn built_in(api_version: &str, kind: &str) -> Option<Type<'static>> {
    let (group, version) = split_api_version(api_version);
    let v1 = version == "v1";
    let v1_or_beta = matches!(version, "v1" | "v1beta1");
    Some(match (group, kind) {
        ("", "Pod") if v1 => POD,
        ("", "PodTemplate") if v1 => POD_TEMPLATE,
        ("", "ReplicationController")
        | ("apps", "DaemonSet" | "Deployment" | "ReplicaSet" | "StatefulSet")
        | ("batch", "Job")
            if v1 =>
        {
            WORKLOAD
        }
        ("batch", "CronJob") if v1_or_beta => CRON_JOB,
        ("", "Service") if v1 => SERVICE,
        ("", "ServiceAccount") if v1 => SERVICE_ACCOUNT,
        ("", "Node") if v1 => NODE,
        ("", "ComponentStatus") if v1 => COMPONENT_STATUS,
        ("", "Namespace" | "PersistentVolumeClaim") if v1 => WITH_CONDITIONS,
        ("policy", "PodDisruptionBudget") | ("apiregistration.k8s.io", "APIService") if v1_or_beta => WITH_CONDITIONS,
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration")
            if v1_or_beta =>
        {
            WEBHOOKS
        }
        ("storage.k8s.io", "CSINode") if v1_or_beta => CSI_NODE,
        _ if is_known(group, version, kind) => OTHER,
        _ => return None,
    })
}

/// Kinds of the schema of which only the metadata merges.
fn is_known(group: &str, version: &str, kind: &str) -> bool {
    let v1 = version == "v1";
    let v1_or_beta = matches!(version, "v1" | "v1beta1");
    match (group, kind) {
        ("", "ConfigMap" | "Endpoints" | "Event" | "LimitRange" | "PersistentVolume" | "ResourceQuota" | "Secret")
        | ("apps", "ControllerRevision")
        | ("autoscaling", "Scale")
        | ("networking.k8s.io", "NetworkPolicy") => v1,
        ("autoscaling", "HorizontalPodAutoscaler") => matches!(version, "v1" | "v2beta1" | "v2beta2"),
        ("apiextensions.k8s.io", "CustomResourceDefinition")
        | ("certificates.k8s.io", "CertificateSigningRequest")
        | ("coordination.k8s.io", "Lease")
        | ("discovery.k8s.io", "EndpointSlice")
        | ("events.k8s.io", "Event")
        | ("networking.k8s.io", "Ingress" | "IngressClass")
        | ("node.k8s.io", "RuntimeClass")
        | ("rbac.authorization.k8s.io", "ClusterRole" | "ClusterRoleBinding" | "Role" | "RoleBinding")
        | ("scheduling.k8s.io", "PriorityClass")
        | ("storage.k8s.io", "CSIDriver" | "StorageClass" | "VolumeAttachment") => v1_or_beta,
        ("extensions", "Ingress")
        | ("flowcontrol.apiserver.k8s.io", "FlowSchema" | "PriorityLevelConfiguration")
        | ("policy", "PodSecurityPolicy")
        | ("storage.k8s.io", "CSIStorageCapacity") => version == "v1beta1",
        _ => false,
    }
}
