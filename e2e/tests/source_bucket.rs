//! Objects of kind Bucket on a real API server and real object stores: artifacts, what is asked of a store, bad ones, credentials by Secret,
//! token service and identity. Google Cloud Storage and the clouds' token services have no real server here: those are answered by a sink.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{Api, Client};
use serde_json::{Value, json};
use sluice_api::meta::Artifact;
use sluice_api::source::{Bucket, BucketStatus};
use sluice_e2e::{Applied, NS, PATIENCE, Stack, apply, archive_names, condition};
use sluice_testkit::azure::AzureServer;
use sluice_testkit::front::Front;
use sluice_testkit::proxy::{ProxyKind, ProxyServer};
use sluice_testkit::s3::S3Server;
use sluice_testkit::sink::{Answer, Sink};
use sluice_testkit::wait::wait_until;

fn bucket(name: &str, bucket: &str, endpoint: &str, more: &Value) -> Value {
    let mut spec =
        json!({ "bucketName": bucket, "endpoint": endpoint, "insecure": true, "interval": "1h", "timeout": "30s" });
    if let (Some(spec), Some(more)) = (spec.as_object_mut(), more.as_object()) {
        spec.extend(more.clone());
    }
    json!({ "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "Bucket", "metadata": { "name": name }, "spec": spec })
}

async fn secret(client: &Client, name: &str, data: Value) -> Result<()> {
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "stringData": data });
    apply(client, secret).await.map(drop)
}

async fn keys(client: &Client) -> Result<()> {
    secret(client, "keys", json!({ "accesskey": S3Server::ACCESS_KEY, "secretkey": S3Server::SECRET_KEY })).await
}

fn status(object: &Bucket) -> BucketStatus {
    object.status.clone().unwrap_or_default()
}

fn ready(object: &Bucket) -> String {
    condition(&status(object).conditions, "Ready")
}

fn artifact(object: &Bucket) -> Result<Artifact> {
    status(object).artifact.context("there is no artifact")
}

fn stored_file(stack: &Stack, artifact: &Artifact) -> PathBuf {
    stack.data.path().join("storage").join(&artifact.path)
}

/// Waits until the object fulfils `holds`; a failure shows its conditions.
async fn wait(stack: &Stack, name: &str, what: &str, holds: impl Fn(&Bucket) -> bool) -> Result<Bucket> {
    let api: Api<Bucket> = Api::namespaced(stack.client(), NS);
    let waited = wait_until(PATIENCE, what, async || Ok(api.get_opt(name).await?.filter(|object| holds(object)))).await;
    match waited {
        Ok(object) => Ok(object),
        Err(error) => {
            let conditions: Vec<Condition> = api.get(name).await.map(|object| status(&object).conditions)?;
            Err(error.context(format!("{name} has the conditions {}", serde_json::to_string(&conditions)?)))
        }
    }
}

async fn wait_ready(stack: &Stack, name: &str) -> Result<Bucket> {
    let settled = |object: &Bucket| {
        ready(object).starts_with("True ") && object.metadata.generation == status(object).observed_generation
    };
    wait(stack, name, "Ready=True", settled).await
}

async fn wait_revision_other_than(stack: &Stack, name: &str, revision: &str) -> Result<Bucket> {
    let other = |object: &Bucket| {
        ready(object).starts_with("True ") && artifact(object).is_ok_and(|artifact| artifact.revision != revision)
    };
    wait(stack, name, "another revision", other).await
}

async fn wait_failed(stack: &Stack, name: &str, reason: &str) -> Result<Bucket> {
    let start = format!("False {reason}: ");
    wait(stack, name, &format!("Ready=False with reason {reason}"), |object| ready(object).starts_with(&start)).await
}

/// Requests for the content of objects, other than the ignore file.
fn downloads(requests: &[String], bucket: &str) -> Vec<String> {
    let start = format!("/{bucket}/");
    let is_object = |request: &&String| {
        request.strip_prefix("GET ").is_some_and(|target| {
            let path = target.split('?').next().unwrap_or_default();
            path.contains(&start) && !path.ends_with(&start) && !path.ends_with(".sourceignore")
        })
    };
    requests.iter().filter(is_object).cloned().collect()
}

#[tokio::test]
async fn a_change_is_published_and_an_unchanged_bucket_is_only_listed() -> Result<()> {
    let stack = Stack::start().await?;
    let s3 = S3Server::start().await?;
    let front = Front::start(&s3.endpoint()).await?;
    let client = stack.client();
    keys(&client).await?;
    let controller = stack.source_controller()?.start().await?;
    let by_key = json!({ "secretRef": { "name": "keys" } });
    let with = |more: Value| {
        let mut spec = by_key.clone();
        spec.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        spec
    };

    // The revision that the kind has always had for this content.
    s3.put("one", "test.txt", b"test").await?;
    apply(&client, bucket("one", "one", &front.address(), &by_key)).await?;
    let revision = "sha256:b4c2a60ce44b67f5b659a95ce4e4cc9e2a86baf13afb72bd397c5384cbc0e479";
    let one = wait_ready(&stack, "one").await?;
    assert_eq!(ready(&one), format!("True Succeeded: stored artifact: revision '{revision}'"));
    let in_storage = condition(&status(&one).conditions, "ArtifactInStorage");
    assert_eq!(in_storage, format!("True Succeeded: stored artifact: revision '{revision}'"));
    let published = artifact(&one)?;
    assert_eq!(published.revision, revision);
    assert_eq!(published.path, format!("bucket/{NS}/one/{}.tar.gz", &revision[7..]));
    let link = status(&one).url.context("a link")?;
    assert!(link.starts_with("http://") && link.ends_with("/bucket/apps/one/latest.tar.gz"), "{link}");
    assert_eq!(archive_names(&stored_file(&stack, &published))?, [".", "test.txt"]);
    let event = stack.event("Bucket", "one", "NewArtifact").await?;
    assert_eq!(event.message.as_deref(), Some("stored artifact with 1 fetched files from 'one' bucket"));

    for (key, content) in [
        (".git/config", "x"),
        ("apps/a.yaml", "a: 1\n"),
        ("apps/deep/er/b.yaml", "b: 1\n"),
        ("apps/photo.jpg", "x"),
        ("apps/draft.txt", "x"),
        ("other/c d+é.yaml", "c: 1\n"),
        (".sourceignore", "*.txt\n"),
    ] {
        s3.put("many", key, content.as_bytes()).await?;
    }
    let many = apply(&client, bucket("many", "many", &front.address(), &by_key)).await?;
    let shaped = with(json!({ "prefix": "apps/", "ignore": "*.jpg\n!draft.txt\n" }));
    apply(&client, bucket("shaped", "many", &front.address(), &shaped)).await?;
    apply(&client, bucket("empty", "many", &front.address(), &with(json!({ "prefix": "nothing/" })))).await?;
    let found = wait_ready(&stack, "many").await?;
    let first = artifact(&found)?;
    let names = archive_names(&stored_file(&stack, &first))?;
    let expected = [
        ".",
        ".git",
        ".git/config",
        ".sourceignore",
        "apps",
        "apps/a.yaml",
        "apps/deep",
        "apps/deep/er",
        "apps/deep/er/b.yaml",
        "apps/photo.jpg",
        "other",
    ];
    assert_eq!(&names[..expected.len()], expected, "nothing is excluded by itself: {names:?}");
    assert_eq!(names.len(), expected.len() + 1);
    let found = wait_ready(&stack, "shaped").await?;
    assert_eq!(status(&found).observed_ignore.as_deref(), Some("*.jpg\n!draft.txt\n"));
    let names = archive_names(&stored_file(&stack, &artifact(&found)?))?;
    let expected = [
        ".",
        ".sourceignore",
        "apps",
        "apps/a.yaml",
        "apps/deep",
        "apps/deep/er",
        "apps/deep/er/b.yaml",
        "apps/draft.txt",
    ];
    assert_eq!(names, expected);
    let found = wait_ready(&stack, "empty").await?;
    let nothing = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(artifact(&found)?.revision, nothing);

    front.take_requests();
    many.request_and_wait("unchanged").await?;
    let requests = front.take_requests();
    assert_eq!(downloads(&requests, "many"), Vec::<String>::new());
    assert!(requests.len() <= 4, "does it exist, the ignore file, the listing: {requests:?}");
    assert_eq!(artifact(&wait_ready(&stack, "many").await?)?, first, "not written again");
    // What is only a rule of the object changes nothing until the bucket does.
    many.patch(json!({ "spec": { "timeout": "40s" } })).await?;
    let observed = |object: &Bucket| status(object).observed_generation == Some(2);
    wait(&stack, "many", "the new generation", observed).await?;
    assert_eq!(downloads(&front.take_requests(), "many"), Vec::<String>::new());

    s3.put("many", "apps/a.yaml", b"a: 2\n").await?;
    s3.remove("many", "apps/photo.jpg").await?;
    many.request("changed").await?;
    let found = wait_revision_other_than(&stack, "many", &first.revision).await?;
    let names = archive_names(&stored_file(&stack, &artifact(&found)?))?;
    assert!(!names.contains(&"apps/photo.jpg".to_owned()), "{names:?}");
    assert_eq!(condition(&status(&found).conditions, "ArtifactOutdated"), "");
    assert!(leftovers()?.is_empty(), "temporary directories stay: {:?}", leftovers()?);

    many.delete().await?;
    wait_until(PATIENCE, "the object to go", async || Ok(many.get().await?.is_none().then_some(()))).await?;
    assert!(!stored_file(&stack, &first).parent().is_some_and(std::path::Path::exists));
    assert!(!controller.log().contains(S3Server::SECRET_KEY));
    Ok(())
}

/// Directories of downloads of this test's controllers; those of tests that run at the same time are theirs.
fn leftovers() -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(std::env::temp_dir())? {
        let path = entry?.path();
        if path.to_string_lossy().contains("sluice-bucket-") && path.join("apps/deep/er/b.yaml").exists() {
            found.push(path.display().to_string());
        }
    }
    Ok(found)
}

/// Name, bucket, spec, reason and the beginning of the message.
fn bad_cases() -> Vec<(&'static str, &'static str, Value, &'static str, &'static str)> {
    let by = |name: &str| json!({ "secretRef": { "name": name } });
    let sts = |provider: &str, sts: &str, endpoint: &str| json!({ "provider": provider, "sts": { "provider": sts, "endpoint": endpoint } });
    vec![
        ("no-bucket", "absent", by("keys"), "BucketOperationFailed", "bucket 'absent' not found"),
        ("wrong-key", "good", by("wrong"), "BucketOperationFailed", "failed to confirm existence of 'good' bucket: "),
        ("no-key", "good", json!({}), "BucketOperationFailed", "failed to confirm existence of 'good' bucket: "),
        ("bad-name", "a/../b", by("keys"), "BucketOperationFailed", "invalid bucket name 'a/../b'"),
        (
            "no-secret",
            "good",
            by("absent"),
            "AuthenticationFailed",
            "failed to get secret 'apps/absent': secrets \"absent\" not found",
        ),
        (
            "half",
            "good",
            by("half"),
            "AuthenticationFailed",
            "invalid 'half' secret data: required fields 'accesskey' and 'secretkey'",
        ),
        (
            "bad-proxy",
            "good",
            json!({ "proxySecretRef": { "name": "proxy" } }),
            "AuthenticationFailed",
            "failed to get proxy URL: ",
        ),
        (
            "bad-ca",
            "good",
            json!({ "insecure": false, "certSecretRef": { "name": "keys" } }),
            "AuthenticationFailed",
            "failed to get TLS config: ",
        ),
        (
            "sts",
            "good",
            sts("generic", "aws", "https://sts.amazonaws.com"),
            "InvalidSTSConfiguration",
            "STS provider 'aws' is not supported for 'generic' bucket provider",
        ),
        (
            "sts-url",
            "good",
            sts("generic", "ldap", "http://h:port"),
            "URLInvalid",
            "failed to parse STS endpoint 'http://h:port': ",
        ),
        (
            "sts-secret",
            "good",
            json!({ "sts": { "provider": "ldap", "endpoint": "http://h", "secretRef": { "name": "absent" } } }),
            "AuthenticationFailed",
            "failed to get STS secret: ",
        ),
        (
            "sts-ca",
            "good",
            json!({ "sts": { "provider": "ldap", "endpoint": "http://h", "certSecretRef": { "name": "keys" } } }),
            "AuthenticationFailed",
            "failed to get STS TLS config: ",
        ),
        (
            "gate",
            "good",
            json!({ "provider": "aws", "serviceAccountName": "robot" }),
            "FeatureGateDisabled",
            "to use spec.serviceAccountName for provider authentication please enable the ObjectLevelWorkloadIdentity feature gate in the controller",
        ),
        (
            "gcp-key",
            "good",
            json!({ "provider": "gcp", "secretRef": { "name": "keys" } }),
            "AuthenticationFailed",
            "invalid 'keys' secret data: required fields 'serviceaccount'",
        ),
    ]
}

#[tokio::test]
async fn bad_buckets_say_why_and_a_failure_keeps_what_is_published() -> Result<()> {
    let stack = Stack::start().await?;
    let s3 = S3Server::start().await?;
    let client = stack.client();
    keys(&client).await?;
    secret(&client, "wrong", json!({ "accesskey": S3Server::ACCESS_KEY, "secretkey": "hunter2-wrong" })).await?;
    secret(&client, "half", json!({ "accesskey": S3Server::ACCESS_KEY })).await?;
    secret(&client, "proxy", json!({ "address": "ftp://proxy" })).await?;
    s3.put("good", "a.yaml", b"a: 1\n").await?;
    s3.put(S3Server::PUBLIC_BUCKET, "p.yaml", b"p: 1\n").await?;
    let controller = stack.source_controller()?.start().await?;
    let endpoint = s3.endpoint();
    let cases = bad_cases();
    for (name, bucket_name, more, _, _) in &cases {
        apply(&client, bucket(name, bucket_name, &endpoint, more)).await?;
    }
    apply(&client, bucket("anonymous", S3Server::PUBLIC_BUCKET, &endpoint, &json!({}))).await?;
    let good = apply(&client, bucket("good", "good", &endpoint, &json!({ "secretRef": { "name": "keys" } }))).await?;
    wait_ready(&stack, "good").await?;
    wait_ready(&stack, "anonymous").await?;
    for (name, _, _, reason, text) in cases {
        let object = wait_failed(&stack, name, reason).await?;
        assert!(ready(&object).starts_with(&format!("False {reason}: {text}")), "{name}: {}", ready(&object));
        assert_eq!(condition(&status(&object).conditions, "FetchFailed"), ready(&object).replacen("False", "True", 1));
        let stalls = ["InvalidSTSConfiguration", "URLInvalid", "FeatureGateDisabled"].contains(&reason);
        let stalled = condition(&status(&object).conditions, "Stalled");
        assert_eq!(!stalled.is_empty(), stalls, "{name}: {stalled}");
        let event = stack.event("Bucket", name, reason).await?;
        assert_eq!(event.type_.as_deref(), Some("Warning"), "{name}");
        assert!(!format!("{object:?}{event:?}").contains("hunter2"), "{name}");
    }
    assert!(!controller.log().contains("hunter2"), "no key is logged");

    keeps_what_is_published(&stack, &s3, &good).await
}

/// The object `good` fails, and recovers.
async fn keeps_what_is_published(stack: &Stack, s3: &S3Server, good: &Applied) -> Result<()> {
    let before = artifact(&wait_ready(stack, "good").await?)?;
    s3.remove_bucket("good").await?;
    good.request("gone").await?;
    let failed = wait_failed(stack, "good", "BucketOperationFailed").await?;
    assert_eq!(artifact(&failed)?, before);
    assert!(stored_file(stack, &before).is_file());
    assert!(condition(&status(&failed).conditions, "ArtifactInStorage").starts_with("True "));
    s3.put("good", "a.yaml", b"a: 1\n").await?;
    good.request("back").await?;
    let back = wait_ready(stack, "good").await?;
    assert_eq!(artifact(&back)?.revision, before.revision);
    let event = stack.event("Bucket", "good", "Succeeded").await?;
    assert_eq!(event.message.as_deref(), Some("stored artifact with 1 fetched files from 'good' bucket"));
    Ok(())
}

#[tokio::test]
async fn tls_proxies_and_a_directory_user_are_ways_to_a_bucket() -> Result<()> {
    let stack = Stack::start().await?;
    let s3 = S3Server::start().await?;
    let front = Front::start_tls(&s3.endpoint()).await?;
    let proxy = ProxyServer::start(ProxyKind::Http, Some(("robot", "hunter2-proxy")))?;
    let sts = Sink::start().await?;
    let ldap_answer = |secret_key: &str| {
        let body = format!(
            "<AssumeRoleWithLDAPIdentityResponse><AssumeRoleWithLDAPIdentityResult><Credentials><AccessKeyId>{}</AccessKeyId>\
             <SecretAccessKey>{secret_key}</SecretAccessKey></Credentials></AssumeRoleWithLDAPIdentityResult>\
             </AssumeRoleWithLDAPIdentityResponse>",
            S3Server::ACCESS_KEY
        );
        Answer { body: body.into(), ..Answer::default() }
    };
    sts.answer_always(ldap_answer(S3Server::SECRET_KEY));
    let client = stack.client();
    keys(&client).await?;
    secret(&client, "ca", json!({ "ca.crt": front.ca_pem().context("a CA")? })).await?;
    secret(&client, "ldap", json!({ "username": "robot", "password": "hunter2 & co" })).await?;
    let address = format!("http://{}", proxy.address().authority().rsplit('@').next().unwrap_or_default());
    secret(&client, "proxy", json!({ "address": address, "username": "robot", "password": "hunter2-proxy" })).await?;
    s3.put("apps", "a.yaml", b"a: 1\n").await?;
    let controller = stack.source_controller()?.start().await?;
    let tls = json!({ "insecure": false, "secretRef": { "name": "keys" }, "certSecretRef": { "name": "ca" } });
    apply(&client, bucket("tls", "apps", &front.address(), &tls)).await?;
    let untrusted = json!({ "insecure": false, "secretRef": { "name": "keys" } });
    apply(&client, bucket("untrusted", "apps", &front.address(), &untrusted)).await?;
    let proxied = json!({ "secretRef": { "name": "keys" }, "proxySecretRef": { "name": "proxy" } });
    apply(&client, bucket("proxied", "apps", &s3.endpoint(), &proxied)).await?;
    let ldap = json!({ "sts": { "provider": "ldap", "endpoint": sts.url(), "secretRef": { "name": "ldap" } } });
    let ldap_object = apply(&client, bucket("ldap", "apps", &s3.endpoint(), &ldap)).await?;
    for name in ["tls", "proxied", "ldap"] {
        let found = wait_ready(&stack, name).await?;
        assert_eq!(archive_names(&stored_file(&stack, &artifact(&found)?))?, [".", "a.yaml"], "{name}");
    }
    assert_eq!(downloads(&front.take_requests(), "apps").len(), 1);
    assert!(proxy.targets().contains(&s3.endpoint()), "{:?}", proxy.targets());
    let asked = sts.requests().into_iter().next().context("the token service was asked")?;
    let form = asked.text();
    assert!(form.contains("Action=AssumeRoleWithLDAPIdentity") && form.contains("LDAPUsername=robot"), "{form}");
    assert!(form.contains("LDAPPassword=hunter2+%26+co"), "{form}");
    let refused = wait_failed(&stack, "untrusted", "BucketOperationFailed").await?;
    assert!(ready(&refused).to_lowercase().contains("certificate"), "{}", ready(&refused));

    let denied =
        "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no such user</Message></Error></ErrorResponse>";
    sts.answer_always(Answer { status: http_status(403), body: denied.into(), ..Answer::default() });
    ldap_object.request("denied").await?;
    let failed = wait_failed(&stack, "ldap", "BucketOperationFailed").await?;
    let text = ready(&failed);
    assert!(text.contains("failed to confirm existence of 'apps' bucket: ") && text.contains("no such user"), "{text}");
    artifact(&failed)?;
    let shown = serde_json::to_string(&failed)? + &controller.log();
    assert!(!shown.contains("hunter2"), "no password is shown or logged");
    Ok(())
}

fn http_status(code: u16) -> sluice_http_client::StatusCode {
    sluice_http_client::StatusCode::from_u16(code).expect("a status")
}

#[tokio::test]
async fn an_azure_container_is_published_and_left_alone_while_it_does_not_change() -> Result<()> {
    let stack = Stack::start().await?;
    let azure = AzureServer::start().await?;
    let rest = azure.endpoint();
    let upstream = rest.trim_start_matches("http://").split('/').next().unwrap_or_default();
    let front = Front::start(upstream).await?;
    let endpoint = format!("http://{}/{}", front.address(), AzureServer::ACCOUNT);
    azure.create_container("apps").await?;
    for (key, content) in
        [("dir/a.yaml", "a: 1\n"), ("dir/b.txt", "b"), ("c.yaml", "c: 1\n"), (".sourceignore", "*.txt\n")]
    {
        azure.put("apps", key, content.as_bytes()).await?;
    }
    let client = stack.client();
    secret(&client, "key", json!({ "accountKey": AzureServer::ACCOUNT_KEY })).await?;
    secret(&client, "sas", json!({ "sasKey": format!("?{}", AzureServer::READ_SIGNATURE) })).await?;
    secret(&client, "wrong", json!({ "accountKey": "aHVudGVyMi13cm9uZw==" })).await?;
    let _controller = stack.source_controller()?.start().await?;
    let by = |name: &str| json!({ "provider": "azure", "secretRef": { "name": name } });
    let object = apply(&client, bucket("key", "apps", &endpoint, &by("key"))).await?;
    let mut prefixed = by("sas");
    prefixed["prefix"] = json!("dir/");
    apply(&client, bucket("sas", "apps", &endpoint, &prefixed)).await?;
    let signed = format!("{endpoint}?{}", AzureServer::READ_SIGNATURE);
    apply(&client, bucket("signed", "apps", &signed, &json!({ "provider": "azure" }))).await?;
    apply(&client, bucket("wrong", "apps", &endpoint, &by("wrong"))).await?;
    apply(&client, bucket("absent", "absent", &endpoint, &by("key"))).await?;

    let found = wait_ready(&stack, "key").await?;
    let first = artifact(&found)?;
    let all = [".", ".sourceignore", "c.yaml", "dir", "dir/a.yaml"];
    assert_eq!(archive_names(&stored_file(&stack, &first))?, all);
    let found = wait_ready(&stack, "sas").await?;
    assert_eq!(archive_names(&stored_file(&stack, &artifact(&found)?))?, [".", ".sourceignore", "dir", "dir/a.yaml"]);
    let found = wait_ready(&stack, "signed").await?;
    assert_eq!(artifact(&found)?.revision, first.revision);
    let refused = wait_failed(&stack, "wrong", "BucketOperationFailed").await?;
    assert!(ready(&refused).contains("failed to confirm existence of 'apps' bucket: "), "{}", ready(&refused));
    let absent = wait_failed(&stack, "absent", "BucketOperationFailed").await?;
    assert!(ready(&absent).ends_with("bucket 'absent' not found"), "{}", ready(&absent));

    front.take_requests();
    object.request_and_wait("unchanged").await?;
    let requests: Vec<_> = front.take_requests().into_iter().filter(|request| request.contains("/apps/")).collect();
    let others = |request: &&String| !request.contains(".sourceignore");
    assert_eq!(requests.iter().filter(others).count(), 0, "nothing is downloaded: {requests:?}");
    assert_eq!(artifact(&wait_ready(&stack, "key").await?)?, first);
    azure.put("apps", "c.yaml", b"c: 2\n").await?;
    object.request("changed").await?;
    wait_revision_other_than(&stack, "key", &first.revision).await?;
    Ok(())
}

#[tokio::test]
async fn a_service_account_is_exchanged_once_for_cloud_credentials() -> Result<()> {
    let stack = Stack::start().await?;
    // A sink, since the server of the other tests knows no session of somebody else's token service.
    let (s3, sts) = (Sink::start().await?, Sink::start().await?);
    let missing =
        Answer { status: http_status(404), body: "<Error><Code>NoSuchKey</Code></Error>".into(), ..Answer::default() };
    let listing = "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a.yaml</Key><ETag>&quot;e1&quot;</ETag>\
                   <Size>5</Size></Contents></ListBucketResult>";
    let listing = Answer { body: listing.into(), ..Answer::default() };
    let mut content = Answer { body: "a: 1\n".into(), ..Answer::default() };
    content.headers.insert("etag", "\"e1\"".parse()?);
    let exists = Answer::default();
    s3.answer_next([exists.clone(), missing.clone(), listing.clone(), content, exists, missing.clone(), listing]);
    s3.answer_always(missing);
    let body = "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>robots-key</AccessKeyId>\
                <SecretAccessKey>hunter2-key</SecretAccessKey><SessionToken>hunter2-session</SessionToken>\
                <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult>\
                </AssumeRoleWithWebIdentityResponse>";
    sts.answer_always(Answer { body: body.into(), ..Answer::default() });
    let client = stack.client();
    let account = |annotations: Value| {
        json!({
            "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": { "name": "robot", "annotations": annotations }
        })
    };
    apply(&client, account(json!({ "eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/reader" }))).await?;
    let controller = stack
        .source_controller()?
        .arg("--feature-gates=ObjectLevelWorkloadIdentity=true")
        .arg("--default-service-account=fallback")
        .env("AWS_ENDPOINT_URL_STS", sts.url())
        .start()
        .await?;
    let aws = |account: Option<&str>, region: bool| {
        let mut spec = json!({ "provider": "aws" });
        if let Some(account) = account {
            spec["serviceAccountName"] = json!(account);
        }
        if region {
            spec["region"] = json!("us-east-1");
        }
        spec
    };
    let endpoint = s3.address().to_string();
    let object = apply(&client, bucket("robot", "apps", &endpoint, &aws(Some("robot"), true))).await?;
    apply(&client, bucket("no-region", "apps", &endpoint, &aws(Some("robot"), false))).await?;
    apply(&client, bucket("no-account", "apps", &endpoint, &aws(Some("absent"), true))).await?;
    apply(&client, bucket("lockdown", "apps", &endpoint, &aws(None, true))).await?;
    let found = wait_ready(&stack, "robot").await?;
    assert_eq!(archive_names(&stored_file(&stack, &artifact(&found)?))?, [".", "a.yaml"]);
    let no_region = wait_failed(&stack, "no-region", "BucketOperationFailed").await?;
    assert!(ready(&no_region).contains("region"), "{}", ready(&no_region));
    let absent = wait_failed(&stack, "no-account", "BucketOperationFailed").await?;
    assert!(ready(&absent).contains("serviceaccounts \"absent\" not found"), "{}", ready(&absent));
    let locked = wait_failed(&stack, "lockdown", "BucketOperationFailed").await?;
    assert!(ready(&locked).contains("'fallback' does not exist in namespace 'apps'"), "{}", ready(&locked));
    assert!(ready(&locked).contains("lockdown"), "{}", ready(&locked));

    object.request_and_wait("again").await?;
    let asked = sts.requests();
    assert_eq!(asked.len(), 1, "the credentials of the first pass are kept");
    let form = asked[0].text() + asked[0].uri.query().unwrap_or_default();
    assert!(form.contains("AssumeRoleWithWebIdentity"), "{form}");
    assert!(form.contains("role%2Freader") || form.contains("role/reader"), "{form}");
    let requests = s3.requests();
    assert_eq!(requests.len(), 7, "no download in the second pass: {requests:?}");
    let signed = |request: &sluice_testkit::sink::Request| {
        request.header("authorization").contains("Credential=robots-key/")
            && request.header("x-amz-security-token") == "hunter2-session"
    };
    assert!(requests.iter().all(signed), "{requests:?}");
    assert!(!controller.log().contains("hunter2"));
    let metrics = controller.metrics().await?;
    let series = |event: &str| {
        format!(
            "gotk_token_cache_events_total{{event_type=\"{event}\",kind=\"Bucket\",name=\"robot\",namespace=\"apps\",operation=\"reconcile\"}} 1"
        )
    };
    for wanted in [series("cache_miss").as_str(), series("cache_hit").as_str(), "gotk_token_cached_items 1"] {
        assert!(metrics.contains(wanted), "{wanted} in {metrics}");
    }
    object.delete().await?;
    wait_until(PATIENCE, "the series to go", async || {
        Ok((!controller.metrics().await?.contains("name=\"robot\"")).then_some(()))
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn google_cloud_storage_is_asked_with_the_identity_of_the_machine() -> Result<()> {
    let stack = Stack::start().await?;
    let (metadata, storage) = (Sink::start().await?, Sink::start().await?);
    let json_answer = |value: Value| Answer { body: value.to_string().into(), ..Answer::default() };
    metadata.answer_always(json_answer(json!({ "access_token": "machine-token", "expires_in": 3600 })));
    let listing = || json_answer(json!({ "items": [{ "name": "dir/a.yaml", "etag": "CAE=", "size": "5" }] }));
    let missing = || Answer { status: http_status(404), body: "{}".into(), ..Answer::default() };
    storage.answer_next([
        json_answer(json!({})),
        missing(),
        listing(),
        json_answer(json!({ "etag": "CAE=", "generation": "1" })),
        Answer { body: "a: 1\n".into(), ..Answer::default() },
        // The second pass.
        json_answer(json!({})),
        missing(),
        listing(),
    ]);
    storage.answer_always(missing());
    let _controller = stack
        .source_controller()?
        .env("GCE_METADATA_HOST", metadata.address().to_string())
        .env("STORAGE_EMULATOR_HOST", storage.address().to_string())
        .start()
        .await?;
    let spec = json!({ "provider": "gcp" });
    let object = apply(&stack.client(), bucket("gcs", "apps", "storage.googleapis.com", &spec)).await?;
    let found = wait_ready(&stack, "gcs").await?;
    assert_eq!(archive_names(&stored_file(&stack, &artifact(&found)?))?, [".", "dir", "dir/a.yaml"]);
    object.request_and_wait("again").await?;
    wait_ready(&stack, "gcs").await?;
    let requests = storage.requests();
    assert_eq!(requests.len(), 8, "{requests:?}");
    assert!(requests.iter().all(|request| request.header("authorization") == "Bearer machine-token"));
    assert_eq!(metadata.requests().len(), 1, "the token is kept");
    Ok(())
}
