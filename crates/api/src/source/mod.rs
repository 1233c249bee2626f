//! Kinds of `source.toolkit.fluxcd.io/v1`: where desired state comes from.
//!
//! Deliberately no access to any origin: these are the specs and the statuses only.

mod bucket;
mod external_artifact;
mod git_repository;
mod helm_chart;
mod helm_repository;
mod oci_repository;
mod verification;

pub use bucket::{Bucket, BucketProvider, BucketSpec, BucketStatus, BucketSts, StsProvider};
pub use external_artifact::{
    ExternalArtifact, ExternalArtifactSourceReference, ExternalArtifactSpec, ExternalArtifactStatus,
};
pub use git_repository::{
    GitInclude, GitProvider, GitReference, GitRepository, GitRepositorySpec, GitRepositoryStatus, GitVerification,
    GitVerificationMode,
};
pub use helm_chart::{
    ChartSourceKind, ChartSourceReference, ChartVerification, HelmChart, HelmChartSpec, HelmChartStatus,
    ReconcileStrategy,
};
pub use helm_repository::{HelmRepository, HelmRepositorySpec, HelmRepositoryStatus, HelmRepositoryType};
pub use oci_repository::{
    LayerOperation, LayerSelector, OCIRepository, OCIRepositorySpec, OCIRepositoryStatus, OciReference, OciVerification,
};
pub use verification::{OidcIdentity, RegistryProvider, SignatureProvider};

use std::time::Duration;

/// API group of every kind here.
pub const GROUP: &str = "source.toolkit.fluxcd.io";

/// Time limit of one operation against an origin, where the spec sets none.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
