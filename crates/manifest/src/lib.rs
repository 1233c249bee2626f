//! Kubernetes objects as values: identity, order, ownership, normalisation, drift and the inventory.
//!
//! Everything here is a synchronous function of its arguments. What it deliberately does not do: parse YAML (`sluice-yaml`), build
//! (`sluice-kustomize`), or talk to a cluster (`sluice-ssa`).

mod drift;
mod id;
mod inventory;
mod list;
mod normalize;
mod object;
mod order;
mod owner;
mod policy;

pub use drift::differs;
pub use id::{GroupKind, IdError, ObjectId};
pub use inventory::{Entry, Inventory};
pub use list::{MAX_LIST_DEPTH, expand};
pub use normalize::normalize;
pub use object::{Gvk, Object, ObjectError};
pub use order::{Stage, apply_order, stages};
pub use owner::{CommonMetadata, NAME_LABEL, NAMESPACE_LABEL, Owner};
pub use policy::{forces, is_undecrypted_secret, keeps_foreign_fields, protected_from_deletion, skips};
