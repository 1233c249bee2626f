//! One path component against one glob, by the rules of Go's `filepath.Match` on Unix.
//!
//! `*` is any run of bytes, `?` one character, `[…]` one character of a set (`^` negates, ranges allowed), `\` takes
//! the next byte literally. Deliberately absent: separators. Globs and names are single components.

/// A compiled glob. The common shapes have a representation that needs no search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Glob {
    /// No special character.
    Literal(Vec<u8>),
    /// `*` and then no special character.
    Suffix(Vec<u8>),
    /// Anything else.
    Tokens(Vec<Token>),
}

/// One step of a general glob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Byte(u8),
    AnyChar,
    AnyRun,
    Set { negated: bool, ranges: Vec<(u32, u32)> },
}

impl Glob {
    /// Compiles a glob; `None` when it is malformed, which means that it matches nothing.
    pub(crate) fn compile(text: &[u8]) -> Option<Self> {
        let mut tokens = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            match byte {
                b'*' if tokens.last() == Some(&Token::AnyRun) => {}
                b'*' => tokens.push(Token::AnyRun),
                b'?' => tokens.push(Token::AnyChar),
                b'[' => {
                    let (set, after) = parse_set(rest)?;
                    tokens.push(set);
                    rest = after;
                }
                b'\\' => {
                    let (&escaped, after) = rest.split_first()?;
                    tokens.push(Token::Byte(escaped));
                    rest = after;
                }
                byte => tokens.push(Token::Byte(byte)),
            }
        }
        Some(Self::simplest(tokens))
    }

    fn simplest(tokens: Vec<Token>) -> Self {
        let literal = |tokens: &[Token]| -> Option<Vec<u8>> {
            tokens.iter().map(|token| if let Token::Byte(byte) = token { Some(*byte) } else { None }).collect()
        };
        if let Some(bytes) = literal(&tokens) {
            return Self::Literal(bytes);
        }
        if let Some((Token::AnyRun, rest)) = tokens.split_first()
            && let Some(bytes) = literal(rest)
        {
            return Self::Suffix(bytes);
        }
        Self::Tokens(tokens)
    }

    /// Whether the glob covers the whole name. Takes time in proportion to the product of their lengths at worst: only
    /// the last `*` is ever reconsidered, so a glob full of stars cannot make it exponential.
    pub(crate) fn matches(&self, name: &[u8]) -> bool {
        match self {
            Self::Literal(bytes) => bytes == name,
            Self::Suffix(bytes) => name.ends_with(bytes),
            Self::Tokens(tokens) => matches_tokens(tokens, name),
        }
    }
}

fn matches_tokens(tokens: &[Token], name: &[u8]) -> bool {
    let (mut token, mut at) = (0, 0);
    // After the last star: the token that follows it, and the next place in the name to try that token at.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        if token == tokens.len() && at == name.len() {
            return true;
        }
        if let Some(Token::AnyRun) = tokens.get(token) {
            token += 1;
            retry = Some((token, at + 1));
            continue;
        }
        if let Some(step) = tokens.get(token)
            && let Some(width) = step.width_at(&name[at..])
        {
            token += 1;
            at += width;
            continue;
        }
        match retry {
            Some((after_star, next)) if next <= name.len() => {
                (token, at) = (after_star, next);
                retry = Some((after_star, next + 1));
            }
            _ => return false,
        }
    }
}

impl Token {
    /// How many bytes at the front of `rest` this token covers, if it does.
    fn width_at(&self, rest: &[u8]) -> Option<usize> {
        let first = *rest.first()?;
        match self {
            Self::Byte(byte) => (*byte == first).then_some(1),
            Self::AnyChar => Some(decode(rest).1),
            Self::Set { negated, ranges } => {
                let (code, width) = decode(rest);
                let inside = ranges.iter().any(|(low, high)| (*low..=*high).contains(&code));
                (inside != *negated).then_some(width)
            }
            Self::AnyRun => None,
        }
    }
}

/// Parses what follows `[` up to and including `]`; `None` when that is malformed. A set has at least one member,
/// and `-` and `]` are members only when escaped.
fn parse_set(text: &[u8]) -> Option<(Token, &[u8])> {
    let (negated, mut rest) = match text.strip_prefix(b"^") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut ranges = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix(b"]")
            && !ranges.is_empty()
        {
            return Some((Token::Set { negated, ranges }, after));
        }
        let (low, after) = parse_member(rest)?;
        rest = after;
        let mut high = low;
        if let Some(after) = rest.strip_prefix(b"-") {
            (high, rest) = parse_member(after)?;
        }
        ranges.push((low, high));
    }
}

fn parse_member(text: &[u8]) -> Option<(u32, &[u8])> {
    let character = match *text.first()? {
        b'-' | b']' => return None,
        b'\\' => &text[1..],
        _ => text,
    };
    if character.is_empty() {
        return None;
    }
    let (code, width) = decode(character);
    let invalid = code == char::REPLACEMENT_CHARACTER as u32 && width == 1;
    let rest = &character[width..];
    (!invalid && !rest.is_empty()).then_some((code, rest))
}

/// The first character of a non-empty byte string and its width; a byte that starts no valid UTF-8 sequence counts as
/// U+FFFD of width 1.
fn decode(bytes: &[u8]) -> (u32, usize) {
    const LONGEST: usize = 4;
    let head = &bytes[..bytes.len().min(LONGEST)];
    let valid = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default(),
    };
    match valid.chars().next() {
        Some(c) => (c as u32, c.len_utf8()),
        None => (char::REPLACEMENT_CHARACTER as u32, 1),
    }
}

#[cfg(test)]
mod tests;
