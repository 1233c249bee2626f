use serde_json::{Value, json};

use super::*;
use crate::provider::fixtures;

const SEED: &str = "SUAAGCQRDAPSMLJUHNBESUCXLZSWY432QGEI7FU5USV3FOOAY7HNLXDKKA";
const PUBLIC: &str = "UB2VYTFZEVWKPTOEVT64NT7O3KCJAF7FXH4VCTUZDEN5M7QLBVBHMA3W";

fn server(text: &str) -> Server {
    Server::parse_list(text).unwrap().remove(0)
}

fn creds(seed: &str) -> String {
    format!(
        "-----BEGIN NATS USER JWT-----\neyJ.jwt.x\n------END NATS USER JWT------\n\n\
         ************************* IMPORTANT *************************\n\n\
         -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    )
}

#[test]
fn an_address_is_a_list_of_servers() {
    let shown = |text: &str| -> Vec<(String, u16, bool)> {
        Server::parse_list(text).unwrap().into_iter().map(|server| (server.host, server.port, server.tls)).collect()
    };
    assert_eq!(shown("nats://a.example"), [("a.example".to_owned(), 4222, false)]);
    assert_eq!(
        shown("a.example:1, tls://b.example , nats://[::1]:4223"),
        [("a.example".to_owned(), 1, false), ("b.example".to_owned(), 4222, true), ("::1".to_owned(), 4223, false)]
    );
    for bad in ["", " , ", "http://a", "ws://a", "nats://", "nats://a:x"] {
        assert!(Server::parse_list(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn a_subject_cannot_bring_a_command_of_its_own() {
    let new = |subject: &str| Publication::new(vec![server("h")], Login::None, subject, Vec::new());
    for good in ["flux", "flux.events.prod", "a-b_c"] {
        assert!(new(good).is_ok(), "{good}");
    }
    for bad in ["", "a b", "a\r\nPUB x 0\r\n", "a\tb", ".a", "a..b", "a.", "a\u{2028}b"] {
        assert!(new(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn the_strongest_credential_of_secret_and_url_is_used() {
    let config = |creds: Option<&str>, nkey: Option<&str>, user: &str| crate::ProviderConfig {
        creds: creds.map(fixtures::secret),
        nkey: nkey.map(fixtures::secret),
        username: user.to_owned(),
        password: (!user.is_empty()).then(|| fixtures::secret("pw")),
        ..fixtures::config(crate::Kind::Nats)
    };
    let info = Info { nonce: "n0nce".to_owned(), ..Info::default() };
    let connect = |config: &crate::ProviderConfig, address: &str| -> Value {
        let login = Login::choose(config).unwrap();
        serde_json::to_value(Connect::answer(&info, &server(address), &login)).unwrap()
    };
    let base = json!({
        "verbose": false, "pedantic": false, "tls_required": false, "name": "NATS Provider Publisher", "lang": "rust",
        "version": env!("CARGO_PKG_VERSION"), "protocol": 1,
    });
    let with = |more: Value| {
        let mut all = base.clone();
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let sig = Seed::parse(SEED).unwrap().sign("n0nce");
    let file = creds(SEED);
    let signed = with(json!({"jwt": "eyJ.jwt.x", "sig": sig}));
    let table = [
        (config(Some(&file), Some("bad"), "u"), "h", signed),
        (config(None, Some(SEED), "u"), "h", with(json!({"nkey": PUBLIC, "sig": sig}))),
        (config(None, None, "u"), "h", with(json!({"user": "u", "pass": "pw"}))),
        (config(None, None, "u"), "nats://x:y%40z@h", with(json!({"user": "x", "pass": "y@z"}))),
        (config(None, None, ""), "nats://t0ken@h", with(json!({"auth_token": "t0ken"}))),
        (config(None, None, ""), "h", base.clone()),
        (config(None, None, ""), "tls://h", with(json!({"tls_required": true}))),
    ];
    for (config, address, expected) in table {
        assert_eq!(connect(&config, address), expected, "{address}");
    }
    for bad in ["no blocks", &creds("SBAD"), "-----BEGIN X-----\nonly.one\n------END X------"] {
        let error = Login::choose(&config(Some(bad), None, "")).err().unwrap().to_string();
        assert!(error.starts_with("invalid NATS "), "{error}");
    }
}
