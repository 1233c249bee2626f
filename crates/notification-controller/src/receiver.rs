//! Receiver: a secret path at which a forge or a registry asks for reconciles.
//!
//! A pass: [`validate()`] checks the spec, [`token()`] takes the token out of the Secret, [`webhook_path`] makes the path; the verdict
//! turns what they return into consequences, and the conclusion writes those into a status.
//!
//! Deliberately only the path is made here; the webhook server answers at it, on every replica, by the status alone.

mod conclude;
mod path;
mod reconcile;
mod token;
mod validate;
mod verdict;

pub use path::webhook_path;
pub use reconcile::{ReceiverReconciler, secret_index, secret_indexes};
pub use token::{TokenError, token};
pub use validate::{ValidateError, validate};
pub use verdict::{Failure, PathChange, ReconcileError, Retry, Success};
