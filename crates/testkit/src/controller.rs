//! The shipped controllers as processes: start, wait for readiness, stop politely or with `SIGKILL`, start again.
//!
//! Deliberately black boxes: a test sees what an operator sees, that is their log, ports, and effect on the cluster.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::control_plane::ControlPlane;
use crate::supervise::{Program, Supervised};
use crate::wait::{free_ports, wait_until};

/// A controller that is not ready by then is not going to be; includes a busy machine.
const READY_DEADLINE: Duration = Duration::from_secs(60);

/// How a controller is started. Build it up, then [`Options::start`].
#[derive(Debug, Clone)]
pub struct Options {
    name: String,
    path: PathBuf,
    kubeconfig: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    ports: [u16; 2],
}

/// A running controller. Dropping it kills it; if the test is failing, its log is printed first.
#[derive(Debug)]
pub struct Controller {
    options: Options,
    running: Supervised,
}

impl Controller {
    /// Prepares one of this workspace's programs (`source-controller`, ...) to run against a control plane, with free ports for
    /// `--metrics-addr` and `--health-addr`.
    ///
    /// # Errors
    /// If the program is not built, or no port can be had.
    pub fn of(name: &str, cluster: &ControlPlane) -> anyhow::Result<Options> {
        Options::new(name, crate::workspace::program(name)?, cluster.kubeconfig_path())
    }

    /// `http://127.0.0.1:port` of the metrics server.
    pub fn metrics_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.options.ports[0])
    }

    /// `http://127.0.0.1:port` of the probes.
    pub fn health_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.options.ports[1])
    }

    /// The metrics in the text exposition format.
    ///
    /// # Errors
    /// If the controller does not answer, or not with 200.
    pub async fn metrics(&self) -> anyhow::Result<String> {
        get(self.options.ports[0], "/metrics").await
    }

    /// Everything that it has logged since this start.
    pub fn log(&self) -> String {
        self.running.log(&self.options.name)
    }

    /// Its process id, for looking at its memory and descriptors under `/proc`.
    ///
    /// # Panics
    /// Never: a started controller has one.
    pub fn pid(&self) -> u32 {
        self.running.pid(&self.options.name).expect("the id was written before the controller became ready")
    }

    /// The exit code if it has ended; 128 plus the signal's number if a signal ended it.
    pub fn exit_code(&self) -> Option<i32> {
        self.running.ended().map(|ended| ended.code)
    }

    /// Asks it to stop (`SIGTERM`) and waits; returns the exit code.
    ///
    /// # Errors
    /// If it has ended before, or does not end within `deadline`.
    pub async fn terminate(&self, deadline: Duration) -> anyhow::Result<i32> {
        self.end_with(Signal::TERM, deadline).await
    }

    /// Kills it (`SIGKILL`) and waits until it is gone.
    ///
    /// # Errors
    /// If it has ended before.
    pub async fn kill(&self) -> anyhow::Result<()> {
        self.end_with(Signal::KILL, READY_DEADLINE).await.map(drop)
    }

    /// How it was started, to start it again: `controller.kill().await?; let again = controller.options().start().await?;`
    pub fn options(&self) -> Options {
        self.options.clone()
    }

    async fn end_with(&self, signal: Signal, deadline: Duration) -> anyhow::Result<i32> {
        self.running.signal(&self.options.name, signal)?;
        wait_until(deadline, &format!("{} to end", self.options.name), async || Ok(self.exit_code())).await
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        if std::thread::panicking() {
            #[expect(clippy::print_stderr, reason = "a failing test shows what the controller said")]
            {
                eprintln!(
                    "--- the log of {} ends with:\n{}",
                    self.options.name,
                    self.running.log_tail(&self.options.name)
                );
            }
        }
    }
}

impl Options {
    /// Prepares any program that takes `--metrics-addr`, `--health-addr` and `KUBECONFIG`.
    ///
    /// # Errors
    /// If no port can be had.
    pub fn new(name: &str, path: PathBuf, kubeconfig: PathBuf) -> anyhow::Result<Self> {
        Ok(Self {
            name: name.to_owned(),
            path,
            kubeconfig,
            args: Vec::new(),
            env: vec![("RUNTIME_NAMESPACE".into(), "flux-system".into())],
            ports: free_ports()?,
        })
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds or changes an environment variable.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Uses another kubeconfig, for instance one with fewer rights.
    pub fn kubeconfig(mut self, path: &Path) -> Self {
        path.clone_into(&mut self.kubeconfig);
        self
    }

    /// Starts it and waits until `/readyz` answers 200.
    ///
    /// # Errors
    /// If it ends or does not get ready within a minute; the message ends with its log.
    pub async fn start(self) -> anyhow::Result<Controller> {
        let controller = self.start_unready()?;
        let (name, running) = (&controller.options.name, &controller.running);
        let ready = wait_until(READY_DEADLINE, &format!("{name} to be ready"), async || {
            if running.ended().is_some() {
                return Ok(Some(()));
            }
            get(controller.options.ports[1], "/readyz").await.map(|_| Some(()))
        })
        .await;
        let problem = match (ready, running.ended()) {
            (Ok(()), None) => return Ok(controller),
            (Err(error), None) => error,
            (_, Some(ended)) => anyhow::anyhow!("{name} ended with code {}", ended.code),
        };
        Err(problem.context(format!("{name}'s log ends with:\n{}", running.log_tail(name))))
    }

    /// Starts it without waiting: for a controller that must wait for a lease, or must refuse to start.
    ///
    /// # Errors
    /// If the process cannot be created.
    pub fn start_unready(self) -> anyhow::Result<Controller> {
        let dir = tempfile::Builder::new().prefix("sluice-controller-").tempdir().context("create a directory")?;
        let [metrics, health] = self.ports;
        let mut args = vec![
            format!("--metrics-addr=127.0.0.1:{metrics}").into(),
            format!("--health-addr=127.0.0.1:{health}").into(),
        ];
        args.extend(self.args.iter().cloned());
        let program = Program { name: self.name.clone(), path: self.path.clone(), args, after_port: None };
        let mut env = vec![("KUBECONFIG".into(), self.kubeconfig.clone().into_os_string())];
        env.extend(self.env.iter().cloned());
        let running = Supervised::spawn(dir, &[program], &env)?;
        Ok(Controller { options: self, running })
    }
}

/// A GET over a fresh connection. Probes and metrics are plain HTTP on loopback; a client library would add nothing.
async fn get(port: u16, path: &str) -> anyhow::Result<String> {
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.context("connect")?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.context("send")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.context("receive")?;
    let (head, body) = answer.split_once("\r\n\r\n").context("not an HTTP answer")?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    anyhow::ensure!(status == "200", "{path} answered {status}: {body}");
    Ok(body.to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// A shell script in place of a controller.
    fn stand_in(dir: &Path, script: &str) -> Options {
        let path = dir.join("stand-in");
        std::fs::write(&path, format!("#!/bin/bash\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        Options::new("stand-in", path, dir.join("kubeconfig")).unwrap()
    }

    #[tokio::test]
    async fn a_controller_that_ends_early_is_an_error_with_its_code_and_log() {
        let dir = tempfile::tempdir().unwrap();
        let error = stand_in(dir.path(), "echo no cluster; exit 3").start().await.unwrap_err();
        let message = format!("{error:#}");
        assert_eq!(message, "stand-in's log ends with:\nno cluster\n: stand-in ended with code 3");
    }

    #[tokio::test]
    async fn arguments_environment_and_kubeconfig_reach_the_process() {
        let dir = tempfile::tempdir().unwrap();
        let options = stand_in(dir.path(), "echo \"$KUBECONFIG $RUNTIME_NAMESPACE $EXTRA ${@:3}\"; exec sleep 60");
        let running =
            options.env("EXTRA", "e").env("RUNTIME_NAMESPACE", "other").arg("--flag").arg("--more").start_unready();
        let running = running.unwrap();
        let expected = format!("{} other e --flag --more\n", dir.path().join("kubeconfig").display());
        wait_until(Duration::from_secs(10), "the line", async || Ok((running.log() == expected).then_some(())))
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn terminate_returns_the_exit_code_and_the_same_options_start_it_again() {
        let dir = tempfile::tempdir().unwrap();
        let first =
            stand_in(dir.path(), "trap 'exit 5' TERM; echo up; while :; do sleep 0.01; done").start_unready().unwrap();
        let up = async |controller: &Controller| {
            wait_until(Duration::from_secs(10), "up", async || Ok((controller.log() == "up\n").then_some(()))).await
        };
        up(&first).await.unwrap();
        assert_eq!(first.terminate(Duration::from_secs(10)).await.unwrap(), 5);
        assert!(first.kill().await.is_err());
        let second = first.options().start_unready().unwrap();
        up(&second).await.unwrap();
        second.kill().await.unwrap();
        assert_eq!(second.exit_code(), Some(137));
    }
}
