//! An Alertmanager: Debian's `prometheus-alertmanager` on loopback, which notifies nobody.
//!
//! Deliberately no cluster and no client: tests read what it holds through its own API.

use std::net::SocketAddr;
use std::time::Duration;

use crate::supervise::{Program, Supervised};
use crate::wait::free_ports;

/// The user whom a server with authentication knows.
pub const USERNAME: &str = "reader";

/// That user's password.
pub const PASSWORD: &str = crate::registry::PASSWORD;

/// bcrypt of [`PASSWORD`], made by Apache's htpasswd at the lowest useful cost.
const PASSWORD_HASH: &str = "$2y$05$nMTC6flKM19DIfY/9z9H9.P.OhGDMGKmMA3pobku6XwuIeloYocZa";

/// How long the server may take to listen.
const START_DEADLINE: Duration = Duration::from_secs(30);

const CONFIG: &str = "route:\n  receiver: nobody\nreceivers:\n  - name: nobody\n";

/// Whom the server lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertmanagerAuth {
    /// Everybody.
    None,
    /// [`USERNAME`] with [`PASSWORD`], by basic authentication.
    Basic,
}

/// A running server; it stops, and what it holds goes, when dropped.
pub struct Alertmanager {
    address: SocketAddr,
    server: Supervised,
}

impl Alertmanager {
    /// Starts an empty server.
    ///
    /// # Errors
    /// When `prometheus-alertmanager` is not installed or does not start.
    pub fn start(auth: AlertmanagerAuth) -> anyhow::Result<Self> {
        let program = crate::tools::program("prometheus-alertmanager")?;
        let dir = tempfile::tempdir()?;
        let [port] = free_ports::<1>()?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let (config, web) = (dir.path().join("config.yml"), dir.path().join("web.yml"));
        std::fs::write(&config, CONFIG)?;
        let users = match auth {
            AlertmanagerAuth::None => String::new(),
            AlertmanagerAuth::Basic => format!("basic_auth_users:\n  {USERNAME}: \"{PASSWORD_HASH}\"\n"),
        };
        std::fs::write(&web, users)?;
        // Debian's build reads them at its start, and `hack/lib/tools.sh` has turned their path to the working directory.
        let templates = dir.path().join("templates");
        std::fs::create_dir(&templates)?;
        for name in ["default.tmpl", "email.tmpl"] {
            std::fs::write(templates.join(name), "")?;
        }
        let args = [
            "-c".to_owned(),
            "cd \"$0\" && exec \"$@\"".to_owned(),
            dir.path().display().to_string(),
            program.display().to_string(),
            format!("--config.file={}", config.display()),
            format!("--web.config.file={}", web.display()),
            format!("--storage.path={}", dir.path().join("data").display()),
            format!("--web.listen-address={address}"),
            "--cluster.listen-address=".to_owned(),
        ];
        let args = args.into_iter().map(Into::into).collect();
        let server = Program { name: "alertmanager".into(), path: "/bin/sh".into(), args, after_port: None };
        let server = Supervised::spawn(dir, &[server], &[])?;
        let alertmanager = Self { address, server };
        alertmanager.server.await_listening("alertmanager", alertmanager.address, START_DEADLINE)?;
        Ok(alertmanager)
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The end of the server's log, for error messages.
    pub fn log_tail(&self) -> String {
        self.server.log_tail("alertmanager")
    }
}
