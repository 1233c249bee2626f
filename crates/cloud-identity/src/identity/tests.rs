//! The whole way, against one server that plays every cloud.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use sluice_http_client::Secret;
use sluice_testkit::Sink;

use super::*;
use crate::cache::{CacheEvent, CacheObserver, MAX_TOKEN_DURATION};
use crate::credential::Clock;
use crate::testing::{MemoryFiles, PKCS8, answer, arrived, chain, now, secret, status, transport, url};

mod kubernetes;

const ROLE: &str = "arn:aws:iam::1:role/reader";
const ENTRA: &str = r#"{"expires_in":3600,"access_token":"entra"}"#;
const GOOGLE: &str = r#"{"expires_in":3600,"access_token":"google"}"#;
const STS: &str = "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>AKID</AccessKeyId>\
    <SecretAccessKey>secret</SecretAccessKey><SessionToken>session</SessionToken><Expiration>2026-01-02T04:04:05Z</Expiration>\
    </Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";

/// Tokens by their audiences, or none.
struct Tokens {
    asked: Mutex<Vec<String>>,
    refuse: bool,
}

impl ServiceAccountTokens for Tokens {
    fn service_account_token<'a>(&'a self, audiences: &'a [String]) -> Port<'a, Secret<String>> {
        Box::pin(async move {
            self.asked.lock().unwrap().push(audiences.join(","));
            if self.refuse { Err("forbidden".into()) } else { Ok(secret("jwt")) }
        })
    }
}

#[derive(Default)]
struct Events(Mutex<Vec<CacheEvent>>);

impl CacheObserver for Events {
    fn event(&self, event: CacheEvent, _: &InvolvedObject) {
        self.0.lock().unwrap().push(event);
    }
}

struct Rig {
    sink: Sink,
    platform: Platform,
    transport: Transport,
    cache: TokenCache,
    events: Arc<Events>,
    object: InvolvedObject,
    tokens: Arc<Tokens>,
}

impl Rig {
    async fn new(variables: &[(&str, &str)]) -> Self {
        Self::with_tokens(variables, false).await
    }

    async fn with_tokens(variables: &[(&str, &str)], refuse: bool) -> Self {
        let sink = Sink::start().await.unwrap();
        let host = sink.address().to_string();
        let variables = variables.iter().copied().chain([("GCE_METADATA_HOST", host.as_str())]);
        let clock = Clock::new(now);
        let platform = Platform::new(variables.collect(), Arc::new(MemoryFiles::default()), clock.clone());
        let at = |path: &str| Some(url(&sink).join(path).unwrap());
        let endpoints = Endpoints {
            aws_sts: at("sts/"),
            aws_ecr: at("ecr/"),
            azure_authority: at("entra/"),
            azure_registry: at("acr"),
            aws_eks: at("eks/"),
            azure_management: at("arm/"),
            gcp_container: at("gke/"),
            gcp_sts: at("google/"),
            gcp_iam: at("iam/"),
        };
        let platform = platform.with_endpoints(endpoints);
        let events = Arc::new(Events::default());
        let observer: Arc<dyn CacheObserver> = Arc::<Events>::clone(&events);
        let object = InvolvedObject {
            kind: "OCIRepository".into(),
            name: "n".into(),
            namespace: "ns".into(),
            operation: "reconcile".into(),
        };
        Self {
            sink,
            platform,
            transport: transport(),
            cache: TokenCache::new(10, MAX_TOKEN_DURATION, clock, observer),
            events,
            object,
            tokens: Arc::new(Tokens { asked: Mutex::default(), refuse }),
        }
    }

    fn identity<'a>(&'a self, service_account: Option<&'a ServiceAccount>) -> Identity<'a> {
        Identity {
            platform: &self.platform,
            transport: &self.transport,
            cache: &self.cache,
            object: Some(&self.object),
            service_account,
        }
    }

    fn account(&self, annotations: &[(&str, &str)]) -> ServiceAccount {
        ServiceAccount {
            namespace: "ns".into(),
            name: "sa".into(),
            annotations: annotations.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            audiences: Vec::new(),
            tokens: Arc::<Tokens>::clone(&self.tokens),
        }
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.tokens.asked.lock().unwrap())
    }

    /// The request lines that arrived.
    fn lines(&self) -> Vec<String> {
        arrived(&self.sink).iter().map(|text| text.lines().next().unwrap().to_owned()).collect()
    }

    fn events(&self) -> Vec<CacheEvent> {
        std::mem::take(&mut *self.events.0.lock().unwrap())
    }
}

#[tokio::test]
async fn a_service_account_takes_its_role_once() {
    let rig = Rig::new(&[]).await;
    rig.sink.answer_always(answer(STS));
    let account = rig.account(&[(aws::ROLE_ANNOTATION, ROLE)]);
    let identity = rig.identity(Some(&account));
    let first = identity.aws_credentials(Some("eu-west-1"), None).await.unwrap();
    assert_eq!(first, identity.aws_credentials(Some("eu-west-1"), None).await.unwrap());
    assert_eq!(
        (rig.asked(), rig.events()),
        (vec!["sts.amazonaws.com".to_owned()], vec![CacheEvent::Miss, CacheEvent::Hit])
    );
    let requests = arrived(&rig.sink);
    assert_eq!(requests.len(), 1);
    assert!(requests[0].contains("RoleSessionName=sa.ns.eu-west-1.fluxcd.io&"), "{requests:?}");

    // Whatever makes another token makes another exchange.
    let (other, own) =
        (rig.account(&[(aws::ROLE_ANNOTATION, "arn:aws:iam::1:role/other")]), StsEndpoint::trusted(url(&rig.sink)));
    rig.identity(Some(&other)).aws_credentials(Some("eu-west-1"), None).await.unwrap();
    identity.aws_credentials(Some("eu-west-2"), None).await.unwrap();
    identity.aws_credentials(Some("eu-west-1"), Some(&own)).await.unwrap();
    let renamed = ServiceAccount { name: "other".into(), ..account.clone() };
    rig.identity(Some(&renamed)).aws_credentials(Some("eu-west-1"), None).await.unwrap();
    let moved = ServiceAccount { namespace: "other".into(), ..account.clone() };
    rig.identity(Some(&moved)).aws_credentials(Some("eu-west-1"), None).await.unwrap();
    assert_eq!(rig.lines(), ["POST /sts/", "POST /sts/", "POST /", "POST /sts/", "POST /sts/"]);
    let audience = ServiceAccount { audiences: vec!["a".into(), "b".into()], ..account.clone() };
    rig.asked();
    rig.identity(Some(&audience)).aws_credentials(Some("eu-west-1"), None).await.unwrap();
    assert_eq!(rig.asked(), ["a,b"]);
}

#[tokio::test]
async fn a_registry_of_each_provider_takes_a_service_accounts_login() {
    let rig = Rig::new(&[]).await;
    let ecr = format!(
        r#"{{"authorizationData":[{{"authorizationToken":"{}","expiresAt":1767366245}}]}}"#,
        STANDARD.encode("AWS:ecr")
    );
    let refresh = format!(r#"{{"refresh_token":"h.{}.s"}}"#, URL_SAFE_NO_PAD.encode(r#"{"exp":1767333845}"#));
    let names = [answer("project"), answer("location"), answer("cluster")];
    let azure = [("azure.workload.identity/tenant-id", "t"), ("azure.workload.identity/client-id", "c")];
    for (provider, host, annotations, answers, audience, lines, username) in [
        (
            Provider::Aws,
            "1.dkr.ecr.eu-west-1.amazonaws.com",
            vec![(aws::ROLE_ANNOTATION, ROLE)],
            vec![answer(STS), answer(&ecr)],
            "sts.amazonaws.com",
            vec!["POST /sts/", "POST /ecr/"],
            "AWS",
        ),
        (
            Provider::Azure,
            "a.azurecr.io",
            azure.to_vec(),
            vec![answer(ENTRA), answer(&refresh)],
            "api://AzureADTokenExchange",
            vec!["POST /entra/t/oauth2/v2.0/token", "POST /acr"],
            "00000000-0000-0000-0000-000000000000",
        ),
        (
            Provider::Gcp,
            "eu.gcr.io",
            vec![],
            [&names[..], &[answer(GOOGLE)]].concat(),
            "project.svc.id.goog",
            vec![
                "GET /computeMetadata/v1/project/project-id",
                "GET /computeMetadata/v1/instance/attributes/cluster-location",
                "GET /computeMetadata/v1/instance/attributes/cluster-name",
                "POST /google/",
            ],
            "oauth2accesstoken",
        ),
    ] {
        rig.sink.answer_next(answers);
        let account = rig.account(&annotations);
        let login = rig.identity(Some(&account)).registry_login(provider, host).await.unwrap();
        assert_eq!(login.username, username);
        assert_eq!(
            (rig.asked(), rig.lines()),
            (vec![audience.to_owned()], lines.iter().map(ToString::to_string).collect())
        );
        assert_eq!(rig.identity(Some(&account)).registry_login(provider, host).await.unwrap(), login);
        assert_eq!((rig.asked(), rig.lines()), (Vec::new(), Vec::new()));
    }
    // The cluster is asked for once in the life of a process.
    let robot = rig.account(&[(gcp::SERVICE_ACCOUNT_ANNOTATION, "r@p.iam.gserviceaccount.com")]);
    rig.sink.answer_next([answer(GOOGLE), answer(r#"{"accessToken":"r","expireTime":"2026-01-02T05:00:00Z"}"#)]);
    assert_eq!(*rig.identity(Some(&robot)).gcp_token().await.unwrap().token.expose(), "r");
    let line = "POST /iam/projects/-/serviceAccounts/r@p.iam.gserviceaccount.com:generateAccessToken";
    assert_eq!(rig.lines(), ["POST /google/", line]);
}

#[tokio::test]
async fn outside_gke_the_annotated_provider_is_the_audience_and_no_metadata_is_asked_for() {
    let rig = Rig::new(&[]).await;
    rig.sink.answer_always(answer(GOOGLE));
    let provider = "projects/1/locations/global/workloadIdentityPools/a/providers/b";
    let account = rig.account(&[(gcp::WORKLOAD_IDENTITY_PROVIDER_ANNOTATION, provider)]);
    rig.identity(Some(&account)).gcp_token().await.unwrap();
    assert_eq!(rig.asked(), [format!("//iam.googleapis.com/{provider}")]);
    assert_eq!(rig.lines(), ["POST /google/"]);
}

#[tokio::test]
async fn the_controllers_own_identity_serves_objects_without_a_service_account() {
    let environment = [
        ("AWS_ACCESS_KEY_ID", "AKID"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AZURE_TENANT_ID", "t"),
        ("AZURE_CLIENT_ID", "c"),
        ("AZURE_CLIENT_SECRET", "s"),
    ];
    let rig = Rig::new(&environment).await;
    let identity = rig.identity(None);
    rig.sink.answer_always(answer(ENTRA));
    let git = |text: &str| text.parse::<Url>().unwrap();
    let login = identity.git_login(Provider::Azure, &git("https://dev.azure.com/o/p/_git/r")).await.unwrap();
    assert_eq!(login.scheme, GitScheme::Bearer(secret("entra")));
    let requests = arrived(&rig.sink);
    assert!(requests[0].ends_with("scope=499b84ac-1321-427f-aa17-267ca6975798%2F.default"), "{requests:?}");

    let url = git("https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/my-repo");
    let login = identity.git_login(Provider::Aws, &url).await.unwrap();
    let password = "20260102T030405Z324599ce2294957c0dc2e666d2502849723fd8f476e40be4ac75145c37f4d695";
    assert_eq!(login.scheme, GitScheme::Basic { username: secret("AKID"), password: secret(password) });
    let error = identity.git_login(Provider::Gcp, &url).await.unwrap_err();
    assert_eq!(error.to_string(), "provider 'gcp' does not support Git credentials");

    rig.sink.answer_always(answer(GOOGLE));
    assert_eq!(*identity.gcp_token().await.unwrap().token.expose(), "google");
    assert!(rig.asked().is_empty());
}

#[tokio::test]
async fn what_fails_is_told_from_the_object_down_to_the_cause() {
    let rig = Rig::new(&[]).await;
    rig.sink.answer_always(status(403, r#"{"error":"no"}"#));
    let registry = async |provider, host: &str, account: Option<&ServiceAccount>| {
        chain(&rig.identity(account).registry_login(provider, host).await.unwrap_err())
    };
    let token = "failed to get access token for artifact registry";
    let account = rig.account(&[]);
    let azure = [("azure.workload.identity/tenant-id", "t"), ("azure.workload.identity/client-id", "c")];
    let (role, entra) = (rig.account(&[(aws::ROLE_ANNOTATION, ROLE)]), rig.account(&azure));
    for (provider, host, account, expected) in [
        (Provider::Aws, "ghcr.io", None, "invalid AWS registry: 'ghcr.io'. must be ".to_owned()),
        (Provider::Azure, "ghcr.io", None, "invalid Azure registry: 'ghcr.io'. must end with ".to_owned()),
        (Provider::Gcp, "ghcr.io", None, "invalid GCP registry: 'ghcr.io'. must be ".to_owned()),
        (
            Provider::Gcp,
            "gcr.io",
            None,
            format!(
                "{token}: failed to create provider access token for the controller: the Google metadata service answered 403 Forbidden"
            ),
        ),
        (
            Provider::Gcp,
            "gcr.io",
            Some(&account),
            format!(
                "{token}: failed to get provider audience: failed to get GKE cluster project ID from the metadata service: the Google"
            ),
        ),
        (
            Provider::Azure,
            "a.azurecr.io",
            Some(&account),
            format!(
                "{token}: failed to get provider identity from service account 'ns/sa' annotations: azure tenant ID is not set"
            ),
        ),
        (
            Provider::Azure,
            "a.azurecr.io",
            Some(&entra),
            format!(
                "{token}: failed to create provider access token for service account 'ns/sa': Microsoft Entra ID answered 403 Forbidden: no"
            ),
        ),
        (
            Provider::Aws,
            "public.ecr.aws",
            Some(&role),
            format!(
                "{token}: failed to create provider access token for service account 'ns/sa': AWS STS answered 403 Forbidden"
            ),
        ),
    ] {
        let error = registry(provider, host, account).await;
        assert!(error.starts_with(&expected), "{error}");
    }
    rig.sink.answer_next([answer(ENTRA)]);
    let error = registry(Provider::Azure, "a.azurecr.io", Some(&entra)).await;
    assert_eq!(
        error,
        "failed to create artifact registry credentials: Azure Container Registry answered 403 Forbidden"
    );
    let url = "https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/r".parse().unwrap();
    let error = chain(&rig.identity(Some(&role)).git_login(Provider::Aws, &url).await.unwrap_err());
    assert!(error.starts_with("failed to get access token for Git repository: failed to create provider "), "{error}");
    let error = chain(&rig.identity(Some(&role)).aws_credentials(None, None).await.unwrap_err());
    assert!(error.contains("'ns/sa': an AWS region is required for authenticating with a service account"), "{error}");
    assert_eq!(Provider::parse("oracle").unwrap_err().to_string(), "provider 'oracle' not implemented");
    for provider in [Provider::Aws, Provider::Azure, Provider::Gcp] {
        assert_eq!(Provider::parse(provider.name()).unwrap(), provider);
    }
}

#[tokio::test]
async fn a_service_account_without_a_token_is_told_so_and_no_cloud_is_asked() {
    let rig = Rig::with_tokens(&[], true).await;
    let account = rig.account(&[(aws::ROLE_ANNOTATION, ROLE)]);
    let error = rig.identity(Some(&account)).aws_credentials(Some("eu-west-1"), None).await.unwrap_err();
    assert_eq!(chain(&error), "failed to create kubernetes token for service account 'ns/sa': forbidden");
    assert!(rig.lines().is_empty());
}

#[tokio::test]
async fn many_objects_of_one_registry_make_one_exchange() {
    let rig = Rig::new(&[]).await;
    let mut slow = answer(GOOGLE);
    slow.delay = Duration::from_millis(50);
    rig.sink.answer_always(slow);
    let identity = rig.identity(None);
    let lookups = (0..20).map(|_| identity.gcp_token());
    let tokens = futures_join(lookups).await;
    assert!(tokens.iter().all(|token| token == &tokens[0]) && tokens.len() == 20);
    assert_eq!(rig.lines().len(), 1);
    let events = rig.events();
    assert_eq!(events.iter().filter(|event| **event == CacheEvent::Miss).count(), 1);
}

/// Runs all at once.
async fn futures_join<T, E: fmt::Debug>(futures: impl Iterator<Item = impl Future<Output = Result<T, E>>>) -> Vec<T> {
    let mut pending: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, done) in pending.iter_mut().filter(|(_, done)| done.is_none()) {
            if let std::task::Poll::Ready(result) = future.as_mut().poll(context) {
                *done = Some(result.unwrap());
            }
        }
        if pending.iter().all(|(_, done)| done.is_some()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    pending.into_iter().filter_map(|(_, done)| done).collect()
}

#[tokio::test]
async fn an_installations_token_is_kept_by_app_and_way_out() {
    let rig = Rig::new(&[]).await;
    rig.sink.answer_always(answer(r#"{"token":"ghs","expires_at":"2026-01-02T04:04:05Z"}"#));
    let base = rig.sink.url();
    let data = [
        ("githubAppID", "1"),
        ("githubAppInstallationID", "2"),
        ("githubAppPrivateKey", PKCS8),
        ("githubAppBaseURL", &base),
    ];
    let data: BTreeMap<String, &[u8]> = data.iter().map(|(key, value)| ((*key).into(), value.as_bytes())).collect();
    let app = GitHubApp::from_secret(&data).unwrap();
    let identity = rig.identity(None);
    let login = identity.github_app_git_login(&app).await.unwrap();
    assert_eq!(identity.github_app_git_login(&app).await.unwrap(), login);
    assert_eq!((rig.lines().len(), rig.events()), (1, vec![CacheEvent::Miss, CacheEvent::Hit]));
    let config = sluice_http_client::ClientConfig::default();
    let proxied = rig.transport.with_config(&config).unwrap();
    assert_ne!(proxied.fingerprint(), rig.transport.fingerprint());
}

#[tokio::test]
async fn a_lookup_can_move_between_threads() {
    fn sendable<T: Send>(future: T) -> T {
        future
    }
    let rig = Rig::new(&[]).await;
    let identity = rig.identity(None);
    let url: Url = "https://dev.azure.com/o".parse().unwrap();
    drop(sendable(identity.registry_login(Provider::Aws, "public.ecr.aws")));
    drop(sendable(identity.git_login(Provider::Azure, &url)));
    drop(sendable(identity.gcp_token()));
    let base = [("githubAppID", "1"), ("githubAppInstallationOwner", "o"), ("githubAppPrivateKey", PKCS8)];
    let data: BTreeMap<String, &str> = base.iter().map(|(key, value)| ((*key).into(), *value)).collect();
    drop(sendable(identity.github_app_token(&GitHubApp::from_secret(&data).unwrap())));
}

#[tokio::test]
async fn a_secrets_own_credential_is_asked_for_at_its_own_authority() {
    let rig = Rig::new(&[]).await;
    rig.sink.answer_always(answer(ENTRA));
    let credential =
        AzureCredential::ClientSecret { tenant_id: "t".into(), client_id: "c".into(), secret: secret("s") };
    let own = Authority::trusted(url(&rig.sink).join("own/").unwrap());
    for authority in [None, Some(&own), Some(&own)] {
        rig.identity(None).azure_token_of(&credential, authority, azure::scope::STORAGE).await.unwrap();
    }
    let line = "POST /own/t/oauth2/v2.0/token";
    assert_eq!(rig.lines(), ["POST /entra/t/oauth2/v2.0/token", line, line]);
}
