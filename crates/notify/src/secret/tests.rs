use sluice_api::notification::ProviderType;

use super::*;
use crate::provider::fixtures;

fn provider(type_: &str) -> Provider {
    let spec = ProviderSpec {
        type_: ProviderType::from(type_),
        interval: None,
        channel: Some("general".to_owned()),
        username: Some("spec-user".to_owned()),
        address: Some("https://spec.example/hook".to_owned()),
        timeout: None,
        proxy: None,
        proxy_secret_ref: None,
        secret_ref: None,
        service_account_name: None,
        cert_secret_ref: None,
        suspend: false,
        commit_status_expr: None,
    };
    Provider::new("p", spec)
}

fn data(pairs: &[(&str, &str)]) -> SecretData {
    pairs.iter().copied().collect()
}

fn with_secret(pairs: &[(&str, &str)]) -> Secrets {
    Secrets { secret: Some(data(pairs)), ..Secrets::default() }
}

fn resolved(pairs: &[(&str, &str)]) -> ProviderConfig {
    resolve(&provider("slack"), &with_secret(pairs)).unwrap()
}

fn text(value: &str) -> Secret<String> {
    Secret::new(value.to_owned())
}

fn plain() -> ProviderConfig {
    ProviderConfig {
        uid: String::new(),
        address: text("https://spec.example/hook"),
        channel: "general".to_owned(),
        username: "spec-user".to_owned(),
        ..fixtures::config(Kind::Slack)
    }
}

#[test]
fn without_secrets_the_spec_is_all_there_is() {
    assert_eq!(resolve(&provider("slack"), &Secrets::default()).unwrap(), plain());
}

#[test]
fn the_secret_overrides_the_spec_and_only_its_address_is_trimmed() {
    let config = resolved(&[
        ("address", " https://secret.example/x\n"),
        ("token", " t\n"),
        ("username", "secret-user"),
        ("password", "pw "),
    ]);
    let expected = ProviderConfig {
        address: text("https://secret.example/x"),
        token: Some(text(" t\n")),
        username: "secret-user".to_owned(),
        password: Some(text("pw ")),
        ..plain()
    };
    assert_eq!(config, expected);
}

#[test]
fn malformed_authentication_keys_switch_off_the_token_too() {
    for pairs in [
        [("token", "t"), ("password", "p"), ("x", "")],
        [("token", "t"), ("username", "u"), ("x", "")],
        [("token", "t"), ("tls.crt", "c"), ("x", "")],
        [("token", "t"), ("keyFile", "k"), ("x", "")],
        [("token", "t"), ("githubAppInstallationID", "1"), ("githubAppInstallationOwner", "o")],
    ] {
        assert_eq!(resolved(&pairs), plain(), "{pairs:?}");
    }
    let one_installation = resolved(&[("token", "t"), ("githubAppInstallationID", "1")]);
    let github_app = data(&[("githubAppInstallationID", "1")]);
    assert_eq!(one_installation, ProviderConfig { token: Some(text("t")), github_app, ..plain() });
}

#[test]
fn headers_are_a_flat_map_in_yaml_or_json() {
    let headers = |yaml: &str| resolved(&[("headers", yaml)]).headers;
    let expected: BTreeMap<String, Secret<String>> =
        [("A", "x"), ("B", "1"), ("C", "true")].map(|(name, value)| (name.to_owned(), text(value))).into();
    assert_eq!(headers("A: x\nB: 1\nC: true\n"), expected);
    assert_eq!(headers(r#"{"A": "x", "B": 1, "C": true}"#), expected);
    assert_eq!(headers(""), BTreeMap::new());
    for bad in ["[a]", "text", "a: {b: c}", "a: [b]", "a: 'unclosed", "42"] {
        let error = resolve(&provider("generic"), &with_secret(&[("headers", bad)])).unwrap_err();
        assert!(matches!(error, ResolveError::ParseHeaders(_)), "{bad:?}: {error:?}");
    }
}

#[test]
fn the_proxy_secret_beats_the_secret_and_the_secret_beats_the_spec() {
    let mut provider = provider("slack");
    let mut secrets = Secrets::default();
    let proxy = |provider: &Provider, secrets: &Secrets| {
        resolve(provider, secrets).unwrap().proxy.map(|url| url.expose().to_string())
    };
    provider.spec.proxy = Some("http://spec:1".to_owned());
    assert_eq!(proxy(&provider, &secrets).as_deref(), Some("http://spec:1/"));
    secrets.secret = Some(data(&[("proxy", "http://secret:2")]));
    assert_eq!(proxy(&provider, &secrets).as_deref(), Some("http://secret:2/"));
    secrets.proxy = Some(data(&[("address", "socks5://proxy:3"), ("username", "u"), ("password", "p@ss")]));
    assert_eq!(proxy(&provider, &secrets).as_deref(), Some("socks5://u:p%40ss@proxy:3"));
    secrets.proxy = Some(data(&[("address", "http://proxy:3"), ("username", "u")]));
    assert_eq!(proxy(&provider, &secrets).as_deref(), Some("http://u@proxy:3/"));
}

#[test]
fn unusable_settings_are_errors_that_repeat_no_value() {
    let long = format!("https://h/{}", "x".repeat(2048));
    let secret = |pairs: &[(&str, &str)]| with_secret(pairs);
    let proxy = |pairs: &[(&str, &str)]| Secrets { proxy: Some(data(pairs)), ..Secrets::default() };
    let cert = |pairs: &[(&str, &str)]| Secrets { cert: Some(data(pairs)), ..Secrets::default() };
    let raw = Secrets { secret: Some([("token", vec![0xff_u8])].into_iter().collect()), ..Secrets::default() };
    let table = [
        (secret(&[("address", &long)]), "invalid secret data: 'address' exceeds the maximum length of 2048 bytes"),
        (secret(&[("proxy", "hunter2")]), "invalid proxy: not an absolute URL with scheme http or https"),
        (secret(&[("proxy", "socks5://hunter2")]), "invalid proxy: not an absolute URL with scheme http or https"),
        (proxy(&[]), "invalid proxy secret data: required field 'address'"),
        (proxy(&[("address", "ftp://h")]), "invalid proxy: not an absolute URL with scheme http, https or socks5"),
        (
            cert(&[("tls.crt", "c")]),
            "invalid certificate secret data: it needs 'ca.crt', or 'tls.crt' and 'tls.key', or all of them",
        ),
        (cert(&[]), "invalid certificate secret data: it needs 'ca.crt', or 'tls.crt' and 'tls.key', or all of them"),
        (raw, "invalid secret data: the value of 'token' is not valid UTF-8"),
    ];
    for (secrets, expected) in table {
        assert_eq!(resolve(&provider("slack"), &secrets).unwrap_err().to_string(), expected);
    }
}

#[test]
fn standard_tls_keys_beat_legacy_ones_and_a_key_of_the_main_secret_is_not_used() {
    let secrets = Secrets {
        secret: Some(data(&[("ca.crt", "not used")])),
        cert: Some(data(&[("ca.crt", "new"), ("caFile", "old"), ("certFile", "c"), ("keyFile", "k")])),
        proxy: None,
    };
    let expected = TlsMaterial {
        ca: Some(b"new".to_vec()),
        identity: Some(ClientIdentity { certificate: b"c".to_vec(), key: Secret::new(b"k".to_vec()) }),
    };
    assert_eq!(resolve(&provider("slack"), &secrets).unwrap().tls, Some(expected));
}

#[test]
fn types_that_are_not_supported_say_so() {
    let error = resolve(&provider("smoke-signals"), &Secrets::default()).unwrap_err();
    assert_eq!(error.to_string(), "provider type 'smoke-signals' is not supported yet");
}

#[test]
fn debug_output_shows_no_secret() {
    let config =
        resolved(&[("token", "hunter2"), ("headers", "A: hunter2"), ("username", "u"), ("password", "hunter2")]);
    let shown = format!("{config:?} {:?}", data(&[("token", "hunter2")]));
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_malformed_secret_is_an_error_for_git_statuses_unless_there_is_a_certificate_secret() {
    let half = with_secret(&[("token", "t"), ("password", "p")]);
    for kind in Kind::ALL.iter().copied() {
        let provider = provider(&kind.provider_type().to_string());
        let resolved = resolve(&provider, &half);
        if kind.is_git_status() {
            let error = resolved.unwrap_err();
            assert_eq!(error.to_string(), "failed to get TLS config", "{kind:?}");
            let source = std::error::Error::source(&error).unwrap().to_string();
            assert_eq!(source, "malformed basic auth in the secret: it needs both 'username' and 'password'");
            let both = Secrets { cert: Some(data(&[("ca.crt", "ca")])), ..half.clone() };
            assert_eq!(resolve(&provider, &both).unwrap().token, None);
        } else {
            assert_eq!(resolved.unwrap().token, None, "{kind:?}");
        }
    }
}

#[test]
fn git_statuses_alone_take_tls_material_from_the_main_secret_and_the_certificate_secret_wins() {
    let main = with_secret(&[("caFile", "main")]);
    let ca = |ca: &str| Some(TlsMaterial { ca: Some(ca.into()), identity: None });
    for kind in Kind::ALL.iter().copied() {
        let provider = provider(&kind.provider_type().to_string());
        let wanted = if kind.is_git_status() { ca("main") } else { None };
        assert_eq!(resolve(&provider, &main).unwrap().tls, wanted, "{kind:?}");
        let both = Secrets { cert: Some(data(&[("ca.crt", "cert")])), ..main.clone() };
        assert_eq!(resolve(&provider, &both).unwrap().tls, ca("cert"), "{kind:?}");
    }
}

#[test]
fn proxies_other_than_the_proxy_secret_are_told_to_be_deprecated() {
    let mut provider = provider("slack");
    let told = |provider: &Provider, secrets: &Secrets| resolve(provider, secrets).unwrap().deprecations.len();
    assert_eq!(told(&provider, &Secrets::default()), 0);
    assert_eq!(told(&provider, &with_secret(&[("proxy", "http://p:1")])), 1);
    provider.spec.proxy = Some("http://p:1".to_owned());
    assert_eq!(told(&provider, &Secrets::default()), 1);
    let secrets = Secrets { proxy: Some(data(&[("address", "http://p:2")])), ..Secrets::default() };
    assert_eq!(told(&provider, &secrets), 0);
}

#[test]
fn the_way_out_has_the_proxy_and_the_certificates_that_the_type_honours() {
    use sluice_http_client::{Proxy, TrustRoots};
    let table = |kind: Kind| {
        let secrets = Secrets {
            proxy: Some(data(&[("address", "http://proxy:1")])),
            cert: Some(data(&[("ca.crt", "ca")])),
            secret: None,
        };
        let config = resolve(&provider(&kind.provider_type().to_string()), &secrets).unwrap();
        let http = config.http();
        (http.proxy != Proxy::Environment, http.roots != TrustRoots::System)
    };
    for (kind, proxy, tls) in [
        (Kind::Generic, true, true),
        (Kind::Discord, true, false),
        (Kind::GoogleChat, true, false),
        (Kind::Telegram, true, false),
        (Kind::Lark, false, false),
        (Kind::Matrix, false, true),
        (Kind::Sentry, false, true),
        (Kind::Nats, false, false),
        (Kind::GooglePubSub, false, false),
        (Kind::AzureEventHub, false, false),
        (Kind::Otel, true, true),
        (Kind::GitHub, false, true),
        (Kind::GitLab, false, true),
        (Kind::Gitea, true, true),
        (Kind::Bitbucket, false, true),
        (Kind::BitbucketServer, false, true),
        (Kind::AzureDevOps, false, true),
    ] {
        assert_eq!(table(kind), (proxy, tls), "{kind:?}");
    }
}

#[test]
fn who_gets_credentials_from_elsewhere_needs_an_identity() {
    let needs =
        |type_: &str, pairs: &[(&str, &str)]| resolve(&provider(type_), &with_secret(pairs)).unwrap().needs_identity();
    for (type_, pairs, expected) in [
        ("googlepubsub", &[][..], true),
        ("googlepubsub", &[("token", "{}")], false),
        ("azuredevops", &[], true),
        ("azuredevops", &[("token", "t")], false),
        ("azureeventhub", &[], true),
        ("azureeventhub", &[("address", "Endpoint=sb://h/;SharedAccessKey=k")], false),
        ("github", &[], false),
        ("github", &[("githubAppID", "1")], true),
        ("github", &[("githubAppID", "1"), ("token", "t")], false),
        ("githubpullrequestcomment", &[("githubAppID", "1"), ("username", "u"), ("password", "p")], false),
        ("slack", &[("githubAppID", "1")], false),
    ] {
        assert_eq!(needs(type_, pairs), expected, "{type_} {pairs:?}");
    }
}
