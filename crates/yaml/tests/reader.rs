//! What the reader accepts, refuses and survives.

use sluice_yaml::{Limits, YamlError, read_config, read_documents, write_all};

fn failure(text: &str) -> YamlError {
    read_documents(text.as_bytes(), &Limits::DEFAULT).expect_err("the text must be refused")
}

#[test]
fn errors_name_the_line_of_the_whole_file_in_the_words_of_go_yaml() {
    for (text, line, message) in [
        ("a: b: c\n", 1, "yaml: mapping values are not allowed in this context"),
        ("a: 1\nb: c: d\n", 2, "yaml: line 2: mapping values are not allowed in this context"),
        ("a: 1\n---\nb: 1\nc: d: e\n", 4, "yaml: line 4: mapping values are not allowed in this context"),
        ("a: 1\nb: 2\na: 3\n", 3, "yaml: unmarshal errors:\n  line 3: mapping key \"a\" already defined at line 1"),
        ("a: *x\n", 1, "yaml: unknown anchor 'x' referenced"),
        ("a: &x [*x]\n", 1, "yaml: unknown anchor 'x' referenced"),
        ("a: 1\n? [b]\n: 1\n", 2, "yaml: line 2: invalid map key"),
        ("a: !!int b\n", 1, "yaml: line 1: cannot decode `b` as a !!int"),
        ("<<: 1\n", 1, "yaml: line 1: map merge requires map or sequence of maps as the value"),
        ("a: 1\n--- b\nc: 1\n", 2, "invalid document separator: --- b"),
    ] {
        let error = failure(text);
        assert_eq!((error.line(), error.to_string()), (Some(line), message.to_owned()), "for {text:?}");
    }
}

#[test]
fn errors_of_configuration_files_name_the_place_itself_where_there_is_one() {
    for (text, expected) in [
        ("a: b\nfoo\n", "yaml: line 3: could not find expected ':'"),
        ("a: b\nc: \"d\n", "yaml: line 3: found unexpected end of stream"),
        ("a: [b\nc: d\n", "yaml: line 1: did not find expected ',' or ']'"),
        ("a: b\nc: d: e\n", "yaml: line 2: mapping values are not allowed in this context"),
    ] {
        let error = read_config(text.as_bytes(), &Limits::DEFAULT).expect_err(text);
        assert_eq!(error.to_string(), expected, "for {text:?}");
    }
}

#[test]
fn nodes_know_their_place() {
    let nodes = read_documents(b"a: 1\n---\nb:\n  - c\n", &Limits::DEFAULT).unwrap();
    let item = &nodes[1].get("b").unwrap().as_sequence().unwrap()[0];
    assert_eq!((item.position.line, item.position.column), (4, 5));
}

#[test]
fn configuration_files_follow_yaml_one_point_one() {
    let node =
        read_config(b"a: yes\nb: off\na: 1\n2: x\nd: 2020-01-02\n---\nz: 1\n", &Limits::DEFAULT).unwrap().unwrap();
    let expected = serde_json::json!({"a": 1, "b": false, "2": "x", "d": "2020-01-02"});
    assert_eq!(node.to_json().unwrap(), expected);
    assert_eq!(read_config(b"# nothing\n", &Limits::DEFAULT).unwrap(), None);
}

#[test]
fn alias_bombs_deep_nests_and_large_inputs_are_refused() {
    use std::fmt::Write as _;

    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let item = format!("*a{}, ", level - 1).repeat(10);
        writeln!(bomb, "a{level}: &a{level} [{item}]").unwrap();
    }
    let limits = Limits { bytes: 1 << 20, depth: 50, nodes: 10_000 };
    for text in [bomb, "[".repeat(100), "- ".repeat(100), "x".repeat((1 << 20) + 1)] {
        let error = read_documents(text.as_bytes(), &limits).expect_err("must be refused");
        assert!(matches!(error, YamlError::LimitExceeded { .. }), "{error}");
    }
}

/// A small generator of our own, so that a failure can be repeated from its seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("the remainder is below a usize")
    }
}

const SEEDS: [&str; 5] = [
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {b: \"c\"}}\ndata:\n  x: |\n    one\n    two\n  y: >-\n    folded\n",
    "- &a [1, 2.5, 0x1f, ~, true]\n- *a\n- <<: {b: 1}\n  ? long\n  : 'it''s'\n",
    "%YAML 1.1\n%TAG ! tag:x,2000:\n--- !!map\na: !!str 1\nb: !c d\n...\n",
    "{\"a\": [\"\\u00e9\\n\", {}], \"b\": -1.5e3}\n",
    "a:\r\n  - b\r\n---\r\n# c\r\nd: \"\\x41 \\\r\n  e\"\r\n",
];

#[test]
fn random_and_mutated_texts_never_panic_and_what_is_written_reads_back() {
    let mut random = Random(0x5EED_1234_5678_9ABC);
    let alphabet = b"abc \n\t\r:-#&*!|>'\"%@`{}[],?~.<=0123\\\xc3\xa9\xff\0";
    let limits = Limits { bytes: 1 << 16, depth: 40, nodes: 2_000 };
    for _ in 0..20_000 {
        let mut text =
            if random.below(4) == 0 { Vec::new() } else { SEEDS[random.below(SEEDS.len())].as_bytes().to_vec() };
        for _ in 0..=random.below(12) {
            let at = random.below(text.len() + 1);
            let byte = alphabet[random.below(alphabet.len())];
            match random.below(3) {
                0 if at < text.len() => {
                    text.remove(at);
                }
                1 if at < text.len() => text[at] = byte,
                _ => text.insert(at, byte),
            }
        }
        let _ = read_config(&text, &limits);
        let Ok(nodes) = read_documents(&text, &limits) else { continue };
        let Ok(written) = write_all(&nodes) else { continue };
        let again = read_documents(written.as_bytes(), &Limits::DEFAULT)
            .unwrap_or_else(|error| panic!("{error}: {:?} was written as {written:?}", String::from_utf8_lossy(&text)));
        assert_eq!(write_all(&again).unwrap(), written, "from {:?}", String::from_utf8_lossy(&text));
    }
}
