//! Installing custom resource definitions from files.
//!
//! Deliberately no reading of YAML: the API server does that itself, and drops what its version does not know.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use futures::future::try_join_all;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::Api;

use crate::wait::wait_until;

const DEADLINE: Duration = Duration::from_secs(30);

pub(super) async fn install(client: &kube::Client, dir: &Path) -> anyhow::Result<()> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).with_context(|| format!("list {}", dir.display()))? {
        let path = entry?.path();
        // The one file there that is for kustomize, not for the API server.
        let is_definition = path.file_name().is_some_and(|name| name != "kustomization.yaml");
        if is_definition && path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
    anyhow::ensure!(!files.is_empty(), "no .yaml file in {}", dir.display());
    try_join_all(files.iter().map(async |path| {
        let text = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
        install_one(client, text).await.with_context(|| format!("install {}", path.display()))
    }))
    .await?;
    Ok(())
}

async fn install_one(client: &kube::Client, text: Vec<u8>) -> anyhow::Result<()> {
    let request = http::Request::post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions")
        .header(http::header::CONTENT_TYPE, "application/yaml")
        .body(text)?;
    let created: CustomResourceDefinition = client.request(request).await?;
    let name = created.metadata.name.unwrap_or_default();
    let version = created.spec.versions.iter().find(|version| version.served).context("no version is served")?;
    let list = format!("/apis/{}/{}/{}?limit=1", created.spec.group, version.name, created.spec.names.plural);
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    wait_until(DEADLINE, &format!("{name} to be established and served"), async || {
        let conditions = api.get(&name).await?.status.and_then(|status| status.conditions).unwrap_or_default();
        if !conditions.iter().any(|condition| condition.type_ == "Established" && condition.status == "True") {
            return Ok(None);
        }
        client.request_text(http::Request::get(&list).body(Vec::new())?).await?;
        Ok(Some(()))
    })
    .await
}
