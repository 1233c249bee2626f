//! The command line of source-controller: Flux's flags, defaults and spellings.
//!
//! Deliberately accepts the flags of parts that are not built yet, so that a stock Deployment starts; which those are is in
//! docs/compatibility.md.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use sluice_runtime::flags::{CommonFlags, ShardFlags, parse_duration};

/// Fetches sources and publishes them as artifacts.
#[derive(Debug, Clone, Parser)]
#[command(name = "source-controller", version, args_override_self = true)]
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
    /// The number of concurrent reconciles per kind.
    #[arg(long, default_value_t = 2)]
    pub concurrent: usize,
    /// The interval at which an object whose dependency is not ready is looked at again.
    #[arg(long, default_value = "30s", value_parser = parse_duration)]
    pub requeue_dependency: Duration,
    /// The local storage path.
    #[arg(long, default_value = "/data", env = "STORAGE_PATH")]
    pub storage_path: PathBuf,
    /// The address that the file server binds to.
    #[arg(long, default_value = ":9090", env = "STORAGE_ADDRESS")]
    pub storage_addr: String,
    /// The address of the file server as consumers see it; derived from --storage-addr when empty.
    #[arg(long, default_value = "", env = "STORAGE_ADV_ADDR", hide_default_value = true)]
    pub storage_adv_addr: String,
    /// How long an artifact that is not the current one is kept.
    #[arg(long, default_value = "1m", value_parser = parse_duration)]
    pub artifact_retention_ttl: Duration,
    /// How many artifacts of an object are kept, the current one included.
    #[arg(long, default_value_t = 2)]
    pub artifact_retention_records: usize,
    /// The algorithm of artifact digests: sha256, sha384, sha512, sha1 or blake3.
    #[arg(long, default_value = "sha256")]
    pub artifact_digest_algo: String,
    /// Service account of objects that name none; needs the gate `ObjectLevelWorkloadIdentity`.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub default_service_account: String,
    /// The largest Helm repository index in bytes.
    #[arg(long, default_value_t = 52_428_800)]
    pub helm_index_max_size: u64,
    /// The largest Helm chart in bytes.
    #[arg(long, default_value_t = 10_485_760)]
    pub helm_chart_max_size: u64,
    /// The largest file of a Helm chart in bytes.
    #[arg(long, default_value_t = 5_242_880)]
    pub helm_chart_file_max_size: u64,
    /// How many Helm indexes are kept in memory; 0 for none.
    #[arg(long, default_value_t = 0)]
    pub helm_cache_max_size: usize,
    /// How long a Helm index is kept in memory.
    #[arg(long, default_value = "15m", value_parser = parse_duration)]
    pub helm_cache_ttl: Duration,
    /// How often expired Helm indexes are dropped.
    #[arg(long, default_value = "1m", value_parser = parse_duration)]
    pub helm_cache_purge_interval: Duration,
    /// SSH key exchange algorithms, in order of preference.
    #[arg(long, value_delimiter = ',')]
    pub ssh_kex_algos: Vec<String>,
    /// SSH host key algorithms, in order of preference.
    #[arg(long, value_delimiter = ',')]
    pub ssh_hostkey_algos: Vec<String>,
    /// How many tokens are kept in memory; 0 for none.
    #[arg(long, default_value_t = 100)]
    pub token_cache_max_size: usize,
    /// How long a token is kept at the most.
    #[arg(long, default_value = "1h", value_parser = parse_duration)]
    pub token_cache_max_duration: Duration,
    /// A directory with the trusted root of the public Sigstore, as Sigstore's tools keep it; empty for none.
    #[arg(long, default_value = "", env = "TUF_ROOT", hide_default_value = true)]
    pub sigstore_root_path: String,
    /// The directory of the Git mirrors, which keep what was fetched between reconciles; it may be lost at any time.
    #[arg(long, default_value = "/tmp/sluice-git")]
    pub git_mirror_path: PathBuf,
}

/// The feature gates of source-controller and their defaults.
pub const FEATURE_GATES: [(&str, bool); 2] =
    [("CacheSecretsAndConfigMaps", false), ("ObjectLevelWorkloadIdentity", false)];
