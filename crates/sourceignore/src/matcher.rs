//! Many patterns, each with the directory that it applies in, and the lists that are built in.
//!
//! The last matching pattern decides. Deliberately absent: the syntax of a line and of a glob.

use crate::pattern::Pattern;

/// The name of an ignore file in a source. The file itself is archived like any other.
pub const IGNORE_FILE: &str = ".sourceignore";

/// The most patterns in one matcher. Every path is tried against every pattern in whose domain it is, so this bounds
/// the work that a hostile repository can demand per file.
pub const MAX_PATTERNS: usize = 10_000;

/// The most bytes of pattern text in one matcher: about a hundred for each of the most patterns.
pub const MAX_TEXT_BYTES: usize = 1024 * 1024;

/// Always excluded from what is fetched by git or unpacked from an image.
const VERSION_CONTROL: &[u8] = b".git/\n.gitignore\n.gitmodules\n.gitattributes\n";

/// Excluded as well, as long as nobody gives a pattern.
const EXTRAS: &[u8] = b"*.jpg\n*.jpeg\n*.gif\n*.png\n*.wmv\n*.flv\n*.tar.gz\n*.zip\n\
    .github/\n.circleci/\n.travis.yml\n.gitlab-ci.yml\nappveyor.yml\n.drone.yml\ncloudbuild.yaml\n\
    codeship-services.yml\ncodeship-steps.yml\n\
    **/.goreleaser.yml\n**/.sops.yaml\n**/.flux.yaml\n";

/// Why patterns were not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceIgnoreError {
    /// There is more text than [`MAX_TEXT_BYTES`].
    #[error("ignore patterns exceed {MAX_TEXT_BYTES} bytes")]
    TooManyBytes,
    /// There are more patterns than [`MAX_PATTERNS`].
    #[error("more than {MAX_PATTERNS} ignore patterns")]
    TooManyPatterns,
}

/// What a path leads to, as far as patterns care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A directory.
    Directory,
    /// A file, a link or anything else.
    Other,
}

/// Which built-in patterns precede those that were added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Builtin {
    /// None: buckets.
    Nothing,
    /// Git repositories and unpacked images: the version control list always; the list of extras only when no pattern
    /// was added at all. Text that has only comments and blank lines adds none.
    VersionControlAndExtras,
}

/// Patterns that share a domain.
#[derive(Clone, Debug)]
struct Group {
    domain: Vec<Vec<u8>>,
    /// In the order in which they were added.
    patterns: Vec<Pattern>,
}

impl Group {
    fn at_root(text: &[u8]) -> Self {
        Self { domain: Vec::new(), patterns: lines(text).filter_map(Pattern::parse).collect() }
    }

    /// The path relative to this group's domain; `None` for the domain itself and for everything outside it.
    fn relative<'p, C: AsRef<[u8]>>(&self, path: &'p [C]) -> Option<&'p [C]> {
        let (head, tail) = path.split_at_checked(self.domain.len())?;
        let inside = head.iter().zip(&self.domain).all(|(component, expected)| component.as_ref() == expected);
        (inside && !tail.is_empty()).then_some(tail)
    }
}

/// Collects patterns in rising priority.
#[derive(Clone, Debug, Default)]
pub struct MatcherBuilder {
    groups: Vec<Group>,
    text_bytes: usize,
    patterns: usize,
}

impl MatcherBuilder {
    /// Adds the lines of an ignore file or of `spec.ignore`. What is added later decides over what was added earlier.
    ///
    /// `domain` is the directory of the file as components below the source's root, and empty for `spec.ignore`: the
    /// patterns apply below it only. Lines end with a line feed, before which a carriage return is dropped.
    ///
    /// # Errors
    /// [`SourceIgnoreError`] when the sum of all that was added exceeds [`MAX_TEXT_BYTES`] or [`MAX_PATTERNS`].
    pub fn add(mut self, domain: &[impl AsRef<[u8]>], text: impl AsRef<[u8]>) -> Result<Self, SourceIgnoreError> {
        let text = text.as_ref();
        self.text_bytes = self.text_bytes.saturating_add(text.len());
        if self.text_bytes > MAX_TEXT_BYTES {
            return Err(SourceIgnoreError::TooManyBytes);
        }
        let patterns: Vec<Pattern> = lines(text).filter_map(Pattern::parse).collect();
        self.patterns += patterns.len();
        if self.patterns > MAX_PATTERNS {
            return Err(SourceIgnoreError::TooManyPatterns);
        }
        if !patterns.is_empty() {
            let domain = domain.iter().map(|component| component.as_ref().to_vec()).collect();
            self.groups.push(Group { domain, patterns });
        }
        Ok(self)
    }

    /// The matcher: the built-in patterns that apply, then those that were added.
    pub fn build(self, builtin: Builtin) -> Matcher {
        let mut groups = Vec::with_capacity(self.groups.len() + 2);
        if builtin == Builtin::VersionControlAndExtras {
            groups.push(Group::at_root(VERSION_CONTROL));
            if self.groups.is_empty() {
                groups.push(Group::at_root(EXTRAS));
            }
        }
        groups.extend(self.groups);
        Matcher { groups }
    }
}

/// Compiled patterns in rising priority.
#[derive(Clone, Debug)]
pub struct Matcher {
    groups: Vec<Group>,
}

impl Matcher {
    /// A builder without patterns.
    pub fn builder() -> MatcherBuilder {
        MatcherBuilder::default()
    }

    /// Whether a path is left out: the last pattern that matches it excludes. `path` holds the components below the
    /// source's root. The root itself, which has none, is never ignored.
    ///
    /// A path below an excluded directory is asked about like any other: do not prune the walk. Allocates nothing.
    pub fn is_ignored<C: AsRef<[u8]>>(&self, path: &[C], kind: EntryKind) -> bool {
        let decides = |group: &Group| {
            let relative = group.relative(path)?;
            group.patterns.iter().rev().find(|pattern| pattern.matches(relative, kind)).map(|pattern| !pattern.includes)
        };
        self.groups.iter().rev().find_map(decides).unwrap_or(false)
    }
}

/// The lines of a text: line feeds end them, and one carriage return before a line feed or the end is dropped.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

#[cfg(test)]
mod tests;
