//! A bucket's objects, page by page.
//!
//! Deliberately no recursion into "directories": a listing is flat, as keys are.

use tokio::time::Instant;

use crate::Store;
use crate::error::StoreError;
use crate::transport::within;

/// An object as a listing has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key, not empty, otherwise as somebody chose it.
    pub key: String,
    /// The entity tag in the form in which a revision counts it: without quotes from S3, with them from Azure, Google's own from Google.
    pub etag: String,
    /// The size in bytes, as the service says.
    pub size: u64,
}

/// How much of a listing is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListLimits {
    /// Objects in all; one more is an error.
    pub max_objects: usize,
    /// Objects that one page is asked to have at most; `None` leaves it to the service (1,000, Azure 5,000).
    pub page_size: Option<u32>,
}

/// One page as a service gave it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    pub entries: Vec<Entry>,
    /// Where the next page is, if there is one.
    pub next: Option<String>,
}

/// A listing under way. Dropping it ends it.
#[derive(Debug)]
pub struct Listing<'a> {
    store: &'a Store,
    prefix: String,
    limits: ListLimits,
    deadline: Instant,
    position: Position,
    listed: usize,
}

#[derive(Debug)]
enum Position {
    Start,
    At(String),
    End,
}

impl<'a> Listing<'a> {
    pub(crate) fn new(store: &'a Store, prefix: &str, limits: ListLimits, deadline: Instant) -> Self {
        Self { store, prefix: prefix.to_owned(), limits, deadline, position: Position::Start, listed: 0 }
    }

    /// The next page, possibly without entries; `None` after the last one.
    ///
    /// # Errors
    /// [`StoreError`], also for more objects than the limit and when the deadline of the whole listing has passed. The listing is over then.
    pub async fn next_page(&mut self) -> Result<Option<Vec<Entry>>, StoreError> {
        let token = match std::mem::replace(&mut self.position, Position::End) {
            Position::Start => None,
            Position::At(token) => Some(token),
            Position::End => return Ok(None),
        };
        let page = self.store.page(&self.prefix, token.as_deref(), self.limits.page_size);
        let page = within(self.deadline, page).await?;
        self.listed = self.listed.saturating_add(page.entries.len());
        if self.listed > self.limits.max_objects {
            return Err(StoreError::TooManyObjects { limit: self.limits.max_objects });
        }
        if let Some(next) = page.next {
            // The plainest way to keep a client busy up to its deadline.
            if token.as_deref() == Some(next.as_str()) {
                return Err(StoreError::ListingLoop);
            }
            self.position = Position::At(next);
        }
        Ok(Some(page.entries))
    }
}
