//! Numbers as Go prints them, and plain text for formats that know nothing else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::tree::Value;

/// Mantissa digits with their point, and the exponent, both of the shortest text that reads back as the same number.
fn scientific(value: f64) -> (String, i32) {
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    (mantissa.to_owned(), exponent.parse().unwrap_or(0))
}

/// `%g` with the fewest digits: an exponent below 1e-4 and from 1e6 on.
fn general(value: f64, letter: char) -> String {
    let (mantissa, exponent) = scientific(value);
    if (-4..6).contains(&exponent) {
        return value.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}{letter}{sign}{:02}", exponent.unsigned_abs())
}

/// A float as YAML has it.
pub(super) fn yaml(value: f64) -> String {
    if value.is_nan() {
        return ".nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    general(value, 'e')
}

/// A float as JSON has it; `None` if it has none.
pub(super) fn json(value: f64) -> Option<String> {
    if !value.is_finite() {
        return None;
    }
    let magnitude = value.abs();
    if magnitude == 0.0 || (1e-6..1e21).contains(&magnitude) {
        return Some(value.to_string());
    }
    let (mantissa, exponent) = scientific(value);
    let sign = if exponent < 0 { '-' } else { '+' };
    Some(format!("{mantissa}e{sign}{}", exponent.unsigned_abs()))
}

/// A value in a format that has only text; `None` for mappings and lists.
pub(super) fn plain(value: &Value) -> Option<Vec<u8>> {
    let text = match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Unsigned(number) => number.to_string(),
        Value::Float(number) => float(*number),
        Value::Time(text) => text.clone(),
        Value::Text(text) => return Some(text.clone()),
        Value::Bytes(bytes) => STANDARD.encode(bytes),
        Value::List(_) | Value::Map(_) | Value::Comment(_) => return None,
    };
    Some(text.into_bytes())
}

/// `%G`, with a fraction if it would read as a whole number.
fn float(value: f64) -> String {
    if !value.is_finite() {
        return if value.is_nan() {
            "NaN"
        } else if value > 0.0 {
            "+Inf"
        } else {
            "-Inf"
        }
        .to_owned();
    }
    let text = general(value, 'E');
    if text.contains(['.', 'E']) { text } else { format!("{value:.1}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_printed_as_go_prints_them() {
        for (value, in_yaml, in_json, in_text) in [
            (1.5, "1.5", "1.5", "1.5"),
            (1.0, "1", "1", "1.0"),
            (100_000.0, "100000", "100000", "100000.0"),
            (1_234_567.0, "1.234567e+06", "1234567", "1.234567E+06"),
            (0.000_01, "1e-05", "0.00001", "1E-05"),
            (1e-7, "1e-07", "1e-7", "1E-07"),
            (1e21, "1e+21", "1e+21", "1E+21"),
            (-2.25, "-2.25", "-2.25", "-2.25"),
        ] {
            assert_eq!(yaml(value), in_yaml);
            assert_eq!(json(value).as_deref(), Some(in_json));
            assert_eq!(plain(&Value::Float(value)).unwrap(), in_text.as_bytes());
        }
        assert_eq!((yaml(f64::INFINITY), json(f64::NAN)), (".inf".to_owned(), None));
    }
}
