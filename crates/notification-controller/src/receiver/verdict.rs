//! What the conditions, the events and the retry of a Receiver say of a reconcile's outcome: one exhaustive match.

use sluice_api::constants::reason;
use sluice_api::meta::GoDuration;
use sluice_runtime::logging::error_chain;
use thiserror::Error;

use super::token::TokenError;
use super::validate::ValidateError;

const TERMINAL_PREFIX: &str = "Reconciliation failed terminally due to configuration error: ";

/// Why a reconcile failed.
#[derive(Debug, Error)]
pub enum ReconcileError {
    /// The spec cannot be served.
    #[error(transparent)]
    Validate(#[from] ValidateError),
    /// The check of the spec ended early.
    #[error("the check of the spec was abandoned")]
    Abandon,
    /// There is no token.
    #[error(transparent)]
    ReadToken(#[from] TokenError),
}

/// When to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// With growing pauses. Reconciling is True with reason `ProgressingWithRetry` and [`Failure::RECONCILING_MESSAGE`],
    /// Stalled is absent, `observedGeneration` stays.
    Backoff,
    /// Not before the object changes. Stalled is True with the reason and message of Ready, Reconciling is absent,
    /// `observedGeneration` advances.
    OnChange,
}

/// What becomes of `status.webhookPath`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathChange {
    /// Set to the empty string: the old path must stop working.
    Clear,
    /// Left as it is.
    Keep,
}

/// The consequences of a failed reconcile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Reason of Ready=False.
    pub reason: &'static str,
    /// Message of Ready=False and of the Warning event.
    pub message: String,
    /// Reason of the Warning event.
    pub event_reason: &'static str,
    /// When to try again.
    pub retry: Retry,
    /// What becomes of the path.
    pub path: PathChange,
}

impl Failure {
    /// Message of Reconciling=True while a failure is retried.
    pub const RECONCILING_MESSAGE: &str = "Reconciliation in progress";
}

impl From<&ReconcileError> for Failure {
    fn from(error: &ReconcileError) -> Self {
        let terminal = |reason| Self {
            reason,
            message: format!("{TERMINAL_PREFIX}{}", error_chain(error)),
            event_reason: reason,
            retry: Retry::OnChange,
            path: PathChange::Keep,
        };
        match error {
            ReconcileError::Validate(
                ValidateError::CompileResourceFilter(_)
                | ValidateError::CompileFilter { .. }
                | ValidateError::CompileProvider { .. },
            ) => terminal(reason::INVALID_CEL_EXPRESSION),
            ReconcileError::Validate(ValidateError::CombineFields(_) | ValidateError::CheckProvider { .. }) => {
                terminal(reason::VALIDATION_FAILED)
            }
            // A panic within the check of a spec would come with every other try, too.
            ReconcileError::Abandon => terminal(reason::VALIDATION_FAILED),
            ReconcileError::ReadToken(TokenError::ReadSecret { .. } | TokenError::FindKey { .. }) => Self {
                reason: reason::TOKEN_NOT_FOUND,
                message: error_chain(error),
                event_reason: reason::FAILED,
                retry: Retry::Backoff,
                path: PathChange::Clear,
            },
        }
    }
}

/// The consequences of a successful reconcile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Success {
    /// Message of Ready=True, whose reason is `Succeeded`.
    pub message: String,
    /// Message of the Normal event, whose reason is `Succeeded`.
    pub event_message: String,
}

impl Success {
    /// For the path that the object has now and the time to its next reconcile.
    pub fn new(webhook_path: &str, interval: GoDuration) -> Self {
        Self {
            message: format!("Receiver initialized for path: {webhook_path}"),
            event_message: format!("Reconciliation finished, next run in {interval}"),
        }
    }
}

#[cfg(test)]
mod tests;
