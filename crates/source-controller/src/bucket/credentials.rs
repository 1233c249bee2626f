//! What authorizes requests to a store, for each provider: what a Secret has, else what the object's identity gives.
//!
//! Deliberately nothing is kept but in the cache of tokens: what a Secret gives lives for a pass.

use sluice_api::source::Bucket;
use sluice_bucket::sts::{LdapUser, assume_role_with_ldap_identity};
use sluice_bucket::{
    AccountKey, AwsCredentials, AzureAuth, AzureSecret, BucketName, GcsAuth, OperationError, SendChain, ldap_secret,
};
use sluice_cloud_identity::aws::StsEndpoint;
use sluice_cloud_identity::azure::{self, Authority, AzureCredential, ClientCertificate, scope};
use sluice_cloud_identity::gcp::ServiceAccountKey;
use sluice_http_client::{ClientConfig, Secret, Url};
use tokio::time::Instant;

use super::access::{AccessError, Context, CredentialError, NamedSecret, SecretFailed, tls};
use crate::source::identity::{ObjectIdentity, ObjectIdentityError};
use crate::source::secrets::{Secrets, TlsMaterial};

/// All that is done at Google Cloud Storage with a Secret's key.
const GCS_READ_ONLY: &str = "https://www.googleapis.com/auth/devstorage.read_only";

/// Credentials of AWS by identity. `sts` is asked in place of the region's own.
pub(super) async fn aws(
    context: Context<'_>,
    sts: Option<&Url>,
    http: &ClientConfig,
) -> Result<AwsCredentials, CredentialError> {
    let sts = sts.map(|url| StsEndpoint::parse(url.as_str().trim_end_matches('/'))).transpose()?;
    let region = context.object.spec.region.as_deref().filter(|region| !region.is_empty());
    let identity = identity(context, http).await?;
    Ok(identity.cloud().aws_credentials(region, sts.as_ref()).await?)
}

/// Tokens of Google: of the key in a Secret, else by identity.
pub(super) async fn gcp(
    context: Context<'_>,
    key: Option<&Secret<Vec<u8>>>,
    http: &ClientConfig,
) -> Result<GcsAuth, CredentialError> {
    let token = if let Some(json) = key {
        let key = ServiceAccountKey::from_json(json.expose())?;
        let identity = controller(context, http)?;
        let cloud = identity.cloud();
        key.token(cloud.transport, &[GCS_READ_ONLY], cloud.platform.clock.now()).await?
    } else {
        identity(context, http).await?.cloud().gcp_token().await?
    };
    Ok(GcsAuth::Bearer(token.token))
}

/// What authorizes at Azure: the first of a Secret's ways, else by identity.
pub(super) async fn azure(
    context: Context<'_>,
    secret: Option<&NamedSecret>,
    http: &ClientConfig,
) -> Result<AzureAuth, AccessError> {
    let secret = secret.map(|secret| AzureSecret::from_data(&secret.name, &secret.data)).transpose();
    let auth = match secret.map_err(|error| AccessError::Secret(error.into()))? {
        Some(AzureSecret::AccountKey(key)) => AzureAuth::AccountKey(AccountKey::parse(&key)?),
        Some(AzureSecret::SasKey(signature)) => AzureAuth::Sas(signature),
        Some(AzureSecret::ClientSecret { tenant_id, client_id, client_secret, authority_host }) => {
            let credential = AzureCredential::ClientSecret { tenant_id, client_id, secret: client_secret };
            azure_exchange(context, &credential, authority_host.as_deref(), http).await?
        }
        Some(AzureSecret::ClientCertificate {
            tenant_id,
            client_id,
            certificate,
            password,
            send_chain,
            authority_host,
        }) => {
            let certificate = Box::new(client_certificate(&certificate, password.as_ref(), send_chain)?);
            let credential = AzureCredential::ClientCertificate { tenant_id, client_id, certificate };
            azure_exchange(context, &credential, authority_host.as_deref(), http).await?
        }
        Some(AzureSecret::ManagedIdentity { client_id }) => {
            let client_id = Some(client_id).filter(|id| !id.is_empty());
            let environment = &context.identities.platform().environment;
            let credential =
                AzureCredential::managed_identity(client_id, environment).map_err(CredentialError::Azure)?;
            azure_exchange(context, &credential, None, http).await?
        }
        // Its query is an authorization already, and a token beside it would be a second one.
        None if has_signature(&context.object.spec.endpoint) => AzureAuth::Anonymous,
        // An authority is none by itself.
        Some(AzureSecret::AuthorityHost(_)) | None => {
            let identity = identity(context, http).await.map_err(CredentialError::Object)?;
            let token = identity.cloud().azure_token(scope::STORAGE).await.map_err(CredentialError::from)?;
            AzureAuth::Bearer(token.token)
        }
    };
    Ok(auth)
}

async fn azure_exchange(
    context: Context<'_>,
    credential: &AzureCredential,
    authority: Option<&str>,
    http: &ClientConfig,
) -> Result<AzureAuth, CredentialError> {
    let authority = authority.filter(|host| !host.is_empty()).map(Authority::parse).transpose()?;
    let identity = controller(context, http)?;
    let token = identity.cloud().azure_token_of(credential, authority.as_ref(), scope::STORAGE).await?;
    Ok(AzureAuth::Bearer(token.token))
}

fn client_certificate(
    pem: &Secret<Vec<u8>>,
    password: Option<&Secret<String>>,
    send_chain: SendChain,
) -> Result<ClientCertificate, CredentialError> {
    let send_chain = match send_chain {
        SendChain::Yes => azure::SendChain::Yes,
        SendChain::No => azure::SendChain::No,
    };
    ClientCertificate::from_pem(pem.expose(), send_chain).map_err(|error| match password {
        Some(_) => CredentialError::EncryptedCertificate(error),
        None => CredentialError::Azure(error),
    })
}

/// Whether an endpoint's query has a shared access signature.
fn has_signature(endpoint: &str) -> bool {
    endpoint.parse::<Url>().is_ok_and(|url| url.query_pairs().any(|(name, _)| name == "sig"))
}

/// The token service of an S3 store.
pub(super) struct TokenService<'a> {
    pub(super) secrets: &'a Secrets,
    pub(super) bucket: &'a BucketName,
    pub(super) endpoint: &'a Url,
}

/// Credentials for a directory user, from the store's own token service.
pub(super) async fn ldap(
    object: &Bucket,
    service: TokenService<'_>,
    http: &ClientConfig,
    deadline: Instant,
) -> Result<AwsCredentials, AccessError> {
    let TokenService { secrets, bucket, endpoint } = service;
    let sts = object.spec.sts.as_ref();
    let user = match sts.and_then(|sts| sts.secret_ref.as_ref()) {
        Some(reference) => ldap_user(secrets, &reference.name).await.map_err(AccessError::StsSecret)?,
        // The service says what it thinks of nobody.
        None => LdapUser { username: String::new(), password: Secret::default() },
    };
    let mut http = http.clone();
    if let Some(reference) = sts.and_then(|sts| sts.cert_secret_ref.as_ref()) {
        let TlsMaterial { roots, identity } = tls(secrets, &reference.name).await.map_err(AccessError::StsTls)?;
        (http.roots, http.identity) = (roots, identity);
    }
    let credentials = assume_role_with_ldap_identity(&http, endpoint, &user, deadline).await;
    let failed = |source| OperationError::Existence { bucket: bucket.to_string(), source };
    Ok(credentials.map_err(failed)?)
}

async fn ldap_user(secrets: &Secrets, name: &str) -> Result<LdapUser, SecretFailed> {
    Ok(ldap_secret(name, &secrets.data(name).await?)?)
}

async fn identity(context: Context<'_>, http: &ClientConfig) -> Result<ObjectIdentity, ObjectIdentityError> {
    let Context { identities, object, .. } = context;
    identities.of_object(object, object.spec.service_account_name.as_deref(), http, object.timeout()).await
}

fn controller(context: Context<'_>, http: &ClientConfig) -> Result<ObjectIdentity, ObjectIdentityError> {
    context.identities.of_controller(context.object, http, context.object.timeout())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_with_a_signature_needs_no_identity() {
        assert!(has_signature("https://a.blob.core.windows.net/?sv=1&sig=x"));
        for endpoint in ["https://a.blob.core.windows.net", "https://a.b.c?design=1", "a.b.c?sig=x", ""] {
            assert!(!has_signature(endpoint), "{endpoint}");
        }
    }

    #[test]
    fn a_certificate_that_cannot_be_read_is_blamed_on_its_password_if_it_has_one() {
        let pem = Secret::new(b"-----BEGIN ENCRYPTED PRIVATE KEY-----".to_vec());
        let password = Secret::new("hunter2".to_owned());
        let with = client_certificate(&pem, Some(&password), SendChain::No).err();
        assert!(matches!(with, Some(CredentialError::EncryptedCertificate(_))), "{with:?}");
        let without = client_certificate(&pem, None, SendChain::Yes).err();
        assert!(matches!(without, Some(CredentialError::Azure(_))), "{without:?}");
    }
}
