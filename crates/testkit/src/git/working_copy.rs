//! A working copy driven by the git program, with fixed author and dates, so that hashes repeat from run to run.

use std::cell::Cell;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;
use tempfile::TempDir;

/// The date of the first commit: 2026-01-01T00:00:00Z. Each commit or tag is a minute later.
const EPOCH: u64 = 1_767_225_600;

/// A working copy in a temporary directory, on branch `main`.
pub struct WorkingCopy {
    dir: TempDir,
    remote: PathBuf,
    minutes: Cell<u64>,
}

impl WorkingCopy {
    /// An empty working copy whose remote is a repository's directory.
    pub(crate) fn new(remote: &Path) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        git(dir.path(), &["init", "--quiet", "--initial-branch=main"])?;
        git(dir.path(), &["config", "commit.gpgsign", "false"])?;
        Ok(Self { dir, remote: remote.to_owned(), minutes: Cell::new(0) })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a file, with the directories above it.
    ///
    /// # Errors
    /// Of the file system.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) -> anyhow::Result<&Self> {
        let path = self.dir.path().join(path);
        std::fs::create_dir_all(path.parent().context("no parent")?)?;
        std::fs::write(path, content)?;
        Ok(self)
    }

    /// Makes a file executable.
    ///
    /// # Errors
    /// Of the file system.
    pub fn make_executable(&self, path: &str) -> anyhow::Result<&Self> {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(self.dir.path().join(path), std::fs::Permissions::from_mode(0o755))?;
        Ok(self)
    }

    /// Creates a symbolic link.
    ///
    /// # Errors
    /// Of the file system.
    pub fn symlink(&self, path: &str, target: &str) -> anyhow::Result<&Self> {
        std::os::unix::fs::symlink(target, self.dir.path().join(path))?;
        Ok(self)
    }

    /// Removes a file or a directory with all that is in it.
    ///
    /// # Errors
    /// Of the file system.
    pub fn remove(&self, path: &str) -> anyhow::Result<&Self> {
        let path = self.dir.path().join(path);
        if path.is_dir() {
            std::fs::remove_dir_all(path)?;
        } else {
            std::fs::remove_file(path)?;
        }
        Ok(self)
    }

    /// Commits everything, even nothing, and returns the commit's hash.
    ///
    /// # Errors
    /// When git fails.
    pub fn commit(&self, message: &str) -> anyhow::Result<String> {
        self.run(&["add", "--all"])?;
        self.run(&["commit", "--quiet", "--allow-empty", "-m", message])?;
        self.run(&["rev-parse", "HEAD"])
    }

    /// Commits a tree written behind git's back (`mktree`), on top of HEAD, moves the branch there, and returns the commit's hash.
    ///
    /// # Errors
    /// When git fails.
    pub fn commit_tree(&self, tree: &str, message: &str) -> anyhow::Result<String> {
        let commit = self.run(&["commit-tree", tree, "-m", message])?;
        self.run(&["update-ref", "HEAD", &commit])?;
        Ok(commit)
    }

    /// Creates a lightweight tag at HEAD.
    ///
    /// # Errors
    /// When git fails.
    pub fn tag(&self, name: &str) -> anyhow::Result<&Self> {
        self.run(&["tag", name])?;
        Ok(self)
    }

    /// Creates an annotated tag at HEAD and returns the tag object's hash.
    ///
    /// # Errors
    /// When git fails.
    pub fn annotated_tag(&self, name: &str, message: &str) -> anyhow::Result<String> {
        self.run(&["tag", "-a", name, "-m", message])?;
        self.run(&["rev-parse", &format!("refs/tags/{name}")])
    }

    /// Goes to a branch, creating it at HEAD when it does not exist.
    ///
    /// # Errors
    /// When git fails.
    pub fn branch(&self, name: &str) -> anyhow::Result<&Self> {
        if self.run(&["checkout", "--quiet", name]).is_err() {
            self.run(&["checkout", "--quiet", "-b", name])?;
        }
        Ok(self)
    }

    /// Makes the remote's branches and tags equal to ours, whatever was there.
    ///
    /// # Errors
    /// When git fails.
    pub fn push(&self) -> anyhow::Result<&Self> {
        self.push_refs(&["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"])
    }

    /// Pushes the refspecs given.
    ///
    /// # Errors
    /// When git fails.
    pub fn push_refs(&self, refspecs: &[&str]) -> anyhow::Result<&Self> {
        let mut arguments = vec!["push", "--quiet", self.remote.to_str().context("path is not UTF-8")?];
        arguments.extend_from_slice(refspecs);
        self.run(&arguments)?;
        Ok(self)
    }

    /// Runs git here with the next date and returns its standard output without the last line break.
    ///
    /// # Errors
    /// When git fails; the error has what it wrote to standard error.
    pub fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        self.run_with_input(arguments, b"")
    }

    /// [`WorkingCopy::run`] with standard input.
    ///
    /// # Errors
    /// When git fails; the error has what it wrote to standard error.
    pub fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> anyhow::Result<String> {
        if matches!(arguments.first(), Some(&("commit" | "commit-tree" | "tag"))) {
            self.minutes.set(self.minutes.get() + 1);
        }
        let date = format!("{} +0000", EPOCH + 60 * self.minutes.get());
        git_at(self.dir.path(), arguments, &date, input)
    }
}

/// Runs git in a directory, for what has no date.
pub(crate) fn git(dir: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    git_at(dir, arguments, &format!("{EPOCH} +0000"), b"")
}

fn git_at(dir: &Path, arguments: &[&str], date: &str, input: &[u8]) -> anyhow::Result<String> {
    #[expect(clippy::disallowed_methods, reason = "a test fixture; git itself makes the repositories")]
    let mut command = Command::new("git");
    command
        .current_dir(dir)
        .args(arguments)
        // Nothing of the machine's or the user's configuration may change a hash.
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .env("GIT_AUTHOR_NAME", "Author")
        .env("GIT_AUTHOR_EMAIL", "author@example.com")
        .env("GIT_COMMITTER_NAME", "Committer")
        .env("GIT_COMMITTER_EMAIL", "committer@example.com")
        .env("GIT_AUTHOR_DATE", date)
        .env("GIT_COMMITTER_DATE", date)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().context("failed to start git")?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    // Inputs are a few lines: they fit a pipe.
    let _ = stdin.write_all(input);
    drop(stdin);
    let output = child.wait_with_output()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "git {} failed: {}", arguments.join(" "), stderr.trim());
    Ok(String::from_utf8(output.stdout)?.trim_end_matches('\n').to_owned())
}
