//! Times as Go's JSON has them: RFC 3339 with the offset kept. It knows no clock and no other notation.

use std::cmp::Ordering;

/// A time with its offset from UTC. Ordered and equal as instants, whatever the offset.
#[derive(Clone, Debug)]
pub struct Time {
    /// In the form that Go prints.
    text: String,
    /// Seconds since 1970 in UTC.
    seconds: i64,
    nanos: u32,
}

/// Go's time before any other, which stands for "not given".
const ZERO: &str = "0001-01-01T00:00:00Z";

impl Default for Time {
    fn default() -> Self {
        Self { text: ZERO.to_owned(), seconds: -62_135_596_800, nanos: 0 }
    }
}

impl Time {
    /// Parses RFC 3339 as strictly as Go's JSON does: `2006-01-02T15:04:05[.9]Z` or with an offset `+07:00`.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let fixed = bytes.get(..19)?;
        let shape = |at: usize, sign: u8| fixed[at] == sign;
        if !(shape(4, b'-') && shape(7, b'-') && shape(10, b'T') && shape(13, b':') && shape(16, b':')) {
            return None;
        }
        let number = |from: usize, to: usize| digits(&text[from..to]);
        // Only ASCII up to here, so that the slices below fall between characters.
        if !fixed.is_ascii() {
            return None;
        }
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        if !(1..=12).contains(&month)
            || day < 1
            || day > days_in(year, month)
            || hour > 23
            || minute > 59
            || second > 59
        {
            return None;
        }
        let rest = &text[19..];
        let (fraction, zone) = match rest.strip_prefix('.') {
            Some(after) => after.split_at(after.bytes().take_while(u8::is_ascii_digit).count()),
            None => ("", rest),
        };
        if rest.starts_with('.') && fraction.is_empty() {
            return None;
        }
        let (offset, zone) = zone_of(zone)?;
        // Go keeps nine digits and prints no zeros at the end.
        let kept = fraction.get(..9).unwrap_or(fraction).trim_end_matches('0');
        let nanos = digits(&format!("{kept:0<9}"))?;
        let dot = if kept.is_empty() { "" } else { "." };
        let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
        let text = format!("{}{dot}{kept}{zone}", &text[..19]);
        Some(Self { text, seconds, nanos: u32::try_from(nanos).ok()? })
    }

    /// Whether no time was given.
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    /// RFC 3339 as Go prints it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whole seconds since 1970, rounded down.
    pub fn unix_seconds(&self) -> i64 {
        self.seconds
    }
}

impl PartialEq for Time {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Time {}

impl PartialOrd for Time {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Time {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.seconds, self.nanos).cmp(&(other.seconds, other.nanos))
    }
}

fn digits(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// The offset in seconds and how Go prints it.
fn zone_of(zone: &str) -> Option<(i64, &str)> {
    if zone == "Z" {
        return Some((0, "Z"));
    }
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = zone[1..].split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes) = (digits(hours)?, digits(minutes)?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let offset = sign * (hours * 3600 + minutes * 60);
    Some((offset, if offset == 0 { "Z" } else { zone }))
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar, counting years from March so that the leap day is the last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_print_as_go_prints_them() {
        for (text, printed, seconds) in [
            ("2020-02-29T12:30:45Z", "2020-02-29T12:30:45Z", 1_582_979_445),
            ("2020-02-29T12:30:45.120+02:00", "2020-02-29T12:30:45.12+02:00", 1_582_972_245),
            ("2020-02-29T12:30:45+00:00", "2020-02-29T12:30:45Z", 1_582_979_445),
            ("2020-02-29T12:30:45.1234567891-07:30", "2020-02-29T12:30:45.123456789-07:30", 1_583_006_445),
            ("0001-01-01T00:00:00Z", ZERO, -62_135_596_800),
            ("1969-12-31T23:59:59Z", "1969-12-31T23:59:59Z", -1),
        ] {
            let time = Time::parse(text).unwrap();
            assert_eq!((time.as_str(), time.unix_seconds()), (printed, seconds), "{text}");
        }
        assert!(Time::default().is_zero() && Time::parse(ZERO).unwrap().is_zero());
        assert!(Time::parse("2020-01-01T00:00:00+01:00") < Time::parse("2020-01-01T00:00:00Z"));
    }

    #[test]
    fn other_notations_are_refused() {
        for text in [
            "",
            "2020-01-02",
            "2020-01-02 03:04:05Z",
            "2020-13-02T03:04:05Z",
            "2021-02-29T03:04:05Z",
            "2020-01-02T24:04:05Z",
            "2020-01-02T03:04:05",
            "2020-01-02T03:04:05.Z",
            "2020-01-02T03:04:05,1Z",
            "2020-01-02T03:04:05+1:00",
            "2020-01-02T03:04:05+24:00",
            "2020-01-02T03:04:0\u{e9}Z",
            "+020-01-02T03:04:05Z",
        ] {
            assert_eq!(Time::parse(text), None, "{text}");
        }
    }
}
