//! Which commit a reference is, given what a remote lists: a pure function.

use std::cmp::Ordering;

use crate::reference::without_peel_suffix;
use crate::{ObjectId, Reference};
use sluice_semver_range::{Range, parse_tag};

/// A reference that a remote has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteRef {
    /// The full name.
    pub name: String,
    /// The object it names.
    pub id: ObjectId,
    /// For an annotated tag, the object that the tag is of.
    pub peeled: Option<ObjectId>,
}

impl RemoteRef {
    fn target(&self, label: &str) -> Target {
        let tag = self.peeled.map(|_| self.id);
        Target { label: Some(label.to_owned()), commit: self.peeled.unwrap_or(self.id), tag }
    }
}

/// A commit to fetch, and what its revision is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The part of the revision before `@`: a branch's or tag's short name, a full reference name, or nothing for a bare commit.
    pub label: Option<String>,
    /// The commit.
    pub commit: ObjectId,
    /// The annotated tag object that led to it; fetched as well.
    pub tag: Option<ObjectId>,
}

impl Target {
    /// The artifact revision: `main@sha1:…`, or `sha1:…`.
    pub fn revision(&self) -> String {
        match &self.label {
            Some(label) => format!("{label}@sha1:{}", self.commit),
            None => format!("sha1:{}", self.commit),
        }
    }
}

/// The outcome: one target, or several tags of equal precedence between which the commits' dates decide, once fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The target; among equals an arbitrary but always the same one.
    pub target: Target,
    /// Tags that differ from the target's in build metadata only. Nearly always empty.
    pub ties: Vec<Target>,
    pub(crate) origin: Origin,
}

/// Where a target's hash is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The remote's list: it gives the object, or the list is out of date.
    Listed,
    /// The user: the remote may know it as a part of a branch's history only.
    Given,
}

impl Resolved {
    /// The revision, when it is known without fetching: compare it with the stored artifact's to find that nothing changed.
    pub fn revision(&self) -> Option<String> {
        self.ties.is_empty().then(|| self.target.revision())
    }

    /// A commit of which nothing but the name is known.
    pub(crate) fn of_commit(id: ObjectId) -> Self {
        let target = Target { label: None, commit: id, tag: None };
        Self { target, ties: Vec::new(), origin: Origin::Given }
    }

    pub(crate) fn targets(&self) -> impl Iterator<Item = &Target> {
        std::iter::once(&self.target).chain(&self.ties)
    }
}

/// A reference that the remote does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// No such branch or tag.
    #[error("couldn't find remote ref \"{0}\"")]
    RefNotFound(String),
    /// No reference of that full name.
    #[error("unable to resolve ref '{0}' to a specific commit")]
    NameNotFound(String),
    /// No tag in the range.
    #[error("no match found for semver: {0}")]
    NoVersion(String),
}

/// Finds the reference in a remote's list, which may hold more than was asked for.
///
/// # Errors
/// [`ResolveError`] when it is not there.
pub fn resolve(reference: &Reference, refs: &[RemoteRef]) -> Result<Resolved, ResolveError> {
    let find = |name: &str| refs.iter().find(|remote| remote.name == name);
    let target = match reference {
        Reference::Branch(branch) => named(&find, &format!("refs/heads/{branch}"), branch)?,
        Reference::Tag(tag) => named(&find, &format!("refs/tags/{tag}"), tag)?,
        Reference::Name(name) => {
            find(without_peel_suffix(name)).ok_or_else(|| ResolveError::NameNotFound(name.clone()))?.target(name)
        }
        Reference::Commit { id, label } => Target { label: label.clone(), commit: *id, tag: None },
        Reference::Semver(range) => return highest(range, refs),
    };
    let origin = if matches!(reference, Reference::Commit { .. }) { Origin::Given } else { Origin::Listed };
    Ok(Resolved { target, ties: Vec::new(), origin })
}

fn named<'a>(find: &impl Fn(&str) -> Option<&'a RemoteRef>, name: &str, label: &str) -> Result<Target, ResolveError> {
    find(name).map(|remote| remote.target(label)).ok_or_else(|| ResolveError::RefNotFound(name.to_owned()))
}

fn highest(range: &Range, refs: &[RemoteRef]) -> Result<Resolved, ResolveError> {
    let mut best: Option<(semver::Version, Vec<Target>)> = None;
    for remote in refs {
        let Some(tag) = remote.name.strip_prefix("refs/tags/") else { continue };
        let Some(version) = parse_tag(tag).filter(|version| range.contains(version)) else { continue };
        match best.as_mut().map(|(highest, targets)| (version.cmp_precedence(highest), targets)) {
            None | Some((Ordering::Greater, _)) => best = Some((version, vec![remote.target(tag)])),
            Some((Ordering::Equal, targets)) => targets.push(remote.target(tag)),
            Some((Ordering::Less, _)) => {}
        }
    }
    let mut targets = best.map(|(_, targets)| targets).unwrap_or_default();
    targets.sort_by(|one, other| one.label.cmp(&other.label));
    let target = targets.pop().ok_or_else(|| ResolveError::NoVersion(range.to_string()))?;
    Ok(Resolved { target, ties: targets, origin: Origin::Listed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ReferenceSpec;

    fn id(digit: char) -> ObjectId {
        digit.to_string().repeat(40).parse().unwrap()
    }

    fn refs() -> Vec<RemoteRef> {
        [
            ("refs/heads/main", 'a', None),
            ("refs/heads/main2", 'b', None),
            ("refs/heads/feature/x", 'c', None),
            ("refs/tags/v1.0.0", 'd', Some('e')),
            ("refs/tags/1.10.0", 'f', None),
            ("refs/tags/v1.9", '1', None),
            ("refs/tags/v2.0.0-rc.1", '2', None),
            ("refs/tags/v3.0.0+a", '3', None),
            ("refs/tags/v3.0.0+b", '4', None),
            ("refs/pull/420/head", '5', None),
        ]
        .into_iter()
        .map(|(name, object, peeled)| RemoteRef { name: name.into(), id: id(object), peeled: peeled.map(id) })
        .collect()
    }

    fn check(spec: ReferenceSpec<'_>, expected: Result<&str, &str>) {
        let reference = Reference::from_spec(&spec).unwrap();
        let revision = resolve(&reference, &refs()).map(|resolved| resolved.revision().unwrap_or_default());
        let expected = expected
            .map(|text| text.split_once(' ').map(|(prefix, digit)| format!("{prefix}sha1:{}", digit.repeat(40))));
        match expected {
            Ok(expected) => assert_eq!(revision.ok(), expected, "{spec:?}"),
            Err(expected) => assert_eq!(revision.unwrap_err().to_string(), expected, "{spec:?}"),
        }
    }

    #[test]
    fn every_strategy_finds_its_commit_and_label() {
        let none = ReferenceSpec::default();
        let sha = id('9').to_string();
        check(ReferenceSpec { branch: Some("main"), ..none }, Ok("main@ a"));
        check(ReferenceSpec { branch: Some("feature/x"), ..none }, Ok("feature/x@ c"));
        check(ReferenceSpec { tag: Some("v1.0.0"), ..none }, Ok("v1.0.0@ e"));
        check(ReferenceSpec { semver: Some("1.x"), ..none }, Ok("1.10.0@ f"));
        check(ReferenceSpec { semver: Some(">=2.0.0-0 <3.0.0"), ..none }, Ok("v2.0.0-rc.1@ 2"));
        check(ReferenceSpec { name: Some("refs/pull/420/head"), ..none }, Ok("refs/pull/420/head@ 5"));
        check(ReferenceSpec { name: Some("refs/tags/v1.0.0^{}"), ..none }, Ok("refs/tags/v1.0.0^{}@ e"));
        check(ReferenceSpec { commit: Some(&sha), ..none }, Ok(" 9"));
        check(ReferenceSpec { commit: Some(&sha), branch: Some("main"), ..none }, Ok("main@ 9"));
    }

    #[test]
    fn what_is_not_there_is_named() {
        let none = ReferenceSpec::default();
        check(none, Err("couldn't find remote ref \"refs/heads/master\""));
        check(ReferenceSpec { tag: Some("v9"), ..none }, Err("couldn't find remote ref \"refs/tags/v9\""));
        check(ReferenceSpec { semver: Some(">=4.0.0"), ..none }, Err("no match found for semver: >=4.0.0"));
        check(ReferenceSpec { semver: Some("2.x"), ..none }, Err("no match found for semver: 2.x"));
        let missing = "unable to resolve ref 'refs/heads/no' to a specific commit";
        check(ReferenceSpec { name: Some("refs/heads/no"), ..none }, Err(missing));
    }

    #[test]
    fn tags_that_differ_in_build_metadata_only_are_a_tie() {
        let reference = Reference::from_spec(&ReferenceSpec { semver: Some("3.x"), ..Default::default() }).unwrap();
        let resolved = resolve(&reference, &refs()).unwrap();
        assert_eq!(resolved.revision(), None);
        let labels: Vec<_> = resolved.targets().map(|target| target.label.clone().unwrap()).collect();
        assert_eq!(labels, ["v3.0.0+b", "v3.0.0+a"]);
    }
}
