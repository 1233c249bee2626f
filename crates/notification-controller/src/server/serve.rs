//! The accept loop: one task per connection, a bounded number of them, and an end in bounded time.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use futures::FutureExt;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;
use tracing::{debug, warn};

use super::Limits;
use super::places::{ConnectionMetrics, Place, Places};
use super::tracked::Tracked;

/// Pause after a failed `accept`: out of file descriptors is not cured by trying again at once.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Serves `router` on `listener` until `shutdown` is cancelled; then lets requests that are under way end within
/// `limits.drain` and drops the rest.
///
/// Cancellation: dropping the future stops accepting; connections that are open end on their own.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, shutdown: CancellationToken) {
    serve_measured(listener, router, limits, shutdown, ConnectionMetrics::default()).await;
}

/// As [`serve`], and measures the connections.
pub async fn serve_measured(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    shutdown: CancellationToken,
    metrics: ConnectionMetrics,
) {
    let places = Places::new(limits.connections, metrics);
    let open = TaskTracker::new();
    let force_close = CancellationToken::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let Some((stream, place)) = accepted else { continue };
        let displaced = place.displaced().clone();
        let connection = connection(stream, router.clone(), limits, shutdown.clone(), Arc::new(place));
        let force_close = force_close.clone();
        open.spawn(async move {
            let connection = displaced.run_until_cancelled_owned(connection);
            force_close.run_until_cancelled_owned(connection).await;
        });
    }
    drop(listener);
    open.close();
    if tokio::time::timeout(limits.drain, open.wait()).await.is_err() {
        warn!(connections.open = open.len(), "closing connections that did not end in time");
        force_close.cancel();
        open.wait().await;
    }
}

/// The next connection and its place among those served at once; `None` when it failed.
async fn accept(listener: &TcpListener, places: &Places) -> Option<(TcpStream, Place)> {
    // The connection comes first: a place is made for one that is there, and not for one that may come.
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, places.take().await)),
        Err(error) => {
            warn!(%error, "failed to accept a connection");
            tokio::time::sleep(ACCEPT_RETRY).await;
            None
        }
    }
}

async fn connection(stream: TcpStream, router: Router, limits: Limits, shutdown: CancellationToken, place: Arc<Place>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (mut router, place) = (router.clone(), Arc::clone(&place));
        async move {
            let request = request.map(|body| Body::new(Tracked::new(body, Arc::clone(&place))));
            let answered = router.call(request).await.map_err(|never: Infallible| match never {});
            place.sends();
            answered
        }
        .boxed()
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_read)
        .max_header_size(limits.header_bytes)
        .max_buf_size(limits.header_bytes.max(64 * 1024) + 4096)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        debug!(%error, "a connection ended with an error");
    }
}
