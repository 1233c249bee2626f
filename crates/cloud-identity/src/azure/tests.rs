//! Each exchange of Azure: the exact request, and what is made of each kind of answer.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use sluice_http_client::Url;
use sluice_testkit::Sink;

use super::*;
use crate::environment::Environment;
use crate::testing::{
    CERTIFICATE, MemoryFiles, PKCS1, PKCS8, answer, arrived, chain, form_field, now, secret, status, transport, url,
    verified,
};
use crate::{AccessToken, RegistryLogin};

const TOKEN: &str = r#"{"token_type":"Bearer","expires_in":3599,"access_token":"entra"}"#;

fn issued() -> AccessToken {
    AccessToken { token: secret("entra"), expires_at: "2026-01-02T04:04:04Z".parse().unwrap() }
}

fn files() -> MemoryFiles {
    let pem = format!("{PKCS8}{CERTIFICATE}");
    MemoryFiles::from([("/token", "jwt\n"), ("/app.pem", pem.as_str()), ("/key.pem", PKCS1)])
}

async fn ask(credential: &AzureCredential, sink: &Sink) -> Result<AccessToken, AzureError> {
    let authority = Authority::trusted(url(sink));
    credential.token(&transport(), (&authority, &files()), scope::STORAGE, (now(), "id-1")).await
}

fn of_environment(variables: &[(&str, &str)]) -> Result<AzureCredential, AzureError> {
    AzureCredential::of_environment(&variables.iter().copied().collect(), &files())
}

const TENANT: (&str, &str) = ("AZURE_TENANT_ID", "tenant.example");
const CLIENT: (&str, &str) = ("AZURE_CLIENT_ID", "client-1");

#[tokio::test]
async fn the_controller_proves_itself_with_what_its_environment_names() {
    let sink = Sink::start().await.unwrap();
    sink.answer_always(answer(TOKEN));
    let head = "POST /tenant.example/oauth2/v2.0/token\naccept: application/json\n\
                content-type: application/x-www-form-urlencoded\nclient_id=client-1";
    let tail = "grant_type=client_credentials&scope=https%3A%2F%2Fstorage.azure.com%2F.default";
    let file = ("AZURE_FEDERATED_TOKEN_FILE", "/token");

    let credential = of_environment(&[TENANT, CLIENT, ("AZURE_CLIENT_SECRET", "pass word"), file]).unwrap();
    assert_eq!(ask(&credential, &sink).await.unwrap(), issued());
    assert_eq!(arrived(&sink), [format!("{head}&client_secret=pass+word&{tail}")]);

    let credential = of_environment(&[TENANT, CLIENT, file]).unwrap();
    assert_eq!(ask(&credential, &sink).await.unwrap(), issued());
    let kind = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
    assert_eq!(arrived(&sink), [format!("{head}&client_assertion=jwt&client_assertion_type={kind}&{tail}")]);
}

#[tokio::test]
async fn a_certificate_signs_an_assertion_that_names_it() {
    let sink = Sink::start().await.unwrap();
    sink.answer_always(answer(TOKEN));
    let variables = [TENANT, CLIENT, ("AZURE_CLIENT_CERTIFICATE_PATH", "/app.pem")];
    assert_eq!(ask(&of_environment(&variables).unwrap(), &sink).await.unwrap(), issued());
    let request = sink.take_requests().remove(0);
    let (header, claims) = verified(&form_field(&request, "client_assertion"));
    let audience = format!("{}/tenant.example/oauth2/v2.0/token", sink.url());
    // The thumbprint is openssl's.
    let thumbprint = "84MJaqBmRkECgWFcONFBQqOjcpffk9t9pk2ThQ6ypkw";
    assert_eq!(header, json!({"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint}));
    let expected = json!({
        "aud": audience, "exp": 1_767_323_645, "iat": 1_767_323_045, "iss": "client-1", "jti": "id-1", "nbf": 1_767_323_045, "sub": "client-1",
    });
    assert_eq!(claims, expected);

    let variables = [&variables[..], &[("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN", "true")]].concat();
    ask(&of_environment(&variables).unwrap(), &sink).await.unwrap();
    let (header, _) = verified(&form_field(&sink.take_requests().remove(0), "client_assertion"));
    let body: String = CERTIFICATE.lines().filter(|line| !line.starts_with('-')).collect();
    assert_eq!(header["x5c"], json!([body]));
}

#[test]
fn ad_fs_gets_the_older_signature_and_thumbprint() {
    let pem = format!("{CERTIFICATE}{PKCS1}");
    let certificate = ClientCertificate::from_pem(pem.as_bytes(), SendChain::No).unwrap();
    let audience: Url = "https://login.example/adfs/oauth2/v2.0/token".parse().unwrap();
    let assertion = certificate.assertion(("client", &audience), "id", now()).unwrap();
    let (header, _) = verified(assertion.expose());
    assert_eq!(header, json!({"alg": "RS256", "typ": "JWT", "x5t": "IftEZnVKXfnyq7CjHiCw8JjHJNU"}));
}

#[test]
fn a_certificate_needs_both_halves() {
    for (pem, expected) in [
        (PKCS8, "no PEM certificate was found in the client certificate"),
        (CERTIFICATE, "invalid client certificate: no unencrypted PEM private key in PKCS#1 or PKCS#8 form was found"),
        (
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
            "invalid client certificate: no unencrypted PEM private key in PKCS#1 or PKCS#8 form was found",
        ),
    ] {
        let error = ClientCertificate::from_pem(pem.as_bytes(), SendChain::No).unwrap_err();
        assert_eq!(chain(&error), expected);
    }
}

#[tokio::test]
async fn a_managed_identity_is_asked_of_the_node() {
    let sink = Sink::start().await.unwrap();
    sink.answer_always(answer(r#"{"access_token":"entra","expires_in":"3599","expires_on":"1","resource":"x"}"#));
    let place = sink.url();
    let place = ("AZURE_POD_IDENTITY_AUTHORITY_HOST", place.as_str());
    let path = "GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fstorage.azure.com";
    for (variables, expected) in [
        (vec![place], format!("{path}\nmetadata: true")),
        (vec![place, CLIENT], format!("{path}&client_id=client-1\nmetadata: true")),
        (vec![place, CLIENT, TENANT], format!("{path}&client_id=client-1\nmetadata: true")),
    ] {
        assert_eq!(ask(&of_environment(&variables).unwrap(), &sink).await.unwrap(), issued());
        assert_eq!(arrived(&sink), [expected]);
    }
    sink.answer_always(status(400, r#"{"error":"invalid_request","error_description":"Identity not found"}"#));
    let error = ask(&of_environment(&[place]).unwrap(), &sink).await.unwrap_err();
    let expected = "the Azure instance metadata service answered 400 Bad Request: invalid_request: Identity not found";
    assert_eq!(chain(&error), expected);
}

#[tokio::test]
async fn answers_that_are_no_token_are_refused() {
    let sink = Sink::start().await.unwrap();
    let credential =
        AzureCredential::ClientSecret { tenant_id: "t".into(), client_id: "c".into(), secret: secret("hunter2") };
    let malformed = |problem: &str| format!("Microsoft Entra ID gave an answer that cannot be used: {problem}");
    for (given, expected) in [
        (
            status(
                401,
                r#"{"error":"invalid_client","error_description":"AADSTS7000215: bad hunter2.\r\nTrace ID: 1"}"#,
            ),
            "Microsoft Entra ID answered 401 Unauthorized: AADSTS7000215: bad ***. Trace ID: 1".to_owned(),
        ),
        (
            status(400, r#"{"error":"invalid_request"}"#),
            "Microsoft Entra ID answered 400 Bad Request: invalid_request".into(),
        ),
        (status(502, "<html>"), "Microsoft Entra ID answered 502 Bad Gateway".into()),
        (answer("<html>"), malformed("not the JSON of a token")),
        (answer("{}"), malformed("no access token")),
        (answer(r#"{"access_token":"","expires_in":1}"#), malformed("no access token")),
        (answer(r#"{"access_token":"x"}"#), malformed("no expiration")),
        (answer(r#"{"access_token":"x","expires_in":"soon"}"#), malformed("no expiration")),
    ] {
        sink.answer_always(given);
        assert_eq!(chain(&ask(&credential, &sink).await.unwrap_err()), expected);
    }
}

#[test]
fn tenants_and_authorities_cannot_lead_elsewhere() {
    let authority = Authority::parse("https://login.microsoftonline.us").unwrap();
    let url = authority.token_url("contoso.onmicrosoft.com").unwrap();
    assert_eq!(url.as_str(), "https://login.microsoftonline.us/contoso.onmicrosoft.com/oauth2/v2.0/token");
    for bad in ["", ".", "..", "a/b", "a?b", "a#b", "a%2fb", "ü"] {
        assert_eq!(authority.token_url(bad).unwrap_err().to_string(), format!("invalid Azure tenant ID: '{bad}'"));
    }
    for bad in [
        "",
        "login.microsoftonline.com",
        "http://login.microsoftonline.com",
        "https://user:pw@host",
        "https://host?x=y",
    ] {
        let error = Authority::parse(bad).unwrap_err().to_string();
        assert!(error.starts_with("invalid Azure authority host: ") && !error.contains("pw"), "{error}");
    }
    let default = Authority::of_environment(&Environment::default()).unwrap();
    assert_eq!(default.token_url("t").unwrap().as_str(), "https://login.microsoftonline.com/t/oauth2/v2.0/token");
}

#[test]
fn a_service_account_is_who_both_annotations_say() {
    let all = BTreeMap::from([
        (TENANT_ID_ANNOTATION.to_owned(), "t".to_owned()),
        (CLIENT_ID_ANNOTATION.to_owned(), "c".to_owned()),
    ]);
    let identity = ServiceAccountIdentity { tenant_id: "t".into(), client_id: "c".into() };
    assert_eq!(ServiceAccountIdentity::of_annotations(&all).unwrap(), identity);
    for (annotation, what) in [(TENANT_ID_ANNOTATION, "tenant"), (CLIENT_ID_ANNOTATION, "client")] {
        let mut some = all.clone();
        some.remove(annotation);
        let error = ServiceAccountIdentity::of_annotations(&some).unwrap_err().to_string();
        assert_eq!(error, format!("azure {what} ID is not set in the service account annotation {annotation}"));
    }
}

#[test]
fn clouds_differ_in_scopes_and_registries() {
    let files = MemoryFiles::from([
        (
            "/own",
            r#"{"containerRegistryDNSSuffix":"azurecr.private","resourceManagerEndpoint":"https://management.private","tokenAudience":"https://audience.private"}"#,
        ),
        ("/half", r#"{"tokenAudience":"x"}"#),
        ("/bad", "{"),
    ]);
    let cloud =
        |variable: &str, value: &str| AzureCloud::of_environment(&Environment::from_iter([(variable, value)]), &files);
    let acr = "https://containerregistry.azure.net/.default";
    for (variable, value, registry, management) in [
        ("X", "", acr, "https://management.core.windows.net//.default"),
        (
            "AZURE_AUTHORITY_HOST",
            "https://login.chinacloudapi.cn",
            acr,
            "https://management.core.chinacloudapi.cn//.default",
        ),
        (
            "AZURE_AUTHORITY_HOST",
            "https://login.microsoftonline.us",
            acr,
            "https://management.core.usgovcloudapi.net//.default",
        ),
        (
            "AZURE_ENVIRONMENT_FILEPATH",
            "/own",
            "https://management.private/.default",
            "https://audience.private/.default",
        ),
    ] {
        let cloud = cloud(variable, value).unwrap();
        assert_eq!((cloud.registry_scope(), cloud.management_scope()), (registry, management));
    }
    for (path, expected) in [
        ("/half", "the Azure environment file cannot be used: resourceManagerEndpoint and tokenAudience must be set"),
        ("/bad", "the Azure environment file cannot be used: it is not JSON"),
        ("/absent", "failed to read /absent"),
    ] {
        assert_eq!(cloud("AZURE_ENVIRONMENT_FILEPATH", path).unwrap_err().to_string(), expected);
    }
    let (public, own) = (cloud("X", "").unwrap(), cloud("AZURE_ENVIRONMENT_FILEPATH", "/own").unwrap());
    for (cloud, host, fine) in [
        (&public, "a.azurecr.io", true),
        (&public, "a.azurecr.cn", true),
        (&public, "a.azurecr.us", true),
        (&public, "a.azurecr.private", false),
        (&public, ".azurecr.io", false),
        (&public, "a.azurecr.io.evil.com", false),
        (&own, "a.azurecr.io", true),
        (&own, "a.azurecr.private", true),
        (&own, "evilazurecr.private", false),
    ] {
        assert_eq!(cloud.check_registry(host).is_ok(), fine, "{host}");
        assert_eq!(registry::exchange_url(cloud, host).is_ok(), fine, "{host}");
    }
    assert!(registry::exchange_url(&public, "evil.com/a.azurecr.io").is_err());
    assert!(registry::exchange_url(&public, "user@a.azurecr.io").is_err());
    let error = public.check_registry("ghcr.io").unwrap_err().to_string();
    assert_eq!(
        error,
        "invalid Azure registry: 'ghcr.io'. must end with .azurecr.io, .azurecr.cn, .azurecr.de, .azurecr.us"
    );
}

#[tokio::test]
async fn a_registry_exchanges_the_token() {
    let sink = Sink::start().await.unwrap();
    let refresh = format!("h.{}.s", URL_SAFE_NO_PAD.encode(r#"{"exp":1767333845}"#));
    sink.answer_always(answer(&json!({"refresh_token": refresh}).to_string()));
    let place: Url = format!("{}/oauth2/exchange", sink.url()).parse().unwrap();
    let login = async || registry::login(&transport(), ("a.azurecr.io", &place), &issued()).await;
    let expected = RegistryLogin {
        username: "00000000-0000-0000-0000-000000000000".into(),
        password: secret(&refresh),
        expires_at: "2026-01-02T06:04:05Z".parse().unwrap(),
    };
    assert_eq!(login().await.unwrap(), expected);
    let form = "access_token=entra&grant_type=access_token&service=a.azurecr.io";
    let head = "POST /oauth2/exchange\naccept: application/json\ncontent-type: application/x-www-form-urlencoded";
    assert_eq!(arrived(&sink), [format!("{head}\n{form}")]);

    let malformed = |problem: &str| format!("Azure Container Registry gave an answer that cannot be used: {problem}");
    for (given, expected) in [
        (
            status(401, r#"{"errors":[{"code":"UNAUTHORIZED","message":"entra expired"}]}"#),
            "Azure Container Registry answered 401 Unauthorized: UNAUTHORIZED: *** expired".to_owned(),
        ),
        (answer("{}"), malformed("no refresh token")),
        (answer(r#"{"refresh_token":"opaque"}"#), malformed("the refresh token has no expiration")),
        (answer("["), malformed("not the JSON of a token")),
    ] {
        sink.answer_always(given);
        assert_eq!(chain(&login().await.unwrap_err()), expected);
    }
}
