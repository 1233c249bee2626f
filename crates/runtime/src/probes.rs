//! The health server (`/healthz`, `/readyz`) and the metrics server (`/metrics`).
//!
//! Deliberately plain pings: a probe says that the process runs, as in Flux; whether it leads shows in the Lease.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics::ProcessGauges;

/// Routes of the health server.
pub fn health_routes() -> Router {
    Router::new().route("/healthz", get(|| async { "ok" })).route("/readyz", get(|| async { "ok" }))
}

/// Routes of the metrics server: everything in `registry`, in the text format.
pub fn metrics_routes(registry: Arc<Registry>, gauges: ProcessGauges) -> Router {
    Router::new().route("/metrics", get(scrape)).with_state((registry, gauges))
}

async fn scrape(State((registry, gauges)): State<(Arc<Registry>, ProcessGauges)>) -> impl IntoResponse {
    gauges.refresh();
    let mut body = String::new();
    // Writing to a string does not fail; an encoder error would leave a shorter body, never a panic.
    let _ = prometheus_client::encoding::text::encode(&mut body, &registry);
    ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], body)
}

/// Serves `routes` on `listener` until `shutdown` is cancelled; open requests then get to their end.
///
/// # Errors
/// When accepting connections fails for good.
pub async fn serve(listener: TcpListener, routes: Router, shutdown: CancellationToken) -> std::io::Result<()> {
    axum::serve(listener, routes).with_graceful_shutdown(shutdown.cancelled_owned()).await
}

/// Turns a Go listen address (`:8080` means every interface) into one that binds. `0` turns the server off, as in controller-runtime.
pub fn listen_address(flag: &str) -> Option<String> {
    match flag {
        "" | "0" => None,
        port if port.starts_with(':') => Some(format!("[::]{port}")),
        address => Some(address.to_owned()),
    }
}

/// Binds the address of a flag; `None` when the flag turns the server off.
///
/// On a machine without IPv6, `:8080` falls back to every IPv4 interface.
///
/// # Errors
/// When the address cannot be bound; the text names flag and address.
pub async fn bind(flag_name: &str, flag: &str) -> std::io::Result<Option<TcpListener>> {
    let Some(address) = listen_address(flag) else { return Ok(None) };
    let bound = match TcpListener::bind(&address).await {
        Err(_) if address.starts_with("[::]:") => TcpListener::bind(address.replacen("[::]", "0.0.0.0", 1)).await,
        bound => bound,
    };
    bound.map(Some).map_err(|error| std::io::Error::new(error.kind(), format!("{flag_name}={flag}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_addresses_become_bindable() {
        let cases = [
            (":8080", Some("[::]:8080")),
            ("127.0.0.1:0", Some("127.0.0.1:0")),
            ("localhost:9090", Some("localhost:9090")),
            ("0", None),
            ("", None),
        ];
        for (flag, expected) in cases {
            assert_eq!(listen_address(flag).as_deref(), expected, "{flag}");
        }
    }

    #[tokio::test]
    async fn an_address_in_use_is_named_in_the_error() {
        let taken = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
        let address = taken.local_addr().expect("bound").to_string();
        let error = bind("--health-addr", &address).await.expect_err("the port is taken");
        assert!(error.to_string().starts_with(&format!("--health-addr={address}: ")), "{error}");
    }
}
