//! What `Chart.yaml` says: its fields, how they are read and written, and the rules that Helm validates.
//!
//! Deliberately absent: files, and what becomes of an invalid chart.

mod dependency;
mod validate;

use std::collections::BTreeMap;

pub use dependency::{Dependency, Lock};
use sluice_yaml::{Limits, Node, YamlError};
pub use validate::ValidationError;

use crate::decode::{DecodeError, Field, Rules, Scalars, Unknown, known};
use crate::ordered::{Fields, Ordered};

/// Bounds on a YAML file in a chart besides its size: far above any real values file, low enough that a file of the permitted size cannot
/// become gigabytes through aliases (200,000 nodes are about 20 MiB).
pub(crate) fn yaml_limits(bytes: usize) -> Limits {
    Limits { bytes, depth: 128, nodes: 200_000 }
}

/// A YAML file of a chart that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum YamlFileError {
    /// It is not YAML.
    #[error("error converting YAML to JSON")]
    Yaml(#[source] YamlError),
    /// A field has the wrong type.
    #[error("error unmarshaling JSON: while decoding JSON")]
    Decode(#[source] DecodeError),
}

/// A person who looks after a chart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Maintainer {
    /// A user or an organisation.
    pub name: String,
    /// An address.
    pub email: String,
    /// A page.
    pub url: String,
}

/// The contents of `Chart.yaml`. Empty means not given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    /// The chart's name.
    pub name: String,
    /// The project's page.
    pub home: String,
    /// Where the sources are.
    pub sources: Vec<String>,
    /// The chart's version, as it was written.
    pub version: String,
    /// One sentence.
    pub description: String,
    /// Words to search for.
    pub keywords: Vec<String>,
    /// Who looks after it.
    pub maintainers: Vec<Maintainer>,
    /// The URL of an icon.
    pub icon: String,
    /// `v1` or `v2`.
    pub api_version: String,
    /// The condition under which it is enabled.
    pub condition: String,
    /// The tags under which it is enabled.
    pub tags: String,
    /// The version of what it installs.
    pub app_version: String,
    /// Whether it should no longer be used.
    pub deprecated: bool,
    /// Whatever else.
    pub annotations: BTreeMap<String, String>,
    /// The versions of Kubernetes that it is for.
    pub kube_version: String,
    /// Charts that it needs.
    pub dependencies: Vec<Dependency>,
    /// `application`, `library` or nothing.
    pub kind: String,
    /// Lists that had a null in them, which is found when they are validated.
    pub(crate) null_maintainer: bool,
    pub(crate) null_dependency: bool,
}

/// The `apiVersion` of charts whose dependencies are in a file of their own.
pub const API_VERSION_V1: &str = "v1";
/// The `apiVersion` of charts whose dependencies are in `Chart.yaml`.
pub const API_VERSION_V2: &str = "v2";

/// The fields of `Chart.yaml` in the order of Helm's struct.
pub(crate) const FIELDS: [&str; 17] = [
    "name",
    "home",
    "sources",
    "version",
    "description",
    "keywords",
    "maintainers",
    "icon",
    "apiVersion",
    "condition",
    "tags",
    "appVersion",
    "deprecated",
    "annotations",
    "kubeVersion",
    "dependencies",
    "type",
];

impl Metadata {
    /// Reads a `Chart.yaml`. A missing `apiVersion` stays missing.
    ///
    /// # Errors
    /// [`YamlFileError`].
    pub fn parse(text: &[u8]) -> Result<Self, YamlFileError> {
        let mut metadata = Self::default();
        metadata.merge(text)?;
        Ok(metadata)
    }

    /// Reads a file over what is there, as Helm does with `requirements.yaml`: fields that the file has replace those that are there.
    ///
    /// # Errors
    /// [`YamlFileError`].
    pub fn merge(&mut self, text: &[u8]) -> Result<(), YamlFileError> {
        let node = sluice_yaml::read_config(text, &yaml_limits(text.len())).map_err(YamlFileError::Yaml)?;
        let rules = Rules { scalars: Scalars::Coerced, unknown: Unknown::Ignored };
        match node {
            Some(node) => self.apply(&node, rules).map_err(YamlFileError::Decode),
            None => Ok(()),
        }
    }

    /// Sets `apiVersion` to `v1` if it is missing, as in charts of Helm 2.
    pub fn default_api_version(&mut self) {
        if self.api_version.is_empty() {
            API_VERSION_V1.clone_into(&mut self.api_version);
        }
    }

    /// The text of `Chart.yaml` as Helm packages it: keys sorted, dependencies only in `v2`.
    pub fn to_yaml(&self) -> String {
        let mut fields = Fields::default();
        let dependencies = if self.api_version == API_VERSION_V1 { &[][..] } else { &self.dependencies };
        self.put_fields(dependencies, &mut fields);
        // Only a number that is not finite, or a key that is no string, cannot be written, and JSON has neither.
        sluice_yaml::write(&Ordered::Object(fields).to_node()).unwrap_or_default()
    }

    pub(crate) fn apply(&mut self, node: &Node, rules: Rules) -> Result<(), DecodeError> {
        let outer = Field { node, of: "Metadata", name: "", rules };
        let Some(mapping) = outer.mapping("v2.Metadata")? else { return Ok(()) };
        for (key, node) in mapping.iter() {
            if let Some(name) = known(key, &FIELDS, rules.unknown)? {
                self.set(Field { node, of: "Metadata", name, rules })?;
            }
        }
        Ok(())
    }

    /// Sets the field of that name, which is one of [`FIELDS`].
    pub(crate) fn set(&mut self, field: Field<'_>) -> Result<(), DecodeError> {
        match field.name {
            "name" => field.string(&mut self.name),
            "home" => field.string(&mut self.home),
            "sources" => list(field, &mut self.sources),
            "version" => field.string(&mut self.version),
            "description" => field.string(&mut self.description),
            "keywords" => list(field, &mut self.keywords),
            "maintainers" => self.set_maintainers(field),
            "icon" => field.string(&mut self.icon),
            "apiVersion" => field.string(&mut self.api_version),
            "condition" => field.string(&mut self.condition),
            "tags" => field.string(&mut self.tags),
            "appVersion" => field.string(&mut self.app_version),
            "deprecated" => field.boolean(&mut self.deprecated),
            "annotations" => field.string_map(&mut self.annotations),
            "kubeVersion" => field.string(&mut self.kube_version),
            "dependencies" => {
                (self.dependencies, self.null_dependency) = Dependency::list(field)?;
                Ok(())
            }
            _ => field.string(&mut self.kind),
        }
    }

    fn set_maintainers(&mut self, field: Field<'_>) -> Result<(), DecodeError> {
        (self.maintainers, self.null_maintainer) = (Vec::new(), false);
        for item in field.list("[]*v2.Maintainer")?.unwrap_or_default() {
            let outer = Field { node: item, of: "Maintainer", ..field };
            let Some(mapping) = outer.mapping("v2.Maintainer")? else {
                self.null_maintainer = true;
                continue;
            };
            let mut maintainer = Maintainer::default();
            for (key, node) in mapping.iter() {
                let Some(name) = known(key, &["name", "email", "url"], field.rules.unknown)? else { continue };
                let inner = Field { node, of: "Maintainer", name, ..field };
                match name {
                    "name" => inner.string(&mut maintainer.name)?,
                    "email" => inner.string(&mut maintainer.email)?,
                    _ => inner.string(&mut maintainer.url)?,
                }
            }
            self.maintainers.push(maintainer);
        }
        Ok(())
    }

    /// Adds the fields in the order of Helm's struct.
    pub(crate) fn put_fields<'a>(&'a self, dependencies: &'a [Dependency], fields: &mut Fields<'a>) {
        fields.text("name", &self.name);
        fields.text("home", &self.home);
        fields.list("sources", Ordered::texts(&self.sources));
        fields.text("version", &self.version);
        fields.text("description", &self.description);
        fields.list("keywords", Ordered::texts(&self.keywords));
        fields.list("maintainers", self.maintainers.iter().map(Maintainer::ordered).collect());
        fields.text("icon", &self.icon);
        fields.text("apiVersion", &self.api_version);
        fields.text("condition", &self.condition);
        fields.text("tags", &self.tags);
        fields.text("appVersion", &self.app_version);
        fields.flag("deprecated", self.deprecated);
        fields.map("annotations", &self.annotations);
        fields.text("kubeVersion", &self.kube_version);
        fields.list("dependencies", dependencies.iter().map(Dependency::ordered).collect());
        fields.text("type", &self.kind);
    }
}

impl Maintainer {
    fn ordered(&self) -> Ordered<'_> {
        let mut fields = Fields::default();
        fields.text("name", &self.name);
        fields.text("email", &self.email);
        fields.text("url", &self.url);
        Ordered::Object(fields)
    }
}

fn list(field: Field<'_>, target: &mut Vec<String>) -> Result<(), DecodeError> {
    let mut read = None;
    field.strings(&mut read)?;
    *target = read.unwrap_or_default();
    Ok(())
}

#[cfg(test)]
mod tests;
