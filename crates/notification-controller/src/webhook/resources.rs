//! A Receiver's resources: what each entry means, and asking for the reconcile of what it names.
//!
//! One entry's failure never keeps the others from being handled.

use std::sync::Arc;

use sluice_api::notification::{Receiver, ReceiverResource};
use sluice_runtime::logging::error_chain;
use thiserror::Error;
use tracing::{debug, error};

use crate::CrossNamespace;
use crate::cluster::{ClusterError, ObjectName, Objects, Resource, ResourceError, default_api_version};
use crate::labels::{LabelError, LabelSelector};

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

/// Asks for a reconcile of everything that the Receiver names, entry by entry. Failures are logged; the answer is
/// whether there were none.
pub(super) async fn request_all(
    receiver: &Arc<Receiver>,
    cross_namespace: CrossNamespace,
    objects: &dyn Objects,
    token: &str,
) -> bool {
    let namespace = receiver.metadata.namespace.as_deref().unwrap_or_default();
    let mut all_handled = true;
    for (index, entry) in receiver.spec.resources.iter().enumerate() {
        let handled = match target(entry, namespace, cross_namespace) {
            Ok(target) => request(&target, objects, token).await,
            Err(error) => Err(error),
        };
        if let Err(error) = handled {
            let error = error_chain(&error);
            let name = receiver.metadata.name.as_deref();
            error!(receiver.name = name, receiver.namespace = namespace, index, error, "failed to request a reconcile");
            all_handled = false;
        }
    }
    all_handled
}

async fn request(target: &Target, objects: &dyn Objects, token: &str) -> Result<(), EntryError> {
    match target {
        Target::One(resource, object) => annotate(resource, object, objects, token).await,
        Target::Labelled { resource, namespace, selector } => {
            let found = objects.select(resource, namespace, selector).await.map_err(|source| EntryError::List {
                kind: resource.kind().to_owned(),
                namespace: namespace.clone(),
                source,
            })?;
            if found.is_empty() {
                error!(kind = resource.kind(), namespace, labels = selector.to_query(), "no object has the labels");
            }
            for object in &found {
                annotate(resource, object, objects, token).await?;
            }
            Ok(())
        }
    }
}

async fn annotate(
    resource: &Resource,
    object: &ObjectName,
    objects: &dyn Objects,
    token: &str,
) -> Result<(), EntryError> {
    let path = || format!("{}/{}/{}", resource.kind(), object.namespace(), object.name());
    let annotated = objects.request_reconcile(resource, object, token).await;
    annotated.map_err(|source| EntryError::Annotate { object: path(), source })?;
    debug!(object = path(), "requested a reconcile");
    Ok(())
}

#[cfg(test)]
mod tests;
