//! Google Container Registry: a Pub/Sub push with a token that Google signed, around a message of the registry.
//!
//! All of audience, issuer, e-mail and its verification are checked: any account at Google can have a token for any audience, so without
//! the e-mail anybody could call.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sluice_notify::SecretData;

use crate::webhook::auth::AuthError;
use crate::webhook::go_json::{Decoded, Shape, Trailing, decode};

/// Google's two spellings of itself.
const ISSUERS: [&str; 2] = ["accounts.google.com", "https://accounts.google.com"];

/// Whom to let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::webhook) struct Expected<'a> {
    /// The service account of the subscription.
    pub(in crate::webhook) email: &'a str,
    /// What its tokens are made for.
    pub(in crate::webhook) audience: &'a str,
}

/// What the Secret says of whom to let in.
///
/// # Errors
/// A key that is missing, empty or no text.
pub(in crate::webhook) fn expected(secret: &SecretData) -> Result<Expected<'_>, AuthError> {
    let text = |key| {
        let value = secret.get(key).and_then(|value| std::str::from_utf8(value).ok());
        value.filter(|value| !value.is_empty()).ok_or(AuthError::FindKey(key))
    };
    text("token")?;
    Ok(Expected { email: text("email")?, audience: text("audience")? })
}

/// Checks the claims of a token whose signature and time are good.
///
/// # Errors
/// The first claim that is not as expected.
pub(in crate::webhook) fn check_claims(claims: &Value, expected: Expected<'_>) -> Result<(), AuthError> {
    let is = |name: &str, wanted: &str| claims[name].as_str() == Some(wanted);
    if !is("aud", expected.audience) {
        return Err(AuthError::Claim("aud"));
    }
    if !ISSUERS.iter().any(|issuer| is("iss", issuer)) {
        return Err(AuthError::Claim("iss"));
    }
    if !is("email", expected.email) {
        return Err(AuthError::Claim("email"));
    }
    if claims["email_verified"] != Value::Bool(true) {
        return Err(AuthError::Claim("email_verified"));
    }
    Ok(())
}

/// The registry's message inside of the push, which alone is what filters see.
///
/// # Errors
/// A push or a message of another form.
pub(in crate::webhook) fn payload(body: &[u8]) -> Result<Vec<u8>, AuthError> {
    let message = Shape::Object(vec![
        ("data", Shape::Text),
        ("messageId", Shape::Text),
        ("publishTime", Shape::Time),
        ("subscription", Shape::Text),
    ]);
    let push = decode(body, &Shape::Object(vec![("message", message)]), Trailing::Ignored)?;
    let mut data = push.field("message").field("data").text().to_owned();
    data.retain(|letter| !matches!(letter, '\r' | '\n'));
    // What is no base64 is an empty message, and that is no JSON.
    let inner = STANDARD.decode(data).unwrap_or_default();
    let fields = ["action", "digest", "tag"];
    let shape = Shape::Object(fields.map(|name| (name, Shape::Text)).to_vec());
    let inner: Decoded = decode(&inner, &shape, Trailing::Refused)?;
    let [action, digest, tag] = fields.map(|name| inner.field(name).text());
    Ok(json!({"action": action, "digest": digest, "tag": tag}).to_string().into_bytes())
}

#[cfg(test)]
mod tests;
