//! The command line of kustomize-controller: Flux's flags, defaults and spellings.
//!
//! Deliberately accepts the flags of parts that are not built yet, so that a stock Deployment starts; which those are is in
//! docs/compatibility.md.

use std::path::PathBuf;
use std::time::Duration;

use crate::kustomization::drift::Mode;
use clap::{ArgAction, Parser};
use sluice_runtime::flags::{CommonFlags, ShardFlags, parse_bool, parse_duration};

/// Builds Kustomizations and applies them.
#[derive(Debug, Clone, Parser)]
#[expect(clippy::struct_excessive_bools, reason = "one field per flag, and the flags are given")]
#[command(name = "kustomize-controller", version, args_override_self = true)]
pub struct Flags {
    #[expect(missing_docs, reason = "documented on the type; a doc comment here would become help text")]
    #[command(flatten)]
    pub common: CommonFlags,
    #[expect(missing_docs, reason = "documented on the type; a doc comment here would become help text")]
    #[command(flatten)]
    pub shard: ShardFlags,
    /// The address of the events receiver.
    #[arg(long, default_value = "", env = "EVENTS_ADDR", hide_default_value = true)]
    pub events_addr: String,
    /// The number of concurrent reconciles.
    #[arg(long, default_value_t = 4)]
    pub concurrent: usize,
    /// The number of concurrent dry-run requests of one reconcile.
    #[arg(long, default_value_t = 4)]
    pub concurrent_ssa: usize,
    /// The interval at which an object whose dependency is not ready is looked at again.
    #[arg(long, default_value = "30s", value_parser = parse_duration)]
    pub requeue_dependency: Duration,
    /// How often the download of an artifact is tried again.
    #[arg(long, default_value_t = 9)]
    pub http_retry: u32,
    /// Refuse references to sources in other namespaces.
    #[arg(long, default_value_t = false, value_parser = parse_bool, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub no_cross_namespace_refs: bool,
    /// Refuse remote bases in a kustomization.
    #[arg(long, default_value_t = false, value_parser = parse_bool, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub no_remote_bases: bool,
    /// Service account to impersonate for objects that name none.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub default_service_account: String,
    /// Service account for decryption of objects that name none.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub default_decryption_service_account: String,
    /// Service account for remote clusters of objects that name none.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub default_kubeconfig_service_account: String,
    /// Secret in the controller's namespace with age keys for every object.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub sops_age_secret: String,
    /// `ConfigMap` in the controller's namespace with Vault instances.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub sops_vault_configmap: String,
    /// Field manager whose fields are taken over; may be given several times.
    #[arg(long)]
    pub override_manager: Vec<String>,
    /// Kinds that are applied before the rest, as `group/Kind`, comma separated.
    #[arg(long, value_delimiter = ',')]
    pub custom_apply_stage_kinds: Vec<String>,
    /// Allow programs in kubeconfigs. Never honoured: this controller starts no child process.
    #[arg(long, default_value_t = false, value_parser = parse_bool, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub insecure_kubeconfig_exec: bool,
    /// Allow kubeconfigs that do not verify the server's certificate.
    #[arg(long, default_value_t = false, value_parser = parse_bool, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub insecure_kubeconfig_tls: bool,
    /// How many tokens are kept in memory; 0 for none.
    #[arg(long, default_value_t = 100)]
    pub token_cache_max_size: usize,
    /// How long a token is kept at the most.
    #[arg(long, default_value = "1h", value_parser = parse_duration)]
    pub token_cache_max_duration: Duration,
    /// The directory of unpacked artifacts.
    #[arg(long, default_value = "/tmp/sluice-artifacts")]
    pub artifact_cache_path: PathBuf,
    /// What becomes of objects that others change: the next interval corrects them, they are corrected at once, or told of by an event.
    #[arg(long, default_value = "interval", value_name = "interval|correct|report")]
    pub drift: Mode,
    /// Replaces host and port of artifact URLs, for running outside the cluster.
    #[arg(long, env = "SOURCE_CONTROLLER_LOCALHOST", default_value = "", hide = true)]
    pub source_controller_localhost: String,
}

/// The feature gates of kustomize-controller and their defaults.
pub const FEATURE_GATES: [(&str, bool); 12] = [
    ("AdditiveCELDependencyCheck", false),
    ("CacheSecretsAndConfigMaps", false),
    ("CancelHealthCheckOnNewRevision", false),
    ("DirectSourceFetch", false),
    ("DisableConfigWatchers", false),
    ("DisableFailFastBehavior", false),
    ("DisableStatusPollerCache", true),
    ("ExternalArtifact", false),
    ("GroupChangeLog", false),
    ("MigrateAPIVersion", false),
    ("ObjectLevelWorkloadIdentity", false),
    ("StrictPostBuildSubstitutions", true),
];
