//! Credentials and tokens: who is let in, and where nothing is sent.

use super::*;

#[tokio::test]
async fn basic_authentication_opens_a_registry_to_those_who_have_it() {
    let registry = locked(RegistryAuth::Basic);
    let pushed = registry.push_image("app", "v1", &Image::flux("x")).unwrap();
    let mut keyring = Keyring::default();
    keyring.add_config_json(registry.docker_config().as_bytes()).unwrap();
    for credentials in [login(), Credentials::Keyring(Arc::new(keyring))] {
        let client = client(&registry, "app", with(credentials));
        assert_eq!(client.resolve(&tag("v1")).await.unwrap(), digest(&pushed));
    }
    let wrong = Credentials::Fixed(Credential::basic(USERNAME, "hunter2"));
    for credentials in [Credentials::Anonymous, wrong] {
        let client = client(&registry, "app", with(credentials));
        let error = client.resolve(&tag("v1")).await.unwrap_err();
        assert!(matches!(error, OciError::Unauthorized(_)), "{error}");
        let url = format!("http://{}/v2/app/manifests/v1", registry.host());
        assert_eq!(error.to_string(), format!("GET {url}: 401 Unauthorized: UNAUTHORIZED: authentication required"));
    }
}

#[tokio::test]
async fn a_token_is_got_once_and_used_for_everything_in_a_repository() {
    let registry = locked(RegistryAuth::Token);
    let pushed = registry.push_image("team/app", "v1", &Image::flux("x")).unwrap();
    let identity = Credential::IdentityToken(Secret::new(IDENTITY_TOKEN.to_owned()));
    for (credentials, method) in [(login(), "GET"), (Credentials::Fixed(identity), "POST")] {
        let client = client(&registry, "team/app", with(credentials));
        assert_eq!(client.resolve(&tag("v1")).await.unwrap(), digest(&pushed));
        let layer = layer(&client, &pushed).await;
        assert_eq!(client.blob_bytes(&layer, UNLIMITED).await.unwrap(), "x");
        assert_eq!(client.tags().await.unwrap(), [tag("v1")]);
        let requests = registry.take_requests();
        let tokens: Vec<_> = requests.iter().filter(|request| request.target.starts_with("/token")).collect();
        let [token] = tokens.as_slice() else { panic!("{tokens:?}") };
        assert_eq!(token.method, method);
        for request in requests.iter().filter(|request| request.target.starts_with("/v2/team")) {
            assert!(request.header("authorization").starts_with("Bearer "), "{request:?}");
            assert_eq!(request.status, 200, "{request:?}");
        }
    }
}

#[tokio::test]
async fn without_credentials_a_token_opens_what_is_public_and_nothing_else() {
    let registry = locked(RegistryAuth::Token);
    for repository in ["public/app", "private/app"] {
        registry.push_image(repository, "v1", &Image::flux("x")).unwrap();
    }
    assert_eq!(client(&registry, "public/app", options()).tags().await.unwrap(), [tag("v1")]);
    let error = client(&registry, "private/app", options()).tags().await.unwrap_err();
    assert!(matches!(error, OciError::Unauthorized(_)), "{error}");
    for wrong in [Credential::basic(USERNAME, "hunter2"), Credential::IdentityToken(Secret::new("hunter2".into()))] {
        let error = client(&registry, "public/app", with(Credentials::Fixed(wrong))).tags().await.unwrap_err();
        assert!(matches!(error, OciError::Unauthorized(_)), "{error}");
        let text = error.to_string();
        assert!(text.ends_with("/token: 401 Unauthorized: UNAUTHORIZED: incorrect username or password"), "{text}");
    }
}

#[tokio::test]
async fn a_token_that_is_not_accepted_any_more_is_renewed_once() {
    let registry = locked(RegistryAuth::Token);
    registry.push_image("app", "v1", &Image::flux("x")).unwrap();
    let client = client(&registry, "app", with(login()));
    client.tags().await.unwrap();
    let realm = format!(
        "Bearer realm=\"http://{}/token\",service=\"test registry\",scope=\"repository:app:pull,push\"",
        registry.host()
    );
    let expired =
        Fault::status(401, "UNAUTHORIZED", "token expired").header("WWW-Authenticate", &realm).path("/tags/list");
    registry.inject(expired.clone().times(1));
    registry.take_requests();
    client.tags().await.unwrap();
    assert_eq!(lines(&registry), ["GET /v2/app/tags/list 401", "GET /token 200", "GET /v2/app/tags/list 200"]);
    registry.inject(expired);
    let error = client.tags().await.unwrap_err();
    assert!(matches!(error, OciError::Unauthorized(_)), "{error}");
    assert_eq!(lines(&registry), ["GET /v2/app/tags/list 401", "GET /token 200", "GET /v2/app/tags/list 401"]);
}

#[tokio::test]
async fn a_token_is_renewed_before_it_expires() {
    let options = RegistryOptions {
        auth: RegistryAuth::Token,
        token_lifetime: Duration::from_secs(1),
        ..RegistryOptions::default()
    };
    let registry = Registry::start(options).unwrap();
    registry.push_image("app", "v1", &Image::flux("x")).unwrap();
    let client = client(&registry, "app", with(login()));
    client.tags().await.unwrap();
    let renewed = sluice_testkit::wait_until(Duration::from_secs(10), "a second token", async || {
        client.tags().await?;
        let tokens = registry.requests().iter().filter(|request| request.target.starts_with("/token")).count();
        Ok((tokens > 1).then_some(()))
    });
    renewed.await.unwrap();
    assert!(registry.requests().iter().all(|request| request.status == 200 || request.target == "/v2/"));
}

#[tokio::test]
async fn a_registry_token_is_sent_as_it_is() {
    let registry = locked(RegistryAuth::Token);
    let credential = Credential::RegistryToken(Secret::new("opaque".to_owned()));
    let error = client(&registry, "app", with(Credentials::Fixed(credential))).tags().await.unwrap_err();
    assert!(matches!(error, OciError::Unauthorized(_)), "{error}");
    let requests = registry.take_requests();
    assert!(requests.iter().all(|request| !request.target.starts_with("/token")), "{requests:?}");
    assert_eq!(requests.last().unwrap().header("authorization"), "Bearer opaque");
}

#[derive(Debug, Default)]
struct Provider {
    asked: AtomicUsize,
    fails: bool,
}

impl CredentialProvider for Provider {
    fn credential<'a>(&'a self, _: &'a Repository) -> CredentialFuture<'a> {
        Box::pin(async {
            self.asked.fetch_add(1, Ordering::SeqCst);
            if self.fails {
                Err("failed to get access token: no".into())
            } else {
                Ok(Credential::basic(USERNAME, PASSWORD))
            }
        })
    }
}

#[tokio::test]
async fn a_provider_is_asked_once_and_only_when_something_is_wanted() {
    let registry = locked(RegistryAuth::Basic);
    registry.push_image("app", "v1", &Image::flux("x")).unwrap();
    let provider = Arc::new(Provider::default());
    let client_of = |provider: &Arc<Provider>| client(&registry, "app", with(Credentials::Provider(provider.clone())));
    let client = client_of(&provider);
    assert_eq!(provider.asked.load(Ordering::SeqCst), 0);
    client.tags().await.unwrap();
    client.tags().await.unwrap();
    assert_eq!(provider.asked.load(Ordering::SeqCst), 1);
    let failing = Arc::new(Provider { fails: true, ..Provider::default() });
    let error = client_of(&failing).tags().await.unwrap_err();
    assert_eq!(error.to_string(), "failed to get access token: no");
}

#[tokio::test]
async fn credentials_go_nowhere_but_to_the_registry() {
    let elsewhere = plain();
    let blob = elsewhere.push_blob("cdn", b"content").unwrap();
    for auth in [RegistryAuth::Basic, RegistryAuth::Token] {
        let registry = locked(auth);
        let pushed = registry.push_image("app", "v1", &Image::flux("content")).unwrap();
        let client = client(&registry, "app", with(login()));
        let layer = layer(&client, &pushed).await;
        let location = format!("http://{}/v2/cdn/blobs/{blob}?signature=secret", elsewhere.host());
        registry.inject(Fault::answer(307, &[("Location", &location)], "").path("/blobs/"));
        elsewhere.take_requests();
        assert_eq!(client.blob_bytes(&layer, UNLIMITED).await.unwrap(), "content");
        let [request] = &elsewhere.take_requests()[..] else { panic!("one request") };
        assert_eq!(request.header("authorization"), "");
        // A host that is redirected to cannot ask for them either, nor does its query end up in a text.
        let ask = Fault::answer(401, &[("WWW-Authenticate", "Basic realm=\"x\"")], "");
        elsewhere.inject(ask.times(1));
        let error = client.blob_bytes(&layer, UNLIMITED).await.unwrap_err();
        assert!(matches!(error, OciError::Unauthorized(_)), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
        assert!(elsewhere.take_requests().iter().all(|request| request.header("authorization").is_empty()));
    }
}

#[tokio::test]
async fn many_at_once_ask_for_one_token() {
    let registry = locked(RegistryAuth::Token);
    registry.push_image("app", "v1", &Image::flux("x")).unwrap();
    let client = Arc::new(client(&registry, "app", with(login())));
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let client = Arc::clone(&client);
            tokio::spawn(async move { client.tags().await.map(|tags| tags.len()) })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap(), 1);
    }
    let requests = lines(&registry);
    assert_eq!(requests.iter().filter(|line| line.starts_with("GET /token")).count(), 1, "{requests:?}");
    assert_eq!(requests.iter().filter(|line| line.starts_with("GET /v2/ ")).count(), 1, "{requests:?}");
}
