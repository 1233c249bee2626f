use super::*;

fn challenge(headers: &[&str]) -> Option<Challenge> {
    find(&headers.iter().map(|value| (header::WWW_AUTHENTICATE, value.parse().unwrap())).collect())
}

fn bearer(realm: &str, service: &str, scope: &str) -> Challenge {
    Challenge::Bearer { realm: realm.into(), service: service.into(), scope: scope.into() }
}

#[test]
fn challenges_of_registries_are_read() {
    for (headers, expected) in [
        (vec![r#"Basic realm="x""#], Some(Challenge::Basic)),
        (vec!["basic"], Some(Challenge::Basic)),
        (
            vec![
                r#"Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull,push""#,
            ],
            Some(bearer("https://auth.example/token", "registry.example", "repository:a/b:pull,push")),
        ),
        (vec![r#"BEARER Realm=https://a/t , service = "a b""#], Some(bearer("https://a/t", "a b", ""))),
        (vec![r#"Bearer realm="https://a/t",error="invalid_token""#], Some(bearer("https://a/t", "", ""))),
        (vec!["Negotiate", r#"Basic realm="x""#], Some(Challenge::Basic)),
        (vec![r#"Negotiate, Basic realm="a, b", charset="UTF-8""#], Some(Challenge::Basic)),
        (vec![r#"Basic realm="x", Bearer realm="https://a/t""#], Some(Challenge::Basic)),
        (vec![r#"NTLM, Bearer realm="https://a/\"t""#], Some(bearer("https://a/\"t", "", ""))),
        (vec![r#"Bearer realm="https://unclosed"#], Some(bearer("https://unclosed", "", ""))),
    ] {
        assert_eq!(challenge(&headers), expected, "{headers:?}");
    }
}

#[test]
fn what_cannot_be_answered_is_no_challenge() {
    for headers in [
        vec![],
        vec![""],
        vec!["Negotiate"],
        vec!["Bearer"],
        vec!["Bearer service=x"],
        vec![", ,,="],
        vec!["=="],
        vec!["a=\"\\"],
    ] {
        assert_eq!(challenge(&headers), None, "{headers:?}");
    }
    assert_eq!(challenge(&[&format!("Basic realm={}", "x".repeat(9_000))]), None);
}
