//! Reasons of conditions and events. Where a reason has the name of a condition type, the types are in `condition`.

/// Any: it worked.
pub const SUCCEEDED: &str = "Succeeded";
/// Any: it did not work.
pub const FAILED: &str = "Failed";
/// Any: a reconcile is under way.
pub const PROGRESSING: &str = "Progressing";
/// Any: a reconcile did not succeed and will be tried again.
pub const PROGRESSING_WITH_RETRY: &str = "ProgressingWithRetry";
/// Any: the spec asks for what a feature gate forbids.
pub const FEATURE_GATE_DISABLED: &str = "FeatureGateDisabled";
/// Any: a CEL expression of the spec does not compile.
pub const INVALID_CEL_EXPRESSION: &str = "InvalidCELExpression";

/// Sources: the origin has a new revision.
pub const NEW_REVISION: &str = "NewRevision";
/// Sources: a new artifact is in storage.
pub const NEW_ARTIFACT: &str = "NewArtifact";
/// Sources: the artifact in storage is the newest.
pub const ARTIFACT_UP_TO_DATE: &str = "ArtifactUpToDate";
/// Sources: the address is no good.
pub const URL_INVALID: &str = "URLInvalid";
/// Sources: credentials are missing or refused.
pub const AUTHENTICATION_FAILED: &str = "AuthenticationFailed";
/// Sources: the provider and the other settings contradict each other.
pub const INVALID_PROVIDER_CONFIGURATION: &str = "InvalidProviderConfiguration";
/// Sources: a signature is missing or bad.
pub const VERIFICATION_ERROR: &str = "VerificationError";
/// External artifacts: a signature is missing or bad.
pub const VERIFICATION_FAILED: &str = "VerificationFailed";
/// Sources: something that was to be read could not be.
pub const READ_OPERATION_FAILED: &str = "ReadOperationFailed";
/// Sources: the object could not be patched.
pub const PATCH_OPERATION_FAILED: &str = "PatchOperationFailed";
/// Sources, Kustomizations: a directory could not be made.
pub const DIRECTORY_CREATION_FAILED: &str = "DirectoryCreationFailed";
/// Sources: file information could not be read.
pub const STAT_OPERATION_FAILED: &str = "StatOperationFailed";
/// Sources: a path is no good.
pub const INVALID_PATH: &str = "InvalidPath";
/// Sources: a path leads out of its root.
pub const ILLEGAL_PATH: &str = "IllegalPath";
/// Sources: files could not be copied.
pub const COPY_FAILURE: &str = "CopyFailure";
/// Sources: the archive could not be written.
pub const ARCHIVE_OPERATION_FAILED: &str = "ArchiveOperationFailed";
/// Sources: the artifact could not be locked.
pub const ACQUIRE_LOCK_FAILED: &str = "AcquireLockFailed";
/// Sources: the link to the newest artifact could not be set.
pub const SYMLINK_UPDATE_FAILED: &str = "SymlinkUpdateFailed";
/// Sources: the index cache could not be written.
pub const CACHE_OPERATION_FAILED: &str = "CacheOperationFailed";
/// Sources: an ignore file could not be read.
pub const SOURCE_IGNORE_ERROR: &str = "SourceIgnoreError";
/// Sources: the stored artifact does not match its digest.
pub const ARTIFACT_VERIFICATION_FAILED: &str = "ArtifactVerificationFailed";
/// Sources: old artifacts were deleted.
pub const GARBAGE_COLLECTION_SUCCEEDED: &str = "GarbageCollectionSucceeded";
/// Sources: old artifacts could not be deleted.
pub const GARBAGE_COLLECTION_FAILED: &str = "GarbageCollectionFailed";

/// Git repositories: a Git operation failed.
pub const GIT_OPERATION_FAILED: &str = "GitOperationFailed";
/// Git repositories: a Git operation found nothing new.
pub const GIT_OPERATION_SUCCEEDED: &str = "GitOperationSucceeded";
/// Git repositories: there is no commit in it.
pub const EMPTY_GIT_REPOSITORY: &str = "EmptyGitRepository";
/// Git repositories: the included artifacts have changed.
pub const INCLUDE_CHANGE: &str = "IncludeChange";
/// Git repositories: an included repository does not exist.
pub const NOT_FOUND: &str = "NotFound";
/// Git repositories: an included repository has no artifact.
pub const NO_ARTIFACT: &str = "NoArtifact";
/// Git repositories: the verification mode does not fit the reference.
pub const INVALID_VERIFICATION_MODE: &str = "InvalidVerificationMode";
/// Git repositories: the object that must be signed is not.
pub const INVALID_GIT_OBJECT: &str = "InvalidGitObject";
/// Git repositories: the signature of the tag is bad.
pub const INVALID_TAG_SIGNATURE: &str = "InvalidTagSignature";
/// Git repositories: the signature of the commit is bad.
pub const INVALID_COMMIT_SIGNATURE: &str = "InvalidCommitSignature";

/// OCI repositories: the artifact could not be pulled.
pub const OCI_ARTIFACT_PULL_FAILED: &str = "OCIArtifactPullFailed";
/// OCI repositories: the layer could not be selected or read.
pub const OCI_ARTIFACT_LAYER_OPERATION_FAILED: &str = "OCIArtifactLayerOperationFailed";
/// Buckets: an operation on the bucket failed.
pub const BUCKET_OPERATION_FAILED: &str = "BucketOperationFailed";
/// Buckets: the service for temporary credentials is not set up as it must be.
pub const INVALID_STS_CONFIGURATION: &str = "InvalidSTSConfiguration";
/// Helm repositories: the index is no good.
pub const INDEXATION_FAILED: &str = "IndexationFailed";

/// Helm charts: the source has a new chart.
pub const NEW_CHART: &str = "NewChart";
/// Helm charts: the chart was taken as it is.
pub const CHART_PULL_SUCCEEDED: &str = "ChartPullSucceeded";
/// Helm charts: the chart was packaged.
pub const CHART_PACKAGE_SUCCEEDED: &str = "ChartPackageSucceeded";
/// Helm charts: the dependencies were fetched.
pub const RESOLVED_DEPENDENCIES: &str = "ResolvedDependencies";
/// Helm charts: the source has no artifact.
pub const NO_SOURCE_ARTIFACT: &str = "NoSourceArtifact";
/// Helm charts: the source could not be read from the cluster.
pub const SOURCE_UNAVAILABLE: &str = "SourceUnavailable";
/// Helm charts: charts do not come from this kind.
pub const UNSUPPORTED_SOURCE_KIND: &str = "UnsupportedSourceKind";
/// Helm charts: the name or version is no good.
pub const INVALID_CHART_REFERENCE: &str = "InvalidChartReference";
/// Helm charts: the chart could not be pulled.
pub const CHART_PULL_ERROR: &str = "ChartPullError";
/// Helm charts: the metadata could not be changed.
pub const METADATA_PATCH_ERROR: &str = "MetadataPatchError";
/// Helm charts: the values files could not be merged.
pub const VALUES_FILES_ERROR: &str = "ValuesFilesError";
/// Helm charts: the dependencies could not be fetched.
pub const DEPENDENCY_BUILD_ERROR: &str = "DependencyBuildError";
/// Helm charts: the chart could not be packaged.
pub const CHART_PACKAGE_ERROR: &str = "ChartPackageError";
/// Helm charts: the signature is missing or bad.
pub const CHART_VERIFICATION_ERROR: &str = "ChartVerificationError";
/// Helm charts: anything else.
pub const UNKNOWN: &str = "Unknown";

/// Kustomizations: everything was applied and is healthy.
pub const RECONCILIATION_SUCCEEDED: &str = "ReconciliationSucceeded";
/// Kustomizations: the objects could not be applied.
pub const RECONCILIATION_FAILED: &str = "ReconciliationFailed";
/// Kustomizations: there is no artifact, or it could not be fetched.
pub const ARTIFACT_FAILED: &str = "ArtifactFailed";
/// Kustomizations: the path could not be built.
pub const BUILD_FAILED: &str = "BuildFailed";
/// Kustomizations: stale objects could not be deleted.
pub const PRUNE_FAILED: &str = "PruneFailed";
/// Kustomizations: not all objects became healthy in time.
pub const HEALTH_CHECK_FAILED: &str = "HealthCheckFailed";
/// Kustomizations: a newer revision cut the health check short.
pub const HEALTH_CHECK_CANCELED: &str = "HealthCheckCanceled";
/// Kustomizations: a dependency is not ready.
pub const DEPENDENCY_NOT_READY: &str = "DependencyNotReady";
/// Kustomizations: a reference may not cross namespaces.
pub const ACCESS_DENIED: &str = "AccessDenied";

/// Receivers: the Secret or its token is missing.
pub const TOKEN_NOT_FOUND: &str = "TokenNotFound";
/// Receivers: the fields of the spec contradict each other.
pub const VALIDATION_FAILED: &str = "ValidationFailed";
/// Alerts: the event could not be delivered.
pub const NOTIFICATION_DISPATCH_FAILED: &str = "NotificationDispatchFailed";
/// Alerts: a metadata key has more than one source.
pub const METADATA_APPEND_FAILED: &str = "MetadataAppendFailed";
/// Alerts: a regular expression or label selector is no good.
pub const INVALID_CONFIG: &str = "InvalidConfig";
/// Alerts: the object of the event could not be read.
pub const SOURCE_FETCH_FAILED: &str = "SourceFetchFailed";
/// Alerts: a finalizer of an old version was removed.
pub const MIGRATION: &str = "Migration";
