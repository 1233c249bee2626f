//! Phase: is everything ready that this Kustomization depends on?
//!
//! Deliberately does not wait: the first dependency that is not ready is told, and its becoming ready wakes this object.

use std::sync::Arc;

use kube::{Api, Client, ResourceExt};
use sluice_api::constants::condition;
use sluice_api::kustomize::Kustomization;
use sluice_api::meta::Artifact;
use sluice_conditions::is_true;
use sluice_expressions::{CompileError, EvaluateError, Expression, Numbers, Output};
use sluice_runtime::cache::Cache;
use sluice_runtime::queue::Key;

use super::source;

/// Why a dependency holds this object up.
#[derive(Debug, thiserror::Error)]
pub(super) enum DependencyError {
    /// It does not exist, or cannot be read.
    #[error("dependency '{0}' not found: {1}")]
    NotFound(Key, String),
    /// It is not ready.
    #[error("dependency '{0}' is not ready")]
    NotReady(Key),
    /// It has not applied the revision yet that this object is about to apply.
    #[error("dependency '{0}' revision is not up to date")]
    Outdated(Key),
    /// Its own expression says that it is not ready.
    #[error("dependency '{0}' is not ready according to readyExpr eval")]
    NotReadyByExpression(Key),
    /// The expression cannot be evaluated now, for example since a field is not there yet.
    #[error(transparent)]
    Evaluate(EvaluateError),
    /// The expression is no good: only a change of the spec helps.
    #[error("failed to evaluate dependency {name}")]
    Compile {
        /// The dependency.
        name: String,
        /// What is wrong.
        #[source]
        source: CompileError,
    },
    /// An object cannot be shown to the expression.
    #[error("failed to evaluate dependency {name}")]
    Encode {
        /// The dependency.
        name: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// What holds beside an expression (gate `AdditiveCELDependencyCheck`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuiltInCheck {
    /// The expression stands for it.
    ReplacedByExpression,
    /// Both must hold.
    Always,
}

/// The objects that `object` depends on.
pub(super) fn keys_of(object: &Kustomization) -> impl Iterator<Item = Key> {
    object.spec.depends_on.iter().map(|dependency| {
        let own = || object.namespace().unwrap_or_default();
        Key::new(dependency.namespace.clone().unwrap_or_else(own), dependency.name.clone())
    })
}

/// Checks them in order.
pub(super) async fn check(
    client: &Client,
    cache: &Cache<Kustomization>,
    object: &Kustomization,
    artifact: &Artifact,
    built_in: BuiltInCheck,
) -> Result<(), DependencyError> {
    for (reference, key) in object.spec.depends_on.iter().zip(keys_of(object)) {
        let dependency = find(client, cache, &key).await?;
        let expression = reference.ready_expr.as_deref().filter(|text| !text.is_empty());
        if let Some(text) = expression
            && !evaluate(text, object, &dependency)?
        {
            return Err(DependencyError::NotReadyByExpression(key));
        }
        let (expressed, same_revision) = (expression.is_some(), same_source(&dependency, object));
        if !expressed || built_in == BuiltInCheck::Always {
            judge(&dependency, &key)?;
        }
        let applied = dependency.status.as_ref().and_then(|status| status.last_applied_revision.as_deref());
        if same_revision && applied != Some(artifact.revision.as_str()) {
            return Err(DependencyError::Outdated(key));
        }
    }
    Ok(())
}

/// What the dependency's expression says, over this object (`self`) and the dependency (`dep`).
fn evaluate(text: &str, object: &Kustomization, dependency: &Kustomization) -> Result<bool, DependencyError> {
    let name = || dependency.name_any();
    let expression = Expression::compile(text, &["self", "dep"], Output::Bool)
        .map_err(|source| DependencyError::Compile { name: name(), source })?;
    let json = |of: &Kustomization| {
        serde_json::to_value(of).map_err(|source| DependencyError::Encode { name: name(), source })
    };
    let (this, dep) = (json(object)?, json(dependency)?);
    expression.evaluate_bool(&[("self", &this), ("dep", &dep)], Numbers::Doubles).map_err(DependencyError::Evaluate)
}

/// From the cache, or from the API server: a dependency may be in another shard, which the cache does not hold.
async fn find(client: &Client, cache: &Cache<Kustomization>, key: &Key) -> Result<Arc<Kustomization>, DependencyError> {
    if let Some(known) = cache.get(key) {
        return Ok(known);
    }
    let api: Api<Kustomization> = Api::namespaced(client.clone(), &key.namespace);
    let found = api.get(&key.name).await.map_err(|error| DependencyError::NotFound(key.clone(), error.to_string()))?;
    Ok(Arc::new(found))
}

fn judge(dependency: &Kustomization, key: &Key) -> Result<(), DependencyError> {
    let status = dependency.status.clone().unwrap_or_default();
    let observed = status.observed_generation == dependency.metadata.generation;
    if observed && is_true(&status.conditions, condition::READY) {
        Ok(())
    } else {
        Err(DependencyError::NotReady(key.clone()))
    }
}

fn same_source(dependency: &Kustomization, object: &Kustomization) -> bool {
    dependency.spec.source_ref.kind == object.spec.source_ref.kind
        && source::key_of(dependency) == source::key_of(object)
}
