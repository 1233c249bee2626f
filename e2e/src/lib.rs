//! The three real binaries on a real API server, with a real Git server and a sink for messages: what the tests in `tests/` share.
//!
//! Deliberately looks at the outside only: objects in the API server, files served over HTTP, requests that arrive.

mod manifests;
mod objects;
mod webhook;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use k8s_openapi::api::core::v1::{ConfigMap, Event};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::ListParams;
use kube::{Api, Client};
use sluice_api::kustomize::Kustomization;
use sluice_api::notification::Receiver;
use sluice_api::source::GitRepository;
use sluice_testkit::control_plane::ControlPlane;
use sluice_testkit::controller::Options;
use sluice_testkit::git::{GitServer, GitServerOptions, WorkingCopy};
use sluice_testkit::sink::Sink;
use sluice_testkit::wait::{free_ports, wait_until};
use tempfile::TempDir;

pub use manifests::{chart, config, deployment, kustomization, repository, secret, source};
pub use objects::{Applied, apply, apply_to, status_condition};
pub use sluice_testkit::controller::Controller;
pub use webhook::{post, post_with};

/// The longest that anything here may take on a busy machine. Tests wait for conditions and end as soon as they hold.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// The namespace of the objects.
pub const NS: &str = "apps";

/// A cluster with the custom resources, a Git server, a message sink, and whichever controllers a test starts.
pub struct Stack {
    /// The API server.
    pub cluster: ControlPlane,
    /// Git's own http-backend.
    pub git: GitServer,
    /// Records what is sent to it.
    pub sink: Sink,
    /// Ports: artifacts, events, webhooks.
    ports: [u16; 3],
    /// Data of the controllers.
    pub data: TempDir,
    /// Where the controllers' binaries are, when not beside the running program.
    pub programs: Option<PathBuf>,
}

impl Stack {
    /// Starts everything but the controllers.
    ///
    /// # Errors
    /// When a part does not start.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(GitServerOptions::default()).await
    }

    /// As [`Stack::start`], with a Git server that asks for a password or speaks TLS.
    ///
    /// # Errors
    /// When a part does not start.
    pub async fn start_with(git: GitServerOptions) -> anyhow::Result<Self> {
        Self::around(ControlPlane::start().await?, git).await
    }

    /// As [`Stack::start`], with the cluster's own controllers: Deployments get a status, namespaces can go.
    ///
    /// # Errors
    /// When a part does not start.
    pub async fn start_managed() -> anyhow::Result<Self> {
        let options = sluice_testkit::control_plane::Options { controller_manager: true, parent_dir: None };
        Self::around(ControlPlane::start_with(&options).await?, GitServerOptions::default()).await
    }

    async fn around(cluster: ControlPlane, git: GitServerOptions) -> anyhow::Result<Self> {
        cluster.install_crds().await?;
        for namespace in [NS, "flux-system"] {
            cluster.create_namespace(namespace).await?;
        }
        let data = tempfile::tempdir().context("a directory for the controllers")?;
        Ok(Self {
            cluster,
            git: GitServer::start(git)?,
            sink: Sink::start().await?,
            ports: free_ports()?,
            data,
            programs: None,
        })
    }

    /// An administrator's client.
    pub fn client(&self) -> Client {
        self.cluster.client()
    }

    /// source-controller, not started, with its data below [`Stack::data`].
    ///
    /// # Errors
    /// When the binary is not built.
    pub fn source_controller(&self) -> anyhow::Result<Options> {
        let storage = self.data.path().join("storage");
        std::fs::create_dir_all(&storage).context("create the storage directory")?;
        let port = self.ports[0];
        let options = self
            .program("source-controller")?
            .arg(format!("--storage-path={}", storage.display()))
            .arg(format!("--git-mirror-path={}", self.data.path().join("mirrors").display()))
            .arg(format!("--storage-addr=127.0.0.1:{port}"))
            .arg(format!("--storage-adv-addr=127.0.0.1:{port}"));
        Ok(self.with_events(options))
    }

    /// kustomize-controller, not started.
    ///
    /// # Errors
    /// When the binary is not built.
    pub fn kustomize_controller(&self) -> anyhow::Result<Options> {
        let options = self
            .program("kustomize-controller")?
            .arg(format!("--artifact-cache-path={}", self.data.path().join("artifacts").display()));
        Ok(self.with_events(options))
    }

    /// notification-controller, not started.
    ///
    /// # Errors
    /// When the binary is not built.
    pub fn notification_controller(&self) -> anyhow::Result<Options> {
        let [_, events, webhooks] = self.ports;
        Ok(self
            .program("notification-controller")?
            .arg(format!("--events-addr=127.0.0.1:{events}"))
            .arg(format!("--receiverAddr=127.0.0.1:{webhooks}")))
    }

    fn program(&self, name: &str) -> anyhow::Result<Options> {
        match &self.programs {
            Some(dir) => Options::new(name, dir.join(name), self.cluster.kubeconfig_path()),
            None => Controller::of(name, &self.cluster),
        }
    }

    fn with_events(&self, options: Options) -> Options {
        options.arg(format!("--events-addr=http://127.0.0.1:{}/", self.ports[1])).arg("--requeue-dependency=5s")
    }

    /// Waits until a Receiver is ready and returns its webhook path.
    ///
    /// # Errors
    /// After a minute; the message has the object's conditions.
    pub async fn webhook_path(&self, receiver: &str) -> anyhow::Result<String> {
        let is_ready = |object: &Receiver| {
            let status = object.status.clone().unwrap_or_default();
            condition(&status.conditions, "Ready").starts_with("True ") && status.webhook_path.is_some()
        };
        let object = self.object(receiver, "the Receiver to be ready", is_ready).await?;
        Ok(object.status.unwrap_or_default().webhook_path.unwrap_or_default())
    }

    /// Where webhooks are posted to: `http://127.0.0.1:port`.
    pub fn webhook_base(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[2])
    }

    /// A repository of that name with a first commit of these files on its branch `main`.
    ///
    /// # Errors
    /// When Git fails.
    pub fn repository(&self, name: &str, files: &[(&str, &str)]) -> anyhow::Result<WorkingCopy> {
        self.git.create_repo(name)?;
        let copy = self.git.working_copy(name)?;
        for (path, content) in files {
            copy.write(path, content)?;
        }
        copy.commit("First commit")?;
        copy.push()?;
        Ok(copy)
    }

    /// The URL of a repository.
    pub fn repository_url(&self, name: &str) -> String {
        let base = self.git.base().to_string();
        format!("{}/{name}.git", base.trim_end_matches('/'))
    }

    /// Waits until the GitRepository fulfils `holds`.
    ///
    /// # Errors
    /// After a minute; the message has the object's conditions.
    pub async fn git_repository(
        &self,
        name: &str,
        what: &str,
        holds: impl Fn(&GitRepository) -> bool,
    ) -> anyhow::Result<GitRepository> {
        self.object(name, what, holds).await
    }

    /// Waits until the Kustomization fulfils `holds`.
    ///
    /// # Errors
    /// After a minute; the message has the object's conditions.
    pub async fn kustomization(
        &self,
        name: &str,
        what: &str,
        holds: impl Fn(&Kustomization) -> bool,
    ) -> anyhow::Result<Kustomization> {
        self.object(name, what, holds).await
    }

    async fn object<K: Shown>(&self, name: &str, what: &str, holds: impl Fn(&K) -> bool) -> anyhow::Result<K> {
        let api: Api<K> = Api::namespaced(self.client(), NS);
        let waited = wait_until(PATIENCE, what, async || {
            let object = api.get_opt(name).await?;
            Ok(object.filter(|object| holds(object)))
        })
        .await;
        match waited {
            Ok(object) => Ok(object),
            Err(error) => {
                let shown =
                    api.get_opt(name).await?.map(|object| serde_json::to_string(&object.shown()).unwrap_or_default());
                Err(error
                    .context(format!("{name} has the conditions {}", shown.unwrap_or_else(|| "of no object".into()))))
            }
        }
    }

    /// Waits until a `ConfigMap` has that value under `key`.
    ///
    /// # Errors
    /// After a minute.
    pub async fn config_value(&self, name: &str, key: &str, value: &str) -> anyhow::Result<ConfigMap> {
        let api: Api<ConfigMap> = Api::namespaced(self.client(), NS);
        wait_until(PATIENCE, &format!("{key}={value} in ConfigMap {name}"), async || {
            let found = api.get_opt(name).await?;
            Ok(found.filter(|found| found.data.as_ref().and_then(|data| data.get(key)).is_some_and(|is| is == value)))
        })
        .await
    }

    /// Whether a `ConfigMap` exists.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn has_config(&self, name: &str) -> anyhow::Result<bool> {
        let api: Api<ConfigMap> = Api::namespaced(self.client(), NS);
        Ok(api.get_opt(name).await?.is_some())
    }

    /// Waits until a `ConfigMap` is gone.
    ///
    /// # Errors
    /// After a minute.
    pub async fn config_gone(&self, name: &str) -> anyhow::Result<()> {
        wait_until(PATIENCE, &format!("ConfigMap {name} to be gone"), async || {
            Ok((!self.has_config(name).await?).then_some(()))
        })
        .await
    }

    /// Waits for a Kubernetes event about an object.
    ///
    /// # Errors
    /// After a minute; the message has the events that there are.
    pub async fn event(&self, kind: &str, name: &str, reason: &str) -> anyhow::Result<Event> {
        let api: Api<Event> = Api::namespaced(self.client(), NS);
        let waited = wait_until(PATIENCE, &format!("an event {reason} about {kind} {name}"), async || {
            let events = api.list(&ListParams::default()).await?;
            let about = |event: &Event| {
                event.involved_object.kind.as_deref() == Some(kind)
                    && event.involved_object.name.as_deref() == Some(name)
            };
            Ok(events.into_iter().find(|event| about(event) && event.reason.as_deref() == Some(reason)))
        })
        .await;
        match waited {
            Ok(event) => Ok(event),
            Err(error) => {
                let events = api.list(&ListParams::default()).await?;
                let shown: Vec<String> = events
                    .into_iter()
                    .map(|event| {
                        format!(
                            "{}: {}",
                            event.reason.clone().unwrap_or_default(),
                            event.message.clone().unwrap_or_default()
                        )
                    })
                    .collect();
                Err(error.context(format!("the events are {shown:?}")))
            }
        }
    }
}

/// A kind whose conditions a failing wait shows.
trait Shown:
    kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
    + serde::de::DeserializeOwned
    + Clone
    + std::fmt::Debug
{
    fn shown(&self) -> Vec<Condition>;
}

impl Shown for GitRepository {
    fn shown(&self) -> Vec<Condition> {
        self.status.clone().unwrap_or_default().conditions
    }
}

impl Shown for Receiver {
    fn shown(&self) -> Vec<Condition> {
        self.status.clone().unwrap_or_default().conditions
    }
}

impl Shown for Kustomization {
    fn shown(&self) -> Vec<Condition> {
        self.status.clone().unwrap_or_default().conditions
    }
}

/// The condition of a type, as `status reason: message`; empty when there is none.
pub fn condition(conditions: &[Condition], type_: &str) -> String {
    let found = conditions.iter().find(|condition| condition.type_ == type_);
    found.map_or_else(String::new, |found| format!("{} {}: {}", found.status, found.reason, found.message))
}

/// The Ready condition of a GitRepository, as `status reason: message`.
pub fn git_ready(object: &GitRepository) -> String {
    condition(&object.status.clone().unwrap_or_default().conditions, "Ready")
}

/// The Ready condition of a Kustomization, as `status reason: message`.
pub fn ready(object: &Kustomization) -> String {
    condition(&object.status.clone().unwrap_or_default().conditions, "Ready")
}

/// The revision that a GitRepository has published.
pub fn published(object: &GitRepository) -> String {
    object.status.clone().unwrap_or_default().artifact.map(|artifact| artifact.revision).unwrap_or_default()
}

/// The revision that a Kustomization has applied.
pub fn applied(object: &Kustomization) -> String {
    object.status.clone().unwrap_or_default().last_applied_revision.unwrap_or_default()
}

/// The names in a tar.gz file, in order, by the system's `tar`: a reader that is not ours.
///
/// # Errors
/// When the program is missing or does not take the file for an archive.
#[expect(clippy::disallowed_methods, reason = "an independent reader of archives; this is a test")]
pub fn archive_names(file: &std::path::Path) -> anyhow::Result<Vec<String>> {
    let output = std::process::Command::new("tar").arg("-tzf").arg(file).output().context("run tar")?;
    anyhow::ensure!(output.status.success(), "tar: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(|line| line.trim_end_matches('/').to_owned()).collect())
}
