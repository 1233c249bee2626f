//! Kinds of `kustomize.toolkit.fluxcd.io/v1`: what is applied to a cluster.
//!
//! Deliberately no building and no applying; the field values are handed on as they are written.

mod kustomization;
mod parts;

pub use kustomization::{Kustomization, KustomizationSpec, KustomizationStatus};
pub use parts::{
    BuildMetadata, CommonMetadata, Decryption, DeletionPolicy, DependencyReference, HealthCheckExpr,
    HealthCheckReference, IgnoreRule, Image, Inventory, InventoryEntry, KubeConfigReference, Patch, PostBuild,
    Selector, Snapshot, SourceKind, SourceReference, SubstituteReference, SubstituteSourceKind, SubstituteStrategy,
};

/// API group of every kind here.
pub const GROUP: &str = "kustomize.toolkit.fluxcd.io";
