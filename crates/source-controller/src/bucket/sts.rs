//! The service for temporary credentials that a spec names: whether it goes with the provider, and where it is.
//!
//! Deliberately repeats what the rules of the resource definition say: not every API server checks those.

use sluice_api::source::{Bucket, BucketProvider, BucketSts, StsProvider};
use sluice_http_client::Url;

/// Why a spec's `sts` cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StsError {
    /// The provider has none.
    #[error("STS configuration is not supported for '{0}' bucket provider")]
    NotForBucket(String),
    /// The provider has another one.
    #[error("STS provider '{sts}' is not supported for '{bucket}' bucket provider")]
    NotForProvider {
        /// `spec.sts.provider`.
        sts: String,
        /// `spec.provider`.
        bucket: String,
    },
    /// It takes no credentials of its own.
    #[error("spec.sts.{field} is not required for the '{sts}' STS provider")]
    NotRequired {
        /// The field.
        field: &'static str,
        /// `spec.sts.provider`.
        sts: String,
    },
    /// Its address is none.
    #[error("failed to parse STS endpoint '{endpoint}'")]
    Endpoint {
        /// Without credentials.
        endpoint: String,
        #[source]
        source: url::ParseError,
    },
}

/// The address of the service, if there is one and it may be there.
pub(super) fn endpoint(object: &Bucket) -> Result<Option<Url>, StsError> {
    let Some(sts) = &object.spec.sts else { return Ok(None) };
    check(&object.provider(), sts)?;
    let parsed = sts.endpoint.parse().map_err(|source| StsError::Endpoint { endpoint: shown(&sts.endpoint), source });
    parsed.map(Some)
}

/// As it was written, unless it could hold something secret.
fn shown(endpoint: &str) -> String {
    if endpoint.contains(['@', '?', '#']) { sluice_http_client::mask_url_text(endpoint) } else { endpoint.to_owned() }
}

fn check(bucket: &BucketProvider, sts: &BucketSts) -> Result<(), StsError> {
    let not_required = |field| Err(StsError::NotRequired { field, sts: sts.provider.to_string() });
    match (bucket, &sts.provider) {
        (BucketProvider::Aws, StsProvider::Aws) if sts.secret_ref.is_some() => not_required("secretRef"),
        (BucketProvider::Aws, StsProvider::Aws) if sts.cert_secret_ref.is_some() => not_required("certSecretRef"),
        (BucketProvider::Aws, StsProvider::Aws) | (BucketProvider::Generic, StsProvider::Ldap) => Ok(()),
        (BucketProvider::Aws | BucketProvider::Generic, other) => {
            Err(StsError::NotForProvider { sts: other.to_string(), bucket: bucket.to_string() })
        }
        (other, _) => Err(StsError::NotForBucket(other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use sluice_api::meta::LocalObjectReference;
    use sluice_api::source::BucketSpec;

    use super::*;

    #[test]
    fn only_the_service_that_belongs_to_the_provider_is_taken() {
        let (aws, ldap) = (StsProvider::Aws, StsProvider::Ldap);
        let (some, none) = (Some(LocalObjectReference::new("s")), None);
        for (bucket, sts, endpoint_text, secret, certificates, expected) in [
            (BucketProvider::Aws, &aws, "https://sts.amazonaws.com", &none, &none, Ok("https://sts.amazonaws.com/")),
            (BucketProvider::Generic, &ldap, "http://h:9000", &some, &some, Ok("http://h:9000/")),
            (
                BucketProvider::Aws,
                &ldap,
                "https://h",
                &none,
                &none,
                Err("STS provider 'ldap' is not supported for 'aws' bucket provider"),
            ),
            (
                BucketProvider::Generic,
                &aws,
                "https://h",
                &none,
                &none,
                Err("STS provider 'aws' is not supported for 'generic' bucket provider"),
            ),
            (
                BucketProvider::Gcp,
                &aws,
                "https://h",
                &none,
                &none,
                Err("STS configuration is not supported for 'gcp' bucket provider"),
            ),
            (
                BucketProvider::Azure,
                &ldap,
                "https://h",
                &none,
                &none,
                Err("STS configuration is not supported for 'azure' bucket provider"),
            ),
            (
                BucketProvider::Aws,
                &aws,
                "https://h",
                &some,
                &none,
                Err("spec.sts.secretRef is not required for the 'aws' STS provider"),
            ),
            (
                BucketProvider::Aws,
                &aws,
                "https://h",
                &none,
                &some,
                Err("spec.sts.certSecretRef is not required for the 'aws' STS provider"),
            ),
            (
                BucketProvider::Generic,
                &ldap,
                "https://u:p@h:port",
                &none,
                &none,
                Err("failed to parse STS endpoint '***'"),
            ),
            (
                BucketProvider::Generic,
                &ldap,
                "http://h:port",
                &none,
                &none,
                Err("failed to parse STS endpoint 'http://h:port'"),
            ),
        ] {
            let sts = BucketSts {
                provider: sts.clone(),
                endpoint: endpoint_text.to_owned(),
                secret_ref: secret.clone(),
                cert_secret_ref: certificates.clone(),
            };
            let spec = BucketSpec { provider: Some(bucket), sts: Some(sts), ..BucketSpec::default() };
            let found = endpoint(&Bucket::new("web", spec)).map(|url| url.map(String::from).unwrap_or_default());
            assert_eq!(found.map_err(|error| error.to_string()), expected.map(str::to_owned).map_err(str::to_owned));
        }
        assert_eq!(endpoint(&Bucket::new("web", BucketSpec::default())), Ok(None));
    }
}
