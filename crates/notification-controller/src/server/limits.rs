//! The bounds of a server's connections. A body's bounds are not here: they are the handlers' (`server::read_body`).

use std::time::Duration;

/// Bounds that keep one slow or greedy client from holding the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From the start of a connection (or of the next request on it) to the end of the headers.
    pub header_read: Duration,
    /// Request line and headers together, bytes.
    pub header_bytes: usize,
    /// Connections served at once; for one more, the slowest client loses its place, or it waits in the listen queue.
    pub connections: usize,
    /// From the shutdown signal to the forced close of what is still open.
    pub drain: Duration,
}

impl Default for Limits {
    /// The reference's limits. It sets no bound on connections; 400 for each of the two servers leave some of the 1,024 files that a
    /// process may usually have open, and hold at most 100 MiB of unfinished headers. Bodies have a bound of their own.
    fn default() -> Self {
        Self {
            header_read: Duration::from_secs(10),
            header_bytes: 256 * 1024,
            connections: 400,
            drain: Duration::from_secs(5),
        }
    }
}
