use super::*;
use crate::store::StoreError;
use crate::store::yaml_read::load;

fn again(text: &str) -> String {
    String::from_utf8(emit(&load(text.as_bytes()).unwrap())).unwrap()
}

#[test]
fn what_sops_wrote_is_written_as_it_was() {
    for text in [
        "b: 1\na: two\n",
        "a:\n    b:\n        - c\n        - d: 1\n          e:\n            f: null\n        - - x\n          - w\n",
        "# top\na: 1\n# of b\nb:\n    # in b\n    c: true # behind\n    # end of b\nd:\n    # in d\n    - x # one\n    # of w\n    - w\n    # end of d\n# end\n",
        "a: |\n    line\n    \ttab\n\n    more\nb: |-\n    x\n    w\nc: |+\n    x\n\nd:\n    - |4\n       spaced\n",
        "a: \"yes\"\nb: \"1\"\nc: \"\"\nd: ' x'\ne: 1.5\nf: {}\ng: []\n\"<<\": x\n\"1\": w\n\"n\": w\n",
        "a: 1\n---\nb: 2\n# end\n---\n{}\n",
        "when: 2020-01-02T03:04:05Z\nday: \"2020-01-02\"\nlong: aaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb ccccccccccccccccccccccccccc ddddddddddddddddd\n",
        "emoji: \"\\U0001F600\\t\"\n",
    ] {
        let text = text.replace("    - |4\n       spaced\n", "    - |2\n        spaced\n");
        assert_eq!(again(&text), text);
    }
}

#[test]
fn other_spellings_become_sops_own() {
    for (text, expected) in [
        ("a:\n- x\n- w: 1\n  z: 2\n", "a:\n    - x\n    - w: 1\n      z: 2\n"),
        ("a: {b: [1, 0x10], c: 'it''s'}", "a:\n    b:\n        - 1\n        - 16\n    c: it's\n"),
        ("a: &x\n  b: 1\nc: *x\n", "a:\n    b: 1\nc:\n    b: 1\n"),
        ("a: >\n  folded\n  text\n", "a: |\n    folded text\n"),
        ("a: |\n  no end", "a: no end\n"),
        ("a: # of a\n  b: 1\n", "# of a\na:\n    b: 1\n"),
        ("- a", ""),
        ("a: !!binary aGk=", "a: hi\n"),
        ("", ""),
        ("# only\n", ""),
        ("---\n# only\n", "# only\n{}\n"),
    ] {
        let loaded = load(text.as_bytes());
        match loaded {
            Ok(branches) => assert_eq!(String::from_utf8(emit(&branches)).unwrap(), expected, "{text}"),
            Err(error) => assert_eq!(expected, "", "{text}: {error}"),
        }
    }
}

#[test]
fn text_that_is_no_yaml_or_too_much_is_refused() {
    let deep = "[".repeat(200);
    let bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\n\
                c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]\n\
                e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]\nf: [*e, *e, *e, *e, *e, *e, *e, *e, *e, *e]\n";
    for text in
        ["a: [", "a: 1\na: 2\n", "- a\n", "text\n", "a: *b\n", "? [a]\n: b\n", "a: !!int x\n", &deep, bomb, "\t: a"]
    {
        assert!(load(text.as_bytes()).is_err(), "{text}");
    }
    assert!(matches!(load(b"\xff"), Err(StoreError::NotText)));
}

#[test]
fn a_comment_never_becomes_content() {
    let branch = vec![Item::comment(" a\nb: 1", false), Item::comment(" c\nd: 2", true), Item::new("x", Value::Int(1))];
    assert_eq!(emit(&[branch]), b"# a\n#b: 1\nx: 1 # c d: 2\n");
}

#[test]
fn a_long_line_and_many_comments_take_no_longer_than_their_length() {
    let line = format!("a: [{}]\n", "x, ".repeat(200_000));
    assert_eq!(load(line.as_bytes()).unwrap().len(), 1);
    let comments = "# note\n".repeat(200_000) + "a: 1\n";
    assert_eq!(load(comments.as_bytes()).unwrap()[0].len(), 200_001);
}
