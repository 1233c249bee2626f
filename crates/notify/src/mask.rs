//! Masking of secret values in text that leaves the process (errors in Kubernetes events and logs).
//!
//! The token's rule is the reference's: the token without its last character, followed by any number of repetitions of
//! that character, becomes `*****`. So the token is also recognised where a parser cut off its end. Beyond the reference,
//! the other secret values of a provider are masked as they are; short ones are left alone, since replacing `1` or `on`
//! everywhere would destroy the message and hide nothing.

use sluice_http_client::{Secret, Url};

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

/// The secret values of one provider. `Debug` does not show them.
#[derive(Clone, Debug, Default)]
pub struct Masks {
    token: Option<Secret<String>>,
    others: Vec<Secret<String>>,
}

impl Masks {
    /// All that a provider's Secrets hold, its address, and the credentials in its proxy's and its own URL.
    pub fn of(config: &ProviderConfig) -> Self {
        let ProviderConfig { address, token, password, headers, github_app, creds, nkey, proxy, .. } = config;
        let proxy_password = proxy.as_ref().and_then(|proxy| proxy.expose().password());
        let url = Url::parse(address.expose()).ok();
        let own_password = url.as_ref().and_then(|url| url.password());
        let app_key = github_app.get("githubAppPrivateKey").and_then(|key| std::str::from_utf8(key).ok());
        let texts = headers.values().chain(password).chain([address]).chain(creds).chain(nkey);
        let texts =
            texts.map(|secret| secret.expose().as_str()).chain(proxy_password).chain(own_password).chain(app_key);
        let mut others: Vec<&str> = texts.map(str::trim).filter(|text| text.len() >= MIN_MASKED_LEN).collect();
        // Long ones first: a short one may be part of them.
        others.sort_by_key(|text| std::cmp::Reverse(text.len()));
        let others = others.into_iter().map(|text| Secret::new(text.to_owned())).collect();
        Self { token: token.clone(), others }
    }

    /// The text without them.
    pub fn apply(&self, text: &str) -> String {
        let text = self.others.iter().fold(text.to_owned(), |text, secret| text.replace(secret.expose(), MASK));
        match &self.token {
            Some(token) => mask_token(&text, token.expose()),
            None => text,
        }
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
