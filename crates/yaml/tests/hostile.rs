//! Text that is made to confuse, exhaust or crash the reader: it is read, or refused with the line, soon and without a panic.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use sluice_yaml::{Limits, YamlError, is_blank, read_config, read_documents, write_all};

/// Far more than any case takes on a slow machine in a debug build, far less than anything quadratic would.
const PATIENCE: Duration = Duration::from_secs(20);

fn json(text: &str) -> serde_json::Value {
    let documents = read_documents(text.as_bytes(), &Limits::DEFAULT).expect(text);
    documents[0].to_json().expect(text)
}

fn refused(text: &[u8], limits: &Limits) -> YamlError {
    let started = Instant::now();
    let error = read_documents(text, limits).expect_err("must be refused");
    assert!(read_config(text, limits).is_err());
    let _ = is_blank(text);
    assert!(started.elapsed() < PATIENCE);
    error
}

#[test]
fn a_block_scalar_may_end_with_the_file() {
    for (text, expected) in [
        ("a: |\n  text", "text"),
        ("a: |\n  text\n", "text\n"),
        ("a: |-\n  text", "text"),
        ("a: |+\n  text", "text"),
        ("a: |+\n  text\n  ", "text\n"),
        ("a: >\n  text\n  more", "text more"),
        ("a: |\n  text\n\n  more", "text\n\nmore"),
        ("a: |\n  text\n# end", "text\n"),
        ("\u{feff}a: |\n  é", "é"),
        ("a: |\r  text\r", "text\n"),
        ("a: |\r  text", "text"),
        ("a: |\r\n  text\r\n", "text\n"),
    ] {
        assert_eq!(json(text), serde_json::json!({ "a": expected }), "for {text:?}");
        let config = read_config(text.as_bytes(), &Limits::DEFAULT).unwrap().unwrap();
        assert_eq!(config.to_json().unwrap(), serde_json::json!({ "a": expected }), "for {text:?}");
    }
}

#[test]
fn odd_bytes_are_read_or_refused_with_their_line() {
    for (text, line) in [
        (&b"a: 1\nb: \xff\n"[..], Some(2)),
        (b"a: 1\nb: \x00\n", Some(2)),
        (b"a: 1\n---\nb: \x1b[31m\n", Some(3)),
        (b"a: \xc3", Some(1)),
        (b"a: 1\n\tb: 2\n", Some(2)),
        (b"a: 1\rb: [\r", Some(3)),
        (b"a: 1\nb: [!x, 1]\n", Some(2)),
        (b"a: 1\na: 2\n", Some(2)),
        (b"%YAML 9.9\n---\na: 1\n", Some(1)),
        (b"a: 1\n...\nb: [\n", None),
    ] {
        match read_documents(text, &Limits::DEFAULT) {
            Ok(_) => assert_eq!(line, None, "{text:?} was read"),
            Err(error) => {
                let shown = error.to_string();
                assert!(!shown.is_empty() && !shown.contains('\0'), "{shown:?}");
                if line.is_some() {
                    assert_eq!(error.line(), line, "for {:?}: {shown}", String::from_utf8_lossy(text));
                }
            }
        }
    }
    // The first byte of this letter is that of a byte order mark.
    assert_eq!(json("\u{ff4b}: |\n  x"), serde_json::json!({ "\u{ff4b}": "x" }));
    assert_eq!(json("\u{ff4b}: 1\nb: 2\n"), serde_json::json!({ "\u{ff4b}": 1, "b": 2 }));
    assert_eq!(json("\u{feff}a: 1\n"), serde_json::json!({ "a": 1 }));
    assert_eq!(json("a: 1\rb: 2\r"), serde_json::json!({ "a": 1, "b": 2 }));
}

#[test]
fn bytes_that_are_no_letters_are_refused_in_the_words_of_go_yaml() {
    for (text, line, problem) in [
        (&b"a: \xff\n"[..], 1, "invalid leading UTF-8 octet"),
        (b"a: 1\n---\nb: \xc3(\n", 3, "invalid trailing UTF-8 octet"),
        (b"a: 1\nb: \xc3", 2, "incomplete UTF-8 octet sequence"),
        (b"a: \xed\xa0\x80\n", 1, "invalid Unicode character"),
        (b"a: \xf4\x90\x80\x80\n", 1, "invalid Unicode character"),
        (b"a: \xc0\x80\n", 1, "invalid length of a UTF-8 sequence"),
        (b"a:\n- \xc2\x80\n", 2, "control characters are not allowed"),
        (b"a:\n- \xef\xbf\xbe\n", 2, "control characters are not allowed"),
    ] {
        for error in [
            read_documents(text, &Limits::DEFAULT).expect_err("must be refused"),
            read_config(text.split(|&byte| byte == b'-').next_back().unwrap(), &Limits::DEFAULT)
                .expect_err("must be refused"),
        ] {
            assert_eq!(error.to_string(), format!("yaml: {problem}"), "{text:?}");
        }
        assert_eq!(read_documents(text, &Limits::DEFAULT).unwrap_err().line(), Some(line), "{text:?}");
    }
}

#[test]
fn what_expands_or_nests_beyond_the_limits_is_refused_soon() {
    let bomb = |step: &str| {
        let mut text = format!("a0: &a0 {step}\n");
        for level in 1..40 {
            let item = format!("*a{}, ", level - 1).repeat(10);
            writeln!(text, "a{level}: &a{level} [{item}]").unwrap();
        }
        text
    };
    let merges = {
        let mut text = "a0: &a0 {k0: 1, k1: 1, k2: 1, k3: 1}\n".to_owned();
        for level in 1..200 {
            writeln!(text, "a{level}: &a{level} {{<<: *a{}, x{level}: *a{0}}}", level - 1).unwrap();
        }
        text
    };
    let long = format!("a: &a \"{}\"\nb: [{}]\n", "x".repeat(1 << 20), "*a, ".repeat(1000));
    for (what, text) in [
        ("nodes", bomb("[x, x, x, x]")),
        ("bytes or nodes", bomb(&format!("\"{}\"", "x".repeat(1000)))),
        ("merges", merges),
        ("a long string many times", long),
        ("open brackets", "[".repeat(200_000)),
        ("open braces", "{a: ".repeat(200_000)),
        ("dashes", "- ".repeat(200_000)),
        ("question marks", "? ".repeat(200_000)),
        ("anchors", (0..200_000).fold(String::new(), |text, _| text + "&a [")),
    ] {
        let error = refused(text.as_bytes(), &Limits::DEFAULT);
        assert!(matches!(error, YamlError::LimitExceeded { .. } | YamlError::Syntax { .. }), "{what}: {error}");
        assert!(error.line().is_some(), "{what}: {error}");
    }
}

#[test]
fn a_document_that_is_one_text_of_several_lines_reads_back() {
    for text in ["a\n\nb\n", "\n", " a\n", "a\n\n\n"] {
        let node = sluice_yaml::Node::string(text);
        let written = write_all([&node]).unwrap();
        assert_eq!(read_documents(written.as_bytes(), &Limits::DEFAULT).unwrap(), [node], "{written:?}");
    }
}

#[test]
fn large_inputs_of_every_shape_take_time_in_proportion() {
    let started = Instant::now();
    let keys = (0..100_000).fold(String::new(), |mut text, key| {
        writeln!(text, "key{key}: {key}").unwrap();
        text
    });
    let line = format!("a: {}\n", "word ".repeat(200_000));
    let quoted = format!("a: \"{}\"\n", "\\u263a ".repeat(100_000));
    let documents = "---\na: 1\n".repeat(50_000);
    let blanks = format!("a: 1{}\n", " ".repeat(1_000_000));
    let comments = "# nothing\n".repeat(100_000);
    for text in [keys, line, quoted, documents, blanks, comments] {
        let nodes = read_documents(text.as_bytes(), &Limits::DEFAULT).unwrap();
        let written = write_all(&nodes).unwrap();
        assert_eq!(read_documents(written.as_bytes(), &Limits::DEFAULT).unwrap().len(), nodes.len());
    }
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
}
