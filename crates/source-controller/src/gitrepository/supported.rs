//! Refuses, by name, the fields whose behaviour is not built yet: ignoring one would publish something other than what was asked for.
//!
//! Deliberately no check of values; those are the phases' own.

use sluice_api::source::{GitProvider, GitRepository};

/// A field that this version does not honour.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{field} is not supported by this version of source-controller; remove the field, or run Flux's source-controller for this object"
)]
pub(crate) struct Unsupported {
    /// The field, with the value where that matters.
    pub(crate) field: String,
}

/// Checks the whole spec.
pub(crate) fn check(object: &GitRepository) -> Result<(), Unsupported> {
    let spec = &object.spec;
    let provider = object.provider();
    let refused = [
        (spec.url.starts_with("ssh://"), "spec.url with the scheme ssh".to_owned()),
        (provider != GitProvider::Generic, format!("spec.provider '{provider}'")),
        (spec.service_account_name.is_some(), "spec.serviceAccountName".to_owned()),
        (spec.verify.is_some(), "spec.verify".to_owned()),
        (spec.recurse_submodules, "spec.recurseSubmodules".to_owned()),
        (!spec.include.is_empty(), "spec.include".to_owned()),
        (!spec.sparse_checkout.is_empty(), "spec.sparseCheckout".to_owned()),
    ];
    match refused.into_iter().find(|(set, _)| *set) {
        Some((_, field)) => Err(Unsupported { field }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use sluice_api::meta::LocalObjectReference;
    use sluice_api::source::{GitInclude, GitRepositorySpec, GitVerification};

    use super::*;

    fn refused(change: impl FnOnce(&mut GitRepositorySpec)) -> Option<String> {
        let mut spec = GitRepositorySpec { url: "https://git.example/a".into(), ..GitRepositorySpec::default() };
        change(&mut spec);
        check(&GitRepository::new("web", spec)).err().map(|error| error.field)
    }

    #[test]
    fn each_field_that_is_not_honoured_is_refused_by_name() {
        assert_eq!(refused(|_| ()), None);
        assert_eq!(refused(|spec| spec.proxy_secret_ref = Some(LocalObjectReference::new("proxy"))), None);
        let field = |name: &str| Some(name.to_owned());
        assert_eq!(refused(|spec| spec.url = "ssh://git@h/a".into()), field("spec.url with the scheme ssh"));
        assert_eq!(refused(|spec| spec.provider = Some(GitProvider::GitHub)), field("spec.provider 'github'"));
        assert_eq!(refused(|spec| spec.service_account_name = field("a")), field("spec.serviceAccountName"));
        assert_eq!(refused(|spec| spec.verify = Some(GitVerification::default())), field("spec.verify"));
        assert_eq!(refused(|spec| spec.recurse_submodules = true), field("spec.recurseSubmodules"));
        assert_eq!(refused(|spec| spec.include = vec![GitInclude::default()]), field("spec.include"));
        assert_eq!(refused(|spec| spec.sparse_checkout = vec!["a".into()]), field("spec.sparseCheckout"));
    }
}
