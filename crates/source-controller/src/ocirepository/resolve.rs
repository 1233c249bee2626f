//! Phase: which digest the reference is now.
//!
//! A digest is taken at its word and costs no request, a tag costs one, a range lists the tags first. Deliberately fetches no manifest.

use std::fmt;

use regex::{Regex, RegexBuilder};
use sluice_api::source::{OCIRepository, OciReference};
use sluice_oci::{Client, Digest, OciError, Reference, ReferenceError, Tag, parse_digest};
use sluice_semver_range::{Range, parse_tag};

/// Memory that `spec.ref.semverFilter` may take when compiled; one of a few hundred characters takes some KiB.
const MAX_FILTER_BYTES: usize = 1 << 20;

/// Layers of this type are Helm charts, in whose tags an underscore stands for the plus of a version.
const HELM_CHART: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";

/// What the reference is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// The tag or digest that was asked for.
    pub(crate) reference: Reference,
    /// What it is.
    pub(crate) digest: Digest,
}

impl Resolved {
    /// The artifact's revision: `<tag>@<digest>`, or the digest alone.
    pub(crate) fn revision(&self) -> String {
        match &self.reference.pointer {
            sluice_oci::Pointer::Tag(tag) => format!("{tag}@{}", self.digest),
            sluice_oci::Pointer::Digest(digest) => digest.to_string(),
        }
    }
}

/// Why there is no digest.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResolveError {
    /// There is no tag.
    #[error("failed to determine the artifact tag for '{url}'")]
    Tag {
        url: String,
        #[source]
        source: TagError,
    },
    /// `spec.ref.digest` is none.
    #[error("failed to determine artifact digest")]
    Digest(#[source] ReferenceError),
    /// The registry did not tell what the tag is.
    #[error("failed to determine artifact digest")]
    Registry(#[source] OciError),
}

/// Why there is no tag.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TagError {
    /// `spec.ref.tag` is none.
    #[error(transparent)]
    Invalid(ReferenceError),
    /// `spec.ref.semver` is none.
    #[error("semver '{0}' parse error: not a version range")]
    Range(String),
    /// `spec.ref.semverFilter` is none.
    #[error("unable to compile the tag filter")]
    Filter(#[source] regex::Error),
    /// The registry did not list its tags.
    #[error(transparent)]
    List(OciError),
    /// No tag is a version in the range.
    #[error("no match found for semver: {0}")]
    NoMatch(String),
}

/// Finds the digest.
pub(crate) async fn resolve(client: &Client, object: &OCIRepository) -> Result<Resolved, ResolveError> {
    let reference = object.spec.reference.clone().unwrap_or_default();
    if let Some(digest) = reference.digest.as_deref().filter(|text| !text.is_empty()) {
        let digest = parse_digest(digest).map_err(ResolveError::Digest)?;
        return Ok(Resolved { reference: client.repository().at(digest), digest });
    }
    let tag = tag(client, &reference, Dialect::of(object)).await;
    let tag = tag.map_err(|source| ResolveError::Tag { url: object.spec.url.clone(), source })?;
    let digest = client.resolve(&tag).await.map_err(ResolveError::Registry)?;
    Ok(Resolved { reference: client.repository().at(tag), digest })
}

async fn tag(client: &Client, reference: &OciReference, dialect: Dialect) -> Result<Tag, TagError> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    if let Some(range) = given(&reference.semver) {
        // Both are read before the registry is asked.
        let choice = Choice::new(range, given(&reference.semver_filter), dialect)?;
        let tags = client.tags().await.map_err(TagError::List)?;
        return choice.newest(tags).ok_or_else(|| TagError::NoMatch(choice.range.to_string()));
    }
    match given(&reference.tag) {
        Some(tag) => tag.parse().map_err(TagError::Invalid),
        None => Ok(Tag::latest()),
    }
}

/// How a tag is read as a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// As it stands.
    Plain,
    /// With an underscore for a plus.
    Helm,
}

impl Dialect {
    fn of(object: &OCIRepository) -> Self {
        let media_type = object.spec.layer_selector.as_ref().and_then(|selector| selector.media_type.as_deref());
        if media_type == Some(HELM_CHART) { Self::Helm } else { Self::Plain }
    }
}

/// Which tags are versions that count.
struct Choice {
    range: Range,
    filter: Option<Regex>,
    dialect: Dialect,
}

impl fmt::Debug for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Choice({:?})", self.range)
    }
}

impl Choice {
    fn new(range: String, filter: Option<String>, dialect: Dialect) -> Result<Self, TagError> {
        let filter = filter
            .map(|text| RegexBuilder::new(&text).size_limit(MAX_FILTER_BYTES).build().map_err(TagError::Filter))
            .transpose()?;
        let range = Range::parse(&range).ok_or(TagError::Range(range))?;
        Ok(Self { range, filter, dialect })
    }

    /// The tag with the highest version. Of equal versions, such as those that differ in build metadata only, always the same one,
    /// whatever the registry's order.
    fn newest(&self, tags: Vec<Tag>) -> Option<Tag> {
        let versions = tags.into_iter().filter_map(|tag| {
            if self.filter.as_ref().is_some_and(|filter| !filter.is_match(tag.as_str())) {
                return None;
            }
            let version = match self.dialect {
                Dialect::Plain => parse_tag(tag.as_str()),
                Dialect::Helm => parse_tag(&tag.as_str().replace('_', "+")),
            }?;
            self.range.contains(&version).then_some((version, tag))
        });
        versions
            .max_by(|(one, a), (two, b)| one.cmp_precedence(two).then_with(|| (one, a).cmp(&(two, b))))
            .map(|(_, tag)| tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn newest(range: &str, filter: Option<&str>, dialect: Dialect, tags: &[&str]) -> Result<Option<String>, String> {
        let choice =
            Choice::new(range.into(), filter.map(str::to_owned), dialect).map_err(|error| error.to_string())?;
        let tags = tags.iter().map(|tag| tag.parse().expect("a tag")).collect();
        Ok(choice.newest(tags).map(|tag| tag.to_string()))
    }

    #[test]
    fn the_highest_version_in_the_range_that_passes_the_filter_is_taken() {
        let tags = ["latest", "1.0.0", "v1.9.0", "1.10.0-rc.1", "1.10.0-staging", "2.0.0", "1.2"];
        for (range, filter, expected) in [
            ("1.x", None, Some("v1.9.0")),
            (">=1.0.0-0 <2.0.0-0", None, Some("1.10.0-staging")),
            (">=1.0.0-0", Some("-rc"), Some("1.10.0-rc.1")),
            ("*", Some("^v"), Some("v1.9.0")),
            ("*", None, Some("2.0.0")),
            ("3.x", None, None),
        ] {
            let found = newest(range, filter, Dialect::Plain, &tags);
            assert_eq!(found, Ok(expected.map(str::to_owned)), "{range} {filter:?}");
        }
    }

    #[test]
    fn an_underscore_is_a_plus_for_charts_only() {
        let tags = ["6.1.0", "6.2.0_build.7"];
        assert_eq!(newest("6.x", None, Dialect::Plain, &tags), Ok(Some("6.1.0".into())));
        assert_eq!(newest("6.x", None, Dialect::Helm, &tags), Ok(Some("6.2.0_build.7".into())));
    }

    #[test]
    fn equal_versions_give_the_same_tag_in_any_order() {
        let one = newest("*", None, Dialect::Plain, &["v1.0.0", "1.0.0"]);
        assert_eq!(one, newest("*", None, Dialect::Plain, &["1.0.0", "v1.0.0"]));
    }

    #[test]
    fn what_is_no_range_or_filter_is_refused() {
        let refused = |range: &str, filter| newest(range, filter, Dialect::Plain, &[]).expect_err("refused");
        assert_eq!(refused("one", None), "semver 'one' parse error: not a version range");
        assert_eq!(refused("1.x", Some("(")), "unable to compile the tag filter");
        assert_eq!(refused("1.x", Some("(a{1000}){1000}")), "unable to compile the tag filter");
    }
}
