//! Stores against real servers where there are such (S3, Azure), and at the HTTP boundary where there are not (Google, LDAP) or where no
//! real server would behave so badly.
#![expect(clippy::unwrap_used, reason = "a failed step of a test's set-up is the test's failure")]

mod azure;
mod gcs;
mod hostile;
mod s3;
mod sts;

use std::time::Duration;

use sluice_bucket::{BucketName, Download, Entry, ListLimits, Store, StoreError, Wanted};
use sluice_http_client::{ClientConfig, Proxy};
use sluice_testkit::sink::Answer;
use tokio::time::Instant;

fn direct() -> ClientConfig {
    ClientConfig { proxy: Proxy::Direct, ..ClientConfig::default() }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

fn name(name: &str) -> BucketName {
    BucketName::new(name).unwrap()
}

const LIMITS: ListLimits = ListLimits { max_objects: 10_000, page_size: None };

fn pages_of(page_size: u32) -> ListLimits {
    ListLimits { page_size: Some(page_size), ..LIMITS }
}

async fn list(store: &Store, prefix: &str, limits: ListLimits) -> Result<Vec<Vec<Entry>>, StoreError> {
    let mut listing = store.list(prefix, limits, soon());
    let mut pages = Vec::new();
    while let Some(page) = listing.next_page().await? {
        pages.push(page);
    }
    Ok(pages)
}

fn keys(pages: &[Vec<Entry>]) -> Vec<&str> {
    pages.iter().flatten().map(|entry| entry.key.as_str()).collect()
}

/// What became of it, and what was written.
async fn get(store: &Store, key: &str, etag: Option<&str>) -> Result<(Download, String), StoreError> {
    let mut content = Vec::new();
    let wanted = Wanted { key, etag, max_bytes: 1 << 20, deadline: soon() };
    let download = store.get(wanted, &mut content).await?;
    Ok((download, String::from_utf8(content).unwrap()))
}

fn done(etag: &str, content: &str) -> (Download, String) {
    (Download::Done { etag: etag.to_owned(), size: content.len() as u64 }, content.to_owned())
}

/// The error with its causes, as a condition's message has them.
fn text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text = format!("{text}: {error}");
        next = error.source();
    }
    text
}

fn answer(status: u16, body: &str) -> Answer {
    Answer { status: http::StatusCode::from_u16(status).unwrap(), body: body.to_owned().into(), ..Answer::default() }
}
