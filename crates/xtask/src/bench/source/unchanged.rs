//! What a remote that has not changed costs: requests, bytes and connections as the server counts them.
//!
//! Deliberately on the large repository with all its tags: a listing of all references would show.

use anyhow::Context as _;
use serde_json::json;
use sluice_e2e::{Stack, apply};

use super::report::print;
use super::{Arguments, start};
use crate::bench::process::usage;

const REPOSITORY: &str = "large";

/// Measures and prints.
///
/// # Errors
/// When a reconcile does not end in time.
pub(super) async fn run(stack: &Stack, arguments: &Arguments) -> anyhow::Result<()> {
    let history = arguments.history();
    stack.git.create_repo(REPOSITORY)?;
    history.create(&stack.git.repo_path(REPOSITORY))?;
    let controller = start(stack, arguments).await?;
    let object = json!({
        "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "metadata": { "name": REPOSITORY },
        "spec": {
            "url": stack.repository_url(REPOSITORY), "interval": "1h", "timeout": "5m", "ref": { "branch": "main" }
        }
    });
    let object = apply(&stack.client(), object).await?;
    // The second waits for what the first, which comes while the object is new, may still set off.
    for warm_up in ["first", "second"] {
        object.request_and_wait(warm_up).await?;
    }
    let (connections, cpu) = (stack.git.connections(), usage(controller.pid())?.cpu);
    stack.git.take_requests();
    for check in 0..arguments.checks {
        object.request_and_wait(&format!("check {check}")).await?;
    }
    let requests = stack.git.take_requests();
    let bytes: u64 = requests.iter().map(|request| request.sent).sum();
    let cpu = (usage(controller.pid())?.cpu - cpu) * 1000.0 / f64::from(arguments.checks.max(1));
    print(&format!(
        "{} checks of an unchanged remote: {} requests, {bytes} bytes answered, {} connections opened; {cpu:.1} ms CPU each",
        arguments.checks,
        requests.len(),
        stack.git.connections() - connections
    ));
    let last = requests.last().context("no request came")?;
    print(&format!("  the last one: {} {} {}, {} bytes", last.method, last.target, last.status, last.sent));
    Ok(())
}
