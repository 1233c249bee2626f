//! Runs the engine over the differential corpus, if it is there, and compares with the list of known gaps.
//!
//! `SLUICE_SHARED` names the directory that holds `kustomize-corpus`; the default is `../shared` beside the workspace.
//! `SLUICE_CORPUS_CASE` narrows the run to the cases whose name contains it and prints what differs.

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use sluice_kustomize::{DirTree, LoadRestrictor, Options, RelPath, Reorder, build, describe};

const MAX_FILE_BYTES: u64 = 16 << 20;

fn corpus() -> PathBuf {
    let shared = std::env::var_os("SLUICE_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    shared.join("kustomize-corpus/cases")
}

/// What one case's two orders came to: `Err` says what differs.
fn run(case: &Path) -> Result<(), String> {
    let read = |name: &str| fs::read_to_string(case.join(name));
    let input = case.join("input");
    let tree = DirTree::new(&input, MAX_FILE_BYTES).map_err(|error| error.to_string())?;
    let target = read("target").map_err(|error| error.to_string())?;
    let dir = RelPath::new(target.trim()).map_err(|error| error.to_string());
    let build_in = |reorder| -> Result<(String, Vec<String>), String> {
        let options = Options { load_restrictor: LoadRestrictor::RootOnly, reorder, ..Options::default() };
        let built = build(&tree, dir.as_ref()?, &options).map_err(|error| describe(&error))?;
        let text = built.to_yaml().map_err(|error| error.to_string())?;
        Ok((text, built.warnings))
    };
    let legacy = build_in(Reorder::Legacy);
    let Ok(expected) = read("expected.yaml") else {
        let expected = read("expected.err").map_err(|error| error.to_string())?;
        // Wording is checked by our own tests; here it is enough that both refuse.
        return match legacy {
            Ok(_) => Err(format!("an error was expected: {expected}")),
            Err(_) => Ok(()),
        };
    };
    let (text, warnings) = legacy.map_err(|error| format!("unexpected error: {error}"))?;
    differ(&expected, &text)?;
    let warned = read("expected.stderr").unwrap_or_default();
    let expected: Vec<&str> =
        warned.lines().map(|line| line.trim_start_matches("{{TIME}} ")).filter(|line| !line.is_empty()).collect();
    if expected != warnings {
        return Err(format!("warnings: expected {expected:?}, got {warnings:?}"));
    }
    let fifo =
        read("expected.reorder-none.yaml").or_else(|_| read("expected.yaml")).map_err(|error| error.to_string())?;
    let (text, _) = build_in(Reorder::None).map_err(|error| format!("unexpected error: {error}"))?;
    differ(&fifo, &text)
}

fn differ(expected: &str, got: &str) -> Result<(), String> {
    if expected == got {
        return Ok(());
    }
    let line = expected.lines().zip(got.lines()).take_while(|(expected, got)| expected == got).count();
    let at = |text: &str| text.lines().nth(line).unwrap_or("(end)").to_owned();
    Err(format!("line {}: expected {:?}, got {:?}", line + 1, at(expected), at(got)))
}

#[test]
fn the_corpus_builds_byte_for_byte_but_for_the_known_gaps() {
    let cases = corpus();
    let Ok(entries) = fs::read_dir(&cases) else {
        println!("skipped: no corpus at {}", cases.display());
        return;
    };
    let only = std::env::var("SLUICE_CORPUS_CASE").ok();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names.retain(|name| only.as_ref().is_none_or(|only| name.contains(only)));
    let mut failing = BTreeSet::new();
    for name in &names {
        let case = cases.join(name);
        let result = catch_unwind(|| run(&case)).unwrap_or_else(|_| Err("panicked".to_owned()));
        if let Err(why) = result {
            println!("{name}\n    {why}");
            failing.insert(name.clone());
        }
    }
    println!("{} of {} cases are equal", names.len() - failing.len(), names.len());
    if only.is_some() {
        return;
    }
    let known: BTreeSet<String> = include_str!("known_gaps.txt")
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    let regressions: Vec<_> = failing.difference(&known).collect();
    let progress: Vec<_> = known.difference(&failing).collect();
    assert!(regressions.is_empty() && progress.is_empty(), "now failing: {regressions:#?}\nnow equal: {progress:#?}");
}
