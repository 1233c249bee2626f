//! Cloud identity.
