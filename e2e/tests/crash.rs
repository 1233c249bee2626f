//! What survives: controllers killed at any moment, and a leader that dies.

use std::time::{Duration, Instant};

use anyhow::Result;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::ListParams;
use serde_json::{Value, json};
use sluice_api::kustomize::Kustomization;
use sluice_api::source::GitRepository;
use sluice_e2e::{NS, PATIENCE, Stack, applied, apply, ready};
use sluice_testkit::wait::wait_until;

fn repository(stack: &Stack) -> Value {
    json!({
        "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "metadata": { "name": "app" },
        "spec": { "url": stack.repository_url("app"), "interval": "1s", "ref": { "branch": "main" } }
    })
}

fn kustomization() -> Value {
    json!({
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": { "name": "app" },
        "spec": {
            "interval": "2s", "retryInterval": "1s", "prune": true, "path": "./", "targetNamespace": NS,
            "sourceRef": { "kind": "GitRepository", "name": "app" }
        }
    })
}

/// `count` maps whose names and values are of generation `number`, so that each push changes all, adds one and removes one.
fn manifests(number: usize) -> String {
    (number..number + 12)
        .map(|index| {
            format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: map-{index}\ndata:\n  key: v{number}\n")
        })
        .collect::<Vec<_>>()
        .join("---\n")
}

async fn owned_maps(stack: &Stack) -> Result<Vec<(String, String)>> {
    let maps: Api<ConfigMap> = Api::namespaced(stack.client(), NS);
    let owned = ListParams::default().labels("kustomize.toolkit.fluxcd.io/name=app");
    let list = maps.list(&owned).await?;
    let mut names: Vec<_> = list
        .into_iter()
        .map(|map| {
            (map.metadata.name.unwrap_or_default(), map.data.unwrap_or_default().remove("key").unwrap_or_default())
        })
        .collect();
    names.sort();
    Ok(names)
}

/// Kills both controllers after pauses that sweep over the time that a push takes, and starts them again each time.
#[tokio::test]
async fn controllers_killed_at_any_moment_carry_on_without_orphans() -> Result<()> {
    let stack = Stack::start().await?;
    let copy = stack.repository("app", &[("all.yaml", &manifests(0))])?;
    let mut source = stack.source_controller()?.start().await?;
    let mut kustomize = stack.kustomize_controller()?.start().await?;
    let client = stack.client();
    apply(&client, repository(&stack)).await?;
    let app = apply(&client, kustomization()).await?;
    stack.kustomization("app", "the first revision", |object| ready(object).starts_with("True ")).await?;

    let mut head = String::new();
    for round in 1..=8 {
        copy.write("all.yaml", manifests(round))?;
        head = copy.commit(&format!("Generation {round}"))?;
        copy.push()?;
        // Not a wait for a condition: the moment of the kill is what varies, from before the fetch to after the apply.
        tokio::time::sleep(Duration::from_millis(150 * round as u64)).await;
        kustomize.kill().await?;
        if round % 2 == 0 {
            source.kill().await?;
            source = source.options().start().await?;
        }
        kustomize = kustomize.options().start().await?;
    }
    let revision = format!("main@sha1:{head}");
    let done = |object: &Kustomization| applied(object) == revision && ready(object).starts_with("True ");
    stack.kustomization("app", "the last revision after all kills", done).await?;
    let expected: Vec<_> = {
        let mut all: Vec<_> = (8..20).map(|index| (format!("map-{index}"), "v8".to_owned())).collect();
        all.sort();
        all
    };
    assert_eq!(owned_maps(&stack).await?, expected, "exactly the last generation is there, nothing is orphaned");

    // Every artifact file is whole: what a reader finds is what the status promises, and no temporary file is left for good.
    let git = stack
        .git_repository("app", "the source", |object: &GitRepository| sluice_e2e::published(object) == revision)
        .await?;
    let artifact = git.status.unwrap_or_default().artifact.expect("published");
    let file = stack.data.path().join("storage").join(&artifact.path);
    assert!(sluice_e2e::archive_names(&file)?.contains(&"all.yaml".to_owned()));

    app.delete().await?;
    wait_until(PATIENCE, "the Kustomization to go", async || Ok(app.get().await?.is_none().then_some(()))).await?;
    assert_eq!(owned_maps(&stack).await?, []);
    Ok(())
}

#[tokio::test]
async fn of_two_replicas_one_works_and_the_other_takes_over_within_the_lease_time() -> Result<()> {
    let stack = Stack::start().await?;
    let copy = stack.repository("app", &[("all.yaml", &manifests(0))])?;
    let _source = stack.source_controller()?.start().await?;
    let client = stack.client();
    apply(&client, repository(&stack)).await?;
    let elected = |name: &str| -> Result<_> {
        let cache = stack.data.path().join(name);
        Ok(stack
            .kustomize_controller()?
            .arg(format!("--artifact-cache-path={}", cache.display()))
            .arg("--enable-leader-election")
            .arg("--leader-election-lease-duration=6s")
            .arg("--leader-election-renew-deadline=4s")
            .arg("--leader-election-retry-period=1s"))
    };
    let leases: Api<Lease> = Api::namespaced(client.clone(), "flux-system");
    let holder = async || -> Result<Option<String>> {
        let lease = leases.get_opt("kustomize-controller-leader-election").await?;
        Ok(lease.and_then(|lease| lease.spec?.holder_identity).filter(|holder| !holder.is_empty()))
    };
    let first = elected("first")?.start().await?;
    let first_holder = wait_until(PATIENCE, "the first to lead", holder).await?;
    let second = elected("second")?.start().await?;
    apply(&client, kustomization()).await?;
    stack.kustomization("app", "the leader's work", |object| ready(object).starts_with("True ")).await?;
    assert!(!second.log().contains("acquired leader lease"), "the standby does not lead: {}", second.log());
    assert!(!second.log().contains("Reconciliation finished"), "the standby does not work");

    first.kill().await?;
    let killed = Instant::now();
    let taken = async || Ok(holder().await?.filter(|now| *now != first_holder));
    wait_until(PATIENCE, "the second to lead", taken).await?;
    let waited = killed.elapsed();
    // The lease, one retry period with its jitter, and the time that requests take on a busy machine.
    assert!(waited < Duration::from_secs(6 + 2 + 8), "took over after {waited:?}");
    copy.write("all.yaml", manifests(1))?;
    let head = copy.commit("Generation 1")?;
    copy.push()?;
    let revision = format!("main@sha1:{head}");
    stack.kustomization("app", "the new leader's work", |object| applied(object) == revision).await?;

    // Asked to end, a leader releases the lease, so that nobody has to wait for its end.
    assert_eq!(second.terminate(Duration::from_secs(30)).await?, 0);
    assert_eq!(holder().await?, None);
    Ok(())
}
