//! Phase: is the commit, or the tag that led to it, signed by somebody whom the user trusts?
//!
//! Deliberately before anything of the tree is read. That a tag leads to the very commit is checked by the mirror when it is fetched: what
//! a remote says of it is signed by nobody.

use jiff::Timestamp;
use kube::Client;
use sluice_api::source::{GitRepository, GitRepositoryStatus, GitVerificationMode};
use sluice_git::{Mirror, SignedObject, StoreError};
use sluice_signatures::git::{self, GitSignatureError, KeyId, Keys};

use super::fetch::FetchedCommit;
use crate::source::secrets::{SecretError, Secrets};

/// Why the source does not count as verified.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VerifyError {
    /// The Secret with the keys cannot be read.
    #[error("public keys secret error")]
    Secret(#[source] SecretError),
    /// The reference is not a tag.
    #[error("cannot verify tag object's signature if a tag reference is not specified")]
    NoTag,
    /// The tag has no signature, or is no object at all.
    #[error("cannot verify signature of tag '{0}' since it is not signed")]
    UnsignedTag(String),
    /// No key of the user's made the tag's signature.
    #[error("signature verification of tag '{tag}' failed")]
    Tag {
        tag: String,
        #[source]
        source: GitSignatureError,
    },
    /// No key of the user's made the commit's signature.
    #[error("signature verification of commit '{commit}' failed")]
    Commit {
        commit: String,
        #[source]
        source: GitSignatureError,
    },
    /// The mirror has not what was just fetched.
    #[error("failed to read the signed object")]
    Mirror(#[source] StoreError),
}

/// A verified source.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Verified {
    /// Of what the signature is good, for the status.
    pub(crate) mode: String,
    /// Text of the condition and of the event.
    pub(crate) message: String,
}

/// Whether a signature is demanded that was not looked at for the present artifact. Another key, or less to verify, is no reason to look
/// again, as in Flux.
pub(crate) fn is_due(object: &GitRepository, status: &GitRepositoryStatus) -> bool {
    let Some(verify) = &object.spec.verify else { return false };
    let mode = verify.mode();
    let Some(observed) = &status.source_verification_mode else { return true };
    let (tag, head) = (GitVerificationMode::Tag.as_str(), GitVerificationMode::Head.as_str());
    (observed == tag && mode != GitVerificationMode::Tag) || (observed == head && mode != GitVerificationMode::Head)
}

/// Verifies what `spec.verify` asks for; `None` when it asks for nothing.
pub(crate) async fn verify(
    client: &Client,
    object: &GitRepository,
    mirror: &Mirror,
    fetched: &FetchedCommit,
    now: Timestamp,
) -> Result<Option<Verified>, VerifyError> {
    let Some(verify) = &object.spec.verify else { return Ok(None) };
    let data = Secrets::of(client, object).data(&verify.secret_ref.name).await.map_err(VerifyError::Secret)?;
    let keys = Keys::from_secret(&data);
    let mode = verify.mode();
    let mut found = Vec::new();
    if matches!(mode, GitVerificationMode::Tag | GitVerificationMode::TagAndHead) {
        let name = tag_of(object, fetched).ok_or(VerifyError::NoTag)?;
        let Some(id) = fetched.fetched().target.tag else { return Err(VerifyError::UnsignedTag(name)) };
        let tag = mirror.signed_tag(id).await.map_err(VerifyError::Mirror)?;
        let shown = format!("{}@{id}", tag.name);
        if tag.object.signature.is_none() {
            return Err(VerifyError::UnsignedTag(shown));
        }
        match check(&tag.object, &keys, now) {
            Ok(key) => found.push(format!("tag '{shown}' with key '{key}'")),
            Err(source) => return Err(VerifyError::Tag { tag: shown, source }),
        }
    }
    if mode != GitVerificationMode::Tag {
        let id = fetched.fetched().commit.id;
        let commit = mirror.signed_commit(id).await.map_err(VerifyError::Mirror)?;
        match check(&commit, &keys, now) {
            Ok(key) => found.push(format!("commit '{id}' with key '{key}'")),
            Err(source) => return Err(VerifyError::Commit { commit: id.to_string(), source }),
        }
    }
    let message = format!("verified signature of\n\t- {}", found.join("\n\t- "));
    Ok(Some(Verified { mode: mode.as_str().to_owned(), message }))
}

fn check(object: &SignedObject, keys: &Keys, now: Timestamp) -> Result<KeyId, GitSignatureError> {
    git::verify(&object.payload, object.signature.as_deref().unwrap_or_default(), keys, now)
}

/// The short name of the tag by which the commit was found; none when it was found in another way.
fn tag_of(object: &GitRepository, fetched: &FetchedCommit) -> Option<String> {
    let reference = object.spec.reference.as_ref()?;
    let given = |field: &Option<String>| field.clone().filter(|text| !text.is_empty());
    if given(&reference.commit).is_some() {
        return None;
    }
    if let Some(name) = given(&reference.name) {
        let name = name.strip_prefix("refs/tags/")?;
        return Some(name.strip_suffix("^{}").unwrap_or(name).to_owned());
    }
    given(&reference.tag).or(given(&reference.semver)).and_then(|_| fetched.fetched().target.label.clone())
}

#[cfg(test)]
mod tests {
    use sluice_api::source::{GitRepositorySpec, GitVerification};

    use super::*;

    #[test]
    fn a_wider_mode_is_verified_again_and_a_narrower_one_is_not() {
        use GitVerificationMode::{Head, LowercaseHead, Tag, TagAndHead};
        let due = |mode: Option<GitVerificationMode>, observed: Option<&str>| {
            let verify = mode.map(|mode| GitVerification { mode: Some(mode), ..GitVerification::default() });
            let object = GitRepository::new("web", GitRepositorySpec { verify, ..GitRepositorySpec::default() });
            let status = GitRepositoryStatus {
                source_verification_mode: observed.map(str::to_owned),
                ..GitRepositoryStatus::default()
            };
            is_due(&object, &status)
        };
        for (mode, observed, expected) in [
            (None, None, false),
            (None, Some("HEAD"), false),
            (Some(Head), None, true),
            (Some(LowercaseHead), Some("HEAD"), false),
            (Some(Head), Some("Tag"), true),
            (Some(Tag), Some("HEAD"), true),
            (Some(Tag), Some("Tag"), false),
            (Some(TagAndHead), Some("Tag"), true),
            (Some(TagAndHead), Some("HEAD"), true),
            (Some(TagAndHead), Some("TagAndHEAD"), false),
            (Some(Head), Some("TagAndHEAD"), false),
        ] {
            assert_eq!(due(mode.clone(), observed), expected, "{mode:?} {observed:?}");
        }
    }
}
