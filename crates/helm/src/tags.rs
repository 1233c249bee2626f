//! Chart versions in OCI repositories, where a version is a tag. It does not talk to a registry.

use sluice_semver_range::parse_tag;

use crate::lookup::Wanted;

/// The tag that a chart version has: build metadata is set off by `_`, since a tag cannot have a `+`.
pub fn tag_of(version: &str) -> String {
    version.replace('+', "_")
}

/// The chart version that a tag stands for.
pub fn version_of(tag: &str) -> String {
    tag.replace('_', "+")
}

/// Whether a version is one already, so that no tags need to be listed: it has three parts and is no range.
pub fn is_concrete(version: &str) -> bool {
    parse_tag(version).is_some()
}

/// The URL of a chart's repository within the registry path of a `HelmRepository`, without a tag.
pub fn chart_url(repository_url: &str, chart: &str) -> String {
    format!("{}/{}", repository_url.trim_end_matches('/'), chart.trim_matches('/'))
}

/// Why none of the tags is meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// There are no tags.
    #[error("unable to locate any tags in provided repository: {0}")]
    NoTags(String),
    /// The version is neither a tag nor a range.
    #[error("improper constraint: {0}")]
    BadRange(String),
    /// No tag is in the range.
    #[error("could not locate a version matching provided version string {0}")]
    NoMatch(String),
}

/// The version among the tags of a chart's repository that `version` means, as the tag spells it but with `+` for `_`.
///
/// # Errors
/// [`TagError`]; all of them are worth trying again, since tags come and go.
pub fn choose<'t>(chart: &str, version: &str, tags: impl IntoIterator<Item = &'t str>) -> Result<String, TagError> {
    let wanted = Wanted::parse(version);
    let (mut any, mut best) = (false, None);
    for tag in tags {
        any = true;
        let spelt = version_of(tag);
        if !version.is_empty() && spelt == version {
            return Ok(spelt);
        }
        let Some(parsed) = wanted.as_ref().and_then(|wanted| wanted.accept(&spelt)) else { continue };
        // Build metadata decides between equal versions, so that the order of the tags does not.
        if best.as_ref().is_none_or(|(highest, _)| parsed > *highest) {
            best = Some((parsed, spelt));
        }
    }
    if !any {
        return Err(TagError::NoTags(chart.to_owned()));
    }
    if wanted.is_none() {
        return Err(TagError::BadRange(version.to_owned()));
    }
    best.map(|(_, spelt)| spelt).ok_or_else(|| TagError::NoMatch(version.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_chosen_by_their_spelling_then_by_range() {
        let tags = ["latest", "1.0.0_a", "1.0.0_b", "0.9.0", "2.0.0-rc.1", "v0.8.0", "3.0"];
        for (version, expected) in [
            ("", Ok("1.0.0+b")),
            ("*", Ok("1.0.0+b")),
            ("latest", Ok("latest")),
            ("3.0", Ok("3.0")),
            ("1.0.0+a", Ok("1.0.0+a")),
            ("<1.0.0", Ok("0.9.0")),
            ("0.8.x", Ok("v0.8.0")),
            (">=1.0.0-0", Ok("2.0.0-rc.1")),
            (">4", Err(TagError::NoMatch(">4".into()))),
            ("stable", Err(TagError::BadRange("stable".into()))),
        ] {
            assert_eq!(choose("web", version, tags), expected.map(str::to_owned), "{version}");
        }
        assert_eq!(choose("web", "", []), Err(TagError::NoTags("web".into())));
    }

    #[test]
    fn versions_and_tags_map_to_each_other() {
        assert_eq!((tag_of("1.0.0+a.b").as_str(), version_of("1.0.0_a.b").as_str()), ("1.0.0_a.b", "1.0.0+a.b"));
        assert!(is_concrete("1.2.3") && is_concrete("v1.2.3-rc.1+b") && !is_concrete("1.2") && !is_concrete("1.x.x"));
        assert_eq!(chart_url("oci://r.example.com/charts/", "team/web"), "oci://r.example.com/charts/team/web");
    }
}
