use std::io::BufReader;

use serde_json::json;

use super::*;

const LIMITS: Limits = Limits { bytes: 1 << 10, depth: 16, nodes: 200 };

fn stream(text: &str) -> Stream<BufReader<&[u8]>> {
    // A buffer of a few bytes shows what happens where characters and tokens straddle it.
    Stream::new(BufReader::with_capacity(5, text.as_bytes()), LIMITS)
}

#[test]
fn outer_collections_are_walked_and_inner_nodes_taken_whole() {
    let mut stream = stream("a:\n  - {x: 1, y: yes}\n  - é\nb: &b [1, 2]\nskipped: {k: &k deep}\nc: [*b, *k]\n");
    assert!(stream.open().unwrap());
    assert!(matches!(stream.start().unwrap(), Start::Mapping));
    assert_eq!(stream.next_key().unwrap().unwrap().text, "a");
    assert!(matches!(stream.start().unwrap(), Start::Sequence));
    let mut items = Vec::new();
    while stream.next_item().unwrap() {
        items.push(stream.node().unwrap().to_json().unwrap());
    }
    assert_eq!(items, [json!({"x": 1, "y": true}), json!("é")]);
    assert_eq!(stream.next_key().unwrap().unwrap().text, "b");
    assert_eq!(stream.node().unwrap().to_json().unwrap(), json!([1, 2]));
    assert_eq!(stream.next_key().unwrap().unwrap().text, "skipped");
    stream.skip().unwrap();
    assert_eq!(stream.next_key().unwrap().unwrap().text, "c");
    assert_eq!(stream.node().unwrap().to_json().unwrap(), json!([[1, 2], "deep"]));
    assert!(stream.next_key().unwrap().is_none());
    stream.close().unwrap();
}

#[test]
fn what_is_no_document_opens_as_none() {
    for text in ["", "# only a comment\n", "\n"] {
        assert!(!stream(text).open().unwrap(), "{text:?}");
    }
}

#[test]
fn hostile_nodes_are_refused() {
    let bomb = "a: &a [1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b]\n";
    let deep = format!("{}{}\n", "[".repeat(40), "]".repeat(40));
    let long = format!("\"{}\"\n", "x".repeat(2000));
    for (text, part) in [
        (bomb, "nodes"),
        (deep.as_str(), "levels"),
        (long.as_str(), "bytes"),
        ("{a: 1, a: 2}\n", "already defined"),
        ("a: *nowhere\n", "unknown anchor"),
        ("a: &a [*a]\n", "unknown anchor"),
        ("[1\n", "yaml"),
        ("{[1]: 2}\n", "invalid map key"),
        ("a: {<<: 1}\n", "map merge"),
    ] {
        let mut taken = stream(text);
        taken.open().unwrap();
        let error = taken.node().unwrap_err().to_string();
        assert!(error.contains(part), "{text:?}: {error}");
    }
    let mut skipped = stream(&deep);
    skipped.open().unwrap();
    assert!(skipped.skip().unwrap_err().to_string().contains("levels"));
}

#[test]
fn merged_fields_do_not_replace_given_ones() {
    let mut merged = stream("- &a {x: 1, y: 2}\n- {<<: *a, x: 3}\n");
    merged.open().unwrap();
    assert_eq!(merged.node().unwrap().to_json().unwrap(), json!([{"x": 1, "y": 2}, {"x": 3, "y": 2}]));
}
