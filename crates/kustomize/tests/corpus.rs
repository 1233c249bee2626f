//! Runs the engine over the differential corpus, if it is there, and compares with the lists of known gaps and known texts.
//!
//! `SLUICE_SHARED` names the directory that holds `kustomize-corpus`; the default is `../shared` beside the workspace.
//! `SLUICE_CORPUS_CASE` narrows the run to the cases whose name contains it and prints what differs.

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use sluice_kustomize::{Attempt, DirTree, LoadRestrictor, Options, RelPath, Reorder, attempt, describe, yaml_of};

const MAX_FILE_BYTES: u64 = 16 << 20;

fn corpus() -> PathBuf {
    let shared = std::env::var_os("SLUICE_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    shared.join("kustomize-corpus/cases")
}

/// How one case came out.
enum Outcome {
    Equal,
    /// Both refuse, in different words.
    OtherText(String),
    Different(String),
}

/// What the text of an error may differ in: the place of the input, the time, addresses in memory.
fn scrub(text: &str, input: &Path) -> String {
    let text = text.replace(&input.display().to_string(), "{{INPUT}}");
    let mut parts = text.split("0x");
    let mut scrubbed = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.bytes().take_while(|byte| b"0123456789abcdef".contains(byte)).count();
        scrubbed.push_str(if digits >= 6 { "{{PTR}}" } else { "0x" });
        scrubbed.push_str(if digits >= 6 { &part[digits..] } else { part });
    }
    scrubbed
}

fn run(case: &Path) -> Result<Outcome, Box<dyn std::error::Error>> {
    let read = |name: &str| fs::read_to_string(case.join(name));
    let input = fs::canonicalize(case.join("input"))?;
    let tree = DirTree::new(&input, MAX_FILE_BYTES)?;
    let target = read("target")?;
    let dir = RelPath::new(target.trim())?;
    let build_in = |reorder| -> (Vec<String>, Result<String, String>) {
        let options = Options {
            load_restrictor: LoadRestrictor::RootOnly,
            reorder,
            root_label: input.display().to_string(),
            ..Options::default()
        };
        let Attempt { result, warnings, .. } = attempt(&tree, (target.trim(), &dir), &options);
        let text = result
            .map_err(|error| describe(&error))
            .and_then(|resources| yaml_of(&resources).map_err(|error| describe(&error)));
        (warnings, text)
    };
    let (warnings, legacy) = build_in(Reorder::Legacy);
    let Ok(expected) = read("expected.yaml") else {
        let expected = read("expected.err")?;
        let Err(error) = legacy else { return Ok(Outcome::Different(format!("an error was expected: {expected}"))) };
        let mut text = "exit=1\n".to_owned();
        for line in &warnings {
            text.push_str(line);
            text.push('\n');
        }
        text.push_str("Error: ");
        text.push_str(&scrub(&error, &input));
        text.push('\n');
        return Ok(if text == expected { Outcome::Equal } else { Outcome::OtherText(text) });
    };
    let warned = read("expected.stderr").unwrap_or_default();
    let expected_warnings: Vec<&str> =
        warned.lines().map(|line| line.trim_start_matches("{{TIME}} ")).filter(|line| !line.is_empty()).collect();
    if expected_warnings != warnings {
        return Ok(Outcome::Different(format!("warnings: expected {expected_warnings:?}, got {warnings:?}")));
    }
    let fifo = read("expected.reorder-none.yaml").or_else(|_| read("expected.yaml"))?;
    for (expected, built) in [(expected, legacy), (fifo, build_in(Reorder::None).1)] {
        match built {
            Ok(text) if text == expected => {}
            Ok(text) => return Ok(Outcome::Different(difference(&expected, &text))),
            Err(error) => return Ok(Outcome::Different(format!("unexpected error: {error}"))),
        }
    }
    Ok(Outcome::Equal)
}

fn difference(expected: &str, got: &str) -> String {
    let line = expected.lines().zip(got.lines()).take_while(|(expected, got)| expected == got).count();
    let at = |text: &str| text.lines().nth(line).unwrap_or("(end)").to_owned();
    format!("line {}: expected {:?}, got {:?}", line + 1, at(expected), at(got))
}

/// The names in a list.
fn names_in(list: &str) -> BTreeSet<String> {
    list.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

/// A list says exactly which cases differ: neither more nor fewer.
fn assert_known(what: &str, found: &BTreeSet<String>, known: &BTreeSet<String>) {
    let regressions: Vec<_> = found.difference(known).collect();
    let progress: Vec<_> = known.difference(found).collect();
    assert!(
        regressions.is_empty() && progress.is_empty(),
        "{what} now differ: {regressions:#?}\nnow equal: {progress:#?}"
    );
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
    let (mut failing, mut reworded) = (BTreeSet::new(), BTreeSet::new());
    for name in &names {
        let case = cases.join(name);
        let outcome = catch_unwind(|| run(&case).unwrap_or_else(|error| Outcome::Different(error.to_string())))
            .unwrap_or_else(|_| Outcome::Different("panicked".to_owned()));
        match outcome {
            Outcome::Equal => {}
            Outcome::OtherText(text) => {
                println!("{name}\n    other text: {text}");
                reworded.insert(name.clone());
            }
            Outcome::Different(why) => {
                println!("{name}\n    {why}");
                failing.insert(name.clone());
            }
        }
    }
    println!("{} of {} cases are equal, {} in other words", names.len() - failing.len(), names.len(), reworded.len());
    if only.is_some() {
        return;
    }
    assert_known("results", &failing, &names_in(include_str!("known_gaps.txt")));
    assert_known("texts", &reworded, &names_in(include_str!("known_texts.txt")));
}
