use serde_json::json;
use sluice_kustomize::RelPath;
use sluice_sops::{DataKey, KeyFuture, MasterKey};

use super::*;

/// Opens every master key with the one data key of the tests.
struct OneKey;

impl KeyServices for OneKey {
    fn decrypt<'a>(&'a self, _key: &'a MasterKey) -> KeyFuture<'a> {
        Box::pin(async { Ok(DataKey::new(vec![5; 32])) })
    }
}

fn decryptor() -> Decryptor {
    Decryptor::new(Box::new(OneKey))
}

/// A value under that key, with a constant nonce: `data` and `tag` are what differs.
fn sealed(data: &str, tag: &str) -> String {
    format!("ENC[AES256_GCM,data:{data},iv:CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=,tag:{tag},type:str]")
}

/// `s3cret` at `data:`, `password:` and `stringData:key:`.
fn at_data() -> String {
    sealed("2hqY8ztw", "kuTrjhB304A7Opfj4mBdQg==")
}
fn at_password() -> String {
    sealed("2hqY8ztw", "gQKg72Q/uyBuuz13qr5I4g==")
}
fn at_string_data() -> String {
    sealed("2hqY8ztw", "vP4WhsqnffK/FfTy0PfgFA==")
}
/// `v` at `A:`.
fn at_a() -> String {
    sealed("3w==", "V3UV1k+XSvbHabiDZz+Cig==")
}

fn metadata() -> Value {
    json!({"age": [{"recipient": "age1x", "enc": "x"}], "lastmodified": "2024-01-01T00:00:00Z", "mac": "ENC[x]"})
}

fn yaml_file() -> String {
    format!(
        "password: {}\nsops:\n    age:\n        - recipient: age1x\n          enc: x\n    lastmodified: \"2024-01-01T00:00:00Z\"\n    mac: ENC[x]\n",
        at_password()
    )
}

fn binary_file() -> String {
    format!(
        "{{\"data\": \"{}\", \"sops\": {{\"age\": [{{\"enc\": \"x\"}}], \"lastmodified\": \"2024-01-01T00:00:00Z\", \"mac\": \"ENC[x]\"}}}}",
        at_data()
    )
}

fn env_file() -> String {
    format!("A={}\nsops_age__list_0__map_enc=x\nsops_lastmodified=2024-01-01T00:00:00Z\nsops_mac=ENC[x]\n", at_a())
}

fn path(text: &str) -> RelPath {
    RelPath::new(text).unwrap()
}

fn tree(files: &[(&str, &str)]) -> MemoryTree {
    let mut tree = MemoryTree::new();
    for (name, content) in files {
        tree.insert(path(name), *content);
    }
    tree
}

async fn sources(files: &[(&str, &str)], dir: &str) -> Result<Vec<(String, String)>, String> {
    let gathered = gather(&tree(files), &path(dir)).map_err(|error| error.to_string())?;
    let made = decryptor().sources(gathered).await.map_err(|error| error.to_string())?;
    let text = |content: &[u8]| String::from_utf8(content.to_vec()).unwrap();
    Ok(made.files().map(|(path, content)| (path.to_string(), text(content))).collect())
}

fn files(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|&(path, content)| (path.to_owned(), content.to_owned())).collect()
}

#[tokio::test]
async fn generators_and_patches_are_decrypted_wherever_resources_and_components_lead() {
    let (yaml, binary, env) = (yaml_file(), binary_file(), env_file());
    let made = sources(
        &[
            ("apps/kustomization.yaml", "resources: [web, ../base, missing, plain.yaml, 'https://example.org/x']\ncomponents: [../component]\nsecretGenerator:\n- name: s\n  files: [config.yaml, key=blob.txt, 'open.yaml']\n  envs: [.env, settings]\npatches:\n- path: patch.yaml\n- patch: inline\n- path: https://example.org/patch.yaml\n"),
            ("apps/config.yaml", &yaml),
            ("apps/blob.txt", &binary),
            ("apps/open.yaml", "a: b\n"),
            ("apps/.env", &env),
            ("apps/settings", &env),
            ("apps/patch.yaml", &yaml),
            ("apps/plain.yaml", &yaml),
            ("apps/web/kustomization.yml", "secretGenerator:\n- files: [x.yaml]\nresources: [..]\n"),
            ("apps/web/x.yaml", &yaml),
            ("base/Kustomization", "configMapGenerator:\n- files: [y.yaml]\n"),
            ("base/y.yaml", &yaml),
            ("component/kustomization.yaml", "secretGenerator:\n- envs: [../../../z.env]\n"),
            ("z.env", &env),
        ],
        "apps",
    )
    .await;
    let (plain, a) = ("password: s3cret\n", "A=v\n");
    let expected = [
        ("apps/.env", a),
        ("apps/blob.txt", "s3cret"),
        ("apps/config.yaml", plain),
        ("apps/patch.yaml", plain),
        ("apps/settings", a),
        ("apps/web/x.yaml", plain),
        ("z.env", a),
    ];
    assert_eq!(made, Ok(files(&expected)));
}

#[tokio::test]
async fn the_key_decides_about_the_format_and_other_formats_are_left_alone() {
    let yaml = yaml_file();
    let made = sources(
        &[
            ("kustomization.yaml", "secretGenerator:\n- files: [a.txt=a.yaml, b.yaml=b.txt]\n"),
            ("a.yaml", &yaml),
            ("b.txt", &yaml),
        ],
        "",
    )
    .await;
    assert_eq!(made, Ok(files(&[("b.txt", "password: s3cret\n")])));
}

#[tokio::test]
async fn what_cannot_be_walked_is_an_error_that_names_the_place() {
    let large = "x".repeat(sluice_sops::MAX_DOCUMENT_BYTES + 1);
    let top = |text| ("kustomization.yaml", text);
    for (given, error) in [
        (vec![("a", "x")], "no kustomization file found in '.'"),
        (vec![top(""), ("Kustomization", "")], "found multiple kustomization files in '.'"),
        (vec![("kustomization.yaml/a", "")], "expected kustomization.yaml to be a regular file"),
        (vec![top("resources: [a]"), ("a/b.yaml", "")], "no kustomization file found in 'a'"),
        (
            vec![top("resources: x")],
            "failed to unmarshal kustomization file from 'kustomization.yaml': 'resources' has a wrong type",
        ),
        (vec![top("a: [")], "failed to unmarshal kustomization file from 'kustomization.yaml'"),
        (vec![top("secretGenerator: [{files: [a]}]")], "cannot read 'a'"),
        (vec![top("secretGenerator: [{files: [/../a]}]")], "cannot read 'a'"),
        (
            vec![top("secretGenerator: [{files: [a]}]"), ("a/b", "")],
            "'a': cannot decrypt irregular file as it has file mode type bits set",
        ),
        (
            vec![top("secretGenerator: [{files: [a]}]"), ("a", large.as_str())],
            "'a': cannot decrypt file with size (5242881 bytes) exceeding limit (5242880)",
        ),
        (vec![top("secretGenerator: [{envs: [a]}]"), ("a", "sops_mac=ENC[x")], "'a'"),
    ] {
        assert_eq!(sources(&given, "").await, Err(error.to_owned()));
    }
}

#[tokio::test]
async fn a_whole_object_is_decrypted_unless_it_opts_out() {
    for (kind, annotation, changed) in [
        ("Secret", "x", true),
        ("ConfigMap", "enabled", true),
        ("Secret", "disabled", false),
        ("Secret", "DisAbled", false),
    ] {
        let object = |key: &str| {
            json!({
                "apiVersion": "v1", "kind": kind, "stringData": {"key": key},
                "metadata": {"name": "a", "annotations": {"kustomize.toolkit.fluxcd.io/decrypt": annotation}},
            })
        };
        let mut given = object(&at_string_data());
        given["sops"] = metadata();
        given["sops"]["encrypted_regex"] = json!("^stringData$");
        let before = given.clone();
        assert_eq!(decryptor().resource(&mut given).await.unwrap(), changed);
        assert_eq!(given, if changed { object("s3cret") } else { before });
    }
}

#[tokio::test]
async fn encrypted_values_of_a_secret_are_decrypted_into_the_format_of_their_key() {
    let encode = |text: &str| STANDARD.encode(text);
    let mut given = json!({
        "kind": "Secret",
        "metadata": {"name": "a", "namespace": "b"},
        "data": {
            "a.yaml": encode(&yaml_file()), "a.json": encode(&yaml_file()), "blob": encode(&binary_file()), "env": "?",
            "open": encode("x"), "a.env": encode(&env_file()),
        },
        "stringData": {"a.yaml": yaml_file()},
    });
    let mut expected = given.clone();
    expected["data"] = json!({
        "a.yaml": encode("password: s3cret\n"), "a.json": encode("{\n\t\"password\": \"s3cret\"\n}\n"), "blob": encode("s3cret"),
        "env": "?", "open": encode("x"), "a.env": encode("A=v\n"),
    });
    assert!(decryptor().resource(&mut given).await.unwrap());
    assert_eq!(given, expected);
    assert!(!decryptor().resource(&mut expected).await.unwrap());
}

#[tokio::test]
async fn errors_name_object_and_field_and_no_value() {
    let metadata_of = json!({"name": "a", "namespace": "b"});
    let whole = json!({"kind": "ConfigMap", "metadata": metadata_of, "data": {"k": "hunter2"}, "sops": metadata()});
    let field =
        json!({"kind": "Secret", "metadata": metadata_of, "data": {"k.yaml": STANDARD.encode("hunter2\nmac: ENC[")}});
    for (mut object, expected) in [
        (
            whole,
            "failed to decrypt and format 'b/a' ConfigMap data: error decrypting sops tree: Error walking tree: Could not decrypt value: Input string <redacted> does not match sops' data format",
        ),
        (field, "failed to decrypt and format 'b/a' Secret field 'k.yaml': failed to load encrypted YAML data"),
    ] {
        let error = decryptor().resource(&mut object).await.unwrap_err();
        let text = sluice_runtime::logging::error_chain(&error);
        assert!(text.starts_with(expected) && !text.contains("hunter2"), "{text}");
    }
}
