//! Answers that are refusals, broken, changed, endless or missing.

use super::*;

#[tokio::test]
async fn redirects_that_lead_nowhere_good_are_refused() {
    let registry = plain();
    let pushed = registry.push_image("app", "v1", &Image::flux("x")).unwrap();
    let client = client(&registry, "app", options());
    let layer = layer(&client, &pushed).await;
    for (location, reason) in [
        ("/v2/app/blobs/loop", "too many"),
        ("file:///etc/passwd", "neither http nor https"),
        ("http://u:p@127.0.0.1:1/", "credentials in the address"),
    ] {
        registry.inject(Fault::answer(302, &[("Location", location)], "").path("/blobs/"));
        let error = client.blob_bytes(&layer, UNLIMITED).await.unwrap_err();
        assert!(error.to_string().ends_with(&format!("redirect refused: {reason}")), "{error}");
        registry.heal();
    }
}

#[tokio::test]
async fn refusals_are_told_apart_and_say_what_the_registry_said() {
    let registry = plain();
    registry.push_image("app", "v1", &Image::flux("x")).unwrap();
    let client = client(&registry, "app", options());
    let not_found = client.resolve(&tag("v2")).await.unwrap_err();
    let url = format!("http://{}/v2/app/manifests/v2", registry.host());
    assert_eq!(not_found.to_string(), format!("GET {url}: 404 Not Found: MANIFEST_UNKNOWN: manifest unknown"));
    for (status, attempts) in [(401, 1), (403, 1), (404, 1), (418, 1), (429, 3), (500, 3), (503, 3)] {
        registry.inject(Fault::status(status, "CODE", "words\nof the registry").path("/tags/list"));
        registry.take_requests();
        let error = client.tags().await.unwrap_err();
        let expected = match status {
            401 => matches!(error, OciError::Unauthorized(_)),
            403 => matches!(error, OciError::Forbidden(_)),
            404 => matches!(error, OciError::NotFound(_)),
            429 => matches!(error, OciError::RateLimited(_)),
            500 | 503 => matches!(error, OciError::Unavailable(_)),
            _ => matches!(error, OciError::Refused(_)),
        };
        assert!(expected, "{status}: {error:?}");
        assert!(error.to_string().ends_with(": CODE: words of the registry"), "{error}");
        assert_eq!(registry.take_requests().len(), attempts, "{status}");
        registry.heal();
    }
}

#[tokio::test]
async fn what_is_temporary_is_tried_again() {
    let registry = plain();
    let pushed = registry.push_image("app", "v1", &Image::flux("content")).unwrap();
    let client = client(&registry, "app", options());
    registry.inject(Fault::status(503, "X", "x").path("/manifests/").times(1));
    // A day is more than anybody waits: bounded by the policy.
    registry.inject(Fault::status(429, "X", "x").header("Retry-After", "86400").path("/manifests/").times(1));
    assert_eq!(client.resolve(&tag("v1")).await.unwrap(), digest(&pushed));
    registry.inject(Fault::of(FaultKind::Truncate(10)).path("/manifests/").times(2));
    assert_eq!(client.image(&digest(&pushed), &Platform::default()).await.unwrap().digest, digest(&pushed));
    // A limit that stays is told, and not asked about once more by GET, which would count.
    registry.inject(Fault::answer(429, &[], "").method("HEAD"));
    registry.take_requests();
    assert!(matches!(client.resolve(&tag("v1")).await, Err(OciError::RateLimited(_))));
    assert!(registry.take_requests().iter().all(|request| request.method == "HEAD"));
}

#[tokio::test]
async fn changed_content_is_never_returned() {
    let registry = plain();
    let pushed = registry.push_image("app", "v1", &Image::flux("content")).unwrap();
    let client = client(&registry, "app", options());
    let layer = layer(&client, &pushed).await;
    registry.inject(Fault::of(FaultKind::Corrupt(3)).path("/blobs/"));
    assert!(matches!(client.blob_bytes(&layer, UNLIMITED).await, Err(OciError::DigestMismatch { .. })));
    registry.heal();
    registry.inject(Fault::of(FaultKind::Corrupt(30)).path("/manifests/"));
    let error = client.manifest(&Pointer::Digest(digest(&pushed))).await.unwrap_err();
    assert!(matches!(error, OciError::DigestMismatch { .. }), "{error}");
    registry.heal();
    for (body, actual) in [("conten", 6), ("content, and more", 8)] {
        registry.inject(Fault::answer(200, &[], body).path("/blobs/"));
        let error = client.blob_bytes(&layer, UNLIMITED).await.unwrap_err();
        let expected =
            format!("{}@{}: size mismatch: expected 7 bytes, got {actual}", client.repository(), layer.digest);
        assert_eq!(error.to_string(), expected);
        registry.heal();
    }
}

#[tokio::test]
async fn a_layer_that_is_too_large_is_not_even_asked_for() {
    let registry = plain();
    let pushed = registry.push_image("app", "v1", &Image::flux("content")).unwrap();
    let client = client(&registry, "app", options());
    let layer = layer(&client, &pushed).await;
    registry.take_requests();
    let error = client.blob_bytes(&layer, 6).await.unwrap_err();
    let expected = format!("{}@{}: 7 bytes, more than the limit of 6", client.repository(), layer.digest);
    assert_eq!(error.to_string(), expected);
    assert_eq!(lines(&registry), Vec::<String>::new());
    registry.inject(Fault::answer(200, &[], vec![b' '; 5 << 20]).path("/manifests/"));
    let error = client.manifest(&Pointer::Tag(tag("v1"))).await.unwrap_err();
    assert!(error.to_string().ends_with("response body is larger than 4194304 bytes"), "{error}");
}

#[tokio::test]
async fn a_large_layer_streams_to_a_file_and_is_resumed_where_it_broke_off() {
    let registry = plain();
    let content: Vec<u8> = (0..6_u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let pushed = registry.push_image("app", "v1", &Image::of("", vec![Layer::new("x", content.clone())])).unwrap();
    let client = client(&registry, "app", options());
    let layer = layer(&client, &pushed).await;
    registry.inject(Fault::of(FaultKind::Truncate(3 << 20)).path("/blobs/").times(1));
    registry.inject(Fault::of(FaultKind::Truncate(1 << 20)).path("/blobs/").times(1));
    registry.take_requests();
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut writer = tokio::fs::File::from_std(file.reopen().unwrap());
    client.blob(&layer, UNLIMITED, &mut writer).await.unwrap();
    assert!(std::fs::read(file.path()).unwrap() == content);
    let ranges: Vec<String> = registry.requests().iter().map(|request| request.header("range").to_owned()).collect();
    assert_eq!(ranges, ["", "bytes=3145728-", "bytes=4194304-"]);
    // One that always breaks off ends with the attempts.
    registry.inject(Fault::of(FaultKind::Truncate(1 << 20)).path("/blobs/"));
    assert!(matches!(client.blob_bytes(&layer, UNLIMITED).await, Err(OciError::Http(_))));
}

#[tokio::test]
async fn the_timeout_ends_an_answer_that_stalls_and_closes_its_connection() {
    let registry = plain();
    let pushed = registry.push_image("app", "v1", &Image::flux("content")).unwrap();
    let short = ClientOptions { timeout: Duration::from_secs(1), ..options() };
    let client = client(&registry, "app", short);
    let layer = layer(&client, &pushed).await;
    registry.inject(Fault::of(FaultKind::Stall(3)).path("/blobs/"));
    registry.inject(Fault::of(FaultKind::Stall(0)).path("/tags/"));
    let errors = [client.blob_bytes(&layer, UNLIMITED).await.unwrap_err(), client.tags().await.unwrap_err()];
    let repository = client.repository();
    let expected = [
        format!("get {repository}@{}: timed out after 1s", layer.digest),
        format!("list tags of {repository}: timed out after 1s"),
    ];
    assert_eq!(errors.map(|error| error.to_string()), expected);
    let hung_up = sluice_testkit::wait_until(Duration::from_secs(10), "two closed connections", async || {
        Ok((registry.abandoned() == 2).then_some(()))
    });
    hung_up.await.unwrap();
}

#[tokio::test]
async fn a_registry_that_is_not_there_is_an_error_of_the_connection() {
    let [port] = sluice_testkit::wait::free_ports::<1>().unwrap();
    let repository = Repository::parse_url(&format!("oci://127.0.0.1:{port}/app")).unwrap();
    let error = Client::new(repository, options()).unwrap().tags().await.unwrap_err();
    assert!(error.to_string().contains("failed to connect: "), "{error}");
}
