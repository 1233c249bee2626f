//! Go's `filepath.Match`. It knows no `**` and no directories.

/// A piece of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// Any run of characters but slashes.
    Star,
    /// Any character but a slash.
    One,
    Literal(char),
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

/// A pattern that is well-formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Glob(Vec<Piece>);

impl Glob {
    pub(super) fn parse(pattern: &str) -> Option<Self> {
        let mut letters = pattern.chars().peekable();
        let mut pieces = Vec::new();
        while let Some(letter) = letters.next() {
            pieces.push(match letter {
                '*' => Piece::Star,
                '?' => Piece::One,
                '\\' => Piece::Literal(letters.next()?),
                '[' => class(&mut letters)?,
                other => Piece::Literal(other),
            });
        }
        Some(Self(pieces))
    }

    /// Whether the whole text matches. At most length of pattern times length of text steps.
    pub(super) fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut piece, mut at) = (0, 0);
        // Where to go on when it does not fit: behind the last star, which takes one more character.
        let mut retry = None;
        loop {
            match self.0.get(piece) {
                Some(Piece::Star) => {
                    retry = Some((piece, at));
                    piece += 1;
                    continue;
                }
                Some(other) if text.get(at).is_some_and(|letter| other.accepts(*letter)) => {
                    (piece, at) = (piece + 1, at + 1);
                    continue;
                }
                None if at == text.len() => return true,
                _ => {}
            }
            match retry {
                Some((star, from)) if from < text.len() && text[from] != '/' => {
                    retry = Some((star, from + 1));
                    (piece, at) = (star + 1, from + 1);
                }
                _ => return false,
            }
        }
    }
}

impl Piece {
    fn accepts(&self, letter: char) -> bool {
        match self {
            Self::Star => false,
            Self::One => letter != '/',
            Self::Literal(wanted) => letter == *wanted,
            Self::Class { negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&letter)) != *negated
            }
        }
    }
}

fn class(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Piece> {
    let negated = letters.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        if letters.peek() == Some(&']') && !ranges.is_empty() {
            letters.next();
            return Some(Piece::Class { negated, ranges });
        }
        let low = bound(letters)?;
        let high = if letters.next_if_eq(&'-').is_some() { bound(letters)? } else { low };
        ranges.push((low, high));
    }
}

/// One end of a range.
fn bound(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<char> {
    match letters.next()? {
        '-' | ']' => None,
        '\\' => letters.next(),
        other => Some(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_go() {
        for (pattern, text, expected) in [
            ("*.txt", "a.txt", true),
            ("*.txt", "d/a.txt", false),
            ("templates/.?*", "templates/.x", true),
            ("templates/.?*", "templates/.", false),
            ("templates/.?*", "templates/sub/.x", false),
            ("a[b-d]e", "ace", true),
            ("a[^b-d]e", "ace", false),
            ("a[^b]", "a/", true),
            ("a?c", "a/c", false),
            ("a\\*c", "a*c", true),
            ("*a*b", "xaybzab", true),
            ("a*b*c", "abb", false),
            ("*", "", true),
            ("é?", "éü", true),
        ] {
            assert_eq!(Glob::parse(pattern).unwrap().matches(text), expected, "{pattern} {text}");
        }
        for pattern in ["[", "[a", "[]", "[]a]", "[-]", "[a-]", "a\\", "[^]"] {
            assert_eq!(Glob::parse(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        let glob = Glob::parse(&format!("{}b", "a*".repeat(200))).unwrap();
        assert!(!glob.matches(&"a".repeat(5000)));
    }
}
