//! JWS envelopes: flattened JSON serialization (RFC 7515) with one signature.

use ::base64::Engine;
use ::base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::envelope::{
    AUTHENTIC_SIGNING_TIME, Attributes, EXPIRY, EnvelopeError, Parsed, SIGNING_SCHEME, SIGNING_TIME,
    TIMESTAMP_SIGNATURE, plugin_header,
};

pub(super) const MEDIA_TYPE: &str = "application/jose+json";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    payload: String,
    protected: String,
    header: Map<String, Value>,
    signature: String,
}

pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, EnvelopeError> {
    let envelope: Envelope = serde_json::from_slice(bytes).map_err(EnvelopeError::Json)?;
    let protected = url_decoded(&envelope.protected)?;
    let protected: Map<String, Value> = serde_json::from_slice(&protected).map_err(EnvelopeError::Json)?;
    let text = |name: &'static str| match protected.get(name) {
        Some(Value::String(text)) => Ok(text.clone()),
        _ => Err(EnvelopeError::Header(name)),
    };
    let attributes = Attributes {
        critical: critical(&protected)?,
        content_type: text("cty")?,
        signing_scheme: text(SIGNING_SCHEME)?,
        signing_time: time(&protected, SIGNING_TIME)?,
        authentic_signing_time: time(&protected, AUTHENTIC_SIGNING_TIME)?,
        expiry: time(&protected, EXPIRY)?,
        plugin: protected.get(plugin_header()).map(|value| value.as_str().unwrap_or_default().to_owned()),
    };
    Ok(Parsed {
        attributes,
        algorithm: text("alg")?,
        payload: url_decoded(&envelope.payload)?,
        message: format!("{}.{}", envelope.protected, envelope.payload).into_bytes(),
        signature: url_decoded(&envelope.signature)?,
        chain: certificates(&envelope.header)?,
        timestamp: timestamp(&envelope.header)?,
    })
}

fn critical(protected: &Map<String, Value>) -> Result<Vec<String>, EnvelopeError> {
    let listed = protected.get("crit").and_then(Value::as_array).ok_or(EnvelopeError::Header("crit"))?;
    let mut names = Vec::new();
    for name in listed {
        let name = name.as_str().ok_or(EnvelopeError::Header("crit"))?;
        // RFC 7515: a name without its header makes the envelope invalid.
        if !protected.contains_key(name) {
            return Err(EnvelopeError::Header("crit"));
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

fn time(protected: &Map<String, Value>, name: &'static str) -> Result<Option<Timestamp>, EnvelopeError> {
    match protected.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => text.parse().map(Some).map_err(|_| EnvelopeError::Header(name)),
        Some(_) => Err(EnvelopeError::Header(name)),
    }
}

fn certificates(header: &Map<String, Value>) -> Result<Vec<Vec<u8>>, EnvelopeError> {
    let chain = header.get("x5c").and_then(Value::as_array).ok_or(EnvelopeError::NoChain)?;
    let decode =
        |value: &Value| value.as_str().and_then(|text| STANDARD.decode(text).ok()).ok_or(EnvelopeError::NoChain);
    chain.iter().map(decode).collect()
}

fn timestamp(header: &Map<String, Value>) -> Result<Option<Vec<u8>>, EnvelopeError> {
    match header.get(TIMESTAMP_SIGNATURE) {
        None => Ok(None),
        Some(value) => {
            let decoded = value.as_str().and_then(|text| STANDARD.decode(text).ok());
            decoded.map(Some).ok_or(EnvelopeError::Header(TIMESTAMP_SIGNATURE))
        }
    }
}

fn url_decoded(text: &str) -> Result<Vec<u8>, EnvelopeError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| EnvelopeError::Malformed("base64"))
}
