//! Why something did not come from a storage service, in words for a condition's message.
//!
//! Deliberately without credentials and without the query of any URL: shared access signatures and presigned requests are queries.

use sluice_http_client::{ConfigError, HttpError, Method, StatusCode};

use crate::key::KeyError;

/// Characters of foreign text that an error shows.
const MAX_EXCERPT_CHARS: usize = 200;

/// A request to a storage service that did not do what it was for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The deadline passed.
    #[error("timed out")]
    DeadlinePassed,
    /// The TLS material or the proxy is unusable.
    #[error("failed to set up the HTTP client")]
    Client(#[source] ConfigError),
    /// No whole answer came, or more of it than the caller takes.
    #[error(transparent)]
    Http(HttpError),
    /// The service answered with an error.
    #[error("{method} {target}: status {}: {detail}", .status.as_u16())]
    Refused {
        /// The request's method.
        method: Method,
        /// Where it went, without the query.
        target: String,
        /// The status.
        status: StatusCode,
        /// The service's own code, such as `AccessDenied`; empty if it gave none.
        code: String,
        /// Code and message of the service, escaped and cut, or the status in words.
        detail: String,
    },
    /// The service's answer is not what the protocol has.
    #[error("{method} {target}: unreadable answer")]
    Answer {
        /// The request's method.
        method: Method,
        /// Where it went, without the query.
        target: String,
        /// What is wrong with it.
        #[source]
        source: AnswerError,
    },
    /// The bucket has more objects than the caller takes.
    #[error("more than {limit} objects")]
    TooManyObjects {
        /// The limit.
        limit: usize,
    },
    /// The service's pages do not end: the next one is where the last one was.
    #[error("the listing does not advance")]
    ListingLoop,
    /// A key is not one that can be asked for.
    #[error("object key '{key}' cannot be requested: it has a '.' or '..' component")]
    UnrequestableKey {
        /// The key, escaped and cut.
        key: String,
    },
    /// A key that a service listed is unusable.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The Azure endpoint, account key or shared access signature is unusable.
    #[error("{0}")]
    Azure(&'static str),
    /// A shared access signature is not accepted. Azure says no more than that even if it is for a container that does not exist.
    #[error("the container may not exist, or the signature may not be for it")]
    SignatureForAnother(#[source] Box<StoreError>),
    /// The endpoint of an S3 store is unusable.
    #[error(transparent)]
    Endpoint(#[from] crate::s3::EndpointError),
}

/// What is wrong with an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// It is not XML as this crate reads it.
    #[error("invalid XML: {0}")]
    Xml(&'static str),
    /// It is not JSON of the expected shape.
    #[error("invalid JSON")]
    Json,
    /// A part that must be there is not, or is not what it must be.
    #[error("missing or invalid {0}")]
    Missing(&'static str),
    /// A key is not UTF-8 or longer than any service has them.
    #[error("invalid object key '{0}'")]
    Key(String),
}

/// A step of a reconcile that failed, as the condition `FetchFailed` tells it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OperationError {
    /// Whether the bucket exists could not be found out.
    #[error("failed to confirm existence of '{bucket}' bucket")]
    Existence {
        /// The bucket.
        bucket: String,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// There is no such bucket.
    #[error("bucket '{bucket}' not found")]
    NotFound {
        /// The bucket.
        bucket: String,
    },
    /// The objects could not be listed.
    #[error("indexation of objects from bucket '{bucket}' failed")]
    Indexation {
        /// The bucket.
        bucket: String,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// An object could not be downloaded, or not be written.
    #[error("fetch from bucket '{bucket}' failed: failed to get '{key}' object")]
    Fetch {
        /// The bucket.
        bucket: String,
        /// The object's key, escaped and cut.
        key: String,
        /// Why.
        #[source]
        source: StoreError,
    },
}

impl OperationError {
    /// [`OperationError::Fetch`] for an object of any key.
    pub fn fetch(bucket: &crate::BucketName, key: &str, source: impl Into<StoreError>) -> Self {
        Self::Fetch { bucket: bucket.to_string(), key: excerpt(key), source: source.into() }
    }
}

impl From<HttpError> for StoreError {
    fn from(mut error: HttpError) -> Self {
        match &mut error {
            HttpError::Transport { target, .. }
            | HttpError::Status { target, .. }
            | HttpError::TooLarge { target, .. }
            | HttpError::Write { target, .. } => *target = without_query(target),
            // A header's error has no URL, and the enum may grow.
            _ => {}
        }
        Self::Http(error)
    }
}

/// A masked URL without even the mask of its query.
pub(crate) fn without_query(target: &str) -> String {
    target.split(['?', '#']).next().unwrap_or_default().to_owned()
}

/// Foreign text for an error: control characters escaped, so that it stays one line and cannot play with a terminal, and cut.
pub(crate) fn excerpt(text: &str) -> String {
    let mut shown = String::new();
    let mut chars = text.chars();
    for char in chars.by_ref().take(MAX_EXCERPT_CHARS) {
        match char {
            '\0' => shown.push_str("\\0"),
            // Characters that turn the direction of what follows are as good as a lie.
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                shown.extend(char.escape_default());
            }
            control if control.is_control() => shown.extend(control.escape_default()),
            plain => shown.push(plain),
        }
    }
    if chars.next().is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_stays_one_short_line() {
        assert_eq!(excerpt("a\nb\0c\u{1b}[2Jd\u{202e}e ä"), "a\\nb\\0c\\u{1b}[2Jd\\u{202e}e ä");
        assert_eq!(excerpt(&"x".repeat(1_000)).chars().count(), MAX_EXCERPT_CHARS + 1);
    }

    #[test]
    fn the_operations_texts_are_the_established_ones() {
        let bucket = || "apps".to_owned();
        let source = || StoreError::DeadlinePassed;
        let name = crate::BucketName::new("apps").unwrap();
        for (error, expected) in [
            (
                OperationError::Existence { bucket: bucket(), source: source() },
                "failed to confirm existence of 'apps' bucket: timed out",
            ),
            (OperationError::NotFound { bucket: bucket() }, "bucket 'apps' not found"),
            (
                OperationError::Indexation { bucket: bucket(), source: source() },
                "indexation of objects from bucket 'apps' failed: timed out",
            ),
            (
                OperationError::fetch(&name, "a.yaml", source()),
                "fetch from bucket 'apps' failed: failed to get 'a.yaml' object: timed out",
            ),
        ] {
            let mut text = error.to_string();
            let mut next = std::error::Error::source(&error);
            while let Some(error) = next {
                text = format!("{text}: {error}");
                next = error.source();
            }
            assert_eq!(text, expected);
        }
    }
}
