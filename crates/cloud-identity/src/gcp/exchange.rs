//! A token of another issuer for one of Google: the security token service, and then, if so configured, the token of a service account.
//!
//! Deliberately no executables and no AWS signatures as subjects.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use sluice_http_client::{HeaderName, Request, Secret, Url, header};

use super::{GcpError, parse_token, refusal};
use crate::credential::AccessToken;
use crate::environment::{Files, read_secret};
use crate::transport::{Exchange, Transport};

const STS_URL: &str = "https://sts.googleapis.com/v1/token";
const IAM_URL: &str = "https://iamcredentials.googleapis.com/v1/";
/// What an impersonating token needs, and nothing more.
const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
/// Headers that a credential source may ask for.
const MAX_HEADERS: usize = 16;

/// Where tokens are exchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchanger {
    /// The security token service.
    pub token_url: Url,
    /// Where a service account's token is asked for; no service account, if `None`.
    pub impersonation_url: Option<Url>,
}

impl Exchanger {
    /// Google's own, for a service account or without one. The e-mail address must be a checked one.
    ///
    /// # Errors
    /// None in practice.
    pub fn google(email: Option<&str>) -> Result<Self, GcpError> {
        Self::at(&parse(STS_URL)?, &parse(IAM_URL)?, email)
    }

    /// At other places, for tests. `iam` ends with a slash.
    ///
    /// # Errors
    /// [`GcpError::Credentials`] if `email` does not make a URL.
    pub fn at(sts: &Url, iam: &Url, email: Option<&str>) -> Result<Self, GcpError> {
        let impersonation_url = match email {
            None => None,
            Some(email) => {
                let path = format!("projects/-/serviceAccounts/{email}:generateAccessToken");
                Some(iam.join(&path).map_err(|_| GcpError::Credentials("the service account is not one"))?)
            }
        };
        Ok(Self { token_url: sts.clone(), impersonation_url })
    }

    /// The token for what `subject` says, as far as `audience` trusts it.
    ///
    /// # Errors
    /// [`GcpError::Exchange`] or [`GcpError::Request`].
    pub async fn token(
        &self,
        transport: &Transport,
        (subject, audience): (&SubjectToken, &str),
        scopes: &[&str],
        now: Timestamp,
    ) -> Result<AccessToken, GcpError> {
        let scope = match self.impersonation_url {
            Some(_) => CLOUD_PLATFORM.to_owned(),
            None => scopes.join(" "),
        };
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("audience", audience)
            .append_pair("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange")
            .append_pair("requested_token_type", "urn:ietf:params:oauth:token-type:access_token")
            .append_pair("scope", &scope)
            .append_pair("subject_token", subject.token.expose())
            .append_pair("subject_token_type", &subject.kind)
            .finish();
        let request = Request::post(self.token_url.clone(), form)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")?;
        let exchange = Exchange::internet("the Google security token service", request).hiding(&subject.token);
        let federated = exchange.run(transport, |bytes| parse_token(bytes, now), refusal).await?;
        match &self.impersonation_url {
            None => Ok(federated),
            Some(url) => impersonate(transport, url, &federated, scopes).await,
        }
    }
}

async fn impersonate(
    transport: &Transport,
    url: &Url,
    federated: &AccessToken,
    scopes: &[&str],
) -> Result<AccessToken, GcpError> {
    let body = json!({"lifetime": "3600s", "scope": scopes}).to_string();
    let request = Request::post(url.clone(), body)
        .bearer_auth(&federated.token)?
        .header(header::CONTENT_TYPE, "application/json")?;
    let exchange = Exchange::internet("the Google IAM credentials service", request).hiding(&federated.token);
    Ok(exchange.run(transport, parse_generated, refusal).await?)
}

fn parse_generated(bytes: &[u8]) -> Result<AccessToken, &'static str> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        access_token: Option<String>,
        expire_time: Option<Timestamp>,
    }
    let answer: Answer = serde_json::from_slice(bytes).map_err(|_| "not the JSON of a token")?;
    let token = answer.access_token.filter(|token| !token.is_empty()).ok_or("no access token")?;
    Ok(AccessToken { token: Secret::new(token), expires_at: answer.expire_time.ok_or("no expiration")? })
}

/// A token of another issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectToken {
    /// The token.
    pub token: Secret<String>,
    /// What it is, as a URN.
    pub kind: String,
}

impl SubjectToken {
    /// A JSON Web Token, such as those of `ServiceAccount`s.
    pub fn jwt(token: Secret<String>) -> Self {
        Self { token, kind: JWT.to_owned() }
    }
}

/// Credentials of the type `external_account`: where the controller's subject token is, and who takes it.
///
/// For the controller's own environment only: it names files and URLs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalAccount {
    audience: String,
    kind: String,
    exchanger: Exchanger,
    source: SubjectSource,
    /// The field of the token, where the source is JSON.
    field: Option<String>,
}

/// Where a subject token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubjectSource {
    /// In a file, read at each exchange.
    File(String),
    /// At a URL.
    Url {
        /// The URL.
        url: Url,
        /// Headers to send.
        headers: Vec<(String, Secret<String>)>,
    },
}

impl ExternalAccount {
    /// Reads the JSON that Google gives.
    ///
    /// # Errors
    /// [`GcpError::Credentials`].
    pub fn from_json(json: &[u8]) -> Result<Self, GcpError> {
        #[derive(Deserialize)]
        struct Format {
            #[serde(rename = "type")]
            kind: Option<String>,
            subject_token_field_name: Option<String>,
        }
        #[derive(Deserialize)]
        struct Source {
            file: Option<String>,
            url: Option<String>,
            #[serde(default)]
            headers: std::collections::BTreeMap<String, String>,
            format: Option<Format>,
        }
        #[derive(Deserialize)]
        struct File {
            audience: String,
            subject_token_type: String,
            token_url: Option<String>,
            service_account_impersonation_url: Option<String>,
            credential_source: Source,
        }
        let file: File = serde_json::from_slice(json).map_err(|_| GcpError::Credentials("not an external account"))?;
        let Source { file: path, url, headers, format } = file.credential_source;
        let source = match (path, url) {
            (Some(path), _) => SubjectSource::File(path),
            (None, Some(url)) if headers.len() <= MAX_HEADERS => SubjectSource::Url {
                url: parse(&url)?,
                headers: headers.into_iter().map(|(name, value)| (name, Secret::new(value))).collect(),
            },
            (None, Some(_)) => return Err(GcpError::Credentials("too many headers")),
            (None, None) => return Err(GcpError::Credentials("the credential source is neither a file nor a URL")),
        };
        let field = match format {
            Some(Format { kind: Some(kind), subject_token_field_name: Some(field) }) if kind == "json" => Some(field),
            Some(Format { kind: Some(kind), .. }) if kind == "json" => {
                return Err(GcpError::Credentials("no subject_token_field_name"));
            }
            _ => None,
        };
        Ok(Self {
            audience: file.audience,
            kind: file.subject_token_type,
            exchanger: Exchanger {
                token_url: parse(file.token_url.as_deref().unwrap_or(STS_URL))?,
                impersonation_url: file.service_account_impersonation_url.as_deref().map(parse).transpose()?,
            },
            source,
            field,
        })
    }

    /// A token for these scopes.
    ///
    /// # Errors
    /// [`GcpError`].
    pub async fn token(
        &self,
        transport: &Transport,
        files: &dyn Files,
        scopes: &[&str],
        now: Timestamp,
    ) -> Result<AccessToken, GcpError> {
        let text = match &self.source {
            SubjectSource::File(path) => read_secret(files, path)?,
            SubjectSource::Url { url, headers } => {
                let mut request = Request::get(url.clone());
                for (name, value) in headers {
                    let name = HeaderName::from_bytes(name.as_bytes());
                    let name = name.map_err(|_| GcpError::Credentials("a header's name is not one"))?;
                    request = request.header(name, value.expose())?;
                }
                let read = |bytes: &[u8]| {
                    let text = std::str::from_utf8(bytes).map_err(|_| "not UTF-8")?.trim();
                    if text.is_empty() { Err("nothing") } else { Ok(Secret::new(text.to_owned())) }
                };
                Exchange::internet("the source of the subject token", request).run(transport, read, |_| None).await?
            }
        };
        let token = match &self.field {
            None => text,
            Some(field) => field_of(&text, field)?,
        };
        let subject = SubjectToken { token, kind: self.kind.clone() };
        self.exchanger.token(transport, (&subject, &self.audience), scopes, now).await
    }
}

fn field_of(json: &Secret<String>, field: &str) -> Result<Secret<String>, GcpError> {
    let value: Option<serde_json::Value> = serde_json::from_str(json.expose()).ok();
    let text = value.as_ref().and_then(|value| value.get(field)?.as_str());
    text.map(|text| Secret::new(text.to_owned())).ok_or(GcpError::Credentials("no subject token in the source's JSON"))
}

fn parse(text: &str) -> Result<Url, GcpError> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "https" | "http"));
    url.ok_or(GcpError::Credentials("a URL is not one"))
}
