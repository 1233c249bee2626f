//! Inclusion proofs (RFC 9162) up to a checkpoint that the log signed (a "signed note").
//!
//! No consistency proofs between checkpoints and no witnesses' signatures: a single proof is all that a signature brings along.

use ::base64::Engine;
use ::base64::engine::general_purpose::STANDARD;
use ring::digest::{Context, SHA256};

use super::tlog::Proof;
use crate::x509::key::PublicKey;

/// A tree has at most 2^64 leaves, so a path has at most 64 hashes.
const MAX_HASHES: usize = 64;

/// The largest checkpoint; one with a few witnesses' signatures is below 1 KiB.
const MAX_CHECKPOINT_BYTES: usize = 16 * 1024;

/// How many signatures of a checkpoint are tried.
const MAX_SIGNATURES: usize = 16;

/// Why an inclusion proof does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Longer than any tree is high, or a checkpoint over its limit.
    #[error("proof larger than any tree needs")]
    TooLarge,
    /// The path does not lead from the entry to the root.
    #[error("path does not lead to the root hash")]
    Path,
    /// The checkpoint is no signed note of a log.
    #[error("malformed checkpoint")]
    Malformed,
    /// The checkpoint is of another tree than the proof.
    #[error("checkpoint is of another tree")]
    OtherTree,
    /// No signature of the checkpoint is the log's.
    #[error("checkpoint is not signed by the log")]
    Signature,
}

/// Verifies that `leaf` is in the tree whose root the log's `key` signed.
pub(super) fn verify(proof: &Proof, leaf: &[u8], key: &PublicKey) -> Result<(), CheckpointError> {
    if proof.hashes.len() > MAX_HASHES || proof.checkpoint.len() > MAX_CHECKPOINT_BYTES {
        return Err(CheckpointError::TooLarge);
    }
    let root = root_hash(proof, leaf).ok_or(CheckpointError::Path)?;
    if root.as_slice() != proof.root_hash {
        return Err(CheckpointError::Path);
    }
    let (text, signatures) = proof.checkpoint.rsplit_once("\n\n").ok_or(CheckpointError::Malformed)?;
    // The last line end belongs to what is signed, the empty line does not.
    let signed = proof.checkpoint.get(..=text.len()).ok_or(CheckpointError::Malformed)?;
    let mut lines = signed.lines();
    let (_origin, size, hash) = (lines.next(), lines.next(), lines.next());
    let size: u64 = size.and_then(|size| size.parse().ok()).ok_or(CheckpointError::Malformed)?;
    let hash = hash.and_then(|hash| STANDARD.decode(hash).ok()).ok_or(CheckpointError::Malformed)?;
    if size != proof.tree_size || hash != proof.root_hash {
        return Err(CheckpointError::OtherTree);
    }
    let by_log = |line: &str| {
        let encoded = line.strip_prefix("\u{2014} ").and_then(|line| line.split_once(' ')).map(|(_, encoded)| encoded);
        let Some(raw) = encoded.and_then(|encoded| STANDARD.decode(encoded).ok()) else { return false };
        // Four bytes say which key; that is a hint and no secret, so the signature alone decides.
        raw.get(4..).is_some_and(|signature| key.verify_sigstore(signed.as_bytes(), signature).is_ok())
    };
    if signatures.lines().take(MAX_SIGNATURES).any(by_log) { Ok(()) } else { Err(CheckpointError::Signature) }
}

/// RFC 9162, section 2.1.3.2: the root that `leaf` at the proof's index and the path lead to.
pub(super) fn root_hash(proof: &Proof, leaf: &[u8]) -> Option<[u8; 32]> {
    if proof.log_index >= proof.tree_size {
        return None;
    }
    let (mut node, mut last) = (proof.log_index, proof.tree_size - 1);
    let mut hash = sha256(&[&[0], leaf]);
    for sibling in &proof.hashes {
        // A path longer than the tree is high would let other inputs lead to the same root.
        if last == 0 || sibling.len() != 32 {
            return None;
        }
        if node & 1 == 1 || node == last {
            hash = sha256(&[&[1], sibling, &hash]);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = sha256(&[&[1], &hash, sibling]);
        }
        node >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(hash)
}

pub(super) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}
