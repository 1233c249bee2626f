//! Phase: the artifacts that `spec.include` asks for, as the other objects publish them now.
//!
//! Deliberately looks at statuses only; their content comes in when there is something to pack (`overlay`).

use kube::ResourceExt as _;
use sluice_api::meta::Artifact;
use sluice_api::source::GitRepository;
use sluice_artifact::Revision;
use sluice_runtime::cache::Cache;
use sluice_runtime::queue::Key;

/// An include that is not there yet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unavailable {
    /// No such object, or none that this process looks after.
    #[error("could not get resource for include '{0}': gitrepositories.source.toolkit.fluxcd.io \"{0}\" not found")]
    NotFound(String),
    /// It has not published anything.
    #[error("no artifact available for include '{0}'")]
    NoArtifact(String),
}

/// The names under which the cache lists an object for those that it includes: `NAMESPACE/NAME` of each.
pub(crate) fn index(object: &GitRepository) -> Vec<String> {
    let namespace = object.namespace().unwrap_or_default();
    object.spec.include.iter().map(|include| format!("{namespace}/{}", include.repository.name)).collect()
}

/// The artifacts of all includes, in their order.
pub(crate) async fn resolve(
    cache: &Cache<GitRepository>,
    object: &GitRepository,
) -> Result<Vec<Artifact>, Unavailable> {
    if object.spec.include.is_empty() {
        return Ok(Vec::new());
    }
    // Until the first list is there, an object that is not may still exist.
    cache.synced().await;
    let namespace = object.namespace().unwrap_or_default();
    let find = |name: &str| {
        let found = cache.get(&Key::new(namespace.clone(), name));
        let found = found.ok_or_else(|| Unavailable::NotFound(name.to_owned()))?;
        let artifact = found.status.as_ref().and_then(|status| status.artifact.clone());
        artifact.ok_or_else(|| Unavailable::NoArtifact(name.to_owned()))
    };
    object.spec.include.iter().map(|include| find(&include.repository.name)).collect()
}

/// Whether the set of revisions is another one than that of the published artifact.
pub(crate) fn revisions_differ(current: &[Artifact], observed: &[Artifact]) -> bool {
    let known = |artifact: &Artifact| observed.iter().any(|other| same_revision(artifact, other));
    current.len() != observed.len() || !current.iter().all(known)
}

/// Whether an include is another one, revision or digest, than in the published artifact.
pub(crate) fn content_differs(current: &[Artifact], observed: &[Artifact]) -> bool {
    let same = |(one, other): (&Artifact, &Artifact)| same_revision(one, other) && one.digest == other.digest;
    current.len() != observed.len() || !current.iter().zip(observed).all(same)
}

/// Whether the published artifact of `including` was made with another revision of `included` than this one. Digests do not matter: two
/// objects that include each other would wake each other forever.
pub(crate) fn is_outdated_by(including: &GitRepository, included: &str, artifact: &Artifact) -> bool {
    let observed = including.status.as_ref().map(|status| status.included_artifacts.as_slice()).unwrap_or_default();
    let mut wanted = including.spec.include.iter().enumerate();
    wanted.any(|(index, include)| {
        include.repository.name == included && observed.get(index).is_none_or(|known| !same_revision(known, artifact))
    })
}

fn same_revision(one: &Artifact, other: &Artifact) -> bool {
    let recorded = |artifact: &Artifact| Revision::parse_recorded(&artifact.revision).ok();
    match (recorded(one), recorded(other)) {
        (Some(one), Some(other)) => one.to_string() == other.to_string(),
        _ => one.revision == other.revision,
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use sluice_api::meta::LocalObjectReference;
    use sluice_api::source::{GitInclude, GitRepositorySpec, GitRepositoryStatus};

    use super::*;

    fn artifact(revision: char, digest: &str) -> Artifact {
        Artifact {
            path: String::new(),
            url: String::new(),
            revision: format!("main@sha1:{}", revision.to_string().repeat(40)),
            digest: digest.to_owned(),
            last_update_time: Time(jiff::Timestamp::UNIX_EPOCH),
            size: None,
            metadata: std::collections::BTreeMap::new(),
        }
    }

    #[test]
    fn revisions_are_compared_as_a_set_and_content_by_place() {
        let (a, b) = (artifact('a', "1"), artifact('b', "2"));
        let check = |current: &[Artifact], observed: &[Artifact], expected: (bool, bool)| {
            assert_eq!((revisions_differ(current, observed), content_differs(current, observed)), expected);
        };
        check(&[], &[], (false, false));
        check(&[a.clone(), b.clone()], &[a.clone(), b.clone()], (false, false));
        check(&[a.clone(), b.clone()], &[b.clone(), a.clone()], (false, true));
        let (one, other) = (std::slice::from_ref(&a), std::slice::from_ref(&b));
        check(one, &[artifact('a', "other")], (false, true));
        check(one, other, (true, true));
        check(one, &[], (true, true));
    }

    #[test]
    fn only_another_revision_wakes_whoever_includes_it() {
        let include = |name: &str| GitInclude { repository: LocalObjectReference::new(name), ..GitInclude::default() };
        let mut object = GitRepository::new(
            "top",
            GitRepositorySpec { include: vec![include("a"), include("b")], ..GitRepositorySpec::default() },
        );
        assert!(is_outdated_by(&object, "b", &artifact('b', "2")));
        object.status = Some(GitRepositoryStatus {
            included_artifacts: vec![artifact('a', "1"), artifact('b', "2")],
            ..GitRepositoryStatus::default()
        });
        assert!(!is_outdated_by(&object, "b", &artifact('b', "another digest")));
        assert!(is_outdated_by(&object, "b", &artifact('c', "2")));
        assert!(!is_outdated_by(&object, "unrelated", &artifact('c', "2")));
    }
}
