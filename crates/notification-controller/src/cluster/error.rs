//! Failures of the API server and of the stores.

use thiserror::Error;

/// A store has not been filled yet: the process has just started.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the cache is not synced yet")]
pub struct NotSynced;

/// Why the API server did not do what was asked. Texts are the server's own.
#[derive(Debug, Error)]
pub enum ClusterError {
    /// The object does not exist.
    #[error("{0}")]
    Find(String),
    /// The server refused.
    #[error("{0}")]
    Request(String),
    /// There was no usable answer.
    #[error("failed to reach the API server")]
    Reach(#[source] Box<kube::Error>),
    /// More objects than one request may touch.
    #[error("more than {0} objects match")]
    BoundList(usize),
}

impl From<kube::Error> for ClusterError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) if status.code == 404 => Self::Find(status.message),
            kube::Error::Api(status) => Self::Request(status.message),
            other => Self::Reach(Box::new(other)),
        }
    }
}
