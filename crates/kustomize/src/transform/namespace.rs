//! `namespace`: sets the namespace of everything that has one.

use sluice_yaml::{Node, Value};

use super::{Transform, TransformError};
use crate::fieldspec::{Create, FieldError, FieldSpec, expect_scalar, set_text};
use crate::id::Gvk;
use crate::resmap::ResMap;
use crate::resource::Resource;

/// Which subjects of role bindings get the namespace.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum SubjectMode {
    /// Those named `default`; others follow through name references.
    #[default]
    DefaultOnly,
    /// Every service account.
    AllServiceAccounts,
    /// None.
    None,
}

impl SubjectMode {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "" | "defaultOnly" => Some(Self::DefaultOnly),
            "allServiceAccounts" => Some(Self::AllServiceAccounts),
            "none" => Some(Self::None),
            _ => None,
        }
    }
}

/// Sets namespaces.
#[derive(Debug, Default)]
pub(crate) struct SetNamespace {
    pub(crate) namespace: String,
    pub(crate) specs: Vec<FieldSpec>,
    pub(crate) unset_only: bool,
    pub(crate) subjects: SubjectMode,
}

impl SetNamespace {
    fn set(&self, field: &mut Node) -> Result<(), String> {
        expect_scalar(field)?;
        if self.unset_only && !field.is_null() && field.text() != Some("") {
            return Ok(());
        }
        set_text(field, &self.namespace)
    }

    /// Sets the namespace of one resource.
    pub(super) fn change(&self, resource: &mut Resource) -> Result<(), FieldError> {
        let is_binding = matches!(resource.id.gvk.kind.as_str(), "RoleBinding" | "ClusterRoleBinding");
        if !resource.id.gvk.is_cluster_scoped() {
            let spec = FieldSpec::new(Gvk::default(), "metadata/namespace", true);
            spec.visit(&mut resource.node, &resource.id, Create::Scalar, &mut |field| self.set(field))?;
        }
        if is_binding {
            self.set_subjects(&mut resource.node).map_err(FieldError::Other)?;
        }
        for spec in &self.specs {
            let handled = spec.path == "metadata/namespace"
                // Only the core Namespace is renamed; others of that name are left alone.
                || (spec.path == "metadata/name" && !(resource.id.gvk.group.is_empty() && resource.id.gvk.version == "v1"))
                || (is_binding
                    && spec.path == "subjects/namespace"
                    && matches!(spec.gvk.kind.as_str(), "RoleBinding" | "ClusterRoleBinding"));
            if !handled {
                spec.visit(&mut resource.node, &resource.id, Create::Scalar, &mut |field| self.set(field)).map_err(
                    |source| {
                        let act = if source.is_wrong_kind() {
                            "namespace field specs must target scalar nodes"
                        } else {
                            "namespace transformation failed"
                        };
                        FieldError::During { act, source: Box::new(source) }
                    },
                )?;
            }
        }
        Ok(())
    }

    fn set_subjects(&self, node: &mut Node) -> Result<(), String> {
        let (field, wanted) = match self.subjects {
            SubjectMode::None => return Ok(()),
            SubjectMode::DefaultOnly => ("name", "default"),
            SubjectMode::AllServiceAccounts => ("kind", "ServiceAccount"),
        };
        let Some(subjects) = node.get_mut("subjects").filter(|subjects| !subjects.is_null()) else { return Ok(()) };
        let Value::Sequence(subjects) = &mut subjects.value else {
            return Err("setting namespace on (cluster)role binding subjects: not a list".to_owned());
        };
        for subject in subjects.iter_mut().filter(|subject| !subject.is_null()) {
            let unfit = match subject.get(field) {
                _ if subject.as_mapping().is_none() => Some(("MappingNode", &*subject)),
                Some(value) if value.as_scalar().is_none() => Some(("ScalarNode", value)),
                _ => None,
            };
            if let Some((wanted, node)) = unfit {
                let problem = crate::merge::MergeError::wrong_kind(wanted, node);
                return Err(format!(
                    "setting namespace on (cluster)role binding subjects: looking up {field} on (cluster)role binding subject: {problem}"
                ));
            }
            if subject.get(field).and_then(Node::text) == Some(wanted)
                && let Some(mapping) = subject.as_mapping_mut()
            {
                self.set(mapping.get_or_insert_with("namespace", || Node::string("")))?;
            }
        }
        Ok(())
    }
}

impl Transform for SetNamespace {
    fn apply(&self, resources: &mut ResMap) -> Result<(), TransformError> {
        if self.namespace.is_empty() {
            return Ok(());
        }
        for index in resources.named(None) {
            resources.edit(index, |resource| {
                resource.store_past_id();
                self.change(resource)
            })?;
            let id = &resources.get(index).id;
            if resources.count(id) != 1 {
                let key = id.key();
                let same: Vec<String> = resources
                    .iter()
                    .filter(|resource| resource.id.key() == key)
                    .map(|resource| crate::hash::go_json_text(&resource.annotated()))
                    .collect();
                return Err(TransformError::NamespaceConflict(same.join(" ")));
            }
        }
        Ok(())
    }
}
