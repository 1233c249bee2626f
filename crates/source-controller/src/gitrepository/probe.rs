//! Phase: which commit the reference is now, and whether the stored artifact already is of it.
//!
//! Deliberately fetches nothing: one listing of the references in question.

use sluice_api::meta::Artifact;
use sluice_api::source::{GitRepository, GitRepositoryStatus};
use sluice_artifact::Revision;
use sluice_git::{Reference, ReferenceError, ReferenceSpec, Remote, RemoteError, Resolved};

use super::{include, verify};

/// Why there is no commit.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProbeError {
    /// `spec.ref` cannot name anything.
    #[error("failed to checkout and determine revision")]
    Reference(#[source] ReferenceError),
    /// The remote has nothing at all.
    #[error("git repository is empty")]
    Empty,
    /// The remote did not give what it was asked for.
    #[error("failed to checkout and determine revision: unable to list remote for '{url}'")]
    Remote {
        /// Without credentials.
        url: String,
        #[source]
        source: RemoteError,
    },
}

/// What the remote says.
#[derive(Debug)]
pub(crate) enum Probed {
    /// The stored artifact is of this revision, and nothing of the spec that shapes it changed.
    Unchanged(String),
    /// Something has to be fetched.
    Changed(Resolved),
}

/// Asks the remote.
pub(crate) async fn probe(
    remote: &Remote,
    object: &GitRepository,
    stored: Option<&Artifact>,
    includes: &[Artifact],
) -> Result<Probed, ProbeError> {
    let reference = Reference::from_spec(&reference_of(object)).map_err(ProbeError::Reference)?;
    let resolved = remote.resolve(&reference).await.map_err(|source| match source {
        RemoteError::EmptyRepository => ProbeError::Empty,
        source => ProbeError::Remote { url: sluice_http_client::mask_url_text(&object.spec.url), source },
    })?;
    let is_stored = |revision: &String| {
        let stored = stored.and_then(|artifact| Revision::parse_recorded(&artifact.revision).ok());
        stored.is_some_and(|stored| stored.to_string() == *revision)
    };
    let status = object.status.clone().unwrap_or_default();
    match resolved.revision().filter(is_stored) {
        Some(revision) if !content_changed(object, includes, &status) && !always_verified(object) => {
            Ok(Probed::Unchanged(revision))
        }
        _ => Ok(Probed::Changed(resolved)),
    }
}

/// True when the artifact has to be made, or verified, anew although its revision is the same: what shapes it differs from what it was
/// made with.
pub(crate) fn content_changed(object: &GitRepository, includes: &[Artifact], status: &GitRepositoryStatus) -> bool {
    object.spec.ignore != status.observed_ignore
        || object.spec.recurse_submodules != status.observed_recurse_submodules
        || object.spec.include != status.observed_include
        || object.spec.sparse_checkout != status.observed_sparse_checkout
        || include::content_differs(includes, &status.included_artifacts)
        || verify::is_due(object, status)
}

/// Whether the signature is looked at in each pass: Flux clones for ranges of versions and for commits each time, so that a key that was
/// taken away is noticed. The commit is in the mirror, so this costs no transfer.
fn always_verified(object: &GitRepository) -> bool {
    let reference = reference_of(object);
    let given = |field: Option<&str>| field.is_some_and(|text| !text.is_empty());
    let by_range = given(reference.semver) && !given(reference.tag) && !given(reference.name);
    object.spec.verify.is_some() && (given(reference.commit) || by_range)
}

fn reference_of(object: &GitRepository) -> ReferenceSpec<'_> {
    let Some(reference) = &object.spec.reference else { return ReferenceSpec::default() };
    ReferenceSpec {
        branch: reference.branch.as_deref(),
        tag: reference.tag.as_deref(),
        semver: reference.semver.as_deref(),
        name: reference.name.as_deref(),
        commit: reference.commit.as_deref(),
    }
}
