//! Each exchange of Google Cloud: the exact request, and what is made of each kind of answer.

use std::collections::BTreeMap;

use serde_json::json;
use sluice_testkit::Sink;

use super::*;
use crate::environment::Environment;
use crate::testing::{
    MemoryFiles, PKCS8, answer, arrived, chain, form_field, now, secret, status, transport, url, verified,
};

const TOKEN: &str = r#"{"access_token":"google","expires_in":3599,"token_type":"Bearer"}"#;

fn issued() -> AccessToken {
    AccessToken { token: secret("google"), expires_at: "2026-01-02T04:04:04Z".parse().unwrap() }
}

fn key_json(token_uri: &str) -> String {
    json!({
        "type": "service_account",
        "client_email": "robot@project.iam.gserviceaccount.com",
        "private_key": PKCS8,
        "private_key_id": "key-1",
        "token_uri": token_uri,
    })
    .to_string()
}

#[tokio::test]
async fn a_key_signs_for_a_token() {
    let sink = Sink::start().await.unwrap();
    sink.answer_always(answer(TOKEN));
    let place = format!("{}/token", sink.url());
    let key = ServiceAccountKey::from_json(key_json(&place).as_bytes()).unwrap();
    assert_eq!(key.email(), "robot@project.iam.gserviceaccount.com");
    assert_eq!(key.token(&transport(), &["one", "two"], now()).await.unwrap(), issued());
    let request = sink.take_requests().remove(0);
    assert_eq!((request.method.as_str(), request.path()), ("POST", "/token"));
    assert_eq!(form_field(&request, "grant_type"), "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let (header, claims) = verified(&form_field(&request, "assertion"));
    assert_eq!(header, json!({"alg": "RS256", "kid": "key-1", "typ": "JWT"}));
    let expected = json!({
        "aud": place, "exp": 1_767_326_645, "iat": 1_767_323_045, "iss": "robot@project.iam.gserviceaccount.com", "scope": "one two",
    });
    assert_eq!(claims, expected);
}

#[test]
fn other_credentials_than_a_key_are_refused() {
    let without = |field: &str| {
        let mut json: serde_json::Value = serde_json::from_str(&key_json("https://x/")).unwrap();
        json.as_object_mut().unwrap().remove(field);
        json.to_string()
    };
    // A tenant's Secret of this type would have the controller send its own token to the tenant.
    let external = r#"{"type":"external_account","credential_source":{"file":"/var/run/secrets/kubernetes.io/serviceaccount/token"},"token_url":"https://evil.com"}"#;
    for (json, expected) in [
        (String::new(), "invalid Google credentials: not JSON"),
        ("{}".to_owned(), "invalid Google credentials: the type is not service_account"),
        (external.to_owned(), "invalid Google credentials: the type is not service_account"),
        (without("client_email"), "invalid Google credentials: no client_email"),
        (without("private_key"), "invalid Google credentials: no private_key"),
        (key_json("file:///etc/passwd"), "invalid Google credentials: the token_uri is not a URL"),
        (
            key_json("https://x/").replace("BEGIN PRIVATE", "BEGIN PUBLIC"),
            "invalid Google credentials: no unencrypted PEM private key in PKCS#1 or PKCS#8 form was found",
        ),
    ] {
        assert_eq!(chain(&ServiceAccountKey::from_json(json.as_bytes()).unwrap_err()), expected, "{json}");
    }
    let default = ServiceAccountKey::from_json(without("token_uri").as_bytes()).unwrap();
    assert!(format!("{default:?}").contains("oauth2.googleapis.com") && !format!("{default:?}").contains("PRIVATE"));
}

#[tokio::test]
async fn answers_that_are_no_token_are_refused() {
    let sink = Sink::start().await.unwrap();
    let key = ServiceAccountKey::from_json(key_json(&sink.url()).as_bytes()).unwrap();
    let malformed = |problem: &str| format!("the Google token service gave an answer that cannot be used: {problem}");
    for (given, expected) in [
        (
            status(400, r#"{"error":"invalid_grant","error_description":"Invalid JWT Signature."}"#),
            "the Google token service answered 400 Bad Request: invalid_grant: Invalid JWT Signature.".to_owned(),
        ),
        (
            status(403, r#"{"error":{"code":403,"status":"PERMISSION_DENIED","message":"no"}}"#),
            "the Google token service answered 403 Forbidden: PERMISSION_DENIED: no".to_owned(),
        ),
        (status(500, "oops"), "the Google token service answered 500 Internal Server Error".to_owned()),
        (answer("<"), malformed("not the JSON of a token")),
        (answer("{}"), malformed("no access token")),
        (answer(r#"{"access_token":"x"}"#), malformed("no expiration")),
        (answer(r#"{"access_token":"x","expires_in":"1"}"#), malformed("not the JSON of a token")),
    ] {
        sink.answer_always(given);
        assert_eq!(chain(&key.token(&transport(), &SCOPES, now()).await.unwrap_err()), expected);
    }
    sink.answer_always(answer(r#"{"access_token":"x","expires_in":9223372036854775807}"#));
    let token = key.token(&transport(), &SCOPES, now()).await.unwrap();
    assert_eq!(token.expires_at, jiff::Timestamp::MAX);
}

fn of_environment(variables: &[(&str, &str)], files: &MemoryFiles) -> Result<DefaultCredential, GcpError> {
    DefaultCredential::of_environment(&variables.iter().copied().collect(), files)
}

#[tokio::test]
async fn the_metadata_server_is_asked_without_a_file() {
    let sink = Sink::start().await.unwrap();
    sink.answer_always(answer(TOKEN));
    let host = sink.address().to_string();
    let credential = of_environment(&[("GCE_METADATA_HOST", &host)], &MemoryFiles::default()).unwrap();
    let token = credential.token(&transport(), &MemoryFiles::default(), &["a", "b"], now()).await.unwrap();
    assert_eq!(token, issued());
    let path = "GET /computeMetadata/v1/instance/service-accounts/default/token?scopes=a%2Cb";
    assert_eq!(arrived(&sink), [format!("{path}\nmetadata-flavor: Google")]);
    for host in ["a/b", "a?b", "", "a b"] {
        let made = of_environment(&[("GCE_METADATA_HOST", host)], &MemoryFiles::default());
        assert_eq!(made.is_ok(), host.is_empty(), "{host}");
    }
}

#[tokio::test]
async fn the_cluster_is_learnt_from_the_metadata_server() {
    let sink = Sink::start().await.unwrap();
    let environment = Environment::from_iter([("GCE_METADATA_HOST", sink.address().to_string())]);
    let server = MetadataServer::of_environment(&environment).unwrap();
    sink.answer_next([answer("project-1"), answer("europe-west1\n"), answer("prod")]);
    let cluster = server.cluster(&transport()).await.unwrap();
    assert_eq!(cluster.pool(), "project-1.svc.id.goog");
    assert_eq!(
        cluster.audience(),
        "identitynamespace:project-1.svc.id.goog:https://container.googleapis.com/v1/projects/project-1/locations/europe-west1/clusters/prod"
    );
    assert_eq!(
        arrived(&sink),
        [
            "GET /computeMetadata/v1/project/project-id\nmetadata-flavor: Google",
            "GET /computeMetadata/v1/instance/attributes/cluster-location\nmetadata-flavor: Google",
            "GET /computeMetadata/v1/instance/attributes/cluster-name\nmetadata-flavor: Google",
        ]
    );
    let head = "failed to get GKE cluster";
    let unusable = "from the metadata service: the Google metadata service gave an answer that cannot be used";
    for (answers, expected) in [
        (
            vec![status(404, "no")],
            format!("{head} project ID from the metadata service: the Google metadata service answered 404 Not Found"),
        ),
        (vec![answer("p"), answer("")], format!("{head} location {unusable}: empty value")),
        (vec![answer("p"), answer("l"), answer("a/../b")], format!("{head} name {unusable}: not a name")),
    ] {
        sink.answer_next(answers);
        assert_eq!(chain(&server.cluster(&transport()).await.unwrap_err()), expected);
    }
}

const EXCHANGED: &str = "audience=AUDIENCE&grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange\
    &requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token&scope=SCOPE\
    &subject_token=jwt&subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt";

fn exchange(audience: &str, scope: &str) -> String {
    let form = EXCHANGED.replace("AUDIENCE", audience).replace("SCOPE", scope);
    format!("POST /v1/token\ncontent-type: application/x-www-form-urlencoded\n{form}")
}

#[tokio::test]
async fn a_foreign_token_is_exchanged_and_a_service_account_impersonated() {
    let sink = Sink::start().await.unwrap();
    let (sts, iam) = (url(&sink).join("v1/token").unwrap(), url(&sink).join("v1/").unwrap());
    let subject = SubjectToken::jwt(secret("jwt"));

    sink.answer_next([answer(TOKEN)]);
    let direct = Exchanger::at(&sts, &iam, None).unwrap();
    assert_eq!(direct.token(&transport(), (&subject, "aud"), &["a", "b"], now()).await.unwrap(), issued());
    assert_eq!(arrived(&sink), [exchange("aud", "a+b")]);

    let generated = r#"{"accessToken":"robot","expireTime":"2026-01-02T05:00:00Z"}"#;
    sink.answer_next([answer(TOKEN), answer(generated)]);
    let robot = Exchanger::at(&sts, &iam, Some("robot@p.iam.gserviceaccount.com")).unwrap();
    let token = robot.token(&transport(), (&subject, "aud"), &["a", "b"], now()).await.unwrap();
    assert_eq!(token, AccessToken { token: secret("robot"), expires_at: "2026-01-02T05:00:00Z".parse().unwrap() });
    let impersonation = "POST /v1/projects/-/serviceAccounts/robot@p.iam.gserviceaccount.com:generateAccessToken\n\
        authorization: Bearer google\ncontent-type: application/json\n{\"lifetime\":\"3600s\",\"scope\":[\"a\",\"b\"]}";
    let scope = "https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fcloud-platform";
    assert_eq!(arrived(&sink), [exchange("aud", scope), impersonation.to_owned()]);

    for (answers, expected) in [
        (
            vec![status(400, r#"{"error":"invalid_target","error_description":"for jwt"}"#)],
            "the Google security token service answered 400 Bad Request: invalid_target: for ***",
        ),
        (
            vec![answer(TOKEN), status(403, r#"{"error":{"status":"PERMISSION_DENIED","message":"google may not"}}"#)],
            "the Google IAM credentials service answered 403 Forbidden: PERMISSION_DENIED: *** may not",
        ),
        (
            vec![answer(TOKEN), answer(TOKEN)],
            "the Google IAM credentials service gave an answer that cannot be used: no access token",
        ),
        (
            vec![answer(TOKEN), answer(r#"{"accessToken":"x"}"#)],
            "the Google IAM credentials service gave an answer that cannot be used: no expiration",
        ),
    ] {
        sink.answer_next(answers);
        let error = robot.token(&transport(), (&subject, "aud"), &SCOPES, now()).await.unwrap_err();
        assert_eq!(chain(&error), expected);
    }
    let google = Exchanger::google(Some("r@p.iam.gserviceaccount.com")).unwrap();
    assert_eq!(google.token_url.as_str(), "https://sts.googleapis.com/v1/token");
    let place = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/r@p.iam.gserviceaccount.com:generateAccessToken";
    assert_eq!(google.impersonation_url.unwrap().as_str(), place);
}

#[tokio::test]
async fn the_controller_may_be_an_external_account() {
    let sink = Sink::start().await.unwrap();
    let json = |source: serde_json::Value| {
        json!({
            "type": "external_account",
            "audience": "aud",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": format!("{}/v1/token", sink.url()),
            "credential_source": source,
        })
        .to_string()
    };
    let place = format!("{}/subject", sink.url());
    let format = json!({"type": "json", "subject_token_field_name": "id_token"});
    let asked = "GET /subject\nx-key: value".to_owned();
    for (source, answers, expected) in [
        (json!({"file": "/plain"}), vec![answer(TOKEN)], vec![]),
        (json!({"file": "/json", "format": format}), vec![answer(TOKEN)], vec![]),
        (
            json!({"url": place, "headers": {"X-Key": "value"}}),
            vec![answer("jwt\n"), answer(TOKEN)],
            vec![asked.clone()],
        ),
        (
            json!({"url": place, "headers": {"X-Key": "value"}, "format": format}),
            vec![answer(r#"{"id_token":"jwt"}"#), answer(TOKEN)],
            vec![asked],
        ),
    ] {
        let adc = json(source);
        let files =
            MemoryFiles::from([("/adc", adc.as_str()), ("/plain", "jwt\n"), ("/json", r#"{"id_token":"jwt"}"#)]);
        sink.answer_next(answers);
        let credential = of_environment(&[("GOOGLE_APPLICATION_CREDENTIALS", "/adc")], &files).unwrap();
        assert_eq!(credential.token(&transport(), &files, &["a", "b"], now()).await.unwrap(), issued());
        assert_eq!(arrived(&sink), [expected, vec![exchange("aud", "a+b")]].concat());
    }
    for (adc, expected) in [
        (json(json!({"executable": {"command": "/bin/sh"}})), "the credential source is neither a file nor a URL"),
        (json(json!({"file": "/x", "format": {"type": "json"}})), "no subject_token_field_name"),
        (json(json!({"url": "file:///x"})), "a URL is not one"),
        (r#"{"type":"external_account"}"#.to_owned(), "not an external account"),
        (r#"{"type":"authorized_user"}"#.to_owned(), "the type is neither service_account nor external_account"),
        ("x".to_owned(), "not JSON with a type"),
    ] {
        let files = MemoryFiles::from([("/adc", adc.as_str())]);
        let error = of_environment(&[("GOOGLE_APPLICATION_CREDENTIALS", "/adc")], &files).unwrap_err();
        assert_eq!(error.to_string(), format!("invalid Google credentials: {expected}"));
    }
}

#[test]
fn a_service_account_is_who_its_annotations_say() {
    let annotations = |email: &str, provider: &str| {
        BTreeMap::from([
            (SERVICE_ACCOUNT_ANNOTATION.to_owned(), email.to_owned()),
            (WORKLOAD_IDENTITY_PROVIDER_ANNOTATION.to_owned(), provider.to_owned()),
        ])
    };
    let provider = "projects/123/locations/global/workloadIdentityPools/pool/providers/cluster";
    let identity =
        ServiceAccountIdentity::of_annotations(&annotations("r@p-1.iam.gserviceaccount.com", provider)).unwrap();
    assert_eq!(identity.email.as_deref(), Some("r@p-1.iam.gserviceaccount.com"));
    assert_eq!(identity.provider.unwrap().audience(), format!("//iam.googleapis.com/{provider}"));
    let none = ServiceAccountIdentity::of_annotations(&annotations("", "")).unwrap();
    assert_eq!(none, ServiceAccountIdentity::default());
    for bad in [
        "r",
        "@p.iam.gserviceaccount.com",
        "r@p.evil.com",
        "r/x@p.iam.gserviceaccount.com",
        "r@p.x.iam.gserviceaccount.com",
    ] {
        let error = ServiceAccountIdentity::of_annotations(&annotations(bad, "")).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("invalid iam.gke.io/gcp-service-account annotation: '{bad}'. must match ")),
            "{error}"
        );
    }
    for bad in [
        "x",
        "projects/p/locations/global/workloadIdentityPools/a/providers/b",
        "projects/1/locations/eu/workloadIdentityPools/a/providers/b",
        "projects/1/locations/global/workloadIdentityPools//providers/b",
        "projects/1/locations/global/workloadIdentityPools/a/providers/b/c",
    ] {
        let error = ServiceAccountIdentity::of_annotations(&annotations("", bad)).unwrap_err().to_string();
        let head = format!("invalid gcp.auth.fluxcd.io/workload-identity-provider annotation: '{bad}'. must match ");
        assert!(error.starts_with(&head), "{error}");
    }
}

#[test]
fn registries_are_those_of_google() {
    for (host, fine) in [
        ("gcr.io", true),
        ("eu.gcr.io", true),
        ("europe-docker.pkg.dev", true),
        ("docker.s3nsregistry.fr", true),
        ("evilgcr.io", false),
        ("-docker.pkg.dev", false),
        ("gcr.io.evil.com", false),
        ("x.docker.s3nsregistry.fr", false),
    ] {
        assert_eq!(check_registry(host).is_ok(), fine, "{host}");
    }
    let login = registry_login(&issued());
    assert_eq!((login.username.as_str(), login.password.expose().as_str()), ("oauth2accesstoken", "google"));
}
