//! Azure's Shared Key: a signature over a request with the account's key.
//!
//! Deliberately for requests without body and range only. Source: "Authorize with Shared Key" of the Azure Storage documentation.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use sluice_http_client::{Secret, Url};

use crate::StoreError;

/// An account's key, decoded.
#[derive(Clone, Debug)]
pub struct AccountKey(Secret<Vec<u8>>);

impl AccountKey {
    /// Reads the base64 form in which Azure gives keys; whitespace around it is not part of it.
    ///
    /// # Errors
    /// [`StoreError::Azure`] for anything else; the key is not in the error.
    pub fn parse(text: &Secret<String>) -> Result<Self, StoreError> {
        let decoded = STANDARD.decode(text.expose().trim());
        decoded.map(|key| Self(Secret::new(key))).map_err(|_| StoreError::Azure("the account key is not base64"))
    }
}

/// What of a request is signed beside its URL.
pub(crate) struct Signed<'a> {
    pub account: &'a str,
    /// The precondition's header, empty if there is none.
    pub if_match: &'a str,
    /// All `x-ms-` headers, lower-case names, in the order of names.
    pub headers: &'a [(&'a str, &'a str)],
}

impl Signed<'_> {
    /// The `Authorization` header of `GET url`.
    pub(crate) fn authorization(&self, url: &Url, key: &AccountKey) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(key.0.expose()).expect("HMAC takes keys of any length");
        mac.update(self.string_to_sign(url).as_bytes());
        format!("SharedKey {}:{}", self.account, STANDARD.encode(mac.finalize().into_bytes()))
    }

    fn string_to_sign(&self, url: &Url) -> String {
        // Encoding, language, length, MD5, type, date and If-Modified-Since are absent; so are, after If-Match, three more.
        let mut text = format!("GET\n\n\n\n\n\n\n\n{}\n\n\n\n", self.if_match);
        for (name, value) in self.headers {
            text.extend([name, ":", value, "\n"]);
        }
        text.extend(["/", self.account, url.path()]);
        let mut parameters: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in url.query_pairs() {
            parameters.entry(name.to_lowercase()).or_default().push(value.into_owned());
        }
        for (name, mut values) in parameters {
            values.sort_unstable();
            text.extend(["\n", &name, ":", &values.join(",")]);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with Python's `hmac` from the documented form of the string.
    #[test]
    fn signatures_are_those_computed_elsewhere() {
        let key = AccountKey::parse(&Secret::new("c2x1aWNlIGtleSBmb3IgdGVzdHM=\n".to_owned())).unwrap();
        for (url, if_match, expected) in VECTORS {
            let signed = Signed {
                account: "acc",
                if_match,
                headers: &[("x-ms-date", "Fri, 02 Jan 2026 03:04:05 GMT"), ("x-ms-version", "2021-12-02")],
            };
            assert_eq!(signed.authorization(&Url::parse(url).unwrap(), &key), *expected, "{url}");
        }
    }

    const VECTORS: &[(&str, &str, &str)] = &[
        (
            "https://acc.blob.core.windows.net/apps?restype=container&comp=list",
            "",
            "SharedKey acc:25oqtPp0FqHmErHN+bDsEXnjhXWmx4CQ2E/eXUY+GUE=",
        ),
        (
            "https://acc.blob.core.windows.net/apps?restype=container&comp=list&prefix=a%2Fb%20%C3%A4&maxresults=2&marker=2%21x%3D",
            "",
            "SharedKey acc:rcTUpYhb/whD0hC8GtgL48JzXGfA5BMaWzad90H8zlM=",
        ),
        (
            "https://acc.blob.core.windows.net/apps/a%2Fb%20c.yaml",
            "\"0x8D1\"",
            "SharedKey acc:ihaWn2qKuGGeeNtAuE6cgjLM0C3BoOJBkLa30qDZfNk=",
        ),
        ("http://127.0.0.1:10000/acc/apps/x", "", "SharedKey acc:EfRmp+kxts3IBgSlUpC8OWd7wSFez6lYLpzIFOECMP8="),
    ];

    #[test]
    fn the_signed_text_has_decoded_parameters_in_the_order_of_names() {
        let signed =
            Signed { account: "acc", if_match: "\"0x1\"", headers: &[("x-ms-date", "d"), ("x-ms-version", "v")] };
        let url =
            Url::parse("http://127.0.0.1:1/acc/apps?restype=container&Comp=list&prefix=a%2Fb%20c&x=2&x=1").unwrap();
        let expected = "GET\n\n\n\n\n\n\n\n\"0x1\"\n\n\n\nx-ms-date:d\nx-ms-version:v\n/acc/acc/apps\n\
                        comp:list\nprefix:a/b c\nrestype:container\nx:1,2";
        assert_eq!(signed.string_to_sign(&url), expected);
    }

    #[test]
    fn a_key_that_is_not_base64_is_refused_and_no_key_is_shown() {
        let error = AccountKey::parse(&Secret::new("hunter2!".to_owned())).unwrap_err();
        assert_eq!(error.to_string(), "the account key is not base64");
        let key = AccountKey::parse(&Secret::new("aHVudGVyMg==".to_owned())).unwrap();
        assert_eq!(format!("{key:?}"), "AccountKey(***)");
    }
}
