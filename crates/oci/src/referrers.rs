//! What is attached to a manifest: by the registry's API, else by the convention of a tag named after the digest.
//!
//! Deliberately does not look at what is attached: an entry proves nothing before it has been pulled and verified.

use sluice_artifact::Digest;
use sluice_http_client::{StatusCode, header};

use crate::link::next_page;
use crate::manifest::{Index, media_type};
use crate::session::{Ask, Place};
use crate::{Client, Descriptor, Document, MAX_MANIFEST_BYTES, OciError, Pointer, attached_tag};

/// The most pages that are read.
const MAX_PAGES: usize = 16;

/// The most entries that are returned.
const MAX_REFERRERS: usize = 1_000;

impl Client {
    /// The manifests that name `subject` as theirs, of one artifact type if that is given. None attached is an empty list.
    ///
    /// # Errors
    /// [`OciError::TooMany`], and those of [`Client::manifest`].
    pub async fn referrers(&self, subject: &Digest, artifact_type: Option<&str>) -> Result<Vec<Descriptor>, OciError> {
        let what = format!("list referrers of {}", self.repository().at(*subject));
        let found = self
            .within(&what, async {
                match self.referrers_api(subject, &what).await? {
                    Some(found) => Ok(found),
                    None => self.referrers_tag(subject).await,
                }
            })
            .await?;
        Ok(found.into_iter().filter(|entry| artifact_type.is_none_or(|wanted| entry.artifact_type == wanted)).collect())
    }

    /// None where the registry has no such API, which it says in several ways.
    async fn referrers_api(&self, subject: &Digest, what: &str) -> Result<Option<Vec<Descriptor>>, OciError> {
        let mut found = Vec::new();
        let mut ask = Ask::get(format!("referrers/{subject}")).accept(media_type::INDEX);
        for _ in 0..MAX_PAGES {
            let response = self.session.send_any(&ask).await?;
            let status = response.status();
            if matches!(status.as_u16(), 400 | 404 | 405 | 406) {
                return Ok(None);
            }
            if !status.is_success() {
                return Err(self.session.refusal("GET", response).await);
            }
            let content_type = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
            if status != StatusCode::OK || !content_type.is_some_and(|text| text.starts_with(media_type::INDEX)) {
                return Ok(None);
            }
            let next = next_page(response.url(), response.headers());
            let bytes = response.into_body(MAX_MANIFEST_BYTES)?.bytes().await?;
            let index: Index = serde_json::from_slice(&bytes)
                .map_err(|error| OciError::Malformed { what: what.to_owned(), reason: error.to_string() })?;
            found.extend(index.manifests);
            if found.len() > MAX_REFERRERS {
                return Err(OciError::TooMany { what: what.to_owned(), limit: MAX_REFERRERS, unit: "entries" });
            }
            match next {
                Some(next) => ask.place = Place::Page(next),
                None => return Ok(Some(found)),
            }
        }
        Err(OciError::TooMany { what: what.to_owned(), limit: MAX_PAGES, unit: "pages" })
    }

    async fn referrers_tag(&self, subject: &Digest) -> Result<Vec<Descriptor>, OciError> {
        let Some(tag) = attached_tag(subject, "") else { return Ok(Vec::new()) };
        match self.pull(&Pointer::Tag(tag)).await {
            Ok(manifest) => match manifest.document {
                Document::Index(index) => Ok(index.manifests),
                // The tag is somebody's own, not an index of referrers.
                Document::Image(_) => Ok(Vec::new()),
            },
            Err(OciError::NotFound(_)) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}
