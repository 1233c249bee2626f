//! `images`: new names, tags and digests for containers' images.

use regex::Regex;
use sluice_yaml::{Node, Value};

use super::{Transform, TransformError};
use crate::fieldspec::{Create, FieldError, FieldSpec, expect_scalar, set_text};
use crate::kustomization::Image;
use crate::resmap::ResMap;
use crate::selector::compile;

/// One image change.
#[derive(Debug)]
pub(crate) struct ImageTag {
    image: Image,
    specs: Vec<FieldSpec>,
    /// `None` for a name that is not a pattern: it matches nothing.
    pattern: Option<Regex>,
}

impl ImageTag {
    pub(crate) fn new(image: Image, specs: Vec<FieldSpec>) -> Self {
        // The name is used as a pattern, unescaped: `ngin.` matches nginx.
        let pattern = format!("^{}(:[a-zA-Z0-9_.{{}}-]*)?(@sha256:[a-zA-Z0-9_.{{}}-]*)?$", image.name);
        Self { pattern: compile(&pattern).ok(), image, specs }
    }

    fn change(&self, field: &mut Node) -> Result<(), String> {
        expect_scalar(field)?;
        let text = field.text().unwrap_or_default();
        if !self.pattern.as_ref().is_some_and(|pattern| pattern.is_match(text)) {
            return Ok(());
        }
        let new = self.renamed(text);
        if new == text {
            return Ok(());
        }
        set_text(field, &new)
    }

    fn renamed(&self, text: &str) -> String {
        let Image { name: _, new_name, tag_suffix, new_tag, digest: new_digest } = &self.image;
        let (old_name, mut tag, mut digest) = split(text);
        let suffixed;
        match (new_tag.as_str(), new_digest.as_str(), tag_suffix.as_str()) {
            ("", "", "") => {}
            ("", "", suffix) => {
                suffixed = format!("{tag}{suffix}");
                (tag, digest) = (&suffixed, "");
            }
            (new_tag, new_digest, _) => (tag, digest) = (new_tag, new_digest),
        }
        let mut image = if new_name.is_empty() { old_name.to_owned() } else { new_name.clone() };
        for (mark, part) in [(':', tag), ('@', digest)] {
            if !part.is_empty() {
                image.push(mark);
                image.push_str(part);
            }
        }
        image
    }

    /// Besides the table, every list under `containers` or `initContainers` anywhere counts.
    fn walk(&self, node: &mut Node) -> Result<(), String> {
        match &mut node.value {
            Value::Scalar(_) => Ok(()),
            Value::Sequence(items) => items.iter_mut().try_for_each(|item| self.walk(item)),
            Value::Mapping(mapping) => mapping.entries_mut().iter_mut().try_for_each(|entry| {
                self.walk(&mut entry.value)?;
                if !matches!(entry.key.text.as_str(), "containers" | "initContainers") {
                    return Ok(());
                }
                for item in entry.value.as_sequence_mut().into_iter().flatten().filter(|item| !item.is_null()) {
                    if item.as_mapping().is_none() {
                        return Err(crate::merge::MergeError::wrong_kind("MappingNode", item).to_string());
                    }
                    if let Some(image) = item.get_mut("image").filter(|image| !image.is_null()) {
                        self.change(image)?;
                    }
                }
                Ok(())
            }),
        }
    }
}

impl Transform for ImageTag {
    fn apply(&self, resources: &mut ResMap) -> Result<(), TransformError> {
        resources.edit_contents(|resource| {
            if resource.id.gvk.kind == "CustomResourceDefinition" {
                return Ok(());
            }
            self.walk(&mut resource.node).map_err(|problem| FieldError::At {
                path: "image".to_owned(),
                id: resource.id.to_string(),
                problem,
            })
        })?;
        resources.edit_all(|resource| {
            if resource.id.gvk.kind == "CustomResourceDefinition" {
                return Ok(());
            }
            for spec in &self.specs {
                spec.visit(&mut resource.node, &resource.id, Create::Never, &mut |field| self.change(field))?;
            }
            Ok(())
        })
    }
}

/// Name, tag and digest; a colon before the first slash belongs to a host's port.
fn split(image: &str) -> (&str, &str, &str) {
    let start = image.find('/').unwrap_or(0);
    let (path, digest) = match image[start..].find('@') {
        Some(at) => (&image[..start + at], &image[start + at + 1..]),
        None => (image, ""),
    };
    match path[start..].find(':') {
        Some(colon) => (&path[..start + colon], &path[start + colon + 1..], digest),
        None => (path, "", digest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_split_into_name_tag_and_digest() {
        for (image, parts) in [
            ("nginx", ("nginx", "", "")),
            ("nginx:1.2", ("nginx", "1.2", "")),
            ("nginx@sha256:ab", ("nginx", "", "sha256:ab")),
            ("host:443/a/nginx:1@sha256:ab", ("host:443/a/nginx", "1", "sha256:ab")),
            ("host:443/nginx", ("host:443/nginx", "", "")),
        ] {
            assert_eq!(split(image), parts);
        }
    }

    #[test]
    fn a_new_tag_drops_the_digest_and_a_digest_the_tag() {
        let renamed = |change: Image, text: &str| {
            let step = ImageTag::new(Image { name: "nginx".to_owned(), ..change }, Vec::new());
            let mut node = Node::string(text);
            step.change(&mut node).unwrap();
            node.text().unwrap_or_default().to_owned()
        };
        let tag = || Image { new_tag: "2".to_owned(), ..Image::default() };
        let digest = || Image { digest: "sha256:c".to_owned(), ..Image::default() };
        assert_eq!(renamed(tag(), "nginx:1@sha256:b"), "nginx:2");
        assert_eq!(renamed(digest(), "nginx:1"), "nginx@sha256:c");
        assert_eq!(renamed(Image { digest: "sha256:c".to_owned(), ..tag() }, "nginx"), "nginx:2@sha256:c");
        assert_eq!(renamed(Image { new_name: "apache".to_owned(), ..Image::default() }, "nginx:1"), "apache:1");
        assert_eq!(renamed(Image { tag_suffix: "-x".to_owned(), ..Image::default() }, "nginx:1"), "nginx:1-x");
        assert_eq!(renamed(tag(), "nginx2:1"), "nginx2:1");
    }
}
