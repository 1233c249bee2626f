//! What the demo needs beside a cluster, until it is told to stop: a Git server with one empty repository, and a sink for messages.
//!
//! Usage: `demo-servers <directory>`. Once both answer, `<directory>/servers` has their addresses as lines of shell; every message that
//! arrives becomes a line of JSON in `<directory>/messages`. Ends on `SIGTERM` or `SIGINT`.

use std::path::PathBuf;

use anyhow::Context as _;
use sluice_testkit::Sink;
use sluice_testkit::git::{GitServer, GitServerOptions};
use tokio::signal::unix::{SignalKind, signal};

/// The one repository.
const REPOSITORY: &str = "fleet";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let dir = std::env::args_os().nth(1).map(PathBuf::from).context("usage: demo-servers <directory>")?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let git = GitServer::start(GitServerOptions::default()).context("start the Git server")?;
    let repository = git.create_repo(REPOSITORY)?;
    let sink = Sink::start_recording_to(&dir.join("messages")).await?;
    let path = git.repo_path(REPOSITORY);
    let addresses = format!("git_url='{repository}'\ngit_path='{}'\nsink_url='{}'\n", path.display(), sink.url());
    // Renamed into place: whoever sees the file can use it.
    let unfinished = dir.join("servers.new");
    std::fs::write(&unfinished, addresses).context("write the addresses")?;
    std::fs::rename(&unfinished, dir.join("servers")).context("publish the addresses")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
