use super::*;

fn push(data: &str) -> String {
    json!({"message": {"data": data, "messageId": "1", "publishTime": "2026-01-01T00:00:00.1Z"}, "subscription": "s"})
        .to_string()
}

fn wrapped(inner: &str) -> String {
    push(&STANDARD.encode(inner))
}

#[test]
fn the_registry_s_message_is_taken_out_of_the_push() {
    let inner = r#"{"action":"INSERT","digest":"r/web@sha256:ab","tag":"r/web:1","more":"dropped"}"#;
    let expected = json!({"action": "INSERT", "digest": "r/web@sha256:ab", "tag": "r/web:1"}).to_string();
    assert_eq!(payload(wrapped(inner).as_bytes()), Ok(expected.clone().into_bytes()));
    assert_eq!(payload(format!("{}trailing", wrapped(inner)).as_bytes()), Ok(expected.into_bytes()));
    let empty = json!({"action": "", "digest": "", "tag": ""}).to_string();
    assert_eq!(payload(wrapped("{}").as_bytes()), Ok(empty.into_bytes()));
    // printf '{"tag":"r/web:1"}' | base64
    let known = payload(push("eyJ0YWciOiJyL3dlYjoxIn0=").as_bytes()).unwrap();
    assert_eq!(String::from_utf8(known).unwrap(), r#"{"action":"","digest":"","tag":"r/web:1"}"#);
}

#[test]
fn pushes_and_messages_of_another_form_are_refused() {
    for body in [
        String::new(),
        "{".to_owned(),
        "{}".to_owned(),
        push("not base64!"),
        push(""),
        wrapped(""),
        wrapped("{}{}"),
        wrapped("[]"),
        wrapped(r#"{"tag":1}"#),
        r#"{"message":{"data":1}}"#.to_owned(),
        r#"{"message":{"data":"e30=","publishTime":"yesterday"}}"#.to_owned(),
    ] {
        assert!(matches!(payload(body.as_bytes()), Err(AuthError::DecodeBody(_))), "{body}");
    }
}

#[test]
fn all_claims_must_be_as_expected() {
    let expected = Expected { email: "push@p.iam.example", audience: "https://hooks.example/" };
    let good = json!({"aud": expected.audience, "iss": "https://accounts.google.com", "email": expected.email,
        "email_verified": true});
    for (changes, outcome) in [
        (json!({}), Ok(())),
        (json!({"iss": "accounts.google.com"}), Ok(())),
        (json!({"iss": "https://accounts.google.com/"}), Err(AuthError::Claim("iss"))),
        (json!({"iss": null}), Err(AuthError::Claim("iss"))),
        (json!({"aud": "https://other.example/"}), Err(AuthError::Claim("aud"))),
        (json!({"aud": ["https://hooks.example/"]}), Err(AuthError::Claim("aud"))),
        (json!({"email": "push@other.iam.example"}), Err(AuthError::Claim("email"))),
        (json!({"email": null}), Err(AuthError::Claim("email"))),
        (json!({"email_verified": false}), Err(AuthError::Claim("email_verified"))),
        (json!({"email_verified": "true"}), Err(AuthError::Claim("email_verified"))),
    ] {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        assert_eq!(check_claims(&claims, expected), outcome, "{changes}");
    }
}

#[test]
fn the_secret_must_say_whom_to_let_in() {
    let full = [("token", "t"), ("email", "e"), ("audience", "a")];
    let secret = SecretData::from_iter(full);
    assert_eq!(expected(&secret), Ok(Expected { email: "e", audience: "a" }));
    for (key, _) in full {
        let missing: SecretData = full.into_iter().filter(|(name, _)| *name != key).collect();
        assert_eq!(expected(&missing), Err(AuthError::FindKey(key)));
        let empty: SecretData =
            full.map(|(name, value)| (name, if name == key { "" } else { value })).into_iter().collect();
        assert_eq!(expected(&empty), Err(AuthError::FindKey(key)));
    }
}
