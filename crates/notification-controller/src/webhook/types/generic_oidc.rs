//! Any sender with a token of an issuer that the Receiver trusts.

use serde_json::Value;
use sluice_api::notification::OidcProvider;

use crate::webhook::auth::AuthError;

/// Which of the providers a token is to be checked against: the one whose address is the token's issuer, byte for byte. Nothing of
/// the token is trusted yet; an issuer that is not listed is never asked for anything.
///
/// # Errors
/// No provider, or none of that name.
pub(in crate::webhook) fn provider<'a>(
    providers: &'a [OidcProvider],
    claims: &Value,
) -> Result<(usize, &'a OidcProvider), AuthError> {
    let issuer = claims["iss"].as_str().filter(|issuer| !issuer.is_empty()).ok_or(AuthError::Claim("iss"))?;
    let found = providers.iter().enumerate().find(|(_, provider)| provider.issuer_url == issuer);
    // The text comes from the caller and goes to the log: a bound.
    found.ok_or_else(|| AuthError::UnknownIssuer(issuer.chars().take(256).collect()))
}
