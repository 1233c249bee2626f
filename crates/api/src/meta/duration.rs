//! Durations in the notation of Go's standard library, which the API uses on the wire and in messages.
//!
//! Deliberately no negative durations: no field of the schema allows one, and `std::time::Duration` has none.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What the schema demands of intervals.
pub(crate) const INTERVAL_PATTERN: &str = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$";
/// What the schema demands of timeouts: hours are not allowed.
pub(crate) const TIMEOUT_PATTERN: &str = r"^([0-9]+(\.[0-9]+)?(ms|s|m))+$";

/// Go counts nanoseconds in 64 signed bits; a longer duration is unreadable there, and therefore here.
const MAX_NANOS: u128 = i64::MAX as u128;
/// Digits after the point beyond this one are below a nanosecond in every unit up to an hour.
const MAX_FRACTION_DIGITS: usize = 18;

/// A duration that reads and writes as Go's `time.Duration` does: `1h30m`, `9m30s`, `1.234s`, `0s`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GoDuration(Duration);

impl GoDuration {
    /// Wraps a duration.
    pub const fn new(duration: Duration) -> Self {
        Self(duration)
    }

    /// A duration of whole seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// The duration for calculation.
    pub const fn as_duration(self) -> Duration {
        self.0
    }
}

impl From<Duration> for GoDuration {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl From<GoDuration> for Duration {
    fn from(duration: GoDuration) -> Self {
        duration.0
    }
}

/// Why a text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseDurationError {
    /// Nothing, no number where one must be, or a stray character.
    #[error("invalid duration {0:?}")]
    Invalid(String),
    /// A number without a unit after it.
    #[error("missing unit in duration {0:?}")]
    MissingUnit(String),
    /// A unit other than `ns`, `us`, `ms`, `s`, `m` and `h`.
    #[error("unknown unit {unit:?} in duration {text:?}")]
    UnknownUnit {
        /// The whole text.
        text: String,
        /// What stood in the place of a unit.
        unit: String,
    },
    /// A negative duration.
    #[error("negative duration {0:?}")]
    Negative(String),
    /// More than 64 signed bits of nanoseconds, which is about 292 years.
    #[error("duration {0:?} is too long")]
    TooLong(String),
}

impl FromStr for GoDuration {
    type Err = ParseDurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with('-') {
            return Err(ParseDurationError::Negative(text.to_owned()));
        }
        let mut rest = text.strip_prefix('+').unwrap_or(text);
        if rest == "0" {
            return Ok(Self::default());
        }
        if rest.is_empty() {
            return Err(ParseDurationError::Invalid(text.to_owned()));
        }
        let mut total: u128 = 0;
        while !rest.is_empty() {
            let (nanos, after) = parse_term(text, rest)?;
            total = total.saturating_add(nanos);
            if total > MAX_NANOS {
                return Err(ParseDurationError::TooLong(text.to_owned()));
            }
            rest = after;
        }
        let total = u64::try_from(total).map_err(|_| ParseDurationError::TooLong(text.to_owned()))?;
        Ok(Self(Duration::from_nanos(total)))
    }
}

/// Reads one number with its unit off the front of `rest`: its nanoseconds, and what follows.
fn parse_term<'a>(text: &str, rest: &'a str) -> Result<(u128, &'a str), ParseDurationError> {
    let (whole, rest) = split_digits(rest);
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(after) => split_digits(after),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err(ParseDurationError::Invalid(text.to_owned()));
    }
    let end = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(end);
    let scale: u128 = match unit {
        "ns" => 1,
        // The micro sign and the Greek letter mu.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "" => return Err(ParseDurationError::MissingUnit(text.to_owned())),
        other => return Err(ParseDurationError::UnknownUnit { text: text.to_owned(), unit: other.to_owned() }),
    };
    let too_long = || ParseDurationError::TooLong(text.to_owned());
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| too_long())? };
    let digits = &fraction[..fraction.len().min(MAX_FRACTION_DIGITS)];
    let (mut numerator, mut denominator) = (0_u128, 1_u128);
    for digit in digits.bytes() {
        numerator = numerator * 10 + u128::from(digit - b'0');
        denominator *= 10;
    }
    Ok((u128::from(whole) * scale + numerator * scale / denominator, rest))
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        match nanos {
            0 => f.write_str("0s"),
            1..1_000 => write!(f, "{nanos}ns"),
            1_000..1_000_000 => write!(f, "{}\u{b5}s", Decimal(nanos, 3)),
            1_000_000..1_000_000_000 => write!(f, "{}ms", Decimal(nanos, 6)),
            _ => {
                let minutes = nanos / 60_000_000_000;
                if minutes >= 60 {
                    write!(f, "{}h", minutes / 60)?;
                }
                if minutes > 0 {
                    write!(f, "{}m", minutes % 60)?;
                }
                write!(f, "{}s", Decimal(nanos % 60_000_000_000, 9))
            }
        }
    }
}

/// A number divided by a power of ten, without trailing zeros.
struct Decimal(u128, usize);

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut divisor = 1_u128;
        for _ in 0..self.1 {
            divisor *= 10;
        }
        write!(f, "{}", self.0 / divisor)?;
        let fraction = self.0 % divisor;
        if fraction == 0 {
            return Ok(());
        }
        let digits = format!("{fraction:0width$}", width = self.1);
        write!(f, ".{}", digits.trim_end_matches('0'))
    }
}

impl Serialize for GoDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for GoDuration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string" })
    }
}

#[cfg(test)]
mod tests;
