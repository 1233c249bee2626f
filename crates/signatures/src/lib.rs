//! Verification of signatures: of Git commits and tags (`OpenPGP`, SSH), and of OCI artifacts (cosign, notation).
//!
//! Deliberately no I/O: what is verified, the keys and the time come as arguments, and fetching signatures from a registry is the
//! caller's.

pub mod cosign;
pub mod git;
pub mod notation;
pub mod openpgp;
pub mod ssh;
pub mod x509;
