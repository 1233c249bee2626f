//! The index of a bucket: which key has which entity tag. Its digest is the source's revision.
//!
//! Deliberately no I/O and no filter: the caller adds what is not ignored.

use std::collections::BTreeMap;
use std::io::Write as _;

use sluice_artifact::{Algorithm, Digest};

use crate::error::excerpt;

/// Keys and their entity tags, in the bytewise order of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index(BTreeMap<String, String>);

/// A line that the index text cannot hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("object key '{key}' or its entity tag has a line break")]
pub struct IndexError {
    /// The key, escaped and cut.
    pub key: String,
}

impl Index {
    /// Sets a key's entity tag; a later one replaces an earlier.
    ///
    /// # Errors
    /// [`IndexError`] if either holds a line feed: `a 1\nb 2` as the name of one object would have the revision of two others, so that
    /// whoever may write such a key could hide a change.
    pub fn insert(&mut self, key: impl Into<String>, etag: impl Into<String>) -> Result<(), IndexError> {
        let (key, etag) = (key.into(), etag.into());
        if key.contains('\n') || etag.contains('\n') {
            return Err(IndexError { key: excerpt(&key) });
        }
        self.0.insert(key, etag);
        Ok(())
    }

    /// Forgets a key, which vanished between listing and download. Returns whether it was there.
    pub fn remove(&mut self, key: &str) -> bool {
        self.0.remove(key).is_some()
    }

    /// A key's entity tag.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Keys and entity tags, keys in bytewise order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, etag)| (key.as_str(), etag.as_str()))
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The revision: the digest over a line `<key> <etag>` for every key, each line ended by a line feed.
    pub fn revision(&self, algorithm: Algorithm) -> Digest {
        let mut hasher = algorithm.hasher();
        for (key, etag) in &self.0 {
            writeln!(hasher, "{key} {etag}").expect("a hasher takes every write");
        }
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(entries: &[(&str, &str)]) -> Index {
        let mut index = Index::default();
        for (key, etag) in entries {
            index.insert(*key, *etag).unwrap();
        }
        index
    }

    #[test]
    fn the_revision_is_the_established_one() {
        let revision = index(&[("test.txt", "098f6bcd4621d373cade4e832627b4f6")]).revision(Algorithm::Sha256);
        let expected = "sha256:b4c2a60ce44b67f5b659a95ce4e4cc9e2a86baf13afb72bd397c5384cbc0e479";
        assert_eq!(revision.to_string(), expected);
    }

    #[test]
    fn an_empty_bucket_has_the_digest_of_nothing() {
        let expected = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Index::default().revision(Algorithm::Sha256).to_string(), expected);
    }

    #[test]
    fn lines_are_in_the_bytewise_order_of_keys_whatever_the_order_of_listing() {
        let index = index(&[("b", "2"), ("a/b", "3"), ("B", "1"), ("a", "5"), ("ä", "4"), ("a.b", "6")]);
        let text = "B 1\na 5\na.b 6\na/b 3\nb 2\nä 4\n";
        assert_eq!(index.revision(Algorithm::Sha1), Digest::of(Algorithm::Sha1, text.as_bytes()));
    }

    #[test]
    fn a_vanished_key_goes_and_a_changed_one_counts_with_its_new_tag() {
        let mut index = index(&[("a", "1"), ("b", "2")]);
        assert_eq!((index.remove("a"), index.remove("a")), (true, false));
        index.insert("b", "3").unwrap();
        assert_eq!(index.iter().collect::<Vec<_>>(), [("b", "3")]);
    }

    #[test]
    fn a_line_break_cannot_forge_another_line() {
        let mut index = Index::default();
        assert_eq!(index.insert("a 1\nb", "2"), Err(IndexError { key: "a 1\\nb".to_owned() }));
        assert_eq!(index.insert("a", "1\nb 2"), Err(IndexError { key: "a".to_owned() }));
        assert!(index.is_empty());
    }
}
