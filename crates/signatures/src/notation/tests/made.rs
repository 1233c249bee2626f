//! JWS envelopes made by hand, so that every part of them can be wrong.

use ::base64::Engine;
use ::base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::{Map, Value, json};

use crate::notation::SignatureBlob;
use crate::x509::testing::Made;

pub(super) struct Envelope {
    pub(super) protected: Map<String, Value>,
    payload: Vec<u8>,
    chain: Vec<Vec<u8>>,
    key: EcdsaKeyPair,
    countersigned: Option<SignatureBlob>,
}

pub(super) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

impl Envelope {
    /// A good envelope for the artifact of the tests, signed at noon of 2026-11-24 with `signer`'s key.
    pub(super) fn new(signer: &Made, chain: &[&Made]) -> Self {
        let Value::Object(protected) = json!({
            "alg": "ES256", "cty": "application/vnd.cncf.notary.payload.v1+json", "crit": ["io.cncf.notary.signingScheme"],
            "io.cncf.notary.signingScheme": "notary.x509", "io.cncf.notary.signingTime": "2026-11-24T12:00:00Z",
        }) else {
            unreachable!()
        };
        let artifact = super::artifact();
        let target = json!({ "mediaType": artifact.media_type, "digest": artifact.digest, "size": artifact.size });
        let payload = json!({ "targetArtifact": target }).to_string().into_bytes();
        let pkcs8 = signer.key.serialized_der();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, &SystemRandom::new()).unwrap();
        let chain = chain.iter().map(|made| made.certificate.der().to_vec()).collect();
        Self { protected, payload, chain, key, countersigned: None }
    }

    /// Signs the envelope as it is now, or gives the one that was countersigned.
    pub(super) fn sign(&self) -> SignatureBlob {
        self.countersigned.clone().unwrap_or_else(|| self.sign_with(|_| None))
    }

    /// Signs, and adds what `stamp` makes of the signature.
    pub(super) fn countersign(&mut self, stamp: impl Fn(&[u8]) -> Vec<u8>) {
        self.countersigned = Some(self.sign_with(|signature| Some(stamp(signature))));
    }

    fn sign_with(&self, stamp: impl Fn(&[u8]) -> Option<Vec<u8>>) -> SignatureBlob {
        let protected = URL_SAFE_NO_PAD.encode(Value::Object(self.protected.clone()).to_string());
        let payload = URL_SAFE_NO_PAD.encode(&self.payload);
        let signature = self.key.sign(&SystemRandom::new(), format!("{protected}.{payload}").as_bytes()).unwrap();
        let chain: Vec<String> = self.chain.iter().map(|der| encode(der)).collect();
        let mut header = json!({ "x5c": chain, "io.cncf.notary.signingAgent": "test" });
        if let Some(token) = stamp(signature.as_ref()) {
            header["io.cncf.notary.timestampSignature"] = json!(encode(&token));
        }
        let signature = URL_SAFE_NO_PAD.encode(signature);
        let envelope = json!({ "payload": payload, "protected": protected, "header": header, "signature": signature });
        SignatureBlob { media_type: "application/jose+json".to_owned(), bytes: envelope.to_string().into_bytes() }
    }
}
