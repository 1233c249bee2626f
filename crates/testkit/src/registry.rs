//! An OCI registry: Debian's `docker-registry` on loopback.
