//! OpenSSH serving Git repositories on loopback.
