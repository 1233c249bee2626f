//! What comes of the phases: one match over every error that they can return, and the words of a success.
//!
//! Deliberately the only place where an error gets its condition, its reason and its retry class.

use sluice_api::constants::{condition, reason};
use sluice_api::meta::Artifact;
use sluice_api::source::{Bucket, BucketStatus};
use sluice_artifact::Digest;
use sluice_bucket::Index;

use super::access::{AccessError, CredentialError};
use super::download::DownloadError;
use super::index::ListError;
use super::publish::StoreFailed;
use super::sts::StsError;
use crate::source::identity::ObjectIdentityError;
use crate::source::{Done, Told, Verdict};

/// A pass that did not.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// There is no store to ask.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The store did not tell what it has.
    #[error(transparent)]
    List(#[from] ListError),
    /// The store did not give what it has.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// The artifact could not be made.
    #[error(transparent)]
    Store(#[from] StoreFailed),
}

/// The table.
pub(crate) fn classify(failure: &Failure) -> Verdict {
    use condition::FETCH_FAILED;
    let operation = || Verdict::backoff(FETCH_FAILED, reason::BUCKET_OPERATION_FAILED);
    match failure {
        Failure::Access(error) => match error {
            AccessError::Gate(_) | AccessError::Credentials(CredentialError::Object(ObjectIdentityError::Gate(_))) => {
                Verdict::stall(FETCH_FAILED, reason::FEATURE_GATE_DISABLED)
            }
            AccessError::Sts(StsError::Endpoint { .. }) => Verdict::stall(FETCH_FAILED, reason::URL_INVALID),
            AccessError::Sts(
                StsError::NotForBucket(_) | StsError::NotForProvider { .. } | StsError::NotRequired { .. },
            ) => Verdict::stall(FETCH_FAILED, reason::INVALID_STS_CONFIGURATION),
            AccessError::Secret(_)
            | AccessError::StsSecret(_)
            | AccessError::Proxy(_)
            | AccessError::Tls(_)
            | AccessError::StsTls(_) => Verdict::backoff(FETCH_FAILED, reason::AUTHENTICATION_FAILED),
            AccessError::Name(_)
            | AccessError::Emulator(_)
            | AccessError::Credentials(
                CredentialError::Object(
                    ObjectIdentityError::Read { .. }
                    | ObjectIdentityError::NotFound { .. }
                    | ObjectIdentityError::Lockdown { .. }
                    | ObjectIdentityError::Transport(_),
                )
                | CredentialError::Identity(_)
                | CredentialError::Aws(_)
                | CredentialError::Azure(_)
                | CredentialError::EncryptedCertificate(_)
                | CredentialError::Gcp(_),
            )
            | AccessError::Operation(_)
            | AccessError::Client(_) => operation(),
        },
        Failure::List(
            ListError::Operation(_)
            | ListError::IgnoreFile(_)
            | ListError::UnstableIgnoreFile
            | ListError::Ignore(_)
            | ListError::Key { .. }
            | ListError::TooManyObjects { .. }
            | ListError::TooManyBytes { .. },
        ) => operation(),
        Failure::Download(error) => match error {
            DownloadError::Directory(_) => {
                Verdict::backoff(condition::STORAGE_OPERATION_FAILED, reason::DIRECTORY_CREATION_FAILED)
            }
            DownloadError::Operation(_)
            | DownloadError::Write { .. }
            | DownloadError::Unstable { .. }
            | DownloadError::Index { .. }
            | DownloadError::Abandoned => operation(),
        },
        Failure::Store(error) => error.verdict(),
    }
}

/// The bucket has what is stored.
pub(super) fn up_to_date(object: &Bucket, revision: &Digest, index: &Index) -> Done<BucketStatus> {
    done(object, &revision.to_string(), index)
}

/// There is a new artifact, of the objects of this index.
pub(super) fn published(object: &Bucket, artifact: Artifact, index: &Index) -> Done<BucketStatus> {
    let revision = artifact.revision.clone();
    let ignore = object.spec.ignore.clone();
    let observe = move |status: &mut BucketStatus| status.observed_ignore = ignore;
    Done { artifact: Some(artifact), observe: Some(Box::new(observe)), ..done(object, &revision, index) }
}

fn done(object: &Bucket, revision: &str, index: &Index) -> Done<BucketStatus> {
    let text = format!("stored artifact with {} fetched files from '{}' bucket", index.len(), object.spec.bucket_name);
    let quiet = format!("artifact up-to-date with remote revision: '{revision}'");
    Done {
        artifact: None,
        observe: None,
        stored: (reason::SUCCEEDED, format!("stored artifact: revision '{revision}'")),
        told: Told {
            new: reason::NEW_ARTIFACT,
            recovery: reason::SUCCEEDED,
            text,
            quiet: (reason::ARTIFACT_UP_TO_DATE, quiet),
        },
    }
}
