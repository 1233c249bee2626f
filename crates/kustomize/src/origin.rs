//! Where a resource came from and what changed it, for `buildMetadata`. It only holds and prints that.

use sluice_yaml::{Mapping, Node, write};

use crate::remote::RepoSpec;

/// Annotation with the origin.
pub(crate) const ORIGIN: &str = "config.kubernetes.io/origin";
/// Annotation with the list of transformers.
pub(crate) const TRANSFORMATIONS: &str = "alpha.config.kubernetes.io/transformations";

/// The origin of a resource, or a transformer's place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    /// File or directory, relative to the top directory.
    pub(crate) path: String,
    /// The repository that it is in, if not where the top directory is.
    pub(crate) repo: String,
    /// The reference in that repository.
    pub(crate) reference: String,
    /// File that configures the generator or transformer.
    pub(crate) configured_in: String,
    /// Its apiVersion, kind, name and namespace.
    pub(crate) configured_by: Option<[String; 4]>,
}

impl Origin {
    /// The origin of what `path` names from here.
    pub(crate) fn join(&self, path: &str) -> Self {
        if let Ok(spec) = RepoSpec::parse(path) {
            let (repo, reference) = (spec.url, spec.reference);
            return Self { path: spec.path.as_str().to_owned(), repo, reference, ..Self::default() };
        }
        let (repo, reference) = (self.repo.clone(), self.reference.clone());
        Self { path: join_lexically(&self.path, path), repo, reference, ..Self::default() }
    }

    /// A built-in plugin that a kustomization file in this place configures.
    pub(crate) fn builtin(&self, file: &str, kind: &str) -> Self {
        Self {
            repo: self.repo.clone(),
            reference: self.reference.clone(),
            configured_in: join_lexically(&self.path, file),
            configured_by: Some(["builtin".to_owned(), kind.to_owned(), String::new(), String::new()]),
            ..Self::default()
        }
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = Vec::new();
        if !self.path.is_empty() {
            fields.push(("path: ", scalar(&self.path)));
        }
        if !self.repo.is_empty() {
            fields.push(("repo: ", scalar(&self.repo)));
        }
        if !self.reference.is_empty() {
            fields.push(("ref: ", scalar(&self.reference)));
        }
        if !self.configured_in.is_empty() {
            fields.push(("configuredIn: ", scalar(&self.configured_in)));
        }
        if let Some(by) = &self.configured_by {
            fields.push(("configuredBy:", String::new()));
            for (name, value) in ["  apiVersion: ", "  kind: ", "  name: ", "  namespace: "].into_iter().zip(by) {
                if !value.is_empty() {
                    fields.push((name, scalar(value)));
                }
            }
        }
        fields
    }

    /// The annotation's text.
    pub(crate) fn to_text(&self) -> String {
        self.fields().into_iter().flat_map(|(name, value)| [name.to_owned(), value, "\n".to_owned()]).collect()
    }
}

/// The text of a list of origins.
pub(crate) fn list_text(origins: &[Origin]) -> String {
    let mut text = String::new();
    for origin in origins {
        for (index, (name, value)) in origin.fields().into_iter().enumerate() {
            text.push_str(if index == 0 { "- " } else { "  " });
            text.push_str(name);
            text.push_str(&value);
            text.push('\n');
        }
    }
    text
}

/// A string as one line of YAML.
fn scalar(text: &str) -> String {
    let mapping: Mapping = [("v".to_owned(), Node::string(text))].into_iter().collect();
    write(&mapping.into()).map(|line| line["v: ".len()..].trim_end().to_owned()).unwrap_or_default()
}

/// Joins paths that may climb above the top directory (`..` parts are kept when there is nothing to take away).
fn join_lexically(base: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}
