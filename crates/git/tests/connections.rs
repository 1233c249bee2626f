//! Ways to an HTTP server: certificates, proxies, shared connections, servers that stall.
#![expect(clippy::unwrap_used, reason = "a failed step of a test's set-up is the test's failure")]

mod common;

use std::time::{Duration, Instant};

use common::{config, fetch, main_branch};
use sluice_git::{ClientPool, Mirror, Remote, RemoteConfig, Tls};
use sluice_http_client::{ClientIdentity, Proxy, Secret, Url};
use sluice_testkit::git::{GitServer, GitServerOptions};
use sluice_testkit::proxy::{ProxyKind, ProxyServer};
use sluice_testkit::wait_until;

/// A server with a repository `app` of one commit with a file of a megabyte.
fn serve(options: GitServerOptions) -> (GitServer, Url) {
    let server = GitServer::start(options).unwrap();
    let url = server.create_repo("app").unwrap();
    let copy = server.working_copy("app").unwrap();
    let noise: Vec<u8> = (0..250_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    copy.write("noise", noise).unwrap().commit("first").unwrap();
    copy.push().unwrap();
    (server, url)
}

async fn fetched(config: RemoteConfig) -> Result<u32, String> {
    let dir = tempfile::tempdir().unwrap();
    let mirror = Mirror::new(dir.path().join("mirror"), 1 << 30);
    let remote = Remote::new(config).map_err(|error| common::chain(&error))?;
    let fetched = fetch(&mirror, &remote, &main_branch()).await.map_err(|error| common::chain(&error))?;
    Ok(fetched.transfer.unwrap().objects)
}

fn ca(server: &GitServer) -> Option<Vec<u8>> {
    server.ca_pem().map(|pem| pem.as_bytes().to_vec())
}

#[tokio::test]
async fn a_server_that_wants_a_client_certificate_gets_it() {
    let options = GitServerOptions { tls: true, client_certificates: true, ..GitServerOptions::default() };
    let (server, url) = serve(options);
    let (certificate, key) = server.client_certificate().unwrap();
    let identity =
        ClientIdentity { certificate: certificate.as_bytes().to_vec(), key: Secret::new(key.as_bytes().to_vec()) };
    let with = |identity| RemoteConfig { tls: Tls { ca: ca(&server), identity }, ..config(&url) };
    assert_eq!(fetched(with(Some(identity))).await, Ok(3));
    let error = fetched(with(None)).await.unwrap_err();
    assert!(error.contains("TLS") || error.contains("CertificateRequired") || error.contains("certificate"), "{error}");
}

#[tokio::test]
async fn every_kind_of_proxy_is_used_with_its_credentials() {
    for tls in [false, true] {
        let (server, url) = serve(GitServerOptions { tls, ..GitServerOptions::default() });
        let target = format!("localhost:{}", url.port().unwrap());
        for kind in [ProxyKind::Http, ProxyKind::Https, ProxyKind::Socks5] {
            for auth in [None, Some(("user", "p@ss"))] {
                let proxy = ProxyServer::start(kind, auth).unwrap();
                let pem = [ca(&server), proxy.ca_pem().map(|pem| pem.as_bytes().to_vec())];
                let pem: Vec<u8> = pem.into_iter().flatten().flatten().collect();
                let through = |address: Url| RemoteConfig {
                    proxy: Proxy::Url(Secret::new(address)),
                    tls: Tls { ca: (!pem.is_empty()).then(|| pem.clone()), identity: None },
                    ..config(&url)
                };
                let case = format!("{kind:?} {auth:?} tls {tls}");
                assert_eq!(fetched(through(proxy.address().clone())).await, Ok(3), "{case}");
                assert_eq!(proxy.targets(), std::slice::from_ref(&target), "{case}");
                if auth.is_some() {
                    let mut wrong = proxy.address().clone();
                    wrong.set_password(Some("wrong")).unwrap();
                    let error = fetched(through(wrong)).await.unwrap_err();
                    assert!(!error.contains("wrong"), "{case}: {error}");
                    assert_eq!(proxy.targets().len(), 1, "{case}");
                }
            }
        }
    }
}

#[tokio::test]
async fn many_repositories_on_one_host_share_few_connections() {
    let (server, url) = serve(GitServerOptions::default());
    let pool = ClientPool::default();
    for _ in 0..50 {
        // As a reconciler does: a new remote for each pass.
        let remote = Remote::with_pool(config(&url), &pool).unwrap();
        assert_eq!(remote.list_refs(&[]).await.unwrap().len(), 2);
    }
    assert_eq!(server.connections(), 1);
    let mut tasks = Vec::new();
    for _ in 0..40 {
        let remote = Remote::with_pool(config(&url), &pool).unwrap();
        tasks.push(tokio::spawn(async move { remote.list_refs(&[]).await.unwrap().len() }));
    }
    for task in tasks {
        assert_eq!(task.await.unwrap(), 2);
    }
    let after_burst = server.connections();
    for _ in 0..50 {
        Remote::with_pool(config(&url), &pool).unwrap().list_refs(&[]).await.unwrap();
    }
    assert_eq!(server.connections(), after_burst, "connections of a burst serve what comes later");
}

#[tokio::test]
async fn a_repository_that_spoke_version_2_is_listed_with_one_request_until_it_moves() {
    let (server, url) = serve(GitServerOptions::default());
    let pool = ClientPool::default();
    let list = async || {
        let listed = Remote::with_pool(config(&url), &pool).unwrap().list_refs(&["refs/heads/".to_owned()]).await;
        let requests =
            server.take_requests().into_iter().map(|request| format!("{} {}", request.method, request.status));
        (listed.unwrap().len(), requests.collect::<Vec<_>>().join(", "))
    };
    assert_eq!(list().await, (1, "GET 200, POST 200".to_owned()));
    for _ in 0..3 {
        assert_eq!(list().await, (1, "POST 200".to_owned()));
    }
    std::fs::rename(server.repo_path("app"), server.repo_path("moved")).unwrap();
    server.redirect("/app.git", "/moved.git");
    assert_eq!(list().await, (1, "POST 302, GET 302, GET 200, POST 200".to_owned()));
    assert_eq!(list().await, (1, "GET 302, GET 200, POST 200".to_owned()), "where it is now is asked every time");
}

#[tokio::test]
async fn a_pack_that_stalls_ends_with_the_timeout_and_the_connection_is_closed() {
    let (server, url) = serve(GitServerOptions::default());
    let dir = tempfile::tempdir().unwrap();
    let mirror = Mirror::new(dir.path().join("mirror"), 1 << 30);
    let timeout = Duration::from_millis(500);
    let remote = Remote::new(RemoteConfig { timeout, ..config(&url) }).unwrap();
    let spec = main_branch();
    let resolved = remote.resolve(&sluice_git::Reference::from_spec(&spec).unwrap()).await.unwrap();
    server.stall_after(200_000);
    let started = Instant::now();
    let error = mirror.fetch(&remote, &resolved).await.unwrap_err();
    assert_eq!(error.to_string(), "timed out after 0.5s");
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    let closed = async || Ok((server.abandoned() == 1).then_some(()));
    wait_until(Duration::from_secs(5), "the server to see the connection closed", closed).await.unwrap();
    // Nothing of the half pack is left, and the mirror works.
    server.stall_after(usize::MAX);
    let remote = Remote::new(config(&url)).unwrap();
    assert_eq!(mirror.fetch(&remote, &resolved).await.unwrap().transfer.unwrap().objects, 3);
    let left: Vec<_> = std::fs::read_dir(dir.path().join("mirror/objects/pack")).unwrap().collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[tokio::test]
async fn a_commit_that_the_server_gives_only_as_a_part_of_a_branch_is_found_there() {
    let (server, url) = serve(GitServerOptions::default());
    let copy = server.working_copy("app").unwrap();
    let old = copy.write("a", "old").unwrap().commit("old").unwrap();
    copy.write("a", "new").unwrap().commit("new").unwrap();
    copy.push().unwrap();
    server.refuse_want(&old);
    let absent = "1".repeat(40);
    let dir = tempfile::tempdir().unwrap();
    let mirror = Mirror::new(dir.path().join("mirror"), 1 << 30);
    let remote = Remote::new(config(&url)).unwrap();
    for before in [false, true] {
        if before {
            fetch(&mirror, &remote, &main_branch()).await.unwrap();
        }
        let spec = sluice_git::ReferenceSpec { commit: Some(&old), ..Default::default() };
        assert_eq!(fetch(&mirror, &remote, &spec).await.unwrap().commit.subject, "old");
        let spec = sluice_git::ReferenceSpec { commit: Some(&absent), ..Default::default() };
        let error = fetch(&mirror, &remote, &spec).await.unwrap_err();
        assert_eq!(error.to_string(), format!("unable to resolve commit object for '{absent}': object not found"));
    }
}

#[tokio::test]
async fn a_mirror_stays_small_over_many_fetches() {
    let (server, url) = serve(GitServerOptions::default());
    let copy = server.working_copy("app").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mirror = Mirror::new(dir.path().join("mirror"), 1 << 30);
    let packs = || {
        let files = std::fs::read_dir(dir.path().join("mirror/objects/pack")).unwrap();
        files.filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|end| end == "pack")).count()
    };
    let mut most = 0;
    for number in 0..60 {
        copy.write("a", number.to_string()).unwrap().commit("next").unwrap();
        copy.push().unwrap();
        std::fs::create_dir_all(dir.path().join("mirror/objects/pack")).unwrap();
        std::fs::write(dir.path().join("mirror/objects/pack/pack_git2_left"), "by a process that was killed").unwrap();
        fetch(&mirror, &Remote::new(config(&url)).unwrap(), &main_branch()).await.unwrap();
        most = most.max(packs());
    }
    assert!((40..=51).contains(&most), "{most} packs");
    assert!(packs() < 20, "{} packs", packs());
    assert!(!dir.path().join("mirror/objects/pack/pack_git2_left").exists());
}
