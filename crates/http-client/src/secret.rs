//! Values that must not be printed, and URLs without what must not be printed.
//!
//! Deliberately no zeroing of memory and no encryption: this guards logs, events, conditions and errors, not core dumps.

use std::fmt;

use url::Url;

const MASK: &str = "***";

/// A value whose `Debug` and `Display` are `***`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself: call it where the value is sent, and nowhere else.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl<T> fmt::Display for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// The URL as text with userinfo, query and fragment replaced by `***`: each of them carries tokens in practice.
pub fn mask_url(url: &Url) -> String {
    let mut masked = url.clone();
    let has_userinfo = !url.username().is_empty() || url.password().is_some();
    if has_userinfo {
        // Fails only for URLs without a host, which have no userinfo either.
        let _ = masked.set_password(None);
        let _ = masked.set_username(MASK);
    }
    if url.query().is_some() {
        masked.set_query(Some(MASK));
    }
    if url.fragment().is_some() {
        masked.set_fragment(Some(MASK));
    }
    masked.into()
}

/// [`mask_url`] for text that may not be a URL: what does not parse becomes `***` as a whole.
pub fn mask_url_text(text: &str) -> String {
    Url::parse(text).map_or_else(|_| MASK.to_owned(), |url| mask_url(&url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_as_stars_only() {
        let secret = Secret::new("hunter2".to_owned());
        assert_eq!((format!("{secret}"), format!("{secret:?}")), ("***".into(), "***".into()));
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn a_masked_url_keeps_host_and_path_only() {
        for (url, expected) in [
            ("https://host/path", "https://host/path"),
            ("https://user:pw@host:8443/p", "https://***@host:8443/p"),
            ("https://:pw@host/p", "https://***@host/p"),
            ("https://token@host/p?sig=abc#frag", "https://***@host/p?***#***"),
            ("no url with pass@word", "***"),
        ] {
            assert_eq!(mask_url_text(url), expected, "{url}");
        }
    }
}
