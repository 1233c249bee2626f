//! The substitution a Kustomization's `spec.postBuild` asks for.
//!
//! Deliberately not here: where variables come from, and which objects are left out.

use std::collections::BTreeMap;

use crate::{ExpandError, Limits, Unset, expand};

/// The form of a name, as error texts quote it.
const NAME_PATTERN: &str = "^[_[:alpha:]][_[:alpha:][:digit:]]*$";

/// Variables by name; a later one of the same name replaces an earlier one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Variables(BTreeMap<String, Vec<u8>>);

impl Variables {
    /// No variables.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a variable. Line feeds are deleted from the value, and nothing else is: that is how Flux treats every source of variables.
    /// The name is checked when the variables are used, since a bad one fails every object alike.
    pub fn set(&mut self, name: impl Into<String>, value: impl AsRef<[u8]>) {
        let value = value.as_ref().iter().copied().filter(|byte| *byte != b'\n').collect();
        self.0.insert(name.into(), value);
    }

    /// Whether there is no variable at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of a variable, if it is set.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name).map(Vec::as_slice)
    }

    fn invalid_name(&self) -> Option<&str> {
        let valid = |name: &str| {
            name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        self.0.keys().map(String::as_str).find(|name| !valid(name))
    }
}

/// When a substitution runs: `spec.postBuild.substituteStrategy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// Only if there is at least one variable. With none, text stays as it is: expressions verbatim, strict mode silent.
    #[default]
    WithVariables,
    /// Always.
    Always,
}

/// Everything a substitution depends on but the text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Substitution {
    /// The variables.
    pub variables: Variables,
    /// When to run.
    pub strategy: Strategy,
    /// What a missing variable means.
    pub unset: Unset,
    /// What one text may cost.
    pub limits: Limits,
}

/// Why a substitution failed. Printed with its sources, joined by `: `, this is the text behind `envsubst error: `.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubstitutionError {
    /// A variable's name, for example a key such as `values.yaml` of a referenced `ConfigMap`.
    #[error("'{0}' var name is invalid, must match '{NAME_PATTERN}'")]
    Name(String),
    /// The text.
    #[error("variable substitution failed")]
    Expand(#[source] ExpandError),
}

impl Substitution {
    /// Whether text is looked at at all.
    pub fn runs(&self) -> bool {
        self.strategy == Strategy::Always || !self.variables.is_empty()
    }

    /// Substitutes in the YAML text of one object; `None` where the strategy leaves text alone.
    ///
    /// # Errors
    ///
    /// A variable whose name is not allowed, used or not (the first in order of names), or any [`ExpandError`].
    pub fn apply(&self, text: &str) -> Result<Option<String>, SubstitutionError> {
        if !self.runs() {
            return Ok(None);
        }
        if let Some(name) = self.variables.invalid_name() {
            return Err(SubstitutionError::Name(name.to_owned()));
        }
        let lookup = |name: &str| self.variables.get(name);
        expand(text, &lookup, self.unset, &self.limits).map(Some).map_err(SubstitutionError::Expand)
    }
}
