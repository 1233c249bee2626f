//! The `nats` type against a real server, with every way to log in.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::{deliver, event};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use sluice_testkit::nats::Nats;

/// Who reads, where there is a login.
const READER: &str = "{ user: reader, password: reader }";

fn reader() -> Value {
    json!({"user": "reader", "pass": "reader"})
}

fn spec(address: &str) -> Value {
    json!({"type": "nats", "address": address, "channel": "flux.events"})
}

fn succeeded() -> sluice_api::meta::Event {
    event("info", "ReconciliationSucceeded", "done")
}

/// Publishes, and returns what a subscriber heard.
async fn heard(server: &Nats, connect: &Value, address: String, secret: &[(&str, &str)]) -> (String, Value) {
    let mut subscriber = server.subscribe(connect, "flux.>").unwrap();
    if let Err(error) = deliver(&spec(&address), secret, succeeded()).await {
        panic!("{error}\n{}", server.log_tail());
    }
    let heard = tokio::task::spawn_blocking(move || subscriber.message()).await.unwrap();
    let (subject, payload) = heard.unwrap();
    (subject, serde_json::from_slice(&payload).unwrap())
}

fn wanted() -> (String, Value) {
    ("flux.events".to_owned(), serde_json::to_value(succeeded()).unwrap())
}

#[tokio::test]
async fn the_event_is_published_and_a_dead_server_of_the_list_is_passed_over() {
    let server = Nats::start("").unwrap();
    for address in [server.host(), format!("nats://127.0.0.1:1,nats://{}", server.host())] {
        assert_eq!(heard(&server, &json!({}), address, &[]).await, wanted());
    }
}

#[tokio::test]
async fn a_user_with_a_password_from_secret_or_url_is_let_in_and_a_wrong_one_is_not() {
    let server = Nats::start(&format!("authorization {{ users: [ {READER}, {{ user: flux, password: s3cr3tpw }} ] }}"));
    let server = server.unwrap();
    let login = [("username", "flux"), ("password", "s3cr3tpw")];
    assert_eq!(heard(&server, &reader(), server.host(), &login).await, wanted());
    let url = format!("nats://flux:s3cr3tpw@{}", server.host());
    assert_eq!(heard(&server, &reader(), url, &[]).await, wanted());
    let wrong = [("username", "flux"), ("password", "wr0ngpw")];
    let error = deliver(&spec(&server.host()), &wrong, succeeded()).await.unwrap_err();
    assert_eq!(error, "the NATS server refused: Authorization Violation");
}

#[tokio::test]
async fn an_nkey_signs_the_servers_nonce() {
    let user = Key::new(1, USER);
    let config = format!("authorization {{ users: [ {READER}, {{ nkey: {} }} ] }}", user.public());
    let server = Nats::start(&config).unwrap();
    assert_eq!(heard(&server, &reader(), server.host(), &[("nkey", &user.seed())]).await, wanted());
    let other = Key::new(2, USER).seed();
    let error = deliver(&spec(&server.host()), &[("nkey", &other)], succeeded()).await.unwrap_err();
    assert_eq!(error, "the NATS server refused: Authorization Violation");
}

#[tokio::test]
async fn a_credentials_file_logs_in_where_users_are_decentralized() {
    let (operator, account, user) = (Key::new(1, OPERATOR), Key::new(2, ACCOUNT), Key::new(3, USER));
    let limits = json!({
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
    });
    let operator_jwt = operator.jwt(&operator, &json!({"type": "operator", "version": 2}));
    let account_jwt = operator.jwt(&account, &json!({"limits": limits, "type": "account", "version": 2}));
    let rights = json!({"pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1, "type": "user", "version": 2});
    let user_jwt = account.jwt(&user, &rights);
    let config = format!(
        "operator: {operator_jwt}\nresolver: MEMORY\nresolver_preload {{ {}: {account_jwt} }}",
        account.public()
    );
    let server = Nats::start(&config).unwrap();
    let creds = format!(
        "-----BEGIN NATS USER JWT-----\n{user_jwt}\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n{}\n\
         ------END USER NKEY SEED------\n",
        user.seed()
    );
    // A second login of the same user listens: its signature is over a nonce that only its own connection knows, so it uses a bearer's JWT.
    let mut bearer = rights;
    bearer["bearer_token"] = json!(true);
    let connect = json!({"jwt": account.jwt(&user, &bearer)});
    assert_eq!(heard(&server, &connect, server.host(), &[("creds", &creds)]).await, wanted());
}

#[tokio::test]
async fn a_server_that_wants_tls_and_shows_an_unknown_certificate_gets_nothing() {
    let server = Nats::start("TLS").unwrap();
    for address in [server.host(), format!("tls://{}", server.host())] {
        let error =
            deliver(&spec(&address), &[("password", "s3cr3tpw"), ("username", "u")], succeeded()).await.unwrap_err();
        assert!(error.starts_with("failed to connect to the NATS server: TLS handshake failed"), "{error}");
    }
    assert!(server.certificate_pem().contains("BEGIN CERTIFICATE"));
}

#[tokio::test]
async fn a_message_that_the_server_would_not_take_is_refused_before_it_is_sent() {
    let server = Nats::start("max_payload: 100").unwrap();
    let error = deliver(&spec(&server.host()), &[], succeeded()).await.unwrap_err();
    assert!(error.ends_with("more than the 100 that the NATS server takes"), "{error}");
}

const OPERATOR: u8 = 14 << 3;
const ACCOUNT: u8 = 0;
const USER: u8 = 20 << 3;

/// A pair of keys, written anew after the format's description rather than with the code under test.
struct Key {
    seed: [u8; 32],
    kind: u8,
}

impl Key {
    fn new(seed: u8, kind: u8) -> Self {
        Self { seed: [seed; 32], kind }
    }

    fn pair(&self) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&self.seed).unwrap()
    }

    fn public(&self) -> String {
        encode([&[self.kind], self.pair().public_key().as_ref()].concat())
    }

    fn seed(&self) -> String {
        encode([&[18 << 3 | self.kind >> 5, (self.kind & 31) << 3], &self.seed[..]].concat())
    }

    /// A JWT about `subject`, issued by this key.
    fn jwt(&self, subject: &Self, nats: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let head = part(&json!({"typ": "JWT", "alg": "ed25519-nkey"}));
        let claims = json!({
            "jti": format!("{}", subject.seed[0]), "iat": 1_700_000_000, "iss": self.public(), "name": "x",
            "sub": subject.public(), "nats": nats,
        });
        let text = format!("{head}.{}", part(&claims));
        let signature = URL_SAFE_NO_PAD.encode(self.pair().sign(text.as_bytes()));
        format!("{text}.{signature}")
    }
}

/// Base 32 over the bytes and their checksum.
fn encode(mut bytes: Vec<u8>) -> String {
    let mut crc = 0_u16;
    for bit in bytes.iter().flat_map(|byte| (0..8).rev().map(move |shift| u16::from(byte >> shift & 1))) {
        let carry = (crc >> 15) ^ bit;
        crc = (crc << 1) ^ (carry * 0x1021);
    }
    bytes.extend(crc.to_le_bytes());
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |shift| byte >> shift & 1)).collect();
    let letter = |chunk: &[u8]| {
        let value = (0..5).fold(0, |value, i| value << 1 | chunk.get(i).copied().unwrap_or(0));
        char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[usize::from(value)])
    };
    bits.chunks(5).map(letter).collect()
}
