//! Azure Blob Storage: the provider `azure`.
//!
//! Deliberately read-only, and without the exchange of a Secret's identity for a token: that comes from `sluice-cloud-identity` and is given
//! here as a bearer token. One reconcile is shorter than any token's life.

pub(crate) mod answer;
mod endpoint;
mod shared_key;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use sluice_http_client::{
    ClientConfig, HeaderName, HttpClient, Method, Request, Response, Secret, StatusCode, Url, header,
};
use tokio::io::AsyncWrite;

use self::endpoint::Endpoint;
use crate::listing::Page;
use crate::transport::{MAX_PAGE_BYTES, Refusal, client, copy, etag, read, send};
use crate::{BucketName, Download, StoreError, Wanted};

pub use self::shared_key::AccountKey;

/// The version of the protocol, known to every service and emulator of the last years.
const API_VERSION: &str = "2021-12-02";

const X_MS_DATE: &str = "x-ms-date";
const X_MS_VERSION: &str = "x-ms-version";

/// A container at Azure Blob Storage.
#[derive(Clone, Debug)]
pub struct AzureSettings {
    /// The URL of the account's blob service, such as `https://account.blob.core.windows.net`. It may carry a shared access signature.
    pub endpoint: Secret<String>,
    /// The container.
    pub container: BucketName,
    /// How requests are authorized.
    pub auth: AzureAuth,
}

/// How requests to Azure are authorized.
#[derive(Clone, Debug)]
pub enum AzureAuth {
    /// Not at all, but for what the endpoint's query says.
    Anonymous,
    /// Each is signed with the account's key.
    AccountKey(AccountKey),
    /// Each carries a shared access signature: a query, with or without a leading `?`. It wins over the endpoint's.
    Sas(Secret<String>),
    /// Each carries a token.
    Bearer(Secret<String>),
}

#[derive(Debug)]
pub(crate) struct Azure {
    http: HttpClient,
    endpoint: Endpoint,
    container: BucketName,
    auth: Authorization,
}

/// [`AzureAuth`] with what it needs from the endpoint.
#[derive(Debug)]
enum Authorization {
    Anonymous,
    /// The query has it.
    Sas,
    SharedKey {
        account: String,
        key: AccountKey,
    },
    Bearer(Secret<String>),
}

impl Azure {
    pub(crate) fn new(settings: AzureSettings, http: &ClientConfig) -> Result<Self, StoreError> {
        let AzureSettings { endpoint, container, auth } = settings;
        let mut endpoint = Endpoint::parse(endpoint.expose())?;
        let auth = match auth {
            AzureAuth::Anonymous => Authorization::Anonymous,
            AzureAuth::AccountKey(key) => Authorization::SharedKey { account: endpoint.account()?, key },
            AzureAuth::Sas(signature) => {
                endpoint.merge_signature(signature.expose());
                Authorization::Sas
            }
            AzureAuth::Bearer(_) if !endpoint.is_confidential() => {
                return Err(StoreError::Azure("a token is sent to an https endpoint only"));
            }
            AzureAuth::Bearer(token) => Authorization::Bearer(token),
        };
        Ok(Self { http: client(http)?, endpoint, container, auth })
    }

    pub(crate) fn bucket(&self) -> &BucketName {
        &self.container
    }

    /// Lists one object: the container's own properties are hidden from most who may read its blobs.
    pub(crate) async fn exists(&self) -> Result<bool, StoreError> {
        let (_, outcome) = self.list("", None, Some(1)).await?;
        match outcome {
            Ok(_) => Ok(true),
            Err(refusal) if refusal.code() == "ContainerNotFound" => Ok(false),
            Err(refusal) if refusal.code() == "AuthenticationFailed" && matches!(self.auth, Authorization::Sas) => {
                Err(StoreError::SignatureForAnother(Box::new(refusal.into_error())))
            }
            Err(refusal) => Err(refusal.into_error()),
        }
    }

    pub(crate) async fn page(
        &self,
        prefix: &str,
        token: Option<&str>,
        page_size: Option<u32>,
    ) -> Result<Page, StoreError> {
        let (request, outcome) = self.list(prefix, token, page_size).await?;
        let response = outcome.map_err(Refusal::into_error)?;
        read(&request, response, MAX_PAGE_BYTES, answer::page).await
    }

    pub(crate) async fn get<W>(&self, wanted: &Wanted<'_>, writer: &mut W) -> Result<Download, StoreError>
    where
        W: AsyncWrite + Unpin + ?Sized,
    {
        if wanted.key.is_empty() {
            // Its URL is the container's.
            return Ok(Download::Vanished);
        }
        let url = self.endpoint.url(&self.container, Some(wanted.key), &[])?;
        let (request, outcome) = self.send(url, wanted.etag).await?;
        let response = match outcome {
            Ok(response) => response,
            Err(refusal) if refusal.code() == "BlobNotFound" => return Ok(Download::Vanished),
            Err(refusal) if refusal.status == StatusCode::PRECONDITION_FAILED => return Ok(Download::Changed),
            Err(refusal) => return Err(refusal.into_error()),
        };
        let etag = answer::quoted(&etag(&request, &response)?);
        let size = copy(response, wanted.max_bytes, writer).await?;
        Ok(Download::Done { etag, size })
    }

    async fn list(
        &self,
        prefix: &str,
        marker: Option<&str>,
        page_size: Option<u32>,
    ) -> Result<(Request, Result<Response, Refusal>), StoreError> {
        let page_size = page_size.map(|size| size.to_string());
        let mut query = vec![("restype", "container"), ("comp", "list")];
        if !prefix.is_empty() {
            query.push(("prefix", prefix));
        }
        query.extend(marker.map(|marker| ("marker", marker)));
        query.extend(page_size.as_deref().map(|size| ("maxresults", size)));
        self.send(self.endpoint.url(&self.container, None, &query)?, None).await
    }

    async fn send(&self, url: Url, if_match: Option<&str>) -> Result<(Request, Result<Response, Refusal>), StoreError> {
        let date = DateTimePrinter::new()
            .timestamp_to_rfc9110_string(&Timestamp::now())
            .map_err(|_| StoreError::Azure("the clock's year is not one of four digits"))?;
        let mut request = Request::new(Method::GET, url.clone())
            .header(HeaderName::from_static(X_MS_DATE), &date)?
            .header(HeaderName::from_static(X_MS_VERSION), API_VERSION)?;
        if let Some(etag) = if_match {
            request = request.header(header::IF_MATCH, etag)?;
        }
        request = match &self.auth {
            Authorization::Anonymous | Authorization::Sas => request,
            Authorization::Bearer(token) => request.bearer_auth(token)?,
            Authorization::SharedKey { account, key } => {
                let signed = shared_key::Signed {
                    account,
                    if_match: if_match.unwrap_or_default(),
                    headers: &[(X_MS_DATE, &date), (X_MS_VERSION, API_VERSION)],
                };
                request.header(header::AUTHORIZATION, &signed.authorization(&url, key))?
            }
        };
        let outcome = send(&self.http, &request, |body, headers, _| answer::problem(body, headers)).await?;
        Ok((request, outcome))
    }
}
