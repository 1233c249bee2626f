//! The key of a kept token: a digest of everything that made it.
//!
//! Deliberately one way: a key tells nothing of the secrets that went into it.

use ring::digest::{Context, SHA256};

/// A digest of everything that made a token.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CacheKey([u8; 32]);

impl CacheKey {
    /// The digest.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for CacheKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CacheKey({})", hex::encode(&self.0[..4]))
    }
}

/// Collects the parts of a key.
#[derive(Clone)]
pub struct CacheKeyBuilder(Context);

impl CacheKeyBuilder {
    /// Begins a key of one purpose: the same parts for another purpose give another key.
    pub fn new(purpose: &str) -> Self {
        let mut context = Context::new(&SHA256);
        add(&mut context, purpose.as_bytes());
        Self(context)
    }

    /// Adds a named part, secret or not.
    pub fn part(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        add(&mut self.0, name.as_bytes());
        add(&mut self.0, value.as_ref());
        self
    }

    /// Adds a named part that may be absent, which is not the same as empty.
    pub fn optional(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.part(name, value),
            None => self,
        }
    }

    /// The key.
    pub fn build(self) -> CacheKey {
        let mut key = [0; 32];
        key.copy_from_slice(self.0.finish().as_ref());
        CacheKey(key)
    }
}

/// With its length first: else one tenant could move the border between two parts and be given the token of another.
fn add(context: &mut Context, bytes: &[u8]) {
    context.update(&(bytes.len() as u64).to_be_bytes());
    context.update(bytes);
}
