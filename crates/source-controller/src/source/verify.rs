//! Signatures of OCI artifacts: what an object trusts, what its registry has, and whether the one is good for the other.
//!
//! [`Trusted`] is read from the spec's Secrets, [`Trusted::verify`] fetches signatures one by one and stops at the first good one.
//! Deliberately no conditions, and no memory of what was verified: when to verify is the kind's affair.

mod cosign;
mod notation;

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use sluice_api::meta::LocalObjectReference;
use sluice_api::source::{OidcIdentity, SignatureProvider};
use sluice_oci::{Client, Digest, OciError};
use sluice_signatures::cosign::{
    Identity, IdentityError, IdentityPattern, TrustedRoot, TrustedRootError, trusted_root,
};
use sluice_signatures::notation::{NotationError, PolicyError, TRUST_POLICY_KEY, TrustPolicy};
use sluice_signatures::x509::key::PublicKey;
use sluice_signatures::x509::{Certificate, X509Error};

use super::secrets::{SecretData, SecretError, Secrets};

/// Suffix of a Secret's keys that hold public keys of cosign.
const PUBLIC_KEY_SUFFIX: &str = ".pub";

/// Suffixes of a Secret's keys that hold certificates for Notation.
const CERTIFICATE_SUFFIXES: [&str; 2] = [".crt", ".pem"];

/// The key of a Secret, and the name of a file, with a trusted root.
const TRUSTED_ROOT: &str = "trusted_root.json";

/// Where Sigstore's tools keep the trusted root below their cache directory, `TUF_ROOT`.
const CACHED_ROOTS: [&str; 3] =
    [TRUSTED_ROOT, "targets/trusted_root.json", "tuf-repo-cdn.sigstore.dev/targets/trusted_root.json"];

/// What a spec says of signatures.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Demand<'a> {
    /// How the artifact is signed.
    pub(crate) provider: &'a SignatureProvider,
    /// The Secret with keys, or with a policy and certificates.
    pub(crate) secret: Option<&'a LocalObjectReference>,
    /// Who may have signed, for keyless signatures.
    pub(crate) identities: &'a [OidcIdentity],
    /// The Secret with the trusted root of keyless signatures.
    pub(crate) trusted_root: Option<&'a LocalObjectReference>,
}

impl Demand<'_> {
    /// The provider as messages have it.
    pub(crate) fn provider_text(&self) -> String {
        let is_keyless = *self.provider == SignatureProvider::Cosign && self.secret.is_none();
        if is_keyless { "cosign keyless".to_owned() } else { self.provider.to_string() }
    }
}

/// What an object trusts.
#[derive(Debug)]
pub(crate) enum Trusted {
    /// Any of these keys. Without keys, nothing.
    CosignKeys(Vec<PublicKey>),
    /// Certificates of this root for these identities.
    CosignKeyless(Box<Keyless>),
    /// A policy with its certificates.
    Notation(Box<NotationTrust>),
}

/// What a keyless signature must come from.
#[derive(Debug)]
pub(crate) struct Keyless {
    root: TrustedRoot,
    identities: Vec<IdentityPattern>,
}

/// What a signature of Notation must come from.
#[derive(Debug)]
pub(crate) struct NotationTrust {
    policy: TrustPolicy,
    certificates: Vec<Certificate>,
}

/// What came of a verification that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verified {
    /// There is a good signature.
    Good,
    /// The policy does not demand one: the artifact may be used, and is not called verified.
    Ignored,
}

/// Why an artifact does not count as signed.
#[derive(Debug, thiserror::Error)]
#[error("failed to verify the signature using provider '{provider}'")]
pub(crate) struct VerifyFailed {
    provider: String,
    #[source]
    source: VerifyError,
}

/// The reason behind [`VerifyFailed`].
#[derive(Debug, thiserror::Error)]
pub(crate) enum VerifyError {
    /// Nobody signs like that.
    #[error("the provider is not supported")]
    Provider,
    /// A Secret cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Notation without a Secret trusts nobody.
    #[error("notation needs a secret with '{TRUST_POLICY_KEY}' and certificates")]
    NoSecret,
    /// A Secret does not have what is needed.
    #[error("no {what} in secret '{secret}'")]
    Missing {
        /// What.
        what: &'static str,
        /// `NAMESPACE/NAME`.
        secret: String,
    },
    /// A value of a Secret is no key or certificate.
    #[error("cannot read '{key}' of secret '{secret}'")]
    Material {
        /// `NAMESPACE/NAME`.
        secret: String,
        /// Which value.
        key: String,
        #[source]
        source: X509Error,
    },
    /// The trusted root is unusable.
    #[error("cannot read the trusted root of {place}")]
    Root {
        /// Where it is from.
        place: String,
        #[source]
        source: TrustedRootError,
    },
    /// There is no trusted root.
    #[error(
        "this controller has no trusted root of the public Sigstore: set spec.verify.trustedRootSecretRef, or put trusted_root.json into the directory that TUF_ROOT names"
    )]
    NoRoot,
    /// An expected identity is no pair of expressions.
    #[error("spec.verify.matchOIDCIdentity")]
    Identity(#[source] IdentityError),
    /// The policy is unusable.
    #[error("cannot read '{TRUST_POLICY_KEY}' of secret '{secret}'")]
    Policy {
        /// `NAMESPACE/NAME`.
        secret: String,
        #[source]
        source: PolicyError,
    },
    /// The policy does not accept the artifact.
    #[error(transparent)]
    Notation(NotationError),
    /// No key made any of the signatures.
    #[error("no matching signatures were found for '{0}'")]
    NoMatch(String),
    /// No keyless signature is good.
    #[error("no matching signatures were found for '{reference}'")]
    Keyless {
        /// The artifact.
        reference: String,
        #[source]
        source: sluice_signatures::cosign::CosignError,
    },
    /// The registry did not give the signatures.
    #[error(transparent)]
    Registry(#[from] OciError),
    /// It took too long, over all signatures together.
    #[error("timed out after {0:?}")]
    Timeout(Duration),
}

/// Where the root of the public Sigstore is to be found.
#[derive(Debug, Clone, Default)]
pub(crate) struct PublicRoot(Option<PathBuf>);

impl PublicRoot {
    /// Below this directory, in one of the places where Sigstore's tools keep it; an empty path is none. Read whenever it is needed, so
    /// that whoever keeps it fresh need not tell.
    pub(crate) fn below(directory: &Path) -> Self {
        Self((!directory.as_os_str().is_empty()).then(|| directory.to_owned()))
    }

    async fn read(&self) -> Result<TrustedRoot, VerifyError> {
        let Some(directory) = &self.0 else { return Err(VerifyError::NoRoot) };
        for place in CACHED_ROOTS {
            let path = directory.join(place);
            let Ok(metadata) = tokio::fs::metadata(&path).await else { continue };
            if metadata.len() > trusted_root::MAX_BYTES as u64 {
                continue;
            }
            if let Ok(json) = tokio::fs::read(&path).await {
                let place = path.display().to_string();
                return TrustedRoot::from_json(&json).map_err(|source| VerifyError::Root { place, source });
            }
        }
        Err(VerifyError::NoRoot)
    }
}

/// Reads what `demand` trusts and verifies the artifact of the client's repository with this digest, within `timeout`: one request is bounded
/// by the client, but there may be many signatures.
///
/// # Errors
/// See [`VerifyFailed`].
pub(crate) async fn verify(
    secrets: &Secrets,
    demand: &Demand<'_>,
    public_root: &PublicRoot,
    (client, digest): (&Client, &Digest),
    timeout: Duration,
) -> Result<Verified, VerifyFailed> {
    let verified = async {
        let trusted = Trusted::read(secrets, demand, public_root).await?;
        trusted.verify(client, digest, Timestamp::now()).await
    };
    let verified = tokio::time::timeout(timeout, verified).await.unwrap_or(Err(VerifyError::Timeout(timeout)));
    verified.map_err(|source| VerifyFailed { provider: demand.provider_text(), source })
}

impl Trusted {
    /// Reads what a spec names.
    ///
    /// # Errors
    /// See [`VerifyError`]. A Secret without any public key of cosign is none: then nothing is trusted.
    pub(crate) async fn read(
        secrets: &Secrets,
        demand: &Demand<'_>,
        public_root: &PublicRoot,
    ) -> Result<Self, VerifyError> {
        match (demand.provider, demand.secret) {
            (SignatureProvider::Cosign, Some(reference)) => {
                let data = secrets.data(&reference.name).await?;
                public_keys(&data, &secrets.full_name(&reference.name)).map(Self::CosignKeys)
            }
            (SignatureProvider::Cosign, None) => {
                let root = match demand.trusted_root {
                    Some(reference) => trusted_root_of(secrets, &reference.name).await?,
                    None => public_root.read().await?,
                };
                let identities = demand.identities.iter().map(|one| {
                    let identity = Identity { issuer: one.issuer.clone(), subject: one.subject.clone() };
                    IdentityPattern::new(&identity).map_err(VerifyError::Identity)
                });
                let identities = identities.collect::<Result<Vec<_>, _>>()?;
                Ok(Self::CosignKeyless(Box::new(Keyless { root, identities })))
            }
            (SignatureProvider::Notation, Some(reference)) => {
                let data = secrets.data(&reference.name).await?;
                notation_trust(&data, &secrets.full_name(&reference.name)).map(|trust| Self::Notation(Box::new(trust)))
            }
            (SignatureProvider::Notation, None) => Err(VerifyError::NoSecret),
            (SignatureProvider::Other(_), _) => Err(VerifyError::Provider),
        }
    }

    /// Whether nothing at all is trusted.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::CosignKeys(keys) if keys.is_empty())
    }

    /// Fetches the signatures of an artifact and tries them in turn.
    ///
    /// # Errors
    /// See [`VerifyError`].
    pub(crate) async fn verify(
        &self,
        client: &Client,
        digest: &Digest,
        now: Timestamp,
    ) -> Result<Verified, VerifyError> {
        match self {
            Self::CosignKeys(keys) => cosign::verify_keys(client, digest, keys).await,
            Self::CosignKeyless(trust) => cosign::verify_keyless(client, digest, &trust.root, &trust.identities).await,
            Self::Notation(trust) => notation::verify(client, digest, trust, now).await,
        }
    }
}

fn public_keys(data: &SecretData, secret: &str) -> Result<Vec<PublicKey>, VerifyError> {
    let keys = data.iter().filter(|(key, _)| key.ends_with(PUBLIC_KEY_SUFFIX));
    keys.map(|(key, pem)| {
        sluice_signatures::cosign::parse_public_key(pem).map_err(|source| VerifyError::Material {
            secret: secret.to_owned(),
            key: key.clone(),
            source,
        })
    })
    .collect()
}

async fn trusted_root_of(secrets: &Secrets, name: &str) -> Result<TrustedRoot, VerifyError> {
    let data = secrets.data(name).await?;
    let secret = secrets.full_name(name);
    let Some(json) = data.get(TRUSTED_ROOT) else {
        return Err(VerifyError::Missing { what: TRUSTED_ROOT, secret });
    };
    TrustedRoot::from_json(json).map_err(|source| VerifyError::Root { place: format!("secret '{secret}'"), source })
}

fn notation_trust(data: &SecretData, secret: &str) -> Result<NotationTrust, VerifyError> {
    let Some(policy) = data.get(TRUST_POLICY_KEY) else {
        return Err(VerifyError::Missing { what: TRUST_POLICY_KEY, secret: secret.to_owned() });
    };
    let policy =
        TrustPolicy::from_json(policy).map_err(|source| VerifyError::Policy { secret: secret.to_owned(), source })?;
    let mut certificates = Vec::new();
    for (key, file) in data {
        if CERTIFICATE_SUFFIXES.iter().any(|suffix| key.ends_with(suffix)) {
            let found = sluice_signatures::notation::parse_certificates(file)
                .map_err(|source| VerifyError::Material { secret: secret.to_owned(), key: key.clone(), source })?;
            certificates.extend(found);
        }
    }
    if certificates.is_empty() {
        return Err(VerifyError::Missing { what: "certificates", secret: secret.to_owned() });
    }
    Ok(NotationTrust { policy, certificates })
}

/// Whether an error is one of a single signature, so that another one may still be good, rather than of the registry.
fn is_of_one(error: &OciError) -> bool {
    matches!(
        error,
        OciError::NotFound(_)
            | OciError::Malformed { .. }
            | OciError::DigestMismatch { .. }
            | OciError::SizeMismatch { .. }
            | OciError::TooLarge { .. }
    )
}

#[cfg(test)]
mod tests;
