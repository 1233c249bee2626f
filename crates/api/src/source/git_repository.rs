//! GitRepository: a commit of a Git repository as an artifact. Deliberately no Git; which reference wins is decided by the
//! source controller.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::DEFAULT_TIMEOUT;
use crate::meta::{Artifact, GoDuration, INTERVAL_PATTERN, LocalObjectReference, TIMEOUT_PATTERN};
use crate::schema::{cel_rules, conditions_schema};
use crate::status::{artifact_source, artifact_status, object_status, reconcilable};
use crate::text_enum::text_enum;

/// CEL rules of the spec, each with its message.
const RULES: &[(&str, &str)] = &[(
    "!has(self.serviceAccountName) || (has(self.provider) && (self.provider == 'azure' || self.provider == 'aws'))",
    "serviceAccountName can only be set when provider is 'azure' or 'aws'",
)];

text_enum! {
    /// Who issues credentials for the repository.
    #[derive(Default)]
    GitProvider {
        /// Credentials from the Secret as they are.
        #[default]
        Generic = "generic",
        /// AWS `CodeCommit`, by workload identity.
        Aws = "aws",
        /// Azure `DevOps`, by workload identity.
        Azure = "azure",
        /// GitHub, by a GitHub App whose data is in the Secret.
        GitHub = "github",
    }
}

text_enum! {
    /// Which Git object must carry a good signature.
    #[derive(Default)]
    GitVerificationMode {
        /// Old spelling of `HEAD`.
        LowercaseHead = "head",
        /// The commit.
        #[default]
        Head = "HEAD",
        /// The tag object that the reference names.
        Tag = "Tag",
        /// Both of them.
        TagAndHead = "TagAndHEAD",
    }
}

/// What to fetch from a Git repository, and how often.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "source.toolkit.fluxcd.io",
    version = "v1",
    kind = "GitRepository",
    plural = "gitrepositories",
    shortname = "gitrepo",
    namespaced,
    status = "GitRepositoryStatus",
    derive = "Default",
    derive = "PartialEq",
    doc = "Publishes a commit of a Git repository as an artifact in the cluster.",
    category = "all",
    category = "fluxcd",
    category = "fluxcd-sources",
    printcolumn = r#"{"name": "URL", "type": "string", "jsonPath": ".spec.url"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name": "Status", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].message"}"#
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = cel_rules(RULES)))]
pub struct GitRepositorySpec {
    /// Address of the repository, with the scheme http, https or ssh.
    #[schemars(regex(pattern = "^(http|https|ssh)://.*$"))]
    pub url: String,
    /// Secret in the same namespace with the credentials for the repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalObjectReference>,
    /// Who issues the credentials; generic if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<GitProvider>,
    /// Service account whose workload identity authenticates; for the aws and azure providers only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
    /// Time between two checks of the repository.
    #[schemars(regex(pattern = INTERVAL_PATTERN))]
    pub interval: GoDuration,
    /// Time limit of one Git operation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = TIMEOUT_PATTERN), extend("default" = "60s"))]
    pub timeout: Option<GoDuration>,
    /// Which commit to take; the branch master if not set.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<GitReference>,
    /// Demands a good signature on what is fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<GitVerification>,
    /// Secret in the same namespace with the address of a proxy and its credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_secret_ref: Option<LocalObjectReference>,
    /// Patterns in the notation of .gitignore of what stays out of the artifact; they come after those of all .sourceignore
    /// files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore: Option<String>,
    /// Stops the reconciliation of this object while true.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
    /// Whether submodules are fetched too, with the credentials of the repository.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recurse_submodules: bool,
    /// Artifacts of other GitRepository objects that are copied into this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<GitInclude>,
    /// Directories to check out instead of the whole tree; each must exist.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sparse_checkout: Vec<String>,
}

/// Selects a commit. If several fields are set, the order is commit, name, tag, semver, branch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GitReference {
    /// Branch whose head is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Tag to take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Range of versions; the highest tag within it is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub semver: Option<String>,
    /// Full name of a reference, such as refs/pull/420/head.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Hash of the commit; together with a branch or a name, only a label is taken from these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// Demands a signature.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GitVerification {
    /// Which Git object must be signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "HEAD"))]
    pub mode: Option<GitVerificationMode>,
    /// Secret in the same namespace with the trusted public keys.
    pub secret_ref: LocalObjectReference,
}

impl GitVerification {
    /// The effective mode. The old spelling, an absent mode and any unknown one mean `Head`: a signature is never skipped.
    pub fn mode(&self) -> GitVerificationMode {
        match self.mode {
            Some(GitVerificationMode::Tag) => GitVerificationMode::Tag,
            Some(GitVerificationMode::TagAndHead) => GitVerificationMode::TagAndHead,
            Some(GitVerificationMode::Head | GitVerificationMode::LowercaseHead | GitVerificationMode::Other(_))
            | None => GitVerificationMode::Head,
        }
    }
}

/// Copies the artifact of another GitRepository into this one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GitInclude {
    /// GitRepository in the same namespace whose artifact is copied.
    pub repository: LocalObjectReference,
    /// What to copy of it; everything if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_path: Option<String>,
    /// Where to copy it to; a directory named like the repository object if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_path: Option<String>,
}

impl GitInclude {
    /// The path to copy from, relative to the root of the included artifact; empty for all of it.
    pub fn from_path(&self) -> &str {
        self.from_path.as_deref().unwrap_or_default()
    }

    /// The path to copy to, relative to the root of the tree.
    pub fn to_path(&self) -> &str {
        self.to_path.as_deref().filter(|path| !path.is_empty()).unwrap_or(&self.repository.name)
    }
}

/// What was last seen and published.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GitRepositoryStatus {
    /// Generation of the spec that the last finished reconciliation saw.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// State of the object in several respects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions_schema")]
    pub conditions: Vec<Condition>,
    /// The artifact that is published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Artifact>,
    /// The artifacts that were copied in, in the order of the includes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub included_artifacts: Vec<Artifact>,
    /// The ignore patterns of the published artifact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_ignore: Option<String>,
    /// Whether the published artifact has submodules in it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub observed_recurse_submodules: bool,
    /// The includes of the published artifact.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observed_include: Vec<GitInclude>,
    /// The sparse checkout of the published artifact.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observed_sparse_checkout: Vec<String>,
    /// Which Git objects of the published artifact had their signature verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_verification_mode: Option<String>,
    /// The value of the reconcile request that was handled last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
}

impl GitRepository {
    /// The time limit of one Git operation.
    pub fn timeout(&self) -> Duration {
        self.spec.timeout.map_or(DEFAULT_TIMEOUT, GoDuration::as_duration)
    }

    /// Who issues the credentials.
    pub fn provider(&self) -> GitProvider {
        self.spec.provider.clone().unwrap_or_default()
    }
}

object_status!(GitRepositoryStatus);
reconcilable!(GitRepository);
artifact_source!(GitRepository);
artifact_status!(GitRepositoryStatus, |_status| None);
