//! The credentials that a Secret of decryption keys may have, read from their files.
//!
//! Deliberately only credentials that say who somebody is by themselves: none that name further files, URLs or programs, for a tenant's
//! Secret must not make the controller read its own.

use serde_json::Value;
use sluice_cloud_identity::azure::{Authority, AzureCredential, AzureError, ClientCertificate, SendChain};
use sluice_cloud_identity::gcp::{GcpError, ServiceAccountKey};
use sluice_cloud_identity::{AwsCredentials, Environment};
use sluice_http_client::Secret;
use sluice_yaml::{Limits, read_config};

/// The largest file: a certificate with its chain has some ten KiB.
const MAX_FILE_BYTES: usize = 256 << 10;

/// Credentials that cannot be read. Never holds a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// Not YAML, or not a mapping.
    #[error("failed to unmarshal {0}")]
    Unreadable(&'static str),
    /// Not text in any of the encodings.
    #[error("failed to decode Azure authentication file bytes")]
    Encoding,
    /// Half of AWS' keys, or none.
    #[error("AWS credentials file requires 'aws_access_key_id' and 'aws_secret_access_key'")]
    AwsIncomplete,
    /// None of the forms.
    #[error(
        "invalid data: requires a 'clientId' field, a combination of 'tenantId', 'clientId' and 'clientSecret', or \
         'tenantId', 'clientId' and 'clientCertificate'"
    )]
    AzureIncomplete,
    /// Azure.
    #[error(transparent)]
    Azure(#[from] AzureError),
    /// Google Cloud.
    #[error(transparent)]
    Gcp(#[from] GcpError),
    /// An empty token.
    #[error("the Vault token is not text")]
    VaultToken,
}

/// A login to Azure Key Vault.
#[derive(Clone, Debug)]
pub struct AzureKeyVaultLogin {
    /// Who.
    pub credential: AzureCredential,
    /// Who issues its tokens; the environment's if `None`.
    pub authority: Option<Authority>,
}

/// The token in `sops.vault-token`, without white space around it.
///
/// # Errors
/// [`CredentialError::VaultToken`].
pub fn vault_token(file: &[u8]) -> Result<Secret<String>, CredentialError> {
    let text = std::str::from_utf8(file).map_err(|_| CredentialError::VaultToken)?;
    Ok(Secret::new(text.trim().to_owned()))
}

/// The keys in `sops.aws-kms`.
///
/// # Errors
/// [`CredentialError::Unreadable`] or [`CredentialError::AwsIncomplete`].
pub fn aws_kms(file: &[u8]) -> Result<AwsCredentials, CredentialError> {
    let fields = Fields::read(file, "AWS credentials file")?;
    let (id, secret) = (fields.text("aws_access_key_id"), fields.text("aws_secret_access_key"));
    let (Some(id), Some(secret)) = (id, secret) else { return Err(CredentialError::AwsIncomplete) };
    let session_token = fields.text("aws_session_token").map(Secret::new);
    Ok(AwsCredentials { access_key_id: id, secret_access_key: Secret::new(secret), session_token, expires_at: None })
}

/// The key in `sops.gcp-kms`: a service account's.
///
/// # Errors
/// [`CredentialError::Gcp`].
pub fn gcp_kms(file: &[u8]) -> Result<ServiceAccountKey, CredentialError> {
    Ok(ServiceAccountKey::from_json(file.trim_ascii())?)
}

/// The login in `sops.azure-kv`, in any of its forms: an application with a secret or a certificate, the same as `az` prints it, or the id
/// of a managed identity, whose place `environment` may name.
///
/// # Errors
/// [`CredentialError`].
pub fn azure_key_vault(file: &[u8], environment: &Environment) -> Result<AzureKeyVaultLogin, CredentialError> {
    let text = decoded(file).ok_or(CredentialError::Encoding)?;
    let fields = Fields::read(text.as_bytes(), "Azure authentication file")?;
    let credential = azure_credential(&fields, environment)?;
    let authority = fields.text("authorityHost").map(|host| Authority::parse(&host)).transpose()?;
    Ok(AzureKeyVaultLogin { credential, authority })
}

fn azure_credential(fields: &Fields, environment: &Environment) -> Result<AzureCredential, CredentialError> {
    let client = fields.text("clientId");
    if let (Some(tenant_id), Some(client_id)) = (fields.text("tenantId"), client.clone()) {
        if let Some(secret) = fields.text("clientSecret").map(Secret::new) {
            return Ok(AzureCredential::ClientSecret { tenant_id, client_id, secret });
        }
        if let Some(pem) = fields.text("clientCertificate") {
            let send = if fields.truth("clientCertificateSendChain") { SendChain::Yes } else { SendChain::No };
            let certificate = Box::new(ClientCertificate::from_pem(pem.as_bytes(), send)?);
            return Ok(AzureCredential::ClientCertificate { tenant_id, client_id, certificate });
        }
    }
    if let (Some(tenant_id), Some(client_id), Some(password)) =
        (fields.text("tenant"), fields.text("appId"), fields.text("password"))
    {
        return Ok(AzureCredential::ClientSecret { tenant_id, client_id, secret: Secret::new(password) });
    }
    let client = client.ok_or(CredentialError::AzureIncomplete)?;
    Ok(AzureCredential::managed_identity(Some(client), environment)?)
}

/// Text in UTF-8, or in UTF-16 if a byte order mark says so, as PowerShell writes it.
fn decoded(file: &[u8]) -> Option<String> {
    let wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
        Some(String::from_utf16_lossy(&units))
    };
    match file {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8(rest.to_vec()).ok(),
        plain => String::from_utf8(plain.to_vec()).ok(),
    }
}

/// A flat mapping of a YAML or JSON file. Names are compared without regard to case, as Go's JSON reader does.
struct Fields(serde_json::Map<String, Value>);

impl Fields {
    fn read(file: &[u8], what: &'static str) -> Result<Self, CredentialError> {
        let limits = Limits { bytes: MAX_FILE_BYTES, depth: 8, nodes: 256 };
        let node = read_config(file, &limits).ok().flatten().ok_or(CredentialError::Unreadable(what))?;
        match node.to_json() {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            _ => Err(CredentialError::Unreadable(what)),
        }
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.0
            .get(name)
            .or_else(|| self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
    }

    fn text(&self, name: &str) -> Option<String> {
        self.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
    }

    fn truth(&self, name: &str) -> bool {
        self.get(name).and_then(Value::as_bool).unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_aws_are_read_from_yaml_and_json() {
        for (file, token) in [
            ("aws_access_key_id: ID\naws_secret_access_key: KEY\n", None),
            (r#"{"aws_access_key_id":"ID","aws_secret_access_key":"KEY","aws_session_token":"TOKEN"}"#, Some("TOKEN")),
        ] {
            let made = aws_kms(file.as_bytes()).unwrap();
            assert_eq!((made.access_key_id.as_str(), made.secret_access_key.expose().as_str()), ("ID", "KEY"));
            assert_eq!(made.session_token.as_ref().map(|token| token.expose().as_str()), token);
        }
        for bad in ["", "text", "aws_access_key_id: ID", "[", "a: [[[[[[[[[[[["] {
            assert!(aws_kms(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn logins_to_azure_are_read_in_all_forms_and_encodings() {
        let environment = Environment::default();
        let utf16 = |text: &str| -> Vec<u8> {
            [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect()
        };
        for (file, kind) in [
            (b"tenantId: t\nclientId: c\nclientSecret: s\n".to_vec(), "secret t c"),
            (b"\xef\xbb\xbf{\"tenantid\": \"t\", \"clientId\": \"c\", \"clientSecret\": \"s\"}".to_vec(), "secret t c"),
            (utf16(r#"{"tenant": "t", "appId": "a", "password": "s"}"#), "secret t a"),
            (b"clientId: c\n".to_vec(), "managed c"),
            (b"tenantId: t\nclientId: c\n".to_vec(), "managed c"),
            (b"tenantId: t\n".to_vec(), "error"),
            (b"\xff".to_vec(), "error"),
            (b"tenantId: t\nclientId: c\nclientCertificate: nonsense\n".to_vec(), "error"),
            (b"clientId: c\nauthorityHost: http://login.example\n".to_vec(), "error"),
        ] {
            let made = match azure_key_vault(&file, &environment).map(|login| login.credential) {
                Ok(AzureCredential::ClientSecret { tenant_id, client_id, .. }) => {
                    format!("secret {tenant_id} {client_id}")
                }
                Ok(AzureCredential::ManagedIdentity { client_id, .. }) => format!("managed {}", client_id.unwrap()),
                Ok(other) => format!("{other:?}"),
                Err(_) => "error".to_owned(),
            };
            assert_eq!(made, kind, "{}", String::from_utf8_lossy(&file));
        }
        let login = azure_key_vault(b"clientId: c\nauthorityHost: https://login.example\n", &environment).unwrap();
        assert_eq!(login.authority, Some(Authority::parse("https://login.example").unwrap()));
    }

    #[test]
    fn a_vault_token_is_trimmed() {
        assert_eq!(vault_token(b" hvs.x\n\n").unwrap().expose(), "hvs.x");
    }
}
