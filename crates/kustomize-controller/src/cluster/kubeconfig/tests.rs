//! What is kept, what is left out, and what is refused.

use std::fmt::Write as _;

use super::*;

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nQ0VSVA==\n-----END CERTIFICATE-----\n";

/// A kubeconfig of one cluster and one user, each with these lines.
fn kubeconfig(cluster: &[&str], user: &[&str]) -> String {
    let mut text = "apiVersion: v1\nkind: Config\ncurrent-context: here\ncontexts:\n- name: other\n  context: {cluster: c2, user: u2}\n\
        - name: here\n  context: {cluster: c, user: u, namespace: n}\nclusters:\n- name: c\n  cluster:\n    server: https://api.example.com:6443\n"
        .to_owned();
    for line in cluster {
        writeln!(text, "    {line}").unwrap();
    }
    text.push_str("users:\n- name: u\n  user:\n    as: admin\n");
    for line in user {
        writeln!(text, "    {line}").unwrap();
    }
    text
}

fn read_plain(text: &str) -> Result<Config, KubeconfigError> {
    read(text.as_bytes(), TlsPolicy::AlwaysVerify, &Environment::default())
}

fn refused(text: &str) -> String {
    read_plain(text).unwrap_err().to_string()
}

/// The login as a kubeconfig would have it.
fn login_of(config: &Config) -> serde_json::Value {
    serde_json::to_value(&config.auth_info).unwrap()
}

#[test]
fn data_is_kept() {
    let pem = STANDARD.encode(CERTIFICATE);
    let cluster = [
        format!("certificate-authority-data: {pem}"),
        "tls-server-name: api.internal".to_owned(),
        "proxy-url: socks5://proxy.example.com:1080".to_owned(),
        "disable-compression: true".to_owned(),
    ];
    let user = [
        "token: t0ken".to_owned(),
        format!("client-certificate-data: {pem}"),
        format!("client-key-data: {}", STANDARD.encode("key")),
    ];
    let cluster: Vec<&str> = cluster.iter().map(String::as_str).collect();
    let user: Vec<&str> = user.iter().map(String::as_str).collect();
    let config = read_plain(&kubeconfig(&cluster, &user)).unwrap();
    assert_eq!(config.cluster_url, "https://api.example.com:6443/");
    assert_eq!(config.root_cert, Some(vec![b"CERT".to_vec()]));
    assert_eq!(config.tls_server_name.as_deref(), Some("api.internal"));
    assert_eq!(config.proxy_url.as_ref().map(ToString::to_string).as_deref(), Some("socks5://proxy.example.com:1080/"));
    assert!(config.disable_compression && !config.accept_invalid_certs);
    assert_eq!(
        login_of(&config),
        json!({"token": "t0ken", "client-certificate-data": pem, "client-key-data": STANDARD.encode("key")})
    );
    let config = read_plain(&kubeconfig(&[], &["username: me", "password: 'p:w'"])).unwrap();
    assert_eq!(login_of(&config), json!({"username": "me", "password": "p:w"}));
}

#[test]
fn files_plugins_impersonation_and_insecure_tls_are_left_out() {
    let cluster = ["insecure-skip-tls-verify: true", "certificate-authority: /etc/ssl/cert.pem"];
    let user = [
        "tokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token",
        "client-certificate: /a",
        "client-key: /b",
        "as-uid: '1'",
        "as-groups: [system:masters]",
        "as-user-extra: {a: [b]}",
        "auth-provider: {name: gcp, config: {cmd-path: /bin/sh}}",
    ];
    let text = kubeconfig(&cluster, &user);
    let config = read_plain(&text).unwrap();
    assert_eq!(login_of(&config), json!({}));
    assert_eq!((config.root_cert, config.root_cert_file, config.accept_invalid_certs), (None, None, false));
    let config = read(text.as_bytes(), TlsPolicy::MayBeInsecure, &Environment::default()).unwrap();
    assert!(config.accept_invalid_certs);
    let config = read(kubeconfig(&[], &[]).as_bytes(), TlsPolicy::MayBeInsecure, &Environment::default()).unwrap();
    assert!(!config.accept_invalid_certs, "only if the kubeconfig asks for it");
}

#[test]
fn a_program_is_refused_by_name() {
    assert_eq!(
        refused(&kubeconfig(&[], &["exec: {apiVersion: client.authentication.k8s.io/v1, command: aws}"])),
        "user 'u' has an exec credential plugin, which is never run: this controller starts no programs, whatever \
         --insecure-kubeconfig-exec says; use a token or client certificate, or spec.kubeConfig.configMapRef"
    );
    assert!(read_plain(&kubeconfig(&[], &["exec: null"])).is_ok());
}

#[test]
fn the_proxy_of_the_environment_is_used_if_the_kubeconfig_has_none() {
    let environment: Environment = [("HTTPS_PROXY", "http://env:3128")].into_iter().collect();
    let proxy = |cluster: &[&str]| {
        let config = read(kubeconfig(cluster, &[]).as_bytes(), TlsPolicy::AlwaysVerify, &environment).unwrap();
        config.proxy_url.unwrap().to_string()
    };
    assert_eq!(proxy(&[]), "http://env:3128/");
    assert_eq!(proxy(&["proxy-url: http://own:3128"]), "http://own:3128/");
}

#[test]
fn the_user_may_be_nobody() {
    let text = "current-context: a\ncontexts: [{name: a, context: {cluster: c}}]\nclusters: [{name: c, cluster: {server: api}}]\n";
    let config = read_plain(text).unwrap();
    assert_eq!((config.cluster_url.to_string().as_str(), login_of(&config)), ("https://api/", json!({})));
}

#[test]
fn what_is_no_kubeconfig_is_refused_without_its_values() {
    let context = "current-context: here\ncontexts: [{name: here, context: {cluster: c, user: u}}]\n";
    let server = |server: &str| {
        format!("{context}clusters: [{{name: c, cluster: {{server: '{server}'}}}}]\nusers: [{{name: u}}]\n")
    };
    for (text, expected) in [
        (String::new(), "it is empty"),
        ("---\n".to_owned(), "it is empty"),
        ("a: [s3cret".to_owned(), "it is not YAML, line 2"),
        ("s3cret".to_owned(), "field '.' is not what a kubeconfig has there"),
        ("users: s3cret".to_owned(), "field 'users' is not what a kubeconfig has there"),
        (kubeconfig(&[], &["token: [s3cret]"]), "field 'users[0].user.token' is not what a kubeconfig has there"),
        (kubeconfig(&[], &["password: 12345"]), "field 'users[0].user.password' is not what a kubeconfig has there"),
        ("clusters: []".to_owned(), "it has no current-context"),
        ("current-context: gone".to_owned(), "context 'gone' does not exist"),
        (context.to_owned(), "cluster 'c' does not exist"),
        (format!("{context}clusters: [{{name: c, cluster: {{}}}}]"), "user 'u' does not exist"),
        (format!("{context}clusters: [{{name: c, cluster: {{}}}}]\nusers: [{{name: u}}]"), "cluster 'c' has no server"),
        (server("https://me:s3cret@api"), "server 'https://***@api/' must have no user, query or fragment"),
        (server("https://api?token=s3cret"), "server 'https://api/?***' must have no user, query or fragment"),
        (server("ftp://api"), "server 'ftp://api/' must use one of the schemes https, http"),
        (server("https://"), "server '***' is not a URL"),
        (
            kubeconfig(&["proxy-url: 'ftp://me:s3cret@proxy'"], &[]),
            "proxy-url 'ftp://***@proxy/' must use one of the schemes http, https, socks5",
        ),
        (kubeconfig(&["certificate-authority-data: s3cret!"], &[]), "field 'certificate-authority-data' is not base64"),
        (
            kubeconfig(&["certificate-authority-data: czNjcmV0"], &[]),
            "field 'certificate-authority-data' has no PEM certificate",
        ),
        (
            kubeconfig(&[], &["token: s3cret", "username: me"]),
            "user 'u' has both a token and a username and password, only one is allowed",
        ),
        (
            kubeconfig(&[], &["token: \"s3cret\\n\""]),
            "user 'u' has a token, username or password with control characters",
        ),
        (
            kubeconfig(&[], &["client-key-data: czNjcmV0"]),
            "user 'u' must have client-certificate-data and client-key-data, or neither",
        ),
        (
            kubeconfig(&[], &["client-key-data: czNjcmV0", "client-certificate-data: czNjcmV0"]),
            "field 'client-certificate-data' has no PEM certificate",
        ),
    ] {
        let error = refused(&text);
        assert_eq!(error, expected, "{text}");
        assert!(!error.contains("s3cret"), "{error}");
    }
}

#[test]
fn a_kubeconfig_is_bounded_in_bytes_depth_and_nodes() {
    assert_eq!(refused(&" ".repeat(MAX_BYTES + 1)), "it has more than 1048576 bytes");
    for text in [
        "[".repeat(1000),
        format!("a: &a [{}]\nb: &b [{}]\nc: [{}]\n", "x,".repeat(200), "*a,".repeat(200), "*b,".repeat(200)),
    ] {
        assert!(matches!(read_plain(&text), Err(KubeconfigError::Yaml { .. })));
    }
    let long = "x".repeat(10_000);
    assert!(refused(&format!("current-context: {long}")).len() < 400);
}
