//! Receiver: a secret path at which a forge or a registry asks for reconciles.
//!
//! A pass: [`validate()`] checks the spec and its expressions, [`token()`] takes the token out of the Secret, [`webhook_path`] makes the path; the verdict
//! turns what they return into consequences, and the conclusion writes those into a status.
//!
//! Deliberately only the path is made here; the webhook server answers at it, on every replica, by the status alone.

mod claims;
mod conclude;
mod filters;
mod path;
mod reconcile;
mod token;
mod validate;
mod verdict;

pub use claims::{ClaimRules, ClaimsError, CompileClaimsError};
pub use filters::{Filters, View};
pub use path::webhook_path;
pub use reconcile::{ReceiverReconciler, secret_index, secret_indexes};
pub use token::{TokenError, token};
pub use validate::{ValidateError, compile_providers, validate};
pub use verdict::{Failure, PathChange, ReconcileError, Retry, Success};
