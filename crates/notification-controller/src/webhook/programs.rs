//! The expressions of Receivers, compiled once per generation and kept for the requests that follow.
//!
//! Deliberately no watch: an entry is replaced when its Receiver has another generation, and all go when there are too many.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use sluice_api::notification::{Receiver, ReceiverSpec};

use crate::receiver::{ClaimRules, Filters, ValidateError, compile_providers};

/// Most Receivers whose expressions are kept.
const MAX_KEPT: usize = 2_000;

/// The compiled expressions of a Receiver, or why there are none.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) filters: Result<Filters, ValidateError>,
    /// One set per provider, in their order.
    pub(super) rules: Result<Vec<ClaimRules>, ValidateError>,
}

impl Program {
    fn compile(spec: &ReceiverSpec) -> Self {
        Self { filters: Filters::compile(spec), rules: compile_providers(&spec.oidc_providers) }
    }
}

/// A Receiver across its generations; the UID tells it from a later one of the same name.
type Id = (Option<String>, Option<String>, Option<String>);

/// A program and the generation that it is of.
type Kept = (Option<i64>, Arc<Program>);

/// Programs by Receiver.
#[derive(Default)]
pub(super) struct Programs(Mutex<HashMap<Id, Kept>>);

impl Programs {
    /// The program of a Receiver.
    pub(super) async fn of(&self, receiver: &Arc<Receiver>) -> Arc<Program> {
        let meta = &receiver.metadata;
        if !has_expressions(&receiver.spec) {
            return Arc::new(Program { filters: Ok(Filters::default()), rules: Ok(Vec::new()) });
        }
        let id = (meta.namespace.clone(), meta.name.clone(), meta.uid.clone());
        if let Some(known) = self.known(&id, meta.generation) {
            return known;
        }
        let compiled = Arc::clone(receiver);
        let compiling = tokio::task::spawn_blocking(move || Program::compile(&compiled.spec));
        let abandoned = || ValidateError::CombineFields("the expressions could not be read");
        let program =
            compiling.await.unwrap_or_else(|_| Program { filters: Err(abandoned()), rules: Err(abandoned()) });
        let program = Arc::new(program);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(id, (meta.generation, Arc::clone(&program)));
        program
    }

    fn known(&self, id: &Id, generation: Option<i64>) -> Option<Arc<Program>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(id).filter(|(of, _)| *of == generation).map(|(_, program)| Arc::clone(program))
    }
}

fn has_expressions(spec: &ReceiverSpec) -> bool {
    let is_set = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
    is_set(&spec.resource_filter)
        || spec.resources.iter().any(|resource| is_set(&resource.filter))
        || !spec.oidc_providers.is_empty()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fakes::object;

    fn receiver(generation: i64, filter: &str) -> Arc<Receiver> {
        Arc::new(object(json!({
            "apiVersion": "notification.toolkit.fluxcd.io/v1",
            "kind": "Receiver",
            "metadata": {"name": "hook", "namespace": "apps", "uid": "1", "generation": generation},
            "spec": {"type": "generic", "resources": [{"kind": "Bucket", "name": "b"}], "resourceFilter": filter},
        })))
    }

    #[tokio::test]
    async fn expressions_are_compiled_once_per_generation() {
        let programs = Programs::default();
        let first = programs.of(&receiver(1, "true")).await;
        assert!(Arc::ptr_eq(&first, &programs.of(&receiver(1, "true")).await));
        let second = programs.of(&receiver(2, "req.flag")).await;
        assert!(!Arc::ptr_eq(&first, &second));
        assert!(first.filters.is_ok() && second.filters.is_err());
        assert_eq!(programs.0.lock().unwrap().len(), 1);
    }
}
