//! Temporary S3 credentials for a directory user, from an S3 service's own token service: the STS provider `ldap`.
//!
//! Deliberately not here: Amazon's token service, which is `sluice-cloud-identity`'s.

use jiff::Timestamp;
use sluice_cloud_identity::sigv4::AwsCredentials;
use sluice_http_client::{ClientConfig, Request, Secret, Url, header};
use tokio::time::Instant;

use crate::StoreError;
use crate::error::AnswerError;
use crate::transport::{MAX_ANSWER_BYTES, Problem, Refusal, client, read, send, within};
use crate::xml::walk;

/// The version of the protocol.
const VERSION: &str = "2011-06-15";

/// Who asks for credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LdapUser {
    /// The name in the directory.
    pub username: String,
    /// The password in the directory.
    pub password: Secret<String>,
}

/// Asks for credentials. `http` brings proxy and TLS of the token service; the password is in the body and nowhere else.
///
/// # Errors
/// [`StoreError`]; no credential is in it.
pub async fn assume_role_with_ldap_identity(
    http: &ClientConfig,
    endpoint: &Url,
    user: &LdapUser,
    deadline: Instant,
) -> Result<AwsCredentials, StoreError> {
    let http = client(http)?;
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("Action", "AssumeRoleWithLDAPIdentity")
        .append_pair("Version", VERSION)
        .append_pair("LDAPUsername", &user.username)
        .append_pair("LDAPPassword", user.password.expose())
        .finish();
    let request =
        Request::post(endpoint.clone(), form).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")?;
    within(deadline, async {
        let response = send(&http, &request, |body, _, _| problem(body)).await?.map_err(Refusal::into_error)?;
        read(&request, response, MAX_ANSWER_BYTES, credentials).await
    })
    .await
}

pub(crate) fn credentials(bytes: &[u8]) -> Result<AwsCredentials, AnswerError> {
    let [mut access_key, mut secret_key, mut token, mut expiration] = [const { String::new() }; 4];
    walk(bytes, &["AssumeRoleWithLDAPIdentityResponse"], |element| {
        let target = match element.below_root() {
            ["AssumeRoleWithLDAPIdentityResult", "Credentials", "AccessKeyId", ""] => &mut access_key,
            ["AssumeRoleWithLDAPIdentityResult", "Credentials", "SecretAccessKey", ""] => &mut secret_key,
            ["AssumeRoleWithLDAPIdentityResult", "Credentials", "SessionToken", ""] => &mut token,
            ["AssumeRoleWithLDAPIdentityResult", "Credentials", "Expiration", ""] => &mut expiration,
            _ => return Ok(()),
        };
        element.text.trim().clone_into(target);
        Ok(())
    })?;
    let expires_at = match expiration.as_str() {
        "" => None,
        text => Some(text.parse::<Timestamp>().map_err(|_| AnswerError::Missing("Expiration"))?),
    };
    match (access_key.is_empty(), secret_key.is_empty()) {
        (true, _) => Err(AnswerError::Missing("AccessKeyId")),
        (_, true) => Err(AnswerError::Missing("SecretAccessKey")),
        _ => Ok(AwsCredentials {
            access_key_id: access_key,
            secret_access_key: Secret::new(secret_key),
            session_token: (!token.is_empty()).then(|| Secret::new(token)),
            expires_at,
        }),
    }
}

/// Both shapes of errors: the token service's own, and that of the storage service before it.
fn problem(bytes: &[u8]) -> Problem {
    let mut problem = Problem::default();
    let read = walk(bytes, &["ErrorResponse", "Error"], |element| {
        match element.path.last().map(String::as_str) {
            Some("Code") => element.text.trim().clone_into(&mut problem.code),
            Some("Message") => element.text.trim().clone_into(&mut problem.message),
            _ => {}
        }
        Ok(())
    });
    if read.is_err() { Problem::default() } else { problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_becomes_credentials_that_do_not_print() {
        let xml = b"<?xml version=\"1.0\"?><AssumeRoleWithLDAPIdentityResponse xmlns=\"urn:sts\"><AssumeRoleWithLDAPIdentityResult>\
            <Credentials><AccessKeyId>AK</AccessKeyId><SecretAccessKey>hunter2</SecretAccessKey>\
            <Expiration>2026-01-02T03:04:05Z</Expiration><SessionToken>tok</SessionToken></Credentials>\
            </AssumeRoleWithLDAPIdentityResult><ResponseMetadata/></AssumeRoleWithLDAPIdentityResponse>";
        let credentials = credentials(xml).unwrap();
        assert_eq!(credentials.access_key_id, "AK");
        assert_eq!(credentials.secret_access_key.expose(), "hunter2");
        assert_eq!(credentials.session_token.as_ref().map(|token| token.expose().as_str()), Some("tok"));
        assert_eq!(credentials.expires_at, Some("2026-01-02T03:04:05Z".parse().unwrap()));
        assert!(!format!("{credentials:?}").contains("hunter2"));
    }

    #[test]
    fn an_answer_without_keys_is_an_error() {
        for (inner, expected) in [
            ("", AnswerError::Missing("AccessKeyId")),
            ("<AccessKeyId>a</AccessKeyId>", AnswerError::Missing("SecretAccessKey")),
            ("<SecretAccessKey>a</SecretAccessKey>", AnswerError::Missing("AccessKeyId")),
            ("<Expiration>tomorrow</Expiration>", AnswerError::Missing("Expiration")),
        ] {
            let xml = format!(
                "<AssumeRoleWithLDAPIdentityResponse><AssumeRoleWithLDAPIdentityResult><Credentials>{inner}</Credentials>\
                 </AssumeRoleWithLDAPIdentityResult></AssumeRoleWithLDAPIdentityResponse>"
            );
            assert_eq!(credentials(xml.as_bytes()).unwrap_err(), expected, "{inner}");
        }
    }
}
