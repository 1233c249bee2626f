//! The client against real loopback servers.
#![expect(clippy::unwrap_used, reason = "a failed step of a test's set-up is the test's failure")]

use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect};
use axum::routing::{any, get};
use sluice_http_client::{
    ClientConfig, ClientIdentity, ConfigError, FailureKind, HttpClient, HttpError, Proxy, Redirects, Request,
    RetryPolicy, Secret, TrustRoots, Url,
};

fn direct() -> ClientConfig {
    ClientConfig { proxy: Proxy::Direct, ..ClientConfig::default() }
}

fn client() -> HttpClient {
    HttpClient::new(&direct()).expect("default client")
}

async fn serve(router: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn url(address: SocketAddr, rest: &str) -> Url {
    Url::parse(&format!("http://{address}{rest}")).unwrap()
}

const QUICK: RetryPolicy =
    RetryPolicy { attempts: 3, min_wait: Duration::from_millis(1), max_wait: Duration::from_millis(5) };

/// Answers `failures` times with `status`, then with 200.
async fn failing(failures: u32, status: StatusCode) -> (SocketAddr, Arc<AtomicU32>) {
    let count = Arc::new(AtomicU32::new(0));
    let handler = move |State(count): State<Arc<AtomicU32>>| async move {
        let failed = count.fetch_add(1, Ordering::SeqCst) < failures;
        if failed { (status, [(header::RETRY_AFTER, "3600")], "").into_response() } else { "well".into_response() }
    };
    (serve(Router::new().fallback(any(handler)).with_state(Arc::clone(&count))).await, count)
}

#[tokio::test]
async fn retries_stop_at_success_at_a_final_status_and_when_attempts_are_used_up() {
    for (failures, status, requests, last) in [
        (2, StatusCode::SERVICE_UNAVAILABLE, 3, StatusCode::OK),
        (9, StatusCode::TOO_MANY_REQUESTS, 3, StatusCode::TOO_MANY_REQUESTS),
        (9, StatusCode::NOT_FOUND, 1, StatusCode::NOT_FOUND),
        (9, StatusCode::NOT_IMPLEMENTED, 1, StatusCode::NOT_IMPLEMENTED),
    ] {
        let (address, count) = failing(failures, status).await;
        let response = client().send_with_retry(&Request::get(url(address, "/")), &QUICK).await.unwrap();
        assert_eq!((response.status(), count.load(Ordering::SeqCst)), (last, requests), "{status}");
    }
}

#[tokio::test]
async fn a_download_is_written_whole_or_refused_at_the_limit() {
    let address = serve(Router::new().route("/", get(|| async { "x".repeat(1000) }))).await;
    let streamed = serve(Router::new().route("/", get(|| async { axum::body::Body::from_stream(pieces()) }))).await;
    let mut bytes = Vec::new();
    let request = Request::get(url(address, "/"));
    let written = client().download(&request, &RetryPolicy::NEVER, 1000, &mut bytes).await.unwrap();
    assert_eq!((written, bytes.len()), (1000, 1000));
    for address in [address, streamed] {
        let error = client()
            .download(&Request::get(url(address, "/")), &RetryPolicy::NEVER, 999, &mut Vec::new())
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), format!("GET http://{address}/: response body is larger than 999 bytes"));
    }
}

/// A body without a length: ten pieces of a hundred bytes.
fn pieces() -> impl futures::Stream<Item = Result<Vec<u8>, Infallible>> + Send + 'static {
    futures::stream::iter((0..10).map(|_| Ok(vec![b'x'; 100])))
}

#[tokio::test]
async fn errors_name_the_cause_and_never_a_secret() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = Request::get(Url::parse(&format!("http://user:hunter2@{closed}/p?token=hunter2")).unwrap());
    let error = client().send(&refused).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("GET http://***@{closed}/p?***: failed to connect: Connection refused (os error 111)")
    );

    let unknown = Request::get(Url::parse("http://no-such-host.invalid/hook/hunter2").unwrap()).with_secret_path();
    let error = client().send(&unknown).await.unwrap_err();
    assert_eq!(error.kind(), Some(FailureKind::UnknownHost));
    assert!(error.to_string().starts_with("GET http://no-such-host.invalid/***: unknown host: "), "{error}");
    assert!(!format!("{unknown:?} {error:?}").contains("hunter2"));

    let token = Secret::new("hunter2\n".to_owned());
    let error = Request::get(url(closed, "/")).bearer_auth(&token).unwrap_err();
    assert_eq!(error.to_string(), "header 'authorization' has an invalid value");
}

#[tokio::test]
async fn a_server_that_never_answers_ends_in_a_timeout() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = ClientConfig { request_timeout: Some(Duration::from_millis(100)), ..direct() };
    let request = Request::get(url(silent.local_addr().unwrap(), "/"));
    let error = HttpClient::new(&config).unwrap().send(&request).await.unwrap_err();
    assert_eq!(error.kind(), Some(FailureKind::Timeout), "{error}");
    assert!(error.to_string().ends_with(": timed out: operation timed out"), "{error}");
}

#[tokio::test]
async fn a_redirect_to_another_host_is_refused_when_the_host_must_stay() {
    let target = serve(Router::new().route("/", get(|| async { "target" }))).await;
    let to_other = url(target, "/").to_string();
    let router = Router::new()
        .route("/other", get(move || async move { Redirect::temporary(&to_other) }))
        .route("/same", get(|| async { Redirect::temporary("/here") }))
        .route("/here", get(|| async { "here" }));
    let address = serve(router).await;
    let send = async |redirects, path| {
        let client = HttpClient::new(&ClientConfig { redirects, ..direct() }).unwrap();
        match client.send(&Request::get(url(address, path))).await {
            Ok(response) => Ok(response.status().as_u16()),
            Err(error) => Err(error.kind()),
        }
    };
    assert_eq!(send(Redirects::SameHost, "/same").await, Ok(200));
    assert_eq!(send(Redirects::SameHost, "/other").await, Err(Some(FailureKind::Redirect)));
    assert_eq!(send(Redirects::Anywhere, "/other").await, Ok(200));
    assert_eq!(send(Redirects::Never, "/other").await, Ok(307));
}

#[tokio::test]
async fn credentials_and_agent_arrive_and_the_proxy_gets_its_own() {
    let echo = |headers: HeaderMap, uri: axum::http::Uri| async move {
        let get = |name| headers.get(name).map_or("-", |v: &header::HeaderValue| v.to_str().unwrap()).to_owned();
        format!("{uri} {} {} {}", get("authorization"), get("proxy-authorization"), get("user-agent"))
    };
    let address = serve(Router::new().fallback(echo)).await;
    let agent = concat!("flux/v2 (sluice/", env!("CARGO_PKG_VERSION"), ")");
    let text = async |config: &ClientConfig, request: Request| {
        let response = HttpClient::new(config).unwrap().send(&request).await.unwrap();
        String::from_utf8(response.into_body(1 << 20).unwrap().bytes().await.unwrap().to_vec()).unwrap()
    };
    let basic = Request::get(url(address, "/a")).basic_auth("u", &Secret::new("p".into())).unwrap();
    assert_eq!(text(&direct(), basic).await, format!("/a Basic dTpw - {agent}"));

    let proxy = Url::parse(&format!("http://pu:p%40w@{address}")).unwrap();
    let config = ClientConfig { proxy: Proxy::Url(Secret::new(proxy)), ..ClientConfig::default() };
    let through = Request::get(Url::parse("http://elsewhere.invalid/b").unwrap());
    assert_eq!(text(&config, through).await, format!("http://elsewhere.invalid/b - Basic cHU6cEB3 {agent}"));
}

#[tokio::test]
async fn a_socks5_proxy_gets_the_host_name_and_the_credentials() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = Url::parse(&format!("socks5://pu:pw@{}", listener.local_addr().unwrap())).unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut exchange = |reply: &[u8]| {
            let mut buffer = [0; 512];
            let length = stream.read(&mut buffer).unwrap();
            stream.write_all(reply).unwrap();
            buffer[..length].to_vec()
        };
        // Username and password, accepted; connected to nowhere in particular; the answer to the request itself.
        exchange(&[5, 2]);
        let login = exchange(&[1, 0]);
        let connect = exchange(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        exchange(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
        (login, connect)
    });
    let config = ClientConfig { proxy: Proxy::Url(Secret::new(proxy)), ..ClientConfig::default() };
    let request = Request::get(Url::parse("http://elsewhere.invalid/").unwrap());
    let response = HttpClient::new(&config).unwrap().send(&request).await.unwrap();
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    let (login, connect) = server.join().unwrap();
    assert_eq!(login, b"\x01\x02pu\x02pw");
    assert_eq!(connect, b"\x05\x01\x00\x03\x11elsewhere.invalid\x00\x50");
}

#[tokio::test]
async fn a_tls_client_trusts_what_it_was_given_and_nothing_else() {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let pem = parameters.self_signed(&key).unwrap().pem().into_bytes();
    for roots in [TrustRoots::SystemAnd(pem.clone()), TrustRoots::Only(pem.clone()), TrustRoots::Unverified] {
        HttpClient::new(&ClientConfig { roots, ..direct() }).unwrap();
    }
    for roots in [TrustRoots::SystemAnd(b"no pem".to_vec()), TrustRoots::Only(b"no pem".to_vec())] {
        let error = HttpClient::new(&ClientConfig { roots, ..direct() }).unwrap_err();
        assert_eq!(error.to_string(), "failed to parse CA certificate bundle");
    }
    let identity = |certificate: &[u8], key: &str| {
        let key = Secret::new(key.as_bytes().to_vec());
        ClientConfig { identity: Some(ClientIdentity { certificate: certificate.to_vec(), key }), ..direct() }
    };
    HttpClient::new(&identity(&pem, &key.serialize_pem())).unwrap();
    let other = rcgen::KeyPair::generate().unwrap().serialize_pem();
    for (certificate, key) in [(pem.as_slice(), "no pem"), (b"no pem", other.as_str())] {
        let error = HttpClient::new(&identity(certificate, key)).unwrap_err();
        assert!(matches!(error, ConfigError::Identity(_)), "{error}");
    }

    // A server that answers the handshake with plain text.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    let https = Request::get(Url::parse(&format!("https://{address}/")).unwrap());
    let error = client().send(&https).await.unwrap_err();
    server.join().unwrap();
    assert_eq!(error.kind(), Some(FailureKind::Tls), "{error}");
}

#[test]
fn unusable_proxies_are_refused_without_printing_them() {
    let proxy = Url::parse("ftp://user:hunter2@host").unwrap();
    let config = ClientConfig { proxy: Proxy::Url(Secret::new(proxy)), ..ClientConfig::default() };
    assert!(!format!("{config:?}").contains("hunter2"));
    let error = HttpClient::new(&config).unwrap_err();
    assert_eq!(error.to_string(), "proxy scheme 'ftp' is not one of http, https, socks5");
}

const NO_STORE: &str = "SLUICE_TEST_NO_CA_STORE";

#[tokio::test]
async fn plain_http_works_without_a_ca_store() {
    if std::env::var_os(NO_STORE).is_none() {
        // The store is found through the environment, which only a process of its own may change.
        #[expect(clippy::disallowed_methods, reason = "the test runs itself again in another environment")]
        let mut again = Command::new(std::env::current_exe().unwrap());
        again.args(["--exact", "plain_http_works_without_a_ca_store"]).env(NO_STORE, "1");
        again.env("SSL_CERT_FILE", "/does/not/exist").env("SSL_CERT_DIR", "/does/not/exist");
        assert!(again.output().unwrap().status.success());
        return;
    }
    let address = serve(Router::new().route("/", get(|| async { "plain" }))).await;
    assert_eq!(client().send(&Request::get(url(address, "/"))).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_status_is_an_error_only_to_who_asks() {
    let (address, _) = failing(9, StatusCode::NOT_FOUND).await;
    let response = client().send(&Request::get(url(address, "/x"))).await.unwrap();
    let error = response.error_for_status().unwrap_err();
    assert!(matches!(&error, HttpError::Status { status, .. } if *status == StatusCode::NOT_FOUND));
    assert_eq!(error.to_string(), format!("GET http://{address}/x: unexpected status 404 Not Found"));
}
