use super::*;

fn valid() -> Metadata {
    let mut metadata = Metadata::parse(b"apiVersion: v2\nname: web\nversion: 1.2.3\n").unwrap();
    metadata.validate().unwrap();
    metadata
}

#[test]
fn scalars_become_strings_where_strings_are_wanted() {
    let text = "apiVersion: v2\nname: 7\nversion: 1.10\nappVersion: 1.50e2\ndeprecated: yes\nannotations: {a: true, b: 12345e7, c: 0x10, d: null}\nkeywords: [1, x, ~]\nicon: 2020-01-02\n";
    let metadata = Metadata::parse(text.as_bytes()).unwrap();
    let annotations = [("a", "true"), ("b", "1.2345e+11"), ("c", "16"), ("d", "")];
    assert_eq!(
        metadata,
        Metadata {
            api_version: "v2".into(),
            name: "7".into(),
            version: "1.1".into(),
            app_version: "150".into(),
            deprecated: true,
            annotations: annotations.map(|(key, value)| (key.into(), value.into())).into(),
            keywords: vec!["1".into(), "x".into(), String::new()],
            icon: "2020-01-02".into(),
            ..Metadata::default()
        }
    );
}

#[test]
fn names_of_fields_match_in_any_case_and_others_are_ignored() {
    let metadata = Metadata::parse(b"NAME: a\nname: b\nApiversion: v1\nother: {x: 1}\n").unwrap();
    assert_eq!((metadata.name.as_str(), metadata.api_version.as_str()), ("b", "v1"));
}

#[test]
fn values_of_the_wrong_type_are_refused_with_their_field() {
    for (text, message) in [
        ("name: [a]", "json: cannot unmarshal array into Go struct field Metadata.name of type string"),
        ("name: {}", "json: cannot unmarshal object into Go struct field Metadata.name of type string"),
        ("deprecated: 1", "json: cannot unmarshal number into Go struct field Metadata.deprecated of type bool"),
        ("keywords: a", "json: cannot unmarshal string into Go struct field Metadata.keywords of type []string"),
        (
            "dependencies: [{tags: 1}]",
            "json: cannot unmarshal number into Go struct field Dependency.tags of type []string",
        ),
    ] {
        let Err(YamlFileError::Decode(error)) = Metadata::parse(text.as_bytes()) else { panic!("{text}") };
        assert_eq!(error.to_string(), message);
    }
    assert!(matches!(Metadata::parse(b"a: [\n"), Err(YamlFileError::Yaml(_))));
    assert!(matches!(Metadata::parse(b"name: \xff\n"), Err(YamlFileError::Yaml(_))));
}

#[test]
fn broken_rules_have_helms_texts() {
    type Break = fn(&mut Metadata);
    let dependency =
        |name: &str, alias: &str| Dependency { name: name.into(), alias: alias.into(), ..Dependency::default() };
    let cases: [(Break, &str); 10] = [
        (|m| m.api_version.clear(), "validation: chart.metadata.apiVersion is required"),
        (|m| m.name.clear(), "validation: chart.metadata.name is required"),
        (|m| "\u{7}".clone_into(&mut m.name), "validation: chart.metadata.name is required"),
        (|m| "..".clone_into(&mut m.name), "validation: chart.metadata.name \"..\" is not allowed"),
        (|m| "a/b".clone_into(&mut m.name), "validation: chart.metadata.name \"a/b\" is invalid"),
        (|m| m.version.clear(), "validation: chart.metadata.version is required"),
        (|m| "one".clone_into(&mut m.version), "validation: chart.metadata.version \"one\" is invalid"),
        (|m| "tool".clone_into(&mut m.kind), "validation: chart.metadata.type must be application or library"),
        (|m| m.null_maintainer = true, "validation: maintainers must not contain empty or null nodes"),
        (|m| m.null_dependency = true, "validation: dependencies must not contain empty or null nodes"),
    ];
    for (change, message) in cases {
        let mut metadata = valid();
        change(&mut metadata);
        assert_eq!(metadata.validate().unwrap_err().to_string(), message);
    }
    let mut metadata = valid();
    metadata.dependencies = vec![dependency("db", "a b")];
    let error = metadata.validate().unwrap_err();
    assert_eq!(error.to_string(), "validation: dependency \"db\" has disallowed characters in the alias");
    metadata.dependencies = vec![dependency("db", ""), dependency("cache", "db")];
    let error = metadata.validate().unwrap_err();
    assert_eq!(error.to_string(), "validation: more than one dependency with name or alias \"db\"");
    assert!(error.is_tolerated_in_index());
}

#[test]
fn nulls_in_lists_are_found_when_validated() {
    for (text, expected) in [
        ("maintainers: [~]", ValidationError::MaintainerNull),
        ("dependencies: [{name: a}, ~]", ValidationError::DependencyNull),
    ] {
        let mut metadata =
            Metadata::parse(format!("apiVersion: v2\nname: a\nversion: 1.0.0\n{text}\n").as_bytes()).unwrap();
        assert_eq!(metadata.validate(), Err(expected));
    }
}

#[test]
fn requirements_replace_dependencies_and_are_left_out_of_a_written_v1_chart() {
    let mut metadata =
        Metadata::parse(b"apiVersion: v1\nname: a\nversion: 1.0.0\ndependencies: [{name: old}]\n").unwrap();
    metadata.merge(b"dependencies:\n- {name: db, version: 1.x, repository: https://charts.example.com}\n").unwrap();
    assert_eq!(metadata.dependencies.len(), 1);
    assert_eq!(metadata.dependencies[0].name, "db");
    assert_eq!(metadata.to_yaml(), "apiVersion: v1\nname: a\nversion: 1.0.0\n");
    metadata.api_version = "v2".into();
    let expected = "apiVersion: v2\ndependencies:\n- name: db\n  repository: https://charts.example.com\n  version: 1.x\nname: a\nversion: 1.0.0\n";
    assert_eq!(metadata.to_yaml(), expected);
}

#[test]
fn locks_are_read_and_written() {
    let text = "dependencies:\n- name: db\n  repository: \"\"\n  version: 1.2.3\ndigest: sha256:abc\ngenerated: \"2020-01-02T03:04:05.5Z\"\n";
    let lock = Lock::parse(text.as_bytes()).unwrap().unwrap();
    assert_eq!(lock.dependencies[0].version, "1.2.3");
    assert_eq!(lock.to_yaml(), text);
    assert_eq!(Lock::parse(b"null\n").unwrap(), None);
    assert_eq!(Lock::parse(b"").unwrap(), Some(Lock::default()));
    assert!(Lock::parse(b"generated: yesterday\n").is_err());
}
