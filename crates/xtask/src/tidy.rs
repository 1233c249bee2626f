//! Rules about the repository itself that no compiler checks: module docs, leftovers, dependencies, licences, scripts.
//!
//! Every rule is a function from values to complaints, so that its own test can show that it fails. Deliberately no rule that rustfmt,
//! rustc or clippy has already.

mod dependencies;
mod licences;
mod sources;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// Directories that hold nothing of ours.
const SKIPPED: [&str; 3] = ["target", ".git", ".sluice"];

/// A file of the repository: its path from the root, its text (empty if it is not text), and whether it may be run.
#[derive(Debug, Clone, PartialEq, Eq)]
struct File {
    path: String,
    text: String,
    is_executable: bool,
}

impl File {
    fn is_rust(&self) -> bool {
        Path::new(&self.path).extension().is_some_and(|extension| extension == "rs")
    }
}

/// Checks the repository in `root`. Long files are only printed, as places to look for a seam.
///
/// # Errors
/// If something cannot be read, or a rule is broken; the message lists every complaint.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let files = read_files(root)?;
    let metadata = crate::metadata::load(root)?;
    let mut complaints = sources::complaints(&files);
    complaints.extend(script_complaints(&files));
    complaints.extend(dependencies::complaints(root, &files, &metadata)?);
    complaints.extend(licences::complaints(&metadata));
    for (lines, path) in sources::long_files(&files) {
        #[expect(clippy::print_stdout, reason = "a command of xtask reports to its caller")]
        {
            println!("long: {path} has {lines} lines without its tests");
        }
    }
    if complaints.is_empty() {
        return Ok(());
    }
    complaints.sort();
    bail!("the repository is not tidy:\n  {}", complaints.join("\n  "))
}

/// Reads every file below `root`, except those of other tools.
fn read_files(root: &Path) -> anyhow::Result<Vec<File>> {
    let mut files = Vec::new();
    let mut pending = vec![root.to_owned()];
    while let Some(dir) = pending.pop() {
        for entry in std::fs::read_dir(&dir).with_context(|| format!("list {}", dir.display()))? {
            let entry = entry?;
            let kind = entry.file_type()?;
            let is_skipped = SKIPPED.iter().any(|name| entry.file_name() == *name);
            if kind.is_dir() && !is_skipped {
                pending.push(entry.path());
            } else if kind.is_file() {
                files.push(read_file(root, &entry.path())?);
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn read_file(root: &Path, path: &PathBuf) -> anyhow::Result<File> {
    use std::os::unix::fs::PermissionsExt as _;
    let bytes = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
    let mode = path.metadata().with_context(|| format!("look at {}", path.display()))?.permissions().mode();
    let relative = path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
    Ok(File { path: relative, text: String::from_utf8(bytes).unwrap_or_default(), is_executable: mode & 0o111 != 0 })
}

/// A script that is meant to be run says how and may be run.
fn script_complaints(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files {
        let is_for_running =
            file.path.starts_with("hack/") && file.path.matches('/').count() == 1 || file.path == ".ci/run";
        if is_for_running && !file.text.starts_with("#!") {
            complaints.push(format!("{}: does not start with #!", file.path));
        }
        if file.text.starts_with("#!/") && !file.is_executable {
            complaints.push(format!("{}: is not executable", file.path));
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that is not executable.
    pub(super) fn file(path: &str, text: &str) -> File {
        File { path: path.to_owned(), text: text.to_owned(), is_executable: false }
    }

    #[test]
    fn a_script_says_how_it_is_run_and_may_be_run() {
        let runnable = |path, text| File { is_executable: true, ..file(path, text) };
        let files = [
            runnable("hack/good.sh", "#!/bin/sh\n"),
            file("hack/lib/sourced.sh", "# for others\n"),
            file("hack/locked.sh", "#!/bin/sh\n"),
            runnable("hack/how.sh", "echo\n"),
            file("crates/x/src/lib.rs", "#![attribute]\n"),
        ];
        assert_eq!(
            script_complaints(&files),
            ["hack/locked.sh: is not executable", "hack/how.sh: does not start with #!"]
        );
    }

    #[test]
    fn files_of_other_tools_are_not_read() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["a/b.rs", "target/x", ".git/x", "a/target/x"] {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "text").unwrap();
        }
        assert_eq!(read_files(dir.path()).unwrap(), [file("a/b.rs", "text")]);
    }
}
