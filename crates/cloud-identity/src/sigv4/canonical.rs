//! The canonical form of path, query and headers, which both sides must write to the same byte.
//!
//! Deliberately knows nothing of keys and signatures.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sluice_http_client::Url;

use super::Dialect;

/// All but RFC 3986's unreserved characters.
const STRICT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const STRICT_BUT_SLASH: &AsciiSet = &STRICT.remove(b'/');

/// `host`, with a port that is not the scheme's own, as it is sent.
pub(crate) fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

pub(super) fn canonical_path(url: &Url, dialect: Dialect) -> String {
    match dialect {
        // S3 reads the path and writes it again, strictly; what the URL library leaves as it is (`!`, `(`) must be encoded here.
        Dialect::S3 => {
            let decoded: Vec<u8> = percent_decode_str(url.path()).collect();
            percent_encoding::percent_encode(&decoded, STRICT_BUT_SLASH).to_string()
        }
        // The URL library has resolved `.` and `..`; empty segments are left to drop. The path is encoded as it is sent, so what is
        // encoded there is encoded a second time.
        Dialect::Standard => {
            let path = url.path();
            let mut normal = String::with_capacity(path.len());
            for segment in path.split('/').filter(|segment| !segment.is_empty()) {
                normal.push('/');
                normal.push_str(segment);
            }
            if path.ends_with('/') {
                normal.push('/');
            }
            utf8_percent_encode(&normal, STRICT_BUT_SLASH).to_string()
        }
    }
}

/// The URL's parameters and `added`, encoded, in order of name and then value.
pub(super) fn canonical_query(url: &Url, added: &[(&str, &str)]) -> String {
    let encode = |text: &str| utf8_percent_encode(text, STRICT).to_string();
    let own = url.query_pairs().map(|(name, value)| (encode(&name), encode(&value)));
    let mut pairs: Vec<_> = own.chain(added.iter().map(|(name, value)| (encode(name), encode(value)))).collect();
    pairs.sort();
    let pairs: Vec<_> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

/// The names of the signed headers, and the headers themselves as lines: names in lower case and in order, values trimmed and with
/// runs of spaces as one, the values of one name joined by commas in their order.
pub(super) fn signed_headers<'a>(host: &'a str, headers: impl Iterator<Item = (&'a str, &'a str)>) -> (String, String) {
    let mut by_name: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in std::iter::once(("host", host)).chain(headers) {
        let value = value.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        by_name.entry(name.to_ascii_lowercase()).or_default().push(value);
    }
    let names = by_name.keys().map(String::as_str).collect::<Vec<_>>().join(";");
    let mut lines = String::new();
    for (name, values) in &by_name {
        for part in [name, ":", &values.join(","), "\n"] {
            lines.push_str(part);
        }
    }
    (names, lines)
}
