//! Scalars in every spelling that YAML readers disagree on, and the small vocabulary of names.
//!
//! Deliberately nothing about objects.

use fastrand::Rng;
use serde_json::{Value, json};

use super::tree::{block, raw};

/// Names of objects. Few, so that references between objects hit.
pub(super) const NAMES: [&str; 8] = ["web", "api", "db", "cache", "worker", "settings", "creds", "front.end"];

const ODD: [&str; 74] = [
    "yes",
    "No",
    "ON",
    "off",
    "y",
    "N",
    "true",
    "False",
    "TRUE",
    "~",
    "null",
    "Null",
    "0",
    "-0",
    "7",
    "+12",
    "0123",
    "0o17",
    "0O17",
    "0x1F",
    "0b101",
    "1_000",
    "1_000.5",
    "1.0",
    "1.50",
    "-1.5e-3",
    "1e3",
    "1E+3",
    "12e03",
    ".5",
    "5.",
    "+.5",
    "1.2.3",
    "0.1",
    "1e21",
    "1e20",
    "123456789012345678901234567890",
    "18446744073709551615",
    "9223372036854775808",
    "0.000001",
    "0.0000001",
    "100000000000000000000.5",
    "3.14159265358979312",
    "2020-01-02",
    "2020-1-2",
    "2020-01-02T03:04:05Z",
    "2020-01-02 03:04:05.5",
    "2020-01-02T03:04:05+01:00",
    "12:30",
    "1:30:45",
    "190:20:30",
    "-1:30",
    "''",
    "\"\"",
    "'it''s'",
    "\"a\\tb\"",
    "\"a\\nb\"",
    "\"a\\nb\\n\"",
    "\" lead\"",
    "'trail '",
    "=",
    "\"<<\"",
    "!!str 12",
    "!!int \"3\"",
    "!!binary aGVsbG8=",
    "!!float 3",
    "\"\\U0001F600\"",
    "\"\\u2028\"",
    "\"\\x07\"",
    "plain with spaces",
    "a # comment",
    "\"'\"",
    "'\"'",
    "\"\\\\\"",
];

const PIECES: [&str; 42] = [
    "a",
    "b",
    "Z",
    "0",
    "9",
    " ",
    " ",
    "  ",
    ":",
    ": ",
    " #",
    "#",
    "-",
    "- ",
    "?",
    ",",
    "[",
    "]",
    "{",
    "}",
    "&",
    "*",
    "!",
    "|",
    ">",
    "'",
    "\"",
    "%",
    "@",
    "`",
    "\\",
    "\n",
    "\n",
    "é",
    "日本",
    "\u{1F680}",
    "\u{a0}",
    "~",
    "=",
    "$(WHO)",
    "$$(WHO)",
    "<",
];

const WORDS: [&str; 12] =
    ["lorem", "ipsum", "sit", "a", "configuration-value", "it's", "\"q\"", "x:y", "#3", "http://h/p?q=1", "é", "-"];

/// Whether something of this many percent happens.
pub(super) fn chance(rng: &mut Rng, percent: u8) -> bool {
    rng.u8(..100) < percent
}

/// One of several.
pub(super) fn pick<'t>(rng: &mut Rng, choices: &[&'t str]) -> &'t str {
    choices[rng.usize(..choices.len())]
}

/// A scalar of any type.
pub(super) fn odd(rng: &mut Rng) -> Value {
    if chance(rng, 45) { raw(pick(rng, &ODD)) } else { text(rng) }
}

/// A string.
pub(super) fn text(rng: &mut Rng) -> Value {
    match rng.u8(..12) {
        0..4 => Value::from(pick(rng, &NAMES)),
        4..7 => Value::String((0..rng.usize(0..9)).map(|_| pick(rng, &PIECES)).collect()),
        7..9 => Value::String(long(rng, " ")),
        9 => Value::String(long(rng, "\n")),
        10 => blocky(rng),
        _ => Value::from(json!(rng.u32(..10_000)).to_string()),
    }
}

fn long(rng: &mut Rng, separator: &str) -> String {
    (0..rng.usize(3..30)).map(|_| pick(rng, &WORDS)).collect::<Vec<_>>().join(separator)
}

fn blocky(rng: &mut Rng) -> Value {
    let header = pick(rng, &["|", "|-", "|+", ">", ">-", ">+"]);
    let mut text = String::from(pick(rng, &["first", "a: b", "# x", "- y", "\"q\""]));
    for _ in 0..rng.usize(0..6) {
        text.push_str(pick(rng, &["\n", "\n\n", "\n  ", "\n"]));
        text.push_str(pick(rng, &WORDS));
        text.push_str(pick(rng, &["", "", "", " ", " and more"]));
    }
    text.push_str(pick(rng, &["", "\n", "\n\n\n"]));
    block(header, &text)
}

/// A string that is fit for a label or an environment: no line breaks, never read as another type.
pub(super) fn tame(rng: &mut Rng) -> String {
    match rng.u8(..6) {
        0..4 => pick(rng, &NAMES).to_owned(),
        4 => pick(rng, &["1", "true", "1.0", "0x1", "null", "", "on", "2020-01-02"]).to_owned(),
        _ => pick(rng, &["a.b/c", "x_y", "UP", "v1.2.3", "a-b"]).to_owned(),
    }
}

/// One of several numbers.
pub(super) fn choose(rng: &mut Rng, choices: [u16; 3]) -> u16 {
    choices[rng.usize(..choices.len())]
}
