//! Globs for cutting prefixes: `*` (which crosses `/`), `?`, `[a-z]`, `[^x]` and `\c`.
//!
//! A match is greedy from the left, chunk by chunk between stars, and never goes back to an earlier star. A mistake in a pattern is found
//! only when matching reaches it, and then nothing is cut. Both are how Flux does it, and both can be seen from outside, which is why no
//! glob library is used. Prefixes are counted in bytes. Deliberately not here: suffixes; callers reverse both sides.

use crate::ExpandError;
use crate::text::first_char;

/// A pattern with a mistake at the place that matching reached.
struct Malformed;

/// Why matching stopped without an answer.
enum Stop {
    Malformed,
    TooLong,
}

impl From<Malformed> for Stop {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// Which of the matching prefixes is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prefer {
    Shortest,
    Longest,
}

/// How many bytes of `value` the pattern cuts from its beginning: never all of nothing, and nothing if the pattern is malformed.
///
/// `steps` is what matching may still cost, and goes down.
pub(crate) fn prefix(pattern: &[u8], value: &[u8], prefer: Prefer, steps: &mut usize) -> Result<usize, StepsSpent> {
    let mut shortest = 0;
    // A pattern without a star takes at most four bytes for each of its own, so longer prefixes all fail alike; only the longest of them is
    // tried, for the sake of a mistake in the pattern.
    let longest_possible = if pattern.contains(&b'*') { value.len() } else { pattern.len().saturating_mul(4) };
    let shorter = 1..value.len().min(longest_possible.saturating_add(1));
    for length in (!value.is_empty()).then_some(value.len()).into_iter().chain(shorter.rev()) {
        match matches(pattern, &value[..length], steps) {
            Ok(true) if prefer == Prefer::Longest => return Ok(length),
            Ok(true) => shortest = length,
            Ok(false) => {}
            Err(Stop::Malformed) => return Ok(0),
            Err(Stop::TooLong) => return Err(StepsSpent),
        }
    }
    Ok(shortest)
}

/// The bound on steps was reached.
#[derive(Debug)]
pub(crate) struct StepsSpent;

impl StepsSpent {
    /// As an error of the expansion whose bound was `limit`.
    pub(crate) fn at(limit: usize) -> impl Fn(Self) -> ExpandError {
        move |Self| ExpandError::GlobSteps(limit)
    }
}

/// Whether the pattern matches the whole name.
fn matches(mut pattern: &[u8], mut name: &[u8], steps: &mut usize) -> Result<bool, Stop> {
    while !pattern.is_empty() {
        let (star, chunk, rest) = next_chunk(pattern);
        pattern = rest;
        if star && chunk.is_empty() {
            return Ok(true);
        }
        let fits = |after: &[u8]| after.is_empty() || !rest.is_empty();
        if let Some(after) = spend_and_match(chunk, name, steps)?.filter(|after| fits(after)) {
            name = after;
            continue;
        }
        if !star {
            return Ok(false);
        }
        let mut found = None;
        for skipped in 1..=name.len() {
            if let Some(after) = spend_and_match(chunk, &name[skipped..], steps)?.filter(|after| fits(after)) {
                found = Some(after);
                break;
            }
        }
        match found {
            Some(after) => name = after,
            None => return Ok(false),
        }
    }
    Ok(name.is_empty())
}

/// Whether a chunk had a star before it, the chunk up to the next star, and what follows.
fn next_chunk(pattern: &[u8]) -> (bool, &[u8], &[u8]) {
    let stars = pattern.iter().take_while(|byte| **byte == b'*').count();
    let pattern = &pattern[stars..];
    let mut in_class = false;
    let mut end = 0;
    while end < pattern.len() {
        match pattern[end] {
            b'\\' => end += usize::from(end + 1 < pattern.len()),
            b'[' => in_class = true,
            b']' => in_class = false,
            b'*' if !in_class => break,
            _ => {}
        }
        end += 1;
    }
    (stars > 0, &pattern[..end], &pattern[end..])
}

fn spend_and_match<'n>(chunk: &[u8], name: &'n [u8], steps: &mut usize) -> Result<Option<&'n [u8]>, Stop> {
    *steps = steps.checked_sub(1).ok_or(Stop::TooLong)?;
    match_chunk(chunk, name, steps)
}

/// What is left of the name behind the chunk, if it begins with it.
fn match_chunk<'n>(mut chunk: &[u8], mut name: &'n [u8], steps: &mut usize) -> Result<Option<&'n [u8]>, Stop> {
    while let Some(&sign) = chunk.first() {
        let Some((character, width)) = first_char(name) else { return Ok(None) };
        *steps = steps.checked_sub(1).ok_or(Stop::TooLong)?;
        match sign {
            b'[' => {
                let (accepted, rest) = class(&chunk[1..], character, steps)?;
                if !accepted {
                    return Ok(None);
                }
                chunk = rest;
                name = &name[width..];
            }
            b'?' => {
                chunk = &chunk[1..];
                name = &name[width..];
            }
            _ => {
                if sign == b'\\' {
                    chunk = &chunk[1..];
                }
                let literal = *chunk.first().ok_or(Malformed)?;
                if literal != name[0] {
                    return Ok(None);
                }
                chunk = &chunk[1..];
                name = &name[1..];
            }
        }
    }
    Ok(Some(name))
}

/// Whether a class (without its `[`) has the character, and the pattern behind its `]`.
fn class<'c>(mut chunk: &'c [u8], character: char, steps: &mut usize) -> Result<(bool, &'c [u8]), Stop> {
    let negated = chunk.first() == Some(&b'^');
    if negated {
        chunk = &chunk[1..];
    }
    let mut found = false;
    let mut ranges = 0;
    loop {
        *steps = steps.checked_sub(1).ok_or(Stop::TooLong)?;
        if ranges > 0 && chunk.first() == Some(&b']') {
            return Ok((found != negated, &chunk[1..]));
        }
        let (low, rest) = class_character(chunk)?;
        let (high, rest) = if rest.first() == Some(&b'-') { class_character(&rest[1..])? } else { (low, rest) };
        found |= low <= character && character <= high;
        chunk = rest;
        ranges += 1;
    }
}

/// One character of a class, escaped or not, and the rest, which must not be empty.
fn class_character(chunk: &[u8]) -> Result<(char, &[u8]), Malformed> {
    let chunk = match chunk.first() {
        None | Some(b'-' | b']') => return Err(Malformed),
        Some(b'\\') => &chunk[1..],
        Some(_) => chunk,
    };
    let (character, width) = first_char(chunk).ok_or(Malformed)?;
    let rest = &chunk[width..];
    let stray = character == char::REPLACEMENT_CHARACTER && width == 1;
    if stray || rest.is_empty() { Err(Malformed) } else { Ok((character, rest)) }
}
