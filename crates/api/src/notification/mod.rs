//! Kinds of `notification.toolkit.fluxcd.io`: what comes in by webhook and what goes out as a message.
//!
//! Deliberately no delivery, and no check of expressions: these are the specs and the statuses only.

mod alert;
mod provider;
mod receiver;

pub use alert::{Alert, AlertSeverity, AlertSpec};
pub use provider::{Provider, ProviderSpec, ProviderType};
pub use receiver::{
    OidcProvider, OidcValidation, OidcVariable, Receiver, ReceiverResource, ReceiverSpec, ReceiverStatus, ReceiverType,
};

/// API group of every kind here.
pub const GROUP: &str = "notification.toolkit.fluxcd.io";
