//! An S3 server on loopback: `SeaweedFS`, a real one, which checks signatures, pages its listings and knows preconditions.
//!
//! Objects are put in by the store's own plain HTTP door, so that a test of a client does not need a second client that signs.
//! Deliberately no TLS, and nothing of what the server has beside S3.

pub(crate) mod http;

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use crate::supervise::{Program, Supervised};
use crate::wait::{free_ports, wait_until};

/// How long the server may take to be ready. It takes three seconds on two idle cores.
const READY_DEADLINE: Duration = Duration::from_secs(90);

/// How often to try with other ports if one was taken meanwhile.
const MAX_STARTS: usize = 3;

/// A running server. Dropping it stops it.
#[derive(Debug)]
pub struct S3Server {
    supervised: Supervised,
    ports: Ports,
}

/// All that the server listens on; the store itself has a port for HTTP and one for gRPC for each of its parts.
#[derive(Clone, Copy, Debug)]
struct Ports {
    master: [u16; 2],
    volume: [u16; 2],
    filer: [u16; 2],
    s3: [u16; 2],
}

impl S3Server {
    /// The access key of the one who may do everything.
    pub const ACCESS_KEY: &str = "sluice-access-key";
    /// The secret key that belongs to it.
    pub const SECRET_KEY: &str = "sluice-secret-key";
    /// The bucket that needs no credentials to be read; it exists once something was put into it.
    pub const PUBLIC_BUCKET: &str = "public";

    /// Starts on free ports, without any bucket.
    ///
    /// # Errors
    /// If `weed` is not installed (`hack/lib/pypi-tools.sh` does that) or does not get ready.
    pub async fn start() -> anyhow::Result<Self> {
        let program = crate::tools::program("weed").context("hack/lib/pypi-tools.sh installs it")?;
        let mut started = Self::start_once(&program).await;
        for _ in 1..MAX_STARTS {
            if started.is_ok() {
                break;
            }
            started = Self::start_once(&program).await;
        }
        started
    }

    async fn start_once(program: &Path) -> anyhow::Result<Self> {
        let [master, master_grpc, volume, volume_grpc, filer, filer_grpc, s3, s3_grpc] = free_ports()?;
        let ports = Ports {
            master: [master, master_grpc],
            volume: [volume, volume_grpc],
            filer: [filer, filer_grpc],
            s3: [s3, s3_grpc],
        };
        let dir = tempfile::Builder::new().prefix("sluice-s3-").tempdir().context("make the server's directory")?;
        let args = arguments(dir.path(), ports)?;
        let weed = Program { name: "weed".to_owned(), path: program.to_owned(), args, after_port: None };
        let server = Self { supervised: Supervised::spawn(dir, &[weed], &[])?, ports };
        wait_until(READY_DEADLINE, "the S3 server", async || {
            if let Some(ended) = server.supervised.ended() {
                // Not worth waiting for any longer; the log says why.
                return Ok(Some(Err(anyhow::anyhow!("weed ended with code {}", ended.code))));
            }
            http::exchange(ports.s3[0], "GET", "/", b"").await?;
            server.put("ready", "probe", b"x").await?;
            Ok(Some(Ok(())))
        })
        .await
        .and_then(|outcome| outcome)
        .with_context(|| server.supervised.log_tail("weed"))?;
        server.remove_bucket("ready").await?;
        Ok(server)
    }

    /// `127.0.0.1:port`: the endpoint as a Bucket has it, `insecure`.
    pub fn endpoint(&self) -> String {
        format!("127.0.0.1:{}", self.ports.s3[0])
    }

    /// Puts an object, replacing what is there; makes the bucket if need be.
    ///
    /// # Errors
    /// If the server refuses it.
    pub async fn put(&self, bucket: &str, key: &str, content: &[u8]) -> anyhow::Result<()> {
        let path = format!("/buckets/{bucket}/{}", http::encode(key));
        http::exchange(self.ports.filer[0], "PUT", &path, content).await?.expect(201).map(drop)
    }

    /// Removes an object, which must be there.
    ///
    /// # Errors
    /// If the server refuses it.
    pub async fn remove(&self, bucket: &str, key: &str) -> anyhow::Result<()> {
        let path = format!("/buckets/{bucket}/{}", http::encode(key));
        http::exchange(self.ports.filer[0], "DELETE", &path, b"").await?.expect(204).map(drop)
    }

    /// Removes a bucket with all that is in it.
    ///
    /// # Errors
    /// If the server refuses it.
    pub async fn remove_bucket(&self, bucket: &str) -> anyhow::Result<()> {
        let path = format!("/buckets/{bucket}?recursive=true");
        http::exchange(self.ports.filer[0], "DELETE", &path, b"").await?.expect(204).map(drop)
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        // The server makes these outside of its directory and leaves them there.
        for (part, [_, grpc]) in [
            ("master", self.ports.master),
            ("volume", self.ports.volume),
            ("filer", self.ports.filer),
            ("s3", self.ports.s3),
        ] {
            let _ = std::fs::remove_file(format!("/tmp/seaweedfs-{part}-grpc-{grpc}.sock"));
        }
    }
}

fn arguments(dir: &Path, ports: Ports) -> anyhow::Result<Vec<OsString>> {
    let public = S3Server::PUBLIC_BUCKET;
    let identities = serde_json::json!({"identities": [
        {"name": "anonymous", "actions": [format!("Read:{public}"), format!("List:{public}")]},
        {
            "name": "admin",
            "credentials": [{"accessKey": S3Server::ACCESS_KEY, "secretKey": S3Server::SECRET_KEY}],
            "actions": ["Admin", "Read", "List", "Write"],
        },
    ]});
    let config = dir.join("s3.json");
    std::fs::write(&config, identities.to_string()).context("write the server's identities")?;
    let data = dir.join("data");
    std::fs::create_dir(&data).context("make the server's directory")?;
    let option = |name: &str, value: &dyn std::fmt::Display| OsString::from(format!("-{name}={value}"));
    let mut args = vec!["-logtostderr".into(), "server".into(), "-filer".into(), "-s3".into()];
    args.extend([
        option("dir", &data.display()),
        option("ip", &"127.0.0.1"),
        option("ip.bind", &"127.0.0.1"),
        // Nothing leaves the machine.
        option("master.telemetry", &false),
        option("master.electionTimeout", &"200ms"),
        option("master.volumeSizeLimitMB", &32),
        option("volume.max", &20),
        option("volume.preStopSeconds", &0),
        option("s3.config", &config.display()),
        option("s3.iam", &false),
        option("s3.port.iceberg", &0),
        option("s3.port.lance", &0),
        option("s3.localSocket", &dir.join("s3.sock").display()),
        option("filer.localSocket", &dir.join("filer.sock").display()),
    ]);
    for (part, [http, grpc]) in
        [("master", ports.master), ("volume", ports.volume), ("filer", ports.filer), ("s3", ports.s3)]
    {
        args.extend([option(&format!("{part}.port"), &http), option(&format!("{part}.port.grpc"), &grpc)]);
    }
    Ok(args)
}
