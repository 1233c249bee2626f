//! The command line: kustomize's flags, defaults and spellings.
//!
//! Flags of parts that do not exist here (plugins, functions in containers, helm) are known by name and refused when set, so that a
//! build never silently does less than it was asked for.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// A GitOps toolkit for Kubernetes.
#[derive(Debug, Clone, Parser)]
#[command(name = "sluice", version)]
pub struct Flags {
    #[expect(missing_docs, reason = "documented on the type; a doc comment here would become help text")]
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Work on kustomizations.
    #[command(subcommand)]
    Kustomize(KustomizeCommand),
}

/// What to do with a kustomization.
#[derive(Debug, Clone, Subcommand)]
pub enum KustomizeCommand {
    /// Build a kustomization target from a directory.
    Build(BuildFlags),
}

/// Flags of `kustomize build`.
#[derive(Debug, Clone, Default, Args)]
#[command(args_override_self = true)]
pub struct BuildFlags {
    /// The directory to build; the working directory if there is none.
    #[arg(value_name = "DIR")]
    pub paths: Vec<String>,
    /// `LoadRestrictionsRootOnly`: files must be in or below the kustomization that names them. `LoadRestrictionsNone`: they may be anywhere.
    #[arg(long, value_name = "RESTRICTION", default_value = "LoadRestrictionsRootOnly")]
    pub load_restrictor: String,
    /// The order of the output: legacy (by kind) or none (as listed); `sortOptions` of the kustomization wins.
    #[arg(long, value_name = "ORDER", default_value = "unspecified", hide_default_value = true)]
    pub reorder: String,
    /// Write to this file, or one file per object if it is a directory.
    #[arg(short, long, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// Label every object with app.kubernetes.io/managed-by.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", hide = true)]
    pub enable_managedby_label: String,
    #[expect(missing_docs, reason = "documented on the type; a doc comment here would become help text")]
    #[command(flatten)]
    pub refused: RefusedFlags,
}

/// Flags for parts that are not here. Their default values are accepted.
#[derive(Debug, Clone, Default, Args)]
pub struct RefusedFlags {
    /// Run plugins.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide = true)]
    pub enable_alpha_plugins: Option<String>,
    /// Run programs.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide = true)]
    pub enable_exec: Option<String>,
    /// Inflate helm charts.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide = true)]
    pub enable_helm: Option<String>,
    /// Let containers use the network.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide = true)]
    pub network: Option<String>,
    /// Run containers as the present user.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide = true)]
    pub as_current_user: Option<String>,
    /// Debug output of helm.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide = true)]
    pub helm_debug: Option<String>,
    /// The helm program; without effect, since no chart is inflated.
    #[arg(long, hide = true)]
    pub helm_command: Option<String>,
    /// API versions for helm; without effect, since no chart is inflated.
    #[arg(long, hide = true)]
    pub helm_api_versions: Vec<String>,
    /// Kubernetes version for helm; without effect, since no chart is inflated.
    #[arg(long, hide = true)]
    pub helm_kube_version: Option<String>,
    /// Environment of functions; without effect, since none is run.
    #[arg(short, long, hide = true)]
    pub env: Vec<String>,
    /// Mounts of functions; without effect, since none is run.
    #[arg(long, hide = true)]
    pub mount: Vec<String>,
    /// Network of functions; without effect, since none is run.
    #[arg(long, hide = true)]
    pub network_name: Option<String>,
}

impl RefusedFlags {
    /// The first switch that is on, by the name that a user writes.
    pub fn first_set(&self) -> Option<&'static str> {
        let on = |value: &Option<String>| value.as_deref().is_some_and(|value| value != "false");
        [
            ("enable-alpha-plugins", &self.enable_alpha_plugins),
            ("enable-exec", &self.enable_exec),
            ("enable-helm", &self.enable_helm),
            ("network", &self.network),
            ("as-current-user", &self.as_current_user),
            ("helm-debug", &self.helm_debug),
        ]
        .into_iter()
        .find_map(|(name, value)| on(value).then_some(name))
    }
}
