use std::error::Error;
use std::fs;

use serde_json::json;

use super::*;
use crate::chart::ChartLimits;

fn message(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {}", message(source)))
}

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn source(files: &[(&str, &str)]) -> (tempfile::TempDir, SourceRoot) {
    let directory = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let root = SourceRoot::new(directory.path()).unwrap();
    (directory, root)
}

#[test]
fn the_charts_own_file_alone_counts_as_none() {
    for (files, expected) in [
        (&["values.yaml"][..], 0),
        (&["./values.yaml"], 0),
        (&["a/../values.yaml"], 0),
        (&["a/values.yaml"], 1),
        (&["values.yaml", "values.yaml"], 2),
        (&[], 0),
    ] {
        assert_eq!(effective(&strings(files)).len(), expected, "{files:?}");
    }
}

#[test]
fn files_are_merged_deeply_and_the_last_one_wins() {
    let (_guard, root) = source(&[
        ("a.yaml", "x: {a: 1, b: [1, 2], c: {d: 1}}\nw: 1\nz: {k: 1}\n"),
        ("b/b.yaml", "x: {b: [3], c: {e: 2}}\nw: {m: 1}\nz: ~\n"),
        ("empty.yaml", "# nothing\n"),
    ]);
    let files = strings(&["a.yaml", "../b/b.yaml", "missing.yaml", "empty.yaml"]);
    let merged = merge_from_source(&root, &files, Missing::Ignored, 1 << 20).unwrap();
    let expected = json!({"x": {"a": 1, "b": [3], "c": {"d": 1, "e": 2}}, "w": {"m": 1}, "z": null});
    assert_eq!(Json::Object(merged.values), expected);
    assert_eq!(merged.files, strings(&["a.yaml", "../b/b.yaml", "empty.yaml"]));
}

#[test]
fn files_that_cannot_be_used_say_why() {
    let (guard, root) =
        source(&[("list.yaml", "[1]\n"), ("bad.yaml", "a: [\n"), ("dir/x", ""), ("big.yaml", "a: 12345\n")]);
    fs::write(guard.path().join("bytes.yaml"), b"a: \xff\n").unwrap();
    let unmarshal = "json: cannot unmarshal array into Go struct field values of type map[string]interface {}";
    for (file, expected) in [
        ("no.yaml", "no values file found at path '/no.yaml' (reference 'no.yaml')".to_owned()),
        ("../../etc/no", "no values file found at path '/etc/no' (reference '../../etc/no')".to_owned()),
        ("dir", "no values file found at path '/dir' (reference 'dir')".to_owned()),
        ("big.yaml", "could not read values from file 'big.yaml': size of 9 bytes exceeds the limit".to_owned()),
        (
            "list.yaml",
            format!(
                "unmarshaling values from 'list.yaml' failed: error unmarshaling JSON: while decoding JSON: {unmarshal}"
            ),
        ),
    ] {
        let error = merge_from_source(&root, &strings(&[file]), Missing::Refused, 8).unwrap_err();
        assert_eq!(message(&error), expected);
    }
    for file in ["bad.yaml", "bytes.yaml"] {
        let error = merge_from_source(&root, &strings(&[file]), Missing::Refused, 8).unwrap_err();
        assert!(message(&error).starts_with(&format!("unmarshaling values from '{file}' failed: error converting")));
    }
}

#[test]
fn a_chart_gives_its_own_files_and_takes_the_result() {
    let (_guard, root) = source(&[
        ("Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"),
        ("values.yaml", "a: 1\nb: {c: 2}\n---\nb: {d: 3}\n--- # kept\n"),
        ("prod.yaml", "b: {c: 9}\n"),
    ]);
    let mut chart = Chart::from_path(&root, Path::new("."), &ChartLimits::DEFAULT).unwrap();
    assert_eq!(Json::Object(chart.values.clone()), json!({"a": 1, "b": {"c": 2, "d": 3}}));
    let merged = merge_from_chart(&chart, &strings(&["./values.yaml", "prod.yaml"]), Missing::Refused).unwrap();
    assert!(chart.overwrite_values(&merged.values).unwrap());
    assert_eq!(chart.values_file.as_ref().unwrap().data, b"a: 1\nb:\n  c: 9\n  d: 3\n");
    assert!(!chart.overwrite_values(&merged.values).unwrap());
    let error = merge_from_chart(&chart, &strings(&["no.yaml"]), Missing::Refused).unwrap_err();
    assert_eq!(error.to_string(), "no values file found at path 'no.yaml'");
    let none = merge_from_chart(&chart, &strings(&["no.yaml"]), Missing::Ignored).unwrap();
    assert!(chart.overwrite_values(&none.values).unwrap());
    assert_eq!(chart.values_file.as_ref().unwrap().data, b"");
    chart.values_file = None;
    assert_eq!(
        chart.overwrite_values(&Map::new()).unwrap_err().to_string(),
        "failed to locate values file: values.yaml"
    );
}
