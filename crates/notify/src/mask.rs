//! Masking of secret values in text that leaves the process (errors in Kubernetes events and logs).
//!
//! The token's rule is the reference's: the token without its last character, followed by any number of repetitions of
//! that character, becomes `*****`. So the token is also recognised where a parser cut off its end. Beyond the reference,
//! the other secret values of a provider are masked as they are; short ones are left alone, since replacing `1` or `on`
//! everywhere would destroy the message and hide nothing.

use crate::config::ProviderConfig;

const MASK: &str = "*****";

/// Values shorter than this (bytes) are not masked, the token excepted.
const MIN_MASKED_LEN: usize = 6;

/// Replaces the token by the rule above; the token is trimmed first, and an empty one masks nothing.
pub fn mask_token(text: &str, token: &str) -> String {
    let token = token.trim();
    let Some(last) = token.chars().next_back() else { return text.to_owned() };
    let stem = &token[..token.len() - last.len_utf8()];
    // A token of one character has an empty stem, which would match everywhere: require the character itself.
    let needle = if stem.is_empty() { token } else { stem };
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(needle) {
        out.push_str(&rest[..at]);
        out.push_str(MASK);
        rest = rest[at + needle.len()..].trim_start_matches(last);
    }
    out.push_str(rest);
    out
}

/// Masks every secret value of `config` in `text`.
pub fn mask(text: &str, config: &ProviderConfig) -> String {
    let mut text = text.to_owned();
    let proxy_password = config.proxy.as_ref().and_then(|proxy| proxy.expose().password());
    let others = config
        .headers
        .values()
        .chain(config.password.iter())
        .chain(std::iter::once(&config.address))
        .map(|secret| secret.expose().as_str())
        .chain(proxy_password);
    for value in others {
        let value = value.trim();
        if value.len() >= MIN_MASKED_LEN {
            text = text.replace(value, MASK);
        }
    }
    match &config.token {
        Some(token) => mask_token(&text, token.expose()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::mask_token;

    #[test]
    fn the_token_is_masked_whole_shortened_and_with_its_end_repeated() {
        for (text, token, expected) in [
            ("bad token s3cr3t here", "s3cr3t", "bad token ***** here"),
            ("bad token s3cr3 here", "s3cr3t", "bad token ***** here"),
            ("bad token s3cr3ttt!", "s3cr3t", "bad token *****!"),
            ("twice abcd abcd", " abcd\n", "twice ***** *****"),
            ("nothing", "", "nothing"),
            ("nothing", "  \n", "nothing"),
            ("a dot a.b. is literal, axbx not", "a.b.", "a dot ***** is literal, axbx not"),
            ("multi byte äö end", "äö", "multi byte ***** end"),
            ("x marks", "x", "***** marks"),
        ] {
            assert_eq!(mask_token(text, token), expected, "{text:?} {token:?}");
        }
    }
}
