//! Dependencies as `Chart.yaml`, `requirements.yaml` and the lock files list them. It does not look for them.

use serde_json::Value as Json;

use super::{YamlFileError, yaml_limits};
use crate::decode::{DecodeError, Field, Rules, Scalars, Unknown, known};
use crate::ordered::{Fields, Ordered};
use crate::time::Time;

/// A chart that another one needs. Empty means not given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dependency {
    /// The name of the chart.
    pub name: String,
    /// A version range, or in a lock file one version.
    pub version: String,
    /// The URL of the repository, `file://` and a path, or nothing for a directory below `charts/`.
    pub repository: String,
    /// The condition under which it is enabled.
    pub condition: String,
    /// The tags under which it is enabled.
    pub tags: Vec<String>,
    /// Whether it is loaded.
    pub enabled: bool,
    /// Which of its values are imported.
    pub import_values: Vec<Json>,
    /// The name that it gets.
    pub alias: String,
}

const FIELDS: [&str; 8] = ["name", "version", "repository", "condition", "tags", "enabled", "import-values", "alias"];

impl Dependency {
    /// The name that the chart has among the dependencies: its alias, else its own.
    pub fn local_name(&self) -> &str {
        if self.alias.is_empty() { &self.name } else { &self.alias }
    }

    /// Reads a list and says whether there was a null in it.
    pub(super) fn list(field: Field<'_>) -> Result<(Vec<Self>, bool), DecodeError> {
        let (mut dependencies, mut null) = (Vec::new(), false);
        for node in field.list("[]*v2.Dependency")?.unwrap_or_default() {
            if node.is_null() {
                null = true;
            } else {
                dependencies.push(Self::read(Field { node, of: "Dependency", ..field })?);
            }
        }
        Ok((dependencies, null))
    }

    fn read(outer: Field<'_>) -> Result<Self, DecodeError> {
        let mut dependency = Self::default();
        let Some(mapping) = outer.mapping("v2.Dependency")? else { return Ok(dependency) };
        for (key, node) in mapping.iter() {
            let Some(name) = known(key, &FIELDS, outer.rules.unknown)? else { continue };
            let field = Field { node, name, ..outer };
            match name {
                "name" => field.string(&mut dependency.name)?,
                "version" => field.string(&mut dependency.version)?,
                "repository" => field.string(&mut dependency.repository)?,
                "condition" => field.string(&mut dependency.condition)?,
                "tags" => super::list(field, &mut dependency.tags)?,
                "enabled" => field.boolean(&mut dependency.enabled)?,
                "import-values" => {
                    let items = field.list("[]interface {}")?.unwrap_or_default();
                    dependency.import_values = items.iter().map(|item| field.any(item)).collect::<Result<_, _>>()?;
                }
                _ => field.string(&mut dependency.alias)?,
            }
        }
        Ok(dependency)
    }

    pub(super) fn ordered(&self) -> Ordered<'_> {
        let mut fields = Fields::default();
        fields.put("name", Ordered::text(&self.name));
        fields.text("version", &self.version);
        fields.put("repository", Ordered::text(&self.repository));
        fields.text("condition", &self.condition);
        fields.list("tags", Ordered::texts(&self.tags));
        fields.flag("enabled", self.enabled);
        fields.list("import-values", self.import_values.iter().map(Ordered::Any).collect());
        fields.text("alias", &self.alias);
        Ordered::Object(fields)
    }
}

/// The contents of `Chart.lock` or `requirements.lock`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lock {
    /// When it was written; zero if it does not say.
    pub generated: Time,
    /// A digest of the dependencies that it was made from.
    pub digest: String,
    /// Each dependency with one version.
    pub dependencies: Vec<Dependency>,
}

impl Lock {
    /// Reads a lock file. `None` for one that holds nothing.
    ///
    /// # Errors
    /// [`YamlFileError`].
    pub fn parse(text: &[u8]) -> Result<Option<Self>, YamlFileError> {
        let node = sluice_yaml::read_config(text, &yaml_limits(text.len())).map_err(YamlFileError::Yaml)?;
        let Some(node) = node else { return Ok(Some(Self::default())) };
        Self::read(&node).map_err(YamlFileError::Decode)
    }

    fn read(node: &sluice_yaml::Node) -> Result<Option<Self>, DecodeError> {
        let rules = Rules { scalars: Scalars::Coerced, unknown: Unknown::Ignored };
        let outer = Field { node, of: "Lock", name: "", rules };
        let Some(mapping) = outer.mapping("v2.Lock")? else { return Ok(None) };
        let mut lock = Self::default();
        for (key, node) in mapping.iter() {
            let Some(name) = known(key, &["generated", "digest", "dependencies"], rules.unknown)? else { continue };
            let field = Field { node, name, ..outer };
            match name {
                "generated" => field.time(&mut lock.generated)?,
                "digest" => field.string(&mut lock.digest)?,
                _ => lock.dependencies = Dependency::list(field)?.0,
            }
        }
        Ok(Some(lock))
    }

    /// The text of `Chart.lock` as Helm packages it.
    pub fn to_yaml(&self) -> String {
        let mut fields = Fields::default();
        fields.put("generated", Ordered::text(self.generated.as_str()));
        fields.put("digest", Ordered::text(&self.digest));
        let dependencies: Vec<_> = self.dependencies.iter().map(Dependency::ordered).collect();
        fields.put("dependencies", if dependencies.is_empty() { Ordered::Null } else { Ordered::List(dependencies) });
        // Only a number that is not finite, or a key that is no string, cannot be written, and JSON has neither.
        sluice_yaml::write(&Ordered::Object(fields).to_node()).unwrap_or_default()
    }
}
