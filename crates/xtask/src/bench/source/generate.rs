//! Repositories made up for the benchmark: manifests in a tree of clusters and applications, and a history of small changes.
//!
//! Deliberately nothing random that is not the same in every run, and no work tree: the history is written as a stream for
//! `git fast-import`.

use std::fmt::Write as _;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context as _;

/// Files that a commit after the first changes.
const CHANGED_FILES: u32 = 3;
/// Commits from one tag to the next: a repository has many references that nobody asks for.
const COMMITS_PER_TAG: u32 = 4;
/// The date of the first commit: 2026-01-01T00:00:00Z. Each commit is a minute later.
const EPOCH: u64 = 1_767_225_600;
const WORDS: [&str; 16] = [
    "cache", "queue", "store", "limit", "retry", "trace", "proxy", "token", "batch", "shard", "quota", "audit",
    "index", "relay", "probe", "scale",
];

/// The size of a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct History {
    /// Files in the newest commit's tree.
    pub(super) files: u32,
    /// Commits on the branch `main`.
    pub(super) commits: u32,
}

impl History {
    /// Writes the whole history as a stream for `git fast-import`.
    fn write(self, out: &mut dyn Write) -> std::io::Result<()> {
        let all: Vec<u32> = (0..self.files).collect();
        for commit in 0..self.commits.max(1) {
            let changed = if commit == 0 { all.clone() } else { self.changed_by(commit) };
            write_commit(out, commit, &changed, Parent::Written)?;
            if commit % COMMITS_PER_TAG == 0 {
                write!(out, "reset refs/tags/v1.0.{commit}\nfrom refs/heads/main\n\n")?;
            }
        }
        Ok(())
    }

    fn changed_by(self, commit: u32) -> Vec<u32> {
        let mut random = fastrand::Rng::with_seed(u64::from(commit));
        (0..CHANGED_FILES).map(|_| random.u32(0..self.files.max(1))).collect()
    }

    /// Fills an empty bare repository, and packs it as a host's housekeeping does. Returns the newest commit's hash.
    ///
    /// # Errors
    /// When git fails.
    pub(super) fn create(self, repository: &Path) -> anyhow::Result<String> {
        fast_import(repository, |out| self.write(out))?;
        git(repository, &["gc", "--quiet"])?;
        git(repository, &["rev-parse", "refs/heads/main"])
    }

    /// Adds a commit on top that changes a few files; `number` counts such commits from 0. Returns its hash.
    ///
    /// # Errors
    /// When git fails.
    pub(super) fn add_commit(self, repository: &Path, number: u32) -> anyhow::Result<String> {
        let commit = self.commits + number;
        fast_import(repository, |out| write_commit(out, commit, &self.changed_by(commit), Parent::Branch))?;
        git(repository, &["rev-parse", "refs/heads/main"])
    }
}

/// What a commit of a stream is put on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parent {
    /// The commit before it in the stream, if there is one.
    Written,
    /// What is on the branch before the stream.
    Branch,
}

fn write_commit(out: &mut dyn Write, commit: u32, changed: &[u32], parent: Parent) -> std::io::Result<()> {
    let message = format!("Change {commit}\n");
    let date = EPOCH + 60 * u64::from(commit);
    write!(out, "commit refs/heads/main\ncommitter Author <author@example.com> {date} +0000\n")?;
    write!(out, "data {}\n{message}", message.len())?;
    if parent == Parent::Branch {
        out.write_all(b"from refs/heads/main^0\n")?;
    }
    for &file in changed {
        let content = manifest(file, commit);
        write!(out, "M 100644 inline {}\ndata {}\n{content}\n", path(file), content.len())?;
    }
    out.write_all(b"\n")
}

/// Ten files in an application, a hundred applications in a cluster.
fn path(file: u32) -> String {
    format!("clusters/c{:03}/apps/a{:02}/f{}.yaml", file / 1000, file / 10 % 100, file % 10)
}

/// A Deployment of some hundred bytes to some KiB. The version changes one line, as a new image does.
fn manifest(file: u32, version: u32) -> String {
    let mut random = fastrand::Rng::with_seed(u64::from(file) << 32);
    let mut text = format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: app-{file}\n  labels:\n    app.kubernetes.io/name: app-{file}\nspec:\n  \
         replicas: {}\n  selector:\n    matchLabels:\n      app.kubernetes.io/name: app-{file}\n  template:\n    metadata:\n      \
         labels:\n        app.kubernetes.io/name: app-{file}\n    spec:\n      containers:\n      - name: main\n        \
         image: registry.example.com/team-{}/app-{file}:1.{version}.0\n        env:\n",
        random.u32(1..9),
        random.u32(0..40),
    );
    for _ in 0..random.usize(2..40) {
        let [one, other] = [0, 1].map(|_| WORDS[random.usize(0..WORDS.len())]);
        let number = random.u32(0..100_000);
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "        - name: {}_{}\n          value: \"{one}-{number}\"\n",
            one.to_uppercase(),
            other.to_uppercase()
        );
    }
    text
}

#[expect(clippy::disallowed_methods, reason = "a task of the repository; git itself makes the repositories")]
fn command(repository: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.current_dir(repository).args(arguments);
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    command
}

fn git(repository: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let output = command(repository, arguments).output().context("run git")?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "git {} failed: {}", arguments.join(" "), stderr.trim());
    Ok(String::from_utf8(output.stdout).context("git's output")?.trim().to_owned())
}

fn fast_import(repository: &Path, write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> anyhow::Result<()> {
    let mut command = command(repository, &["fast-import", "--quiet"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().context("run git fast-import")?;
    let mut out = BufWriter::new(child.stdin.take().context("no standard input")?);
    let written = write(&mut out).and_then(|()| out.flush());
    drop(out);
    anyhow::ensure!(child.wait()?.success(), "git fast-import failed");
    written.context("write to git fast-import")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(history: History) -> String {
        let mut bytes = Vec::new();
        history.write(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_same_size_makes_the_same_history_and_a_longer_one_begins_with_it() {
        let short = stream(History { files: 30, commits: 5 });
        assert_eq!(short, stream(History { files: 30, commits: 5 }));
        assert!(stream(History { files: 30, commits: 9 }).starts_with(&short));
    }

    #[test]
    fn git_takes_the_history_and_commits_on_top_of_it() {
        let dir = tempfile::tempdir().unwrap();
        git(dir.path(), &["init", "--quiet", "--bare", "--initial-branch=main"]).unwrap();
        let history = History { files: 25, commits: 8 };
        let created = history.create(dir.path()).unwrap();
        let next = history.add_commit(dir.path(), 0).unwrap();
        let count = |arguments: &[&str]| git(dir.path(), arguments).unwrap().lines().count();
        assert_eq!(git(dir.path(), &["rev-parse", "main^"]).unwrap(), created);
        assert_eq!(git(dir.path(), &["rev-list", "--count", &next]).unwrap(), "9");
        assert_eq!(count(&["ls-tree", "-r", "--name-only", "main"]), 25);
        assert_eq!(count(&["tag"]), 2);
    }

    #[test]
    fn a_new_version_of_a_file_differs_in_one_line() {
        let (old, new) = (manifest(7, 1), manifest(7, 2));
        assert_eq!(old.lines().zip(new.lines()).filter(|(old, new)| old != new).count(), 1);
    }
}
