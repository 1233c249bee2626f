//! What the Git types share: which commit an event is about, how its outcome is called, and what a repository's address means.
//!
//! No forge's own words, paths or bodies; those are in the providers.

use percent_encoding::percent_decode_str;
use sluice_api::meta::{Event, EventSeverity};
use sluice_http_client::Url;
use thiserror::Error;

use crate::config::ProviderConfig;
use crate::event_text::words;
use crate::notification::Notification;
use crate::provider::RenderError;

/// Bytes of a commit's SHA-1 in hexadecimal; longer ids are not known to the forges' status APIs.
const COMMIT_BYTES: usize = 40;

/// What an event lacks for a Git type.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum EventError {
    /// Nothing says which commit it is about.
    #[error("missing revision metadata")]
    FindRevision,
    /// The revision has no commit.
    #[error("failed to extract commit hash from '{0}' revision")]
    ParseCommit(String),
    /// Neither info nor error.
    #[error("can't convert severity '{severity}' to {forge} state")]
    ConvertSeverity {
        /// The severity as sent.
        severity: String,
        /// Whose states.
        forge: &'static str,
    },
    /// The change request's number is not one.
    #[error("invalid \"change_request\" metadata value '{0}': not a number")]
    ParseChangeRequest(String),
    /// There is no change request.
    #[error("missing \"change_request\" metadata")]
    FindChangeRequest,
}

/// How something ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Well.
    Success,
    /// Not well.
    Failure,
}

/// The outcome that an event's severity means; `forge` is for the error's text.
///
/// # Errors
/// [`EventError::ConvertSeverity`] for what is neither info nor error.
pub fn outcome(event: &Event, forge: &'static str) -> Result<Outcome, EventError> {
    match event.severity {
        EventSeverity::Info => Ok(Outcome::Success),
        EventSeverity::Error => Ok(Outcome::Failure),
        ref other => Err(EventError::ConvertSeverity { severity: other.to_string(), forge }),
    }
}

/// The commit that an event (its metadata merged) is about: of `commit`, else of `originRevision`, else of `revision`.
///
/// # Errors
/// [`EventError::FindRevision`], [`EventError::ParseCommit`].
pub fn commit(event: &Event) -> Result<&str, EventError> {
    let revision = ["commit", "originRevision", "revision"].iter().find_map(|key| event.metadata.get(*key));
    let revision = revision.ok_or(EventError::FindRevision)?;
    parse_commit(revision).ok_or_else(|| EventError::ParseCommit(revision.clone()))
}

/// `branch@sha1:<commit>`, and the older `branch/<commit>` and `<commit>`. Only the length is looked at.
fn parse_commit(revision: &str) -> Option<&str> {
    let separator = if revision.contains(':') { ':' } else { '/' };
    let tail = revision.rsplit(separator).next()?;
    (tail.len() == COMMIT_BYTES).then_some(tail)
}

/// The id of the status: the Provider's expression's result, else kind, name and the first part of the Provider's uid, in lower case.
pub fn status_id(notification: &Notification, config: &ProviderConfig) -> String {
    if let Some(id) = &notification.commit_status {
        return id.clone();
    }
    let object = &notification.event.involved_object;
    let uid = config.uid.split('-').next().unwrap_or_default();
    format!("{}/{}/{uid}", object.kind, object.name).to_lowercase()
}

/// The description of the status: the reason in words.
pub fn description(event: &Event) -> String {
    words(&event.reason)
}

/// `lower(Kind/name)`.
pub fn status_name(event: &Event) -> String {
    format!("{}/{}", event.involved_object.kind, event.involved_object.name).to_lowercase()
}

/// The number of the change request in an event's merged metadata.
///
/// # Errors
/// [`EventError::FindChangeRequest`], [`EventError::ParseChangeRequest`].
pub fn change_request(event: &Event) -> Result<u64, EventError> {
    let text = event.metadata.get("change_request").ok_or(EventError::FindChangeRequest)?;
    text.parse().map_err(|_| EventError::ParseChangeRequest(text.clone()))
}

/// A repository's address, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryAddress {
    /// Scheme, host and port of the forge's web server, path `/`: `https` unless the address says `http`.
    pub origin: Url,
    /// The path without leading slashes and without one `.git`, percent-decoded.
    pub id: String,
}

impl RepositoryAddress {
    /// Reads `http(s)://`, `ssh://` and `git://` URLs and the form `user@host:path`. A port of the latter three is kept.
    ///
    /// # Errors
    /// [`RenderError::ParseAddress`] when there is no host.
    pub fn parse(address: &str) -> Result<Self, RenderError> {
        let (scheme, authority, path) = split(address).ok_or(RenderError::ParseAddress)?;
        let origin = Url::parse(&format!("{scheme}://{authority}/")).map_err(|_| RenderError::ParseAddress)?;
        let path = percent_decode_str(path).decode_utf8().map_err(|_| RenderError::ParseAddress)?;
        let id = path.trim_start_matches('/');
        Ok(Self { origin, id: id.strip_suffix(".git").unwrap_or(id).to_owned() })
    }

    /// The two parts of `owner/name`, if the id is that exactly.
    pub fn owner_and_name(&self) -> Option<(&str, &str)> {
        let (owner, name) = self.id.split_once('/')?;
        (!owner.is_empty() && !name.is_empty() && !name.contains('/')).then_some((owner, name))
    }
}

/// Scheme, host with port, and path of an address.
fn split(address: &str) -> Option<(&'static str, String, &str)> {
    let Some((scheme, rest)) = address.split_once("://") else {
        // `user@host:path`: the host ends at the first colon, which comes before any slash.
        let (authority, path) = address.split_once(':')?;
        let host = authority.rsplit('@').next().unwrap_or_default();
        return (!host.is_empty() && !authority.contains('/')).then(|| ("https", host.to_owned(), path));
    };
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "http" => "http",
        "https" | "ssh" | "git" | "git+ssh" => "https",
        _ => return None,
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let path = tail.split(['?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    (!host.is_empty()).then(|| (scheme, host.to_owned(), path))
}

#[cfg(test)]
mod tests;
