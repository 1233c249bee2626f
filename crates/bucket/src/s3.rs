//! S3: the providers `generic` and `aws`.
//!
//! Deliberately read-only, and without checksums beyond TLS: an entity tag is not a digest of the content for every object.

pub(crate) mod answer;
mod endpoint;
mod sign;

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use sluice_cloud_identity::sigv4::AwsCredentials;
use sluice_http_client::{ClientConfig, HttpClient, Method, Request, Response, StatusCode, TrustRoots, header};
use tokio::io::AsyncWrite;

use self::answer::{About, Version};
use self::endpoint::Endpoint;
use crate::listing::Page;
use crate::transport::{MAX_ANSWER_BYTES, MAX_PAGE_BYTES, Refusal, client, copy, etag, read, send};
use crate::{BucketName, Download, StoreError, Wanted};

pub(crate) use self::endpoint::Region;
pub use self::endpoint::{EndpointError, Scheme};

/// A bucket at S3.
#[derive(Clone, Debug)]
pub struct S3Settings {
    /// `host[:port]`.
    pub endpoint: String,
    /// Whether with TLS. Without it the TLS material of the client's configuration is not used.
    pub scheme: Scheme,
    /// The region; if empty, that of the endpoint's name, else it is asked for.
    pub region: String,
    /// The bucket.
    pub bucket: BucketName,
    /// With what to sign; `None` sends requests unsigned.
    pub credentials: Option<AwsCredentials>,
}

#[derive(Debug)]
pub(crate) struct S3 {
    http: HttpClient,
    endpoint: Endpoint,
    bucket: BucketName,
    credentials: Option<AwsCredentials>,
    /// The spec's or the endpoint's, which nothing a service says changes.
    fixed_region: Option<Region>,
    /// What the service said, once asked.
    found_region: Mutex<Option<Region>>,
}

/// A request before its region is known.
struct Ask<'a> {
    method: Method,
    key: &'a str,
    query: &'a [(&'a str, &'a str)],
    if_match: Option<&'a str>,
}

impl Ask<'_> {
    fn about(&self) -> About {
        if self.key.is_empty() { About::Bucket } else { About::Object }
    }
}

impl S3 {
    pub(crate) fn new(settings: S3Settings, http: &ClientConfig) -> Result<Self, StoreError> {
        let S3Settings { endpoint, scheme, region, bucket, credentials } = settings;
        let endpoint = Endpoint::parse(scheme, &endpoint)?;
        let fixed_region = match (region.as_str(), endpoint.region()) {
            ("", None) => None,
            ("", Some(region)) | (region, _) => Some(Region::new(region)?),
        };
        let http = match scheme {
            Scheme::Https => client(http)?,
            Scheme::Http => client(&ClientConfig { roots: TrustRoots::System, identity: None, ..http.clone() })?,
        };
        Ok(Self { http, endpoint, bucket, credentials, fixed_region, found_region: Mutex::new(None) })
    }

    pub(crate) fn bucket(&self) -> &BucketName {
        &self.bucket
    }

    pub(crate) async fn exists(&self) -> Result<bool, StoreError> {
        let ask = Ask { method: Method::HEAD, key: "", query: &[], if_match: None };
        let outcome = match self.ask(&ask).await {
            Ok((_, outcome)) => outcome,
            // Asking for the region may have found it out already.
            Err(StoreError::Refused { code, .. }) if code == "NoSuchBucket" => return Ok(false),
            Err(error) => return Err(error),
        };
        match outcome {
            Ok(_) => Ok(true),
            Err(refusal) if refusal.code() == "NoSuchBucket" => Ok(false),
            Err(refusal) => Err(refusal.into_error()),
        }
    }

    pub(crate) async fn page(
        &self,
        prefix: &str,
        token: Option<&str>,
        page_size: Option<u32>,
    ) -> Result<Page, StoreError> {
        let version = if self.endpoint.is_google() { Version::One } else { Version::Two };
        let page_size = page_size.map(|size| size.to_string());
        let mut query = vec![("delimiter", ""), ("encoding-type", "url"), ("prefix", prefix)];
        query.extend(page_size.as_deref().map(|size| ("max-keys", size)));
        match version {
            Version::One => query.extend(token.map(|marker| ("marker", marker))),
            Version::Two => {
                query.push(("list-type", "2"));
                query.extend(token.map(|token| ("continuation-token", token)));
            }
        }
        query.sort_unstable();
        let (request, outcome) = self.ask(&Ask { method: Method::GET, key: "", query: &query, if_match: None }).await?;
        let response = outcome.map_err(Refusal::into_error)?;
        read(&request, response, MAX_PAGE_BYTES, |bytes| answer::page(bytes, version)).await
    }

    pub(crate) async fn get<W>(&self, wanted: &Wanted<'_>, writer: &mut W) -> Result<Download, StoreError>
    where
        W: AsyncWrite + Unpin + ?Sized,
    {
        if wanted.key.is_empty() {
            // Its URL is the bucket's.
            return Ok(Download::Vanished);
        }
        let ask = Ask { method: Method::GET, key: wanted.key, query: &[], if_match: wanted.etag };
        let (request, outcome) = self.ask(&ask).await?;
        let response = match outcome {
            Ok(response) => response,
            Err(refusal) if refusal.code() == "NoSuchKey" => return Ok(Download::Vanished),
            Err(refusal) if refusal.status == StatusCode::PRECONDITION_FAILED => return Ok(Download::Changed),
            Err(refusal) => return Err(refusal.into_error()),
        };
        let etag = answer::unquoted(&etag(&request, &response)?).to_owned();
        // Not every service that speaks S3 knows the precondition.
        if wanted.etag.is_some_and(|wanted| wanted != etag) {
            return Ok(Download::Changed);
        }
        let size = copy(response, wanted.max_bytes, writer).await?;
        Ok(Download::Done { etag, size })
    }

    /// Sends, and sends once more if the service says that the bucket is in another region than it said before.
    async fn ask(&self, ask: &Ask<'_>) -> Result<(Request, Result<Response, Refusal>), StoreError> {
        let region = self.region().await?;
        let (request, outcome) = self.send(ask, &region).await?;
        match outcome {
            Err(refusal) if self.fixed_region.is_none() => match other_region(&refusal, &region) {
                Some(region) => {
                    self.set_found(region.clone());
                    self.send(ask, &region).await
                }
                None => Ok((request, Err(refusal))),
            },
            outcome => Ok((request, outcome)),
        }
    }

    async fn send(&self, ask: &Ask<'_>, region: &Region) -> Result<(Request, Result<Response, Refusal>), StoreError> {
        let url = self.endpoint.url(region, &self.bucket, ask.key, ask.query)?;
        let mut request = Request::new(ask.method.clone(), url.clone());
        if let Some(etag) = ask.if_match {
            request = request.header(header::IF_MATCH, &format!("\"{etag}\""))?;
        }
        if let Some(credentials) = &self.credentials {
            request = sign::sign(request, &url, credentials, region, Timestamp::now())?;
        }
        let about = ask.about();
        let read = |body: &[u8], headers: &_, status| answer::problem(body, headers, status, about);
        let outcome = send(&self.http, &request, read).await?;
        Ok((request, outcome))
    }

    async fn region(&self) -> Result<Region, StoreError> {
        if let Some(region) = &self.fixed_region {
            return Ok(region.clone());
        }
        if let Some(region) = self.found() {
            return Ok(region);
        }
        // Two downloads that ask at the same time are told the same.
        let region = self.discover().await?;
        self.set_found(region.clone());
        Ok(region)
    }

    async fn discover(&self) -> Result<Region, StoreError> {
        let ask = Ask { method: Method::GET, key: "", query: &[("location", "")], if_match: None };
        let (request, outcome) = self.send(&ask, &Region::default_region()).await?;
        match outcome {
            Ok(response) => Ok(Region::new(&read(&request, response, MAX_ANSWER_BYTES, answer::location).await?)?),
            Err(refusal) => match refusal.code() {
                "AuthorizationHeaderMalformed" | "InvalidRegion" | "AccessDenied" => {
                    // Who may read objects need not be allowed to ask where they are.
                    Ok(Region::new(&refusal.problem.region).unwrap_or_else(|_| Region::default_region()))
                }
                "NotImplemented" | "MethodNotAllowed" => Ok(Region::default_region()),
                _ => Err(refusal.into_error()),
            },
        }
    }

    fn found(&self) -> Option<Region> {
        self.found_region.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_found(&self, region: Region) {
        *self.found_region.lock().unwrap_or_else(PoisonError::into_inner) = Some(region);
    }
}

/// The region that a refusal names, if that is why it is one.
fn other_region(refusal: &Refusal, region: &Region) -> Option<Region> {
    let about_region = match refusal.code() {
        "AuthorizationHeaderMalformed" | "InvalidRegion" | "AccessDenied" | "PermanentRedirect" => true,
        // A HEAD has no body to say so.
        "" => refusal.status == StatusCode::BAD_REQUEST,
        _ => false,
    };
    Region::new(&refusal.problem.region).ok().filter(|named| about_region && named != region)
}
