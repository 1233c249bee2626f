//! Filling a registry: blobs and manifests, sent straight to the server behind the front.
//!
//! Deliberately the least of the distribution protocol that stores something, over a plain socket: the code under test does not push.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::Digest as _;

use super::{PASSWORD, Registry, RegistryAuth, USERNAME};

/// Media types that tests need.
pub mod media_type {
    /// An image manifest.
    pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// An index of manifests.
    pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// Docker's image manifest.
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    /// Docker's index of manifests.
    pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// The configuration of an artifact made by `flux push artifact`.
    pub const FLUX_CONFIG: &str = "application/vnd.cncf.flux.config.v1+json";
    /// The layer of an artifact made by `flux push artifact`.
    pub const FLUX_CONTENT: &str = "application/vnd.cncf.flux.content.v1.tar+gzip";
    /// The configuration of a Helm chart.
    pub const HELM_CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
    /// The layer with a Helm chart.
    pub const HELM_CHART: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
    /// The layer with a Helm chart's provenance file.
    pub const HELM_PROVENANCE: &str = "application/vnd.cncf.helm.chart.provenance.v1.prov";
}

/// How long the server may take for one answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// An image to push.
#[derive(Clone, Debug)]
pub struct Image {
    /// Media type and content of its configuration.
    pub config: (String, Vec<u8>),
    /// Its layers, in order.
    pub layers: Vec<Layer>,
    /// The manifest's annotations.
    pub annotations: BTreeMap<String, String>,
    /// Further fields of the manifest, such as `subject` and `artifactType`.
    pub more: BTreeMap<String, Value>,
}

/// A layer of an [`Image`].
#[derive(Clone, Debug)]
pub struct Layer {
    /// Its media type.
    pub media_type: String,
    /// Its bytes.
    pub content: Vec<u8>,
    /// The descriptor's annotations.
    pub annotations: BTreeMap<String, String>,
}

impl Layer {
    /// A layer without annotations.
    pub fn new(media_type: &str, content: impl Into<Vec<u8>>) -> Self {
        Self { media_type: media_type.to_owned(), content: content.into(), annotations: BTreeMap::new() }
    }
}

impl Image {
    /// As `flux push artifact` makes one: an empty configuration and one layer.
    pub fn flux(content: impl Into<Vec<u8>>) -> Self {
        Self::of(media_type::FLUX_CONFIG, vec![Layer::new(media_type::FLUX_CONTENT, content)])
    }

    /// As `helm push` makes one: Chart.yaml as JSON and the packaged chart.
    pub fn helm(chart_json: impl Into<Vec<u8>>, chart: impl Into<Vec<u8>>) -> Self {
        let layers = vec![Layer::new(media_type::HELM_CHART, chart)];
        Self { config: (media_type::HELM_CONFIG.to_owned(), chart_json.into()), ..Self::of("", layers) }
    }

    /// An image with these layers and an empty configuration of this type.
    pub fn of(config_type: &str, layers: Vec<Layer>) -> Self {
        let config = (config_type.to_owned(), b"{}".to_vec());
        Self { config, layers, annotations: BTreeMap::new(), more: BTreeMap::new() }
    }

    /// Adds an annotation to the manifest.
    pub fn annotate(mut self, key: &str, value: &str) -> Self {
        self.annotations.insert(key.to_owned(), value.to_owned());
        self
    }
}

impl Registry {
    /// Stores a blob and returns its digest (`sha256:…`).
    ///
    /// # Errors
    /// When the server refuses it.
    pub fn push_blob(&self, repository: &str, content: &[u8]) -> anyhow::Result<String> {
        let digest = digest(content);
        let started = self.send("POST", repository, &format!("/v2/{repository}/blobs/uploads/"), None)?;
        anyhow::ensure!(started.status == 202, "upload refused: {}", started.text);
        let location = started.header("location").context("no upload location")?;
        let separator = if location.contains('?') { '&' } else { '?' };
        let target = format!("{location}{separator}digest={digest}");
        let stored = self.send("PUT", repository, &target, Some(("application/octet-stream", content)))?;
        anyhow::ensure!(stored.status == 201, "blob refused: {}", stored.text);
        Ok(digest)
    }

    /// Stores a manifest under a tag or its digest, and returns its digest.
    ///
    /// # Errors
    /// When the server refuses it.
    pub fn push_manifest(
        &self,
        repository: &str,
        reference: &str,
        media: &str,
        manifest: &[u8],
    ) -> anyhow::Result<String> {
        let target = format!("/v2/{repository}/manifests/{reference}");
        let stored = self.send("PUT", repository, &target, Some((media, manifest)))?;
        anyhow::ensure!(stored.status == 201, "manifest refused: {}", stored.text);
        Ok(digest(manifest))
    }

    /// Stores an image's blobs and its manifest under a tag, and returns the manifest's digest.
    ///
    /// # Errors
    /// When the server refuses one of them.
    pub fn push_image(&self, repository: &str, tag: &str, image: &Image) -> anyhow::Result<String> {
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": media_type::MANIFEST,
            "config": self.push_described(repository, &image.config.0, &image.config.1)?,
        });
        let mut layers = Vec::new();
        for layer in &image.layers {
            let mut described = self.push_described(repository, &layer.media_type, &layer.content)?;
            if !layer.annotations.is_empty() {
                described["annotations"] = json!(layer.annotations);
            }
            layers.push(described);
        }
        manifest["layers"] = layers.into();
        if !image.annotations.is_empty() {
            manifest["annotations"] = json!(image.annotations);
        }
        for (name, value) in &image.more {
            manifest[name] = value.clone();
        }
        self.push_manifest(repository, tag, media_type::MANIFEST, manifest.to_string().as_bytes())
    }

    /// Stores an index under a tag. The entries are descriptors; the manifests that they name have to be there.
    ///
    /// # Errors
    /// When the server refuses it.
    pub fn push_index(&self, repository: &str, tag: &str, entries: &[Value]) -> anyhow::Result<String> {
        let index = json!({"schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": entries});
        self.push_manifest(repository, tag, media_type::INDEX, index.to_string().as_bytes())
    }

    /// The descriptor of a stored manifest, for an index or a `subject`.
    ///
    /// # Errors
    /// When there is no such manifest.
    pub fn describe(&self, repository: &str, reference: &str) -> anyhow::Result<Value> {
        let found = self.send("GET", repository, &format!("/v2/{repository}/manifests/{reference}"), None)?;
        anyhow::ensure!(found.status == 200, "no manifest {reference}: {}", found.text);
        let media = found.header("content-type").unwrap_or(media_type::MANIFEST);
        Ok(json!({"mediaType": media, "digest": digest(found.text.as_bytes()), "size": found.text.len()}))
    }

    /// Removes a manifest by its digest, and with it the tags that name it.
    ///
    /// # Errors
    /// When the server refuses to.
    pub fn delete_manifest(&self, repository: &str, digest: &str) -> anyhow::Result<()> {
        let removed = self.send("DELETE", repository, &format!("/v2/{repository}/manifests/{digest}"), None)?;
        anyhow::ensure!(removed.status == 202, "not removed: {}", removed.text);
        Ok(())
    }

    fn push_described(&self, repository: &str, media: &str, content: &[u8]) -> anyhow::Result<Value> {
        let digest = self.push_blob(repository, content)?;
        Ok(json!({"mediaType": media, "digest": digest, "size": content.len()}))
    }

    fn send(
        &self,
        method: &str,
        repository: &str,
        target: &str,
        body: Option<(&str, &[u8])>,
    ) -> anyhow::Result<Answer> {
        let authorization = match self.options.auth {
            RegistryAuth::None => String::new(),
            RegistryAuth::Basic => {
                format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("{USERNAME}:{PASSWORD}")))
            }
            RegistryAuth::Token => format!("Authorization: Bearer {}\r\n", self.shared.token.for_push(repository)?),
        };
        let upstream = self.shared.upstream;
        let (media, content) = body.unwrap_or(("application/octet-stream", b""));
        let accept =
            [media_type::MANIFEST, media_type::INDEX, media_type::DOCKER_MANIFEST, media_type::DOCKER_LIST].join(", ");
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: {upstream}\r\nConnection: close\r\nAccept: {accept}\r\n{authorization}\
             Content-Type: {media}\r\nContent-Length: {}\r\n\r\n",
            content.len()
        );
        let mut stream = std::net::TcpStream::connect_timeout(&upstream, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        stream.write_all(head.as_bytes())?;
        stream.write_all(content)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        parse_answer(&answer).with_context(|| format!("{method} {target}"))
    }
}

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    text: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }
}

fn parse_answer(bytes: &[u8]) -> anyhow::Result<Answer> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n").context("no whole answer came")?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).context("no status")?.parse()?;
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    Ok(Answer { status, headers, text: body.to_owned() })
}

/// `sha256:…` of the bytes.
fn digest(content: &[u8]) -> String {
    let hash = sha2::Sha256::digest(content);
    hash.iter().fold("sha256:".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}
