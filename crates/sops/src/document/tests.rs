use std::sync::Mutex;

use super::testing::{IDENTITY, KEY, sealed, sealed_key, text, yaml_metadata};
use super::*;
use crate::age::Identities;
use crate::keys::{DataKey, KeyError, KeyFuture, MasterKey};

struct Keys {
    age: Identities,
    /// The names of the keys that were tried.
    asked: Mutex<Vec<String>>,
}

impl Keys {
    fn new() -> Self {
        let mut age = Identities::default();
        age.import(crate::age::testing::identity(IDENTITY).0.as_bytes()).unwrap();
        Self { age, asked: Mutex::default() }
    }
}

impl KeyServices for Keys {
    fn decrypt<'a>(&'a self, key: &'a MasterKey) -> KeyFuture<'a> {
        self.asked.lock().unwrap().push(key.name());
        Box::pin(async move {
            match key {
                MasterKey::Age(key) => Ok(self.age.decrypt(&key.enc)?),
                // A part in the clear, for the tests of groups.
                MasterKey::Vault(key) if !key.enc.is_empty() => Ok(DataKey::new(hex(&key.enc))),
                _ => Err(KeyError::Other("closed".to_owned())),
            }
        })
    }
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

async fn decrypted(document: &str, input: Format, output: Format) -> Result<String, String> {
    let made = decrypt(document.as_bytes(), (input, output), &Keys::new()).await;
    made.map(|bytes| String::from_utf8(bytes).unwrap()).map_err(|error| chain(&error))
}

fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[tokio::test]
async fn a_yaml_document_is_decrypted_with_its_comments_and_types() {
    let document = format!(
        "# {}\nplain_unencrypted: stays\na:\n    # {}\n    b: {} # {}\n    i: {}\n    f: {}\n    t: {}\n    time: {}\n    empty: \"\"\n    nothing: null\n    list:\n        - {}\n        - c: {}\n# open comment\nlast: {}\n{}",
        sealed(b" top", "comment", ":"),
        sealed(b" inner", "comment", "a:"),
        text("two\nlines\n", "a:b:"),
        sealed(b" behind", "comment", "a:"),
        sealed(b"42", "int", "a:i:"),
        sealed(b"1.5", "float", "a:f:"),
        sealed(b"True", "bool", "a:t:"),
        sealed(b"2020-01-02T03:04:05Z", "time", "a:time:"),
        text("one", "a:list:"),
        text("yes", "a:list:c:"),
        text("end", "last:"),
        yaml_metadata(""),
    )
    .replacen("# ENC", "#ENC", 3);
    let expected = "# top\nplain_unencrypted: stays\na:\n    # inner\n    b: | # behind\n        two\n        lines\n    i: 42\n    f: 1.5\n    t: true\n    time: 2020-01-02T03:04:05Z\n    empty: \"\"\n    nothing: null\n    list:\n        - one\n        - c: \"yes\"\n# open comment\nlast: end\n";
    assert_eq!(decrypted(&document, Format::Yaml, Format::Yaml).await.as_deref(), Ok(expected));
}

#[tokio::test]
async fn a_rule_decides_what_is_encrypted() {
    for (rule, body, expected) in [
        (
            "    encrypted_regex: ^(data|stringData)$\n",
            "kind: Secret\ndata:\n    k: {data:k:}\n",
            Ok("kind: Secret\ndata:\n    k: v\n"),
        ),
        ("    unencrypted_regex: ^kind$\n", "kind: Secret\nk: {k:}\n", Ok("kind: Secret\nk: v\n")),
        ("    encrypted_suffix: _s\n", "kind: Secret\nk_s: {k_s:}\n", Ok("kind: Secret\nk_s: v\n")),
        ("    encrypted_comment_regex: secret\n", "kind: x\n#secret\nk: {k:}\n", Ok("kind: x\n#secret\nk: v\n")),
        ("    unencrypted_comment_regex: public\n", "#public\nkind: x\nk: {k:}\n", Ok("#public\nkind: x\nk: v\n")),
        (
            "    encrypted_regex: ^data$\n",
            "data: in the clear\n",
            Err(
                "error decrypting sops tree: Error walking tree: Could not decrypt value: Input string <redacted> does not match sops' data format",
            ),
        ),
        (
            "    encrypted_regex: ^data$\n",
            "data: 12\n",
            Err("error decrypting sops tree: Error walking tree: Expected encrypted value as string, but got int"),
        ),
        (
            "    encrypted_regex: ^data$\n",
            "data: {other:}\n",
            Err(
                "error decrypting sops tree: Error walking tree: Could not decrypt value: Could not decrypt with AES_GCM: cipher: message authentication failed",
            ),
        ),
        (
            "    encrypted_regex: ^data$\n    encrypted_suffix: _x\n",
            "data: x\n",
            Err(
                "failed to load encrypted YAML data: Cannot use more than one of encrypted_suffix, unencrypted_suffix, encrypted_regex, unencrypted_regex, encrypted_comment_regex, or unencrypted_comment_regex in the same file",
            ),
        ),
        (
            "    unencrypted_regex: .\n",
            "1: x\n",
            Err(
                "error decrypting sops tree: Error walking tree: Tree contains a non-string key (type int). Only string keys are supported",
            ),
        ),
    ] {
        let mut document = body.to_owned();
        while let Some((begin, rest)) = document.split_once('{') {
            let (path, end) = rest.split_once('}').unwrap();
            document = format!("{begin}{}{end}", text("v", path));
        }
        document.push_str(&yaml_metadata(rule));
        let made = decrypted(&document, Format::Yaml, Format::Yaml).await;
        assert_eq!(made.as_deref().map_err(String::as_str), expected, "{rule}{body}");
    }
}

fn json_metadata() -> String {
    let key = sealed_key().replace('\n', "\\n");
    let mac = text("mac", "x:");
    format!(
        "\"sops\": {{\"kms\": null, \"age\": [{{\"recipient\": \"age1x\", \"enc\": \"{key}\"}}], \"lastmodified\": \"2024-01-01T00:00:00Z\", \"mac\": \"{mac}\", \"version\": \"3.9.0\"}}"
    )
}

#[tokio::test]
async fn json_and_binary_documents_are_decrypted_into_either() {
    let document = format!(
        "{{\"data\": \"{}\", \"n\": \"{}\", {}}}",
        text("a<b", "data:"),
        sealed(b"1", "int", "n:"),
        json_metadata()
    );
    for (output, expected) in [
        (Format::Json, Ok("{\n\t\"data\": \"a\\u003cb\",\n\t\"n\": 1\n}\n")),
        (Format::Yaml, Ok("data: a<b\n\"n\": 1\n")),
        (Format::Dotenv, Ok("data=a<b\nn=1\n")),
        (Format::Binary, Ok("a<b")),
        (
            Format::Ini,
            Err(
                "failed to emit encrypted JSON file as decrypted INI: Error encoding section: Section values should always be TreeBranches",
            ),
        ),
    ] {
        let made = decrypted(&document, Format::Json, output).await;
        assert_eq!(made.as_deref().map_err(String::as_str), expected, "{output:?}");
    }
    let raw = sealed(&[0, 255, 1], "str", "data:");
    let document = format!("{{\"data\": \"{raw}\", {}}}", json_metadata());
    let made = decrypt(document.as_bytes(), (Format::Binary, Format::Binary), &Keys::new()).await.unwrap();
    assert_eq!(made, [0, 255, 1]);
}

#[tokio::test]
async fn dotenv_and_ini_documents_have_flat_metadata() {
    let key = sealed_key().replace('\n', "\\n");
    let fields = |prefix: &str, separator: &str| {
        [
            ("age__list_0__map_enc", key.as_str()),
            ("age__list_0__map_recipient", "age1x"),
            ("lastmodified", "2024-01-01T00:00:00Z"),
            ("mac", &text("mac", "x:")),
            ("version", "3.9.0"),
        ]
        .map(|(name, value)| format!("{prefix}{name}{separator}{value}\n"))
        .concat()
    };
    let dotenv = format!("#{}\nA={}\n{}", sealed(b" note", "comment", ":"), text("b\nc", "A:"), fields("sops_", "="));
    assert_eq!(decrypted(&dotenv, Format::Dotenv, Format::Dotenv).await.as_deref(), Ok("# note\nA=b\\nc\n"));
    let ini = format!(
        "[one]\nk = {}\nlonger = {}\n\n[sops]\n{}",
        text("v", "one:k:"),
        text("a;b", "one:longer:"),
        fields("", " = ")
    );
    assert_eq!(decrypted(&ini, Format::Ini, Format::Ini).await.as_deref(), Ok("[one]\nk      = v\nlonger = `a;b`\n"));
}

#[tokio::test]
async fn keys_at_hand_are_tried_before_services_and_errors_name_all() {
    let groups = |enc: &str| {
        format!(
            "sops:\n    kms:\n        - arn: arn:aws:kms:r:1:key/k\n          created_at: \"2024-01-01T00:00:00Z\"\n          enc: x\n    hc_vault:\n        - vault_address: https://v\n          engine_path: transit\n          key_name: k\n          created_at: \"2024-01-01T00:00:00Z\"\n          enc: \"\"\n    pgp:\n        - fp: ABCD\n          created_at: \"2024-01-01T00:00:00Z\"\n          enc: x\n    age:\n        - recipient: age1x\n          enc: \"{}\"\n    lastmodified: \"2024-01-01T00:00:00Z\"\n    mac: ENC[x]\n",
            enc.replace('\n', "\\n")
        )
    };
    let keys = Keys::new();
    let document = groups(&crate::age::testing::encrypt(&KEY, &[9]));
    let error = decrypt(document.as_bytes(), (Format::Yaml, Format::Yaml), &keys).await.unwrap_err();
    assert_eq!(
        chain(&error),
        "cannot get sops data key: Failed to get the data key required to decrypt the SOPS file: group 0: age1x: no identity matched any of the recipients; group 0: ABCD: closed; group 0: arn:aws:kms:r:1:key/k: closed; group 0: https://v/v1/transit/keys/k: closed"
    );
    assert_eq!(*keys.asked.lock().unwrap(), ["age1x", "ABCD", "arn:aws:kms:r:1:key/k", "https://v/v1/transit/keys/k"]);
    let keys = Keys::new();
    let document = groups(&sealed_key());
    assert_eq!(decrypt(document.as_bytes(), (Format::Yaml, Format::Yaml), &keys).await.unwrap(), b"{}\n");
    assert_eq!(*keys.asked.lock().unwrap(), ["age1x"]);
}

#[tokio::test]
async fn as_many_groups_as_the_threshold_says_make_the_key() {
    // Points of lines through each byte of the key; a slope of one keeps the arithmetic readable.
    let part = |place: u8| -> String {
        KEY.iter().map(|byte| format!("{:02x}", byte ^ place)).chain([format!("{place:02x}")]).collect()
    };
    let group = |enc: &str| {
        format!(
            "        - hc_vault:\n            - vault_address: https://v\n              engine_path: t\n              key_name: k\n              created_at: \"2024-01-01T00:00:00Z\"\n              enc: \"{enc}\"\n"
        )
    };
    let document = |parts: [&str; 3]| {
        format!(
            "a: {}\nsops:\n    shamir_threshold: 2\n    key_groups:\n{}    lastmodified: \"2024-01-01T00:00:00Z\"\n    mac: ENC[x]\n",
            text("v", "a:"),
            parts.map(group).concat()
        )
    };
    let made = decrypted(&document([&part(1), "", &part(3)]), Format::Yaml, Format::Yaml).await;
    assert_eq!(made.as_deref(), Ok("a: v\n"));
    let error = decrypted(&document(["", &part(2), ""]), Format::Yaml, Format::Yaml).await.unwrap_err();
    assert!(error.ends_with("group 2: https://v/v1/t/keys/k: closed; 2 successful groups required, got 1"), "{error}");
    let error = decrypted(&document([&part(2), &part(2), ""]), Format::Yaml, Format::Yaml).await.unwrap_err();
    assert_eq!(error, "cannot get sops data key: could not get data key from shamir parts: duplicate part detected");
}

#[tokio::test]
async fn metadata_that_cannot_be_used_is_refused() {
    for (metadata, error) in [
        ("", "sops metadata not found"),
        ("sops: x\n", "Found sops entry that is not a mapping"),
        ("sops: {}\n", "'lastmodified' of the sops metadata is not a time"),
        ("sops: {lastmodified: \"2024-01-01T00:00:00Z\"}\n", "No keys found in file"),
        ("sops: {lastmodified: \"2024-01-01T00:00:00Z\", age: x}\n", "'age' of the sops metadata has a wrong type"),
        (
            "sops: {lastmodified: \"2024-01-01T00:00:00Z\", pgp: [{}]}\n",
            "'created_at' of the sops metadata is not a time",
        ),
        (
            "sops: {lastmodified: \"2024-01-01T00:00:00Z\", age: [{enc: [x]}]}\n",
            "'enc' of the sops metadata has a wrong type",
        ),
    ] {
        let made = decrypted(&format!("a: x\n{metadata}"), Format::Yaml, Format::Yaml).await;
        assert_eq!(made, Err(format!("failed to load encrypted YAML data: {error}")), "{metadata}");
    }
    let many = format!("sops: {{lastmodified: \"2024-01-01T00:00:00Z\", age: [{}]}}", "{}, ".repeat(200));
    assert_eq!(
        decrypted(&many, Format::Yaml, Format::Yaml).await,
        Err("failed to load encrypted YAML data: more than 128 master keys".to_owned())
    );
    let large = "x".repeat(MAX_DOCUMENT_BYTES + 1);
    assert!(matches!(
        decrypt(large.as_bytes(), (Format::Yaml, Format::Yaml), &Keys::new()).await,
        Err(DecryptError::TooLarge(_))
    ));
}

#[tokio::test]
async fn the_data_key_must_have_the_length_of_one() {
    let document = "a: x\nsops: {lastmodified: \"2024-01-01T00:00:00Z\", hc_vault: [{vault_address: v, enc: \"00\", created_at: \"2024-01-01T00:00:00Z\"}]}\n";
    let made = decrypted(document, Format::Yaml, Format::Yaml).await;
    assert_eq!(made, Err("error decrypting sops tree: the data key has 1 bytes, not 32".to_owned()));
}

#[tokio::test]
async fn no_error_has_a_value_in_it() {
    let secret = "hunter2";
    let documents = [
        (Format::Yaml, format!("a: {secret}\n{}", yaml_metadata(""))),
        (Format::Yaml, format!("a: [{secret}\n")),
        (Format::Yaml, format!("a: {}\n{}", sealed(secret.as_bytes(), "int", "a:"), yaml_metadata(""))),
        (Format::Json, format!("{{\"a\": \"{secret}\", }}")),
        (Format::Json, format!("{{\"a\": \"{secret}\", {}}}", json_metadata())),
        (Format::Dotenv, secret.to_owned()),
        (Format::Ini, secret.to_owned()),
    ];
    for (format, document) in documents {
        let error = decrypted(&document, format, format).await.unwrap_err();
        assert!(!error.contains(secret), "{error}");
    }
}

#[tokio::test]
async fn long_paths_are_refused_and_many_comments_are_no_work() {
    let long = format!("{{\"{}\": \"x\", {}}}", "k".repeat(5000), json_metadata());
    let made = decrypted(&long, Format::Json, Format::Json).await;
    let expected =
        "error decrypting sops tree: Error walking tree: the keys on the way to a value have more than 4096 bytes";
    assert_eq!(made, Err(expected.to_owned()));
    let many = "# note\n".repeat(100_000) + "a: x\n" + &yaml_metadata("    encrypted_comment_regex: secret.*word\n");
    assert!(decrypted(&many, Format::Yaml, Format::Yaml).await.unwrap().ends_with("a: x\n"));
}
