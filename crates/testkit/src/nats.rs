//! A message server: Debian's `nats-server` on loopback, and a subscriber that keeps what it hears.
//!
//! Deliberately no publisher: that is what is tested. The subscriber speaks only as much of the protocol as it needs.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use crate::supervise::{Program, Supervised};
use crate::wait::free_ports;

/// How long the server may take to listen.
const START_DEADLINE: Duration = Duration::from_secs(20);

/// How long a subscriber waits for a message.
const MESSAGE_DEADLINE: Duration = Duration::from_secs(20);

/// A running server; it stops when dropped.
pub struct Nats {
    address: SocketAddr,
    certificate: String,
    server: Supervised,
}

impl Nats {
    /// Starts a server whose configuration, beyond its address, is this text in the server's own language. Where it says `TLS`, a certificate of
    /// its own making is put.
    ///
    /// # Errors
    /// When `nats-server` is not installed or does not start.
    pub fn start(config: &str) -> anyhow::Result<Self> {
        let program = crate::tools::program("nats-server")?;
        let dir = tempfile::tempdir()?;
        let [port] = free_ports::<1>()?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        let (certificate, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
        std::fs::write(&certificate, made.cert.pem())?;
        std::fs::write(&key, made.signing_key.serialize_pem())?;
        let tls = format!("tls {{ cert_file: \"{}\", key_file: \"{}\" }}", certificate.display(), key.display());
        let path = dir.path().join("nats.conf");
        std::fs::write(&path, format!("listen: \"{address}\"\n{}\n", config.replace("TLS", &tls)))?;
        let args = vec!["--config".into(), path.into()];
        let server = Program { name: "nats-server".into(), path: program, args, after_port: None };
        let server = Supervised::spawn(dir, &[server], &[])?;
        let nats = Self { address, certificate: made.cert.pem(), server };
        nats.server.await_listening("nats-server", nats.address, START_DEADLINE)?;
        Ok(nats)
    }

    /// `127.0.0.1:port`.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// The certificate of a server with TLS, PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate
    }

    /// The end of the server's log, for error messages.
    pub fn log_tail(&self) -> String {
        self.server.log_tail("nats-server")
    }

    /// Subscribes, with this as what `CONNECT` says. Messages published after this returns are heard.
    ///
    /// # Errors
    /// When the server refuses, with its own words.
    pub fn subscribe(&self, connect: &Value, subject: &str) -> anyhow::Result<Subscriber> {
        let mut stream = TcpStream::connect(self.address).context("connect to nats-server")?;
        stream.set_read_timeout(Some(MESSAGE_DEADLINE))?;
        let mut wire = BufReader::new(stream.try_clone()?);
        let mut line = String::new();
        wire.read_line(&mut line)?;
        anyhow::ensure!(line.starts_with("INFO "), "unexpected greeting {line:?}");
        stream.write_all(format!("CONNECT {connect}\r\nSUB {subject} 1\r\nPING\r\n").as_bytes())?;
        let mut subscriber = Subscriber { wire, stream };
        while subscriber.line()? != "PONG" {}
        Ok(subscriber)
    }
}

/// Who hears what is published to one subject.
pub struct Subscriber {
    wire: BufReader<TcpStream>,
    stream: TcpStream,
}

impl Subscriber {
    /// The next message: its subject and its bytes. Blocks.
    ///
    /// # Errors
    /// When none comes in time, or the server says no.
    pub fn message(&mut self) -> anyhow::Result<(String, Vec<u8>)> {
        loop {
            let line = self.line()?;
            let words: Vec<&str> = line.split(' ').collect();
            let ["MSG", subject, _, size] = words[..] else { continue };
            let mut payload = vec![0; size.parse::<usize>()? + 2];
            self.wire.read_exact(&mut payload)?;
            payload.truncate(payload.len() - 2);
            return Ok((subject.to_owned(), payload));
        }
    }

    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        let count = self.wire.read_line(&mut line).context("wait for nats-server")?;
        anyhow::ensure!(count > 0, "nats-server closed the connection");
        let line = line.trim_end().to_owned();
        anyhow::ensure!(!line.starts_with("-ERR"), "nats-server says {line}");
        if line == "PING" {
            self.stream.write_all(b"PONG\r\n")?;
        }
        Ok(line)
    }
}
