//! The expressions that decide which objects a request reconciles: `resourceFilter` and each resource's `filter`.
//!
//! Read once per generation of a Receiver, at its reconcile to find mistakes and at the first request to be evaluated. Deliberately not
//! here: where the object and the request come from.

use serde_json::Value;
use sluice_api::notification::{ReceiverSpec, ReceiverType};
use sluice_expressions::{EvaluateError, Expression, Numbers, Output};

use super::validate::ValidateError;

/// The filters of a Receiver, ready to be evaluated. Clones are cheap.
#[derive(Clone, Debug, Default)]
pub struct Filters {
    all: Option<Expression>,
    each: Vec<Option<Expression>>,
}

/// What a filter can see.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The object's metadata, with `apiVersion` and `kind`.
    pub res: &'a Value,
    /// The request's body.
    pub req: &'a Value,
    /// The token's claims, for the type generic-oidc.
    pub claims: Option<&'a Value>,
}

impl Filters {
    /// Reads the filters of a spec.
    ///
    /// # Errors
    /// The first that is no expression over what it can see, or that is not sure to give a `bool`.
    pub fn compile(spec: &ReceiverSpec) -> Result<Self, ValidateError> {
        let variables: &[&str] = match spec.type_ {
            ReceiverType::GenericOidc => &["res", "req", "claims"],
            _ => &["res", "req"],
        };
        let read = |text: &Option<String>| match text.as_deref() {
            None | Some("") => Ok(None),
            Some(text) => Expression::compile(text, variables, Output::Bool).map(Some),
        };
        let all = read(&spec.resource_filter).map_err(ValidateError::CompileResourceFilter)?;
        let mut each = Vec::with_capacity(spec.resources.len());
        for (index, resource) in spec.resources.iter().enumerate() {
            each.push(read(&resource.filter).map_err(|source| ValidateError::CompileFilter {
                index,
                kind: resource.kind.clone(),
                name: resource.name.clone(),
                source,
            })?);
        }
        Ok(Self { all, each })
    }

    /// Whether no resource has a filter: then the body is not even read.
    pub fn is_empty(&self) -> bool {
        self.all.is_none() && self.each.iter().all(Option::is_none)
    }

    /// Whether the resource at this place has no filter.
    pub fn has_none_for(&self, index: usize) -> bool {
        self.of(index).next().is_none()
    }

    /// Whether an object of the resource at this place is to be reconciled: all of its filters hold.
    ///
    /// # Errors
    /// A filter that cannot be evaluated on what it sees.
    pub fn accept(&self, index: usize, view: View<'_>) -> Result<bool, EvaluateError> {
        let View { res, req, claims } = view;
        let mut variables = vec![("res", res), ("req", req)];
        variables.extend(claims.map(|claims| ("claims", claims)));
        for filter in self.of(index) {
            if !filter.evaluate_bool(&variables, Numbers::Doubles)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn of(&self, index: usize) -> impl Iterator<Item = &Expression> {
        self.all.iter().chain(self.each.get(index).into_iter().flatten())
    }
}
