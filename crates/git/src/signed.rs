//! What a signature on a commit or a tag is of: the bytes signed, and the signature, taken apart as git does.
//!
//! Deliberately verifies nothing and knows no keys: that is another crate's.

use std::path::Path;

use git2::ObjectType;

use crate::{ObjectId, StoreError, object};

/// The largest commit or tag that is read. Theirs are messages of people, and of tools that list changes.
const MAX_OBJECT: usize = 10 << 20;

/// Headers whose value is a signature of the rest. The second one is of the commit's SHA-256 form, which the first one does not cover.
const SIGNATURE_HEADERS: [&[u8]; 2] = [b"gpgsig ", b"gpgsig-sha256 "];

/// How a signature at the end of a tag begins.
const ARMOURS: [&[u8]; 4] = [
    b"-----BEGIN PGP SIGNATURE-----",
    b"-----BEGIN PGP MESSAGE-----",
    b"-----BEGIN SIGNED MESSAGE-----",
    b"-----BEGIN SSH SIGNATURE-----",
];

/// A commit or an annotated tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedObject {
    /// Its name.
    pub id: ObjectId,
    /// What was signed: the object without its signature.
    pub payload: Vec<u8>,
    /// The signature with its armour, when there is one.
    pub signature: Option<Vec<u8>>,
}

/// An annotated tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedTag {
    /// The name within the tag object, which is a part of what is signed: `v1.2.3`. What is not UTF-8 in it is replaced.
    pub name: String,
    /// The object that it is of: a commit, or another tag.
    pub target: ObjectId,
    /// The tag object.
    pub object: SignedObject,
}

pub(crate) fn read_commit(dir: &Path, id: ObjectId) -> Result<SignedObject, StoreError> {
    let data = read(dir, id, ObjectType::Commit)?.ok_or(StoreError::NotACommit(id))?;
    let (payload, signature) = split_commit(&data);
    Ok(SignedObject { id, payload, signature })
}

pub(crate) fn read_tag(dir: &Path, id: ObjectId) -> Result<SignedTag, StoreError> {
    let data = read(dir, id, ObjectType::Tag)?.ok_or(StoreError::NotATag(id))?;
    let target = header(&data, b"object ").and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
    let target = target.ok_or(StoreError::NotATag(id))?;
    let name = String::from_utf8_lossy(header(&data, b"tag ").unwrap_or_default()).into_owned();
    let (payload, signature) = split_tag(data);
    Ok(SignedTag { name, target, object: SignedObject { id, payload, signature } })
}

/// An object's bytes; `None` when it is of another type.
fn read(dir: &Path, id: ObjectId, expected: ObjectType) -> Result<Option<Vec<u8>>, StoreError> {
    let failed = |source| StoreError::Read { id, source };
    let repository = object::open(dir).map_err(failed)?;
    let odb = repository.odb().map_err(failed)?;
    let oid = id.to_git2().map_err(failed)?;
    let (size, found) = odb.read_header(oid).map_err(failed)?;
    if found != expected {
        return Ok(None);
    }
    if size > MAX_OBJECT {
        return Err(StoreError::TooLarge { id, limit: MAX_OBJECT });
    }
    Ok(Some(object::read(&odb, oid).map_err(failed)?.data().to_vec()))
}

/// The value of a header; headers end at the first empty line.
fn header<'a>(data: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let lines = data.split(|byte| *byte == b'\n').take_while(|line| !line.is_empty());
    lines.into_iter().find_map(|line| line.strip_prefix(name))
}

/// The signature headers go, with their continuation lines, which begin with a blank; everything else stays byte for byte.
fn split_commit(data: &[u8]) -> (Vec<u8>, Option<Vec<u8>>) {
    #[derive(Clone, Copy, PartialEq)]
    enum In {
        Payload,
        Signature,
        Other,
        Message,
    }
    let (mut payload, mut signature, mut state) = (Vec::with_capacity(data.len()), None, In::Payload);
    for line in data.split_inclusive(|byte| *byte == b'\n') {
        let continued = line.strip_prefix(b" ").filter(|_| matches!(state, In::Signature | In::Other));
        let value = SIGNATURE_HEADERS.map(|name| line.strip_prefix(name).filter(|_| state != In::Message));
        state = match (state, continued, value) {
            (In::Message, _, _) => In::Message,
            (state, Some(_), _) => state,
            (_, None, [Some(_), _]) => In::Signature,
            (_, None, [None, Some(_)]) => In::Other,
            (_, None, [None, None]) if line == b"\n" => In::Message,
            (_, None, [None, None]) => In::Payload,
        };
        match state {
            In::Payload | In::Message => payload.extend_from_slice(line),
            In::Signature => {
                let text = continued.or(value[0]).unwrap_or_default();
                signature.get_or_insert_with(Vec::new).extend_from_slice(text);
            }
            In::Other => {}
        }
    }
    (payload, signature)
}

/// The last line that begins an armour begins the signature.
fn split_tag(mut data: Vec<u8>) -> (Vec<u8>, Option<Vec<u8>>) {
    let (mut at, mut start) = (0, None);
    for line in data.split_inclusive(|byte| *byte == b'\n') {
        if ARMOURS.iter().any(|armour| line.starts_with(armour)) {
            start = Some(at);
        }
        at += line.len();
    }
    let signature = start.map(|start| data.split_off(start));
    (data, signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_header_goes_with_its_continuation_and_nothing_else_does() {
        let signed =
            b"tree 1\nparent 2\ngpgsig -----BEGIN\n \n body\n -----END\nencoding x\n y\ngpgsig-sha256 other\n more\n\n\
                       message\ngpgsig stays\n here\n";
        let (payload, signature) = split_commit(signed);
        assert_eq!(payload, b"tree 1\nparent 2\nencoding x\n y\n\nmessage\ngpgsig stays\n here\n");
        assert_eq!(signature.unwrap(), b"-----BEGIN\n\nbody\n-----END\n");
        let plain = b"tree 1\n\n -----BEGIN PGP SIGNATURE-----\n";
        assert_eq!(split_commit(plain), (plain.to_vec(), None));
        assert_eq!(split_commit(b""), (vec![], None));
    }

    #[test]
    fn the_last_armour_of_a_tag_is_its_signature() {
        let tag = b"object 1\ntype commit\ntag v1\n\n-----BEGIN PGP SIGNATURE-----\nquoted\n-----BEGIN SSH SIGNATURE-----\nx\n";
        let (payload, signature) = split_tag(tag.to_vec());
        assert!(payload.ends_with(b"quoted\n"));
        assert_eq!(signature.unwrap(), b"-----BEGIN SSH SIGNATURE-----\nx\n");
        let plain = b"object 1\n\nsays -----BEGIN SSH SIGNATURE-----\n";
        assert_eq!(split_tag(plain.to_vec()), (plain.to_vec(), None));
        assert_eq!(header(tag, b"tag "), Some(&b"v1"[..]));
        assert_eq!(header(b"object 1\n\ntag message\n", b"tag "), None);
    }
}
