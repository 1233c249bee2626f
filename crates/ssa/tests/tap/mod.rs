//! A client that notes its requests to a real API server, and fails those that it is told to.
//!
//! Inside the process, since the server speaks TLS: whatever is not failed goes on to it as it is.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use http::{Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use tower_service::Service;

/// How a request fails.
#[derive(Clone)]
pub enum Failure {
    /// The server answers with a code, perhaps with `Retry-After`, and a body.
    Answer(u16, Option<&'static str>, String),
    /// The connection breaks.
    Broken,
}

#[derive(Default)]
struct State {
    requests: Vec<String>,
    faults: Vec<(String, Failure, usize)>,
}

#[derive(Clone)]
pub struct Tap {
    inner: Client,
    state: Arc<Mutex<State>>,
}

impl Tap {
    pub fn new(inner: Client) -> Self {
        Self { inner, state: Arc::default() }
    }

    pub fn client(&self) -> Client {
        Client::new(self.clone(), "default")
    }

    /// Fails the next `times` requests that are noted like this.
    pub fn fail(&self, request: &str, times: usize, failure: Failure) {
        self.state.lock().expect("no holder panics").faults.push((request.to_owned(), failure, times));
    }

    /// The requests so far, as `METHOD name` with ` dry-run` where it is one; they are forgotten.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().expect("no holder panics").requests)
    }
}

impl Service<Request<Body>> for Tap {
    type Response = Response<Body>;
    type Error = kube::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, kube::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let is_trial = request.uri().query().is_some_and(|query| query.contains("dryRun=All"));
        let name = request.uri().path().rsplit('/').next().unwrap_or_default();
        let line = format!("{} {name}{}", request.method(), if is_trial { " dry-run" } else { "" });
        let mut state = self.state.lock().expect("no holder panics");
        let fault = state.faults.iter_mut().find(|(of, _, times)| *of == line && *times > 0);
        let failure = fault.map(|(_, failure, times)| {
            *times -= 1;
            failure.clone()
        });
        state.requests.push(line);
        let client = self.inner.clone();
        Box::pin(async move {
            match failure {
                None => client.send(request).await,
                Some(Failure::Broken) => Err(kube::Error::Service("connection reset".into())),
                Some(Failure::Answer(code, retry_after, body)) => {
                    let mut answer = Response::new(Body::from(body.into_bytes()));
                    *answer.status_mut() = StatusCode::from_u16(code).expect("a status code");
                    if let Some(seconds) = retry_after {
                        answer.headers_mut().insert("retry-after", seconds.parse().expect("a number"));
                    }
                    Ok(answer)
                }
            }
        })
    }
}
