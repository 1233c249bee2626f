//! Serves artifacts over plain HTTP: whole files, one range of a file, or "not modified".
//!
//! Deliberately no directory listing and nothing that is not an artifact: only paths of the form `kind/namespace/name/file` that parse
//! as [`ArtifactPath`] are looked at, so lock files, temporary files and whatever else lies in the volume are out of reach. `/` answers
//! 200, which is the readiness probe of the stock Deployment.

use std::io::SeekFrom;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sluice_artifact::ArtifactPath;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

/// Routes of the file server over the storage `root`.
pub fn routes(root: PathBuf) -> Router {
    Router::new().route("/", get(|| async { "" })).route("/{*path}", get(serve)).with_state(Arc::new(root))
}

async fn serve(
    State(root): State<Arc<PathBuf>>,
    Path(path): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let Ok(path) = path.parse::<ArtifactPath>() else { return StatusCode::NOT_FOUND.into_response() };
    match open(&root.join(path.to_relative())).await {
        Some(file) => {
            respond(file, &method, &headers).await.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

struct Artifact {
    file: File,
    size: u64,
    /// Seconds since 1970.
    modified: i64,
}

/// Opens a regular file. A symlink that `latest.tar.gz` is may be followed: links are made by the storage alone.
async fn open(path: &std::path::Path) -> Option<Artifact> {
    let file = File::open(path).await.ok()?;
    let meta = file.metadata().await.ok().filter(std::fs::Metadata::is_file)?;
    let modified = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH).duration_since(UNIX_EPOCH).unwrap_or_default();
    Some(Artifact { file, size: meta.len(), modified: i64::try_from(modified.as_secs()).unwrap_or(0) })
}

async fn respond(mut artifact: Artifact, method: &Method, headers: &HeaderMap) -> std::io::Result<Response> {
    let mut response = Response::builder()
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::CONTENT_TYPE, "application/gzip")
        .header(header::LAST_MODIFIED, http_date(artifact.modified));
    if not_modified_since(headers, artifact.modified) {
        return Ok(response.status(StatusCode::NOT_MODIFIED).body(Body::empty()).unwrap_or_default());
    }
    let range = match requested_range(headers.get(header::RANGE), artifact.size) {
        Range::Whole => None,
        Range::Part { first, last } => Some((first, last)),
        Range::Unsatisfiable => {
            let response = response.header(header::CONTENT_RANGE, format!("bytes */{}", artifact.size));
            return Ok(response.status(StatusCode::RANGE_NOT_SATISFIABLE).body(Body::empty()).unwrap_or_default());
        }
    };
    let length = match range {
        Some((first, last)) => {
            artifact.file.seek(SeekFrom::Start(first)).await?;
            response = response
                .status(StatusCode::PARTIAL_CONTENT)
                .header(header::CONTENT_RANGE, format!("bytes {first}-{last}/{}", artifact.size));
            last - first + 1
        }
        None => artifact.size,
    };
    let body = if method == Method::HEAD {
        Body::empty()
    } else {
        Body::from_stream(ReaderStream::new(artifact.file.take(length)))
    };
    Ok(response.header(header::CONTENT_LENGTH, length).body(body).unwrap_or_default())
}

#[derive(Debug, PartialEq, Eq)]
enum Range {
    Whole,
    Part { first: u64, last: u64 },
    Unsatisfiable,
}

/// One range of RFC 9110, 14.1.2. Several ranges, and what does not parse, are answered with the whole file, as the RFC allows.
fn requested_range(header: Option<&HeaderValue>, size: u64) -> Range {
    let parsed =
        header.and_then(|value| value.to_str().ok()).and_then(|text| text.strip_prefix("bytes=")?.split_once('-'));
    let Some((first, last)) = parsed else { return Range::Whole };
    match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), _) if first >= size => Range::Unsatisfiable,
        (Ok(first), Ok(last)) if last >= first => Range::Part { first, last: last.min(size - 1) },
        (Ok(first), Err(_)) if last.is_empty() => Range::Part { first, last: size - 1 },
        (Err(_), Ok(suffix)) if first.is_empty() && suffix > 0 && size > 0 => {
            Range::Part { first: size.saturating_sub(suffix), last: size - 1 }
        }
        (Err(_), Ok(_)) if first.is_empty() => Range::Unsatisfiable,
        _ => Range::Whole,
    }
}

fn not_modified_since(headers: &HeaderMap, modified: i64) -> bool {
    let since = headers.get(header::IF_MODIFIED_SINCE).and_then(|value| value.to_str().ok());
    let since = since.and_then(|text| jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok());
    since.is_some_and(|since| since.as_second() >= modified)
}

/// The date form of RFC 9110, 5.6.7.
fn http_date(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_follow_the_rfc() {
        let part = |first, last| Range::Part { first, last };
        let cases = [
            (None, Range::Whole),
            (Some("bytes=0-3"), part(0, 3)),
            (Some("bytes=4-"), part(4, 9)),
            (Some("bytes=4-100"), part(4, 9)),
            (Some("bytes=-3"), part(7, 9)),
            (Some("bytes=-30"), part(0, 9)),
            (Some("bytes=10-"), Range::Unsatisfiable),
            (Some("bytes=-0"), Range::Unsatisfiable),
            (Some("bytes=5-2"), Range::Whole),
            (Some("bytes=0-1,3-4"), Range::Whole),
            (Some("lines=1-2"), Range::Whole),
        ];
        for (header, expected) in cases {
            let value = header.map(HeaderValue::from_static);
            assert_eq!(requested_range(value.as_ref(), 10), expected, "{header:?}");
        }
    }

    struct Server {
        address: std::net::SocketAddr,
        root: tempfile::TempDir,
        client: sluice_http_client::HttpClient,
    }

    impl Server {
        async fn start() -> Self {
            sluice_http_client::install_crypto_provider();
            let root = tempfile::tempdir().expect("a temporary directory");
            let dir = root.path().join("gitrepository/apps/web");
            std::fs::create_dir_all(&dir).expect("created");
            std::fs::write(dir.join("abc.tar.gz"), "0123456789").expect("written");
            std::fs::write(dir.join("abc.tar.gz.lock"), "").expect("written");
            std::fs::write(root.path().join("secret"), "no").expect("written");
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let address = listener.local_addr().expect("bound");
            tokio::spawn(axum::serve(listener, routes(root.path().to_owned())).into_future());
            let client =
                sluice_http_client::HttpClient::new(&sluice_http_client::ClientConfig::default()).expect("a client");
            Self { address, root, client }
        }

        async fn get(&self, path: &str, headers: &[(header::HeaderName, &str)]) -> (u16, Vec<u8>) {
            let url = format!("http://{}/{path}", self.address).parse().expect("a URL");
            let mut request = sluice_http_client::Request::get(url);
            for (name, value) in headers {
                request = request.header(name.clone(), value).expect("a plain value");
            }
            let response = self.client.send(&request).await.expect("an answer");
            let status = response.status().as_u16();
            let mut body = Vec::new();
            response.into_body(1000).expect("small").copy_to(&mut body).await.expect("the body");
            (status, body)
        }
    }

    #[tokio::test]
    async fn an_artifact_is_served_whole_in_part_or_not_at_all() {
        let server = Server::start().await;
        let path = "gitrepository/apps/web/abc.tar.gz";
        assert_eq!(server.get(path, &[]).await, (200, b"0123456789".to_vec()));
        assert_eq!(server.get(path, &[(header::RANGE, "bytes=2-4")]).await, (206, b"234".to_vec()));
        let modified =
            std::fs::metadata(server.root.path().join(path)).and_then(|meta| meta.modified()).expect("a time");
        let seconds = modified.duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let date = http_date(i64::try_from(seconds).expect("small"));
        assert_eq!(server.get(path, &[(header::IF_MODIFIED_SINCE, &date)]).await, (304, Vec::new()));
    }

    #[tokio::test]
    async fn nothing_but_artifacts_is_served() {
        let server = Server::start().await;
        assert_eq!(server.get("", &[]).await.0, 200, "the readiness probe");
        let hidden = [
            "secret",
            "gitrepository",
            "gitrepository/apps/web",
            "gitrepository/apps/web/",
            "gitrepository/apps/web/abc.tar.gz.lock",
            "gitrepository/apps/web/other.tar.gz",
            "gitrepository/apps/web/..%2f..%2f..%2fsecret",
            "gitrepository/..%2f/web/abc.tar.gz",
            "%2e%2e/x/y/z",
        ];
        for path in hidden {
            assert_eq!(server.get(path, &[]).await.0, 404, "{path}");
        }
    }
}
