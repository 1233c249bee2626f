//! One line of an ignore file: parsing, and matching against the components of a path.
//!
//! Deliberately absent: where the line applies (its domain) and which of several lines wins; see the matcher.

use crate::glob::Glob;
use crate::matcher::EntryKind;

/// A compiled line.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    /// Whether the line began with `!`.
    pub(crate) includes: bool,
    /// Whether the line ended with `/`.
    directories_only: bool,
    shape: Shape,
}

#[derive(Clone, Debug)]
enum Shape {
    /// Malformed somewhere: matches nothing, and still counts as a pattern.
    Never,
    /// No slash: any component may match.
    Name(Glob),
    /// Anchored.
    Path(Vec<Segment>),
}

#[derive(Clone, Debug)]
enum Segment {
    /// Nothing between two slashes, or before the first one.
    Empty,
    /// `**`: any number of directories.
    Directories,
    Component(Glob),
}

impl Pattern {
    /// Compiles a line; `None` for one that is blank or a comment. The line comes without its line ending.
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        if line.first() == Some(&b'#') || is_blank(line) {
            return None;
        }
        let (includes, mut text) = match line.strip_prefix(b"!") {
            Some(text) => (true, text),
            None => (false, line),
        };
        if !text.ends_with(b"\\ ") {
            while let Some(shorter) = text.strip_suffix(b" ") {
                text = shorter;
            }
        }
        let directories_only = text.ends_with(b"/");
        if directories_only {
            text = &text[..text.len() - 1];
        }
        let shape = if text.contains(&b'/') {
            text.split(|byte| *byte == b'/').map(Segment::parse).collect::<Option<_>>().map(Shape::Path)
        } else {
            Glob::compile(text).map(Shape::Name)
        };
        Some(Self { includes, directories_only, shape: shape.unwrap_or(Shape::Never) })
    }

    /// Whether the pattern says anything about the path, given relative to the pattern's domain.
    pub(crate) fn matches<C: AsRef<[u8]>>(&self, path: &[C], kind: EntryKind) -> bool {
        let refused_at_end = self.directories_only && kind != EntryKind::Directory;
        match &self.shape {
            Shape::Never => false,
            Shape::Name(glob) => {
                let hit = path.iter().position(|component| glob.matches(component.as_ref()));
                hit.is_some_and(|at| at + 1 < path.len() || !refused_at_end)
            }
            Shape::Path(segments) => {
                let rest = consume(segments, path);
                rest.is_some_and(|rest| !rest.is_empty() || !refused_at_end)
            }
        }
    }
}

impl Segment {
    /// `None` makes the whole pattern match nothing: a malformed glob, or `**` glued to other characters.
    fn parse(text: &[u8]) -> Option<Self> {
        match text {
            b"" => Some(Self::Empty),
            b"**" => Some(Self::Directories),
            glued if glued.windows(2).any(|pair| pair == b"**") => None,
            text => Glob::compile(text).map(Self::Component),
        }
    }
}

/// Matches segments against the front of a path and returns what is left of the path; `None` when they do not match.
///
/// Reproduced with its corners: a final `**` covers nothing of its own, so `a/**` also matches `a`; the first component
/// that fits after a `**` is final; a pattern of `**` and empty segments alone matches nothing.
fn consume<'p, C: AsRef<[u8]>>(segments: &[Segment], path: &'p [C]) -> Option<&'p [C]> {
    let mut rest = path;
    let mut matched = false;
    let mut anywhere = false;
    for (at, segment) in segments.iter().enumerate() {
        let last = at + 1 == segments.len();
        match segment {
            Segment::Empty => anywhere = false,
            Segment::Directories if last => {}
            Segment::Directories => anywhere = true,
            Segment::Component(glob) if anywhere => {
                anywhere = false;
                let found = rest.iter().position(|component| glob.matches(component.as_ref()))?;
                rest = &rest[found + 1..];
                matched = true;
            }
            Segment::Component(glob) => {
                let (first, after) = rest.split_first()?;
                if !glob.matches(first.as_ref()) {
                    return None;
                }
                rest = after;
                matched = true;
            }
        }
    }
    matched.then_some(rest)
}

/// Whether a line has nothing but Unicode white space; bytes that are not UTF-8 are something.
fn is_blank(line: &[u8]) -> bool {
    std::str::from_utf8(line).is_ok_and(|text| text.trim().is_empty())
}

#[cfg(test)]
mod tests;
