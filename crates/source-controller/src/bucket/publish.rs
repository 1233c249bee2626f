//! Phase: the downloaded objects become an artifact in the storage.
//!
//! Deliberately without a filter: what was to be ignored was not downloaded, and the bucket's own ignore file belongs to it.

use std::io::Write;
use std::sync::Arc;

use sluice_api::meta::Artifact;
use sluice_api::source::Bucket;
use sluice_archive::{Limits, PackError, PackLimits, pack_tree, walk_directory};
use sluice_artifact::Digest;
use sluice_storage::Storage;

use crate::source::workdir::WorkDirectory;
use crate::source::{self, PublishFailed};

/// The artifact could not be made.
pub(crate) type StoreFailed = PublishFailed<PackError>;

/// Packs the directory, which goes with that, and publishes the archive.
pub(super) async fn publish(
    storage: &Arc<Storage>,
    object: &Bucket,
    dir: WorkDirectory,
    revision: &Digest,
) -> Result<Artifact, StoreFailed> {
    let file = format!("{}.tar.gz", revision.to_hex());
    let write = move |out: &mut dyn Write| {
        // What a consumer would refuse is not published.
        let entries = walk_directory(dir.path(), Limits::default().path_depth);
        pack_tree(out, PackLimits::default(), entries, |_, _| true).map(drop)
    };
    source::publish(storage, object, (&file, revision.to_string()), write).await
}
