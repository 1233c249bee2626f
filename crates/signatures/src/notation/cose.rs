//! COSE envelopes: `COSE_Sign1_Tagged` (RFC 9052).

use ciborium::Value;
use jiff::Timestamp;

use super::envelope::{
    AUTHENTIC_SIGNING_TIME, Attributes, EXPIRY, EnvelopeError, Parsed, SIGNING_SCHEME, SIGNING_TIME,
    TIMESTAMP_SIGNATURE, plugin_header,
};

pub(super) const MEDIA_TYPE: &str = "application/cose";

/// How deep the CBOR may be nested; an envelope has four levels.
const MAX_DEPTH: usize = 16;

const SIGN1_TAG: u64 = 18;
const EPOCH_TAG: u64 = 1;
const ALGORITHM: i64 = 1;
const CRITICAL: i64 = 2;
const CONTENT_TYPE: i64 = 3;
const CERTIFICATE_CHAIN: i64 = 33;

pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, EnvelopeError> {
    let Value::Tag(SIGN1_TAG, sign1) = decode(bytes)? else { return Err(EnvelopeError::Malformed("COSE_Sign1")) };
    let parts = sign1.into_array().ok().and_then(|parts| <[Value; 4]>::try_from(parts).ok());
    let Some([Value::Bytes(protected), Value::Map(unprotected), Value::Bytes(payload), Value::Bytes(signature)]) =
        parts
    else {
        return Err(EnvelopeError::Malformed("COSE_Sign1"));
    };
    let Value::Map(headers) = decode(&protected)? else { return Err(EnvelopeError::Malformed("protected header")) };
    let headers = Headers(headers);
    headers.check_unique()?;
    let attributes = Attributes {
        critical: headers.critical()?,
        content_type: headers.text(&Value::from(CONTENT_TYPE), "content type")?,
        signing_scheme: headers.text(&Value::from(SIGNING_SCHEME), SIGNING_SCHEME)?,
        signing_time: headers.time(SIGNING_TIME)?,
        authentic_signing_time: headers.time(AUTHENTIC_SIGNING_TIME)?,
        expiry: headers.time(EXPIRY)?,
        plugin: headers.get(&Value::from(plugin_header())).map(|value| value.as_text().unwrap_or_default().to_owned()),
    };
    let unprotected = Headers(unprotected);
    Ok(Parsed {
        attributes,
        algorithm: headers.algorithm()?,
        message: to_be_signed(protected, payload.clone())?,
        payload,
        signature,
        chain: headers.certificates().or_else(|| unprotected.certificates()).ok_or(EnvelopeError::NoChain)?,
        timestamp: unprotected.timestamp()?,
    })
}

/// `Sig_structure` of RFC 9052, section 4.4.
fn to_be_signed(protected: Vec<u8>, payload: Vec<u8>) -> Result<Vec<u8>, EnvelopeError> {
    let structure = Value::Array(vec![
        Value::from("Signature1"),
        Value::Bytes(protected),
        Value::Bytes(Vec::new()),
        Value::Bytes(payload),
    ]);
    let mut message = Vec::new();
    ciborium::into_writer(&structure, &mut message).map_err(|_| EnvelopeError::Malformed("COSE_Sign1"))?;
    Ok(message)
}

fn decode(bytes: &[u8]) -> Result<Value, EnvelopeError> {
    let mut rest = bytes;
    let value = ciborium::de::from_reader_with_recursion_limit(&mut rest, MAX_DEPTH)
        .map_err(|_| EnvelopeError::Malformed("CBOR"))?;
    if rest.is_empty() { Ok(value) } else { Err(EnvelopeError::Malformed("bytes after the CBOR")) }
}

struct Headers(Vec<(Value, Value)>);

impl Headers {
    /// A header that is there twice could be read in two ways.
    fn check_unique(&self) -> Result<(), EnvelopeError> {
        let twice =
            self.0.iter().enumerate().any(|(index, (key, _))| self.0.iter().take(index).any(|(other, _)| other == key));
        if twice || self.0.len() > 64 { Err(EnvelopeError::Malformed("protected header")) } else { Ok(()) }
    }

    fn get(&self, key: &Value) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    fn text(&self, key: &Value, name: &'static str) -> Result<String, EnvelopeError> {
        let text = self.get(key).and_then(Value::as_text);
        text.map(str::to_owned).ok_or(EnvelopeError::Header(name))
    }

    fn algorithm(&self) -> Result<String, EnvelopeError> {
        let number = self.get(&Value::from(ALGORITHM)).and_then(Value::as_integer).map(i128::from);
        let name = match number {
            Some(-37) => "PS256",
            Some(-38) => "PS384",
            Some(-39) => "PS512",
            Some(-7) => "ES256",
            Some(-35) => "ES384",
            Some(-36) => "ES512",
            Some(other) => return Err(EnvelopeError::Algorithm(other.to_string())),
            None => return Err(EnvelopeError::Header("alg")),
        };
        Ok(name.to_owned())
    }

    fn critical(&self) -> Result<Vec<String>, EnvelopeError> {
        let listed = self.get(&Value::from(CRITICAL)).and_then(Value::as_array).ok_or(EnvelopeError::Header("crit"))?;
        let mut names = Vec::new();
        for label in listed {
            if self.get(label).is_none() {
                return Err(EnvelopeError::Header("crit"));
            }
            match label {
                Value::Text(name) => names.push(name.clone()),
                // Numbers are other people's headers: nothing here understands them.
                other => names.push(format!("{other:?}")),
            }
        }
        Ok(names)
    }

    fn time(&self, name: &'static str) -> Result<Option<Timestamp>, EnvelopeError> {
        let seconds = match self.get(&Value::from(name)) {
            None => return Ok(None),
            Some(Value::Tag(EPOCH_TAG, value)) => value.as_integer().and_then(|seconds| i64::try_from(seconds).ok()),
            Some(_) => None,
        };
        let time = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
        time.map(Some).ok_or(EnvelopeError::Header(name))
    }

    /// One certificate may stand there by itself, several are a list.
    fn certificates(&self) -> Option<Vec<Vec<u8>>> {
        match self.get(&Value::from(CERTIFICATE_CHAIN))? {
            Value::Bytes(one) => Some(vec![one.clone()]),
            Value::Array(list) => list.iter().map(|value| value.as_bytes().cloned()).collect(),
            _ => None,
        }
    }

    fn timestamp(&self) -> Result<Option<Vec<u8>>, EnvelopeError> {
        match self.get(&Value::from(TIMESTAMP_SIGNATURE)) {
            None => Ok(None),
            Some(Value::Bytes(token)) => Ok(Some(token.clone())),
            Some(_) => Err(EnvelopeError::Header(TIMESTAMP_SIGNATURE)),
        }
    }
}
