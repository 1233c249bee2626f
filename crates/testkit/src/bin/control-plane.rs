//! Runs a control plane for people until it is told to stop; `hack/control-plane.sh` and `hack/demo.sh` start it.
//!
//! Usage: `control-plane <directory>`. Data, logs and kubeconfig live below the directory; once the server is ready, its kubeconfig is copied
//! to `<directory>/kubeconfig`. Ends on `SIGTERM` or `SIGINT`, or when a server ends.

use std::path::PathBuf;

use anyhow::Context as _;
use sluice_testkit::control_plane::{ControlPlane, Options};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let dir = std::env::args_os().nth(1).map(PathBuf::from).context("usage: control-plane <directory>")?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let options = Options { controller_manager: true, parent_dir: Some(dir.clone()) };
    let plane = tokio::select! {
        plane = ControlPlane::start_with(&options) => plane?,
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    // Renamed into place: whoever sees the file can use it.
    let kubeconfig = dir.join("kubeconfig");
    let unfinished = dir.join("kubeconfig.new");
    std::fs::copy(plane.kubeconfig_path(), &unfinished).context("copy the kubeconfig")?;
    std::fs::rename(&unfinished, &kubeconfig).context("publish the kubeconfig")?;
    let ended = sluice_testkit::wait::end_of(async || plane.ended());
    let result = tokio::select! {
        ended = ended => Err(anyhow::anyhow!("{ended}; the API server's log ends with:\n{}", plane.log_tail())),
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    };
    // A kubeconfig of a server that is gone would only mislead.
    let _ = std::fs::remove_file(&kubeconfig);
    result
}
