//! Characters that are line breaks, blanks, control characters or none at all to some reader of YAML: what becomes of each on the way
//! from a text to the output. The expected texts are those that kustomize 5.8.1 prints for the same values.

use sluice_yaml::{Limits, Mapping, Node, WriteError, read_documents, write, write_all};

const CONTROL: &str = "yaml: control characters are not allowed";
const KEY: &str = "yaml: line 1: did not find expected ',' or '}'";

fn written(key: &str, value: &str) -> Result<String, String> {
    let mapping: Mapping = [(key.to_owned(), Node::string(value))].into_iter().collect();
    write(&mapping.into()).map_err(|error| error.to_string())
}

fn read(text: &str) -> Vec<serde_json::Value> {
    let nodes = read_documents(text.as_bytes(), &Limits::DEFAULT).expect(text);
    nodes.iter().map(|node| node.to_json().expect(text)).collect()
}

/// A text, and how it is written as a value and as a key, or why it is not.
type Case = (&'static str, Result<&'static str, &'static str>, Result<&'static str, &'static str>);

const CASES: [Case; 36] = [
    // The next line character stands as it is in the JSON that kustomize reads as YAML, where it is a line break.
    ("\u{85}", Ok("k: ' '\n"), Err(KEY)),
    ("a\u{85}b", Ok("k: a b\n"), Err(KEY)),
    ("a \u{85} b", Ok("k: a b\n"), Err(KEY)),
    ("a\u{85}\u{85}b", Ok("k: |-\n  a\n  b\n"), Err("yaml: line 2: did not find expected ',' or '}'")),
    ("a\n\u{85}\nb", Ok("k: \"a\\n \\nb\"\n"), Err(KEY)),
    ("a\u{85}---", Ok("k: a ---\n"), Err(KEY)),
    (
        "a\u{85}--- b",
        Err("yaml: line 2: found unexpected document indicator"),
        Err("yaml: line 2: found unexpected document indicator"),
    ),
    // Neither are these, which YAML refuses.
    ("\u{7f}", Err(CONTROL), Err(CONTROL)),
    ("\u{80}", Err(CONTROL), Err(CONTROL)),
    ("\u{9f}", Err(CONTROL), Err(CONTROL)),
    ("\u{fffe}", Err(CONTROL), Err(CONTROL)),
    ("a\u{ffff}", Err(CONTROL), Err(CONTROL)),
    // Other control characters are escaped in JSON and out.
    ("\0", Ok("k: \"\\0\"\n"), Ok("\"\\0\": v\n")),
    ("\u{1}", Ok("k: \"\\x01\"\n"), Ok("\"\\x01\": v\n")),
    ("\u{1b}", Ok("k: \"\\e\"\n"), Ok("\"\\e\": v\n")),
    ("\u{8}\u{c}\u{b}\u{7}", Ok("k: \"\\b\\f\\v\\a\"\n"), Ok("\"\\b\\f\\v\\a\": v\n")),
    ("\r", Ok("k: \"\\r\"\n"), Ok("? \"\\r\"\n: v\n")),
    ("a\rb", Ok("k: \"a\\rb\"\n"), Ok("? \"a\\rb\"\n: v\n")),
    ("a\r\nb", Ok("k: \"a\\r\\nb\"\n"), Ok("? \"a\\r\\nb\"\n: v\n")),
    ("\t", Ok("k: \"\\t\"\n"), Ok("\"\\t\": v\n")),
    ("a\t", Ok("k: \"a\\t\"\n"), Ok("\"a\\t\": v\n")),
    ("a ", Ok("k: 'a '\n"), Ok("'a ': v\n")),
    ("a \nb", Ok("k: \"a \\nb\"\n"), Ok("? \"a \\nb\"\n: v\n")),
    // The separators are line breaks that stay what they are.
    ("a\u{2028}b", Ok("k: 'a\u{2028}  b'\n"), Ok("? 'a\u{2028}  b'\n: v\n")),
    ("a\u{2029}", Ok("k: 'a\u{2029}'\n"), Ok("? 'a\u{2029}'\n: v\n")),
    ("a\u{2028} b", Ok("k: \"a\\L b\"\n"), Ok("? \"a\\L b\"\n: v\n")),
    ("a \u{2029}b", Ok("k: \"a \\Pb\"\n"), Ok("? \"a \\Pb\"\n: v\n")),
    ("a\nb\u{2029}", Ok("k: |\n  a\n  b\u{2029}"), Ok("? |\n  a\n  b\u{2029}: v\n")),
    ("a\n\u{2028}", Ok("k: |+\n  a\n\u{2028}"), Ok("? |+\n  a\n\u{2028}: v\n")),
    // A text that starts with a byte order mark is escaped throughout.
    ("a\u{feff}b", Ok("k: \"a\\uFEFFb\"\n"), Ok("\"a\\uFEFFb\": v\n")),
    ("\u{feff}-\u{a0}", Ok("k: \"\\uFEFF\\x2D\\_\"\n"), Ok("\"\\uFEFF\\x2D\\_\": v\n")),
    ("\u{a0}", Ok("k: \u{a0}\n"), Ok("\u{a0}: v\n")),
    ("\u{fffd}", Ok("k: \u{fffd}\n"), Ok("\u{fffd}: v\n")),
    ("\u{e000}", Ok("k: \u{e000}\n"), Ok("\u{e000}: v\n")),
    ("\u{1f600}", Ok("k: \"\\U0001F600\"\n"), Ok("\"\\U0001F600\": v\n")),
    ("\u{10ffff}", Ok("k: \"\\U0010FFFF\"\n"), Ok("\"\\U0010FFFF\": v\n")),
];

#[test]
fn every_kind_of_character_is_written_as_kustomize_writes_it_or_refused() {
    for (text, value, key) in CASES {
        let owned = |expected: Result<&str, &str>| expected.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(written("k", text), owned(value), "{text:?} as a value");
        assert_eq!(written(text, "v"), owned(key), "{text:?} as a key");
    }
}

#[test]
fn what_is_written_reads_as_the_same_text() {
    for (text, ..) in CASES.into_iter().filter(|(text, ..)| !text.contains('\u{85}')) {
        if let Ok(yaml) = written("k", text) {
            assert_eq!(read(&yaml), [serde_json::json!({ "k": text })], "{yaml:?}");
        }
        if let Ok(yaml) = written(text, "v") {
            assert_eq!(read(&yaml), [serde_json::json!({ text: "v" })], "{yaml:?}");
        }
    }
}

#[test]
fn a_separator_behind_a_block_that_ends_in_another_line_break_is_lost_as_in_kustomize() {
    let documents = [Node::string("\n!a\u{2029}a\u{2029}aEPt\u{2029}"), Node::string("b")];
    let text = write_all(&documents).unwrap();
    assert_eq!(text, "|2\n\n  !a\u{2029}  a\u{2029}  aEPt\u{2029}---\nb\n");
    assert_eq!(read_documents(text.as_bytes(), &Limits::DEFAULT).unwrap(), documents[..1]);
    for document in &documents {
        assert_eq!(
            &read_documents(write(document).unwrap().as_bytes(), &Limits::DEFAULT).unwrap(),
            std::slice::from_ref(document)
        );
    }
    // In a mapping the next key follows without a line feed, and is seen, since readers take the separator for a line break.
    let mapping: Mapping =
        [("a".to_owned(), documents[0].clone()), ("b".to_owned(), documents[1].clone())].into_iter().collect();
    let text = write(&mapping.into()).unwrap();
    assert_eq!(text, "a: |2\n\n  !a\u{2029}  a\u{2029}  aEPt\u{2029}b: b\n");
    assert_eq!(read(&text), [serde_json::json!({ "a": "\n!a\u{2029}a\u{2029}aEPt\u{2029}", "b": "b" })]);
}

#[test]
fn only_a_byte_order_mark_at_the_start_of_a_document_is_none_of_its_text() {
    for (text, expected) in [
        ("\u{feff}a: 1\n", serde_json::json!({ "a": 1 })),
        ("---\n\u{feff}a: 1\n", serde_json::json!({ "\u{feff}a": 1 })),
        ("a: 1\n\u{feff}b: 2\n", serde_json::json!({ "a": 1, "\u{feff}b": 2 })),
        ("a: |\n  x\n  \u{feff}y\n", serde_json::json!({ "a": "x\n\u{feff}y\n" })),
        (
            "a: '\u{feff}'\nb: \"\\U0001FFFE\\uFEFF\"\n",
            serde_json::json!({ "a": "\u{feff}", "b": "\u{1fffe}\u{feff}" }),
        ),
    ] {
        assert_eq!(read(text), [expected], "{text:?}");
    }
    let limits = Limits::DEFAULT;
    assert!(read_documents("a: 1\n\u{feff}\n".as_bytes(), &limits).is_err());
}

#[test]
fn keys_of_other_types_are_texts_at_the_top_and_refused_below() {
    let rewritten = |text: &str| {
        let nodes = read_documents(text.as_bytes(), &Limits::DEFAULT).expect(text);
        write_all(&nodes)
    };
    assert_eq!(
        rewritten("0x1F: a\ntrue: b\n1.5: c\n2020-01-01: d\n? # nothing\n: e\n"),
        Ok("\"\": e\n\"0x1F\": a\n\"1.5\": c\n\"2020-01-01\": d\n\"true\": b\n".to_owned())
    );
    assert_eq!(rewritten("a:\n  ? # nothing\n  : e\n"), Ok("a:\n  \"\": e\n".to_owned()));
    for (text, line, key) in [("~: a\n", 1, "~"), ("a:\n  1: b\n", 2, "1"), ("a:\n- true: b\n", 2, "true")] {
        assert_eq!(rewritten(text), Err(WriteError::KeyNotString { line, key: key.to_owned() }), "{text:?}");
    }
}

#[test]
fn a_key_too_long_for_the_step_through_json_is_refused() {
    assert!(written(&"k".repeat(1022), "v").is_ok());
    assert_eq!(written(&"k".repeat(1023), "v"), Err("yaml: did not find expected ',' or '}'".to_owned()));
}
