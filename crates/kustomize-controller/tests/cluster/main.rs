//! Where a Kustomization is applied, on real API servers: the own one as a service account, and another one by its kubeconfig or by
//! workload identity.
//!
//! The cluster that the generic provider reaches is the own one at its public address: an API server checks a service account's token
//! against the accounts that it has itself, so that no second server takes it without an issuer of identities between them.

mod identity;
mod own;
mod remote;
mod rig;
