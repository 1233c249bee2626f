use std::io::Cursor;

use super::*;

const SMALL: Limits =
    Limits { bytes: 64 << 10, entry_bytes: 40 << 10, entry_nodes: 200, versions: 20, name_bytes: 100 };

type Left = Vec<(String, String, Option<String>)>;

fn converted(text: &[u8], limits: &Limits) -> Result<(String, Summary, Left), IndexError> {
    let (mut out, mut left) = (Vec::new(), Left::new());
    let summary = convert(Cursor::new(text), Cursor::new(Vec::new()), &mut out, limits, &mut |dropped| {
        left.push((dropped.chart.into(), dropped.version.into(), dropped.reason.map(ToString::to_string)));
    })?;
    Ok((String::from_utf8(out).unwrap(), summary, left))
}

fn failure(text: &[u8]) -> String {
    let error = converted(text, &SMALL).unwrap_err();
    let mut message = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(inner) = source {
        message = format!("{message}: {inner}");
        source = inner.source();
    }
    message
}

const YAML: &str = r#"apiVersion: v1
entries:
  web:
  - apiVersion: v2
    appVersion: "1.0"
    created: 2020-01-02T03:04:05.600Z
    dependencies:
    - name: db
      version: ~1.0
      repository: https://db.example.com
      import-values: [a, {child: x, parent: p}]
    description: A <web> & more
    digest: abc
    maintainers:
    - {email: a@example.com, name: A}
    name: web
    urls:
    - https://example.com/web-1.0.0.tgz
    version: 1.0.0
  - {name: web, version: 1.10.0, urls: [w.tgz], created: "2020-01-02T03:04:05+02:00", removed: true, digest: 12}
  - {name: web, version: 1.10.0-rc.1}
  - ~
  - {name: web, version: nonsense}
  empty: []
  null: ~
  api: [{name: api, version: v2, annotations: {b: "2", a: "1"}}]
generated: "2021-01-01T00:00:00Z"
publicKeys: [k]
annotations: {x: 1}
serverInfo: {contextPath: /v1, z: 1.5}
"#;

const JSON: &str = r#"{
  "serverInfo": {
    "contextPath": "/v1",
    "z": 1.5
  },
  "apiVersion": "v1",
  "generated": "2021-01-01T00:00:00Z",
  "entries": {
    "api": [
      {
        "name": "api",
        "version": "v2",
        "apiVersion": "v1",
        "annotations": {
          "a": "1",
          "b": "2"
        },
        "urls": null,
        "created": "0001-01-01T00:00:00Z"
      }
    ],
    "empty": [],
    "null": null,
    "web": [
      {
        "name": "web",
        "version": "1.10.0",
        "apiVersion": "v1",
        "urls": [
          "w.tgz"
        ],
        "created": "2020-01-02T03:04:05+02:00",
        "removed": true,
        "digest": "12"
      },
      {
        "name": "web",
        "version": "1.10.0-rc.1",
        "apiVersion": "v1",
        "urls": null,
        "created": "0001-01-01T00:00:00Z"
      },
      {
        "name": "web",
        "version": "1.0.0",
        "description": "A \u003cweb\u003e \u0026 more",
        "maintainers": [
          {
            "name": "A",
            "email": "a@example.com"
          }
        ],
        "apiVersion": "v2",
        "appVersion": "1.0",
        "dependencies": [
          {
            "name": "db",
            "version": "~1.0",
            "repository": "https://db.example.com",
            "import-values": [
              "a",
              {
                "child": "x",
                "parent": "p"
              }
            ]
          }
        ],
        "urls": [
          "https://example.com/web-1.0.0.tgz"
        ],
        "created": "2020-01-02T03:04:05.6Z",
        "digest": "abc"
      }
    ]
  },
  "publicKeys": [
    "k"
  ],
  "annotations": {
    "x": "1"
  }
}"#;

#[test]
fn yaml_becomes_sorted_json_without_what_is_invalid() {
    let (json, summary, left) = converted(YAML.as_bytes(), &Limits::DEFAULT).unwrap();
    assert_eq!(json, JSON);
    assert_eq!(summary, Summary { charts: 4, versions: 4, dropped: 2, bytes: JSON.len() as u64 });
    let reason = "validation: chart.metadata.version \"nonsense\" is invalid";
    assert_eq!(
        left,
        [("web".to_owned(), String::new(), None), ("web".to_owned(), "nonsense".to_owned(), Some(reason.to_owned())),]
    );
}

#[test]
fn the_json_that_is_written_reads_back_as_itself() {
    let (json, _, left) = converted(JSON.as_bytes(), &Limits::DEFAULT).unwrap();
    assert_eq!(json, JSON);
    assert_eq!(left, []);
    // The same as YAML, of which JSON is a part: a comment keeps it from being JSON.
    let (yaml, ..) = converted(format!("# \n{JSON}").as_bytes(), &Limits::DEFAULT).unwrap();
    assert_eq!(yaml, JSON);
}

#[test]
fn json_is_lenient_and_yaml_strict_about_fields() {
    let json = br#"{"APIVERSION": "v1", "extra": [1, {"a": []}], "entries": {"a": [{"name": "a", "version": "1.0.0", "more": 1}], "a": [{"name": "a", "version": "2.0.0"}]}}"#;
    let (text, summary, _) = converted(json, &SMALL).unwrap();
    assert!(text.contains("\"version\": \"2.0.0\"") && !text.contains("1.0.0"), "{text}");
    assert_eq!((summary.charts, summary.versions), (1, 1));
    for (text, message) in [
        ("apiVersion: v1\nextra: 1\n", "json: unknown field \"extra\""),
        ("apiVersion: v1\nentries: {a: [{name: a, version: 1.0.0, more: 1}]}\n", "json: unknown field \"more\""),
        ("apiVersion: v1\nentries:\n  a: []\n  a: []\n", "line 4: key \"a\" already set in map"),
        ("apiVersion: v1\napiVersion: v1\n", "line 2: key \"apiVersion\" already set in map"),
        ("apiVersion: v1\nentries: {a: [{name: a, name: b}]}\n", "already defined"),
        (
            "apiVersion: v1\nentries: {a: [{name: a, version: 1.0}]}\n",
            "cannot unmarshal number into Go struct field ChartVersion.version of type string",
        ),
        ("apiVersion: v1\nentries: {a: [{created: 2020-01-02}]}\n", "parsing time \"2020-01-02\""),
    ] {
        assert!(failure(text.as_bytes()).contains(message), "{text}: {}", failure(text.as_bytes()));
    }
}

#[test]
fn an_index_must_have_content_and_a_version() {
    for (text, message) in [
        (&b""[..], "empty index.yaml file"),
        (b"\n", "no API version specified"),
        (b"# nothing\n", "no API version specified"),
        (b"{}", "no API version specified"),
        (b"null", "no API version specified"),
        (b"entries: {}\n", "no API version specified"),
        (b"[]", "error unmarshaling index"),
        (b"text\n", "cannot unmarshal string"),
        (b"apiVersion: v1\nentries: []\n", "cannot unmarshal array"),
        (b"apiVersion: v1\nentries: {a: {}}\n", "cannot unmarshal object"),
        (b"apiVersion: v1\nentries: {a: x}\n", "cannot unmarshal string"),
        (b"{\"apiVersion\": \"v1\", \"entries\": {\"a\": {}}}", "error unmarshaling index"),
        (b"{\"apiVersion\": 1}", "cannot unmarshal number"),
        (b"apiVersion: v1\nentries: {a: [\n", "error converting YAML to JSON"),
        (b"apiVersion: v1\nentries: {\xff: []}\n", "invalid UTF-8"),
        (b"\xc3\x28", "invalid UTF-8"),
    ] {
        let found = failure(text);
        assert!(found.contains(message), "{text:?}: {found}");
    }
    let (text, ..) = converted(b"apiVersion: v1\n", &SMALL).unwrap();
    assert_eq!(
        text,
        "{\n  \"apiVersion\": \"v1\",\n  \"generated\": \"0001-01-01T00:00:00Z\",\n  \"entries\": null\n}"
    );
}

#[test]
fn a_repeated_alias_and_missing_metadata_are_tolerated_as_far_as_helm_does() {
    let text = "apiVersion: v1\nentries:\n  a:\n  - {name: a, version: 1.0.0, dependencies: [{name: x, repository: r}, {name: x, repository: r}]}\n  - {}\n  - {name: a/b, version: 1.0.0}\n";
    let (_, summary, left) = converted(text.as_bytes(), &SMALL).unwrap();
    assert_eq!(summary.versions, 1);
    let reasons: Vec<_> = left.into_iter().filter_map(|(_, _, reason)| reason).collect();
    assert_eq!(
        reasons,
        ["validation: chart.metadata.name is required", "validation: chart.metadata.name \"a/b\" is invalid"]
    );
}

#[test]
fn anchors_and_aliases_between_versions_work_and_bombs_do_not() {
    let text = "apiVersion: v1\nentries:\n  a:\n  - &one {name: a, version: 1.0.0, keywords: &k [x]}\n  - {name: a, version: 2.0.0, keywords: *k}\n  b: [*one]\n";
    let (json, summary, _) = converted(text.as_bytes(), &SMALL).unwrap();
    assert_eq!(summary.versions, 3);
    assert_eq!(json.matches("\"x\"").count(), 3);
    let nine = |name: char, of: &str| format!("- &{name} [{}]\n", [of; 9].join(","));
    let bomb =
        ["apiVersion: v1\nannotations:\n", &nine('a', "x"), &nine('b', "*a"), &nine('c', "*b"), &nine('d', "*c")]
            .concat();
    assert!(failure(bomb.as_bytes()).contains("limit of 200 nodes"));
}

#[test]
fn every_limit_holds_in_both_forms() {
    let version = |name: &str, more: &str| format!("{{\"name\": \"{name}\", \"version\": \"1.0.0\"{more}}}");
    let index =
        |entries: &str, comment: &str| format!("{comment}{{\"apiVersion\": \"v1\", \"entries\": {{{entries}}}}}");
    let many = (0..21).map(|_| version("a", "")).collect::<Vec<_>>().join(",");
    let nodes = format!(", \"keywords\": [{}]", vec!["\"k\""; 300].join(","));
    let empty_objects = format!(", \"dependencies\": [{}]", vec!["{}"; 300].join(","));
    let deep = format!(", \"x\": {}{}", "[".repeat(190), "]".repeat(190));
    let long = format!(", \"home\": \"{}\"", "h".repeat(60 << 10));
    let names = (0..11).map(|index| format!("\"{index:010}\": []")).collect::<Vec<_>>().join(",");
    for comment in ["", "# YAML\n"] {
        for (entries, message) in [
            (format!("\"a\": [{many}]"), "limit of 20 chart versions"),
            (format!("\"a\": [{}]", version("a", &nodes)), "nodes"),
            (format!("\"a\": [{}]", version("a", &empty_objects)), "nodes"),
            (format!("\"a\": [{}]", version("a", &deep)), ""),
            (format!("\"a\": [{}]", version("a", &long)), "limit of 40960 bytes in one value"),
            (names.clone(), "limit of 100 bytes of chart names"),
        ] {
            let found = failure(index(&entries, comment).as_bytes());
            assert!(found.contains(message), "{comment}{message}: {found}");
        }
        let large = index(&format!("\"a\": [{}]", vec![version("a", ""); 20].join(",\n")), comment);
        let limits = Limits { bytes: 300, ..SMALL };
        let error = converted(large.as_bytes(), &limits).unwrap_err();
        assert_eq!(error.to_string(), "index exceeds the maximum index file size of 300 bytes");
    }
}

#[test]
fn a_reader_or_writer_that_fails_is_told_apart() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("disk"))
        }
    }
    impl Seek for Broken {
        fn seek(&mut self, _: std::io::SeekFrom) -> std::io::Result<u64> {
            Ok(1)
        }
    }
    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("disk"))
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let run = |spilled: bool, written: bool| {
        let (spill, mut out) = (Cursor::new(Vec::new()), Vec::new());
        let input = Cursor::new(YAML.as_bytes());
        match (spilled, written) {
            (false, _) => convert(input, Broken, &mut out, &Limits::DEFAULT, &mut |_| {}),
            (_, false) => convert(input, spill, &mut Broken, &Limits::DEFAULT, &mut |_| {}),
            _ => convert(Broken, spill, &mut out, &Limits::DEFAULT, &mut |_| {}),
        }
        .unwrap_err()
    };
    assert!(matches!(run(false, true), IndexError::Spill(_)));
    assert!(matches!(run(true, false), IndexError::Write(_)));
    assert!(matches!(run(true, true), IndexError::Read(_)));
}
