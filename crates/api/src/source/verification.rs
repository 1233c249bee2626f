//! What the OCI-backed sources share: registry providers and signature identities. Deliberately no verification.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text_enum::text_enum;

text_enum! {
    /// Who issues credentials for a registry.
    #[derive(Default)]
    RegistryProvider {
        /// Credentials from Secrets only.
        #[default]
        Generic = "generic",
        /// Amazon ECR.
        Aws = "aws",
        /// Azure Container Registry.
        Azure = "azure",
        /// Google Artifact Registry.
        Gcp = "gcp",
    }
}

text_enum! {
    /// How artifacts in a registry are signed.
    #[derive(Default)]
    SignatureProvider {
        /// Sigstore's cosign, with keys or keyless.
        #[default]
        Cosign = "cosign",
        /// Notary Project signatures.
        Notation = "notation",
    }
}

/// An identity that a keyless signature may come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OidcIdentity {
    /// Regular expression that the certificate's issuer must match.
    pub issuer: String,
    /// Regular expression that the certificate's subject must match.
    pub subject: String,
}
