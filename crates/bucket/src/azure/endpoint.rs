//! The URL of an Azure blob service: the account in it, and the shared access signature in its query.
//!
//! Deliberately no connection strings.

use sluice_http_client::{Url, mask_url};
use url::Host;

use crate::BucketName;
use crate::error::{StoreError, excerpt};
use crate::transport::{encode, encode_query};

/// A parsed endpoint, whose query is the caller's to guard.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Without query, fragment, userinfo and trailing slash.
    base: Url,
    query: Vec<(String, String)>,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Endpoint({})", mask_url(&self.base))
    }
}

impl Endpoint {
    /// Reads the URL of a spec.
    pub(crate) fn parse(text: &str) -> Result<Self, StoreError> {
        let mut base = Url::parse(text).map_err(|_| StoreError::Azure("the endpoint is not a URL"))?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(StoreError::Azure("the endpoint's scheme is neither http nor https"));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(StoreError::Azure("the endpoint has a user or a password"));
        }
        let query = base.query_pairs().into_owned().collect();
        base.set_query(None);
        base.set_fragment(None);
        let path = base.path().trim_end_matches('/').to_owned();
        base.set_path(&path);
        Ok(Self { base, query })
    }

    /// Adds a signature. Its parameters win over those of the same name; the endpoint's others stay.
    pub(crate) fn merge_signature(&mut self, signature: &str) {
        let signature = signature.strip_prefix('?').unwrap_or(signature).trim();
        let mut merged: Vec<_> = url::form_urlencoded::parse(signature.as_bytes()).into_owned().collect();
        let named = |name: &str| merged.iter().any(|(other, _)| other == name);
        let kept: Vec<_> = self.query.drain(..).filter(|(name, _)| !named(name)).collect();
        merged.extend(kept);
        self.query = merged;
    }

    /// The account that signs: the first label of a host name of three or more, or, where the host is an address (the emulator), the first
    /// component of the path.
    pub(crate) fn account(&self) -> Result<String, StoreError> {
        let account = match self.base.host() {
            Some(Host::Domain(name)) => {
                name.split_once('.').filter(|(_, rest)| rest.contains('.')).map(|(first, _)| first)
            }
            Some(Host::Ipv4(_) | Host::Ipv6(_)) => self.base.path_segments().and_then(|mut segments| segments.next()),
            None => None,
        };
        account.filter(|account| !account.is_empty()).map(str::to_owned).ok_or(StoreError::Azure(
            "an account key needs an endpoint whose host begins with the account and has three labels or more",
        ))
    }

    /// Whether what is sent can be read by the service only: with TLS, or without leaving the machine.
    pub(crate) fn is_confidential(&self) -> bool {
        self.base.scheme() == "https"
            || match self.base.host() {
                Some(Host::Ipv4(address)) => address.is_loopback(),
                Some(Host::Ipv6(address)) => address.is_loopback(),
                Some(Host::Domain(_)) | None => false,
            }
    }

    /// The URL of the container, or of a blob in it, whose name is one path segment: so even names with `..` between slashes arrive.
    ///
    /// # Errors
    /// [`StoreError::UnrequestableKey`] for a blob named `.` or `..`.
    pub(crate) fn url(
        &self,
        container: &BucketName,
        blob: Option<&str>,
        query: &[(&str, &str)],
    ) -> Result<Url, StoreError> {
        let mut path = format!("{}/{}", self.base.path().trim_end_matches('/'), encode(container.as_str()));
        if let Some(blob) = blob {
            path = format!("{path}/{}", encode(blob));
        }
        let mut url = self.base.clone();
        url.set_path(&path);
        if url.path() != path {
            return Err(StoreError::UnrequestableKey { key: excerpt(blob.unwrap_or_default()) });
        }
        let ours = |name: &str| query.iter().any(|(other, _)| *other == name);
        let others =
            self.query.iter().filter(|(name, _)| !ours(name)).map(|(name, value)| (name.as_str(), value.as_str()));
        let pairs: Vec<_> = query.iter().copied().chain(others).collect();
        if !pairs.is_empty() {
            url.set_query(Some(&encode_query(&pairs)));
        }
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container() -> BucketName {
        BucketName::new("apps").unwrap()
    }

    #[test]
    fn the_account_is_the_first_of_three_labels_or_an_addresss_first_path_component() {
        for (endpoint, expected) in [
            ("https://acc.blob.core.windows.net", Some("acc")),
            ("https://acc.blob.core.windows.net/", Some("acc")),
            ("https://acc.example.com:8443/x", Some("acc")),
            ("http://127.0.0.1:10000/devstoreaccount1", Some("devstoreaccount1")),
            ("http://[::1]:10000/devstoreaccount1/", Some("devstoreaccount1")),
            ("http://127.0.0.1:10000", None),
            ("https://example.com", None),
            ("http://localhost:10000/devstoreaccount1", None),
        ] {
            assert_eq!(Endpoint::parse(endpoint).unwrap().account().ok().as_deref(), expected, "{endpoint}");
        }
    }

    #[test]
    fn the_secrets_signature_wins_and_the_endpoints_other_parameters_stay() {
        for (endpoint, signature, expected) in [
            ("https://a.b.c", "?sv=1&sig=x%2By%3D", "https://a.b.c/apps?sv=1&sig=x%2By%3D"),
            ("https://a.b.c/?sv=0&sr=c", "sv=1&sig=x", "https://a.b.c/apps?sv=1&sig=x&sr=c"),
            ("https://a.b.c?sig=old", "sig=new\n", "https://a.b.c/apps?sig=new"),
            ("https://a.b.c?sig=e", "", "https://a.b.c/apps?sig=e"),
        ] {
            let mut parsed = Endpoint::parse(endpoint).unwrap();
            parsed.merge_signature(signature);
            assert_eq!(parsed.url(&container(), None, &[]).unwrap().as_str(), expected);
        }
    }

    #[test]
    fn a_blobs_name_is_one_segment_below_its_container() {
        let endpoint = Endpoint::parse("http://127.0.0.1:1/acc/?sig=x&comp=evil").unwrap();
        for (blob, expected) in [
            ("a/b c", "a%2Fb%20c?sig=x&comp=evil"),
            ("../../other/x", "..%2F..%2Fother%2Fx?sig=x&comp=evil"),
            ("ä?#%2e\\", "%C3%A4%3F%23%252e%5C?sig=x&comp=evil"),
        ] {
            let url = endpoint.url(&container(), Some(blob), &[]).unwrap();
            assert_eq!(url.as_str(), format!("http://127.0.0.1:1/acc/apps/{expected}"));
        }
        let list = endpoint.url(&container(), None, &[("comp", "list"), ("prefix", "a/")]).unwrap();
        assert_eq!(list.as_str(), "http://127.0.0.1:1/acc/apps?comp=list&prefix=a%2F&sig=x");
        for blob in [".", ".."] {
            assert!(matches!(endpoint.url(&container(), Some(blob), &[]), Err(StoreError::UnrequestableKey { .. })));
        }
    }

    #[test]
    fn an_endpoint_that_is_no_plain_url_is_refused_and_not_shown() {
        for endpoint in
            ["", "acc.blob.core.windows.net", "ftp://a.b.c", "https://user:hunter2@a.b.c", "file:///etc/passwd"]
        {
            let error = Endpoint::parse(endpoint).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
        let shown = format!("{:?}", Endpoint::parse("https://a.b.c/?sig=hunter2").unwrap());
        assert_eq!(shown, "Endpoint(https://a.b.c/)");
    }

    #[test]
    fn tokens_go_out_with_tls_or_not_off_the_machine() {
        for (endpoint, expected) in [
            ("https://a.b.c", true),
            ("http://a.b.c", false),
            ("http://127.0.0.1:1", true),
            ("http://[::1]:1", true),
            ("http://10.0.0.1", false),
            ("http://localhost", false),
        ] {
            assert_eq!(Endpoint::parse(endpoint).unwrap().is_confidential(), expected, "{endpoint}");
        }
    }
}
