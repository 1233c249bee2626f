//! The architecture as a test: the crates' arrows and the owners of libraries are those of the table in docs/architecture.md.
//!
//! Dependencies for tests are free, except that nothing depends on another binary. Deliberately no opinion on whether the table is a good
//! one: it only has to be true.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, bail};
use cargo_metadata::{DependencyKind, Metadata, TargetKind};

/// The header cells of the table, which is how it is found in the document.
const HEADER: [&str; 4] = ["layer", "crate", "may use (ours)", "sole owner of"];

/// Our packages' common prefix, which the table leaves out.
const PREFIX: &str = "sluice-";

/// What the document says about one crate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// The number of its layer; `None` for what is not shipped and may use everything that its row names.
    pub(crate) layer: Option<u32>,
    /// Our crates that it may use.
    pub(crate) may_use: BTreeSet<String>,
    /// Libraries that nobody else may use.
    pub(crate) owns: BTreeSet<String>,
}

/// The table, by crate.
pub(crate) type Table = BTreeMap<String, Row>;

/// What cargo says about one crate of the workspace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Crate {
    /// Whether it has a program, so that nothing may depend on it.
    pub(crate) is_program: bool,
    /// Our crates that its library or program uses.
    pub(crate) ours: BTreeSet<String>,
    /// Our crates that only its tests use.
    pub(crate) ours_in_tests: BTreeSet<String>,
    /// Others' crates that its library or program uses.
    pub(crate) others: BTreeSet<String>,
}

/// The workspace, by crate.
pub(crate) type Graph = BTreeMap<String, Crate>;

/// Compares the workspace in `root` with its docs/architecture.md.
///
/// # Errors
/// If either cannot be read, or they differ; the message lists every difference.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let path = root.join("docs/architecture.md");
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let table = parse_table(&text).context("docs/architecture.md")?;
    let metadata = crate::metadata::load(root)?;
    let problems = problems(&table, &graph(&metadata));
    if problems.is_empty() {
        return Ok(());
    }
    bail!("docs/architecture.md and the crates differ:\n  {}", problems.join("\n  "))
}

/// Reads the one table with the expected header.
///
/// # Errors
/// If there is no such table, a row has another number of cells, or a crate has two rows.
pub(crate) fn parse_table(markdown: &str) -> anyhow::Result<Table> {
    let mut lines = markdown.lines().map(cells).skip_while(|cells| cells[..] != HEADER);
    lines.next().with_context(|| format!("there is no table with the header | {} |", HEADER.join(" | ")))?;
    let mut table = Table::new();
    // The line after the header is the rule between it and the rows.
    for cells in lines.skip(1).take_while(|cells| !cells.is_empty()) {
        let [layer, name, may_use, owns] = cells[..] else { bail!("a row needs four cells: {cells:?}") };
        let digits: String = layer.chars().take_while(char::is_ascii_digit).collect();
        let row = Row { layer: digits.parse().ok(), may_use: code_spans(may_use), owns: code_spans(owns) };
        for name in code_spans(name) {
            if table.insert(name.clone(), row.clone()).is_some() {
                bail!("{name} has two rows");
            }
        }
    }
    Ok(table)
}

/// The trimmed cells of a table line; none if it is no table line.
fn cells(line: &str) -> Vec<&str> {
    let inner = line.trim().strip_prefix('|').and_then(|line| line.strip_suffix('|'));
    inner.map(|inner| inner.split('|').map(str::trim).collect()).unwrap_or_default()
}

/// What stands between backticks; the rest of a cell is prose for people.
fn code_spans(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The workspace's crates and what they depend on directly.
pub(crate) fn graph(metadata: &Metadata) -> Graph {
    let members = metadata.workspace_packages();
    let ours: BTreeSet<&str> = members.iter().map(|package| package.name.as_str()).collect();
    let describe = |package: &cargo_metadata::Package| {
        // The test kit has programs for people beside its library; a program in our sense has nothing else to offer.
        let has_main = package.targets.iter().any(|target| target.is_kind(TargetKind::Bin));
        let is_program = has_main && short(&package.name).ends_with("-controller");
        let mut found = Crate { is_program, ..Crate::default() };
        for dependency in &package.dependencies {
            let set = match (ours.contains(dependency.name.as_str()), dependency.kind) {
                (true, DependencyKind::Development) => &mut found.ours_in_tests,
                (true, _) => &mut found.ours,
                (false, DependencyKind::Development) => continue,
                (false, _) => &mut found.others,
            };
            set.insert(short(&dependency.name).to_owned());
        }
        found
    };
    members.iter().map(|package| (short(&package.name).to_owned(), describe(package))).collect()
}

fn short(name: &str) -> &str {
    name.strip_prefix(PREFIX).unwrap_or(name)
}

/// Every difference, in words.
pub(crate) fn problems(table: &Table, graph: &Graph) -> Vec<String> {
    let mut problems = table_problems(table, graph);
    let mut owners: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, row) in table {
        for owned in &row.owns {
            owners.entry(owned).or_default().push(name);
        }
    }
    for (name, found) in graph {
        let Some(row) = table.get(name) else {
            problems.push(format!("{name} has no row"));
            continue;
        };
        for used in found.ours.difference(&row.may_use) {
            problems.push(format!("{name} uses {used}, which its row does not allow"));
        }
        for used in
            found.ours.union(&found.ours_in_tests).filter(|used| graph.get(*used).is_some_and(|it| it.is_program))
        {
            problems.push(format!("{name} depends on {used}, a program"));
        }
        for used in &found.others {
            if let Some(owners) = owners.get(used.as_str()).filter(|owners| !owners.contains(&name.as_str())) {
                problems.push(format!("{name} uses {used}, which belongs to {}", owners.join(" and ")));
            }
        }
    }
    problems
}

/// What is wrong with the table itself: rows for nothing, arrows upwards, owners that do not use what they own.
fn table_problems(table: &Table, graph: &Graph) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, row) in table {
        let Some(found) = graph.get(name) else {
            problems.push(format!("there is a row for {name}, but no such crate"));
            continue;
        };
        for used in &row.may_use {
            let Some(other) = table.get(used) else {
                problems.push(format!("{name} may use {used}, which has no row"));
                continue;
            };
            let upwards = match (row.layer, other.layer) {
                (Some(layer), Some(other)) => other > layer,
                (Some(_), None) => true,
                (None, _) => false,
            };
            if upwards {
                problems.push(format!("{name} may use {used}, which is in a higher layer"));
            }
        }
        for owned in row.owns.difference(&found.others) {
            problems.push(format!("{name} owns {owned}, but does not use it"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "\
# Title

| other | table |
|---|---|
| `x` | y |

| layer | crate | may use (ours) | sole owner of |
|---|---|---|---|
| 0 pure | `api` | | |
| 0 | `artifact` | `api` | `sha2`, prose |
| 2 shell | `runtime` | `api`, `artifact` | |
| 3 bins | `source-controller` | `api`, `runtime` | |
| dev | `testkit` | `api` | |

After it.
";

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn member(ours: &[&str], others: &[&str]) -> Crate {
        Crate { ours: set(ours), others: set(others), ..Crate::default() }
    }

    fn workspace() -> Graph {
        let program = Crate { is_program: true, ..member(&["api", "runtime"], &["anyhow"]) };
        [
            ("api", member(&[], &["serde"])),
            ("artifact", member(&["api"], &["sha2"])),
            ("runtime", member(&["api"], &["serde"])),
            ("source-controller", program),
            ("testkit", member(&["api"], &[])),
        ]
        .map(|(name, found)| (name.to_owned(), found))
        .into()
    }

    /// The differences after a change to the matching document or workspace.
    fn after(from: &str, to: &str, change: impl FnOnce(&mut Graph)) -> Vec<String> {
        assert!(from.is_empty() || DOCUMENT.contains(from));
        let mut graph = workspace();
        change(&mut graph);
        problems(&parse_table(&DOCUMENT.replacen(from, to, usize::from(!from.is_empty()))).unwrap(), &graph)
    }

    #[test]
    fn the_table_is_found_by_its_header_and_read_by_its_code_spans() {
        let table = parse_table(DOCUMENT).unwrap();
        assert_eq!(table.len(), 5);
        assert_eq!(table["artifact"], Row { layer: Some(0), may_use: set(&["api"]), owns: set(&["sha2"]) });
        assert_eq!(table["testkit"].layer, None);
    }

    #[test]
    fn a_document_without_the_table_with_a_bad_row_or_with_two_rows_for_one_crate_is_refused() {
        let twice = DOCUMENT.replacen("| 2 shell | `runtime`", "| 2 shell | `api`", 1);
        let narrow = DOCUMENT.replacen("| 0 pure | `api` | | |", "| 0 pure | `api` | |", 1);
        for (text, message) in [("", "no table"), (&*twice, "api has two rows"), (&*narrow, "four cells")] {
            let error = parse_table(text).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn a_workspace_that_matches_has_no_problem() {
        assert_eq!(after("", "", |_| ()), Vec::<String>::new());
    }

    #[test]
    fn every_kind_of_difference_is_found() {
        type Change = fn(&mut Graph);
        let cases: [(&str, &str, Change, &str); 9] = [
            ("", "", |graph| drop(graph.remove("testkit")), "there is a row for testkit, but no such crate"),
            ("", "", |graph| drop(graph.insert("new".into(), Crate::default())), "new has no row"),
            ("", "", |graph| add(graph, "api", "runtime"), "api uses runtime, which its row does not allow"),
            ("", "", |graph| add_other(graph, "api", "sha2"), "api uses sha2, which belongs to artifact"),
            (
                "",
                "",
                |graph| add_in_tests(graph, "testkit", "source-controller"),
                "testkit depends on source-controller, a program",
            ),
            ("`sha2`", "`tar`", |_| (), "artifact owns tar, but does not use it"),
            (
                "`api` | | |",
                "`api` | `artifact`, `runtime` | |",
                |_| (),
                "api may use runtime, which is in a higher layer",
            ),
            ("`api` | | |", "`api` | `testkit` | |", |_| (), "api may use testkit, which is in a higher layer"),
            ("`api` | | |", "`api` | `nothing` | |", |_| (), "api may use nothing, which has no row"),
        ];
        for (from, to, change, expected) in cases {
            assert_eq!(after(from, to, change), [expected]);
        }
    }

    fn add(graph: &mut Graph, name: &str, used: &str) {
        graph.get_mut(name).unwrap().ours.insert(used.to_owned());
    }

    fn add_other(graph: &mut Graph, name: &str, used: &str) {
        graph.get_mut(name).unwrap().others.insert(used.to_owned());
    }

    fn add_in_tests(graph: &mut Graph, name: &str, used: &str) {
        graph.get_mut(name).unwrap().ours_in_tests.insert(used.to_owned());
    }
}
