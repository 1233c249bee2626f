//! A commit of a large repository, from the request to the published artifact, against a clone and `tar | gzip` over the same server.
//!
//! Deliberately one clone in each round for both comparisons: the other way knows no next commit, it begins anew every time. Our figure has
//! more in it than theirs: API server, status writes, digest, and the file's way to the disk.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::json;
use sluice_e2e::{Applied, Controller, Stack, apply};
use sluice_testkit::wait::wait_until;

use super::report::{Spent, line, median, print};
use super::{Arguments, start};
use crate::bench::process::{mib, usage};
use crate::bench::ready::{Watch, api};

/// The longest that one step may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);
const REPOSITORY: &str = "large";
/// Clones, packs, and writes wall, user and system seconds to the standard error.
const CLONE_AND_PACK: &str = "set -eo pipefail\nTIMEFORMAT='%R %U %S'\n\
    time { git clone --quiet --depth 1 \"$1\" tree && tar -C tree --exclude=./.git -cf - . | gzip > tree.tar.gz; }";

#[derive(Default)]
struct Rounds {
    clones: Vec<Spent>,
    firsts: Vec<Spent>,
    nexts: Vec<Spent>,
}

/// Measures and prints.
///
/// # Errors
/// When a program fails, or a commit is not published in time.
pub(super) async fn run(stack: &Stack, arguments: &Arguments) -> anyhow::Result<()> {
    let history = arguments.history();
    stack.git.create_repo(REPOSITORY)?;
    let repository = stack.git.repo_path(REPOSITORY);
    let mut head = history.create(&repository)?;
    let controller = start(stack, arguments).await?;
    let mut rounds = Rounds::default();
    let mut sizes = (0, 0);
    for round in 0..arguments.rounds {
        // In turn, so that neither always runs on what the other has warmed up.
        if round % 2 == 0 {
            rounds.clones.push(clone_and_pack(stack, &mut sizes.1)?);
        }
        let name = format!("large-{round}");
        let mut watch = Watch::open(api(stack.client(), "source", "GitRepository", "gitrepositories"));
        let (object, spent) = first_fetch(stack, &controller, &mut watch, (&name, &head)).await?;
        rounds.firsts.push(spent);
        if round % 2 == 1 {
            rounds.clones.push(clone_and_pack(stack, &mut sizes.1)?);
        }
        head = history.add_commit(&repository, u32::try_from(round)?)?;
        let requested = measured(&controller, async {
            object.request(&head).await?;
            watch.published(&name, &head, PATIENCE).await
        });
        rounds.nexts.push(requested.await?);
        let shown = object.get().await?.context("the object is gone")?;
        sizes.0 = shown.data.pointer("/status/artifact/size").and_then(serde_json::Value::as_u64).unwrap_or_default();
        remove(&object).await?;
    }
    let theirs = median(&rounds.clones);
    print(&format!(
        "a commit of {} files in a history of {} commits, from the request to Ready with its artifact, medians of {} rounds \
         (artifact {:.1} MiB, theirs {:.1} MiB):",
        history.files,
        history.commits,
        arguments.rounds,
        mib(sizes.0),
        mib(sizes.1)
    ));
    print(&line("git clone, tar | gzip", &rounds.clones, theirs));
    print(&line("first fetch", &rounds.firsts, theirs));
    print(&line("next commit", &rounds.nexts, theirs));
    Ok(())
}

/// From the creation of an object to its artifact.
async fn first_fetch(
    stack: &Stack,
    controller: &Controller,
    watch: &mut Watch,
    (name, head): (&str, &str),
) -> anyhow::Result<(Applied, Spent)> {
    let object = json!({
        "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "metadata": { "name": name },
        "spec": {
            "url": stack.repository_url(REPOSITORY), "interval": "1h", "timeout": "5m", "ref": { "branch": "main" }
        }
    });
    let mut applied = None;
    let spent = measured(controller, async {
        applied = Some(apply(&stack.client(), object).await?);
        watch.published(name, head, PATIENCE).await
    });
    let spent = spent.await?;
    Ok((applied.context("the object was applied")?, spent))
}

async fn measured(controller: &Controller, work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<Spent> {
    let before = usage(controller.pid())?.cpu;
    let started = Instant::now();
    work.await?;
    let wall = started.elapsed();
    Ok(Spent { wall, cpu: usage(controller.pid())?.cpu - before })
}

/// The object goes with its mirror and artifact, so that the disk is the same for every round.
async fn remove(object: &Applied) -> anyhow::Result<()> {
    object.delete().await?;
    wait_until(PATIENCE, "the object to go", async || Ok(object.get().await?.is_none().then_some(()))).await
}

fn clone_and_pack(stack: &Stack, size: &mut u64) -> anyhow::Result<Spent> {
    let dir = tempfile::tempdir().context("a directory for the clone")?;
    let spent = shell_time(dir.path(), &stack.repository_url(REPOSITORY))?;
    *size = std::fs::metadata(dir.path().join("tree.tar.gz")).context("look at their archive")?.len();
    Ok(spent)
}

/// Runs the other way, and reads the shell's clock: CPU of git, tar and gzip, not of the server.
#[expect(clippy::disallowed_methods, reason = "a task of the repository runs the program that it compares with")]
fn shell_time(dir: &Path, url: &str) -> anyhow::Result<Spent> {
    let mut bash = Command::new("bash");
    bash.current_dir(dir).args(["-c", CLONE_AND_PACK, "bash", url]);
    bash.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    let output = bash.output().context("run bash")?;
    let text = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "clone and pack failed: {}", text.trim());
    read_times(&text).with_context(|| format!("times in {text:?}"))
}

/// The last line: wall, user and system seconds.
fn read_times(text: &str) -> Option<Spent> {
    let mut numbers = text.lines().last()?.split(' ').map(str::parse::<f64>);
    let mut next = || numbers.next()?.ok();
    let (wall, user, system) = (next()?, next()?, next()?);
    Some(Spent { wall: Duration::try_from_secs_f64(wall).ok()?, cpu: user + system })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shells_times_are_read_from_its_last_line() {
        let expected = Spent { wall: Duration::from_millis(1500), cpu: 0.75 };
        assert_eq!(read_times("warning: something\n1.500 0.500 0.250\n"), Some(expected));
        assert_eq!(read_times("real 1.5\n"), None);
    }
}
