//! A role for a signed statement of somebody else: STS' `AssumeRoleWithWebIdentity`.
//!
//! Deliberately the one call: it needs no credentials, the statement is the proof.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;
use sluice_http_client::{Request, Secret, Url, header};

use super::{AwsError, check_region, partition};
use crate::environment::Environment;
use crate::sigv4::AwsCredentials;
use crate::transport::{Exchange, Transport};

/// Elements within elements; an answer has four.
const MAX_DEPTH: usize = 16;

/// The name of a role, known to be one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleArn(String);

impl RoleArn {
    /// Reads one: `arn:aws[-partition]:iam::<digits>:role/<up to 200 characters>`.
    ///
    /// # Errors
    /// [`AwsError::RoleArn`].
    pub fn parse(text: &str) -> Result<Self, AwsError> {
        let refused = || AwsError::RoleArn(text.chars().take(256).collect());
        let mut parts = text.splitn(6, ':');
        let mut next = || parts.next().unwrap_or_default();
        let (arn, partition, service, region, account, resource) = (next(), next(), next(), next(), next(), next());
        let name = resource.strip_prefix("role/").unwrap_or_default();
        let partition_fine = partition
            .strip_prefix("aws")
            .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
        let account_fine = (1..=30).contains(&account.len()) && account.bytes().all(|byte| byte.is_ascii_digit());
        let name_fine = (1..=200).contains(&name.chars().count()) && !name.contains('\n');
        let fine = arn == "arn" && partition_fine && service == "iam" && region.is_empty() && account_fine && name_fine;
        if fine { Ok(Self(text.to_owned())) } else { Err(refused()) }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where STS is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StsEndpoint(Url);

impl StsEndpoint {
    /// An endpoint that an object names: https, and STS' own or a VPC's under `amazonaws.com`. Anything else would be handed a token that
    /// proves the tenant's, or the controller's, identity.
    ///
    /// # Errors
    /// [`AwsError::StsEndpoint`].
    pub fn parse(text: &str) -> Result<Self, AwsError> {
        let refused = || AwsError::StsEndpoint(text.chars().take(256).collect());
        let host = text.strip_prefix("https://").ok_or_else(refused)?;
        let labels = host.strip_suffix(".amazonaws.com").ok_or_else(refused)?;
        let mut labels: Vec<&str> = labels.split('.').collect();
        if labels.last() == Some(&"vpce") {
            labels.pop();
        }
        let is_sts = |label: Option<&&str>| matches!(label, Some(&"sts" | &"sts-fips"));
        // `sts` itself, or `sts` and a region; whatever is before names a VPC's endpoint.
        let count = labels.len();
        let fine = is_sts(labels.last()) || (count >= 2 && is_sts(labels.get(count - 2)));
        let shape = |label: &&str| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        };
        if !fine || !labels.iter().all(shape) {
            return Err(refused());
        }
        Url::parse(text).map(Self).map_err(|_| refused())
    }

    /// The region's own, or what the controller's environment names instead (`AWS_ENDPOINT_URL_STS`, `AWS_USE_FIPS_ENDPOINT`).
    ///
    /// # Errors
    /// [`AwsError::Region`] or [`AwsError::StsEndpoint`].
    pub fn of_region(region: &str, environment: &Environment) -> Result<Self, AwsError> {
        if let Some(text) = environment.get("AWS_ENDPOINT_URL_STS") {
            return Url::parse(text).map(Self).map_err(|_| AwsError::StsEndpoint(text.chars().take(256).collect()));
        }
        check_region(region)?;
        let fips = environment.get("AWS_USE_FIPS_ENDPOINT") == Some("true");
        let name = if fips { "sts-fips" } else { "sts" };
        let text = format!("https://{name}.{region}.{}", partition::domain(region));
        Url::parse(&text).map(Self).map_err(|_| AwsError::StsEndpoint(text))
    }

    /// Any URL: for the controller's own configuration, and for tests.
    pub fn trusted(url: Url) -> Self {
        Self(url)
    }

    /// The URL.
    pub fn url(&self) -> &Url {
        &self.0
    }
}

/// The session's name for a `ServiceAccount`, as it is seen in `CloudTrail` and in conditions of policies:
/// `<name>.<namespace>.<region>.fluxcd.io`.
pub fn role_session_name(namespace: &str, name: &str, region: &str) -> String {
    format!("{name}.{namespace}.{region}.fluxcd.io")
}

/// Who asks for which role.
#[derive(Clone, Debug)]
pub struct WebIdentity<'a> {
    /// The role.
    pub role: &'a RoleArn,
    /// The session's name.
    pub session_name: &'a str,
    /// The signed statement.
    pub token: &'a Secret<String>,
}

/// Asks for the role.
///
/// # Errors
/// [`AwsError::Exchange`] as STS has it, or [`AwsError::Request`].
pub async fn assume_role_with_web_identity(
    transport: &Transport,
    endpoint: &StsEndpoint,
    identity: &WebIdentity<'_>,
) -> Result<AwsCredentials, AwsError> {
    Ok(request(endpoint, identity)?.run(transport, parse, refusal).await?)
}

pub(super) fn request(endpoint: &StsEndpoint, identity: &WebIdentity<'_>) -> Result<Exchange, AwsError> {
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("Action", "AssumeRoleWithWebIdentity")
        .append_pair("RoleArn", identity.role.as_str())
        .append_pair("RoleSessionName", identity.session_name)
        .append_pair("Version", "2011-06-15")
        .append_pair("WebIdentityToken", identity.token.expose())
        .finish();
    let request =
        Request::post(endpoint.0.clone(), form).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")?;
    Ok(Exchange::internet("AWS STS", request).hiding(identity.token))
}

pub(super) fn parse(bytes: &[u8]) -> Result<AwsCredentials, &'static str> {
    const CREDENTIALS: [&str; 3] =
        ["AssumeRoleWithWebIdentityResponse", "AssumeRoleWithWebIdentityResult", "Credentials"];
    let [mut id, mut secret, mut token, mut end] = [const { String::new() }; 4];
    walk(bytes, |path, text| {
        let Some(last) = path.strip_prefix(CREDENTIALS.map(str::to_owned).as_slice()) else { return };
        let target = match last {
            [name] if name == "AccessKeyId" => &mut id,
            [name] if name == "SecretAccessKey" => &mut secret,
            [name] if name == "SessionToken" => &mut token,
            [name] if name == "Expiration" => &mut end,
            _ => return,
        };
        text.trim().clone_into(target);
    })?;
    if id.is_empty() || secret.is_empty() || token.is_empty() {
        return Err("no credentials");
    }
    Ok(AwsCredentials {
        access_key_id: id,
        secret_access_key: Secret::new(secret),
        session_token: Some(Secret::new(token)),
        expires_at: Some(end.parse().map_err(|_| "no expiration")?),
    })
}

/// What a service that speaks XML says in a refusal: `Code: Message`.
pub fn refusal(bytes: &[u8]) -> Option<String> {
    let [mut code, mut message] = [const { String::new() }; 2];
    walk(bytes, |path, text| match path {
        [_, error, name] if error == "Error" && name == "Code" => text.clone_into(&mut code),
        [_, error, name] if error == "Error" && name == "Message" => text.clone_into(&mut message),
        _ => {}
    })
    .ok()?;
    match (code.is_empty(), message.is_empty()) {
        (true, true) => None,
        (false, true) => Some(code),
        (true, false) => Some(message),
        (false, false) => Some(format!("{code}: {message}")),
    }
}

/// Calls `ended` with the path and the text of every element at its end. No document type, no entity beyond the predefined ones: none
/// is in an honest answer, and an entity that refers to others grows without bound.
fn walk(bytes: &[u8], mut ended: impl FnMut(&[String], &str)) -> Result<(), &'static str> {
    let text = std::str::from_utf8(bytes).map_err(|_| "not UTF-8")?;
    let mut reader = Reader::from_str(text);
    let mut path: Vec<String> = Vec::new();
    let mut texts: Vec<String> = Vec::new();
    let mut closed = false;
    loop {
        match reader.read_event().map_err(|_| "not well-formed XML")? {
            Event::Start(start) => {
                if path.len() == MAX_DEPTH || (closed && path.is_empty()) {
                    return Err("XML of another shape");
                }
                path.push(start.local_name().as_ref().to_owned());
                texts.push(String::new());
            }
            Event::End(_) => {
                let text = texts.pop().ok_or("not well-formed XML")?;
                ended(&path, &text);
                path.pop();
                closed = true;
            }
            Event::Text(piece) => {
                if let Some(text) = texts.last_mut() {
                    text.push_str(&piece.xml10_content());
                }
            }
            Event::GeneralRef(reference) => {
                let resolved = match reference.resolve_char_ref().map_err(|_| "not well-formed XML")? {
                    Some(character) => character.to_string(),
                    None => resolve_predefined_entity(&reference).ok_or("an unknown entity")?.to_owned(),
                };
                if let Some(text) = texts.last_mut() {
                    text.push_str(&resolved);
                }
            }
            Event::DocType(_) => return Err("a document type"),
            Event::Eof if path.is_empty() && closed => return Ok(()),
            Event::Eof => return Err("cut off XML"),
            Event::Empty(_) | Event::CData(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
}
