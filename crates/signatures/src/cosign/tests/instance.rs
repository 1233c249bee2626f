//! A private Sigstore, built by hand: certificate authority, certificate log, transparency log and timestamp authority.

use ::base64::Engine;
use ::base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use rcgen::{CertificateParams, CustomExtension, KeyPair, PublicKeyData, SanType, SerialNumber, SigningKey};
use serde_json::{Value, json};

use crate::cosign::checkpoint::sha256;
use crate::cosign::trusted_root::TrustedRoot;
use crate::x509::Certificate;
use crate::x509::testing::{self, Made};

/// When everything is signed, unless a test says otherwise.
pub(super) const SIGNED_AT: &str = "2026-11-24T12:00:00Z";

pub(super) struct Instance {
    pub(super) root: Made,
    pub(super) authority: Made,
    pub(super) certificate_log: KeyPair,
    pub(super) rekor: KeyPair,
    pub(super) timestamps: Made,
}

pub(super) fn encode(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

fn spki(key: &KeyPair) -> Vec<u8> {
    key.subject_public_key_info()
}

pub(super) fn log_id(key: &KeyPair) -> [u8; 32] {
    sha256(&[&spki(key)])
}

impl Instance {
    pub(super) fn new() -> Self {
        let root = testing::self_signed(testing::authority_params("root"));
        let mut params = testing::authority_params("fulcio");
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::CodeSigning];
        let authority = testing::signed_by(&root, params);
        let timestamps = testing::timestamp_authority(&root);
        let key = || KeyPair::generate().unwrap();
        Self { root, authority, certificate_log: key(), rekor: key(), timestamps }
    }

    pub(super) fn root_json(&self) -> Value {
        let certificate = |made: &Made| json!({ "rawBytes": encode(made.certificate.der()) });
        let log = |key: &KeyPair| {
            json!({
                "baseUrl": "https://log.test", "hashAlgorithm": "SHA2_256", "logId": { "keyId": encode(log_id(key)) },
                "publicKey": {
                    "rawBytes": encode(spki(key)), "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "validFor": { "start": "2021-01-12T11:53:27.000Z" },
                },
            })
        };
        json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log(&self.rekor)],
            "certificateAuthorities": [{
                "subject": { "organization": "Test", "commonName": "fulcio" }, "uri": "https://fulcio.test",
                "certChain": { "certificates": [certificate(&self.authority), certificate(&self.root)] },
                "validFor": { "start": "2022-04-13T20:06:15.000Z", "end": "2030-01-01T00:00:00Z" },
            }],
            "ctlogs": [log(&self.certificate_log)],
            "timestampAuthorities": [{
                "certChain": { "certificates": [certificate(&self.timestamps), certificate(&self.root)] },
                "validFor": { "start": "2022-04-13T20:06:15.000Z" },
            }],
        })
    }

    pub(super) fn root(&self) -> TrustedRoot {
        TrustedRoot::from_json(self.root_json().to_string().as_bytes()).unwrap()
    }

    /// A certificate for the identity that the tests use, valid for the day of [`SIGNED_AT`].
    pub(super) fn leaf(&self) -> Made {
        Self::leaf_with(&self.authority, &self.certificate_log, leaf_params())
    }

    /// A certificate with an embedded timestamp by `log`.
    pub(super) fn leaf_with(issuer: &Made, log: &KeyPair, mut params: CertificateParams) -> Made {
        let key = KeyPair::generate().unwrap();
        let sign = |params: &CertificateParams| {
            Certificate::from_der(params.signed_by(&key, &issuer.issuer()).unwrap().der()).unwrap()
        };
        let precertificate = sign(&params);
        let tbs = precertificate.tbs().unwrap();
        let milliseconds = SIGNED_AT.parse::<Timestamp>().unwrap().as_millisecond().to_be_bytes();
        let issuer_key = sha256(&[&issuer.certificate.spki().unwrap()]);
        let length = u32::try_from(tbs.len()).unwrap().to_be_bytes();
        let message = [&[0, 0][..], &milliseconds, &[0, 1], &issuer_key, &length[1..], tbs, &[0, 0]].concat();
        let signature = log.sign(&message).unwrap();
        let short = |length: usize| u16::try_from(length).unwrap().to_be_bytes();
        let sct =
            [&[0][..], &log_id(log), &milliseconds, &[0, 0], &[4, 3], &short(signature.len()), &signature].concat();
        let list = [&short(sct.len() + 2)[..], &short(sct.len()), &sct].concat();
        let content = testing::tlv(0x04, &[&list]);
        params.custom_extensions.push(CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 11129, 2, 4, 2], content));
        let certificate = sign(&params);
        Made { key, params, certificate }
    }

    /// A log entry in the JSON of bundles, with promise and proof.
    pub(super) fn entry(&self, body: &Value, seconds: i64) -> Value {
        let body = body.to_string().into_bytes();
        let id = log_id(&self.rekor);
        let promised = format!(
            r#"{{"body":"{}","integratedTime":{seconds},"logID":"{}","logIndex":1001}}"#,
            encode(&body),
            hex::encode(id)
        );
        let promise = self.rekor.sign(promised.as_bytes()).unwrap();
        // Three leaves, ours in the middle.
        let (before, after) = (sha256(&[&[0], b"before"]), sha256(&[&[0], b"after"]));
        let ours = sha256(&[&[0], &body]);
        let root = sha256(&[&[1], &sha256(&[&[1], &before, &ours]), &after]);
        json!({
            "logIndex": "1001", "logId": { "keyId": encode(id) }, "kindVersion": { "kind": body_kind(&body), "version": "0.0.1" },
            "integratedTime": seconds.to_string(),
            "inclusionPromise": { "signedEntryTimestamp": encode(promise) },
            "inclusionProof": {
                "logIndex": "1", "treeSize": "3", "rootHash": encode(root), "hashes": [encode(before), encode(after)],
                "checkpoint": { "envelope": self.checkpoint(&self.rekor, 3, &root) },
            },
            "canonicalizedBody": encode(&body),
        })
    }

    pub(super) fn checkpoint(&self, key: &KeyPair, size: u64, root: &[u8]) -> String {
        let text = format!("log.test - 1\n{size}\n{}\n", encode(root));
        let signature = [&log_id(&self.rekor)[..4], &key.sign(text.as_bytes()).unwrap()].concat();
        format!("{text}\n\u{2014} log.test {}\n", encode(signature))
    }

    /// A bundle over a statement about `digest`, with a log entry of the older kind.
    pub(super) fn bundle(&self, leaf: &Made, digest: &str) -> Value {
        let payload = statement(digest);
        let signature =
            leaf.sign(&super::super::bundle::pre_authentication_encoding("application/vnd.in-toto+json", &payload));
        let entry = self.entry(&dsse_body(leaf, &payload, &signature), seconds());
        json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": { "certificate": { "rawBytes": encode(leaf.certificate.der()) }, "tlogEntries": [entry] },
            "dsseEnvelope": {
                "payload": encode(&payload), "payloadType": "application/vnd.in-toto+json",
                "signatures": [{ "sig": encode(&signature) }],
            },
        })
    }
}

pub(super) fn seconds() -> i64 {
    SIGNED_AT.parse::<Timestamp>().unwrap().as_second()
}

pub(super) fn statement(digest: &str) -> Vec<u8> {
    let hex = digest.strip_prefix("sha256:").unwrap();
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1", "subject": [{ "digest": { "sha256": hex } }],
        "predicateType": "https://sigstore.dev/cosign/sign/v1", "predicate": {},
    });
    statement.to_string().into_bytes()
}

fn body_kind(body: &[u8]) -> Value {
    serde_json::from_slice::<Value>(body).unwrap()["kind"].clone()
}

pub(super) fn pem(leaf: &Made) -> String {
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", encode(leaf.certificate.der()))
}

pub(super) fn dsse_body(leaf: &Made, payload: &[u8], signature: &[u8]) -> Value {
    json!({
        "apiVersion": "0.0.1", "kind": "dsse",
        "spec": {
            "envelopeHash": { "algorithm": "sha256", "value": hex::encode(sha256(&[payload, signature])) },
            "payloadHash": { "algorithm": "sha256", "value": hex::encode(sha256(&[payload])) },
            "signatures": [{ "signature": encode(signature), "verifier": encode(pem(leaf)) }],
        },
    })
}

pub(super) fn rekord_body(leaf: &Made, payload: &[u8], signature: &[u8]) -> Value {
    json!({
        "apiVersion": "0.0.1", "kind": "hashedrekord",
        "spec": {
            "data": { "hash": { "algorithm": "sha256", "value": hex::encode(sha256(&[payload])) } },
            "signature": { "content": encode(signature), "publicKey": { "content": encode(pem(leaf)) } },
        },
    })
}

/// Parameters of a leaf for `https://issuer.test` and `dev@example.com`.
pub(super) fn leaf_params() -> CertificateParams {
    let mut params = testing::params("", (2026, 11, 24), (2026, 11, 25));
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::CodeSigning];
    params.serial_number = Some(SerialNumber::from_slice(&[0x41, 0x42]));
    params.subject_alt_names = vec![
        SanType::Rfc822Name("dev@example.com".try_into().unwrap()),
        SanType::URI("https://ci.test/org/repo/.github/workflows/release.yml@refs/heads/main".try_into().unwrap()),
    ];
    let issuer = b"https://issuer.test";
    params.custom_extensions = vec![
        CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 57264, 1, 1], issuer.to_vec()),
        CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 57264, 1, 8], testing::tlv(0x0c, &[issuer])),
    ];
    params
}
