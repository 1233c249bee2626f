//! Rekor's entries: the log's promise to include one (signed entry timestamp), and the proof that it did (inclusion proof).
//!
//! Offline only. The integrated time is believed only where the promise, which covers it, was verified.

use ::base64::Engine;
use ::base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use super::checkpoint::{self, CheckpointError};
use super::trusted_root::{Log, TrustedRoot};

/// A log entry as a signature brings it along.
pub(super) struct Entry {
    pub(super) body: Vec<u8>,
    pub(super) log_id: Vec<u8>,
    /// Seconds since 1970; absent in Rekor 2.
    pub(super) integrated_time: Option<i64>,
    pub(super) promise: Option<Promise>,
    pub(super) proof: Option<Proof>,
}

pub(super) struct Promise {
    pub(super) signature: Vec<u8>,
    pub(super) log_index: i64,
}

pub(super) struct Proof {
    /// In the tree of the checkpoint, which is one shard of the log.
    pub(super) log_index: u64,
    pub(super) tree_size: u64,
    pub(super) root_hash: Vec<u8>,
    pub(super) hashes: Vec<Vec<u8>>,
    pub(super) checkpoint: String,
}

/// Why a log entry is not believed.
#[derive(Debug, thiserror::Error)]
pub enum TlogError {
    /// The body is no JSON.
    #[error("malformed log entry")]
    Json(#[source] serde_json::Error),
    /// The body lacks something, or has it in an unknown form.
    #[error("log entry with a missing or unreadable part")]
    Body,
    /// A kind of entry that is not supported, or that is not for this kind of signature.
    #[error("unsupported log entry {kind:?} {version:?}")]
    Kind {
        /// `hashedrekord`, `dsse`, ...
        kind: String,
        /// `0.0.1`, ...
        version: String,
    },
    /// The entry is about another signature, payload or certificate.
    #[error("log entry is for another signature")]
    OtherSignature,
    /// The log is not in the trusted root.
    #[error("log {0:?} is not trusted")]
    UnknownLog(String),
    /// The log's key was not valid at the integrated time.
    #[error("key of the log was not valid at {0}")]
    KeyNotValid(Timestamp),
    /// The signed entry timestamp is not the log's.
    #[error("invalid signed entry timestamp")]
    Promise,
    /// The inclusion proof does not hold.
    #[error("inclusion proof")]
    Proof(#[source] CheckpointError),
    /// Neither promise nor proof.
    #[error("log entry without inclusion promise and inclusion proof")]
    Unproven,
}

impl Entry {
    /// Verifies what the entry brings along, with the keys of `root`. Returns the time of its inclusion where a promise vouches for it.
    pub(super) fn verify(&self, root: &TrustedRoot) -> Result<Option<Timestamp>, TlogError> {
        let mut logs = root.transparency_logs.iter().filter(|log| log.id == self.log_id);
        let log = logs.next().ok_or_else(|| TlogError::UnknownLog(hex::encode(&self.log_id)))?;
        if self.promise.is_none() && self.proof.is_none() {
            return Err(TlogError::Unproven);
        }
        if let Some(proof) = &self.proof {
            checkpoint::verify(proof, &self.body, &log.key).map_err(TlogError::Proof)?;
        }
        match &self.promise {
            Some(promise) => self.verify_promise(promise, log).map(Some),
            None => Ok(None),
        }
    }

    fn verify_promise(&self, promise: &Promise, log: &Log) -> Result<Timestamp, TlogError> {
        let seconds = self.integrated_time.ok_or(TlogError::Promise)?;
        let at = Timestamp::from_second(seconds).map_err(|_| TlogError::Promise)?;
        if !log.valid.contains(at) {
            return Err(TlogError::KeyNotValid(at));
        }
        let message = self.promised(seconds, promise.log_index);
        log.key.verify_sigstore(message.as_bytes(), &promise.signature).map_err(|_| TlogError::Promise)?;
        Ok(at)
    }

    /// The canonical JSON (RFC 8785) that a promise covers. None of its strings needs escaping: they are base64 and hexadecimal.
    pub(super) fn promised(&self, integrated_time: i64, log_index: i64) -> String {
        let (body, id) = (STANDARD.encode(&self.body), hex::encode(&self.log_id));
        format!(r#"{{"body":"{body}","integratedTime":{integrated_time},"logID":"{id}","logIndex":{log_index}}}"#)
    }
}
