mod instance;
mod keyless;

use super::*;
use crate::x509::testing::chain;

const DIGEST: &str = "sha256:2ed0de4f614cfd091beb3f1319e4e29fc86df724f59e1fc5a780f8b399b0d114";
const OTHER: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
const KEYS: [&str; 5] = ["p256", "p384", "p521", "rsa", "ed"];

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/fixtures/cosign/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn key(name: &str) -> PublicKey {
    parse_public_key(&fixture(&format!("{name}.pub"))).unwrap()
}

fn bundle(name: &str) -> Candidate {
    Candidate::Bundle(fixture(&format!("{name}.bundle.json")))
}

fn simple(name: &str) -> Candidate {
    let layers = simple_signatures(&fixture(&format!("{name}.sig.manifest.json"))).unwrap();
    Candidate::Simple { payload: fixture(&format!("{name}.sig.payload.json")), layer: layers[0].clone() }
}

fn with_keys(candidates: &[Candidate], digest: &str, names: &[&str]) -> Result<Verified, String> {
    let keys: Vec<PublicKey> = names.iter().map(|name| key(name)).collect();
    verify(candidates, digest, &Trust::Keys(&keys)).map_err(|error| chain(&error))
}

#[test]
fn tags_are_named_as_cosign_names_them() {
    let hex = DIGEST.strip_prefix("sha256:").unwrap();
    assert_eq!(signature_tag(DIGEST), format!("sha256-{hex}.sig"));
    assert_eq!(referrers_tag(DIGEST), format!("sha256-{hex}"));
    assert!(is_bundle_media_type(BUNDLE_MEDIA_TYPE));
    assert!(!is_bundle_media_type("application/vnd.oci.empty.v1+json"));
}

#[test]
fn signatures_of_cosign_3_verify_with_ecdsa_and_rsa_keys() {
    for name in ["p256", "p384", "p521", "rsa"] {
        let expected =
            Verified { signer: Signer::Key(0), predicate_type: Some("https://sigstore.dev/cosign/sign/v1".to_owned()) };
        assert_eq!(with_keys(&[bundle(name)], DIGEST, &[name]), Ok(expected), "{name}");
    }
}

#[test]
fn a_bundle_signed_with_pure_ed25519_verifies_and_a_prehashed_one_does_not() {
    // cosign 3.1 signs with Ed25519ph and does not verify that with a public key itself.
    let error = with_keys(&[bundle("ed")], DIGEST, &["ed"]).unwrap_err();
    assert_eq!(error, "no matching signatures: invalid signature when validating with 1 public key(s)");

    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let public = parse_public_key(key.public_key_pem().as_bytes()).unwrap();
    let payload = instance::statement(DIGEST);
    let message = bundle::pre_authentication_encoding("application/vnd.in-toto+json", &payload);
    let signature = rcgen::SigningKey::sign(&key, &message).unwrap();
    let json = serde_json::json!({
        "mediaType": BUNDLE_MEDIA_TYPE, "verificationMaterial": { "publicKey": { "hint": "" } },
        "dsseEnvelope": {
            "payload": instance::encode(payload), "payloadType": "application/vnd.in-toto+json",
            "signatures": [{ "sig": instance::encode(signature), "keyid": "" }],
        },
    });
    let candidate = Candidate::Bundle(json.to_string().into_bytes());
    assert_eq!(verify(&[candidate], DIGEST, &Trust::Keys(&[public])).unwrap().signer, Signer::Key(0));
}

#[test]
fn signatures_of_cosign_2_verify_with_every_kind_of_key() {
    for name in KEYS {
        let expected = Verified { signer: Signer::Key(0), predicate_type: None };
        assert_eq!(with_keys(&[simple(name)], DIGEST, &[name]), Ok(expected), "{name}");
    }
}

#[test]
fn one_good_candidate_and_one_good_key_are_enough() {
    let candidates = [Candidate::Bundle(b"{}".to_vec()), bundle("rsa"), simple("p384")];
    let verified = with_keys(&candidates, DIGEST, &["p256", "p384", "ed"]).unwrap();
    assert_eq!(verified.signer, Signer::Key(1));
}

#[test]
fn a_signature_by_another_key_is_not_good() {
    for candidate in [bundle("p256"), simple("p256")] {
        let error = with_keys(&[candidate], DIGEST, &["p384", "rsa", "ed"]).unwrap_err();
        assert_eq!(error, "no matching signatures: invalid signature when validating with 3 public key(s)");
    }
    assert_eq!(with_keys(&[], DIGEST, &["p256"]), Err("no signatures found".to_owned()));
}

#[test]
fn a_signature_of_another_artifact_is_not_good() {
    for candidate in [bundle("p256"), simple("p256")] {
        let error = with_keys(&[candidate], OTHER, &["p256"]).unwrap_err();
        assert_eq!(error, "no matching signatures: signature is for another artifact");
    }
}

#[test]
fn a_changed_payload_is_not_good() {
    let Candidate::Simple { mut payload, layer } = simple("ed") else { unreachable!() };
    payload.push(b' ');
    let error = with_keys(&[Candidate::Simple { payload, layer }], DIGEST, &["ed"]).unwrap_err();
    assert_eq!(error, "no matching signatures: invalid signature when validating with 1 public key(s)");
}

#[test]
fn bundles_that_are_none_are_told_apart() {
    let media_type = r#""mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{}"#;
    let cases = [
        ("{}".to_owned(), "malformed bundle: missing field `mediaType` at line 1 column 2"),
        (format!("{{{media_type}}}"), "signature without an envelope"),
        (
            format!(r#"{{{media_type},"messageSignature":{{"signature":"AAAA"}}}}"#),
            "unsupported bundle content \"messageSignature\"",
        ),
        (
            format!(
                r#"{{{media_type},"dsseEnvelope":{{"payload":"AA==","payloadType":"text/plain","signatures":[]}}}}"#
            ),
            "unsupported payload type \"text/plain\"",
        ),
        (
            format!(
                r#"{{{media_type},"dsseEnvelope":{{"payload":"AA==","payloadType":"application/vnd.in-toto+json","signatures":[]}}}}"#
            ),
            "unsupported number of signatures \"0\"",
        ),
        (r#"{"mediaType":"x","verificationMaterial":{}}"#.to_owned(), "unsupported bundle \"x\""),
    ];
    for (json, expected) in cases {
        let error = with_keys(&[Candidate::Bundle(json.into_bytes())], DIGEST, &["ed"]).unwrap_err();
        assert_eq!(error, format!("no matching signatures: {expected}"));
    }
    let error = with_keys(&[Candidate::Bundle(vec![b'['; MAX_BUNDLE_BYTES + 1])], DIGEST, &["ed"]).unwrap_err();
    assert_eq!(error, format!("no matching signatures: bundle larger than {MAX_BUNDLE_BYTES} bytes"));
    let deep = Candidate::Bundle(vec![b'['; 100_000]);
    assert!(with_keys(&[deep], DIGEST, &["ed"]).is_err());
}

#[test]
fn a_bundle_cut_or_changed_anywhere_never_panics() {
    let bytes = fixture("p256.bundle.json");
    for index in 0..bytes.len() {
        assert!(with_keys(&[Candidate::Bundle(bytes[..index].to_vec())], DIGEST, &["p256"]).is_err());
        let mut changed = bytes.clone();
        changed[index] ^= 0x04;
        // What is not signed (the key's hint, the names of unknown fields) may change.
        let _ = with_keys(&[Candidate::Bundle(changed)], DIGEST, &["p256"]);
    }
}

#[test]
fn only_so_many_candidates_are_looked_at() {
    let mut candidates = vec![Candidate::Bundle(Vec::new()); MAX_CANDIDATES];
    candidates.push(bundle("rsa"));
    assert!(with_keys(&candidates, DIGEST, &["rsa"]).is_err());
    candidates.remove(0);
    assert!(with_keys(&candidates, DIGEST, &["rsa"]).is_ok());
}
