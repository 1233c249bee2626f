use std::io::Cursor;

use super::*;

const INDEX: &str = r#"apiVersion: v1
entries:
  web:
  - {name: web, version: 1.0.0+a, created: 2020-01-01T00:00:00Z, urls: [a.tgz]}
  - {name: web, version: 1.0.0+c, created: 2020-03-01T00:00:00Z, urls: [c.tgz]}
  - {name: web, version: 1.0.0+b, created: 2020-02-01T00:00:00Z, urls: [b.tgz]}
  - {name: web, version: 0.9.0}
  - {name: web, version: v0.8.0}
  - {name: web, version: 2.0.0-rc.1}
  - {name: web, version: "3.0"}
  other: [{name: other, version: 1.0.0-alpha}]
  none: [{name: none}]
  null: ~
"#;

fn found(chart: &str, version: &str) -> Result<String, String> {
    let yaml = find(Cursor::new(INDEX), chart, version, &Limits::DEFAULT);
    let mut json = Vec::new();
    index::convert(Cursor::new(INDEX), Cursor::new(Vec::new()), &mut json, &Limits::DEFAULT, &mut |_| {}).unwrap();
    let json = find(Cursor::new(json), chart, version, &Limits::DEFAULT);
    let text =
        |result: Result<Found, LookupError>| result.map(|found| found.version).map_err(|error| error.to_string());
    let (yaml, json) = (text(yaml), text(json));
    assert_eq!(yaml, json, "the served index must give the same answer");
    yaml
}

#[test]
fn versions_are_found_by_their_spelling_then_by_range() {
    for (version, expected) in [
        ("", "1.0.0+c"),
        ("*", "1.0.0+c"),
        ("1.0.0", "1.0.0+c"),
        ("1.0.0+a", "1.0.0+a"),
        ("3.0", "3.0"),
        ("2.0.0-rc.1", "2.0.0-rc.1"),
        ("<1.0.0", "0.9.0"),
        ("0.8.x", "v0.8.0"),
        (">=1.0.0-0", "2.0.0-rc.1"),
    ] {
        assert_eq!(found("web", version).as_deref(), Ok(expected), "{version}");
    }
}

#[test]
fn what_is_not_found_says_why() {
    for (chart, version, expected) in [
        ("absent", "", "no chart name found"),
        ("none", "", "no chart version found"),
        ("null", "", "no chart version found"),
        ("other", "", "no 'other' chart with version matching '' found"),
        ("web", ">=9", "no 'web' chart with version matching '>=9' found"),
        ("web", "nonsense", "improper constraint: nonsense"),
    ] {
        assert_eq!(found(chart, version), Err(expected.to_owned()));
    }
    let broken = find(Cursor::new("a: ["), "web", "", &Limits::DEFAULT).unwrap_err();
    assert!(!broken.is_reference_fault());
    assert!(LookupError::NoChart.is_reference_fault());
}

#[test]
fn the_download_url_is_the_first_one_resolved_against_the_repository() {
    let found = find(Cursor::new(INDEX), "web", "1.0.0+b", &Limits::DEFAULT).unwrap();
    assert_eq!(
        found.download_url("https://charts.example.com/stable").unwrap(),
        "https://charts.example.com/stable/b.tgz"
    );
    let without = find(Cursor::new(INDEX), "web", "0.9.0", &Limits::DEFAULT).unwrap();
    assert_eq!(without.download_url("https://x").unwrap_err().to_string(), "chart 'web' has no downloadable URLs");
}
