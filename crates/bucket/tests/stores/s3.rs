use sluice_bucket::{AwsCredentials, Download, S3Settings, Scheme, Store};
use sluice_http_client::Secret;
use sluice_testkit::s3::S3Server;

use crate::{LIMITS, direct, done, get, keys, list, name, pages_of, soon, text};

fn credentials(secret: &str) -> AwsCredentials {
    AwsCredentials {
        access_key_id: S3Server::ACCESS_KEY.to_owned(),
        secret_access_key: Secret::new(secret.to_owned()),
        session_token: None,
        expires_at: None,
    }
}

fn store(server: &S3Server, bucket: &str, credentials: Option<AwsCredentials>) -> Store {
    let settings = S3Settings {
        endpoint: server.endpoint(),
        scheme: Scheme::Http,
        region: String::new(),
        bucket: name(bucket),
        credentials,
    };
    Store::s3(settings, &direct()).unwrap()
}

fn signed(server: &S3Server, bucket: &str) -> Store {
    store(server, bucket, Some(credentials(S3Server::SECRET_KEY)))
}

const MD5_OF_A: &str = "0cc175b9c0f1b6a831c399e269772661";
const MD5_OF_B: &str = "92eb5ffee6ae2fec3ad71c777531578f";

#[tokio::test]
async fn objects_are_listed_by_pages_and_prefix_and_downloaded_by_key() {
    let server = S3Server::start().await.unwrap();
    // No backslash: the server lists it, and takes it for a slash in a request.
    let awkward = "d e+ü&%2e'\"<x>.yaml";
    for key in ["a", "b/c", "b/d/e", awkward, "z"] {
        server.put("apps", key, b"a").await.unwrap();
    }
    let store = signed(&server, "apps");
    assert!(store.exists(soon()).await.unwrap());

    let pages = list(&store, "", pages_of(2)).await.unwrap();
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
    assert_eq!(keys(&pages), ["a", "b/c", "b/d/e", awkward, "z"]);
    assert!(pages.iter().flatten().all(|entry| entry.etag == MD5_OF_A && entry.size == 1));
    assert_eq!(keys(&list(&store, "b/", LIMITS).await.unwrap()), ["b/c", "b/d/e"]);
    assert_eq!(keys(&list(&store, "b/d/e", LIMITS).await.unwrap()), ["b/d/e"]);
    assert!(keys(&list(&store, "none", LIMITS).await.unwrap()).is_empty());

    for key in ["a", "b/d/e", awkward] {
        assert_eq!(get(&store, key, Some(MD5_OF_A)).await.unwrap(), done(MD5_OF_A, "a"), "{key}");
    }
    server.put("apps", "a", b"b").await.unwrap();
    assert_eq!(get(&store, "a", Some(MD5_OF_A)).await.unwrap(), (Download::Changed, String::new()));
    assert_eq!(get(&store, "a", None).await.unwrap(), done(MD5_OF_B, "b"));
    server.remove("apps", "a").await.unwrap();
    for etag in [None, Some(MD5_OF_A)] {
        assert_eq!(get(&store, "a", etag).await.unwrap(), (Download::Vanished, String::new()));
    }
}

#[tokio::test]
async fn who_may_not_is_told_so_and_a_missing_bucket_is_no_error() {
    let server = S3Server::start().await.unwrap();
    server.put("apps", "a", b"a").await.unwrap();
    server.put(S3Server::PUBLIC_BUCKET, "a", b"a").await.unwrap();

    assert!(!signed(&server, "none").exists(soon()).await.unwrap());
    assert!(
        text(&list(&signed(&server, "none"), "", LIMITS).await.unwrap_err()).contains(": status 404: NoSuchBucket: ")
    );

    let public = store(&server, S3Server::PUBLIC_BUCKET, None);
    assert!(public.exists(soon()).await.unwrap());
    assert_eq!(keys(&list(&public, "", LIMITS).await.unwrap()), ["a"]);
    assert_eq!(get(&public, "a", Some(MD5_OF_A)).await.unwrap(), done(MD5_OF_A, "a"));

    let endpoint = server.endpoint();
    let anonymous = store(&server, "apps", None);
    let expected = format!("HEAD http://{endpoint}/apps/: status 403: AccessDenied: access denied");
    assert_eq!(text(&anonymous.exists(soon()).await.unwrap_err()), expected);
    let error = text(&list(&anonymous, "secret prefix", LIMITS).await.unwrap_err());
    assert!(error.starts_with(&format!("GET http://{endpoint}/apps/: status 403: AccessDenied: ")), "{error}");
    let error = text(&get(&anonymous, "a", None).await.unwrap_err());
    assert!(error.starts_with(&format!("GET http://{endpoint}/apps/a: status 403: AccessDenied: ")), "{error}");

    let wrong = store(&server, "apps", Some(credentials("hunter2")));
    for error in [wrong.exists(soon()).await.unwrap_err(), get(&wrong, "a", None).await.unwrap_err()] {
        let error = text(&error);
        assert!(error.contains(": status 403: SignatureDoesNotMatch: "), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
