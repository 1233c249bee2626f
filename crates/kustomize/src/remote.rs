//! Names of things on other hosts, and the port through which a caller may let a build fetch them.
//!
//! [`RepoSpec::parse`] is a pure reading of the URL forms that kustomize knows. Deliberately no network here: [`RemoteSource`] is
//! implemented elsewhere, and a build that is not given one refuses every remote path.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::error::Cause;
use crate::path::{PathError, RelPath};
use crate::tree::FileTree;

/// The time that one repository or file may take unless its URL says otherwise, as in kustomize.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(27);

/// The longest time that a URL may ask for: what a hostile base can make a build wait is bounded.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(600);

/// Fetches what a kustomization names on other hosts. Called from within a build, so it blocks; the implementation bounds bytes and
/// time, and decides which hosts may be asked.
pub trait RemoteSource: Send + Sync {
    /// The content of an `http` or `https` URL, refused beyond `max_bytes`.
    ///
    /// # Errors
    /// Whatever keeps the content from being had; the message is printed as a part of the build's error.
    fn file(&self, url: &str, max_bytes: usize) -> Result<Vec<u8>, Cause>;

    /// The tree of a repository at the reference that `spec` names; the whole tree, whatever the path in `spec` is. A build asks once
    /// for each repository and reference.
    ///
    /// # Errors
    /// Whatever keeps the tree from being had; the message is printed as a part of the build's error.
    fn repository(&self, spec: &RepoSpec) -> Result<Box<dyn FileTree>, Cause>;
}

/// What happens to paths that name another host.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Remote {
    /// They are an error.
    #[default]
    Refuse,
    /// They are fetched.
    Fetch(Arc<dyn RemoteSource>),
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refuse => "Refuse",
            Self::Fetch(_) => "Fetch",
        })
    }
}

/// A directory of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoSpec {
    /// The repository: `https://host/org/repo`, without query. What Git is to fetch from.
    pub url: String,
    /// Branch, tag, full reference name or commit; blank for the repository's default branch.
    pub reference: String,
    /// The directory within the repository.
    pub path: RelPath,
    /// Whether submodules are wanted. They are unless the URL says `submodules=false`.
    pub submodules: bool,
    /// The time for fetching.
    pub timeout: Duration,
}

/// Why a text does not name a directory of a repository that can be fetched.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RepoSpecError {
    /// It does not look like a repository at all.
    #[error("'{text}' is not a URL of a Git repository: {reason}")]
    NotARepository {
        /// The text.
        text: String,
        /// What is missing.
        reason: &'static str,
    },
    /// A repository over a protocol that is not spoken here.
    #[error("'{text}': Git over {protocol} is not supported in kustomizations; use https://")]
    Protocol {
        /// The text.
        text: String,
        /// The protocol.
        protocol: &'static str,
    },
    /// The URL carries a user name or password, which would be written into messages and annotations.
    #[error("credentials in the URL of a repository are not supported")]
    Credentials,
    /// The path within the repository leaves it.
    #[error("URL path exits repo")]
    Path(#[from] PathError),
    /// A query parameter has no usable value.
    #[error("'{value}' is not a value for {parameter}")]
    Parameter {
        /// `timeout` or `submodules`.
        parameter: &'static str,
        /// The value.
        value: String,
    },
}

impl RepoSpec {
    /// Reads `https://host/org/repo//path?ref=x`, `https://host/any/repo.git/path`, `https://host/org/project/_git/repo/path`,
    /// `github.com/org/repo/path`, each also behind `git::`.
    ///
    /// Without `//`, `.git` or `_git/` the first two parts of the path are the repository. `ref` and `version` name the reference
    /// (`ref` wins), `timeout` is in seconds or a Go duration, `submodules` is a boolean.
    ///
    /// # Errors
    /// See [`RepoSpecError`].
    pub fn parse(text: &str) -> Result<Self, RepoSpecError> {
        let not = |reason| RepoSpecError::NotARepository { text: text.to_owned(), reason };
        let (location, query) = text.split_once('?').unwrap_or((text, ""));
        let location = strip_prefix(location, "git::").unwrap_or(location);
        let (scheme, rest) = scheme(text, location)?;
        let (host, rest) = rest.split_once('/').ok_or_else(|| not("it has no path"))?;
        if host.contains('@') {
            return Err(RepoSpecError::Credentials);
        }
        if host.is_empty() {
            return Err(not("it has no host"));
        }
        let (repository, path) = split_repository(rest).ok_or_else(|| not("it has no organisation and repository"))?;
        let repository = repository.trim_matches('/');
        if repository.is_empty() {
            return Err(not("it has no repository"));
        }
        let mut spec = Self {
            url: format!("{scheme}{}/{repository}", host.to_ascii_lowercase()),
            reference: String::new(),
            path: RelPath::new(path.trim_start_matches('/'))?,
            submodules: true,
            timeout: DEFAULT_TIMEOUT,
        };
        spec.read_query(query)?;
        Ok(spec)
    }

    fn read_query(&mut self, query: &str) -> Result<(), RepoSpecError> {
        let mut version = "";
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match name {
                "ref" => value.clone_into(&mut self.reference),
                "version" => version = value,
                "timeout" => {
                    let error = || RepoSpecError::Parameter { parameter: "timeout", value: value.to_owned() };
                    self.timeout = timeout(value).ok_or_else(error)?;
                }
                "submodules" => {
                    self.submodules = match value {
                        "1" | "t" | "T" | "true" | "True" | "TRUE" => true,
                        "0" | "f" | "F" | "false" | "False" | "FALSE" => false,
                        _ => {
                            return Err(RepoSpecError::Parameter { parameter: "submodules", value: value.to_owned() });
                        }
                    };
                }
                _ => {}
            }
        }
        if self.reference.is_empty() {
            version.clone_into(&mut self.reference);
        }
        Ok(())
    }

    /// Whether two specifications are of the same tree.
    pub(crate) fn same_tree(&self, other: &Self) -> bool {
        self.url == other.url && self.reference == other.reference && self.submodules == other.submodules
    }

    /// How a place of the repository is shown in messages.
    pub(crate) fn label(&self) -> String {
        if self.reference.is_empty() { self.url.clone() } else { format!("{}@{}", self.url, self.reference) }
    }
}

/// Whether a path names another host, in any of the forms that kustomize knows.
pub(crate) fn is_remote(path: &str) -> bool {
    ["git::", "gh:", "ssh://", "https://", "http://", "file://", "git@", "github.com:", "github.com/"]
        .iter()
        .any(|prefix| strip_prefix(path, prefix).is_some())
}

/// Whether a remote path may be a file: what has a scheme of HTTP and no mark of a repository.
pub(crate) fn may_be_file(path: &str) -> bool {
    let http = strip_prefix(path, "https://").or_else(|| strip_prefix(path, "http://"));
    let Some(rest) = http else { return false };
    let location = rest.split_once('?').map_or(rest, |(location, _)| location);
    // With the slash, the name of the repository is found at the end, too.
    let location = format!("{location}/");
    !location.contains(".git/") && !location.contains("/_git/")
}

fn strip_prefix<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

/// The scheme with which to fetch, and what follows the scheme in the text.
fn scheme<'t>(text: &str, location: &'t str) -> Result<(&'static str, &'t str), RepoSpecError> {
    let other = |protocol| Err(RepoSpecError::Protocol { text: text.to_owned(), protocol });
    if let Some(rest) = strip_prefix(location, "https://") {
        return Ok(("https://", rest));
    }
    if let Some(rest) = strip_prefix(location, "http://") {
        return Ok(("http://", rest));
    }
    if strip_prefix(location, "file://").is_some() {
        return other("file://");
    }
    if strip_prefix(location, "github.com/").is_some() {
        return Ok(("https://", location));
    }
    let before_path = location.split('/').next().unwrap_or_default();
    let shorthand = ["ssh://", "gh:", "github.com:"].iter().any(|prefix| strip_prefix(location, prefix).is_some());
    // `user@host:path`, the form of scp.
    if shorthand || before_path.contains('@') {
        return other("ssh");
    }
    Err(RepoSpecError::NotARepository { text: text.to_owned(), reason: "it has no scheme" })
}

/// The repository and the path within, of what follows the host.
fn split_repository(rest: &str) -> Option<(&str, &str)> {
    if let Some(at) = rest.find("_git/").filter(|&at| at == 0 || rest[..at].ends_with('/')) {
        let name = at + "_git/".len();
        let end = rest[name..].find('/').map_or(rest.len(), |length| name + length);
        return Some((&rest[..end], &rest[end..]));
    }
    if let Some((repository, path)) = rest.split_once("//") {
        return Some((repository, path));
    }
    let git = ".git";
    if let Some(at) = rest.find(".git/").or_else(|| rest.ends_with(git).then(|| rest.len() - git.len())) {
        return Some(rest.split_at(at + git.len()));
    }
    let slash = rest.find('/')?;
    let end = rest[slash + 1..].find('/').map_or(rest.len(), |length| slash + 1 + length);
    (end > slash + 1).then(|| rest.split_at(end))
}

/// Whole seconds or a Go duration of hours, minutes, seconds and milliseconds; at most [`MAX_TIMEOUT`].
fn timeout(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<u32>() {
        return (seconds > 0).then(|| Duration::from_secs(seconds.into()).min(MAX_TIMEOUT));
    }
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|&digits| digits > 0)?;
        let number: u32 = rest[..digits].parse().ok()?;
        let unit = &rest[digits..];
        let length = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        let each = match &unit[..length] {
            "h" => Duration::from_secs(60 * 60),
            "m" => Duration::from_secs(60),
            "s" => Duration::from_secs(1),
            "ms" => Duration::from_millis(1),
            _ => return None,
        };
        total = total.saturating_add(each.saturating_mul(number));
        rest = &unit[length..];
    }
    (!total.is_zero()).then(|| total.min(MAX_TIMEOUT))
}

#[cfg(test)]
mod tests;
