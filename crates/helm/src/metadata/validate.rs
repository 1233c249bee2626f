//! The rules for a chart's metadata, in the order in which Helm checks them. It reads nothing.

use std::collections::HashSet;

use sluice_semver_range::parse_loose;

use super::{Dependency, Metadata};
use crate::text::sanitize;

/// A rule that the metadata breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValidationError {
    /// There is no `apiVersion`.
    #[error("validation: chart.metadata.apiVersion is required")]
    ApiVersionMissing,
    /// There is no name.
    #[error("validation: chart.metadata.name is required")]
    NameMissing,
    /// The name is that of a directory itself or of the one above it.
    #[error("validation: chart.metadata.name {0:?} is not allowed")]
    NameNotAllowed(String),
    /// The name is a path.
    #[error("validation: chart.metadata.name {0:?} is invalid")]
    NameInvalid(String),
    /// There is no version.
    #[error("validation: chart.metadata.version is required")]
    VersionMissing,
    /// The version is none.
    #[error("validation: chart.metadata.version {0:?} is invalid")]
    VersionInvalid(String),
    /// The type is none that is known.
    #[error("validation: chart.metadata.type must be application or library")]
    TypeInvalid,
    /// A list of maintainers has a null in it.
    #[error("validation: maintainers must not contain empty or null nodes")]
    MaintainerNull,
    /// A list of dependencies has a null in it.
    #[error("validation: dependencies must not contain empty or null nodes")]
    DependencyNull,
    /// An alias could not be the name of a directory.
    #[error("validation: dependency {0:?} has disallowed characters in the alias")]
    AliasInvalid(String),
    /// Two dependencies would have the same name.
    #[error("validation: more than one dependency with name or alias {0:?}")]
    DependencyRepeated(String),
}

impl ValidationError {
    /// Whether an index may hold a chart with this fault: some servers leave the aliases out.
    pub fn is_tolerated_in_index(&self) -> bool {
        matches!(self, Self::DependencyRepeated(_))
    }
}

impl Metadata {
    /// Cleans strings and checks all rules.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn validate(&mut self) -> Result<(), ValidationError> {
        let texts = [
            &mut self.name,
            &mut self.description,
            &mut self.home,
            &mut self.icon,
            &mut self.condition,
            &mut self.tags,
            &mut self.app_version,
            &mut self.kube_version,
        ];
        texts.into_iter().chain(&mut self.sources).chain(&mut self.keywords).for_each(sanitize);
        if self.api_version.is_empty() {
            return Err(ValidationError::ApiVersionMissing);
        }
        validate_name(&self.name)?;
        if self.version.is_empty() {
            return Err(ValidationError::VersionMissing);
        }
        if parse_loose(&self.version).is_none() {
            return Err(ValidationError::VersionInvalid(self.version.clone()));
        }
        if !matches!(&*self.kind, "" | "application" | "library") {
            return Err(ValidationError::TypeInvalid);
        }
        if self.null_maintainer {
            return Err(ValidationError::MaintainerNull);
        }
        for maintainer in &mut self.maintainers {
            [&mut maintainer.name, &mut maintainer.email, &mut maintainer.url].into_iter().for_each(sanitize);
        }
        if self.null_dependency {
            return Err(ValidationError::DependencyNull);
        }
        let mut names = HashSet::new();
        for dependency in &mut self.dependencies {
            dependency.validate()?;
            let name = dependency.local_name();
            if !names.insert(name.to_owned()) {
                return Err(ValidationError::DependencyRepeated(name.to_owned()));
            }
        }
        Ok(())
    }
}

impl Dependency {
    fn validate(&mut self) -> Result<(), ValidationError> {
        let texts = [&mut self.name, &mut self.version, &mut self.repository, &mut self.condition];
        texts.into_iter().chain(&mut self.tags).for_each(sanitize);
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if self.alias.bytes().all(allowed) { Ok(()) } else { Err(ValidationError::AliasInvalid(self.name.clone())) }
    }
}

/// A name that is a single component of a path, since files and directories are named after the chart.
pub(crate) fn validate_name(name: &str) -> Result<(), ValidationError> {
    match name {
        "" => Err(ValidationError::NameMissing),
        "." | ".." => Err(ValidationError::NameNotAllowed(name.to_owned())),
        _ if name.contains('/') => Err(ValidationError::NameInvalid(name.to_owned())),
        _ => Ok(()),
    }
}
