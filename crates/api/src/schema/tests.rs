use cel::{Context, Program};

use super::*;

fn roots() -> Vec<(String, JSONSchemaProps)> {
    crds()
        .into_iter()
        .map(|crd| {
            let schema = crd.spec.versions.into_iter().next().unwrap().schema.unwrap();
            (crd.spec.names.kind, schema.open_api_v3_schema.unwrap())
        })
        .collect()
}

/// Calls `visit` for every schema below and including `schema`, with its path.
fn walk(path: &str, schema: &JSONSchemaProps, visit: &mut impl FnMut(&str, &JSONSchemaProps)) {
    visit(path, schema);
    for (name, property) in schema.properties.iter().flatten() {
        walk(&format!("{path}.{name}"), property, visit);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items {
        walk(&format!("{path}[]"), items, visit);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &schema.additional_properties {
        walk(&format!("{path}{{}}"), values, visit);
    }
}

#[test]
fn there_are_ten_kinds_and_each_is_protected_from_substitution() {
    let kinds: Vec<_> =
        crds().into_iter().map(|crd| (crd.spec.names.kind, crd.metadata.annotations.unwrap_or_default())).collect();
    let disabled = BTreeMap::from([("kustomize.toolkit.fluxcd.io/substitute".to_owned(), "disabled".to_owned())]);
    let expected: Vec<_> = [
        "Kustomization",
        "Alert",
        "Provider",
        "Receiver",
        "Bucket",
        "ExternalArtifact",
        "GitRepository",
        "HelmChart",
        "HelmRepository",
        "OCIRepository",
    ]
    .into_iter()
    .map(|kind| (kind.to_owned(), disabled.clone()))
    .collect();
    assert_eq!(kinds, expected);
}

#[test]
fn every_schema_is_structural() {
    for (kind, root) in roots() {
        walk(&kind, &root, &mut |path, schema| {
            assert!(schema.type_.is_some(), "{path} has a type");
            assert!(schema.any_of.is_none() && schema.one_of.is_none() && schema.all_of.is_none(), "{path}");
            assert_eq!(schema.nullable, None, "{path}");
            let arbitrary = schema.type_.as_deref() == Some("object")
                && schema.properties.is_none()
                && schema.additional_properties.is_none();
            assert!(!arbitrary || path.ends_with(".metadata"), "{path} would lose its fields");
        });
    }
}

#[test]
fn every_field_is_described_in_one_line_per_paragraph() {
    for (kind, root) in roots() {
        walk(&kind, &root, &mut |path, schema| {
            let item = path.ends_with("[]") || path.ends_with("{}");
            let root_metadata = path == format!("{kind}.metadata");
            match &schema.description {
                Some(text) => {
                    assert!(!text.contains('[') && !text.contains("${"), "{path}: {text}");
                    assert!(!text.replace("\n\n", "").contains('\n'), "{path}: {text}");
                    assert!(text.ends_with('.'), "{path}: {text}");
                }
                None => assert!(item || root_metadata, "{path} has no description"),
            }
        });
    }
}

#[test]
fn every_default_is_an_allowed_value() {
    for (kind, root) in roots() {
        walk(&kind, &root, &mut |path, schema| {
            if let (Some(default), Some(allowed)) = (&schema.default, &schema.enum_) {
                assert!(allowed.contains(default), "{path}");
            }
        });
    }
}

#[test]
fn every_cel_rule_compiles() {
    let mut count = 0;
    for (kind, root) in roots() {
        walk(&kind, &root, &mut |path, schema| {
            for rule in schema.x_kubernetes_validations.iter().flatten() {
                Program::compile(&rule.rule).unwrap_or_else(|err| panic!("{path}: {}: {err}", rule.rule));
                count += 1;
            }
        });
    }
    assert_eq!(
        count, 16,
        "1 of GitRepository, 1 of HelmChart, 7 of Bucket, 2 of Kustomization, 4 of Receiver, 1 of Provider"
    );
}

/// The messages of the rules at `path` that `value` breaks.
fn broken(kind: &str, path: &str, value: &Value) -> Vec<String> {
    let (_, root) = roots().into_iter().find(|(name, _)| name == kind).unwrap();
    let mut messages = Vec::new();
    walk("", &root, &mut |at, schema| {
        for rule in schema.x_kubernetes_validations.iter().flatten().filter(|_| at == path) {
            let mut context = Context::default();
            context.add_variable_from_value("self", cel::to_value(value).unwrap());
            let program = Program::compile(&rule.rule).unwrap();
            match program.execute(&context).unwrap_or_else(|err| panic!("{}: {err}", rule.rule)) {
                cel::Value::Bool(true) => {}
                cel::Value::Bool(false) => messages.push(rule.message.clone().unwrap_or_default()),
                other => panic!("{}: {other:?}", rule.rule),
            }
        }
    });
    messages
}

#[test]
fn cel_rules_accept_and_refuse_what_the_contract_says() {
    let one_kube_config = "exactly one of spec.kubeConfig.configMapRef or spec.kubeConfig.secretRef must be specified";
    let table = [
        ("GitRepository", ".spec", json!({}), vec![]),
        ("GitRepository", ".spec", json!({"serviceAccountName": "a", "provider": "azure"}), vec![]),
        (
            "GitRepository",
            ".spec",
            json!({"serviceAccountName": "a"}),
            vec!["serviceAccountName can only be set when provider is 'azure' or 'aws'"],
        ),
        ("HelmChart", ".spec", json!({"sourceRef": {"kind": "Bucket"}}), vec![]),
        (
            "HelmChart",
            ".spec",
            json!({"sourceRef": {"kind": "Bucket"}, "verify": {}}),
            vec!["spec.verify is only supported when spec.sourceRef.kind is 'HelmRepository'"],
        ),
        ("Bucket", ".spec", json!({"provider": "generic", "sts": {"provider": "ldap", "secretRef": {}}}), vec![]),
        (
            "Bucket",
            ".spec",
            json!({"provider": "gcp", "sts": {"provider": "aws", "secretRef": {}, "certSecretRef": {}}}),
            vec![
                "STS configuration is only supported for the 'aws' and 'generic' Bucket providers",
                "spec.sts.secretRef is not required for the 'aws' STS provider",
                "spec.sts.certSecretRef is not required for the 'aws' STS provider",
            ],
        ),
        (
            "Bucket",
            ".spec",
            json!({"provider": "aws", "sts": {"provider": "ldap"}}),
            vec!["'aws' is the only supported STS provider for the 'aws' Bucket provider"],
        ),
        (
            "Bucket",
            ".spec",
            json!({"provider": "generic", "sts": {"provider": "aws"}, "serviceAccountName": "a", "secretRef": {}}),
            vec![
                "'ldap' is the only supported STS provider for the 'generic' Bucket provider",
                "ServiceAccountName is not supported for the 'generic' Bucket provider",
                "cannot set both .spec.secretRef and .spec.serviceAccountName",
            ],
        ),
        ("Kustomization", ".spec.kubeConfig", json!({"secretRef": {}}), vec![]),
        ("Kustomization", ".spec.kubeConfig", json!({}), vec![one_kube_config]),
        ("Kustomization", ".spec.kubeConfig", json!({"secretRef": {}, "configMapRef": {}}), vec![one_kube_config]),
        ("Receiver", ".spec", json!({"type": "github", "secretRef": {}}), vec![]),
        ("Receiver", ".spec", json!({"type": "generic-oidc", "oidcProviders": [{}]}), vec![]),
        (
            "Receiver",
            ".spec",
            json!({"type": "generic-oidc", "oidcProviders": [], "secretRef": {}}),
            vec![
                "generic-oidc receivers must define at least one oidcProvider",
                "secretRef cannot be set when type is generic-oidc",
            ],
        ),
        (
            "Receiver",
            ".spec",
            json!({"type": "github", "oidcProviders": [{}]}),
            vec![
                "oidcProviders can only be set when type is generic-oidc",
                "secretRef is required when type is not generic-oidc",
            ],
        ),
        ("Provider", ".spec", json!({"type": "gitea", "commitStatusExpr": "'x'"}), vec![]),
        (
            "Provider",
            ".spec",
            json!({"type": "slack", "commitStatusExpr": "'x'"}),
            vec![concat!(
                "spec.commitStatusExpr is only supported for the 'github', 'gitlab', 'gitea', 'bitbucketserver', ",
                "'bitbucket', 'azuredevops' provider types"
            )],
        ),
    ];
    for (kind, path, value, expected) in table {
        assert_eq!(broken(kind, path, &value), expected, "{kind} {value}");
    }
}
