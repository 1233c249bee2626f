//! Where a server serves a kind, and the URL paths of its objects.
//!
//! Deliberately not here: finding out (`discovery`). Names go into paths, so every path segment is made by [`segment`].

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sluice_manifest::Gvk;

use crate::error::RequestError;

/// What may stand unencoded in a path segment (RFC 3986 `pchar`), beside letters and digits.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// A kind as one server serves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Group, version and kind.
    pub gvk: Gvk,
    /// The plural name in URLs.
    pub plural: String,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
}

impl Resource {
    /// The path of the collection in a namespace. The namespace does not count for a cluster-scoped kind.
    pub(crate) fn collection(&self, namespace: &str) -> Result<String, RequestError> {
        let base = version_path(&self.gvk)?;
        let plural = segment(&self.plural)?;
        if self.namespaced && !namespace.is_empty() {
            Ok(format!("{base}/namespaces/{}/{plural}", segment(namespace)?))
        } else {
            Ok(format!("{base}/{plural}"))
        }
    }
}

/// The path of a group and version: `/api/v1` or `/apis/apps/v1`.
pub(crate) fn version_path(gvk: &Gvk) -> Result<String, RequestError> {
    let version = segment(&gvk.version)?;
    if gvk.group.is_empty() {
        Ok(format!("/api/{version}"))
    } else {
        Ok(format!("/apis/{}/{version}", segment(&gvk.group)?))
    }
}

/// Encodes one path segment.
///
/// Refuses what would make another path of it: a name such as `..` or `x/status`, with which a manifest could reach another object than
/// the one that it names. (`/` and `%` are refused by the server's own rule for names as well.)
pub(crate) fn segment(text: &str) -> Result<String, RequestError> {
    if text.is_empty() || text == "." || text == ".." || text.contains(['/', '%']) {
        return Err(RequestError::Name { name: text.to_owned() });
    }
    Ok(utf8_percent_encode(text, SEGMENT).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(api_version: &str, namespaced: bool) -> Resource {
        Resource { gvk: Gvk::new(api_version, "Thing"), plural: "things".into(), namespaced }
    }

    #[test]
    fn paths_follow_group_and_scope() {
        for (api_version, namespaced, namespace, expected) in [
            ("v1", true, "n", "/api/v1/namespaces/n/things"),
            ("v1", true, "", "/api/v1/things"),
            ("v1", false, "n", "/api/v1/things"),
            ("x.io/v1", true, "n", "/apis/x.io/v1/namespaces/n/things"),
        ] {
            assert_eq!(resource(api_version, namespaced).collection(namespace).unwrap(), expected);
        }
    }

    #[test]
    fn a_segment_never_becomes_another_path() {
        assert_eq!(segment("system:basic-user").unwrap(), "system:basic-user");
        assert_eq!(segment("a b?dryRun=All#x").unwrap(), "a%20b%3FdryRun=All%23x");
        for bad in ["", ".", "..", "a/b", "../x", "a%2Fb"] {
            segment(bad).expect_err(bad);
        }
        resource("v1", true).collection("..").expect_err("namespace");
        version_path(&Gvk::new("../../api/v1", "Secret")).expect_err("group");
    }
}
