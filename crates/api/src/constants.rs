//! Names on the wire that more than one controller or crate writes or reads.
//!
//! Deliberately only names: message texts belong to the code that writes them.

/// Finalizer that every controller of the toolkit sets on its objects.
pub const FINALIZER: &str = "finalizers.fluxcd.io";

/// Value of `label::PRUNE`, `label::RECONCILE`, `label::SUBSTITUTE` and `label::DECRYPT` that turns the action off.
pub const DISABLED: &str = "disabled";
/// Value of `label::FORCE` that turns the action on.
pub const ENABLED: &str = "enabled";

/// Names under which the controllers report events and own fields.
pub mod controller {
    /// Source controller: reporter of events and field manager.
    pub const SOURCE: &str = "source-controller";
    /// Kustomize controller: reporter of events and field manager of applied objects.
    pub const KUSTOMIZE: &str = "kustomize-controller";
    /// Kustomize controller: field manager of the metadata and status of Kustomizations.
    pub const KUSTOMIZE_STATUS: &str = "gotk-kustomize-controller";
    /// Notification controller: reporter of events and field manager.
    pub const NOTIFICATION: &str = "notification-controller";
}

/// Annotations.
pub mod annotation {
    /// A new value asks for a reconcile; it is echoed in `status.lastHandledReconcileAt`.
    pub const REQUESTED_AT: &str = "reconcile.fluxcd.io/requestedAt";
    /// Prefix of annotations that go into the metadata of every event of the object.
    pub const EVENT_PREFIX: &str = "event.toolkit.fluxcd.io/";
    /// Where the content of an OCI artifact comes from.
    pub const OCI_SOURCE: &str = "org.opencontainers.image.source";
    /// The revision of that origin.
    pub const OCI_REVISION: &str = "org.opencontainers.image.revision";
    /// Left by client-side apply; removed from objects that are applied.
    pub const KUBECTL_LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
    /// Left by an old applier; removed from objects that are applied.
    pub const LEGACY_CHECKSUM: &str = "kustomize.toolkit.fluxcd.io/checksum";
    /// Left by an old applier; removed from objects that are applied.
    pub const LEGACY_SYNC_CHECKSUM: &str = "fluxcd.io/sync-checksum";
}

/// Labels, and keys that are read from labels as well as from annotations.
pub mod label {
    /// Prefix of all keys that steer how an object is applied.
    pub const KUSTOMIZE_PREFIX: &str = "kustomize.toolkit.fluxcd.io/";
    /// Owner label: name of the Kustomization.
    pub const OWNER_NAME: &str = "kustomize.toolkit.fluxcd.io/name";
    /// Owner label: namespace of the Kustomization.
    pub const OWNER_NAMESPACE: &str = "kustomize.toolkit.fluxcd.io/namespace";
    /// How the object is applied: one of the values in [`ssa`](super::ssa).
    pub const SSA: &str = "kustomize.toolkit.fluxcd.io/ssa";
    /// Whether the object is recreated if an immutable field changes.
    pub const FORCE: &str = "kustomize.toolkit.fluxcd.io/force";
    /// Whether the object may be deleted.
    pub const PRUNE: &str = "kustomize.toolkit.fluxcd.io/prune";
    /// Whether the object is applied at all.
    pub const RECONCILE: &str = "kustomize.toolkit.fluxcd.io/reconcile";
    /// Whether variables are put into the object.
    pub const SUBSTITUTE: &str = "kustomize.toolkit.fluxcd.io/substitute";
    /// Whether the object is decrypted; read from annotations only.
    pub const DECRYPT: &str = "kustomize.toolkit.fluxcd.io/decrypt";
    /// On a `ConfigMap` or Secret: its changes wake the objects that refer to it.
    pub const WATCH: &str = "reconcile.fluxcd.io/watch";
    /// Value of [`WATCH`] that the default selector matches.
    pub const WATCH_ENABLED: &str = "Enabled";
    /// Left by an old applier; removed from objects that are applied.
    pub const LEGACY_SYNC_GC_MARK: &str = "fluxcd.io/sync-gc-mark";
}

/// Values of `label::SSA`; compared without case.
pub mod ssa {
    /// Apply as usual.
    pub const OVERRIDE: &str = "Override";
    /// Apply, but leave fields of other managers.
    pub const MERGE: &str = "Merge";
    /// Create only.
    pub const IF_NOT_PRESENT: &str = "IfNotPresent";
    /// Neither apply nor delete.
    pub const IGNORE: &str = "Ignore";
}

/// Keys of event metadata, without the prefix of the group.
pub mod metadata {
    /// Revision of the artifact.
    pub const REVISION: &str = "revision";
    /// Revision in the origin of the artifact.
    pub const ORIGIN_REVISION: &str = "originRevision";
    /// Deprecated name of the digest.
    pub const CHECKSUM: &str = "checksum";
    /// Digest of the artifact.
    pub const DIGEST: &str = "digest";
    /// Token that tells equal events apart.
    pub const TOKEN: &str = "token";
    /// Commit to which the event belongs.
    pub const COMMIT: &str = "commit";
    /// Marks an event as meant for commit statuses.
    pub const COMMIT_STATUS: &str = "commit_status";
    /// Value of [`COMMIT_STATUS`].
    pub const COMMIT_STATUS_UPDATE: &str = "update";
    /// Change request to which the event belongs.
    pub const CHANGE_REQUEST: &str = "change_request";
    /// Text of the Alert.
    pub const SUMMARY: &str = "summary";
}

/// Types of conditions.
pub mod condition {
    /// Summary: the object is as its spec says.
    pub const READY: &str = "Ready";
    /// A reconcile is under way or will be tried again.
    pub const RECONCILING: &str = "Reconciling";
    /// No reconcile will help until something changes.
    pub const STALLED: &str = "Stalled";
    /// Sources: there is an artifact in storage.
    pub const ARTIFACT_IN_STORAGE: &str = "ArtifactInStorage";
    /// Sources: the artifact is not the newest.
    pub const ARTIFACT_OUTDATED: &str = "ArtifactOutdated";
    /// Sources: the origin could not be read.
    pub const FETCH_FAILED: &str = "FetchFailed";
    /// Sources: the storage could not be written or read.
    pub const STORAGE_OPERATION_FAILED: &str = "StorageOperationFailed";
    /// Helm charts: the chart could not be packaged.
    pub const BUILD_FAILED: &str = "BuildFailed";
    /// Git repositories: an included artifact is missing.
    pub const INCLUDE_UNAVAILABLE: &str = "IncludeUnavailable";
    /// Sources: the signature is good, or not.
    pub const SOURCE_VERIFIED: &str = "SourceVerified";
    /// Kustomizations: the applied objects are healthy.
    pub const HEALTHY: &str = "Healthy";
}

/// Reasons of conditions and events.
pub mod reason;
