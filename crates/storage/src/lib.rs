//! The artifact store on disk: atomic publication, verification, retention, and the URLs that artifacts have.
//!
//! Everything here blocks; asynchronous callers use a blocking task. A store belongs to one process, yet two that
//! overlap for a moment (a rolling update) do each other no harm: writers of one file exclude each other by a lock, and
//! readers see a whole file or none.
//!
//! Deliberately absent: serving over HTTP, what goes into an artifact, and when to collect. Nothing is flushed to the
//! disk's platter: a file that a power cut damages fails its verification at the next reconcile and is made anew.

mod address;
mod collect;
mod lock;
mod store;

pub use address::{AddressError, advertised_host};
pub use collect::{COLLECTION_BUDGET, Collected, CollectionFailure, MAX_FILES_EXAMINED, Retention};
pub use store::{InvalidRoot, PublishError, Storage, Stored, VerifyError};
