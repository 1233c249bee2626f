//! source-controller on a real API server and a real Git server: artifacts, and what becomes of bad input.

use anyhow::Result;
use serde_json::{Value, json};
use sluice_e2e::{PATIENCE, Stack, apply, condition, git_ready, published};
use sluice_testkit::git::GitServerOptions;
use sluice_testkit::wait::wait_until;

fn repository(name: &str, url: &str, more: &Value) -> Value {
    let mut spec = json!({ "url": url, "interval": "1h", "ref": { "branch": "main" } });
    if let (Some(spec), Some(more)) = (spec.as_object_mut(), more.as_object()) {
        spec.extend(more.clone());
    }
    json!({ "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "metadata": { "name": name }, "spec": spec })
}

fn is_published(commit: &str) -> impl Fn(&sluice_api::source::GitRepository) -> bool {
    let revision = format!("main@sha1:{commit}");
    move |object| published(object) == revision && git_ready(object).starts_with("True Succeeded")
}

#[tokio::test]
async fn a_push_is_published_and_an_unchanged_head_is_not_fetched_again() -> Result<()> {
    let stack = Stack::start().await?;
    let copy = stack.repository("web", &[("a.yaml", "a: 1\n")])?;
    let first = copy.run(&["rev-parse", "HEAD"])?.trim().to_owned();
    let _controller = stack.source_controller()?.start().await?;
    let object = apply(&stack.client(), repository("web", &stack.repository_url("web"), &json!({}))).await?;
    let ready = stack.git_repository("web", "the first artifact", is_published(&first)).await?;
    assert_eq!(git_ready(&ready), format!("True Succeeded: stored artifact for revision 'main@sha1:{first}'"));
    let status = ready.status.clone().unwrap_or_default();
    assert_eq!(status.observed_generation, Some(1));
    assert_eq!(condition(&status.conditions, "Reconciling"), "");

    copy.write("b.yaml", "b: 1\n")?;
    let second = copy.commit("Second commit")?;
    copy.push()?;
    object.request("one").await?;
    stack.git_repository("web", "the second artifact", is_published(&second)).await?;
    let event = stack.event("GitRepository", "web", "NewArtifact").await?;
    assert_eq!(event.message.as_deref(), Some("stored artifact for commit 'First commit'"));

    stack.git.take_requests();
    object.request("two").await?;
    let handled = |object: &sluice_api::source::GitRepository| {
        object.status.as_ref().and_then(|status| status.last_handled_reconcile_at.as_deref()) == Some("two")
    };
    stack.git_repository("web", "the handled request", handled).await?;
    let requests: Vec<String> = stack.git.take_requests().into_iter().map(|request| request.target).collect();
    assert_eq!(
        requests,
        ["/web.git/git-upload-pack"],
        "one listing: what the server speaks is known by now, and nothing is fetched"
    );
    Ok(())
}

#[tokio::test]
async fn bad_sources_say_why_on_their_ready_condition_and_do_not_disturb_others() -> Result<()> {
    let options =
        GitServerOptions { auth: Some(("robot".into(), "s3cret-right".into())), ..GitServerOptions::default() };
    let stack = Stack::start_with(options).await?;
    let copy = stack.repository("web", &[("a.yaml", "a: 1\n")])?;
    let head = copy.run(&["rev-parse", "HEAD"])?.trim().to_owned();
    let url = stack.repository_url("web");
    let client = stack.client();
    for (name, password) in [("right", "s3cret-right"), ("wrong", "s3cret-wrong")] {
        let data = json!({ "username": "robot", "password": password });
        apply(
            &client,
            json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "stringData": data }),
        )
        .await?;
    }
    let controller = stack.source_controller()?.start().await?;
    let secret = |name: &str| json!({ "secretRef": { "name": name } });
    let branch = json!({ "secretRef": { "name": "right" }, "ref": { "branch": "absent" } });
    apply(&client, repository("unknown-host", "http://no-such-host.invalid/a.git", &json!({}))).await?;
    apply(&client, repository("wrong-password", &url, &secret("wrong"))).await?;
    apply(&client, repository("no-password", &url, &json!({}))).await?;
    apply(&client, repository("no-secret", &url, &secret("absent"))).await?;
    apply(&client, repository("no-branch", &url, &branch)).await?;
    apply(&client, repository("no-cloud", &url, &json!({ "provider": "aws" }))).await?;
    apply(&client, repository("good", &url, &secret("right"))).await?;

    stack.git_repository("good", "the good one to be published", is_published(&head)).await?;
    let cases = [
        ("unknown-host", "GitOperationFailed", "no-such-host.invalid"),
        ("wrong-password", "GitOperationFailed", "authentication failed: the server rejected the credentials"),
        ("no-password", "GitOperationFailed", "authentication required"),
        ("no-secret", "AuthenticationFailed", "failed to get secret 'apps/absent': secrets \"absent\" not found"),
        ("no-branch", "GitOperationFailed", "couldn't find remote ref \"refs/heads/absent\""),
        ("no-cloud", "AuthenticationFailed", "AWS CodeCommit authentication requires an HTTPS Git URL"),
    ];
    for (name, reason, text) in cases {
        let failed =
            |object: &sluice_api::source::GitRepository| git_ready(object).starts_with(&format!("False {reason}: "));
        let object = stack.git_repository(name, "Ready=False", failed).await?;
        assert!(git_ready(&object).contains(text), "{name}: {}", git_ready(&object));
        let event = stack.event("GitRepository", name, reason).await?;
        assert_eq!(event.type_.as_deref(), Some("Warning"), "{name}");
        let everything = format!("{object:?}{event:?}");
        assert!(!everything.contains("s3cret"), "no password is shown: {everything}");
    }
    assert!(!controller.log().contains("s3cret"), "no password is logged");
    Ok(())
}

#[tokio::test]
async fn links_are_left_out_and_a_path_that_leaves_the_root_is_refused() -> Result<()> {
    let stack = Stack::start().await?;
    let copy = stack.repository("links", &[("a.yaml", "a: 1\n")])?;
    copy.symlink("passwd", "/etc/passwd")?;
    let head = copy.commit("A link")?;
    copy.push()?;
    let evil = stack.repository("evil", &[("a.yaml", "a: 1\n")])?;
    let blob = evil.run_with_input(&["hash-object", "-w", "--stdin"], b"x")?.trim().to_owned();
    // `git mktree` takes any name; a tree inside a tree called `..` is what a crafted repository holds.
    let inner = evil.run_with_input(&["mktree"], format!("100644 blob {blob}\tpasswd\n").as_bytes())?.trim().to_owned();
    let outer = evil.run_with_input(&["mktree"], format!("040000 tree {inner}\t..\n").as_bytes())?.trim().to_owned();
    evil.commit_tree(&outer, "Climb out")?;
    evil.push()?;
    let _controller = stack.source_controller()?.start().await?;
    let client = stack.client();
    apply(&client, repository("links", &stack.repository_url("links"), &json!({}))).await?;
    apply(&client, repository("evil", &stack.repository_url("evil"), &json!({}))).await?;

    let good = stack.git_repository("links", "the repository with a link", is_published(&head)).await?;
    let artifact = good.status.unwrap_or_default().artifact.expect("published");
    let listed = sluice_e2e::archive_names(&stack.data.path().join("storage").join(&artifact.path))?;
    assert_eq!(listed, [".", "a.yaml"]);

    let refused =
        |object: &sluice_api::source::GitRepository| git_ready(object).starts_with("False ArchiveOperationFailed: ");
    let bad = stack.git_repository("evil", "the refusal", refused).await?;
    assert!(git_ready(&bad).contains("refused path '..' in the tree"), "{}", git_ready(&bad));
    Ok(())
}

#[tokio::test]
async fn a_lost_or_damaged_artifact_is_made_anew_and_old_ones_are_collected() -> Result<()> {
    let stack = Stack::start().await?;
    let copy = stack.repository("web", &[("a.yaml", "a: 1\n")])?;
    let first = copy.run(&["rev-parse", "HEAD"])?.trim().to_owned();
    let controller = stack.source_controller()?.arg("--artifact-retention-ttl=1s").start().await?;
    let object = apply(&stack.client(), repository("web", &stack.repository_url("web"), &json!({}))).await?;
    let ready = stack.git_repository("web", "the artifact", is_published(&first)).await?;
    let artifact = ready.status.unwrap_or_default().artifact.expect("published");
    let file = stack.data.path().join("storage").join(&artifact.path);
    let original = std::fs::read(&file)?;

    std::fs::write(&file, "tampered")?;
    object.request("damaged").await?;
    let event = stack.event("GitRepository", "web", "ArtifactVerificationFailed").await?;
    assert!(event.message.unwrap_or_default().starts_with("failed to verify integrity of artifact: "));
    let restored = async || Ok((std::fs::read(&file).ok().as_ref() == Some(&original)).then_some(()));
    wait_until(PATIENCE, "the artifact to be made anew", restored).await?;

    controller.kill().await?;
    std::fs::remove_dir_all(stack.data.path().join("storage"))?;
    let _again = stack.source_controller()?.arg("--artifact-retention-ttl=1s").start().await?;
    wait_until(PATIENCE, "the artifact to be republished after the data directory was lost", restored).await?;

    copy.write("a.yaml", "a: 2\n")?;
    let second = copy.commit("Second commit")?;
    copy.push()?;
    object.request("new").await?;
    stack.git_repository("web", "the second artifact", is_published(&second)).await?;
    let mut token = 0;
    wait_until(PATIENCE, "the first artifact to be collected", async || {
        token += 1;
        object.request(&format!("collect {token}")).await?;
        Ok((!file.exists()).then_some(()))
    })
    .await?;

    object.delete().await?;
    wait_until(PATIENCE, "the object to go", async || Ok(object.get().await?.is_none().then_some(()))).await?;
    assert!(!file.parent().is_some_and(std::path::Path::exists), "the artifacts of a deleted object are gone");
    Ok(())
}

#[tokio::test]
async fn a_suspended_source_rests_until_it_is_resumed() -> Result<()> {
    let stack = Stack::start().await?;
    let copy = stack.repository("web", &[("a.yaml", "a: 1\n")])?;
    let first = copy.run(&["rev-parse", "HEAD"])?.trim().to_owned();
    let _controller = stack.source_controller()?.start().await?;
    let object =
        apply(&stack.client(), repository("web", &stack.repository_url("web"), &json!({ "interval": "1s" }))).await?;
    stack.git_repository("web", "the artifact", is_published(&first)).await?;
    object.patch(json!({ "spec": { "suspend": true } })).await?;
    object.request("while suspended").await?;
    let handled = |object: &sluice_api::source::GitRepository| {
        let status = object.status.clone().unwrap_or_default();
        status.last_handled_reconcile_at.as_deref() == Some("while suspended") && status.observed_generation == Some(2)
    };
    stack.git_repository("web", "the request to be acknowledged", handled).await?;
    copy.write("a.yaml", "a: 2\n")?;
    let second = copy.commit("Second commit")?;
    copy.push()?;
    stack.git.take_requests();
    object.request("still suspended").await?;
    let still = |object: &sluice_api::source::GitRepository| {
        object.status.clone().unwrap_or_default().last_handled_reconcile_at.as_deref() == Some("still suspended")
    };
    let resting = stack.git_repository("web", "the second request to be acknowledged", still).await?;
    assert_eq!(published(&resting), format!("main@sha1:{first}"));
    assert!(stack.git.take_requests().is_empty(), "a suspended source asks no server");
    object.patch(json!({ "spec": { "suspend": false } })).await?;
    stack.git_repository("web", "the push to be seen", is_published(&second)).await?;
    Ok(())
}

#[tokio::test]
async fn every_form_of_reference_and_the_ignore_rules_shape_the_artifact_over_tls_with_a_ca() -> Result<()> {
    let stack = Stack::start_with(GitServerOptions { tls: true, ..GitServerOptions::default() }).await?;
    let files = [("a.yaml", "a: 1\n"), ("docs/a.md", "#\n"), ("logo.png", "x"), (".sourceignore", "/docs\n")];
    let copy = stack.repository("web", &files)?;
    let first = copy.run(&["rev-parse", "HEAD"])?.trim().to_owned();
    copy.tag("v1.2.0")?.annotated_tag("v1.3.0", "Release")?;
    copy.write("b.yaml", "b: 1\n")?;
    let second = copy.commit("Second commit")?;
    copy.tag("v2.0.0-rc.1")?;
    copy.push()?;
    copy.push_refs(&["--tags", "HEAD:refs/pull/7/head"])?;
    let ca = stack.git.ca_pem().expect("the server speaks TLS").to_owned();
    let client = stack.client();
    let secret =
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "ca" }, "stringData": { "ca.crt": ca } });
    apply(&client, secret).await?;
    let _controller = stack.source_controller()?.start().await?;
    let url = stack.repository_url("web");
    let cases = [
        ("branch", json!({ "branch": "main" }), format!("main@sha1:{second}")),
        ("tag", json!({ "tag": "v1.3.0" }), format!("v1.3.0@sha1:{first}")),
        ("semver", json!({ "semver": ">=1.0.0 <2.0.0" }), format!("v1.3.0@sha1:{first}")),
        ("name", json!({ "name": "refs/pull/7/head" }), format!("refs/pull/7/head@sha1:{second}")),
        ("commit", json!({ "branch": "main", "commit": first }), format!("main@sha1:{first}")),
    ];
    for (name, reference, _) in &cases {
        apply(&client, repository(name, &url, &json!({ "ref": reference, "secretRef": { "name": "ca" } }))).await?;
    }
    let ignore = json!({ "ignore": "!*.png\n/b.yaml\n", "secretRef": { "name": "ca" } });
    apply(&client, repository("ignore", &url, &ignore)).await?;
    apply(&client, repository("no-ca", &url, &json!({}))).await?;
    for (name, _, revision) in &cases {
        stack.git_repository(name, "the artifact", |object| published(object) == *revision).await?;
    }
    let path = |object: sluice_api::source::GitRepository| {
        let artifact = object.status.unwrap_or_default().artifact.expect("published");
        stack.data.path().join("storage").join(artifact.path)
    };
    let branch = stack.git_repository("branch", "the branch", |_| true).await?;
    // A .sourceignore file switches the list of extras off, so that the picture stays.
    assert_eq!(sluice_e2e::archive_names(&path(branch))?, [".", ".sourceignore", "a.yaml", "b.yaml", "logo.png"]);
    let ignoring = stack.git_repository("ignore", "the artifact", |object| !published(object).is_empty()).await?;
    assert_eq!(ignoring.status.clone().unwrap_or_default().observed_ignore.as_deref(), Some("!*.png\n/b.yaml\n"));
    assert_eq!(sluice_e2e::archive_names(&path(ignoring))?, [".", ".sourceignore", "a.yaml", "logo.png"]);
    let failed =
        |object: &sluice_api::source::GitRepository| git_ready(object).starts_with("False GitOperationFailed: ");
    let refused = stack.git_repository("no-ca", "the refusal", failed).await?;
    assert!(git_ready(&refused).to_lowercase().contains("certificate"), "{}", git_ready(&refused));
    Ok(())
}

#[tokio::test]
async fn a_shard_sees_only_what_its_selector_and_its_namespace_select() -> Result<()> {
    let stack = Stack::start().await?;
    let copy = stack.repository("web", &[("a.yaml", "a: 1\n")])?;
    let head = copy.run(&["rev-parse", "HEAD"])?.trim().to_owned();
    let client = stack.client();
    let url = stack.repository_url("web");
    let _shard = stack
        .source_controller()?
        .arg("--watch-label-selector=sharding.fluxcd.io/key=one")
        .arg("--watch-all-namespaces=false")
        .env("RUNTIME_NAMESPACE", sluice_e2e::NS)
        .start()
        .await?;
    let labelled = |name: &str, shard: &str| {
        let mut object = repository(name, &url, &json!({}));
        object["metadata"]["labels"] = json!({ "sharding.fluxcd.io/key": shard });
        object
    };
    apply(&client, labelled("other", "two")).await?;
    apply(&client, repository("none", &url, &json!({}))).await?;
    let elsewhere: kube::Api<sluice_api::source::GitRepository> = kube::Api::namespaced(client.clone(), "flux-system");
    elsewhere.create(&kube::api::PostParams::default(), &serde_json::from_value(labelled("elsewhere", "one"))?).await?;
    apply(&client, labelled("mine", "one")).await?;
    stack.git_repository("mine", "the artifact", is_published(&head)).await?;
    for name in ["other", "none"] {
        let object = stack.git_repository(name, "the object", |_| true).await?;
        assert_eq!(object.metadata.finalizers, None, "{name} is not touched");
    }
    assert_eq!(elsewhere.get("elsewhere").await?.metadata.finalizers, None);
    Ok(())
}
