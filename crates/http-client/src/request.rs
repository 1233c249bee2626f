//! A request as a value: built without I/O, repeatable, printable without its secrets.
//!
//! Deliberately no streaming request bodies: what controllers send is small, and a retry needs it again.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use url::Url;

use crate::{HttpError, Secret, mask_url};

/// A request to send, any number of times.
#[derive(Clone)]
pub struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    path_is_secret: bool,
}

impl Request {
    /// A request without headers and body. Userinfo in the URL becomes basic authentication.
    pub fn new(method: Method, url: Url) -> Self {
        Self { method, url, headers: HeaderMap::new(), body: Bytes::new(), path_is_secret: false }
    }

    /// `GET url`.
    pub fn get(url: Url) -> Self {
        Self::new(Method::GET, url)
    }

    /// `POST url` with a body.
    pub fn post(url: Url, body: impl Into<Bytes>) -> Self {
        Self::new(Method::POST, url).body(body)
    }

    /// Replaces the body.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Says that the path itself is a credential (chat webhooks): errors then show scheme and host only.
    pub fn with_secret_path(mut self) -> Self {
        self.path_is_secret = true;
        self
    }

    /// Sets a header, replacing an earlier one of that name.
    ///
    /// # Errors
    /// [`HttpError::Header`] when `value` holds control characters; the value is not in the error.
    pub fn header(mut self, name: HeaderName, value: &str) -> Result<Self, HttpError> {
        let mut value =
            HeaderValue::from_str(value).map_err(|_| HttpError::Header { name: name.as_str().to_owned() })?;
        // Not every header is a secret, but none is needed in a log.
        value.set_sensitive(true);
        self.headers.insert(name, value);
        Ok(self)
    }

    /// Sets basic authentication.
    ///
    /// # Errors
    /// None in practice: base64 is always a header value.
    pub fn basic_auth(self, username: &str, password: &Secret<String>) -> Result<Self, HttpError> {
        let credentials = STANDARD.encode(format!("{username}:{}", password.expose()));
        self.header(header::AUTHORIZATION, &format!("Basic {credentials}"))
    }

    /// Sets bearer authentication.
    ///
    /// # Errors
    /// [`HttpError::Header`] when the token holds control characters.
    pub fn bearer_auth(self, token: &Secret<String>) -> Result<Self, HttpError> {
        self.header(header::AUTHORIZATION, &format!("Bearer {}", token.expose()))
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The URL as errors show it.
    pub fn target(&self) -> String {
        if !self.path_is_secret {
            return mask_url(&self.url);
        }
        let mut origin = self.url.clone();
        origin.set_query(None);
        origin.set_fragment(None);
        origin.set_path("/***");
        mask_url(&origin)
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({} {}, {} bytes)", self.method, self.target(), self.body.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_tells_method_and_masked_url_and_no_header() {
        let url = Url::parse("https://host/path?sig=secret").expect("a constant");
        let request =
            Request::new(Method::HEAD, url).bearer_auth(&Secret::new("token".to_owned())).expect("header text");
        assert_eq!(request.method(), Method::HEAD);
        assert_eq!(format!("{request:?}"), "Request(HEAD https://host/path?***, 0 bytes)");
    }
}
