//! Reading objects of a mirror, and making sure that they are what their names say.
//!
//! libgit2 would do so itself, with the hash that also looks for collisions. It did when the object came in; on the way back from our own
//! disk only damage is looked for, at a fraction of the time. Deliberately no look at what is in an object.

use std::path::Path;
use std::sync::Once;

use git2::{ObjectType, Odb, OdbObject, Oid, Repository};
use sha1::{Digest as _, Sha1};

/// Opens a mirror's repository.
pub(crate) fn open(dir: &Path) -> Result<Repository, git2::Error> {
    static TRUST: Once = Once::new();
    // Of the whole process. What is read through `read` is hashed there; what comes in is hashed by the indexer in any case.
    TRUST.call_once(|| git2::opts::strict_hash_verification(false));
    Repository::open_bare(dir)
}

/// Reads an object whole.
///
/// # Errors
/// libgit2's, or a message of our own for content of another name.
pub(crate) fn read<'o>(odb: &'o Odb<'_>, id: Oid) -> Result<OdbObject<'o>, git2::Error> {
    let object = odb.read(id)?;
    if is_named(object.kind(), object.data(), id) {
        return Ok(object);
    }
    Err(git2::Error::from_str("the object is damaged: its content is not that of its name"))
}

fn is_named(kind: ObjectType, data: &[u8], id: Oid) -> bool {
    let mut hasher = Sha1::new();
    hasher.update(format!("{} {}\0", kind.str(), data.len()));
    hasher.update(data);
    hasher.finalize()[..] == *id.as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_of_another_name_is_told_from_its_own() {
        let id = Oid::hash_object(ObjectType::Blob, b"content").unwrap();
        assert!(is_named(ObjectType::Blob, b"content", id));
        assert!(!is_named(ObjectType::Blob, b"contents", id));
        assert!(!is_named(ObjectType::Commit, b"content", id));
    }
}
