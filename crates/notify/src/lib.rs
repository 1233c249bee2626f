//! Notification providers: from an event and a Provider's settings to requests, and their delivery.
//!
//! The way is `secret::resolve` (spec and Secrets to a [`ProviderConfig`]), [`prepare`] (the remote look-ups that a type needs, for a
//! [`Prepared`]), [`Prepared::deliver`] (a [`Notification`] to a [`Delivery`]), [`Delivery::send`] (over the wire, with retries). All but the
//! second and the last are pure; [`provider`] says how a type is added.
//!
//! It deliberately does not read from the cluster, choose which provider gets which event, or record failures: that is
//! the notification-controller's work.

mod config;
mod event_text;
pub mod git;
mod kind;
pub mod mask;
mod nats;
mod notification;
pub mod provider;
mod request;
pub mod secret;
pub mod send;
mod step;

pub use config::{ProviderConfig, TlsMaterial};
pub use kind::Kind;
pub use mask::Masks;
pub use nats::NatsError;
pub use notification::{AlertReference, Notification};
pub use provider::{Context, PrepareError, Prepared, RenderError, prepare};
pub use request::{Acceptance, Answer, OutboundRequest, Retry};
pub use secret::{SecretData, Secrets};
pub use send::{Clients, Delivery, SendError};
pub use step::{Continuation, Step, StepError, decode};
