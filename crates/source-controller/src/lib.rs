//! source-controller: fetches sources and publishes them as artifacts.
//!
//! Deliberately only wiring and, in a directory per kind, the phases of its reconcile; everything that can be used elsewhere is a crate of
//! its own.

pub mod app;
mod bucket;
pub mod file_server;
pub mod flags;
mod gitrepository;
mod helmchart;
mod helmrepository;
mod ocirepository;
mod source;
