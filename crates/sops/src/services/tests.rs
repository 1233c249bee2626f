//! The key services at their HTTP boundary: what they are asked, and what is made of their answers. There is no real one to ask here.

use std::sync::Arc;

use crate::{
    Ambient, AmbientFuture, AwsKmsKey, AzureKeyVaultKey, Endpoints, GcpKmsKey, KeyRing, KeyServices as _, MasterKey,
    NoAmbient, Services, VaultAccess, VaultInstances, VaultKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sluice_cloud_identity::{AccessToken, AwsCredentials, Clock, Environment, LocalFiles, Platform, Transport};
use sluice_http_client::{ClientConfig, Secret};
use sluice_testkit::sink::{Answer, Request, Sink};

const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";

fn answer(status: u16, body: &Value) -> Answer {
    Answer { status: status.try_into().unwrap(), body: body.to_string().into(), ..Answer::default() }
}

struct Tokens;

fn token(text: &str) -> AccessToken {
    AccessToken { token: Secret::new(text.to_owned()), expires_at: "2030-01-01T00:00:00Z".parse().unwrap() }
}

impl Ambient for Tokens {
    fn aws<'a>(&'a self, region: &'a str) -> AmbientFuture<'a, AwsCredentials> {
        Box::pin(async move {
            Ok(AwsCredentials {
                access_key_id: format!("ID-{region}"),
                secret_access_key: Secret::new("aws-secret".to_owned()),
                session_token: None,
                expires_at: None,
            })
        })
    }

    fn azure<'a>(&'a self, scope: &'a str) -> AmbientFuture<'a, AccessToken> {
        Box::pin(async move { Ok(token(&format!("azure {scope}"))) })
    }

    fn gcp(&self) -> AmbientFuture<'_, AccessToken> {
        Box::pin(async { Ok(token("gcp-token")) })
    }
}

fn services(
    sink: &Sink,
    ring: KeyRing,
    (ambient, vault): (Arc<dyn Ambient>, Option<Box<dyn VaultAccess>>),
    environment: &[(&str, &str)],
) -> Services {
    let environment: Environment = environment.iter().copied().collect();
    let now = "2026-01-02T03:04:05Z".parse().unwrap();
    let platform = Platform::new(environment, Arc::new(LocalFiles), Clock::new(move || now));
    let config = ClientConfig::default();
    let url = Some(sink.url().parse().unwrap());
    let endpoints =
        Endpoints { aws_kms: url.clone(), aws_sts: url.clone(), gcp_kms: url.clone(), azure_key_vault: url };
    let (transport, client) = (Transport::new(&config).unwrap(), Services::client(&config).unwrap());
    Services::new(ring, (ambient, vault), platform, transport, client).with_endpoints(endpoints)
}

async fn opened(services: &Services, key: &MasterKey) -> Result<Vec<u8>, String> {
    let made = services.decrypt(key).await;
    made.map(|key| key.expose().to_vec()).map_err(|error| {
        let first: &dyn std::error::Error = &error;
        let chain = std::iter::successors(Some(first), |error| error.source());
        chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
    })
}

fn vault_key(sink: &Sink) -> MasterKey {
    MasterKey::Vault(VaultKey {
        address: sink.url(),
        engine_path: "team/transit".to_owned(),
        key_name: "k".to_owned(),
        enc: "vault:v1:abc".to_owned(),
    })
}

fn with_vault_token() -> KeyRing {
    let mut ring = KeyRing::default();
    ring.import("sops.vault-token", b" hvs.token\n", &Environment::default()).unwrap();
    ring
}

fn summary(request: &Request) -> (String, String, Value) {
    (request.uri.to_string(), request.header("x-vault-token").to_owned(), request.json().unwrap())
}

#[tokio::test]
async fn vault_is_asked_with_the_token_and_the_namespace() {
    let sink = Sink::start().await.unwrap();
    sink.answer_always(answer(200, &json!({"data": {"plaintext": STANDARD.encode(KEY)}})));
    let services = services(&sink, with_vault_token(), (Arc::new(NoAmbient), None), &[("VAULT_NAMESPACE", "ns")]);
    assert_eq!(opened(&services, &vault_key(&sink)).await.as_deref(), Ok(KEY));
    let requests = sink.take_requests();
    let expected =
        ("/v1/team/transit/decrypt/k".to_owned(), "hvs.token".to_owned(), json!({"ciphertext": "vault:v1:abc"}));
    assert_eq!(requests.iter().map(summary).collect::<Vec<_>>(), [expected]);
    assert_eq!((requests[0].header("x-vault-namespace"), requests[0].header("x-vault-request")), ("ns", "true"));
}

#[tokio::test]
async fn what_vault_refuses_is_told_without_the_token() {
    let sink = Sink::start().await.unwrap();
    let services = services(&sink, with_vault_token(), (Arc::new(NoAmbient), None), &[]);
    for (given, expected) in [
        (
            answer(403, &json!({"errors": ["permission denied", "hvs.token"]})),
            "the service answered 403 Forbidden: permission denied; ***",
        ),
        (answer(500, &json!({})), "the service answered 500 Internal Server Error"),
        (
            answer(200, &json!({"data": {}})),
            "the service gave an answer that cannot be used: it is not the expected JSON",
        ),
        (
            answer(200, &json!({"data": {"plaintext": "?"}})),
            "the service gave an answer that cannot be used: the plaintext is not base64",
        ),
    ] {
        sink.answer_always(given);
        let prefix = "failed to decrypt sops data key with Vault: failed to decrypt sops data key from Vault transit backend 'team/transit/decrypt/k'";
        assert_eq!(opened(&services, &vault_key(&sink)).await, Err(format!("{prefix}: {expected}")));
    }
}

struct Access {
    instances: String,
    subject: &'static str,
}

impl VaultAccess for Access {
    fn instances(&self) -> AmbientFuture<'_, VaultInstances> {
        Box::pin(async { Ok(VaultInstances::parse(&self.instances)?) })
    }

    fn service_account_token<'a>(&'a self, audience: &'a str) -> AmbientFuture<'a, Secret<String>> {
        let claims = json!({"sub": self.subject, "aud": [audience]}).to_string();
        Box::pin(async move { Ok(Secret::new(format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims)))) })
    }
}

#[tokio::test]
async fn a_service_account_logs_in_to_vault_once_for_each_address() {
    let sink = Sink::start().await.unwrap();
    let instances = format!("instances:\n- address: {}\n  loginPath: auth/kubernetes/login\n", sink.url());
    let access = Access { instances, subject: "system:serviceaccount:apps:decryptor" };
    let services = services(
        &sink,
        KeyRing::default(),
        (Arc::new(NoAmbient), Some(Box::new(access))),
        &[("VAULT_TOKEN", "not this")],
    );
    let data = answer(200, &json!({"data": {"plaintext": STANDARD.encode(KEY)}}));
    sink.answer_next([answer(200, &json!({"auth": {"client_token": "hvs.login"}}))]);
    sink.answer_always(data);
    for _ in 0..2 {
        assert_eq!(opened(&services, &vault_key(&sink)).await.as_deref(), Ok(KEY));
    }
    let requests = sink.take_requests();
    let tokens: Vec<_> = requests.iter().map(|request| (request.path(), request.header("x-vault-token"))).collect();
    let decrypt = ("/v1/team/transit/decrypt/k", "hvs.login");
    assert_eq!(tokens, [("/v1/auth/kubernetes/login", ""), decrypt, decrypt]);
    let login = requests[0].json().unwrap();
    assert_eq!(login["role"], "apps_decryptor");
    let claims = login["jwt"].as_str().unwrap().split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    assert_eq!(claims["aud"], json!([sink.url()]));
}

#[tokio::test]
async fn a_vault_that_is_not_configured_gets_no_token() {
    let sink = Sink::start().await.unwrap();
    let cases = [
        (
            "instances: []",
            "system:serviceaccount:a:b",
            format!("no Vault login path configured for address '{}'", sink.url()),
        ),
        (": [", "", "failed to get Vault configuration: failed to parse the Vault instances".to_owned()),
    ];
    for (instances, subject, expected) in cases {
        let access = Access { instances: instances.to_owned(), subject };
        let services = services(&sink, KeyRing::default(), (Arc::new(NoAmbient), Some(Box::new(access))), &[]);
        let error = opened(&services, &vault_key(&sink)).await.unwrap_err();
        assert_eq!(error, format!("failed to decrypt sops data key with Vault: {expected}"));
    }
    let instances = format!("instances:\n- address: {}\n  loginPath: auth/jwt/login\n", sink.url());
    let access = Access { instances, subject: "somebody" };
    let with_access = services(&sink, KeyRing::default(), (Arc::new(NoAmbient), Some(Box::new(access))), &[]);
    let error = opened(&with_access, &vault_key(&sink)).await.unwrap_err();
    assert!(error.ends_with("failed to derive Vault role for authentication"), "{error}");
    let without = services(&sink, KeyRing::default(), (Arc::new(NoAmbient), None), &[]);
    let error = opened(&without, &vault_key(&sink)).await.unwrap_err();
    assert!(error.ends_with("no Vault token is configured"), "{error}");
    let listed = services(
        &sink,
        with_vault_token(),
        (Arc::new(NoAmbient), None),
        &[("SOPS_HC_VAULT_ALLOWLIST", "https://other")],
    );
    let error = opened(&listed, &vault_key(&sink)).await.unwrap_err();
    assert!(error.ends_with(&format!("Allowlist does not allow {}", sink.url())), "{error}");
    assert_eq!(sink.take_requests(), []);
}

#[tokio::test]
async fn aws_is_asked_in_the_region_of_the_arn_after_taking_the_role() {
    let sink = Sink::start().await.unwrap();
    let services = services(&sink, KeyRing::default(), (Arc::new(Tokens), None), &[]);
    let xml = "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ROLE-ID</AccessKeyId><SecretAccessKey>role-secret</SecretAccessKey><SessionToken>role-session</SessionToken></Credentials></AssumeRoleResult></AssumeRoleResponse>";
    sink.answer_next([Answer { body: xml.into(), ..Answer::default() }]);
    sink.answer_always(answer(200, &json!({"Plaintext": STANDARD.encode(KEY)})));
    let key = MasterKey::AwsKms(AwsKmsKey {
        arn: "arn:aws:kms:eu-west-1:123:key/k".to_owned(),
        role: Some("arn:aws:iam::123:role/r".to_owned()),
        context: [("App".to_owned(), "x".to_owned())].into(),
        enc: STANDARD.encode("sealed"),
    });
    assert_eq!(opened(&services, &key).await.as_deref(), Ok(KEY));
    let requests = sink.take_requests();
    let [role, decrypt] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!(
        role.text(),
        "Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam%3A%3A123%3Arole%2Fr&RoleSessionName=sops%40sluice&Version=2011-06-15"
    );
    assert!(role.header("authorization").contains("Credential=ID-eu-west-1/20260102/eu-west-1/sts/aws4_request"));
    assert_eq!(decrypt.header("x-amz-target"), "TrentService.Decrypt");
    assert_eq!(decrypt.header("x-amz-security-token"), "role-session");
    assert!(decrypt.header("authorization").contains("Credential=ROLE-ID/20260102/eu-west-1/kms/aws4_request"));
    let expected = json!({"CiphertextBlob": STANDARD.encode("sealed"), "EncryptionContext": {"App": "x"}, "KeyId": "arn:aws:kms:eu-west-1:123:key/k"});
    assert_eq!(decrypt.json().unwrap(), expected);
}

#[tokio::test]
async fn aws_credentials_of_a_secret_come_first_and_its_refusal_is_told() {
    let sink = Sink::start().await.unwrap();
    let mut ring = KeyRing::default();
    ring.import("sops.aws-kms", b"aws_access_key_id: STATIC\naws_secret_access_key: s3cret\n", &Environment::default())
        .unwrap();
    let services = services(&sink, ring, (Arc::new(Tokens), None), &[]);
    sink.answer_always(answer(
        400,
        &json!({"__type": "com.amazonaws.kms#AccessDeniedException", "Message": "no s3cret"}),
    ));
    let arn = "arn:aws:kms:eu-west-1:123:key/k".to_owned();
    let key = AwsKmsKey { arn, role: None, context: [].into(), enc: STANDARD.encode("sealed") };
    let error = opened(&services, &MasterKey::AwsKms(key.clone())).await.unwrap_err();
    assert_eq!(
        error,
        "failed to decrypt sops data key with AWS KMS: the service answered 400 Bad Request: AccessDeniedException: no ***"
    );
    assert!(sink.take_requests()[0].header("authorization").contains("Credential=STATIC/"));
    for bad in [
        AwsKmsKey { arn: "arn:aws:kms:evil.example:1:key/k".to_owned(), ..key.clone() },
        AwsKmsKey { enc: "?".to_owned(), ..key },
    ] {
        assert!(opened(&services, &MasterKey::AwsKms(bad)).await.is_err());
    }
    assert_eq!(sink.take_requests(), []);
}

#[tokio::test]
async fn google_and_azure_are_asked_with_their_tokens() {
    let sink = Sink::start().await.unwrap();
    let services = services(&sink, KeyRing::default(), (Arc::new(Tokens), None), &[]);
    sink.answer_next([
        answer(200, &json!({"plaintext": STANDARD.encode(KEY)})),
        answer(200, &json!({"kid": "k", "value": URL_SAFE_NO_PAD.encode(KEY)})),
        answer(403, &json!({"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "not gcp-token"}})),
    ]);
    let google = MasterKey::GcpKms(GcpKmsKey {
        resource_id: "projects/p/locations/global/keyRings/r/cryptoKeys/k".to_owned(),
        enc: STANDARD.encode("sealed"),
    });
    let azure = MasterKey::AzureKeyVault(AzureKeyVaultKey {
        vault_url: "https://mine.vault.azure.net".to_owned(),
        name: "k".to_owned(),
        version: "v1".to_owned(),
        enc: URL_SAFE_NO_PAD.encode("sealed"),
    });
    assert_eq!(opened(&services, &google).await.as_deref(), Ok(KEY));
    assert_eq!(opened(&services, &azure).await.as_deref(), Ok(KEY));
    let error = opened(&services, &google).await.unwrap_err();
    assert_eq!(
        error,
        "failed to decrypt sops data key with GCP KMS key: the service answered 403 Forbidden: PERMISSION_DENIED: not ***"
    );
    let told: Vec<_> = sink
        .take_requests()
        .iter()
        .map(|request| (request.uri.to_string(), request.header("authorization").to_owned(), request.json().unwrap()))
        .collect();
    let google = (
        "/v1/projects/p/locations/global/keyRings/r/cryptoKeys/k:decrypt".to_owned(),
        "Bearer gcp-token".to_owned(),
        json!({"ciphertext": STANDARD.encode("sealed")}),
    );
    let azure = (
        "/keys/k/v1/decrypt?api-version=7.4".to_owned(),
        "Bearer azure https://vault.azure.net/.default".to_owned(),
        json!({"alg": "RSA-OAEP-256", "value": URL_SAFE_NO_PAD.encode("sealed")}),
    );
    assert_eq!(told, [google.clone(), azure, google]);
}
