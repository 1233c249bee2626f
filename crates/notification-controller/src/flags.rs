//! The command line of notification-controller: Flux's flags, defaults and spellings.
//!
//! Deliberately accepts the flags of parts that are not built yet, so that a stock Deployment starts; which those are is in
//! docs/compatibility.md.

use std::time::Duration;

use clap::{ArgAction, Parser};
use sluice_runtime::flags::{CommonFlags, parse_bool, parse_duration};

/// Forwards events to chats and forges, and lets their webhooks trigger reconciles.
#[derive(Debug, Clone, Parser)]
#[command(name = "notification-controller", version)]
pub struct Flags {
    #[expect(missing_docs, reason = "documented on the type; a doc comment here would become help text")]
    #[command(flatten)]
    pub common: CommonFlags,
    /// The address that the event server binds to.
    #[arg(long, default_value = ":9090")]
    pub events_addr: String,
    /// The address that the webhook server binds to.
    #[arg(long = "receiverAddr", default_value = ":9292")]
    pub receiver_addr: String,
    /// The number of concurrent reconciles per kind.
    #[arg(long, default_value_t = 4)]
    pub concurrent: usize,
    /// The time in which an event that repeats is not forwarded again.
    #[arg(long, default_value = "5m", value_parser = parse_duration)]
    pub rate_limit_interval: Duration,
    /// Use the path of a request as the label handler of the HTTP metrics.
    #[arg(long, default_value_t = false, value_parser = parse_bool, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub export_http_path_metrics: bool,
    /// Refuse references to objects in other namespaces.
    #[arg(long, default_value_t = false, value_parser = parse_bool, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub no_cross_namespace_refs: bool,
    /// How many tokens are kept in memory; 0 for none.
    #[arg(long, default_value_t = 100)]
    pub token_cache_max_size: usize,
    /// How long a token is kept at the most.
    #[arg(long, default_value = "1h", value_parser = parse_duration)]
    pub token_cache_max_duration: Duration,
    /// Service account of objects that name none; needs the gate `ObjectLevelWorkloadIdentity`.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub default_service_account: String,
}

/// The gate that stops the watch of Secrets.
pub const DISABLE_CONFIG_WATCHERS: &str = "DisableConfigWatchers";
/// The gate that lets an object name the service account with whose identity it is served.
pub const OBJECT_LEVEL_WORKLOAD_IDENTITY: &str = "ObjectLevelWorkloadIdentity";

/// The feature gates of notification-controller and their defaults.
pub const FEATURE_GATES: [(&str, bool); 3] =
    [("CacheSecretsAndConfigMaps", false), (DISABLE_CONFIG_WATCHERS, false), (OBJECT_LEVEL_WORKLOAD_IDENTITY, false)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_reference() {
        let flags = Flags::try_parse_from(["notification-controller"]).expect("no flag is required");
        assert_eq!(flags.events_addr, ":9090");
        assert_eq!(flags.receiver_addr, ":9292");
        assert_eq!(flags.concurrent, 4);
        assert_eq!(flags.rate_limit_interval, Duration::from_secs(300));
        assert!(!flags.export_http_path_metrics);
        assert!(!flags.no_cross_namespace_refs);
        assert_eq!(flags.token_cache_max_size, 100);
        assert_eq!(flags.token_cache_max_duration, Duration::from_secs(3600));
        assert_eq!(flags.default_service_account, "");
    }

    #[test]
    fn a_stock_command_line_and_the_camel_case_flag_are_taken() {
        let arguments = [
            "notification-controller",
            "--watch-all-namespaces",
            "--log-level=info",
            "--log-encoding=json",
            "--enable-leader-election",
            "--receiverAddr=:8888",
            "--no-cross-namespace-refs",
            "--export-http-path-metrics=true",
            "--kube-api-qps=100",
            "--kube-api-burst=500",
        ];
        let flags = Flags::try_parse_from(arguments).expect("all are valid");
        assert_eq!(flags.receiver_addr, ":8888");
        assert!(flags.no_cross_namespace_refs && flags.export_http_path_metrics);
        assert!(flags.common.leader.enable_leader_election);
        assert!(Flags::try_parse_from(["notification-controller", "--watch-label-selector=a=b"]).is_err());
    }
}
