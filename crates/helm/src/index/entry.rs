//! One chart version of an index: its fields, how they are read, checked and written. It does not know its place.

use semver::Version;
use sluice_semver_range::parse_loose;
use sluice_yaml::Node;

use crate::decode::{DecodeError, Field, Rules, Scalars, Unknown, known};
use crate::metadata::{self, Metadata, ValidationError};
use crate::ordered::{Fields, Ordered};
use crate::time::Time;

/// A chart version as an index lists it. Empty means not given.
#[derive(Clone, Debug, PartialEq)]
pub struct ChartVersion {
    /// What the chart's `Chart.yaml` says.
    pub metadata: Metadata,
    /// Where to download it, absolute or relative to the repository.
    pub urls: Vec<String>,
    /// When it was added.
    pub created: Time,
    /// Whether it was withdrawn.
    pub removed: bool,
    /// The SHA-256 of the archive in hex.
    pub digest: String,
    checksum: String,
    engine: String,
    tiller_version: String,
    url: String,
    urls_given: bool,
    precedence: Version,
}

/// Why a chart version is not kept.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// A field cannot be read, which makes the whole index unusable.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A rule is broken, which concerns only this version.
    #[error("invalid chart version")]
    Invalid {
        /// The version as far as it was given.
        version: String,
        /// The rule.
        #[source]
        reason: ValidationError,
    },
}

/// The fields besides those of `Chart.yaml`, in the order of Helm's struct.
const FIELDS: [&str; 8] = ["urls", "created", "removed", "digest", "checksum", "engine", "tillerVersion", "url"];

impl ChartVersion {
    /// The version that it is sorted by.
    pub fn precedence(&self) -> &Version {
        &self.precedence
    }

    pub(super) fn read(node: &Node, rules: Rules) -> Result<Self, EntryError> {
        let mut version = Self {
            metadata: Metadata::default(),
            urls: Vec::new(),
            created: Time::default(),
            removed: false,
            digest: String::new(),
            checksum: String::new(),
            engine: String::new(),
            tiller_version: String::new(),
            url: String::new(),
            urls_given: false,
            precedence: Version::new(0, 0, 0),
        };
        version.fill(node, rules)?;
        version.metadata.default_api_version();
        let invalid = |reason, version: &str| EntryError::Invalid { version: version.to_owned(), reason };
        match version.metadata.validate() {
            Err(reason) if !reason.is_tolerated_in_index() => return Err(invalid(reason, &version.metadata.version)),
            _ => {}
        }
        let text = &version.metadata.version;
        version.precedence =
            parse_loose(text).ok_or_else(|| invalid(ValidationError::VersionInvalid(text.clone()), text))?;
        Ok(version)
    }

    fn fill(&mut self, node: &Node, rules: Rules) -> Result<(), DecodeError> {
        let outer = Field { node, of: "ChartVersion", name: "", rules };
        let Some(mapping) = outer.mapping("v1.ChartVersion")? else { return Ok(()) };
        for (key, node) in mapping.iter() {
            if let Some(name) = known(key, &metadata::FIELDS, Unknown::Ignored)? {
                // The YAML reader does not see that these are strings: they belong to an embedded struct.
                let rules = Rules { scalars: Scalars::Exact, ..rules };
                self.metadata.set(Field { node, name, rules, ..outer })?;
            } else if let Some(name) = known(key, &FIELDS, rules.unknown)? {
                self.set(Field { node, name, ..outer })?;
            }
        }
        Ok(())
    }

    fn set(&mut self, field: Field<'_>) -> Result<(), DecodeError> {
        match field.name {
            "urls" => {
                let mut urls = None;
                field.strings(&mut urls)?;
                self.urls_given = urls.is_some();
                self.urls = urls.unwrap_or_default();
                Ok(())
            }
            "created" => field.time(&mut self.created),
            "removed" => field.boolean(&mut self.removed),
            "digest" => field.string(&mut self.digest),
            "checksum" => field.string(&mut self.checksum),
            "engine" => field.string(&mut self.engine),
            "tillerVersion" => field.string(&mut self.tiller_version),
            _ => field.string(&mut self.url),
        }
    }

    pub(super) fn ordered(&self) -> Ordered<'_> {
        let mut fields = Fields::default();
        self.metadata.put_fields(&self.metadata.dependencies, &mut fields);
        let urls = if self.urls_given { Ordered::List(Ordered::texts(&self.urls)) } else { Ordered::Null };
        fields.put("urls", urls);
        fields.put("created", Ordered::text(self.created.as_str()));
        fields.flag("removed", self.removed);
        fields.text("digest", &self.digest);
        fields.text("checksum", &self.checksum);
        fields.text("engine", &self.engine);
        fields.text("tillerVersion", &self.tiller_version);
        fields.text("url", &self.url);
        Ordered::Object(fields)
    }
}
