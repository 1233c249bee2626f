//! Google Cloud Storage by its JSON API: the provider `gcp`.
//!
//! Deliberately read-only, and without the exchange of a service account for a token, which is the caller's.

use serde::Deserialize;
use sluice_http_client::{ClientConfig, HeaderMap, HttpClient, Request, Response, Secret, StatusCode, Url};
use tokio::io::AsyncWrite;

use crate::error::{AnswerError, excerpt};
use crate::listing::{Entry, Page};
use crate::transport::{
    MAX_ANSWER_BYTES, MAX_PAGE_BYTES, Problem, Refusal, client, copy, encode, encode_query, listed_key, read, send,
};
use crate::{BucketName, Download, StoreError, Wanted};

/// How often a download starts over because the object was replaced between the request for its tag and that for its content.
const MAX_ATTEMPTS: usize = 3;

/// A bucket at Google Cloud Storage.
#[derive(Clone, Debug)]
pub struct GcsSettings {
    /// The service's URL: [`GcsSettings::ENDPOINT`], or a stub's.
    pub endpoint: Url,
    /// The bucket.
    pub bucket: BucketName,
    /// How requests are authorized.
    pub auth: GcsAuth,
}

impl GcsSettings {
    /// Google's own service. No field of a spec changes it.
    pub const ENDPOINT: &str = "https://storage.googleapis.com";
}

/// How requests to Google are authorized.
#[derive(Clone, Debug)]
pub enum GcsAuth {
    /// Not at all.
    Anonymous,
    /// Each carries a token.
    Bearer(Secret<String>),
}

#[derive(Debug)]
pub(crate) struct Gcs {
    http: HttpClient,
    endpoint: Url,
    bucket: BucketName,
    auth: GcsAuth,
}

#[derive(Deserialize)]
struct Objects {
    #[serde(default)]
    items: Vec<Object>,
    #[serde(default, rename = "nextPageToken")]
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
struct Object {
    name: String,
    etag: String,
    #[serde(default)]
    size: Option<String>,
}

#[derive(Deserialize)]
struct Attributes {
    etag: String,
    /// A 64-bit number as text.
    generation: String,
}

#[derive(Deserialize)]
struct Failure {
    error: FailureDetail,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct FailureDetail {
    message: String,
    errors: Vec<FailureReason>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct FailureReason {
    reason: String,
}

impl Gcs {
    pub(crate) fn new(settings: GcsSettings, http: &ClientConfig) -> Result<Self, StoreError> {
        let GcsSettings { endpoint, bucket, auth } = settings;
        Ok(Self { http: client(http)?, endpoint, bucket, auth })
    }

    pub(crate) fn bucket(&self) -> &BucketName {
        &self.bucket
    }

    pub(crate) async fn exists(&self) -> Result<bool, StoreError> {
        let (_, outcome) = self.send("", None, &[("fields", "name")]).await?;
        match outcome {
            Ok(_) => Ok(true),
            Err(refusal) if refusal.status == StatusCode::NOT_FOUND => Ok(false),
            Err(refusal) => Err(refusal.into_error()),
        }
    }

    pub(crate) async fn page(
        &self,
        prefix: &str,
        token: Option<&str>,
        page_size: Option<u32>,
    ) -> Result<Page, StoreError> {
        let page_size = page_size.map(|size| size.to_string());
        let mut query = vec![("fields", "nextPageToken,items(name,etag,size)"), ("projection", "noAcl")];
        if !prefix.is_empty() {
            query.push(("prefix", prefix));
        }
        query.extend(token.map(|token| ("pageToken", token)));
        query.extend(page_size.as_deref().map(|size| ("maxResults", size)));
        let (request, outcome) = self.send("/o", None, &query).await?;
        read(&request, outcome.map_err(Refusal::into_error)?, MAX_PAGE_BYTES, page).await
    }

    pub(crate) async fn get<W>(&self, wanted: &Wanted<'_>, writer: &mut W) -> Result<Download, StoreError>
    where
        W: AsyncWrite + Unpin + ?Sized,
    {
        if wanted.key.is_empty() {
            // Its URL is the listing's.
            return Ok(Download::Vanished);
        }
        for _ in 0..MAX_ATTEMPTS {
            let Some(Attributes { etag, generation }) = self.attributes(wanted.key).await? else {
                return Ok(Download::Vanished);
            };
            if wanted.etag.is_some_and(|wanted| wanted != etag) {
                return Ok(Download::Changed);
            }
            // The content's own response does not have that entity tag, so the generation ties the two together.
            let query = [("alt", "media"), ("ifGenerationMatch", generation.as_str())];
            let (_, outcome) = self.send("/o", Some(wanted.key), &query).await?;
            match outcome {
                Ok(response) => {
                    let size = copy(response, wanted.max_bytes, writer).await?;
                    return Ok(Download::Done { etag, size });
                }
                Err(refusal) if refusal.status == StatusCode::NOT_FOUND => return Ok(Download::Vanished),
                Err(refusal) if refusal.status == StatusCode::PRECONDITION_FAILED => {}
                Err(refusal) => return Err(refusal.into_error()),
            }
        }
        Ok(Download::Changed)
    }

    /// `None` if there is no such object.
    async fn attributes(&self, key: &str) -> Result<Option<Attributes>, StoreError> {
        let (request, outcome) = self.send("/o", Some(key), &[("fields", "etag,generation")]).await?;
        match outcome {
            Ok(response) => read(&request, response, MAX_ANSWER_BYTES, attributes).await.map(Some),
            Err(refusal) if refusal.status == StatusCode::NOT_FOUND => Ok(None),
            Err(refusal) => Err(refusal.into_error()),
        }
    }

    async fn send(
        &self,
        collection: &str,
        key: Option<&str>,
        query: &[(&str, &str)],
    ) -> Result<(Request, Result<Response, Refusal>), StoreError> {
        let mut request = Request::get(self.url(collection, key, query)?);
        if let GcsAuth::Bearer(token) = &self.auth {
            request = request.bearer_auth(token)?;
        }
        let outcome = send(&self.http, &request, |body, _: &HeaderMap, _| problem(body)).await?;
        Ok((request, outcome))
    }

    /// An object's name is one path segment: so even names with `..` between slashes arrive.
    fn url(&self, collection: &str, key: Option<&str>, query: &[(&str, &str)]) -> Result<Url, StoreError> {
        let base = self.endpoint.path().trim_end_matches('/');
        let mut path = format!("{base}/storage/v1/b/{}{collection}", encode(self.bucket.as_str()));
        if let Some(key) = key {
            path = format!("{path}/{}", encode(key));
        }
        let mut url = self.endpoint.clone();
        url.set_path(&path);
        if url.path() != path {
            return Err(StoreError::UnrequestableKey { key: excerpt(key.unwrap_or_default()) });
        }
        url.set_query(Some(&encode_query(query)));
        Ok(url)
    }
}

fn page(bytes: &[u8]) -> Result<Page, AnswerError> {
    let objects: Objects = object(bytes)?;
    let mut entries = Vec::with_capacity(objects.items.len());
    for Object { name, etag, size } in objects.items {
        let size = size.as_deref().unwrap_or("0").parse().map_err(|_| AnswerError::Missing("size"))?;
        if etag.is_empty() {
            return Err(AnswerError::Missing("etag"));
        }
        entries.push(Entry { key: listed_key(name)?, etag, size });
    }
    Ok(Page { entries, next: objects.next_page_token.filter(|token| !token.is_empty()) })
}

fn attributes(bytes: &[u8]) -> Result<Attributes, AnswerError> {
    let attributes: Attributes = object(bytes)?;
    if attributes.etag.is_empty() {
        return Err(AnswerError::Missing("etag"));
    }
    attributes.generation.parse::<u64>().map_err(|_| AnswerError::Missing("generation"))?;
    Ok(attributes)
}

/// A JSON object. An array would do for a structure too, and `[]` for a bucket without objects.
fn object<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, AnswerError> {
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err(AnswerError::Json);
    }
    serde_json::from_slice(bytes).map_err(|_| AnswerError::Json)
}

fn problem(bytes: &[u8]) -> Problem {
    let failure = serde_json::from_slice::<Failure>(bytes).map(|failure| failure.error).unwrap_or_default();
    let code = failure.errors.into_iter().next().unwrap_or_default().reason;
    Problem { code, message: failure.message, region: String::new() }
}
