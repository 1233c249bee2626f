//! Object storage for the Bucket kind: does the bucket exist, what is in it, give me this object. S3 and whatever speaks it, Google
//! Cloud Storage (JSON API), Azure Blob Storage.
//!
//! All that a storage service says is taken as hostile: answers are bounded in bytes, entries and time, keys become paths only through
//! [`ObjectPath`], and errors carry neither credentials nor a URL's query.
//!
//! Deliberately not here: where credentials come from (`sluice-cloud-identity`; only the exchange at an S3 service's own token service,
//! [`sts`], is here), which keys are ignored, how many downloads run at once, and anything on disk.

mod azure;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod gcs;
mod index;
mod key;
mod listing;
mod name;
mod s3;
mod secret;
mod store;
pub mod sts;
mod transport;
mod xml;

pub use azure::{AccountKey, AzureAuth, AzureSettings};
pub use error::{AnswerError, OperationError, StoreError};
pub use gcs::{GcsAuth, GcsSettings};
pub use index::{Index, IndexError};
pub use key::{KeyError, ObjectPath, ObjectPaths};
pub use listing::{Entry, ListLimits, Listing};
pub use name::{BucketName, NameError};
pub use s3::{EndpointError, S3Settings, Scheme};
pub use secret::{AzureSecret, SecretData, SecretError, SendChain, gcs_secret, ldap_secret, s3_secret};
pub use sluice_cloud_identity::sigv4::AwsCredentials;
pub use store::{Download, Store, Wanted};
