//! The bounds of a server's connections. A body's bounds are not here: they are the handlers' (`server::read_body`).

use std::time::Duration;

/// Bounds that keep one slow or greedy client from holding the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From the start of a connection (or of the next request on it) to the end of the headers.
    pub header_read: Duration,
    /// Request line and headers together, bytes.
    pub header_bytes: usize,
    /// Connections served at once; more wait in the listen queue.
    pub connections: usize,
    /// From the shutdown signal to the forced close of what is still open.
    pub drain: Duration,
}

impl Default for Limits {
    /// The reference's limits. It sets no bound on connections; here 512 connections with bodies of 3 MiB hold at most
    /// 1.5 GiB in the worst case, and in practice a few MiB since events are small.
    fn default() -> Self {
        Self {
            header_read: Duration::from_secs(10),
            header_bytes: 256 * 1024,
            connections: 512,
            drain: Duration::from_secs(5),
        }
    }
}
