//! Every dependency is explained in docs/dependencies.md, comes from crates.io or this repository, and is used.
//!
//! Deliberately textual where it looks for uses: a crate's name before `::`, or after `use`. A dependency that only a macro's output names is
//! listed in the package's `metadata.tidy.used-indirectly`.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context as _;
use cargo_metadata::{DependencyKind, Metadata, NodeDep, Package};

use super::File;

/// The document with one table row per dependency.
const DOCUMENT: &str = "docs/dependencies.md";

pub(super) fn complaints(root: &Path, files: &[File], metadata: &Metadata) -> anyhow::Result<Vec<String>> {
    let text = |path: &str| {
        let file = files.iter().find(|file| file.path == path);
        file.map(|file| file.text.as_str()).with_context(|| format!("there is no {path}"))
    };
    let listed = listed_in_workspace(text("Cargo.toml")?);
    let direct = direct(metadata);
    let mut complaints = document_complaints(text(DOCUMENT)?, &listed, &direct);
    for package in
        metadata.packages.iter().filter(|package| package.source.as_ref().is_some_and(|source| !source.is_crates_io()))
    {
        complaints.push(format!(
            "{} {}: comes neither from crates.io nor from this repository",
            package.name, package.version
        ));
    }
    for package in metadata.workspace_packages() {
        complaints.extend(unused(root, files, package, metadata)?);
    }
    Ok(complaints)
}

/// The external names in `[workspace.dependencies]`: those that are no path of ours.
fn listed_in_workspace(manifest: &str) -> BTreeSet<String> {
    let section = manifest.lines().skip_while(|line| line.trim() != "[workspace.dependencies]").skip(1);
    section
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.contains("path ="))
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name.trim().to_owned())
        .filter(|name| !name.starts_with('#'))
        .collect()
}

/// The external crates that crates of ours name themselves.
fn direct(metadata: &Metadata) -> BTreeSet<String> {
    let packages = metadata.workspace_packages().into_iter();
    let dependencies =
        packages.flat_map(|package| &package.dependencies).filter(|dependency| dependency.path.is_none());
    dependencies.map(|dependency| dependency.name.clone()).collect()
}

fn document_complaints(document: &str, listed: &BTreeSet<String>, direct: &BTreeSet<String>) -> Vec<String> {
    let documented: BTreeSet<String> = document
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name.to_owned())
        .collect();
    let all: BTreeSet<String> = listed.union(direct).cloned().collect();
    let missing = all.difference(&documented).map(|name| format!("{DOCUMENT}: has no line for {name}"));
    let stale =
        documented.difference(&all).map(|name| format!("{DOCUMENT}: has a line for {name}, which is no dependency"));
    let idle = listed.difference(direct).map(|name| format!("Cargo.toml: lists {name}, which no crate depends on"));
    missing.chain(stale).chain(idle).collect()
}

/// Dependencies whose name the package's own code never says.
fn unused(root: &Path, files: &[File], package: &Package, metadata: &Metadata) -> anyhow::Result<Vec<String>> {
    let dir = package.manifest_path.parent().context("a manifest lies in a directory")?;
    let dir = dir.as_std_path().strip_prefix(root).unwrap_or(dir.as_std_path()).to_string_lossy().into_owned();
    let node = metadata.resolve.as_ref().and_then(|resolve| resolve.nodes.iter().find(|node| node.id == package.id));
    let node = node.with_context(|| format!("{} is not resolved", package.name))?;
    let indirect = &package.metadata["tidy"]["used-indirectly"];
    let is_indirect = |name: &str| indirect.as_array().is_some_and(|names| names.iter().any(|it| it == name));
    let code = Code::of(files, &dir);
    let unused = node.deps.iter().filter(|dependency| !is_indirect(&dependency.name) && !code.uses(dependency));
    Ok(unused.map(|dependency| format!("{}: does not use {}", package.name, dependency.name)).collect())
}

/// A package's code by what may use which dependencies.
struct Code<'a> {
    /// Library and programs.
    main: Vec<&'a str>,
    build: Vec<&'a str>,
    /// Tests, benchmarks and examples, beside `main`, which has unit tests.
    tests: Vec<&'a str>,
}

impl<'a> Code<'a> {
    fn of(files: &'a [File], dir: &str) -> Self {
        let mut code = Self { main: Vec::new(), build: Vec::new(), tests: Vec::new() };
        for file in files.iter().filter(|file| file.is_rust()) {
            let Some(path) = file.path.strip_prefix(dir).and_then(|path| path.strip_prefix('/')) else { continue };
            let group = match path.split('/').next() {
                Some("src") => &mut code.main,
                Some("build.rs") => &mut code.build,
                _ => &mut code.tests,
            };
            group.push(&file.text);
        }
        code
    }

    fn uses(&self, dependency: &NodeDep) -> bool {
        let in_any = |texts: &[&str]| texts.iter().any(|text| names(text, &dependency.name));
        dependency.dep_kinds.iter().any(|info| match info.kind {
            DependencyKind::Normal => in_any(&self.main),
            DependencyKind::Build => in_any(&self.build),
            _ => in_any(&self.tests) || in_any(&self.main),
        })
    }
}

/// Whether code, not a comment, names the crate: `krate::`, or `use krate` with an end or a new name.
fn names(text: &str, krate: &str) -> bool {
    text.lines().map(str::trim_start).filter(|line| !line.starts_with("//")).any(|line| {
        line.match_indices(krate).any(|(at, _)| {
            let (before, after) = (&line[..at], &line[at + krate.len()..]);
            let starts = !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.');
            let is_import = before.trim_end().ends_with("use") && (after.starts_with(';') || after.starts_with(" as "));
            starts && (after.starts_with("::") && !before.ends_with("crate::") || is_import)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::file;
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn the_workspace_lists_what_is_no_path_of_ours() {
        let manifest = "[package]\nname = \"x\"\n[workspace.dependencies]\n# serde = old\nours = { path = \"crates/ours\" }\n\
                        serde = \"1\"\n\nkube = { version = \"5\" }\n[profile.dev]\ndebug = 1\n";
        assert_eq!(listed_in_workspace(manifest), set(&["serde", "kube"]));
    }

    #[test]
    fn document_manifest_and_crates_name_the_same_dependencies() {
        let document = "# Title\n| crate | for |\n|---|---|\n| `a` | x |\n| `b` | uses `c` |\n";
        let complaints = |listed: &[&str], direct: &[&str]| document_complaints(document, &set(listed), &set(direct));
        assert_eq!(complaints(&["a"], &["a", "b"]), Vec::<String>::new());
        assert_eq!(complaints(&["a"], &["a", "b", "c"]), ["docs/dependencies.md: has no line for c"]);
        assert_eq!(complaints(&["a"], &["a"]), ["docs/dependencies.md: has a line for b, which is no dependency"]);
        assert_eq!(complaints(&["a", "b"], &["a"]), ["Cargo.toml: lists b, which no crate depends on"]);
    }

    #[test]
    fn a_use_is_the_name_before_a_path_or_after_use() {
        for (text, expected) in [
            ("use http::Uri;", true),
            ("let x = http::Uri::default();", true),
            ("    #[http::main]", true),
            ("use http;", true),
            ("pub use http as h;", true),
            ("// http::Uri", false),
            ("/// [`http::Uri`]", false),
            ("let http = 1; http + http", false),
            ("use kube_http::Uri;", false),
            ("use crate::http::Uri;", false),
            ("use https::Uri;", false),
        ] {
            assert_eq!(names(text, "http"), expected, "{text}");
        }
    }

    #[test]
    fn code_is_grouped_by_which_dependencies_it_may_use() {
        let files = [
            file("crates/a/src/lib.rs", "1"),
            file("crates/a/src/bin/x.rs", "2"),
            file("crates/a/tests/y.rs", "3"),
            file("crates/a/build.rs", "4"),
            file("crates/ab/src/lib.rs", "5"),
            file("crates/a/src/data.txt", "6"),
        ];
        let code = Code::of(&files, "crates/a");
        assert_eq!((code.main, code.tests, code.build), (vec!["1", "2"], vec!["3"], vec!["4"]));
    }
}
