use sluice_bucket::{AccountKey, AzureAuth, AzureSettings, Download, Store};
use sluice_http_client::Secret;
use sluice_testkit::Sink;
use sluice_testkit::azure::AzureServer;

use crate::{LIMITS, answer, direct, get, keys, list, name, pages_of, soon, text};

fn store(endpoint: &str, container: &str, auth: AzureAuth) -> Store {
    let settings = AzureSettings { endpoint: Secret::new(endpoint.to_owned()), container: name(container), auth };
    Store::azure(settings, &direct()).unwrap()
}

fn account_key(key: &str) -> AzureAuth {
    AzureAuth::AccountKey(AccountKey::parse(&Secret::new(key.to_owned())).unwrap())
}

fn sas(signature: &str) -> AzureAuth {
    AzureAuth::Sas(Secret::new(signature.to_owned()))
}

/// In the order in which the service lists them.
const BLOBS: [&str; 5] = ["../../etc/passwd", "a", "b/c", "b/d/e", "d e+ü&%2e'\"<x>.yaml"];

#[tokio::test]
async fn blobs_are_read_with_the_accounts_key_and_with_a_signature() {
    let server = AzureServer::start().await.unwrap();
    server.create_container("apps").await.unwrap();
    for blob in BLOBS {
        server.put("apps", blob, blob.as_bytes()).await.unwrap();
    }
    for auth in [account_key(AzureServer::ACCOUNT_KEY), sas(&format!("?{}", AzureServer::READ_SIGNATURE))] {
        let store = store(&server.endpoint(), "apps", auth);
        assert!(store.exists(soon()).await.unwrap());
        let pages = list(&store, "", pages_of(2)).await.unwrap();
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
        assert_eq!(keys(&pages), BLOBS);
        assert_eq!(keys(&list(&store, "b/", LIMITS).await.unwrap()), ["b/c", "b/d/e"]);
        for entry in pages.iter().flatten() {
            assert!(entry.etag.starts_with("\"0x") && entry.etag.ends_with('"'), "{entry:?}");
            let expected = Download::Done { etag: entry.etag.clone(), size: entry.size };
            let got = get(&store, &entry.key, Some(&entry.etag)).await.unwrap();
            assert_eq!(got, (expected, entry.key.clone()));
        }
    }
}

#[tokio::test]
async fn a_blob_that_changes_or_vanishes_is_no_error_and_neither_is_a_missing_container() {
    let server = AzureServer::start().await.unwrap();
    server.create_container("apps").await.unwrap();
    server.put("apps", "a", b"one").await.unwrap();
    let store_of = |container| store(&server.endpoint(), container, account_key(AzureServer::ACCOUNT_KEY));
    let store = store_of("apps");
    let etag = list(&store, "", LIMITS).await.unwrap().concat().remove(0).etag;
    server.put("apps", "a", b"two").await.unwrap();
    assert_eq!(get(&store, "a", Some(&etag)).await.unwrap(), (Download::Changed, String::new()));
    let (download, content) = get(&store, "a", None).await.unwrap();
    assert!(matches!(download, Download::Done { etag: new, .. } if new != etag) && content == "two");
    server.remove("apps", "a").await.unwrap();
    assert_eq!(get(&store, "a", None).await.unwrap(), (Download::Vanished, String::new()));
    // To a precondition, what is not there is something else.
    assert_eq!(get(&store, "a", Some(&etag)).await.unwrap(), (Download::Changed, String::new()));
    assert_eq!(list(&store, "", LIMITS).await.unwrap().concat(), []);
    assert!(!store_of("none").exists(soon()).await.unwrap());
}

#[tokio::test]
async fn who_may_not_is_told_so_without_keys_and_queries() {
    let server = AzureServer::start().await.unwrap();
    server.create_container("apps").await.unwrap();
    let expected = format!("GET {}/apps: status 403: AuthorizationFailure: ", server.endpoint());
    for auth in [account_key("aHVudGVyMg=="), AzureAuth::Anonymous] {
        let error = text(&store(&server.endpoint(), "apps", auth).exists(soon()).await.unwrap_err());
        assert!(error.contains(": status 40") && !error.contains('?') && !error.contains("RequestId"), "{error}");
    }
    let forged = AzureServer::READ_SIGNATURE.replace("sp=rl", "sp=rwl");
    let error = text(&store(&server.endpoint(), "apps", sas(&forged)).exists(soon()).await.unwrap_err());
    assert!(error.contains(&expected) || error.contains(": status 403: "), "{error}");
    assert!(!error.contains("sig=") && !error.contains('?'), "{error}");
}

#[tokio::test]
async fn a_token_is_sent_and_a_signature_for_another_container_is_hinted_at() {
    let sink = Sink::start().await.unwrap();
    sink.answer_always(answer(200, "<EnumerationResults><Blobs/></EnumerationResults>"));
    let endpoint = format!("{}/acc?sv=1", sink.url());
    let token = AzureAuth::Bearer(Secret::new("token".to_owned()));
    assert!(store(&endpoint, "apps", token).exists(soon()).await.unwrap());
    let request = sink.take_requests().remove(0);
    assert_eq!(request.uri, "/acc/apps?restype=container&comp=list&maxresults=1&sv=1");
    assert_eq!((request.header("authorization"), request.header("x-ms-version")), ("Bearer token", "2021-12-02"));

    sink.answer_always(answer(403, "<Error><Code>AuthenticationFailed</Code><Message>No.\nTime:1</Message></Error>"));
    let error = text(&store(&endpoint, "apps", sas("sig=hunter2")).exists(soon()).await.unwrap_err());
    let expected = format!(
        "the container may not exist, or the signature may not be for it: GET {}/acc/apps: status 403: AuthenticationFailed: No.",
        sink.url()
    );
    assert_eq!(error, expected);
}

#[test]
fn a_token_does_not_leave_the_machine_without_tls() {
    let settings = AzureSettings {
        endpoint: Secret::new("http://account.blob.example.com".to_owned()),
        container: name("apps"),
        auth: AzureAuth::Bearer(Secret::new("token".to_owned())),
    };
    let error = Store::azure(settings, &direct()).unwrap_err();
    assert_eq!(error.to_string(), "a token is sent to an https endpoint only");
}
