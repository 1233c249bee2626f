//! From text to a template: literal pieces and expressions.
//!
//! The grammar has corners that a shell has not, and manifests depend on them: the first argument of a replacement runs to the next `/`
//! whatever lies between, several `/` or `:` in a row count as one where a delimiter is expected, and escapes differ by place. Escapes are
//! resolved while reading, each character is looked at once. Deliberately not here: what expressions mean.

use std::borrow::Cow;

use crate::ExpandError;
use crate::letters::names;

/// A run of literal text, or an expression.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'t> {
    Text(Cow<'t, str>),
    Expression(Expression<'t>),
}

/// One `${…}`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Expression<'t> {
    pub(crate) variable: &'t str,
    pub(crate) operation: Operation,
    pub(crate) arguments: Vec<Piece<'t>>,
}

/// What is done to the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// `${v}`, and casing operators nobody knows, such as `${v^,}`.
    Value,
    /// `${#v}`
    Length,
    /// `${v^}`
    UpperFirst,
    /// `${v^^}`
    UpperAll,
    /// `${v,}`
    LowerFirst,
    /// `${v,,}`
    LowerAll,
    /// `${v:position}` and `${v:position:length}`
    Substring,
    /// `${v=d}`, `${v:=d}`, `${v:-d}`, `${v:?d}`, `${v:+d}`: one and the same.
    Default,
    /// `${v#p}`
    TrimShortestPrefix,
    /// `${v##p}`
    TrimLongestPrefix,
    /// `${v%p}`
    TrimShortestSuffix,
    /// `${v%%p}`
    TrimLongestSuffix,
    /// `${v/s/r}`
    ReplaceFirst,
    /// `${v//s/r}`
    ReplaceAll,
    /// `${v/#s/r}`
    ReplacePrefix,
    /// `${v/%s/r}`
    ReplaceSuffix,
}

/// Parses a whole text. Everything from the first NUL character on is dropped: that is where Flux's reader believes the text to end.
pub(crate) fn parse(text: &str, nesting: usize) -> Result<Vec<Piece<'_>>, ExpandError> {
    let end = text.find('\0');
    let mut parser =
        Parser { text: &text[..end.unwrap_or(text.len())], position: 0, cut_at_nul: end.is_some(), nesting };
    let mut pieces = Vec::new();
    while !parser.at_end() {
        if parser.take_opening() {
            pieces.push(Piece::Expression(parser.expression(0)?));
        } else {
            pieces.push(Piece::Text(parser.text_until(&|_| false, Escapes::Dollar)));
        }
    }
    Ok(pieces)
}

/// Which doubled or escaped characters collapse.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escapes {
    /// None: arguments other than those of replacements.
    Off,
    /// `$$`: plain text.
    Dollar,
    /// `$$`, `\/` and `\\`: arguments of replacements.
    All,
}

impl Escapes {
    fn collapses(self, pair: &[u8]) -> bool {
        match pair {
            b"$$" => self != Self::Off,
            b"\\/" | b"\\\\" => self == Self::All,
            _ => false,
        }
    }
}

struct Parser<'t> {
    text: &'t str,
    position: usize,
    cut_at_nul: bool,
    nesting: usize,
}

impl<'t> Parser<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.position..]
    }

    fn at_end(&self) -> bool {
        self.position >= self.text.len()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self, expected: char) -> bool {
        let found = self.peek() == Some(expected);
        if found {
            self.position += expected.len_utf8();
        }
        found
    }

    fn take_opening(&mut self) -> bool {
        let found = self.rest().starts_with("${");
        if found {
            self.position += 2;
        }
        found
    }

    fn take_all(&mut self, accepted: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|character| !accepted(character)).unwrap_or(rest.len());
        self.position += end;
        &rest[..end]
    }

    /// Literal text up to an expression, a stop character or the end; empty if it begins with one of them.
    fn text_until(&mut self, stops: &dyn Fn(char) -> bool, escapes: Escapes) -> Cow<'t, str> {
        let mut copied: Option<String> = None;
        let mut run = self.position;
        while let Some(character) = self.peek() {
            let rest = self.rest().as_bytes();
            if rest.starts_with(b"${") {
                break;
            }
            if escapes.collapses(&rest[..rest.len().min(2)]) {
                copied.get_or_insert_default().push_str(&self.text[run..self.position]);
                run = self.position + 1;
                self.position += 2;
            } else if stops(character) {
                break;
            } else {
                self.position += character.len_utf8();
            }
        }
        let tail = &self.text[run..self.position];
        match copied {
            None => Cow::Borrowed(tail),
            Some(mut text) => {
                text.push_str(tail);
                Cow::Owned(text)
            }
        }
    }

    /// What follows `${`, up to and with its `}`. `depth` counts the expressions around it.
    fn expression(&mut self, depth: usize) -> Result<Expression<'t>, ExpandError> {
        if depth >= self.nesting {
            return Err(ExpandError::Nesting(self.nesting));
        }
        if self.take('#') {
            return self.length();
        }
        let variable = self.take_all(names);
        if variable.is_empty() {
            return Err(ExpandError::VariableName);
        }
        let (operation, arguments) = match self.peek() {
            Some('}') => {
                self.position += 1;
                (Operation::Value, Vec::new())
            }
            Some('=') => {
                self.position += 1;
                (Operation::Default, self.default_arguments(depth)?)
            }
            Some(':') => self.colon(depth)?,
            Some(',' | '^') => (self.casing()?, Vec::new()),
            Some('/') => self.replacement(depth)?,
            Some('#') => self.removal(depth, '#', [Operation::TrimShortestPrefix, Operation::TrimLongestPrefix])?,
            Some('%') => self.removal(depth, '%', [Operation::TrimShortestSuffix, Operation::TrimLongestSuffix])?,
            _ => return Err(ExpandError::MissingClosingBrace),
        };
        Ok(Expression { variable, operation, arguments })
    }

    fn close(&mut self) -> Result<(), ExpandError> {
        if self.take('}') { Ok(()) } else { Err(ExpandError::BadSubstitution) }
    }

    fn length(&mut self) -> Result<Expression<'t>, ExpandError> {
        let variable = self.take_all(names);
        if variable.is_empty() {
            return Err(ExpandError::BadSubstitution);
        }
        self.close()?;
        Ok(Expression { variable, operation: Operation::Length, arguments: Vec::new() })
    }

    /// One argument: a nested expression, or text that is not empty.
    fn argument(
        &mut self,
        depth: usize,
        stops: &dyn Fn(char) -> bool,
        escapes: Escapes,
    ) -> Result<Piece<'t>, ExpandError> {
        if self.take_opening() {
            return self.expression(depth + 1).map(Piece::Expression);
        }
        let start = self.position;
        let text = self.text_until(stops, escapes);
        if self.position == start { Err(ExpandError::Argument) } else { Ok(Piece::Text(text)) }
    }

    fn default_arguments(&mut self, depth: usize) -> Result<Vec<Piece<'t>>, ExpandError> {
        let mut arguments = Vec::new();
        while !self.take('}') {
            arguments.push(self.argument(depth, &|character| character == '}', Escapes::Off)?);
        }
        Ok(arguments)
    }

    /// A default with a colon, or a substring.
    fn colon(&mut self, depth: usize) -> Result<(Operation, Vec<Piece<'t>>), ExpandError> {
        self.position += 1;
        match self.peek() {
            Some('=' | '-' | '?' | '+') => {
                self.position += 1;
                Ok((Operation::Default, self.default_arguments(depth)?))
            }
            None if !self.cut_at_nul => Err(ExpandError::BadSubstitution),
            // Flux's reader steps back by the width of this character instead of the colon's, and then misses the colon.
            Some(wide) if wide.len_utf8() > 1 => Err(ExpandError::BadSubstitution),
            _ => self.substring(depth),
        }
    }

    fn substring(&mut self, depth: usize) -> Result<(Operation, Vec<Piece<'t>>), ExpandError> {
        let position = self.argument(depth, &|character| matches!(character, ':' | '}'), Escapes::Off)?;
        if self.take('}') {
            return Ok((Operation::Substring, vec![position]));
        }
        if self.take_all(|character| character == ':').is_empty() {
            return Err(ExpandError::BadSubstitution);
        }
        let length = self.argument(depth, &|character| character == '}', Escapes::Off)?;
        self.close()?;
        Ok((Operation::Substring, vec![position, length]))
    }

    fn casing(&mut self) -> Result<Operation, ExpandError> {
        let start = self.position;
        for _ in 0..2 {
            if !self.take(',') {
                self.take('^');
            }
        }
        let operation = match &self.text[start..self.position] {
            "^" => Operation::UpperFirst,
            "^^" => Operation::UpperAll,
            "," => Operation::LowerFirst,
            ",," => Operation::LowerAll,
            _ => Operation::Value,
        };
        self.close()?;
        Ok(operation)
    }

    fn removal(
        &mut self,
        depth: usize,
        sign: char,
        operations: [Operation; 2],
    ) -> Result<(Operation, Vec<Piece<'t>>), ExpandError> {
        let [shortest, longest] = operations;
        self.take(sign);
        let operation = if self.take(sign) { longest } else { shortest };
        let pattern = self.argument(depth, &|character| character == '}', Escapes::Off)?;
        self.close()?;
        Ok((operation, vec![pattern]))
    }

    fn replacement(&mut self, depth: usize) -> Result<(Operation, Vec<Piece<'t>>), ExpandError> {
        self.take('/');
        let operation = match self.peek() {
            Some('/') => Operation::ReplaceAll,
            Some('#') => Operation::ReplacePrefix,
            Some('%') => Operation::ReplaceSuffix,
            _ => Operation::ReplaceFirst,
        };
        if operation != Operation::ReplaceFirst {
            self.position += 1;
        }
        let mut arguments = vec![self.argument(depth, &|character| character == '/', Escapes::All)?];
        if self.take_all(|character| character == '/').is_empty() {
            return Err(ExpandError::BadSubstitution);
        }
        if self.take('}') {
            return Ok((operation, arguments));
        }
        arguments.push(self.argument(depth, &|character| character == '}', Escapes::All)?);
        self.close()?;
        Ok((operation, arguments))
    }
}
