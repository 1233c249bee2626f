//! Who a Kubernetes `ServiceAccount` is to Google, from its annotations. Pure.
//!
//! Deliberately strict: both annotations become parts of URLs and audiences.

use std::collections::BTreeMap;

use super::{GcpError, SERVICE_ACCOUNT_ANNOTATION, WORKLOAD_IDENTITY_PROVIDER_ANNOTATION};

/// Who a `ServiceAccount` is.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ServiceAccountIdentity {
    /// The service account of Google that it acts as; as itself, if `None`.
    pub email: Option<String>,
    /// The provider that trusts its cluster; GKE's own, if `None`.
    pub provider: Option<WorkloadIdentityProvider>,
}

impl ServiceAccountIdentity {
    /// Reads the annotations; an empty one counts as absent.
    ///
    /// # Errors
    /// [`GcpError::ServiceAccount`] or [`GcpError::Provider`].
    pub fn of_annotations(annotations: &BTreeMap<String, String>) -> Result<Self, GcpError> {
        let get = |name: &str| annotations.get(name).filter(|text| !text.is_empty());
        let email = get(SERVICE_ACCOUNT_ANNOTATION).map(|text| check_email(text)).transpose()?;
        let provider = get(WORKLOAD_IDENTITY_PROVIDER_ANNOTATION);
        Ok(Self { email, provider: provider.map(|text| WorkloadIdentityProvider::parse(text)).transpose()? })
    }
}

fn check_email(text: &str) -> Result<String, GcpError> {
    let label = |text: &str| {
        (1..=100).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let parts = text.split_once('@');
    let fine = parts.is_some_and(|(name, domain)| {
        label(name) && domain.strip_suffix(".iam.gserviceaccount.com").is_some_and(label)
    });
    if fine { Ok(text.to_owned()) } else { Err(GcpError::ServiceAccount(text.chars().take(256).collect())) }
}

/// A provider of a workload identity pool, by its full name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadIdentityProvider(String);

impl WorkloadIdentityProvider {
    /// Reads `projects/<number>/locations/global/workloadIdentityPools/<pool>/providers/<provider>`.
    ///
    /// # Errors
    /// [`GcpError::Provider`].
    pub fn parse(text: &str) -> Result<Self, GcpError> {
        let parts: Vec<&str> = text.splitn(9, '/').collect();
        let name = |text: &str| (1..=100).contains(&text.chars().count()) && !text.contains(char::is_control);
        let fine = match parts.as_slice() {
            ["projects", number, "locations", "global", "workloadIdentityPools", pool, "providers", provider] => {
                let number_fine = (1..=30).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
                number_fine && name(pool) && name(provider)
            }
            _ => false,
        };
        if fine { Ok(Self(text.to_owned())) } else { Err(GcpError::Provider(text.chars().take(256).collect())) }
    }

    /// The audience of a `ServiceAccount`'s token, and of the exchange.
    pub fn audience(&self) -> String {
        format!("//iam.googleapis.com/{}", self.0)
    }
}
