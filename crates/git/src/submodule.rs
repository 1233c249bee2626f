//! `.gitmodules` and the URLs in it. Pure, and hostile: its author is whoever may push to the repository.
//!
//! Read by a parser of our own: git's configuration format can include files of the machine, and nothing here needs more than two keys.
//! Deliberately not here: `branch`, `update`, `shallow` and what else there is; a commit says what its submodules are.

use std::collections::BTreeMap;

use sluice_http_client::Url;

/// The largest file. A line or two for each submodule.
pub(crate) const MAX_FILE: usize = 1 << 20;

/// Submodules of one object, at all depths together.
pub(crate) const MAX_SUBMODULES: usize = 256;

/// Submodules within submodules, as in Flux. What is deeper stays an empty directory.
pub(crate) const MAX_DEPTH: usize = 10;

/// A submodule that cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubmoduleError {
    /// The file is larger than is read.
    #[error(".gitmodules is larger than {MAX_FILE} bytes")]
    FileTooLarge,
    /// The file is not in git's configuration format.
    #[error("malformed .gitmodules at line {0}")]
    Malformed(usize),
    /// More than are followed.
    #[error("more than {MAX_SUBMODULES} submodules")]
    TooMany,
    /// The URL is not one of http, https, ssh, or is relative and leads above its host's root.
    #[error("unsupported submodule URL")]
    Url,
}

/// The keys of one submodule.
#[derive(Default)]
struct Section {
    path: Option<Vec<u8>>,
    url: Option<Vec<u8>>,
}

/// What the file says: URLs by path, both as they are written. The last of two entries for one path counts.
pub(crate) fn parse(text: &[u8]) -> Result<BTreeMap<Vec<u8>, String>, SubmoduleError> {
    if text.len() > MAX_FILE {
        return Err(SubmoduleError::FileTooLarge);
    }
    let mut sections: BTreeMap<Vec<u8>, Section> = BTreeMap::new();
    let mut current: Option<Vec<u8>> = None;
    for (number, line) in logical_lines(text) {
        let malformed = SubmoduleError::Malformed(number);
        let line = line.trim_ascii();
        if line.is_empty() || matches!(line[0], b'#' | b';') {
            continue;
        }
        if line[0] == b'[' {
            current = match section(line).ok_or(malformed)? {
                Header::Submodule(name) => Some(name),
                Header::Other => None,
            };
            continue;
        }
        let Some(name) = &current else { continue };
        let (key, raw) = match line.iter().position(|byte| *byte == b'=') {
            Some(at) => (line[..at].trim_ascii(), line[at + 1..].trim_ascii()),
            None => (line, &b""[..]),
        };
        let value = value(raw).ok_or(malformed)?;
        let section = sections.entry(name.clone()).or_default();
        if key.eq_ignore_ascii_case(b"path") {
            section.path = Some(value);
        } else if key.eq_ignore_ascii_case(b"url") {
            section.url = Some(value);
        }
    }
    if sections.len() > MAX_SUBMODULES {
        return Err(SubmoduleError::TooMany);
    }
    let whole = sections.into_values().filter_map(|section| {
        let url = String::from_utf8(section.url?).ok()?;
        Some((section.path.filter(|path| is_plain(path))?, url))
    });
    Ok(whole.collect())
}

/// A path of plain components. Others can never be a submodule's place in a tree; a path that climbs or looks like an option is an attack
/// on programs that take it for one.
fn is_plain(path: &[u8]) -> bool {
    let plain = |part: &[u8]| !matches!(part, b"" | b"." | b"..") && !part.eq_ignore_ascii_case(b".git");
    !path.starts_with(b"-") && !path.contains(&0) && path.split(|byte| *byte == b'/').all(plain)
}

/// Lines with the number of their first one; a backslash at the end joins the next line.
fn logical_lines(text: &[u8]) -> Vec<(usize, Vec<u8>)> {
    let mut lines: Vec<(usize, Vec<u8>)> = Vec::new();
    let mut joined = false;
    for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let slashes = line.iter().rev().take_while(|byte| **byte == b'\\').count();
        let continues = slashes % 2 == 1;
        let line = if continues { &line[..line.len() - 1] } else { line };
        match lines.last_mut() {
            Some((_, last)) if joined => last.extend_from_slice(line),
            _ => lines.push((index + 1, line.to_vec())),
        }
        joined = continues;
    }
    lines
}

/// The first line of a section.
enum Header {
    /// `[submodule "name"]`
    Submodule(Vec<u8>),
    Other,
}

fn section(line: &[u8]) -> Option<Header> {
    let inner = line.strip_prefix(b"[")?;
    let end = inner.iter().rposition(|byte| *byte == b']')?;
    let inner = inner[..end].trim_ascii();
    let split = inner.iter().position(|byte| *byte == b'"');
    let Some(at) = split else { return Some(Header::Other) };
    if !inner[..at].trim_ascii().eq_ignore_ascii_case(b"submodule") {
        return Some(Header::Other);
    }
    let quoted = inner[at + 1..].strip_suffix(b"\"")?;
    Some(Header::Submodule(quoted.to_vec()))
}

/// A value: quotes go, escapes are resolved, a comment outside of quotes ends it.
fn value(raw: &[u8]) -> Option<Vec<u8>> {
    let (mut value, mut kept, mut quoted) = (Vec::with_capacity(raw.len()), 0, false);
    let mut bytes = raw.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => quoted = !quoted,
            b'#' | b';' if !quoted => break,
            b'\\' => value.push(match bytes.next()? {
                b'n' => b'\n',
                b't' => b'\t',
                b'b' => 8,
                other @ (b'\\' | b'"') => other,
                _ => return None,
            }),
            other => value.push(other),
        }
        // Blanks at the end count only within quotes.
        if quoted || !byte.is_ascii_whitespace() {
            kept = value.len();
        }
    }
    value.truncate(kept);
    (!quoted).then_some(value)
}

/// Where a submodule is: `text` relative to the URL of the repository that names it, or absolute.
pub(crate) fn resolve_url(parent: &Url, text: &str) -> Result<Url, SubmoduleError> {
    // Never passed to a program here, but nobody means it.
    if text.starts_with('-') || text.chars().any(char::is_control) {
        return Err(SubmoduleError::Url);
    }
    let url = if text.starts_with("./") || text.starts_with("../") {
        relative(parent, text).ok_or(SubmoduleError::Url)?
    } else {
        match Url::parse(text) {
            Ok(url) if url.has_host() => url,
            _ => scp_like(text).ok_or(SubmoduleError::Url)?,
        }
    };
    let known = matches!(url.scheme(), "http" | "https" | "ssh") && url.host_str().is_some_and(|host| !host.is_empty());
    if known { Ok(url) } else { Err(SubmoduleError::Url) }
}

/// As git: each `../` takes one component off the parent's URL, each `./` none, and the rest is appended. Unlike git, the host stays.
fn relative(parent: &Url, text: &str) -> Option<Url> {
    let mut base = parent.path().trim_end_matches('/');
    let mut rest = text;
    loop {
        if let Some(tail) = rest.strip_prefix("../") {
            base = &base[..base.rfind('/')?];
            rest = tail;
        } else if let Some(tail) = rest.strip_prefix("./") {
            rest = tail;
        } else {
            break;
        }
    }
    let mut url = parent.clone();
    url.set_path(&format!("{base}/{}", rest.trim_end_matches('/')));
    url.set_query(None);
    url.set_fragment(None);
    Some(url)
}

/// `user@host:path`, which means SSH.
fn scp_like(text: &str) -> Option<Url> {
    let (host, path) = text.split_once(':')?;
    // `transport::address` asks git to run a program.
    if host.is_empty() || host.contains('/') || path.is_empty() || path.starts_with("//") || path.starts_with(':') {
        return None;
    }
    // A path without a slash is in the user's home on a real machine, and the same as with one on the hosts.
    Url::parse(&format!("ssh://{host}/{}", path.trim_start_matches('/'))).ok()
}

/// Whether what the user gave for `parent` may be shown to `url` too: only to the same host in the same way. The file's author must not be
/// able to have the user's password sent to a host of theirs.
pub(crate) fn may_have_credentials(parent: &Url, url: &Url) -> bool {
    parent.scheme() == url.scheme()
        && parent.host_str() == url.host_str()
        && parent.port_or_known_default() == url.port_or_known_default()
}

#[cfg(test)]
mod tests;
