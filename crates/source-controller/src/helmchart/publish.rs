//! Phase: the built chart goes into the storage. Deliberately byte for byte.

use std::fs::File;
use std::io;
use std::sync::Arc;

use sluice_api::meta::Artifact;
use sluice_api::source::HelmChart;
use sluice_storage::Storage;

use super::build::Built;
use crate::source::{self, PublishFailed};

/// The chart could not be copied into the storage.
pub(crate) type StoreFailed = PublishFailed<io::Error>;

/// Publishes `archive` as the chart `built`.
pub(crate) async fn publish(
    storage: &Arc<Storage>,
    object: &HelmChart,
    built: &Built,
    archive: &File,
) -> Result<Artifact, StoreFailed> {
    let name = format!("{}-{}.tgz", built.name, built.version);
    let archive = archive.try_clone();
    let write = move |out: &mut dyn io::Write| io::copy(&mut archive?, out).map(drop);
    source::publish(storage, object, (&name, built.version.clone()), write).await
}
