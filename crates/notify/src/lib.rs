//! Notification providers: from an event and a Provider's settings to one HTTP request, and that request's delivery.
//!
//! The way is `secret::resolve` (spec and Secrets to a [`ProviderConfig`]), [`render`] (event and config to an
//! [`OutboundRequest`]), [`send::send`] (the request over the wire, with retries). The first two are pure.
//!
//! It deliberately does not read from the cluster, choose which provider gets which event, or record failures: that is
//! the notification-controller's work.

mod config;
mod event_text;
pub mod mask;
pub mod provider;
mod request;
pub mod secret;
pub mod send;

pub use config::{Kind, ProviderConfig, TlsMaterial};
pub use provider::{RenderError, render};
pub use request::{Acceptance, OutboundRequest};
pub use secret::{SecretData, Secrets};
