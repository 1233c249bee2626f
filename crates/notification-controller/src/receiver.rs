//! The decisions of a Receiver's reconcile, without a client: is the spec acceptable, what is the token, what is the
//! path, and what do the object's conditions say of a failure.
//!
//! It does not patch, emit events or requeue; the reconciler does, as the verdict has it.

mod path;
mod token;
mod validate;
mod verdict;

pub use path::webhook_path;
pub use token::{TokenError, token};
pub use validate::{ValidateError, validate};
pub use verdict::{Failure, PathChange, ReconcileError, Retry, Success};
