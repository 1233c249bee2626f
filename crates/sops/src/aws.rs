//! AWS KMS: a data key opened by `Decrypt`, in the region of the key's ARN, after taking the key's role if it has one.
//!
//! Deliberately no profiles: a controller has no shared configuration.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use sluice_cloud_identity::AwsCredentials;
use sluice_cloud_identity::aws::{json_refusal, xml_refusal};
use sluice_cloud_identity::sigv4::{Dialect, Signer, signed_request};
use sluice_http_client::{HttpClient, HttpError, Method, Secret, Url};

use crate::http::{ExchangeError, ask, ask_bytes};
use crate::keys::{AwsKmsKey, DataKey};
use crate::ports::AmbientError;

/// A data key that AWS did not give.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AwsKmsError {
    /// The name is not one of a key.
    #[error("no valid ARN found in '{0}'")]
    Arn(String),
    /// The sealed key is not base64.
    #[error("error base64-decoding encrypted data key")]
    Base64,
    /// Nobody says who asks.
    #[error("failed to get AWS credentials")]
    Credentials(#[source] AmbientError),
    /// The role is refused.
    #[error("failed to assume role '{role}'")]
    Role {
        /// The role.
        role: String,
        /// Why.
        #[source]
        source: ExchangeError,
    },
    /// AWS refused.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// The request could not be built.
    #[error(transparent)]
    Request(#[from] HttpError),
}

/// The region of `arn:aws…:kms:<region>:<account>:(key|alias)/…`. It becomes part of a host name, so nothing but the letters of a region's
/// name may be in it.
pub(crate) fn region(arn: &str) -> Result<&str, AwsKmsError> {
    let refused = || AwsKmsError::Arn(arn.chars().take(256).collect());
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", partition, "kms", region, account, resource] = parts.as_slice() else { return Err(refused()) };
    let word = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    let fine = partition.strip_prefix("aws").is_some_and(word)
        && !region.is_empty()
        && region.len() <= 64
        && region.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !region.starts_with('-')
        && !region.ends_with('-')
        && !account.is_empty()
        && account.bytes().all(|byte| byte.is_ascii_digit())
        && ["key/", "alias/"].iter().any(|kind| resource.strip_prefix(kind).is_some_and(|name| !name.is_empty()));
    if fine { Ok(region) } else { Err(refused()) }
}

/// Where a service of a region is. Source: AWS' published partitions.
fn endpoint(service: &str, region: &str) -> Option<Url> {
    const DOMAINS: [(&str, &str); 6] = [
        ("cn-", "amazonaws.com.cn"),
        ("us-isob-", "sc2s.sgov.gov"),
        ("us-isof-", "csp.hci.ic.gov"),
        ("us-iso-", "c2s.ic.gov"),
        ("eu-isoe-", "cloud.adc-e.uk"),
        ("eusc-", "amazonaws.eu"),
    ];
    let domain = DOMAINS.iter().find(|(prefix, _)| region.starts_with(prefix)).map_or("amazonaws.com", |found| found.1);
    Url::parse(&format!("https://{service}.{region}.{domain}/")).ok()
}

/// Where AWS is asked, and when.
pub(crate) struct Ask<'a> {
    pub(crate) client: &'a HttpClient,
    /// In place of KMS' own.
    pub(crate) kms: Option<&'a Url>,
    /// In place of STS' own.
    pub(crate) sts: Option<&'a Url>,
    pub(crate) now: Timestamp,
}

impl Ask<'_> {
    /// Opens the data key; `credentials` are those of the key's region.
    pub(crate) async fn decrypt(&self, key: &AwsKmsKey, credentials: &AwsCredentials) -> Result<DataKey, AwsKmsError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            plaintext: String,
        }
        STANDARD.decode(&key.enc).map_err(|_| AwsKmsError::Base64)?;
        let region = region(&key.arn)?;
        let taken;
        let credentials = match &key.role {
            None => credentials,
            Some(role) => {
                let assumed = self.assume(role, region, credentials).await;
                taken = assumed.map_err(|source| AwsKmsError::Role { role: role.clone(), source })?;
                &taken
            }
        };
        let url = self.kms.cloned().or_else(|| endpoint("kms", region));
        let url = url.ok_or_else(|| AwsKmsError::Arn(key.arn.clone()))?;
        let body = body(key);
        let signer = Signer { credentials, region, service: "kms", dialect: Dialect::Standard, time: self.now };
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", "TrentService.Decrypt")];
        let request = signed_request(&signer, &Method::POST, &url, &headers, body.as_bytes())?;
        let Answer { plaintext } = ask(self.client, &request, json_refusal, &secrets(credentials)).await?;
        let plaintext = zeroize::Zeroizing::new(plaintext);
        let plain = STANDARD.decode(plaintext.as_bytes());
        Ok(DataKey::new(plain.map_err(|_| ExchangeError::Malformed("the plaintext is not base64"))?))
    }

    async fn assume(
        &self,
        role: &str,
        region: &str,
        credentials: &AwsCredentials,
    ) -> Result<AwsCredentials, ExchangeError> {
        let url = self.sts.cloned().or_else(|| endpoint("sts", region));
        let url = url.ok_or(ExchangeError::Malformed("there is no STS in that region"))?;
        let mut form = Url::parse("form:").map_err(|_| ExchangeError::Malformed("the role has no form"))?;
        form.query_pairs_mut()
            .append_pair("Action", "AssumeRole")
            .append_pair("RoleArn", role)
            .append_pair("RoleSessionName", "sops@sluice")
            .append_pair("Version", "2011-06-15");
        let body = form.query().unwrap_or_default().to_owned();
        let signer = Signer { credentials, region, service: "sts", dialect: Dialect::Standard, time: self.now };
        let headers = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
        let request = signed_request(&signer, &Method::POST, &url, &headers, body.as_bytes())?;
        let answer = ask_bytes(self.client, &request, xml_refusal, &secrets(credentials)).await?;
        let text = String::from_utf8_lossy(&answer);
        let get = |name| element(&text, name).ok_or(ExchangeError::Malformed("it has no credentials"));
        Ok(AwsCredentials {
            access_key_id: get("AccessKeyId")?.to_owned(),
            secret_access_key: Secret::new(get("SecretAccessKey")?.to_owned()),
            session_token: Some(Secret::new(get("SessionToken")?.to_owned())),
            expires_at: None,
        })
    }
}

fn body(key: &AwsKmsKey) -> String {
    let AwsKmsKey { arn, role: _, context, enc } = key;
    let mut body = BTreeMap::from([("CiphertextBlob", json!(enc)), ("KeyId", json!(arn))]);
    if !context.is_empty() {
        body.insert("EncryptionContext", json!(context));
    }
    json!(body).to_string()
}

fn secrets(credentials: &AwsCredentials) -> Vec<&Secret<String>> {
    [Some(&credentials.secret_access_key), credentials.session_token.as_ref()].into_iter().flatten().collect()
}

/// The content of the first element of this name. Enough for answers whose values are base64, names and dates.
fn element<'t>(xml: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (content, _) = rest.split_once(&format!("</{name}>"))?;
    Some(content.trim()).filter(|content| !content.is_empty() && !content.contains(['<', '&']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_is_that_of_the_arn_and_fit_for_a_host_name() {
        for (arn, expected) in [
            ("arn:aws:kms:eu-west-1:123:key/abc", Some("eu-west-1")),
            ("arn:aws-us-gov:kms:us-gov-west-1:123:alias/x", Some("us-gov-west-1")),
            ("arn:aws-cn:kms:cn-north-1:123:key/abc", Some("cn-north-1")),
            ("arn:aws:kms:evil.example/:123:key/abc", None),
            ("arn:aws:kms:EU-WEST-1:123:key/abc", None),
            ("arn:aws:kms::123:key/abc", None),
            ("arn:aws:s3:eu-west-1:123:key/abc", None),
            ("arn:aws:kms:eu-west-1:x:key/abc", None),
            ("arn:aws:kms:eu-west-1:123:key/", None),
            ("alias/x", None),
            ("", None),
        ] {
            assert_eq!(region(arn).ok(), expected, "{arn}");
        }
        let host = |region| endpoint("kms", region).unwrap().to_string();
        assert_eq!(host("eu-west-1"), "https://kms.eu-west-1.amazonaws.com/");
        assert_eq!(host("cn-north-1"), "https://kms.cn-north-1.amazonaws.com.cn/");
    }
}
