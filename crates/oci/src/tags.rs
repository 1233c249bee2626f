//! The tags of a repository, over as many pages as the registry makes of them.
//!
//! Deliberately all or nothing: of a list cut short the highest version would be the wrong one.

use serde::Deserialize;

use crate::link::next_page;
use crate::session::{Ask, Place};
use crate::{Client, OciError, Tag};

/// How many tags are asked for at once.
const PAGE: usize = 1_000;

/// The largest page. A registry that makes no pages sends all in one: 100,000 tags of the longest kind and their quotes.
const MAX_PAGE_BYTES: u64 = 16 << 20;

/// The most tags that are read.
const MAX_TAGS: usize = 100_000;

/// The most pages that are read: twice what the most tags need, and the end of a registry that pages in circles.
const MAX_PAGES: usize = 2 * MAX_TAGS / PAGE;

#[derive(Deserialize)]
struct TagsBody {
    tags: Option<Vec<String>>,
}

impl Client {
    /// All tags, in the registry's order. What is no tag by the specification could not be pulled and is left out.
    ///
    /// # Errors
    /// [`OciError::NotFound`] without such a repository, [`OciError::TooMany`], and the others.
    pub async fn tags(&self) -> Result<Vec<Tag>, OciError> {
        let what = format!("list tags of {}", self.repository());
        self.within(&what, async {
            let mut tags = Vec::new();
            let mut ask = Ask::get(format!("tags/list?n={PAGE}")).accept("application/json");
            for _ in 0..MAX_PAGES {
                let (url, headers, bytes) = self.session.get_bytes(&ask, MAX_PAGE_BYTES).await?;
                let page: TagsBody = serde_json::from_slice(&bytes)
                    .map_err(|error| OciError::Malformed { what: what.clone(), reason: error.to_string() })?;
                tags.extend(page.tags.unwrap_or_default().iter().filter_map(|tag| tag.parse().ok()));
                if tags.len() > MAX_TAGS {
                    return Err(OciError::TooMany { what: what.clone(), limit: MAX_TAGS, unit: "tags" });
                }
                match next_page(&url, &headers) {
                    Some(next) => ask.place = Place::Page(next),
                    None => return Ok(tags),
                }
            }
            Err(OciError::TooMany { what: what.clone(), limit: MAX_PAGES, unit: "pages" })
        })
        .await
    }
}
