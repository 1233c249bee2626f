//! The charts that a chart of a directory needs from repositories.
//!
//! Deliberately one after the other, so that a chart of many dependencies costs a repository no more than a chart of few. Those in the same
//! directory tree are the matter of the build itself.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;

use sluice_api::source::HelmChart;
use sluice_helm::chart::{Chart, ChartLimits};
use sluice_helm::dependencies::{DependencyError, RemoteError, Request, add};

use super::build::WorkError;
use super::repository::{self, ConnectError, Repository};
use super::{Context, namespace};

/// Charts that one chart may need from repositories. The largest public umbrella charts have about forty.
const MAX_REMOTE: usize = 128;

/// Why the dependencies are not there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AddError {
    /// One of them cannot be had.
    #[error(transparent)]
    One(#[from] DependencyError),
    /// There are too many.
    #[error("chart exceeds the limit of {MAX_REMOTE} dependencies in repositories")]
    TooMany,
}

/// Fetches and adds what was asked for.
pub(crate) async fn add_remote(
    context: &Context,
    object: &HelmChart,
    chart: &mut Chart,
    requests: Vec<Request>,
) -> Result<(), AddError> {
    if requests.len() > MAX_REMOTE {
        return Err(AddError::TooMany);
    }
    let mut repositories: HashMap<String, Repository> = HashMap::new();
    for Request { repository_url, dependency } in requests {
        let repository = match repositories.entry(repository_url) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let url = unknown.key().clone();
                let found = find(context, object, &url).await;
                let found = found.map_err(|source| {
                    DependencyError::remote(&dependency, RemoteError::Repository { url, source: source.into() })
                })?;
                unknown.insert(found)
            }
        };
        let wanted = (dependency.name.as_str(), dependency.version.as_str(), dependency.repository.as_str());
        let loaded = fetch(repository, wanted, context.limits.chart).await;
        let loaded = loaded.map_err(|source| DependencyError::remote(&dependency, source))?;
        add(chart, &dependency, loaded);
    }
    Ok(())
}

/// The repository of that URL as an object of the namespace describes it, else as anybody may use it.
async fn find(context: &Context, object: &HelmChart, url: &str) -> Result<Repository, ConnectError> {
    match context.sources.by_url(&namespace(object), url).await {
        Some(described) => repository::connect(context, &described).await,
        None => repository::anonymous(context, url),
    }
}

async fn fetch(
    repository: &Repository,
    (chart, version, written_url): (&str, &str, &str),
    limits: ChartLimits,
) -> Result<Chart, RemoteError> {
    let chosen = repository.choose(chart, version).await.map_err(|error| RemoteError::Version {
        chart: chart.to_owned(),
        version: version.to_owned(),
        repository: written_url.to_owned(),
        source: error.into(),
    })?;
    let version = chosen.version.clone();
    let download = |source: Box<dyn std::error::Error + Send + Sync>| RemoteError::Download { version, source };
    let archive = match repository.download(&chosen, limits.archive_bytes).await {
        Ok(archive) => archive,
        Err(error) => return Err(download(error.into())),
    };
    let load = move || Chart::from_archive(io::BufReader::new(archive), &limits);
    match tokio::task::spawn_blocking(load).await {
        Ok(Ok(chart)) => Ok(chart),
        Ok(Err(source)) => Err(RemoteError::Load { version: chosen.version, source: Box::new(source) }),
        Err(_) => Err(download(WorkError::Abandoned.into())),
    }
}
