//! What both HTTP servers share: connections with limits, bounded bodies, graceful end.
//!
//! It knows nothing of events or receivers, and speaks HTTP/1.1 only (what the other controllers and the forges send).

mod body;
mod limits;
mod places;
mod serve;
mod tracked;

pub use body::{BodyError, MAX_BODY_BYTES, read as read_body};
pub use limits::Limits;
pub use places::ConnectionMetrics;
pub use serve::{serve, serve_measured};

#[cfg(test)]
mod tests;
