//! A Receiver's resources: what each entry means, and asking for the reconcile of what it names.
//!
//! One entry's failure never keeps the others from being handled.

use std::sync::Arc;

use kube::api::ObjectMeta;
use serde_json::{Value, json};
use sluice_api::notification::{Receiver, ReceiverResource};
use sluice_expressions::EvaluateError;
use sluice_runtime::logging::error_chain;
use thiserror::Error;
use tracing::{debug, error};

use crate::CrossNamespace;
use crate::cluster::{ClusterError, ObjectName, Objects, Resource, ResourceError, default_api_version};
use crate::labels::{LabelError, LabelSelector};
use crate::receiver::{Filters, View};

use super::evaluations::Evaluations;

/// What an entry names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// One object.
    One(Resource, ObjectName),
    /// The objects of a namespace with certain labels.
    Labelled {
        /// Their kind.
        resource: Resource,
        /// Their namespace.
        namespace: String,
        /// Their labels.
        selector: LabelSelector,
    },
}

/// Why an entry could not be handled.
#[derive(Debug, Error)]
pub enum EntryError {
    /// Another namespace, and that is forbidden.
    #[error("can't access '{0}', cross-namespace references have been blocked")]
    CrossNamespace(String),
    /// All objects of a kind, without labels.
    #[error("matchLabels must be set when name is '*'")]
    FindLabels,
    /// Labels that are none.
    #[error(transparent)]
    ParseLabels(#[from] LabelError),
    /// A kind or a name that cannot be addressed.
    #[error(transparent)]
    Address(#[from] ResourceError),
    /// The objects could not be listed.
    #[error("failed to list the objects of kind {kind} in namespace '{namespace}'")]
    List {
        /// Their kind.
        kind: String,
        /// Their namespace.
        namespace: String,
        /// What the API server says.
        #[source]
        source: ClusterError,
    },
    /// The object could not be read.
    #[error("failed to read '{object}'")]
    Read {
        /// `Kind/namespace/name`.
        object: String,
        /// What the API server says.
        #[source]
        source: ClusterError,
    },
    /// A filter gave no answer for an object.
    #[error("failed to filter '{object}'")]
    Filter {
        /// `Kind/namespace/name`.
        object: String,
        /// What happened.
        #[source]
        source: EvaluateError,
    },
    /// A filter's evaluation ended early.
    #[error("the evaluation of a filter was abandoned")]
    Abandon,
    /// An object could not be annotated.
    #[error("failed to annotate '{object}'")]
    Annotate {
        /// `Kind/namespace/name`.
        object: String,
        /// What the API server says.
        #[source]
        source: ClusterError,
    },
}

/// Reads one entry. `namespace` is the Receiver's.
///
/// # Errors
/// An entry that means nothing, or something forbidden.
pub fn target(
    entry: &ReceiverResource,
    namespace: &str,
    cross_namespace: CrossNamespace,
) -> Result<Target, EntryError> {
    let wanted = entry.namespace.as_deref().filter(|namespace| !namespace.is_empty()).unwrap_or(namespace);
    if cross_namespace == CrossNamespace::Blocked && wanted != namespace {
        return Err(EntryError::CrossNamespace(format!("{}/{wanted}/{}", entry.kind, entry.name)));
    }
    let api_version = entry.api_version.as_deref().filter(|version| !version.is_empty());
    let api_version = api_version
        .or_else(|| default_api_version(&entry.kind))
        .ok_or_else(|| ResourceError::DefaultVersion(entry.kind.clone()))?;
    let resource = Resource::parse(api_version, &entry.kind)?;
    if entry.name != "*" {
        return Ok(Target::One(resource, ObjectName::parse(wanted, &entry.name)?));
    }
    // No labels at all is probably a mistake; an empty map asks for every object of the namespace.
    let labels = entry.match_labels.as_ref().ok_or(EntryError::FindLabels)?;
    // The namespace alone becomes part of a path, too; the name stands in for the ones to be listed.
    let namespace = ObjectName::parse(wanted, "x")?.namespace().to_owned();
    Ok(Target::Labelled { resource, namespace, selector: LabelSelector::parse(labels)? })
}

/// What the filters of a request see beside the object, and the filters.
pub(super) struct Sieve {
    /// The Receiver's filters.
    pub(super) filters: Filters,
    /// The request's body.
    pub(super) req: Value,
    /// The claims of the sender's token.
    pub(super) claims: Option<Value>,
    /// Where evaluations happen.
    pub(super) evaluations: Evaluations,
}

/// A request for the reconcile of a Receiver's resources.
pub(super) struct Trigger<'a> {
    /// Whose resources.
    pub(super) receiver: &'a Receiver,
    /// Whether they may be in other namespaces.
    pub(super) cross_namespace: CrossNamespace,
    /// Where they are.
    pub(super) objects: &'a dyn Objects,
    /// Which of them; all if there is none.
    pub(super) sieve: Option<Arc<Sieve>>,
    /// What the annotation says, different every time.
    pub(super) token: &'a str,
}

impl Trigger<'_> {
    /// Asks for a reconcile of everything that the Receiver names, entry by entry. Failures are logged; the answer is whether there were
    /// none.
    pub(super) async fn request_all(&self) -> bool {
        let namespace = self.receiver.metadata.namespace.as_deref().unwrap_or_default();
        let mut all_handled = true;
        for (index, entry) in self.receiver.spec.resources.iter().enumerate() {
            let handled = match target(entry, namespace, self.cross_namespace) {
                Ok(target) => self.request(index, &target).await,
                Err(error) => Err(error),
            };
            if let Err(error) = handled {
                let error = error_chain(&error);
                let name = self.receiver.metadata.name.as_deref();
                error!(
                    receiver.name = name,
                    receiver.namespace = namespace,
                    index,
                    error,
                    "failed to request a reconcile"
                );
                all_handled = false;
            }
        }
        all_handled
    }

    async fn request(&self, index: usize, target: &Target) -> Result<(), EntryError> {
        let (resource, namespace, selector) = match target {
            Target::One(resource, object) => return self.handle(index, resource, object, None).await,
            Target::Labelled { resource, namespace, selector } => (resource, namespace, selector),
        };
        let found = self.objects.select(resource, namespace, selector).await.map_err(|source| EntryError::List {
            kind: resource.kind().to_owned(),
            namespace: namespace.clone(),
            source,
        })?;
        if found.is_empty() {
            error!(kind = resource.kind(), namespace, labels = selector.to_query(), "no object has the labels");
        }
        for (object, metadata) in found {
            self.handle(index, resource, &object, Some(metadata)).await?;
        }
        Ok(())
    }

    /// Handles one object; its metadata is read if a filter needs it and it is not known.
    async fn handle(
        &self,
        index: usize,
        resource: &Resource,
        object: &ObjectName,
        metadata: Option<ObjectMeta>,
    ) -> Result<(), EntryError> {
        let path = || format!("{}/{}/{}", resource.kind(), object.namespace(), object.name());
        if let Some(sieve) = self.sieve.as_ref().filter(|sieve| !sieve.filters.has_none_for(index)) {
            let metadata = match metadata {
                Some(metadata) => metadata,
                None => (self.objects.metadata(resource, object).await)
                    .map_err(|source| EntryError::Read { object: path(), source })?,
            };
            let res = json!({"apiVersion": resource.api_version(), "kind": resource.kind(), "metadata": metadata});
            let evaluated = Arc::clone(sieve);
            let evaluating = sieve.evaluations.run(move || {
                let Sieve { filters, req, claims, .. } = &*evaluated;
                filters.accept(index, View { res: &res, req, claims: claims.as_ref() })
            });
            let accepted = evaluating.await.ok_or(EntryError::Abandon)?;
            if !accepted.map_err(|source| EntryError::Filter { object: path(), source })? {
                debug!(object = path(), "a filter leaves the object out");
                return Ok(());
            }
        }
        let annotated = self.objects.request_reconcile(resource, object, self.token).await;
        annotated.map_err(|source| EntryError::Annotate { object: path(), source })?;
        debug!(object = path(), "requested a reconcile");
        Ok(())
    }
}

#[cfg(test)]
mod tests;
