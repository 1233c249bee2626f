//! From a template to bytes.
//!
//! Arguments are evaluated first, in order and whether they are needed or not; then the variable is looked up; then the operation is
//! done. Every byte written counts against the bound, those of arguments too, so no expression can make much of little. Deliberately not
//! here: caching of lookups.

use std::borrow::Cow;

use crate::glob::{self, Prefer, StepsSpent};
use crate::letters::{lower, upper};
use crate::parse::{Expression, Operation, Piece};
use crate::text::{chars, first_char, occurrences, reversed};
use crate::{ExpandError, Limits, Unset};

pub(crate) struct Evaluator<'l, 'v> {
    lookup: &'l dyn Fn(&str) -> Option<&'v [u8]>,
    unset: Unset,
    limits: &'l Limits,
    output_left: usize,
    steps_left: usize,
}

impl<'l, 'v> Evaluator<'l, 'v> {
    pub(crate) fn new(lookup: &'l dyn Fn(&str) -> Option<&'v [u8]>, unset: Unset, limits: &'l Limits) -> Self {
        Self { lookup, unset, limits, output_left: limits.output, steps_left: limits.glob_steps }
    }

    /// The text of all pieces, one after the other.
    pub(crate) fn concatenate<'p>(&mut self, pieces: &'p [Piece<'p>]) -> Result<Vec<u8>, ExpandError>
    where
        'v: 'p,
    {
        let mut joined = Vec::new();
        for piece in pieces {
            joined.extend_from_slice(&self.piece(piece)?);
        }
        Ok(joined)
    }

    fn charge(&mut self, bytes: usize) -> Result<(), ExpandError> {
        self.output_left = self.output_left.checked_sub(bytes).ok_or(ExpandError::Output(self.limits.output))?;
        Ok(())
    }

    fn piece<'p>(&mut self, piece: &'p Piece<'p>) -> Result<Cow<'p, [u8]>, ExpandError>
    where
        'v: 'p,
    {
        let value = match piece {
            Piece::Text(text) => Cow::Borrowed(text.as_bytes()),
            Piece::Expression(expression) => self.expression(expression)?,
        };
        self.charge(value.len())?;
        Ok(value)
    }

    fn expression<'p>(&mut self, expression: &'p Expression<'p>) -> Result<Cow<'p, [u8]>, ExpandError>
    where
        'v: 'p,
    {
        let Expression { variable, operation, arguments } = expression;
        let mut evaluated = Vec::with_capacity(arguments.len());
        for argument in arguments {
            evaluated.push(self.piece(argument)?);
        }
        let found = (self.lookup)(variable);
        if found.is_none() && self.unset == Unset::Fail && *operation != Operation::Default {
            return Err(ExpandError::NotSet((*variable).to_owned()));
        }
        let value = found.unwrap_or_default();
        let first = evaluated.first().map_or(&[][..], |argument| argument);
        let second = evaluated.get(1).map(|argument| &argument[..]);
        Ok(match operation {
            Operation::Length => Cow::Owned(value.len().to_string().into_bytes()),
            Operation::UpperFirst => first_mapped(value, upper),
            Operation::LowerFirst => first_mapped(value, lower),
            Operation::UpperAll => Cow::Owned(chars(value).map(upper).collect::<String>().into_bytes()),
            Operation::LowerAll => Cow::Owned(chars(value).map(lower).collect::<String>().into_bytes()),
            Operation::Default if value.is_empty() => Cow::Owned(evaluated.concat()),
            Operation::Value | Operation::Default => Cow::Borrowed(value),
            Operation::Substring => {
                Cow::Borrowed(substring(value, first, second).ok_or_else(|| not_a_range(variable))?)
            }
            Operation::TrimShortestPrefix => Cow::Borrowed(&value[self.prefix(first, value, Prefer::Shortest)?..]),
            Operation::TrimLongestPrefix => Cow::Borrowed(&value[self.prefix(first, value, Prefer::Longest)?..]),
            Operation::TrimShortestSuffix => Cow::Owned(self.without_suffix(first, value, Prefer::Shortest)?),
            Operation::TrimLongestSuffix => Cow::Owned(self.without_suffix(first, value, Prefer::Longest)?),
            Operation::ReplaceFirst => Cow::Owned(self.replaced(value, first, second.unwrap_or_default(), 1)?),
            Operation::ReplaceAll => Cow::Owned(self.replaced(value, first, second.unwrap_or_default(), usize::MAX)?),
            Operation::ReplacePrefix => match (second, value.strip_prefix(first)) {
                (Some(replacement), Some(rest)) => Cow::Owned([replacement, rest].concat()),
                _ => Cow::Borrowed(value),
            },
            Operation::ReplaceSuffix => match (second, value.strip_suffix(first)) {
                (Some(replacement), Some(rest)) => Cow::Owned([rest, replacement].concat()),
                _ => Cow::Borrowed(value),
            },
        })
    }

    fn prefix(&mut self, pattern: &[u8], value: &[u8], prefer: Prefer) -> Result<usize, ExpandError> {
        glob::prefix(pattern, value, prefer, &mut self.steps_left).map_err(StepsSpent::at(self.limits.glob_steps))
    }

    /// Cuts a suffix by cutting a prefix of the reversed value by the reversed pattern, which breaks classes: `[a-f]` becomes `]f-a[`.
    fn without_suffix(&mut self, pattern: &[u8], value: &[u8], prefer: Prefer) -> Result<Vec<u8>, ExpandError> {
        let value = reversed(value);
        let cut = self.prefix(&reversed(pattern), &value, prefer)?;
        Ok(reversed(&value[cut..]))
    }

    /// Replaces literal text. An empty search text is found before every character and at the end.
    fn replaced(&self, value: &[u8], search: &[u8], replacement: &[u8], most: usize) -> Result<Vec<u8>, ExpandError> {
        let mut places = if search.is_empty() { boundaries(value) } else { occurrences(value, search) };
        places.truncate(most);
        // Checked before it is built: a value of some kilobytes can ask for gigabytes here.
        let grown = places.len().saturating_mul(replacement.len()).saturating_add(value.len());
        if grown.saturating_sub(places.len() * search.len()) > self.output_left {
            return Err(ExpandError::Output(self.limits.output));
        }
        let mut replaced = Vec::new();
        let mut copied = 0;
        for place in places {
            replaced.extend_from_slice(&value[copied..place]);
            replaced.extend_from_slice(replacement);
            copied = place + search.len();
        }
        replaced.extend_from_slice(&value[copied..]);
        Ok(replaced)
    }
}

fn not_a_range(variable: &str) -> ExpandError {
    ExpandError::SubstringRange(variable.to_owned())
}

fn first_mapped(value: &[u8], map: impl Fn(char) -> char) -> Cow<'_, [u8]> {
    let Some((first, width)) = first_char(value) else { return Cow::Borrowed(value) };
    let mut mapped = map(first).to_string().into_bytes();
    mapped.extend_from_slice(&value[width..]);
    Cow::Owned(mapped)
}

/// The places before each character, and the end.
fn boundaries(value: &[u8]) -> Vec<usize> {
    let mut places = vec![0];
    let mut place = 0;
    while let Some((_, width)) = first_char(&value[place..]) {
        place += width;
        places.push(place);
    }
    places
}

/// A part of a value, in bytes; the whole value if one of the numbers is none. `None` where the length is negative.
fn substring<'v>(value: &'v [u8], position: &[u8], length: Option<&[u8]>) -> Option<&'v [u8]> {
    let size = i64::try_from(value.len()).ok()?;
    let Some(position) = number(position) else { return Some(value) };
    let start = if position < 0 { size.saturating_add(position).max(0) } else { position };
    let rest = usize::try_from(start).ok().and_then(|start| value.get(start..)).unwrap_or_default();
    let Some(length) = length else { return Some(rest) };
    let Some(length) = number(length) else { return Some(value) };
    if start.checked_add(length)? >= size {
        return Some(rest);
    }
    rest.get(..usize::try_from(length).ok()?)
}

fn number(digits: &[u8]) -> Option<i64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}
