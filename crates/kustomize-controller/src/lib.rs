//! kustomize-controller: builds Kustomizations and keeps them applied.
//!
//! Deliberately only wiring and the phases of the one kind's reconcile; everything that can be used elsewhere is a crate of its own.

pub mod app;
pub mod cluster;
pub mod flags;
pub mod kustomization;
