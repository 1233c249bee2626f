use super::*;
use crate::{Limits, read_documents};

fn rewritten(text: &str) -> String {
    let nodes = read_documents(text.as_bytes(), &Limits::DEFAULT).unwrap();
    write_all(&nodes).unwrap()
}

fn check(input: &str, expected: &str) {
    assert_eq!(rewritten(input), expected, "for {input:?}");
}

fn value(text: &str) -> String {
    let mapping: Mapping = [("v".to_owned(), Node::string(text))].into_iter().collect();
    write(&mapping.into()).unwrap()
}

#[test]
fn keys_are_sorted_and_lists_stand_under_their_key() {
    check(
        "b: 1\na:\n    - x: 1\n      w: {}\n    - [p, [q]]\n    - []\nz10: 0\nz9: 0\n",
        "a:\n- w: {}\n  x: 1\n- - p\n  - - q\n- []\nb: 1\nz9: 0\nz10: 0\n",
    );
}

#[test]
fn documents_are_separated_and_empty_ones_are_left_out() {
    check("---\na: 1\n--- # two\n\n---\n# nothing\n---\nb: 2\n", "a: 1\n---\nb: 2\n");
    check("", "");
}

#[test]
fn strings_that_read_as_another_type_are_double_quoted() {
    for text in [
        "yes",
        "no",
        "on",
        "off",
        "y",
        "n",
        "true",
        "null",
        "~",
        "",
        "123",
        "0x1F",
        "1e3",
        "0123",
        "1_000",
        "1:30",
        "2020-01-02",
    ] {
        assert_eq!(value(text), format!("v: \"{text}\"\n"));
    }
}

#[test]
fn strings_that_only_syntax_forbids_are_single_quoted() {
    for text in [
        "&a", "a: b", " lead", "trail ", "-", "# c", "a #b", "*x", "!t", "a:", "---", "%d", "@a", "`", "[", "{a", ",",
        "? a",
    ] {
        assert_eq!(value(text), format!("v: '{text}'\n"));
    }
    assert_eq!(value("'it"), "v: '''it'\n");
}

#[test]
fn other_strings_are_plain() {
    for text in ["=", "<<", "nginx:1.2", "a#b", "-a", "a,b", "1.2.3", "it's", "é", "yes please", "a ? b"] {
        assert_eq!(value(text), format!("v: {text}\n"));
    }
}

#[test]
fn several_lines_become_a_literal_block_with_the_right_chomping() {
    assert_eq!(value("a\nb"), "v: |-\n  a\n  b\n");
    assert_eq!(value("a\nb\n"), "v: |\n  a\n  b\n");
    assert_eq!(value("a\n\n"), "v: |+\n  a\n\n");
    assert_eq!(value(" a\nb\n"), "v: |2\n   a\n  b\n");
    assert_eq!(value("\n"), "v: |2+\n\n");
    assert_eq!(value("\na\n"), "v: |2\n\n  a\n");
}

#[test]
fn several_lines_with_trailing_blanks_tabs_or_returns_are_double_quoted() {
    assert_eq!(value("a \nb"), "v: \"a \\nb\"\n");
    assert_eq!(value("a\tb\nc"), "v: \"a\\tb\\nc\"\n");
    assert_eq!(value("a\r\nb"), "v: \"a\\r\\nb\"\n");
}

#[test]
fn special_characters_are_escaped_and_line_separators_stay_in_single_quotes() {
    assert_eq!(value("😀"), "v: \"\\U0001F600\"\n");
    assert_eq!(value("\u{feff}a b"), "v: \"\\uFEFF\\x61\\x20\\x62\"\n");
    assert_eq!(value("a\u{1}"), "v: \"a\\x01\"\n");
    assert_eq!(value("a\"\t"), "v: \"a\\\"\\t\"\n");
}

#[test]
fn long_strings_fold_at_single_spaces_after_column_eighty() {
    let word = "word ".repeat(20);
    assert_eq!(
        value(word.trim_end()),
        format!("v: {}\n  {}\n", "word ".repeat(16).trim_end(), "word ".repeat(4).trim_end())
    );
    assert_eq!(value(&"x".repeat(200)), format!("v: {}\n", "x".repeat(200)));
    assert_eq!(value(&"x  ".repeat(60)), format!("v: '{}'\n", "x  ".repeat(60)));
}

#[test]
fn numbers_are_printed_as_go_prints_them() {
    check(
        "a: 1.0\nb: 1.50\nc: 1e3\nd: 0x1F\ne: 0123\nf: 18446744073709551616\ng: 0.00001\nh: 1234567.5\ni: -5\n",
        "a: 1\nb: 1.5\nc: 1000\nd: 31\ne: 83\nf: 1.8446744073709552e+19\ng: 1e-05\nh: 1.2345675e+06\ni: -5\n",
    );
}

#[test]
fn types_survive_and_quoted_scalars_are_strings() {
    check(
        "a: \"1\"\nb: 1\nc: yes\nd: true\ne: ~\nf: !!str 1\ng: 2020-01-02\nh: !!binary aGk=\ni: !custom x\n",
        "a: \"1\"\nb: 1\nc: \"yes\"\nd: true\ne: null\nf: \"1\"\ng: \"2020-01-02T00:00:00Z\"\nh: hi\ni: x\n",
    );
}

#[test]
fn aliases_and_merges_are_expanded() {
    check(
        "base: &b {x: 1, y: 2}\none:\n  <<: *b\n  y: 3\ntwo: *b\n",
        "base:\n  x: 1\n  \"y\": 2\none:\n  x: 1\n  \"y\": 3\ntwo:\n  x: 1\n  \"y\": 2\n",
    );
}

#[test]
fn keys_are_quoted_like_values_and_very_long_ones_are_introduced_by_a_question_mark() {
    let key = "k".repeat(129);
    check(&format!("? {key}\n: 1\n\"y\": 2\n"), &format!("? {key}\n: 1\n\"y\": 2\n"));
    // The value stands on the line of its colon, and a list is indented there.
    check(&format!("v:\n  {key}: {{a: b, c: {{d: e}}}}\n"), &format!("v:\n  ? {key}\n  : a: b\n    c:\n      d: e\n"));
    check(
        &format!("{key}: [a, [b, c], {{d: [e]}}]\n"),
        &format!("? {key}\n: - a\n  - - b\n    - c\n  - d:\n    - e\n"),
    );
    check(&format!("- ? {key}\n  : {{? {key} : {{}}}}\n"), &format!("- ? {key}\n  : ? {key}\n    : {{}}\n"));
}

#[test]
fn a_tree_without_json_form_is_refused_with_its_line() {
    let nodes = read_documents(b"a: 1\nb:\n  1: x\n", &Limits::DEFAULT).unwrap();
    assert_eq!(write(&nodes[0]), Err(WriteError::KeyNotString { line: 3, key: "1".to_owned() }));
    let nodes = read_documents(b"a: .inf\n", &Limits::DEFAULT).unwrap();
    assert_eq!(write(&nodes[0]), Err(WriteError::NotFinite { line: 1, text: ".inf".to_owned() }));
}

#[test]
fn json_and_back_is_the_same_document() {
    let nodes = read_documents(b"a: [1, 1.5, true, null, \"x\"]\nb: {c: \"1\"}\n", &Limits::DEFAULT).unwrap();
    let json = nodes[0].to_json().unwrap();
    assert_eq!(json, serde_json::json!({"a": [1, 1.5, true, null, "x"], "b": {"c": "1"}}));
    assert_eq!(write(&Node::from_json(&json)), write(&nodes[0]));
}
