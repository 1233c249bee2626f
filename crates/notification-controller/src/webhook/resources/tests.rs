use serde_json::{Value, json};

use super::*;
use crate::fakes::{map, object};

fn read(entry: Value, cross_namespace: CrossNamespace) -> Result<Target, String> {
    target(&object(entry), "apps", cross_namespace).map_err(|error| error.to_string())
}

fn one(api_version: &str, kind: &str, namespace: &str, name: &str) -> Target {
    Target::One(Resource::parse(api_version, kind).unwrap(), ObjectName::parse(namespace, name).unwrap())
}

#[test]
fn an_entry_names_one_object_with_defaults_for_version_and_namespace() {
    use CrossNamespace::Allowed;
    let source = "source.toolkit.fluxcd.io/v1";
    for kind in ["Bucket", "GitRepository", "OCIRepository", "HelmRepository", "HelmChart"] {
        assert_eq!(read(json!({"kind": kind, "name": "x"}), Allowed), Ok(one(source, kind, "apps", "x")));
    }
    let image = one("image.toolkit.fluxcd.io/v1", "ImageRepository", "apps", "x");
    assert_eq!(read(json!({"kind": "ImageRepository", "name": "x"}), Allowed), Ok(image));
    let generator = one("source.extensions.fluxcd.io/v1beta1", "ArtifactGenerator", "apps", "x");
    assert_eq!(read(json!({"kind": "ArtifactGenerator", "name": "x"}), Allowed), Ok(generator));
    let explicit = json!({"kind": "Kustomization", "name": "x", "namespace": "other", "apiVersion": "k/v1",
        "matchLabels": {"ignored": "yes"}});
    assert_eq!(read(explicit, Allowed), Ok(one("k/v1", "Kustomization", "other", "x")));
    for kind in ["Kustomization", "HelmRelease", "ImagePolicy", "ImageUpdateAutomation", "ExternalArtifact"] {
        let expected = Err(format!("apiVersion must be specified for kind '{kind}'"));
        assert_eq!(read(json!({"kind": kind, "name": "x"}), Allowed), expected);
    }
}

#[test]
fn an_asterisk_selects_by_labels_and_needs_them() {
    let entry = json!({"kind": "Bucket", "name": "*", "matchLabels": {"team": "a"}});
    let expected = Target::Labelled {
        resource: Resource::parse("source.toolkit.fluxcd.io/v1", "Bucket").unwrap(),
        namespace: "apps".to_owned(),
        selector: LabelSelector::parse(&map(&[("team", "a")])).unwrap(),
    };
    assert_eq!(read(entry, CrossNamespace::Allowed), Ok(expected));
    let everything = Target::Labelled {
        resource: Resource::parse("source.toolkit.fluxcd.io/v1", "Bucket").unwrap(),
        namespace: "apps".to_owned(),
        selector: LabelSelector::default(),
    };
    let entry = json!({"kind": "Bucket", "name": "*", "matchLabels": {}});
    assert_eq!(read(entry, CrossNamespace::Allowed), Ok(everything));
    assert_eq!(
        read(json!({"kind": "Bucket", "name": "*"}), CrossNamespace::Allowed),
        Err("matchLabels must be set when name is '*'".to_owned())
    );
}

#[test]
fn another_namespace_is_an_error_when_that_is_forbidden() {
    use CrossNamespace::Blocked;
    let own = json!({"kind": "Bucket", "name": "x", "namespace": "apps"});
    assert_eq!(read(own, Blocked), Ok(one("source.toolkit.fluxcd.io/v1", "Bucket", "apps", "x")));
    assert_eq!(
        read(json!({"kind": "Bucket", "name": "x", "namespace": "other"}), Blocked),
        Err("can't access 'Bucket/other/x', cross-namespace references have been blocked".to_owned())
    );
}

#[test]
fn names_that_would_become_another_path_are_refused() {
    for (namespace, name) in [("apps", "../secrets/x"), ("../x", "a"), ("../x", "*")] {
        let entry = json!({"kind": "Bucket", "name": name, "namespace": namespace, "matchLabels": {"a": "b"}});
        assert!(read(entry, CrossNamespace::Allowed).is_err(), "{namespace} {name}");
    }
}
