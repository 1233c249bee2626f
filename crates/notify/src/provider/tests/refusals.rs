//! Over all types that are sent to the Provider's address: what becomes of an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;

use super::*;

const FAST: RetryPolicy =
    RetryPolicy { attempts: 3, min_wait: Duration::from_millis(1), max_wait: Duration::from_millis(1) };

/// Types with an address of their own, or of another protocol, or not there yet.
fn is_elsewhere(kind: Kind) -> bool {
    matches!(kind, Kind::Telegram | Kind::GooglePubSub | Kind::AzureEventHub | Kind::Nats)
}

fn local(kind: Kind, port: u16) -> ProviderConfig {
    let userinfo = if kind == Kind::Sentry { "key@" } else { "" };
    ProviderConfig {
        address: secret(&format!("http://{userinfo}127.0.0.1:{port}/in/42")),
        channel: "a/b".to_owned(),
        token: Some(secret("s3cr3t-token")),
        ..config(kind)
    }
}

/// The error of delivering an error event to a server that gives this answer, and how many requests it took.
async fn refused(client: &HttpClient, kind: Kind, status: StatusCode) -> Option<(String, usize)> {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let router = Router::new().fallback(move || {
        counter.fetch_add(1, Ordering::SeqCst);
        async move { (status, "no s3cr3t-token here\n") }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = local(kind, listener.local_addr().unwrap().port());
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let context = Context { client, identity: None, retry: &RetryPolicy::NEVER };
    // The types that are not there yet, and those that look something up first.
    let prepared = prepare(config, &context).await.ok()?;
    let Ok(delivery) = prepared.deliver(&notification(error())) else { return None };
    let masks = delivery.masks().clone();
    let sent = delivery.send(&FAST, Duration::from_secs(20)).await;
    server.abort();
    let text = sent.map_or_else(|error| masks.apply(&error.to_string()), |()| "sent".to_owned());
    Some((text, count.load(Ordering::SeqCst)))
}

#[tokio::test]
async fn a_refusal_is_told_in_the_receivers_words_without_the_token_and_only_failures_are_repeated() {
    let client = direct_client();
    let mut seen = 0;
    for kind in Kind::ALL.iter().copied().filter(|kind| !is_elsewhere(*kind)) {
        let text = |status: u16| format!("request failed: request failed with status code {status}: no ***** here");
        let Some(refusal) = refused(&client, kind, StatusCode::BAD_REQUEST).await else { continue };
        // Forges have words and exchanges of their own, and tests of their own.
        if kind.is_git_status() || format!("{kind:?}").contains("Request") || kind == Kind::GitHubDispatch {
            continue;
        }
        seen += 1;
        assert_eq!(refusal, (text(400), 1), "{kind:?}");
        let attempts = if kind == Kind::Datadog { 1 } else { 3 };
        assert_eq!(refused(&client, kind, StatusCode::BAD_GATEWAY).await, Some((text(502), attempts)), "{kind:?}");
        assert_eq!(refused(&client, kind, StatusCode::NO_CONTENT).await, Some(("sent".to_owned(), 1)), "{kind:?}");
    }
    assert_eq!(seen, 20);
}
