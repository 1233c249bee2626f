//! Azure Blob Storage: npm's `azurite` on loopback, which checks signatures of both kinds.
//!
//! Blobs are put in with a shared access signature that was made once for the account below, so that nothing here signs.
//! Deliberately no TLS and no tokens: the emulator believes any.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

use crate::s3::http;
use crate::supervise::{Program, Supervised};
use crate::wait::{free_ports, wait_until};

/// How long the emulator may take to be ready. It takes two seconds on two idle cores.
const READY_DEADLINE: Duration = Duration::from_secs(90);

/// How often to try with another port if it was taken meanwhile.
const MAX_STARTS: usize = 3;

/// Allows everything on the account until 2099.
const ADMIN_SIGNATURE: &str = "sv=2021-12-02&ss=b&srt=sco&sp=rwdlac&se=2099-01-01T00%3A00%3A00Z&sig=QyQq0nzlO%2FQqsVQoZQTYxTDcSXR1Yc7UteCVcPQ%2BhGM%3D";

/// A running emulator. Dropping it stops it.
#[derive(Debug)]
pub struct AzureServer {
    supervised: Supervised,
    port: u16,
}

impl AzureServer {
    /// The account.
    pub const ACCOUNT: &str = "sluice";
    /// Its key, made up for this purpose.
    pub const ACCOUNT_KEY: &str = "YWNjb3VudCBrZXkgb2YgdGhlIHRlc3Qga2l0J3MgZW11bGF0b3I=";
    /// A shared access signature that allows reading and listing until 2099.
    pub const READ_SIGNATURE: &str = "sv=2021-12-02&ss=b&srt=sco&sp=rl&se=2099-01-01T00%3A00%3A00Z&sig=CMJeoMdV70vraa5nvsIh7D7PyoHB2zhsKicai6our%2F4%3D";

    /// Starts on a free port, without any container.
    ///
    /// # Errors
    /// If `azurite` is not installed (`hack/lib/npm-tools.sh` does that) or does not get ready.
    pub async fn start() -> anyhow::Result<Self> {
        let (node, script) = (crate::tools::program("node")?, script()?);
        let mut started = Self::start_once(&node, &script).await;
        for _ in 1..MAX_STARTS {
            if started.is_ok() {
                break;
            }
            started = Self::start_once(&node, &script).await;
        }
        started
    }

    async fn start_once(node: &Path, script: &Path) -> anyhow::Result<Self> {
        let [port] = free_ports()?;
        let dir =
            tempfile::Builder::new().prefix("sluice-azure-").tempdir().context("make the emulator's directory")?;
        let data = dir.path().join("data");
        std::fs::create_dir(&data).context("make the emulator's directory")?;
        let mut args: Vec<OsString> = vec![script.into(), "--location".into(), data.into()];
        // Nothing leaves the machine.
        args.extend(["--disableTelemetry", "--silent", "--blobHost", "127.0.0.1", "--blobPort"].map(OsString::from));
        args.push(port.to_string().into());
        let azurite = Program { name: "azurite".to_owned(), path: node.to_owned(), args, after_port: None };
        let accounts = format!("{}:{}", Self::ACCOUNT, Self::ACCOUNT_KEY);
        let env = [("AZURITE_ACCOUNTS".into(), accounts.into())];
        let server = Self { supervised: Supervised::spawn(dir, &[azurite], &env)?, port };
        wait_until(READY_DEADLINE, "the Azure emulator", async || {
            if let Some(ended) = server.supervised.ended() {
                // Not worth waiting for any longer; the log says why.
                return Ok(Some(Err(anyhow::anyhow!("azurite ended with code {}", ended.code))));
            }
            http::exchange(port, "GET", "/", b"").await.map(|_| Some(Ok(())))
        })
        .await
        .and_then(|outcome| outcome)
        .with_context(|| server.supervised.log_tail("azurite"))?;
        Ok(server)
    }

    /// The account's URL: the endpoint as a Bucket has it.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/{}", self.port, Self::ACCOUNT)
    }

    /// Makes a container.
    ///
    /// # Errors
    /// If there is one of that name.
    pub async fn create_container(&self, container: &str) -> anyhow::Result<()> {
        let target = format!("/{}/{container}?restype=container&{ADMIN_SIGNATURE}", Self::ACCOUNT);
        http::exchange(self.port, "PUT", &target, b"").await?.expect(201).map(drop)
    }

    /// Puts a blob, replacing what is there.
    ///
    /// # Errors
    /// If there is no such container.
    pub async fn put(&self, container: &str, blob: &str, content: &[u8]) -> anyhow::Result<()> {
        let headers = "x-ms-blob-type: BlockBlob\r\n";
        http::exchange_with(self.port, "PUT", &target(container, blob), headers, content).await?.expect(201).map(drop)
    }

    /// Removes a blob, which must be there.
    ///
    /// # Errors
    /// If it is not.
    pub async fn remove(&self, container: &str, blob: &str) -> anyhow::Result<()> {
        http::exchange(self.port, "DELETE", &target(container, blob), b"").await?.expect(202).map(drop)
    }
}

fn target(container: &str, blob: &str) -> String {
    // Dots between slashes would be resolved before they arrive.
    let blob = http::encode(blob).replace('/', "%2F");
    format!("/{}/{container}/{blob}?{ADMIN_SIGNATURE}", AzureServer::ACCOUNT)
}

fn script() -> anyhow::Result<PathBuf> {
    let tools = crate::tools::directory().context("there is no home directory")?;
    let script = tools.join("npm/node_modules/azurite/dist/src/blob/main.js");
    anyhow::ensure!(script.is_file(), "azurite is not installed: hack/lib/npm-tools.sh does that");
    Ok(script)
}
