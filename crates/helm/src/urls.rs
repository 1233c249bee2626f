//! Repository URLs: one spelling for equal ones, charts relative to them, and who may see the credentials.
//!
//! The text is kept as it is wherever it can be, since Go keeps it too. Errors repeat no query, user or password. Deliberately absent: requests.

/// A URL that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It is none.
    #[error("failed to parse {0} as URL")]
    Invalid(String),
    /// It is an alias that only exists on the machine of the chart's author.
    #[error("aliased repository dependency is not supported: {0}")]
    Aliased(String),
    /// Its scheme is none that charts come from.
    #[error("invalid dependency repository URL: {0}")]
    Unsupported(String),
}

/// The parts of a URL, of which all but the path keep their marks.
#[derive(Clone, Copy)]
struct Parts<'u> {
    /// Without the colon; empty for a relative URL.
    scheme: &'u str,
    /// With the `//`; empty if there is none.
    authority: &'u str,
    path: &'u str,
    query: &'u str,
    fragment: &'u str,
}

impl<'u> Parts<'u> {
    fn parse(url: &'u str) -> Option<Self> {
        let escapes_are_whole = |text: &str| {
            text.split('%').skip(1).all(|rest| rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2)
        };
        if url.bytes().any(|byte| byte.is_ascii_control()) || !escapes_are_whole(url) {
            return None;
        }
        let at = url.find('#').unwrap_or(url.len());
        let (rest, fragment) = url.split_at(at);
        let (scheme, rest) = match rest.find([':', '/', '?']) {
            // A colon in the first component of a relative path is ambiguous, and no scheme begins with one.
            Some(0) if rest.starts_with(':') => return None,
            Some(at) if rest[at..].starts_with(':') && is_scheme(&rest[..at]) => (&rest[..at], &rest[at + 1..]),
            Some(at) if rest[at..].starts_with(':') => return None,
            _ => ("", rest),
        };
        let (rest, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
        let (authority, path) = match rest.strip_prefix("//") {
            Some(after) => rest.split_at(2 + after.find('/').unwrap_or(after.len())),
            None => ("", rest),
        };
        if authority.contains([' ', '<', '>', '"', '\\', '^', '`', '{', '|', '}']) {
            return None;
        }
        Some(Self { scheme, authority, path, query, fragment })
    }

    fn with_path(&self, path: &str) -> String {
        let Self { scheme, authority, query, fragment, .. } = self;
        let colon = if scheme.is_empty() { "" } else { ":" };
        // Schemes and only they are the same in any case.
        format!("{}{colon}{authority}{path}{query}{fragment}", scheme.to_ascii_lowercase())
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// A URL for an error: without user, password, query and fragment.
fn shown(url: &str) -> String {
    let bare = &url[..url.find(['?', '#']).unwrap_or(url.len())];
    match bare.split_once("//").map(|(scheme, rest)| (scheme, rest.split_at(rest.find('/').unwrap_or(rest.len())))) {
        Some((scheme, (authority, path))) => {
            let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            format!("{scheme}//{host}{path}").escape_debug().to_string()
        }
        None => bare.escape_debug().to_string(),
    }
}

/// The one spelling of a repository's URL: a path that ends in exactly one slash, or for `oci` in none. Query and escapes stay.
///
/// # Errors
/// [`UrlError::Invalid`].
pub fn normalise(url: &str) -> Result<String, UrlError> {
    if url.is_empty() {
        return Ok(String::new());
    }
    let parts = Parts::parse(url).ok_or_else(|| UrlError::Invalid(shown(url)))?;
    let path = parts.path.trim_end_matches('/');
    Ok(if parts.scheme.eq_ignore_ascii_case("oci") {
        parts.with_path(path)
    } else {
        parts.with_path(&format!("{path}/"))
    })
}

/// The URL of a repository's index: `index.yaml` below its path, with its query.
///
/// # Errors
/// [`UrlError::Invalid`].
pub fn index_url(repository_url: &str) -> Result<String, UrlError> {
    let parts = Parts::parse(repository_url).ok_or_else(|| UrlError::Invalid(shown(repository_url)))?;
    let path = without_dots(&format!("{}/index.yaml", parts.path.trim_end_matches('/')));
    Ok(parts.with_path(&path))
}

/// The URL of a chart that an index gives, absolute or relative to the repository, whose query goes with a relative one.
///
/// # Errors
/// [`UrlError::Invalid`], for either.
pub fn resolve(repository_url: &str, reference: &str) -> Result<String, UrlError> {
    let relative = Parts::parse(reference).ok_or_else(|| UrlError::Invalid(shown(reference)))?;
    if !relative.scheme.is_empty() {
        return Ok(reference.to_owned());
    }
    let base = Parts::parse(repository_url).ok_or_else(|| UrlError::Invalid(shown(repository_url)))?;
    let directory = base.path.strip_suffix('/').unwrap_or(base.path);
    let (authority, path) = match (relative.authority, relative.path) {
        ("", "") => (base.authority, without_dots(&format!("{directory}/"))),
        ("", path) if path.starts_with('/') => (base.authority, without_dots(path)),
        ("", path) => (base.authority, without_dots(&format!("{directory}/{path}"))),
        (authority, path) => (authority, without_dots(path)),
    };
    Ok(Parts { authority, fragment: relative.fragment, ..base }.with_path(&path))
}

/// An absolute path without `.` and `..`, which cannot climb above the root.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut components = path.split('/').skip(usize::from(path.starts_with('/'))).peekable();
    while let Some(component) = components.next() {
        let last = components.peek().is_none();
        match component {
            "." | ".." => {
                if component == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            _ => kept.push(component),
        }
    }
    if path.is_empty() { String::new() } else { format!("/{}", kept.join("/")) }
}

/// Whether credentials for a repository may go with a request for a chart: same scheme, host and port.
pub fn same_origin(repository_url: &str, chart_url: &str) -> bool {
    let origin = |url| {
        let Parts { scheme, authority, .. } = Parts::parse(url)?;
        let authority = authority.strip_prefix("//")?;
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        Some((scheme.to_ascii_lowercase(), host.to_ascii_lowercase()))
    };
    origin(repository_url).is_some_and(|origin_of| Some(origin_of) == origin(chart_url))
}

/// Checks that a dependency's repository is one that charts can come from.
///
/// # Errors
/// [`UrlError::Aliased`], [`UrlError::Unsupported`].
pub fn check_dependency(url: &str) -> Result<(), UrlError> {
    if url.starts_with("oci") || url.starts_with("https://") || url.starts_with("http://") {
        return Ok(());
    }
    Err(if url.starts_with('@') { UrlError::Aliased(shown(url)) } else { UrlError::Unsupported(shown(url)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_repositories_have_one_spelling() {
        for (url, expected) in [
            ("", ""),
            ("https://example.com", "https://example.com/"),
            ("https://example.com/", "https://example.com/"),
            ("HTTPS://example.com/charts///", "https://example.com/charts/"),
            ("http://example.com/a%2Fb?token=x&y", "http://example.com/a%2Fb/?token=x&y"),
            ("oci://example.com/charts//", "oci://example.com/charts"),
            ("oci://example.com", "oci://example.com"),
        ] {
            let once = normalise(url).unwrap();
            assert_eq!(once, expected);
            assert_eq!(normalise(&once).unwrap(), expected);
        }
        for url in [":no", "http://a b/", "https://example.com/\n", "https://example.com/%zz"] {
            assert!(normalise(url).is_err(), "{url:?}");
        }
    }

    #[test]
    fn charts_are_resolved_against_their_repository() {
        for (base, reference, expected) in [
            ("https://example.com/charts", "web-1.tgz", "https://example.com/charts/web-1.tgz"),
            ("https://example.com/charts/", "web-1.tgz", "https://example.com/charts/web-1.tgz"),
            ("https://example.com/charts/?t=1", "web-1.tgz?x=2", "https://example.com/charts/web-1.tgz?t=1"),
            ("https://example.com/charts", "/web-1.tgz", "https://example.com/web-1.tgz"),
            ("https://example.com/a/b", "../web-1.tgz", "https://example.com/a/web-1.tgz"),
            ("https://example.com/a", "../../../web-1.tgz", "https://example.com/web-1.tgz"),
            ("https://example.com/a", "//cdn.example.com/w.tgz", "https://cdn.example.com/w.tgz"),
            ("https://example.com/a", "http://cdn.example.com/w.tgz?x=1", "http://cdn.example.com/w.tgz?x=1"),
            ("https://example.com/a%2Fb", "w.tgz", "https://example.com/a%2Fb/w.tgz"),
            ("https://example.com/a", "", "https://example.com/a/"),
        ] {
            assert_eq!(resolve(base, reference).as_deref(), Ok(expected), "{base} {reference}");
        }
        assert_eq!(index_url("https://example.com/a/?x=1").unwrap(), "https://example.com/a/index.yaml?x=1");
        assert_eq!(index_url("https://example.com").unwrap(), "https://example.com/index.yaml");
    }

    #[test]
    fn errors_show_no_secret() {
        let error = resolve("https://x", "https://user:pass@example.com/%zz?sig=secret#f").unwrap_err().to_string();
        assert_eq!(error, "failed to parse https://example.com/%zz as URL");
    }

    #[test]
    fn credentials_stay_with_their_origin() {
        for (repository, chart, same) in [
            ("https://example.com/charts", "https://EXAMPLE.com/other/w.tgz", true),
            ("https://user:pw@example.com", "https://example.com/w.tgz", true),
            ("https://example.com", "http://example.com/w.tgz", false),
            ("https://example.com", "https://example.com:8443/w.tgz", false),
            ("https://example.com", "https://example.com.evil.test/w.tgz", false),
            ("https://example.com", "https://example.com@evil.test/w.tgz", false),
            ("https://example.com", "w.tgz", false),
        ] {
            assert_eq!(same_origin(repository, chart), same, "{repository} {chart}");
        }
    }

    #[test]
    fn dependencies_come_from_known_schemes() {
        for (url, error) in [
            ("https://example.com", None),
            ("http://example.com", None),
            ("oci://example.com/charts", None),
            ("@stable/", Some("aliased repository dependency is not supported: @stable/")),
            ("alias:stable/", Some("invalid dependency repository URL: alias:stable/")),
            ("ftp://example.com/", Some("invalid dependency repository URL: ftp://example.com/")),
        ] {
            assert_eq!(check_dependency(url).err().map(|error| error.to_string()).as_deref(), error, "{url}");
        }
    }
}
