//! Connections to another cluster: bounded in time and bytes, with a token that is asked for at each request where one ends.
//!
//! Deliberately no retries of its own, no HTTP/2 and no watches: an answer has a deadline as a whole.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderValue};
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use kube::client::{Body, ClientBuilder};
use kube::{Client, Config};
use sluice_cloud_identity::ClusterAccess;
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};
use tower_service::Service;

use super::error::TargetError;

/// One request, from asking for a token to the last byte of the answer. The contract's bound.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// The largest answer that is read of a cluster that may be anybody's: objects have 1.5 MiB, a list of the largest discovery some 4 MiB,
/// and what prune and health read is one object at a time.
const MAX_ANSWER_BYTES: u64 = 64 * 1024 * 1024;

/// The future of an answer.
pub(super) type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, kube::Error>> + Send>>;

/// A client of this configuration whose every request is bounded.
pub(super) fn connect(mut config: Config) -> Result<Client, TargetError> {
    config.connect_timeout = Some(REQUEST_TIMEOUT);
    config.read_timeout = Some(REQUEST_TIMEOUT);
    config.write_timeout = Some(REQUEST_TIMEOUT);
    // Else the time that a pooled connection was idle would count.
    config.reset_reader_on_write = true;
    let namespace = config.default_namespace.clone();
    let inner = ClientBuilder::try_from(config).map_err(|error| TargetError::Connect(problem(&error)))?;
    Ok(Client::new(Bounded(inner.build()), namespace))
}

/// What is wrong with a configuration, in fixed words: the library's may quote a key.
fn problem(error: &kube::Error) -> &'static str {
    use kube::client::RustlsTlsError;
    match error {
        kube::Error::RustlsTls(RustlsTlsError::AddRootCertificate(_) | RustlsTlsError::NoValidNativeRootCA(_)) => {
            "the CA certificate cannot be used"
        }
        kube::Error::RustlsTls(RustlsTlsError::InvalidServerName(_)) => "tls-server-name is not a host name",
        kube::Error::RustlsTls(_) => "the client certificate and key are not a usable pair",
        kube::Error::Auth(_) => "the token, or username and password, cannot be sent",
        kube::Error::ProxyProtocolUnsupported { .. } | kube::Error::ProxyProtocolDisabled { .. } => {
            "the proxy's scheme is not one of http, https, socks5"
        }
        _ => "the configuration cannot be used",
    }
}

/// The client of a cluster whose token ends: `client` has the connections, `tokens` is asked at each request, which costs nothing while
/// the token is good.
pub(super) fn with_tokens(client: &Client, tokens: Arc<dyn Tokens>) -> Client {
    Client::new(Bearer { client: client.clone(), tokens }, client.default_namespace())
}

/// Where a request's token comes from.
pub(super) trait Tokens: Send + Sync {
    /// Where the cluster is, and a token that is good now.
    fn access<'a>(&'a self) -> Pin<Box<dyn Future<Output = Result<ClusterAccess, TargetError>> + Send + 'a>>;
}

struct Bearer {
    client: Client,
    tokens: Arc<dyn Tokens>,
}

impl Service<Request<Body>> for Bearer {
    type Response = Response<Body>;
    type Error = kube::Error;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let (client, tokens) = (self.client.clone(), Arc::clone(&self.tokens));
        Box::pin(async move {
            let access = tokens.access().await.map_err(|error| kube::Error::Service(error.into()))?;
            let header = HeaderValue::try_from(format!("Bearer {}", access.token.expose()));
            let mut header = header.map_err(|_| kube::Error::Service("the token cannot be sent".into()))?;
            header.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, header);
            client.send(request).await
        })
    }
}

/// Bounds each request: a server that never answers, or never ends, must not hold a pass.
struct Bounded(Client);

impl Service<Request<Body>> for Bounded {
    type Response = Response<BoundedBody>;
    type Error = kube::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<BoundedBody>, kube::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let client = self.0.clone();
        Box::pin(async move {
            let end = Instant::now() + REQUEST_TIMEOUT;
            let answer = timeout_at(end, client.send(request)).await.map_err(|_| late())??;
            Ok(answer.map(|body| BoundedBody { body, left: MAX_ANSWER_BYTES, end: Box::pin(sleep_until(end)) }))
        })
    }
}

fn late() -> kube::Error {
    kube::Error::Service(format!("no whole answer in {} s", REQUEST_TIMEOUT.as_secs()).into())
}

/// A body with an end in time and in bytes.
struct BoundedBody {
    body: Body,
    left: u64,
    end: Pin<Box<Sleep>>,
}

impl http_body::Body for BoundedBody {
    type Data = Bytes;
    type Error = kube::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if self.end.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err(late())));
        }
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            let Some(left) = self.left.checked_sub(data.len() as u64) else {
                let error = format!("the answer has more than {MAX_ANSWER_BYTES} bytes");
                return Poll::Ready(Some(Err(kube::Error::Service(error.into()))));
            };
            self.left = left;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A client of a server that takes requests and says nothing.
#[cfg(test)]
pub(super) fn never_answering() -> Client {
    Client::new(tests::Scripted(|| None), "default")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers with the body that the function gives, or never.
    pub(super) struct Scripted(pub(super) fn() -> Option<Body>);

    impl Service<Request<Body>> for Scripted {
        type Response = Response<Body>;
        type Error = kube::Error;
        type Future = Answer;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<Body>) -> Self::Future {
            let body = (self.0)();
            Box::pin(async move {
                match body {
                    Some(body) => Ok(Response::new(body)),
                    None => std::future::pending().await,
                }
            })
        }
    }

    async fn text(answer: fn() -> Option<Body>) -> Result<String, String> {
        let client = Client::new(Bounded(Client::new(Scripted(answer), "default")), "default");
        let request = Request::get("/version").body(Vec::new()).unwrap();
        client.request_text(request).await.map_err(|error| {
            let mut text = error.to_string();
            let mut next = std::error::Error::source(&error);
            while let Some(cause) = next {
                text = cause.to_string();
                next = cause.source();
            }
            text
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_does_not_answer_is_given_up_after_thirty_seconds() {
        let start = Instant::now();
        let error = text(|| None).await.unwrap_err();
        assert!(error.contains("no whole answer in 30 s"), "{error}");
        assert_eq!(start.elapsed().as_secs(), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_read_whole_up_to_the_bound_and_not_beyond() {
        assert_eq!(text(|| Some(Body::from(b"fine".to_vec()))).await.as_deref(), Ok("fine"));
        let error = text(|| Some(Body::from(vec![b'x'; 64 * 1024 * 1024 + 1]))).await.unwrap_err();
        assert!(error.contains("the answer has more than 67108864 bytes"), "{error}");
    }
}
