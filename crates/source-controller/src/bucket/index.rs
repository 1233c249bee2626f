//! Phase: which objects the bucket has that are not ignored.
//!
//! Deliberately writes nothing: a bucket that did not change costs a listing and nothing on disk.

use sluice_api::source::Bucket;
use sluice_archive::PackLimits;
use sluice_bucket::{Download, Entry, Index, IndexError, ListLimits, OperationError, Store, StoreError, Wanted};
use sluice_sourceignore::{
    Builtin, EntryKind, IGNORE_FILE, MAX_TEXT_BYTES, Matcher, MatcherBuilder, SourceIgnoreError,
};
use tokio::time::Instant;

/// Objects that a listing has at most, ignored ones included. A thousand pages, of which one is in memory at a time.
const MAX_LISTED: usize = 1_000_000;

/// The objects could not be listed, or are too much for an artifact.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListError {
    /// The bucket.
    #[error(transparent)]
    Operation(Box<OperationError>),
    /// The object with ignore patterns.
    #[error("failed to get '{IGNORE_FILE}' object")]
    IgnoreFile(#[source] StoreError),
    /// The object with ignore patterns is another one at every look.
    #[error("failed to get '{IGNORE_FILE}' object: it changes while it is read")]
    UnstableIgnoreFile,
    /// The ignore patterns are too many.
    #[error("failed to read ignore rules")]
    Ignore(#[source] SourceIgnoreError),
    /// A key that an index cannot hold.
    #[error("indexation of objects from bucket '{bucket}' failed")]
    Key {
        /// The bucket.
        bucket: String,
        #[source]
        source: IndexError,
    },
    /// More objects than an artifact may have files.
    #[error("indexation of objects from bucket '{bucket}' failed: more than {limit} objects that are not ignored")]
    TooManyObjects {
        /// The bucket.
        bucket: String,
        /// The limit.
        limit: u64,
    },
    /// More content than an artifact may have.
    #[error("indexation of objects from bucket '{bucket}' failed: the objects have more than {limit} bytes")]
    TooManyBytes {
        /// The bucket.
        bucket: String,
        /// The limit.
        limit: u64,
    },
}

impl From<OperationError> for ListError {
    fn from(error: OperationError) -> Self {
        Self::Operation(Box::new(error))
    }
}

/// What is to be downloaded.
#[derive(Debug)]
pub(super) struct Listing {
    /// The objects.
    pub(super) index: Index,
    /// The content of the bucket's own ignore file, which is no part of the index, but of the artifact.
    pub(super) ignore_file: Option<Vec<u8>>,
}

/// Lists the objects below `spec.prefix`. All of it has to end by `deadline`.
pub(super) async fn list(store: &Store, object: &Bucket, deadline: Instant) -> Result<Listing, ListError> {
    let bucket = || store.bucket().to_string();
    let exists = store.exists(deadline).await.map_err(|source| OperationError::Existence { bucket: bucket(), source });
    if !exists? {
        return Err(OperationError::NotFound { bucket: bucket() }.into());
    }
    let ignore_file = ignore_file(store, deadline).await?;
    let matcher = matcher(ignore_file.as_deref(), object.spec.ignore.as_deref()).map_err(ListError::Ignore)?;
    let mut collected = Collected::new(store.bucket().as_str(), matcher, PackLimits::default());
    let limits = ListLimits { max_objects: MAX_LISTED, page_size: None };
    let mut listing = store.list(object.spec.prefix.as_deref().unwrap_or_default(), limits, deadline);
    loop {
        let page = listing.next_page().await;
        match page.map_err(|source| OperationError::Indexation { bucket: bucket(), source })? {
            Some(page) => page.into_iter().try_for_each(|entry| collected.add(entry))?,
            None => return Ok(Listing { index: collected.index, ignore_file }),
        }
    }
}

/// The ignore file is at the bucket's root, whatever the prefix.
async fn ignore_file(store: &Store, deadline: Instant) -> Result<Option<Vec<u8>>, ListError> {
    let mut content = Vec::new();
    let wanted = Wanted { key: IGNORE_FILE, etag: None, max_bytes: MAX_TEXT_BYTES as u64, deadline };
    match store.get(wanted, &mut content).await.map_err(ListError::IgnoreFile)? {
        Download::Done { .. } => Ok(Some(content)),
        Download::Vanished => Ok(None),
        Download::Changed => Err(ListError::UnstableIgnoreFile),
    }
}

/// The bucket's patterns, then the object's. A bucket has no others.
fn matcher(file: Option<&[u8]>, spec: Option<&str>) -> Result<Matcher, SourceIgnoreError> {
    let root: &[&[u8]] = &[];
    let texts = [file, spec.map(str::as_bytes)].into_iter().flatten();
    let builder = texts.into_iter().try_fold(MatcherBuilder::default(), |builder, text| builder.add(root, text))?;
    Ok(builder.build(Builtin::Nothing))
}

/// An index as it grows.
struct Collected<'a> {
    bucket: &'a str,
    matcher: Matcher,
    limits: PackLimits,
    index: Index,
    bytes: u64,
}

impl<'a> Collected<'a> {
    fn new(bucket: &'a str, matcher: Matcher, limits: PackLimits) -> Self {
        Self { bucket, matcher, limits, index: Index::default(), bytes: 0 }
    }

    /// Adds an object unless it is ignored. Markers of directories are no objects.
    fn add(&mut self, entry: Entry) -> Result<(), ListError> {
        let Entry { key, etag, size } = entry;
        let components: Vec<&str> = key.split('/').collect();
        if key.ends_with('/') || key == IGNORE_FILE || self.matcher.is_ignored(&components, EntryKind::Other) {
            return Ok(());
        }
        let bucket = || self.bucket.to_owned();
        self.index.insert(key, etag).map_err(|source| ListError::Key { bucket: bucket(), source })?;
        self.bytes = self.bytes.saturating_add(size);
        if self.index.len() as u64 > self.limits.entries {
            return Err(ListError::TooManyObjects { bucket: bucket(), limit: self.limits.entries });
        }
        if self.bytes > self.limits.content_bytes {
            return Err(ListError::TooManyBytes { bucket: bucket(), limit: self.limits.content_bytes });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str, size: u64) -> Entry {
        Entry { key: key.to_owned(), etag: "1".to_owned(), size }
    }

    fn collected(file: Option<&str>, spec: Option<&str>, keys: &[&str]) -> Vec<String> {
        let matcher = matcher(file.map(str::as_bytes), spec).expect("few patterns");
        let mut collected = Collected::new("apps", matcher, PackLimits::default());
        for key in keys {
            collected.add(entry(key, 1)).expect("few objects");
        }
        collected.index.iter().map(|(key, _)| key.to_owned()).collect()
    }

    #[test]
    fn nothing_is_ignored_but_what_somebody_says_and_markers_and_the_ignore_file_itself() {
        let keys = [".git/x", "a.png", "dir/", "dir/.sourceignore", ".sourceignore", "x/a.yaml", "x/b.yaml", "//c"];
        assert_eq!(
            collected(None, None, &keys),
            [".git/x", "//c", "a.png", "dir/.sourceignore", "x/a.yaml", "x/b.yaml"]
        );
        let found = collected(Some("x/\n*.png\n/.git\n"), Some("!/x/b.yaml\ndir\n"), &keys);
        assert_eq!(found, ["//c", "x/b.yaml"]);
    }

    #[test]
    fn what_does_not_fit_into_an_artifact_is_refused_before_it_is_downloaded() {
        let limits = PackLimits { entries: 2, content_bytes: 10 };
        let add = |entries: &[Entry]| {
            let mut collected = Collected::new("apps", matcher(None, None).expect("none"), limits);
            entries.iter().try_for_each(|entry| collected.add(entry.clone())).map_err(|error| error.to_string())
        };
        let start = "indexation of objects from bucket 'apps' failed";
        assert_eq!(add(&[entry("a", 5), entry("b", 5), entry("b", 0)]), Ok(()));
        assert_eq!(
            add(&[entry("a", 0), entry("b", 0), entry("c", 0)]),
            Err(format!("{start}: more than 2 objects that are not ignored"))
        );
        assert_eq!(
            add(&[entry("a", 5), entry("b", u64::MAX)]),
            Err(format!("{start}: the objects have more than 10 bytes"))
        );
        assert_eq!(add(&[entry("a\nb", 1)]), Err(start.to_owned()));
    }
}
