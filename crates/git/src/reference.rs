//! `spec.ref` as one value. Deliberately knows nothing of what a remote has; see `resolve`.

use sluice_semver_range::Range;

use crate::ObjectId;

/// The fields of `spec.ref`; an empty string counts as absent.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReferenceSpec<'a> {
    /// `ref.branch`.
    pub branch: Option<&'a str>,
    /// `ref.tag`.
    pub tag: Option<&'a str>,
    /// `ref.semver`.
    pub semver: Option<&'a str>,
    /// `ref.name`.
    pub name: Option<&'a str>,
    /// `ref.commit`.
    pub commit: Option<&'a str>,
}

/// What to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// The head of a branch, by its short name.
    Branch(String),
    /// A tag, by its short name.
    Tag(String),
    /// The highest tag in a range of versions.
    Semver(Range),
    /// A full reference name, such as `refs/pull/420/head`.
    Name(String),
    /// A commit; `label` is what its revision starts with, when a branch or a name was given along with it.
    Commit {
        /// The commit.
        id: ObjectId,
        /// The name given along, else nothing.
        label: Option<String>,
    },
}

/// A `spec.ref` that cannot name anything.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// `ref.commit` is not a full hash.
    #[error("unable to resolve commit object for '{0}': not a full hash of 40 hexadecimal digits")]
    Commit(String),
    /// `ref.name` starts or ends with a slash.
    #[error("unable to resolve ref '{0}' to a specific commit: a name must not start or end with '/'")]
    Name(String),
    /// `ref.semver` is not a constraint.
    #[error("semver parse error: improper constraint: {0}")]
    Semver(String),
    /// Longer than a protocol line allows, or with control characters.
    #[error("invalid reference name '{0}'")]
    Invalid(String),
}

/// The longest name that is sent to a server. Git's own limit is a file name's 255 bytes for each part.
const MAX_NAME: usize = 4096;

/// What a branch is called when `spec.ref` is absent.
const DEFAULT_BRANCH: &str = "master";

impl Reference {
    /// `spec.ref` by the precedence commit, name, tag, semver, branch; without any of them the branch `master`.
    ///
    /// # Errors
    /// See [`ReferenceError`].
    pub fn from_spec(spec: &ReferenceSpec<'_>) -> Result<Self, ReferenceError> {
        let given = |field: Option<&str>| field.filter(|text| !text.is_empty()).map(str::to_owned);
        let (branch, name) = (given(spec.branch), given(spec.name));
        for text in [&branch, &name, &given(spec.tag)].into_iter().flatten() {
            check_name(text)?;
        }
        if let Some(commit) = given(spec.commit) {
            let id = commit.parse().map_err(|_| ReferenceError::Commit(commit))?;
            return Ok(Self::Commit { id, label: name.or(branch) });
        }
        if let Some(name) = name {
            let slash = name.starts_with('/') || name.ends_with('/');
            return if slash { Err(ReferenceError::Name(name)) } else { Ok(Self::Name(name)) };
        }
        if let Some(tag) = given(spec.tag) {
            return Ok(Self::Tag(tag));
        }
        if let Some(range) = given(spec.semver) {
            return Range::parse(&range).map(Self::Semver).ok_or(ReferenceError::Semver(range));
        }
        Ok(Self::Branch(branch.unwrap_or_else(|| DEFAULT_BRANCH.to_owned())))
    }

    /// The prefixes of reference names that a remote has to list so that this reference can be resolved; none when it need not be asked.
    pub fn prefixes(&self) -> Vec<String> {
        match self {
            Self::Branch(branch) => vec![format!("refs/heads/{branch}")],
            Self::Tag(tag) => vec![format!("refs/tags/{tag}")],
            Self::Semver(_) => vec!["refs/tags/".to_owned()],
            Self::Name(name) => vec![without_peel_suffix(name).to_owned()],
            Self::Commit { .. } => Vec::new(),
        }
    }
}

/// `refs/tags/v1^{}` names the commit of an annotated tag; the reference itself is `refs/tags/v1`.
pub(crate) fn without_peel_suffix(name: &str) -> &str {
    name.strip_suffix("^{}").unwrap_or(name)
}

fn check_name(name: &str) -> Result<(), ReferenceError> {
    // A line break would end one protocol argument and begin another.
    if name.len() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(ReferenceError::Invalid(name.chars().filter(|c| !c.is_control()).take(100).collect()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA: &str = "0123456789abcdef0123456789abcdef01234567";

    fn spec(fields: &[(&str, &str)]) -> Result<Reference, String> {
        let get = |name| fields.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
        let spec = ReferenceSpec {
            branch: get("branch"),
            tag: get("tag"),
            semver: get("semver"),
            name: get("name"),
            commit: get("commit"),
        };
        Reference::from_spec(&spec).map_err(|e| e.to_string())
    }

    #[test]
    fn precedence_is_commit_name_tag_semver_branch_and_empty_means_absent() {
        let range = Reference::Semver(Range::parse(">=1.0.0").unwrap());
        let commit = |label: Option<&str>| Reference::Commit { id: SHA.parse().unwrap(), label: label.map(Into::into) };
        for (fields, expected) in [
            (&[][..], Reference::Branch("master".into())),
            (&[("branch", ""), ("tag", "")], Reference::Branch("master".into())),
            (&[("branch", "main")], Reference::Branch("main".into())),
            (&[("branch", "main"), ("semver", ">=1.0.0")], range),
            (&[("branch", "main"), ("semver", ">=1.0.0"), ("tag", "v1")], Reference::Tag("v1".into())),
            (&[("tag", "v1"), ("name", "refs/heads/x")], Reference::Name("refs/heads/x".into())),
            (&[("tag", "v1"), ("commit", SHA)], commit(None)),
            (&[("branch", "main"), ("commit", SHA)], commit(Some("main"))),
            (&[("branch", "main"), ("name", "refs/heads/x"), ("commit", SHA)], commit(Some("refs/heads/x"))),
        ] {
            assert_eq!(spec(fields), Ok(expected), "{fields:?}");
        }
    }

    #[test]
    fn what_cannot_name_anything_is_refused() {
        for (field, value, expected) in [
            (
                "commit",
                "0123abc",
                "unable to resolve commit object for '0123abc': not a full hash of 40 hexadecimal digits",
            ),
            (
                "name",
                "refs/heads/",
                "unable to resolve ref 'refs/heads/' to a specific commit: a name must not start or end with '/'",
            ),
            ("semver", "one", "semver parse error: improper constraint: one"),
            ("branch", "a\nb", "invalid reference name 'ab'"),
        ] {
            assert_eq!(spec(&[(field, value)]), Err(expected.to_owned()));
        }
    }
}
