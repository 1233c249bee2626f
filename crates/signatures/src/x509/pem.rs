//! PEM blocks (RFC 7468), leniently: other text and other blocks around them are skipped, as Go's decoder does.
//!
//! No encryption, no headers inside blocks.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{MAX_CERTIFICATE_BYTES, X509Error};

/// The decoded blocks with this label, in order.
///
/// # Errors
///
/// None found, more than `limit`, or one that is damaged.
pub(crate) fn blocks(text: &[u8], label: &'static str, limit: usize) -> Result<Vec<Vec<u8>>, X509Error> {
    // Base64 and line ends make a block half as large again; twice leaves room for text around it.
    let bytes = limit.saturating_mul(2 * MAX_CERTIFICATE_BYTES);
    if text.len() > bytes {
        return Err(X509Error::TooLarge { limit: bytes });
    }
    let damaged = || X509Error::Pem { wanted: label };
    let text = std::str::from_utf8(text).map_err(|_| damaged())?;
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(begin.as_str()) {
        let (body, after) = after.split_once(end.as_str()).ok_or_else(damaged)?;
        let body: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        if found.len() == limit {
            return Err(X509Error::TooLarge { limit });
        }
        found.push(STANDARD.decode(body).map_err(|_| damaged())?);
        rest = after;
    }
    if found.is_empty() { Err(damaged()) } else { Ok(found) }
}
