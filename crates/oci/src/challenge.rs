//! `WWW-Authenticate`: what a registry asks for.
//!
//! Deliberately only the two schemes that registries use; others (Negotiate, NTLM) are skipped wherever they stand.

use sluice_http_client::{HeaderMap, header};

/// The longest header that is looked at.
const MAX_HEADER: usize = 8 << 10;

/// What a registry asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// User and password.
    Basic,
    /// A token from the realm.
    Bearer {
        /// The URL of the token server, as it was sent.
        realm: String,
        /// For whom the token is; may be empty.
        service: String,
        /// What the token must permit, separated by spaces; may be empty.
        scope: String,
    },
}

/// The first challenge that can be answered.
pub(crate) fn find(headers: &HeaderMap) -> Option<Challenge> {
    let values = headers.get_all(header::WWW_AUTHENTICATE).into_iter();
    values.filter_map(|value| value.to_str().ok()).filter(|text| text.len() <= MAX_HEADER).find_map(parse)
}

/// The first known challenge of one header, which may hold several.
fn parse(text: &str) -> Option<Challenge> {
    let mut found: Option<(String, Vec<(String, String)>)> = None;
    for item in items(text) {
        match item {
            Item::Scheme(scheme) => {
                if let Some(challenge) = found.take().and_then(known) {
                    return Some(challenge);
                }
                found = Some((scheme, Vec::new()));
            }
            Item::Parameter(name, value) => {
                if let Some((_, parameters)) = &mut found {
                    parameters.push((name, value));
                }
            }
        }
    }
    found.and_then(known)
}

fn known((scheme, parameters): (String, Vec<(String, String)>)) -> Option<Challenge> {
    let value = |name: &str| {
        let found = parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    if scheme.eq_ignore_ascii_case("basic") {
        return Some(Challenge::Basic);
    }
    let realm = value("realm");
    (scheme.eq_ignore_ascii_case("bearer") && !realm.is_empty()).then(|| Challenge::Bearer {
        realm,
        service: value("service"),
        scope: value("scope"),
    })
}

enum Item {
    Scheme(String),
    Parameter(String, String),
}

/// Splits at commas and spaces outside of quotes: a word without `=` is a scheme, `name=value` a parameter.
fn items(text: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let end = rest.find([' ', '\t', ',', '=']).unwrap_or(rest.len());
        let (word, tail) = rest.split_at(end);
        let value = tail.trim_start_matches([' ', '\t']).strip_prefix('=');
        match value {
            // A stray `=` has no name; skipping it keeps the loop going forward.
            Some(value) if word.is_empty() => rest = value,
            Some(value) => {
                let (value, after) = parameter_value(value.trim_start_matches([' ', '\t']));
                items.push(Item::Parameter(word.to_owned(), value));
                rest = after;
            }
            None if word.is_empty() => return items,
            None => {
                items.push(Item::Scheme(word.to_owned()));
                rest = tail;
            }
        }
    }
}

/// A value, quoted or not, and what is behind it.
fn parameter_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_at(text.find([' ', '\t', ',']).unwrap_or(text.len()));
        return (value.to_owned(), rest);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests;
