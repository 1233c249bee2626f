//! `HelmChart`: a chart of a Helm repository, a Git repository or a bucket, published as an artifact.
//!
//! The phases: `source` finds what the chart comes from, `remote` or `local` builds it, with `dependencies` from `repository`s, `publish`
//! stores it; `verdict` says what their errors mean. Deliberately reads sources from this process's own storage: chart and source belong
//! to one process, or one shard.

mod build;
mod dependencies;
mod local;
mod publish;
mod remote;
mod repository;
mod source;
mod verdict;
mod verify;

use std::sync::Arc;

use kube::{Client, ResourceExt as _};
use sluice_api::constants::{condition, reason};
use sluice_api::source::{HelmChart, HelmChartStatus};
use sluice_conditions::Status;
use sluice_helm::chart::ChartLimits;
use sluice_runtime::dispatcher::Pass;
use sluice_runtime::recorder::{Notice, Severity};
use sluice_storage::Storage;

use crate::source::registry::Registries;
use crate::source::verify::PublicRoot;
use crate::source::{Done, Phases, Report, SourceKind, Stored, Verdict};
use build::{Built, Plan};
use source::ChartSource;
pub(crate) use source::{Sources, index_names, wake_dependants};
use verdict::Failure;

impl SourceKind for HelmChart {
    const KIND: &'static str = "HelmChart";
    const LINK: Option<&'static str> = Some("latest.tar.gz");
}

/// Bounds of charts and indexes, as the flags have them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HelmLimits {
    /// Of charts.
    pub(crate) chart: ChartLimits,
    /// Bytes of an index as it comes.
    pub(crate) index_bytes: u64,
}

/// What all builds share.
#[derive(Clone)]
pub(crate) struct Context {
    /// Reads Secrets.
    pub(crate) client: Client,
    /// Where sources are read and charts are published.
    pub(crate) storage: Arc<Storage>,
    /// What charts come from.
    pub(crate) sources: Sources,
    /// Bounds.
    pub(crate) limits: HelmLimits,
    /// Logins at registries.
    pub(crate) registries: Registries,
    /// The root of keyless signatures.
    pub(crate) public_root: PublicRoot,
}

/// Builds and publishes charts.
pub(crate) struct HelmChartPhases(Context);

impl HelmChartPhases {
    /// Publishes into the storage what it builds from the sources.
    pub(crate) fn new(context: Context) -> Self {
        Self(context)
    }

    async fn build(&self, object: &HelmChart, source: ChartSource, stored: &Stored) -> Result<Built, Failure> {
        let plan = Plan::new(object, stored.current(), self.0.limits.chart);
        match source {
            ChartSource::Helm(repository) => remote::build(&self.0, object, &repository, plan).await,
            ChartSource::Tarball(tarball) => local::build(&self.0, object, tarball, plan).await,
        }
    }
}

impl Phases for HelmChartPhases {
    type Object = HelmChart;
    type Failure = Failure;

    async fn run(
        &self,
        pass: &Pass<HelmChart>,
        report: &mut Report<HelmChart>,
        stored: &Stored,
    ) -> Result<Done<HelmChartStatus>, Failure> {
        let object = pass.object.as_ref();
        let source = self.0.sources.of(object).await.and_then(|source| source.check(&self.0.storage))?;
        if let Some(revision) = source.revision() {
            report.status.observed_source_artifact_revision = Some(revision.to_owned());
        }
        let built = match self.build(object, source, stored).await {
            Ok(built) => built,
            Err(failure) => {
                verdict::observe(report, &failure);
                return Err(failure);
            }
        };
        report.clear(condition::FETCH_FAILED);
        report.clear(condition::BUILD_FAILED);
        match &built.verified {
            Some(version) => {
                let text = format!("verified signature of version {version}");
                report.mark(condition::SOURCE_VERIFIED, Status::True, reason::SUCCEEDED, &text);
            }
            None => report.clear(condition::SOURCE_VERIFIED),
        }
        if built.dependencies > 0 {
            let text = format!("resolved {} chart dependencies", built.dependencies);
            report.notices.push(Notice::new(Severity::Trace, reason::RESOLVED_DEPENDENCIES, text));
        }
        if !built.is_published(object, stored.current()) {
            report.outdated(reason::NEW_CHART, &built.summary());
            report.show(&pass.writer).await;
        }
        let Built { archive, .. } = &built;
        let artifact = match archive {
            Some(archive) => Some(publish::publish(&self.0.storage, object, &built, archive).await?),
            None => None,
        };
        Ok(verdict::done(object, artifact, &built))
    }

    fn classify(&self, failure: &Failure) -> Verdict {
        verdict::classify(failure)
    }
}

/// The namespace of an object, which every reference of it stays in.
fn namespace(object: &HelmChart) -> String {
    object.namespace().unwrap_or_default()
}
