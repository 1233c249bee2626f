//! The command line that the controllers share, with Flux's names, defaults and spellings.
//!
//! Deliberately no flag that only one controller has: those are beside that controller's `main`.

use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};
use sluice_api::meta::GoDuration;

/// Address, event and worker flags of every controller. `--events-addr` and `--concurrent` differ by controller and are not here.
#[derive(Debug, Clone, Args)]
pub struct CommonFlags {
    /// The address the metric endpoint binds to.
    #[arg(long, default_value = ":8080", env = "METRICS_ADDR")]
    pub metrics_addr: String,
    /// The address the health endpoint binds to.
    #[arg(long, default_value = ":9440")]
    pub health_addr: String,
    #[expect(missing_docs, reason = "documented on the type; a doc comment here would become help text")]
    #[command(flatten)]
    pub logs: LogFlags,
    #[expect(missing_docs, reason = "documented on the type; a doc comment here would become help text")]
    #[command(flatten)]
    pub leader: LeaderFlags,
    #[expect(missing_docs, reason = "documented on the type; a doc comment here would become help text")]
    #[command(flatten)]
    pub retry: RetryFlags,
    #[expect(missing_docs, reason = "documented on the type; a doc comment here would become help text")]
    #[command(flatten)]
    pub kube_api: KubeApiFlags,
    /// Watch for custom resources in all namespaces; if false, only in the namespace of the environment variable `RUNTIME_NAMESPACE`.
    #[arg(long, default_value_t = true, value_parser = parse_bool, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub watch_all_namespaces: bool,
    /// Label selector of the `ConfigMaps` and Secrets whose changes trigger a reconcile of what refers to them; empty for all.
    #[arg(long, default_value = "reconcile.fluxcd.io/watch=Enabled")]
    pub watch_configs_label_selector: String,
    /// Comma-separated list of `gate=true|false`. A gate that this controller does not know is an error.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub feature_gates: String,
    /// Namespace that the controller runs in.
    #[arg(long, env = "RUNTIME_NAMESPACE", default_value = "flux-system", hide = true)]
    pub runtime_namespace: String,
}

/// `--log-level` and `--log-encoding`.
#[derive(Debug, Clone, Copy, Args)]
pub struct LogFlags {
    /// Log verbosity level.
    #[arg(long, value_enum, default_value_t = LogLevel::Info)]
    pub log_level: LogLevel,
    /// Log encoding format.
    #[arg(long, value_enum, default_value_t = LogEncoding::Json)]
    pub log_encoding: LogEncoding,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Everything.
    Trace,
    /// What helps to find a fault.
    Debug,
    /// What an operator wants to read.
    Info,
    /// Failures only.
    Error,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogEncoding {
    /// One JSON object a line.
    Json,
    /// Tab-separated, for people.
    Console,
}

/// The leader election flags.
#[derive(Debug, Clone, Copy, Args)]
pub struct LeaderFlags {
    /// Enable leader election: of several replicas one reconciles.
    #[arg(long, default_value_t = false, value_parser = parse_bool, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub enable_leader_election: bool,
    /// Step down when the process ends, so that another replica takes over at once.
    #[arg(long, default_value_t = true, value_parser = parse_bool, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub leader_election_release_on_cancel: bool,
    /// How long a replica that does not lead waits before it takes over an unrenewed lease.
    #[arg(long, default_value = "35s", value_parser = parse_duration)]
    pub leader_election_lease_duration: Duration,
    /// How long the leader tries to renew before it gives up.
    #[arg(long, default_value = "30s", value_parser = parse_duration)]
    pub leader_election_renew_deadline: Duration,
    /// How long a replica waits between its tries to acquire or renew.
    #[arg(long, default_value = "5s", value_parser = parse_duration)]
    pub leader_election_retry_period: Duration,
}

/// The bounds of the delay after failures.
#[derive(Debug, Clone, Copy, Args)]
pub struct RetryFlags {
    /// The minimum delay before a failed object is tried again.
    #[arg(long, default_value = "750ms", value_parser = parse_duration)]
    pub min_retry_delay: Duration,
    /// The maximum delay before a failed object is tried again.
    #[arg(long, default_value = "15m", value_parser = parse_duration)]
    pub max_retry_delay: Duration,
}

/// Accepted for compatibility; the API server's own priority and fairness limits requests, as it does for Flux on such servers.
#[derive(Debug, Clone, Copy, Args)]
pub struct KubeApiFlags {
    /// The maximum queries per second; not used, the API server limits requests itself.
    #[arg(long, default_value_t = 50.0)]
    pub kube_api_qps: f64,
    /// The maximum burst of queries; not used, the API server limits requests itself.
    #[arg(long, default_value_t = 300)]
    pub kube_api_burst: u32,
}

/// `--watch-label-selector` and `--interval-jitter-percentage`, which the source and kustomize controllers have.
#[derive(Debug, Clone, Args)]
pub struct ShardFlags {
    /// Label selector of the custom resources that this process takes care of.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub watch_label_selector: String,
    /// Percentage of jitter on interval durations, from 0 to 99.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(0..100))]
    pub interval_jitter_percentage: u8,
}

/// Reads a Go duration such as `750ms` or `1h30m`.
///
/// # Errors
/// When the text is not one; the message says why.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    text.parse::<GoDuration>().map(GoDuration::as_duration).map_err(|error| error.to_string())
}

/// Reads a Go bool (`strconv.ParseBool`): `1 t T TRUE true True 0 f F FALSE false False`.
///
/// # Errors
/// When the text is none of these.
pub fn parse_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err("expected true or false".to_owned()),
    }
}

/// A gate was named that this controller does not have, or its value is no bool.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FeatureGateError {
    /// The gate is unknown.
    #[error("unknown feature gate '{gate}' in --feature-gates (known: {known})")]
    Unknown {
        /// The name as given.
        gate: String,
        /// The known names, comma separated.
        known: String,
    },
    /// The entry is not `gate=true` or `gate=false`.
    #[error("'{entry}' in --feature-gates is not of the form gate=true|false")]
    Malformed {
        /// The entry as given.
        entry: String,
    },
}

/// The feature gates of one controller: their defaults, overridden by `--feature-gates`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureGates(std::collections::BTreeMap<&'static str, bool>);

impl FeatureGates {
    /// Reads the flag over the `defaults` of the gates that the controller knows.
    ///
    /// # Errors
    /// For an unknown gate and for an entry that is not `gate=true|false`.
    pub fn parse(flag: &str, defaults: &[(&'static str, bool)]) -> Result<Self, FeatureGateError> {
        let mut gates: std::collections::BTreeMap<_, _> = defaults.iter().copied().collect();
        for entry in flag.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let malformed = || FeatureGateError::Malformed { entry: entry.to_owned() };
            let (gate, value) = entry.split_once('=').ok_or_else(malformed)?;
            let value = match value {
                "true" => true,
                "false" => false,
                _ => return Err(malformed()),
            };
            let known = gates.keys().copied().collect::<Vec<_>>().join(", ");
            let slot = gates
                .iter_mut()
                .find(|(name, _)| **name == gate)
                .ok_or_else(|| FeatureGateError::Unknown { gate: gate.to_owned(), known })?;
            *slot.1 = value;
        }
        Ok(Self(gates))
    }

    /// True when `gate` is on. A gate that the controller did not declare is off.
    pub fn enabled(&self, gate: &str) -> bool {
        self.0.get(gate).copied().unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        common: CommonFlags,
        #[command(flatten)]
        shard: ShardFlags,
    }

    #[test]
    fn the_defaults_are_those_of_the_reference() {
        let Cli { common, shard } = Cli::try_parse_from(["controller"]).expect("no flag is required");
        assert_eq!(common.metrics_addr, ":8080");
        assert_eq!(common.health_addr, ":9440");
        assert_eq!(common.logs.log_level, LogLevel::Info);
        assert_eq!(common.logs.log_encoding, LogEncoding::Json);
        assert!(common.watch_all_namespaces);
        assert!(!common.leader.enable_leader_election);
        assert!(common.leader.leader_election_release_on_cancel);
        assert_eq!(common.leader.leader_election_lease_duration, Duration::from_secs(35));
        assert_eq!(common.leader.leader_election_renew_deadline, Duration::from_secs(30));
        assert_eq!(common.leader.leader_election_retry_period, Duration::from_secs(5));
        assert_eq!(common.retry.min_retry_delay, Duration::from_millis(750));
        assert_eq!(common.retry.max_retry_delay, Duration::from_secs(900));
        assert_eq!(common.watch_configs_label_selector, "reconcile.fluxcd.io/watch=Enabled");
        assert_eq!(shard.interval_jitter_percentage, 5);
        assert_eq!(shard.watch_label_selector, "");
    }

    #[test]
    fn flags_are_spelled_as_go_spells_them() {
        let arguments = [
            "controller",
            "--enable-leader-election",
            "--watch-all-namespaces=false",
            "--leader-election-release-on-cancel=F",
            "--min-retry-delay=1m30s",
            "--log-level",
            "debug",
            "--interval-jitter-percentage=0",
        ];
        let Cli { common, shard } = Cli::try_parse_from(arguments).expect("all are valid");
        assert!(common.leader.enable_leader_election);
        assert!(!common.watch_all_namespaces);
        assert!(!common.leader.leader_election_release_on_cancel);
        assert_eq!(common.retry.min_retry_delay, Duration::from_secs(90));
        assert_eq!(common.logs.log_level, LogLevel::Debug);
        assert_eq!(shard.interval_jitter_percentage, 0);
    }

    #[test]
    fn bad_values_are_refused_by_name() {
        for bad in ["--interval-jitter-percentage=100", "--min-retry-delay=soon", "--log-level=loud", "--nonsense"] {
            let error = Cli::try_parse_from(["controller", bad]).expect_err(bad).to_string();
            assert!(error.contains(bad.split('=').next().unwrap_or(bad)), "{error}");
        }
    }

    #[test]
    fn feature_gates_override_their_defaults() {
        let defaults = [("ExternalArtifact", false), ("StrictPostBuildSubstitutions", true)];
        let gates = FeatureGates::parse("ExternalArtifact=true", &defaults).expect("the gate is known");
        assert!(gates.enabled("ExternalArtifact"));
        assert!(gates.enabled("StrictPostBuildSubstitutions"));
        assert!(!gates.enabled("Other"));
    }

    #[test]
    fn an_unknown_or_malformed_gate_is_an_error() {
        let defaults = [("ExternalArtifact", false)];
        let unknown = FeatureGates::parse("OptimizedGitClones=true", &defaults);
        let expected =
            FeatureGateError::Unknown { gate: "OptimizedGitClones".into(), known: "ExternalArtifact".into() };
        assert_eq!(unknown, Err(expected));
        for entry in ["ExternalArtifact", "ExternalArtifact=maybe"] {
            let malformed = FeatureGateError::Malformed { entry: entry.into() };
            assert_eq!(FeatureGates::parse(entry, &defaults), Err(malformed));
        }
    }
}
