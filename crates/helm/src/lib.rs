//! Helm charts and repositories.
