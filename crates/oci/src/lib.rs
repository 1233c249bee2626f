//! OCI registries: references, pull credentials, and a client for what a source is pulled with.
//!
//! A [`Client`] talks to one [`Repository`]: tags, digests, manifests, blobs, referrers, each verified against its digest, each bounded in
//! bytes and time. Everything else here is pure: [`Keyring`] reads docker configurations, [`Manifest`] parses documents and chooses a
//! platform.
//!
//! Deliberately not here: pushing, unpacking of layers, signatures (what they are attached to is found with [`Client::referrers`] and
//! [`attached_tag`]), cloud logins (the caller gives a [`CredentialProvider`]), and any cache that outlives a client.

mod blob;
mod challenge;
mod client;
mod credentials;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod link;
mod manifest;
mod reference;
mod referrers;
mod session;
mod tags;
mod token;

pub use client::{Client, ClientOptions, DEFAULT_RETRY, Security};
pub use credentials::{Credential, CredentialError, CredentialFuture, CredentialProvider, Credentials, Keyring};
pub use error::{OciError, Refusal};
pub use manifest::{
    Descriptor, Document, Image, ImageManifest, Index, MAX_MANIFEST_BYTES, Manifest, Platform, media_type,
};
pub use reference::{
    DOCKER_HUB, Pointer, Reference, ReferenceError, Repository, SCHEME, Tag, attached_tag, parse_digest,
};
pub use sluice_artifact::Digest;
