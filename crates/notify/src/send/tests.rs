use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request as Inbound, State};
use sluice_http_client::{ClientConfig, Method, Proxy, Redirects, Url};
use tokio::net::TcpListener;

use super::*;

const FAST: RetryPolicy =
    RetryPolicy { attempts: 3, min_wait: Duration::from_millis(1), max_wait: Duration::from_millis(2) };
const DEADLINE: Duration = Duration::from_secs(20);

#[derive(Clone)]
struct Sink {
    answers: Arc<Mutex<Vec<(u16, &'static str)>>>,
    bodies: Arc<Mutex<Vec<String>>>,
}

/// A server on the loopback that gives these answers in turn, the last one again and again.
async fn sink(answers: &[(u16, &'static str)]) -> (Sink, Url) {
    let answers = answers.iter().rev().copied().collect();
    let sink = Sink { answers: Arc::new(Mutex::new(answers)), bodies: Arc::default() };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/secret-path", listener.local_addr().unwrap()).parse().unwrap();
    let router = Router::new().fallback(answer).with_state(sink.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (sink, url)
}

async fn answer(State(sink): State<Sink>, request: Inbound) -> (axum::http::StatusCode, &'static str) {
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
    sink.bodies.lock().unwrap().push(String::from_utf8(body.to_vec()).unwrap());
    let mut answers = sink.answers.lock().unwrap();
    let (status, body) = if answers.len() > 1 { answers.pop().unwrap() } else { answers[0] };
    (axum::http::StatusCode::from_u16(status).unwrap(), body)
}

fn request(url: Url, acceptance: Acceptance) -> OutboundRequest {
    OutboundRequest { body: b"{}".to_vec(), acceptance, ..OutboundRequest::new(Method::POST, url) }
}

fn delivery(step: Step) -> Delivery {
    let timeout = Duration::from_secs(15);
    Delivery { client: direct_client(), plan: Plan::Http(step), timeout, masks: Masks::default() }
}

async fn send_one(request: OutboundRequest, policy: &RetryPolicy, deadline: Duration) -> Result<(), SendError> {
    delivery(Step::last(request)).send(policy, deadline).await
}

fn direct_client() -> HttpClient {
    HttpClient::new(&ClientConfig { proxy: Proxy::Direct, redirects: Redirects::SameHost, ..ClientConfig::default() })
        .unwrap()
}

async fn outcome(answers: &[(u16, &'static str)], acceptance: Acceptance) -> (Result<(), String>, usize) {
    let (sink, url) = sink(answers).await;
    let sent = send_one(request(url, acceptance), &FAST, DEADLINE).await;
    let requests = sink.bodies.lock().unwrap().len();
    (sent.map_err(|error| error.to_string()), requests)
}

fn refused(text: &str) -> Result<(), String> {
    Err(text.to_owned())
}

#[tokio::test]
async fn server_errors_and_429_are_retried_and_other_refusals_are_final() {
    use Acceptance::Success2xx;
    let status = |text: &str| refused(&format!("request failed: request failed with status code {text}"));
    assert_eq!(outcome(&[(204, "")], Success2xx).await, (Ok(()), 1));
    assert_eq!(outcome(&[(500, "no"), (429, ""), (200, "")], Success2xx).await, (Ok(()), 3));
    assert_eq!(outcome(&[(500, "down\n")], Success2xx).await, (status("500: down"), 3));
    assert_eq!(outcome(&[(501, "never")], Success2xx).await, (status("501: never"), 1));
    assert_eq!(outcome(&[(404, "gone")], Success2xx).await, (status("404: gone"), 1));
}

#[tokio::test]
async fn the_web_api_of_slack_is_judged_by_its_body() {
    use Acceptance::SlackOk;
    assert_eq!(outcome(&[(200, r#"{"ok":true}"#)], SlackOk).await, (Ok(()), 1));
    assert_eq!(
        outcome(&[(200, r#"{"ok":false,"error":"invalid_auth"}"#)], SlackOk).await,
        (refused("request failed: Slack responded with error: invalid_auth"), 1)
    );
    assert_eq!(
        outcome(&[(200, "ok")], SlackOk).await,
        (refused("request failed: unable to decode the response of Slack (status code 200)"), 1)
    );
}

#[tokio::test]
async fn a_redirect_to_another_host_is_not_followed() {
    let (elsewhere, target) = sink(&[(200, "")]).await;
    let location = target.to_string();
    let router = Router::new().fallback(move || {
        let location = location.clone();
        async move { (axum::http::StatusCode::TEMPORARY_REDIRECT, [("location", location)]) }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: Url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let sent = send_one(request(url, Acceptance::Success2xx), &FAST, DEADLINE).await;
    assert!(matches!(sent, Err(SendError::Exchange(_))), "{sent:?}");
    assert_eq!(elsewhere.bodies.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn the_deadline_bounds_all_attempts_together() {
    let (_sink, url) = sink(&[(500, "")]).await;
    let patient = RetryPolicy { min_wait: Duration::from_secs(600), max_wait: Duration::from_secs(600), ..FAST };
    let deadline = Duration::from_millis(50);
    let sent = send_one(request(url, Acceptance::Success2xx), &patient, deadline).await;
    assert!(matches!(sent, Err(SendError::Timeout(limit)) if limit == deadline), "{sent:?}");
}

#[tokio::test]
async fn errors_do_not_show_the_path_of_the_webhook() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: Url = format!("http://{}/secret-path?token=x", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    let error = send_one(request(url, Acceptance::Success2xx), &FAST, DEADLINE).await.unwrap_err();
    let SendError::Exchange(source) = error else { panic!("{error:?}") };
    let text = source.to_string();
    assert!(!text.contains("secret-path") && !text.contains("token"), "{text}");
}

#[tokio::test]
async fn a_request_that_must_not_be_repeated_is_sent_once() {
    let (sink, url) = sink(&[(500, "no"), (200, "")]).await;
    let once = OutboundRequest { retry: Retry::Never, ..request(url, Acceptance::Success2xx) };
    let sent = send_one(once, &FAST, DEADLINE).await;
    assert!(matches!(sent, Err(SendError::Refused { status: 500, .. })), "{sent:?}");
    assert_eq!(sink.bodies.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn an_exchange_goes_on_with_what_was_answered_and_ends_where_it_says_so() {
    let (sink, url) = sink(&[(200, "first"), (404, "second"), (201, "third")]).await;
    let with_body =
        |body: String, acceptance| OutboundRequest { body: body.into(), ..request(url.clone(), acceptance) };
    let (second, third) = (url.clone(), url.clone());
    let step = Step::ask(with_body("a".to_owned(), Acceptance::Success2xx), move |answer| {
        let body = [b"after ", &answer.body[..]].concat();
        let absent = Acceptance::Success2xxOr(StatusCode::NOT_FOUND);
        Ok(Step::ask(OutboundRequest { body, ..request(second, absent) }, move |answer| {
            let body = answer.status.as_u16().to_string().into_bytes();
            Ok(Step::last(OutboundRequest { body, ..request(third, Acceptance::Success2xx) }))
        }))
    });
    delivery(step).send(&FAST, DEADLINE).await.unwrap();
    assert_eq!(*sink.bodies.lock().unwrap(), ["a", "after first", "404"]);
}

#[tokio::test]
async fn an_exchange_stops_at_the_first_refusal() {
    let (sink, url) = sink(&[(403, "no"), (200, "")]).await;
    let both = vec![request(url.clone(), Acceptance::Success2xx), request(url, Acceptance::Success2xx)];
    let sent = delivery(Step::in_order(both)).send(&FAST, DEADLINE).await;
    assert!(matches!(sent, Err(SendError::Refused { status: 403, .. })), "{sent:?}");
    assert_eq!(sink.bodies.lock().unwrap().len(), 1);
    assert!(delivery(Step::Done).is_empty());
}

#[tokio::test]
async fn an_exchange_without_end_is_cut_off() {
    fn forever(url: &Url) -> Step {
        let next = url.clone();
        Step::ask(request(url.clone(), Acceptance::Success2xx), move |_| Ok(forever(&next)))
    }
    let (sink, url) = sink(&[(200, "")]).await;
    let sent = delivery(forever(&url)).send(&FAST, DEADLINE).await;
    assert!(matches!(sent, Err(SendError::BoundSteps)), "{sent:?}");
    assert_eq!(sink.bodies.lock().unwrap().len(), MAX_STEPS);
}
