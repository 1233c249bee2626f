//! One bucket at one service, whichever it is.
//!
//! Deliberately a closed set and not a trait: every use is the same three calls, and a match on three variants needs no boxed futures.

use sluice_http_client::ClientConfig;
use tokio::io::AsyncWrite;
use tokio::time::Instant;

use crate::azure::{Azure, AzureSettings};
use crate::gcs::{Gcs, GcsSettings};
use crate::listing::{ListLimits, Listing, Page};
use crate::s3::{S3, S3Settings};
use crate::transport::within;
use crate::{BucketName, StoreError};

/// A bucket that can be asked for its objects. Calls may run at the same time; every future may be dropped at any time.
#[derive(Debug)]
pub struct Store(Backend);

#[derive(Debug)]
enum Backend {
    S3(S3),
    Gcs(Gcs),
    Azure(Azure),
}

/// What became of a download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Download {
    /// The writer has all of it.
    Done {
        /// The entity tag of what was written, in the form of [`crate::Entry::etag`].
        etag: String,
        /// Bytes written.
        size: u64,
    },
    /// There is no such object (any more). Nothing was written.
    Vanished,
    /// The object has another entity tag than was asked for, or, at Azure, is not there any more, or is replaced over and over. Nothing was
    /// written; a download without a tag tells.
    Changed,
}

/// An object to download.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The key.
    pub key: &'a str,
    /// The entity tag that it must have, in the form of [`crate::Entry::etag`]; `None` takes what there is.
    pub etag: Option<&'a str>,
    /// Bytes that are taken at most.
    pub max_bytes: u64,
    /// When to give up.
    pub deadline: Instant,
}

impl Store {
    /// A bucket at S3 or a service that speaks it. `http` brings proxy, timeouts and user agent, and, for https, TLS.
    ///
    /// # Errors
    /// [`StoreError::Endpoint`] and [`StoreError::Client`].
    pub fn s3(settings: S3Settings, http: &ClientConfig) -> Result<Self, StoreError> {
        Ok(Self(Backend::S3(S3::new(settings, http)?)))
    }

    /// A bucket at Google Cloud Storage.
    ///
    /// # Errors
    /// [`StoreError::Client`].
    pub fn gcs(settings: GcsSettings, http: &ClientConfig) -> Result<Self, StoreError> {
        Ok(Self(Backend::Gcs(Gcs::new(settings, http)?)))
    }

    /// A container at Azure Blob Storage.
    ///
    /// # Errors
    /// [`StoreError::Azure`] and [`StoreError::Client`].
    pub fn azure(settings: AzureSettings, http: &ClientConfig) -> Result<Self, StoreError> {
        Ok(Self(Backend::Azure(Azure::new(settings, http)?)))
    }

    /// The bucket's name.
    pub fn bucket(&self) -> &BucketName {
        match &self.0 {
            Backend::S3(store) => store.bucket(),
            Backend::Gcs(store) => store.bucket(),
            Backend::Azure(store) => store.bucket(),
        }
    }

    /// Whether the bucket exists. A service that hides what the caller may not see answers with an error instead.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn exists(&self, deadline: Instant) -> Result<bool, StoreError> {
        let exists = async {
            match &self.0 {
                Backend::S3(store) => store.exists().await,
                Backend::Gcs(store) => store.exists().await,
                Backend::Azure(store) => store.exists().await,
            }
        };
        within(deadline, exists).await
    }

    /// Begins a listing of the objects whose keys start with `prefix`, which may be empty. `deadline` is for all of its pages.
    pub fn list(&self, prefix: &str, limits: ListLimits, deadline: Instant) -> Listing<'_> {
        Listing::new(self, prefix, limits, deadline)
    }

    pub(crate) async fn page(
        &self,
        prefix: &str,
        token: Option<&str>,
        page_size: Option<u32>,
    ) -> Result<Page, StoreError> {
        match &self.0 {
            Backend::S3(store) => store.page(prefix, token, page_size).await,
            Backend::Gcs(store) => store.page(prefix, token, page_size).await,
            Backend::Azure(store) => store.page(prefix, token, page_size).await,
        }
    }

    /// Writes an object as it comes. After an error the writer may have a part of it: the caller throws that away.
    ///
    /// # Errors
    /// [`StoreError`], with [`sluice_http_client::HttpError::TooLarge`] beyond the byte limit.
    pub async fn get<W>(&self, wanted: Wanted<'_>, writer: &mut W) -> Result<Download, StoreError>
    where
        W: AsyncWrite + Unpin + ?Sized,
    {
        let get = async {
            match &self.0 {
                Backend::S3(store) => store.get(&wanted, writer).await,
                Backend::Gcs(store) => store.get(&wanted, writer).await,
                Backend::Azure(store) => store.get(&wanted, writer).await,
            }
        };
        within(wanted.deadline, get).await
    }
}
