//! Scalars: which type a plain text has in the two dialects that kustomize reads, and what a typed text is in JSON.
//!
//! Resource files are read by rules close to YAML 1.2 (`yes` is a string, `0o17` and `017` are numbers); kustomization files and
//! everything printed obey the YAML 1.1 rules of an older library (`yes`, `on`, `y` are booleans). Not here: quoting and styles.

use serde_json::{Number, Value as Json};

/// The type of a scalar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tag {
    /// A string.
    Str,
    /// An integer in any notation.
    Int,
    /// A number with a fraction or exponent.
    Float,
    /// A boolean.
    Bool,
    /// Nothing.
    Null,
    /// A date or time; a string in JSON, written in full.
    Timestamp,
}

impl Tag {
    /// The type's name in YAML.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Str => "str",
            Self::Int => "int",
            Self::Float => "float",
            Self::Bool => "bool",
            Self::Null => "null",
            Self::Timestamp => "timestamp",
        }
    }
}

/// How a scalar was spelt. It is not kept in the output, but decides what becomes of a value that is put in its place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Style {
    /// Without quotes, or made and not read.
    #[default]
    Plain,
    /// In quotes.
    Quoted,
    /// As a literal block.
    Literal,
    /// As a folded block.
    Folded,
    /// Not at all: a transformer made the field and gave it a text, whose type is open until it is printed or merged.
    Untyped,
}

/// A scalar: its text as written and its type. Two scalars are equal when both are.
#[derive(Debug, Clone)]
pub struct Scalar {
    /// The type.
    pub tag: Tag,
    /// The text without quotes and escapes.
    pub text: String,
    /// How it was spelt.
    pub style: Style,
    /// Not zero if a transformer put one value into several fields of an object: what is written to one of them is written to all that
    /// have the same number.
    pub shared: u32,
    /// Whether a merge wrote it, be it with the text that it had.
    pub written: bool,
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        self.tag == other.tag && self.text == other.text
    }
}

impl Eq for Scalar {}

impl Scalar {
    /// A scalar of the given type; the caller knows that the text has it.
    pub fn new(tag: Tag, text: impl Into<String>) -> Self {
        Self { tag, text: text.into(), style: Style::Plain, shared: 0, written: false }
    }

    /// A null spelt out.
    pub fn null() -> Self {
        Self::new(Tag::Null, "null")
    }

    /// A plain (unquoted) scalar of a resource file: the type follows from the text.
    pub fn plain(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { tag: resolve(&text, Dialect::Resource), text, style: Style::Plain, shared: 0, written: false }
    }

    /// This scalar in the place of another, whose spelling it takes; its type is then that of [`Scalar::spelt_tag`].
    pub fn in_place_of(self, old: &Self) -> Self {
        Self { style: old.style, shared: old.shared, ..self }
    }

    /// The type that the scalar has when it has been written and read: in quotes and blocks everything is a string, but for what has a
    /// type that its text does not show, which is then written as a statement.
    pub fn spelt_tag(&self) -> Tag {
        let spelt = matches!(self.style, Style::Quoted | Style::Literal | Style::Folded);
        if spelt && self.tag != Tag::Str && resolve(&self.text, Dialect::Resource) == self.tag {
            Tag::Str
        } else {
            self.tag
        }
    }

    /// A text that a step made in place of another: quoted where it would read as something else; what is put in its place has the type of
    /// its own text.
    pub fn made(text: impl Into<String>) -> Self {
        let made = Self::string(text);
        if made.style == Style::Plain { Self { style: Style::Untyped, ..made } } else { made }
    }

    /// A text whose type is open.
    pub fn untyped(text: impl Into<String>) -> Self {
        Self { style: Style::Untyped, ..Self::plain(text) }
    }

    /// What merging does to a text whose type is open: it counts as a string, and is quoted if it would read as something else.
    pub fn settle(&mut self) {
        if self.style == Style::Untyped && !self.text.is_empty() && resolve(&self.text, Dialect::Config) != Tag::Str {
            (self.tag, self.style) = (Tag::Str, Style::Quoted);
        }
    }

    /// A string that was made, not read: quoted where it would read as something else, a block if it has several
    /// lines.
    pub fn string(text: impl Into<String>) -> Self {
        let text = text.into();
        let style = if text.contains('\n') {
            Style::Literal
        } else if matches!(resolve(&text, Dialect::Config), Tag::Str | Tag::Timestamp) {
            // A date is quoted when it is printed, but not before.
            Style::Plain
        } else {
            Style::Quoted
        };
        Self { style, ..Self::new(Tag::Str, text) }
    }

    /// The JSON value; `None` for an infinite number or not-a-number, which JSON lacks.
    pub fn to_json(&self) -> Option<Json> {
        Some(match self.spelt_tag() {
            Tag::Str => Json::String(self.text.clone()),
            Tag::Null if resolve(&self.text, Dialect::Resource) != Tag::Null => return None,
            Tag::Null => Json::Null,
            Tag::Bool if resolve(&self.text, Dialect::Config) != Tag::Bool => return None,
            Tag::Bool => Json::Bool(is_true(&self.text)),
            Tag::Timestamp if timestamp(&self.text).is_none() => return None,
            Tag::Timestamp => Json::String(timestamp(&self.text).unwrap_or_else(|| self.text.clone())),
            Tag::Int if matches!(number(&self.text)?, Parsed::Float(_)) => return None,
            Tag::Int | Tag::Float => Json::Number(match number(&self.text)? {
                Parsed::Signed(value) => value.into(),
                Parsed::Unsigned(value) => value.into(),
                Parsed::Float(value) => json_float(value)?,
            }),
        })
    }
}

/// Which of the two sets of rules types a plain scalar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Resource files and patches.
    Resource,
    /// Kustomization files, JSON patches, and the check whether a string must be quoted.
    Config,
}

/// A number as parsed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Parsed {
    Signed(i64),
    Unsigned(u64),
    Float(f64),
}

/// The type of a plain scalar.
pub(crate) fn resolve(text: &str, dialect: Dialect) -> Tag {
    let Some(first) = text.bytes().next() else { return Tag::Null };
    match first {
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' => word(text, dialect),
        b'.' => {
            if matches!(text, ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF") || go_float(text).is_some() {
                Tag::Float
            } else {
                Tag::Str
            }
        }
        b'+' | b'-' | b'0'..=b'9' => numeric(text),
        _ => Tag::Str,
    }
}

fn word(text: &str, dialect: Dialect) -> Tag {
    match text {
        "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => Tag::Bool,
        "~" | "null" | "Null" | "NULL" => Tag::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "n" | "N" | "no" | "No" | "NO" | "off" | "Off"
        | "OFF"
            if dialect == Dialect::Config =>
        {
            Tag::Bool
        }
        _ => Tag::Str,
    }
}

fn numeric(text: &str) -> Tag {
    if matches!(text, "+.inf" | "+.Inf" | "+.INF" | "-.inf" | "-.Inf" | "-.INF") {
        return Tag::Float;
    }
    if timestamp(text).is_some() {
        return Tag::Timestamp;
    }
    match number(text) {
        Some(Parsed::Signed(_) | Parsed::Unsigned(_)) => Tag::Int,
        Some(Parsed::Float(_)) => Tag::Float,
        None => Tag::Str,
    }
}

pub(crate) fn is_true(text: &str) -> bool {
    matches!(text.as_bytes().first(), Some(b't' | b'T' | b'y' | b'Y')) || matches!(text, "on" | "On" | "ON")
}

/// The value of a numeric text: Go's base-prefix integers first (with `_` ignored), then decimal floats.
pub(crate) fn number(text: &str) -> Option<Parsed> {
    match text {
        ".nan" | ".NaN" | ".NAN" => return Some(Parsed::Float(f64::NAN)),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Some(Parsed::Float(f64::INFINITY)),
        "-.inf" | "-.Inf" | "-.INF" => return Some(Parsed::Float(f64::NEG_INFINITY)),
        _ => {}
    }
    let stripped;
    let plain = if text.contains('_') {
        stripped = text.replace('_', "");
        stripped.as_str()
    } else {
        text
    };
    integer(plain).or_else(|| go_float(plain).map(Parsed::Float))
}

fn integer(text: &str) -> Option<Parsed> {
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let bytes = unsigned.as_bytes();
    let (radix, digits) = match bytes {
        [b'0', b'x' | b'X', ..] => (16, &unsigned[2..]),
        [b'0', b'b' | b'B', ..] => (2, &unsigned[2..]),
        [b'0', b'o' | b'O', ..] => (8, &unsigned[2..]),
        [b'0', _, ..] => (8, &unsigned[1..]),
        _ => (10, unsigned),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let value = u64::from_str_radix(digits, radix).ok()?;
    match i64::try_from(value) {
        Ok(value) => Some(Parsed::Signed(if negative { -value } else { value })),
        Err(_) if negative => (value == 1 << 63).then_some(Parsed::Signed(i64::MIN)),
        // An explicit plus sign is not accepted by the unsigned parser.
        Err(_) => (!text.starts_with('+')).then_some(Parsed::Unsigned(value)),
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?` as a float.
fn go_float(text: &str) -> Option<f64> {
    let body = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match body.find(['e', 'E']) {
        Some(at) => (&body[..at], Some(&body[at + 1..])),
        None => (body, None),
    };
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if !all_digits(whole) || !all_digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    if let Some(exponent) = exponent {
        let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        if digits.is_empty() || !all_digits(digits) {
            return None;
        }
    }
    let value: f64 = text.parse().ok()?;
    // Go refuses a decimal text whose value is out of range.
    value.is_finite().then_some(value)
}

/// A float as Go's JSON encoder and decoder leave it: a whole number is written with the fewest digits that tell it apart, then
/// zeros, and read back as an integer if it fits one.
fn json_float(value: f64) -> Option<Number> {
    // From here on Go writes an exponent, which is never read as an integer.
    const EXPONENT_FROM: f64 = 1e21;
    if !value.is_finite() {
        return None;
    }
    if value.fract() == 0.0 && value.abs() < EXPONENT_FROM {
        let digits = value.to_string();
        if let Ok(integer) = digits.parse::<i64>() {
            return Some(integer.into());
        }
        if let Ok(integer) = digits.parse::<u64>() {
            return Some(integer.into());
        }
    }
    Number::from_f64(value)
}

/// A date or a date and time in the notations that go-yaml accepts, written as RFC 3339; `None` if the text is not one.
pub(crate) fn timestamp(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    // Cheap test first: four digits and a dash, which almost no scalar has.
    if bytes.len() < 8 || bytes[4] != b'-' || !bytes[..4].iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut rest = &text[5..];
    let year: u32 = text[..4].parse().ok()?;
    let month = digits(&mut rest, 2)?;
    rest = rest.strip_prefix('-')?;
    let day = digits(&mut rest, 2)?;
    if !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) {
        return None;
    }
    let date = format!("{year:04}-{month:02}-{day:02}");
    if rest.is_empty() {
        return Some(format!("{date}T00:00:00Z"));
    }
    let needs_zone = rest.starts_with(['T', 't']);
    rest = rest.strip_prefix(['T', 't', ' '])?;
    let hour = digits(&mut rest, 2)?;
    rest = rest.strip_prefix(':')?;
    let minute = digits(&mut rest, 2)?;
    rest = rest.strip_prefix(':')?;
    let second = digits(&mut rest, 2)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut fraction = String::new();
    if let Some(after) = rest.strip_prefix('.') {
        let length = after.bytes().take_while(u8::is_ascii_digit).count();
        if length == 0 || length > 9 {
            return None;
        }
        fraction.push_str(after[..length].trim_end_matches('0'));
        rest = &after[length..];
    }
    let zone = match (needs_zone, rest) {
        (false, "") | (true, "Z") => "Z".to_owned(),
        (true, zone) => offset(zone)?,
        _ => return None,
    };
    let dot = if fraction.is_empty() { "" } else { "." };
    Some(format!("{date}T{hour:02}:{minute:02}:{second:02}{dot}{fraction}{zone}"))
}

fn digits(rest: &mut &str, most: usize) -> Option<u32> {
    let length = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
    let value = rest[..length].parse().ok()?;
    *rest = &rest[length..];
    Some(value)
}

fn offset(zone: &str) -> Option<String> {
    let body = zone.strip_prefix(['+', '-'])?;
    let (hours, minutes) = body.split_once(':')?;
    let ok = |part: &str, most: u32| part.len() == 2 && part.parse::<u32>().is_ok_and(|value| value <= most);
    if !ok(hours, 24) || !ok(minutes, 59) {
        return None;
    }
    Some(if hours == "00" && minutes == "00" { "Z".to_owned() } else { zone.to_owned() })
}

fn days_in(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Whether a YAML 1.1 reader could take the text for a number in base 60 (`1:30`), so that it needs quotes.
pub(crate) fn is_base60(text: &str) -> bool {
    let Some(colon) = text.find(':') else { return false };
    let body = text.strip_prefix(['-', '+']).unwrap_or(text);
    let Some(first) = body.bytes().next() else { return false };
    if !first.is_ascii_digit() || colon == 0 {
        return false;
    }
    let mut parts = body.split(':');
    let Some(head) = parts.next() else { return false };
    if !head.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_') {
        return false;
    }
    let parts: Vec<&str> = parts.collect();
    let last = parts.len() - 1;
    parts.iter().enumerate().all(|(index, part)| {
        let digits = if index == last {
            match part.split_once('.') {
                Some((digits, fraction)) if fraction.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_') => {
                    digits
                }
                Some(_) => return false,
                None => part,
            }
        } else {
            part
        };
        match digits.as_bytes() {
            [one] => one.is_ascii_digit(),
            [b'0'..=b'5', two] => two.is_ascii_digit(),
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_of_resource_files_have_the_types_of_go_yaml() {
        for (text, tag) in [
            ("", Tag::Null),
            ("~", Tag::Null),
            ("true", Tag::Bool),
            ("yes", Tag::Str),
            ("on", Tag::Str),
            ("0x1F", Tag::Int),
            ("0123", Tag::Int),
            ("0o17", Tag::Int),
            ("1_000", Tag::Int),
            ("18446744073709551616", Tag::Float),
            ("1e3", Tag::Float),
            ("08", Tag::Float),
            ("1.2.3", Tag::Str),
            (".5", Tag::Float),
            (".inf", Tag::Float),
            (".", Tag::Str),
            ("-", Tag::Str),
            ("1:30", Tag::Str),
            ("2020-01-02", Tag::Timestamp),
            ("2020-13-02", Tag::Str),
            ("nginx", Tag::Str),
        ] {
            assert_eq!(resolve(text, Dialect::Resource), tag, "{text:?}");
        }
    }

    #[test]
    fn numbers_and_dates_have_the_json_value_that_go_gives_them() {
        for (text, json) in [
            ("1.0", "1"),
            ("1.50", "1.5"),
            ("1e3", "1000"),
            ("0x1F", "31"),
            ("0123", "83"),
            ("0o17", "15"),
            ("1_000", "1000"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("18446744073709551615", "18446744073709551615"),
            ("63178281213216448.0", "63178281213216450"),
            ("2020-01-02", "\"2020-01-02T00:00:00Z\""),
            ("2020-01-02T03:04:05.120+02:00", "\"2020-01-02T03:04:05.12+02:00\""),
        ] {
            assert_eq!(Scalar::plain(text).to_json().map(|value| value.to_string()), Some(json.to_owned()), "{text:?}");
        }
        assert_eq!(Scalar::plain(".inf").to_json(), None);
    }

    #[test]
    fn base_sixty_is_recognised() {
        assert!(is_base60("1:30") && is_base60("190:20:30") && is_base60("-1:05.5"));
        assert!(!is_base60("a:30") && !is_base60("1:75") && !is_base60("10:80:1") && !is_base60("12"));
    }
}
