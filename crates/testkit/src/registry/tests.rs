use std::io::{Read as _, Write as _};

use super::*;

/// The whole answer to a request sent through the front.
fn get(registry: &Registry, method: &str, target: &str, headers: &str) -> String {
    let mut stream = std::net::TcpStream::connect(registry.address).unwrap();
    let host = registry.host();
    write!(stream, "{method} {target} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> &str {
    answer.get(9..12).unwrap_or_default()
}

#[test]
fn what_is_pushed_can_be_pulled_and_every_request_is_recorded() {
    let registry = Registry::start(RegistryOptions::default()).unwrap();
    let digest = registry.push_image("team/app", "v1", &Image::flux(b"layer".to_vec())).unwrap();
    let tags = get(&registry, "GET", "/v2/team/app/tags/list", "");
    assert!(tags.ends_with("{\"name\":\"team/app\",\"tags\":[\"v1\"]}\n"), "{tags}");
    let accept = format!("Accept: {}\r\n", media_type::MANIFEST);
    let manifest = get(&registry, "HEAD", "/v2/team/app/manifests/v1", &accept).to_ascii_lowercase();
    assert!(manifest.contains(&format!("docker-content-digest: {digest}\r\n")), "{manifest}");
    let lines: Vec<String> = registry.requests().iter().map(RegistryRequest::line).collect();
    assert_eq!(lines, ["GET /v2/team/app/tags/list 200", "HEAD /v2/team/app/manifests/v1 200"]);
    registry.delete_manifest("team/app", &digest).unwrap();
    assert_eq!(status(&get(&registry, "GET", "/v2/team/app/manifests/v1", "")), "404");
}

#[test]
fn basic_authentication_is_the_registrys_own() {
    let registry =
        Registry::start(RegistryOptions { auth: RegistryAuth::Basic, ..RegistryOptions::default() }).unwrap();
    registry.push_blob("app", b"content").unwrap();
    assert_eq!(status(&get(&registry, "GET", "/v2/", "")), "401");
    let auth = STANDARD.encode(format!("{USERNAME}:{PASSWORD}"));
    assert_eq!(status(&get(&registry, "GET", "/v2/", &format!("Authorization: Basic {auth}\r\n"))), "200");
}

#[test]
fn a_token_opens_the_registry_and_only_known_users_get_one_for_private_repositories() {
    let registry =
        Registry::start(RegistryOptions { auth: RegistryAuth::Token, ..RegistryOptions::default() }).unwrap();
    registry.push_image("private/app", "v1", &Image::flux("x")).unwrap();
    registry.push_image("public/app", "v1", &Image::flux("x")).unwrap();
    let challenge = get(&registry, "GET", "/v2/", "").to_ascii_lowercase();
    assert!(challenge.contains("www-authenticate: bearer realm=\"http://127.0.0.1:"), "{challenge}");
    let auth = format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("{USERNAME}:{PASSWORD}")));
    let token = |repository: &str, headers: &str| {
        let target = format!("/token?service=test+registry&scope=repository:{repository}:pull");
        let answer = get(&registry, "GET", &target, headers);
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        format!("Authorization: Bearer {}\r\n", body["token"].as_str().unwrap())
    };
    for (repository, credentials, expected) in
        [("private/app", auth.as_str(), "200"), ("private/app", "", "401"), ("public/app", "", "200")]
    {
        let token = token(repository, credentials);
        let answer = get(&registry, "GET", &format!("/v2/{repository}/tags/list"), &token);
        assert_eq!(status(&answer), expected, "{repository} {answer}\n{}", registry.log_tail());
    }
    assert_eq!(status(&get(&registry, "GET", "/token?service=test+registry", "Authorization: Basic eDp5\r\n")), "401");
}

#[test]
fn faults_break_the_answers_they_fit_as_often_as_they_say() {
    let registry = Registry::start(RegistryOptions::default()).unwrap();
    let digest = registry.push_blob("app", b"0123456789").unwrap();
    let blob = format!("/v2/app/blobs/{digest}");
    registry.inject(Fault::status(503, "DENIED", "try later").path("/blobs/").times(1));
    registry.inject(Fault::of(FaultKind::Truncate(4)).path("/blobs/").times(1));
    registry.inject(Fault::of(FaultKind::Corrupt(1)).path("/blobs/").times(1));
    registry.inject(Fault::of(FaultKind::Header("Docker-Content-Digest", None)).path("/blobs/").times(1));
    let answers: Vec<String> = (0..5).map(|_| get(&registry, "GET", &blob, "")).collect();
    assert_eq!(status(&answers[0]), "503");
    assert!(answers[0].contains("try later"), "{}", answers[0]);
    assert!(answers[1].ends_with("\r\n\r\n0123"), "{}", answers[1]);
    assert!(answers[2].ends_with("23456789") && !answers[2].contains("01234"), "{}", answers[2]);
    assert!(answers[3].ends_with("0123456789") && !answers[3].contains("Docker-Content-Digest"), "{}", answers[3]);
    assert!(answers[4].ends_with("0123456789") && answers[4].contains("Docker-Content-Digest"), "{}", answers[4]);
    assert_eq!(status(&get(&registry, "GET", "/v2/", "")), "200");
}
