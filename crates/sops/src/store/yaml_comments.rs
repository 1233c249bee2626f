//! Where the comments of a YAML text are. The parser passes over them, so they are found in the gaps between what it reports: there, a `#`
//! behind white space begins one.
//!
//! Deliberately no opinion on what a comment is about; [`super::yaml_read`] decides that by line and column.

/// A comment.
pub(super) struct Found<'t> {
    /// The text behind the mark.
    pub(super) text: &'t str,
    /// From 0.
    pub(super) line: u64,
    /// From 0, in characters.
    pub(super) column: u64,
    /// Something else stands before it on its line.
    pub(super) behind: bool,
}

/// Goes through a text once, by lines and columns as the parser counts them.
pub(super) struct Scanner<'t> {
    lines: Vec<&'t str>,
    line: usize,
    column: u64,
    /// The column in bytes.
    at: usize,
}

impl<'t> Scanner<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let (mut lines, mut rest) = (Vec::new(), text);
        while let Some((at, letter)) = rest.char_indices().find(|(_, letter)| is_break(*letter)) {
            lines.push(&rest[..at]);
            let pair = letter == '\r' && rest[at + 1..].starts_with('\n');
            rest = &rest[at + letter.len_utf8() + usize::from(pair)..];
        }
        lines.push(rest);
        Self { lines, line: 0, column: 0, at: 0 }
    }

    /// Adds the comments between two places, each a line and a column; both lie behind what was scanned before.
    pub(super) fn comments(&mut self, from: (u64, u64), to: (u64, u64), found: &mut Vec<Found<'t>>) {
        while let Some(whole) = self.before(to) {
            let scanning = self.place() >= from;
            match whole[self.at..].chars().next() {
                None => self.next_line(),
                Some('#') if scanning && self.is_open(whole) => {
                    let behind = !whole[..self.at].trim().is_empty();
                    let (line, column) = self.place();
                    found.push(Found { text: &whole[self.at + 1..], line, column, behind });
                    self.next_line();
                }
                Some(letter) => {
                    self.at += letter.len_utf8();
                    self.column += 1;
                }
            }
        }
    }

    fn place(&self) -> (u64, u64) {
        (self.line as u64, self.column)
    }

    /// The line that was reached, unless `to` was.
    fn before(&self, to: (u64, u64)) -> Option<&'t str> {
        self.lines.get(self.line).copied().filter(|_| self.place() < to)
    }

    /// Whether a `#` here begins a comment.
    fn is_open(&self, whole: &str) -> bool {
        whole[..self.at].chars().next_back().is_none_or(|before| matches!(before, ' ' | '\t' | '\u{feff}'))
    }

    fn next_line(&mut self) {
        (self.line, self.column, self.at) = (self.line + 1, 0, 0);
    }
}

/// What ends a line in YAML 1.1.
pub(super) fn is_break(letter: char) -> bool {
    matches!(letter, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}
