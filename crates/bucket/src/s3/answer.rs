//! The XML that S3 answers with: pages, errors, locations.
//!
//! Deliberately takes the parts in any order: services other than Amazon's have their own.

use sluice_http_client::{HeaderMap, StatusCode};

use crate::error::AnswerError;
use crate::listing::{Entry, Page};
use crate::transport::{PlusIsSpace, Problem, decode, listed_key};
use crate::xml::walk;

/// Which of the two ways of listing a page is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// By key: Google's.
    One,
    /// By continuation token.
    Two,
}

#[derive(Default)]
struct Raw {
    entries: Vec<Entry>,
    key: Option<String>,
    etag: Option<String>,
    size: u64,
    is_truncated: bool,
    is_encoded: bool,
    next_token: Option<String>,
    next_marker: Option<String>,
}

/// A page of a listing.
pub(crate) fn page(bytes: &[u8], version: Version) -> Result<Page, AnswerError> {
    let mut raw = Raw::default();
    walk(bytes, &["ListBucketResult"], |element| {
        let text = || element.text.to_owned();
        match element.below_root() {
            ["Contents", "Key", "", ""] => raw.key = Some(text()),
            ["Contents", "ETag", "", ""] => raw.etag = Some(unquoted(element.text).to_owned()),
            ["Contents", "Size", "", ""] => {
                raw.size = element.text.trim().parse().map_err(|_| AnswerError::Missing("Size"))?;
            }
            ["Contents", "", "", ""] => {
                let key = raw.key.take().ok_or(AnswerError::Missing("Key"))?;
                let etag = raw.etag.take().ok_or(AnswerError::Missing("ETag"))?;
                raw.entries.push(Entry { key, etag, size: std::mem::take(&mut raw.size) });
            }
            ["IsTruncated", "", "", ""] => raw.is_truncated = element.text.trim() == "true",
            ["EncodingType", "", "", ""] => raw.is_encoded = element.text.trim() == "url",
            ["NextContinuationToken", "", "", ""] => raw.next_token = Some(text()),
            ["NextMarker", "", "", ""] => raw.next_marker = Some(text()),
            _ => {}
        }
        Ok(())
    })?;
    raw.into_page(version)
}

impl Raw {
    fn into_page(self, version: Version) -> Result<Page, AnswerError> {
        let key = |text: String| {
            if self.is_encoded { decode(&text, PlusIsSpace::Yes).and_then(listed_key) } else { listed_key(text) }
        };
        let mut entries = Vec::with_capacity(self.entries.len());
        for entry in self.entries {
            entries.push(Entry { key: key(entry.key)?, ..entry });
        }
        if !self.is_truncated {
            return Ok(Page { entries, next: None });
        }
        let next = match version {
            Version::Two => self.next_token.filter(|token| !token.is_empty()),
            // Without a delimiter the marker need not be told: it is the last key.
            Version::One => match self.next_marker.filter(|marker| !marker.is_empty()) {
                Some(marker) => Some(key(marker)?),
                None => entries.last().map(|entry| entry.key.clone()),
            },
        };
        let next = next.ok_or(AnswerError::Missing("NextContinuationToken"))?;
        Ok(Page { entries, next: Some(next) })
    }
}

/// An entity tag without its quotes, as revisions count it.
pub(crate) fn unquoted(etag: &str) -> &str {
    let etag = etag.strip_prefix('"').unwrap_or(etag);
    etag.strip_suffix('"').unwrap_or(etag)
}

/// The service's own words for a refusal, or, where it gave none (a HEAD has no body), those that the status stands for.
pub(crate) fn problem(bytes: &[u8], headers: &HeaderMap, status: StatusCode, about: About) -> Problem {
    let mut problem = Problem::default();
    let read = walk(bytes, &["Error", "ErrorResponse"], |element| {
        match element.path.last().map(String::as_str) {
            Some("Code") => element.text.trim().clone_into(&mut problem.code),
            Some("Message") => element.text.trim().clone_into(&mut problem.message),
            Some("Region") => element.text.trim().clone_into(&mut problem.region),
            _ => {}
        }
        Ok(())
    });
    if read.is_err() || problem.code.is_empty() {
        problem = Problem { region: String::new(), ..implied(status, about) };
    }
    if problem.region.is_empty() {
        let region = headers.get("x-amz-bucket-region").and_then(|value| value.to_str().ok());
        region.unwrap_or_default().clone_into(&mut problem.region);
    }
    problem
}

/// What a request was about, for the meaning of a 404 without words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    Bucket,
    Object,
}

fn implied(status: StatusCode, about: About) -> Problem {
    let (code, message) = match (status, about) {
        (StatusCode::NOT_FOUND, About::Bucket) => ("NoSuchBucket", "the bucket does not exist"),
        (StatusCode::NOT_FOUND, About::Object) => ("NoSuchKey", "the object does not exist"),
        (StatusCode::FORBIDDEN, _) => ("AccessDenied", "access denied"),
        (StatusCode::PRECONDITION_FAILED, _) => ("PreconditionFailed", ""),
        (StatusCode::MOVED_PERMANENTLY, _) => ("PermanentRedirect", "the bucket is in another region"),
        _ => ("", ""),
    };
    Problem { code: code.to_owned(), message: message.to_owned(), region: String::new() }
}

/// The region in which a bucket is; empty text is the oldest one.
pub(crate) fn location(bytes: &[u8]) -> Result<String, AnswerError> {
    let mut location = String::new();
    walk(bytes, &["LocationConstraint", "CreateBucketConfiguration"], |element| {
        if element.path.last().is_some_and(|name| name == "LocationConstraint") {
            element.text.trim().clone_into(&mut location);
        }
        Ok(())
    })?;
    Ok(match location.as_str() {
        "" => super::endpoint::DEFAULT_REGION.to_owned(),
        // The name from before there were several in Europe.
        "EU" => "eu-west-1".to_owned(),
        _ => location,
    })
}

#[cfg(test)]
mod tests;
