//! Helm charts and repositories: bytes, readers and directories in, values out.
//!
//! - [`index`] turns a repository's index, whatever its size, into the JSON that is served, and [`lookup`] finds a version of a chart in
//!   either form; [`tags`] does so among the tags of an OCI repository.
//! - [`chart`] loads charts from archives and directories and packages them, [`metadata`] is what they say about themselves.
//! - [`values`] merges values files, [`dependencies`] finds and adds the charts that a chart needs, inside a [`root`] that nothing leads out of.
//! - [`build`] has the versions, reasons and summaries of chart builds, [`urls`] the rules for repository URLs.
//!
//! Everything from outside is hostile and bounded by arguments: bytes, files, nodes, depth. Deliberately absent: network, Kubernetes, the
//! clock, signatures, rendering of templates.

pub mod build;
pub mod chart;
pub mod decode;
pub mod dependencies;
pub mod index;
pub mod lookup;
pub mod metadata;
mod ordered;
pub mod root;
pub mod tags;
mod text;
pub mod time;
pub mod urls;
pub mod values;
