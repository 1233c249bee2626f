use std::collections::BTreeMap;

use rcgen::KeyPair;
use serde_json::{Value, json};

use super::super::bundle;
use super::super::checkpoint::{self, sha256};
use super::super::tlog::Proof;
use super::instance::{self, Instance, encode, leaf_params, rekord_body, seconds};
use super::{DIGEST, OTHER};
use crate::cosign::{
    Candidate, Identity, IdentityPattern, SIMPLE_SIGNING_MEDIA_TYPE, Signer, SignerIdentity, SimpleLayer, Trust,
    TrustedRoot, verify,
};
use crate::x509::testing::{self, Made, chain};

fn check_with(candidate: Candidate, root: &TrustedRoot, identities: &[(&str, &str)]) -> Result<Signer, String> {
    let pattern = |(issuer, subject): &(&str, &str)| {
        IdentityPattern::new(&Identity { issuer: (*issuer).to_owned(), subject: (*subject).to_owned() }).unwrap()
    };
    let identities: Vec<IdentityPattern> = identities.iter().map(pattern).collect();
    let verified = verify(&[candidate], DIGEST, &Trust::Keyless { root, identities: &identities });
    verified.map(|verified| verified.signer).map_err(|error| {
        let text = chain(&error);
        text.strip_prefix("no matching signatures: ").unwrap_or(&text).to_owned()
    })
}

fn check(bundle: &Value, instance: &Instance) -> Result<Signer, String> {
    check_with(Candidate::Bundle(bundle.to_string().into_bytes()), &instance.root(), &[])
}

fn signer() -> Signer {
    Signer::Identity(SignerIdentity {
        issuer: "https://issuer.test".to_owned(),
        subjects: vec![
            "dev@example.com".to_owned(),
            "https://ci.test/org/repo/.github/workflows/release.yml@refs/heads/main".to_owned(),
        ],
    })
}

/// A v2 signature with certificate and log entry as annotations.
fn simple(instance: &Instance, leaf: &Made, digest: &str) -> Candidate {
    let payload = json!({
        "critical": {
            "identity": { "docker-reference": "" }, "image": { "docker-manifest-digest": digest },
            "type": "cosign container image signature",
        },
        "optional": null,
    });
    let payload = payload.to_string().into_bytes();
    let signature = leaf.sign(&payload);
    let entry = instance.entry(&rekord_body(leaf, &payload, &signature), seconds());
    let log_id = hex::encode(instance::log_id(&instance.rekor));
    let bundle = json!({
        "SignedEntryTimestamp": entry["inclusionPromise"]["signedEntryTimestamp"],
        "Payload": { "body": entry["canonicalizedBody"], "integratedTime": seconds(), "logIndex": 1001, "logID": log_id },
    });
    let annotations = BTreeMap::from([
        ("dev.cosignproject.cosign/signature".to_owned(), encode(&signature)),
        ("dev.sigstore.cosign/certificate".to_owned(), instance::pem(leaf)),
        ("dev.sigstore.cosign/bundle".to_owned(), bundle.to_string()),
    ]);
    let layer =
        json!({ "mediaType": SIMPLE_SIGNING_MEDIA_TYPE, "digest": "sha256:x", "size": 1, "annotations": annotations });
    let layer: SimpleLayer = serde_json::from_value(layer).unwrap();
    Candidate::Simple { payload, layer }
}

#[test]
fn keyless_signatures_of_both_kinds_verify() {
    let instance = Instance::new();
    let leaf = instance.leaf();
    assert_eq!(check(&instance.bundle(&leaf, DIGEST), &instance), Ok(signer()));
    assert_eq!(check_with(simple(&instance, &leaf, DIGEST), &instance.root(), &[]), Ok(signer()));
    let other = check_with(simple(&instance, &leaf, OTHER), &instance.root(), &[]);
    assert_eq!(other, Err("signature is for another artifact".to_owned()));
    assert_eq!(check(&instance.bundle(&leaf, OTHER), &instance), Err("signature is for another artifact".to_owned()));
}

#[test]
fn keyless_bundles_that_cosign_accepted_verify() {
    for name in ["keyless", "keyless-timestamped"] {
        let root = TrustedRoot::from_json(&super::fixture(&format!("{name}.trusted_root.json"))).unwrap();
        let bundle = Candidate::Bundle(super::fixture(&format!("{name}.bundle.json")));
        assert_eq!(
            check_with(bundle, &root, &[("^https://issuer\\.test$", "^https://ci\\.test/")]),
            Ok(signer()),
            "{name}"
        );
    }
}

#[test]
fn identities_are_ored_and_their_two_parts_are_anded() {
    let instance = Instance::new();
    let bundle = instance.bundle(&instance.leaf(), DIGEST).to_string().into_bytes();
    let root = instance.root();
    let cases: [(&[(&str, &str)], bool); 7] = [
        (&[], true),
        (&[("^https://issuer\\.test$", "^dev@example\\.com$")], true),
        (&[("issuer", "refs/heads/main$")], true),
        (&[("^https://other$", "^dev@"), ("^https://issuer", "^dev@")], true),
        (&[("^https://issuer", "^admin@")], false),
        (&[("^https://other$", "^dev@")], false),
        (&[("^https://other$", "^dev@"), ("^https://issuer", "^admin@")], false),
    ];
    for (identities, good) in cases {
        let result = check_with(Candidate::Bundle(bundle.clone()), &root, identities);
        assert_eq!(result.is_ok(), good, "{identities:?}: {result:?}");
    }
    let error = check_with(Candidate::Bundle(bundle), &root, &[("^https://other$", ".*")]).unwrap_err();
    assert!(error.starts_with(
        "none of the expected identities matched what was in the certificate: got subjects [\"dev@example.com\", "
    ));
    assert!(IdentityPattern::new(&Identity { issuer: "(".to_owned(), subject: String::new() }).is_err());
    let huge = Identity { issuer: "(a{1000}){1000}".to_owned(), subject: String::new() };
    assert!(IdentityPattern::new(&huge).is_err());
}

/// A change to the JSON of a good bundle, and what then is wrong with it.
type Tampering = (&'static str, fn(&Instance, &mut Value), &'static str);

const TAMPERINGS: [Tampering; 10] = [
    (
        "no entry",
        |_, b| b["verificationMaterial"]["tlogEntries"] = json!([]),
        "signature without a transparency log entry",
    ),
    (
        "later integrated time",
        |_, b| b["verificationMaterial"]["tlogEntries"][0]["integratedTime"] = json!("1795600001"),
        "transparency log: invalid signed entry timestamp",
    ),
    (
        "another log",
        |_, b| b["verificationMaterial"]["tlogEntries"][0]["logId"]["keyId"] = json!("AAAA"),
        "transparency log: log \"000000\" is not trusted",
    ),
    (
        "neither promise nor proof",
        |_, b| {
            let entry = b["verificationMaterial"]["tlogEntries"][0].as_object_mut().unwrap();
            entry.remove("inclusionPromise");
            entry.remove("inclusionProof");
        },
        "transparency log: log entry without inclusion promise and inclusion proof",
    ),
    (
        "no time",
        |_, b| {
            b["verificationMaterial"]["tlogEntries"][0].as_object_mut().unwrap().remove("inclusionPromise");
        },
        "no trusted time of signing",
    ),
    (
        "wrong path",
        |_, b| b["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]["hashes"][0] = json!(encode([7; 32])),
        "transparency log: inclusion proof: path does not lead to the root hash",
    ),
    (
        "checkpoint of another tree",
        |i, b| {
            let text = i.checkpoint(&i.rekor, 4, &[7; 32]);
            b["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]["checkpoint"]["envelope"] = json!(text);
        },
        "transparency log: inclusion proof: checkpoint is of another tree",
    ),
    (
        "checkpoint by another key",
        |i, b| {
            let root = b["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]["rootHash"].as_str().unwrap();
            let root = ::base64::Engine::decode(&::base64::engine::general_purpose::STANDARD, root).unwrap();
            let text = i.checkpoint(&KeyPair::generate().unwrap(), 3, &root);
            b["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]["checkpoint"]["envelope"] = json!(text);
        },
        "transparency log: inclusion proof: checkpoint is not signed by the log",
    ),
    (
        "entry of another signature",
        |i, b| {
            let other = i.bundle(&i.leaf(), DIGEST);
            b["verificationMaterial"]["tlogEntries"] = other["verificationMaterial"]["tlogEntries"].clone();
        },
        "transparency log: log entry is for another signature",
    ),
    (
        "no certificate",
        |_, b| b["verificationMaterial"]["certificate"] = Value::Null,
        "signature without a certificate",
    ),
];

#[test]
fn tampered_bundles_are_refused_for_the_right_reason() {
    let instance = Instance::new();
    let leaf = instance.leaf();
    for (what, tamper, expected) in TAMPERINGS {
        let mut bundle = instance.bundle(&leaf, DIGEST);
        tamper(&instance, &mut bundle);
        assert_eq!(check(&bundle, &instance), Err(expected.to_owned()), "{what}");
    }
}

#[test]
fn a_statement_that_the_certificate_did_not_sign_is_refused() {
    // The entry records what is there, so only the signature itself is wrong.
    let instance = Instance::new();
    let leaf = instance.leaf();
    let payload = instance::statement(DIGEST);
    let signature = leaf.sign(b"something else");
    let mut bundle = instance.bundle(&leaf, DIGEST);
    bundle["dsseEnvelope"]["signatures"][0]["sig"] = json!(encode(&signature));
    let body = instance::dsse_body(&leaf, &payload, &signature);
    bundle["verificationMaterial"]["tlogEntries"][0] = instance.entry(&body, seconds());
    assert_eq!(check(&bundle, &instance), Err("signature does not match its certificate".to_owned()));
}

#[test]
fn a_certificate_counts_at_the_time_of_signing_only() {
    let instance = Instance::new();
    let leaf = instance.leaf();
    let payload = instance::statement(DIGEST);
    for (offset, good) in [(0, true), (-11 * 3600, true), (-13 * 3600, false), (13 * 3600, false)] {
        let mut bundle = instance.bundle(&leaf, DIGEST);
        let signature = bundle["dsseEnvelope"]["signatures"][0]["sig"].as_str().unwrap().to_owned();
        let signature = ::base64::Engine::decode(&::base64::engine::general_purpose::STANDARD, signature).unwrap();
        let body = instance::dsse_body(&leaf, &payload, &signature);
        bundle["verificationMaterial"]["tlogEntries"][0] = instance.entry(&body, seconds() + offset);
        let result = check(&bundle, &instance);
        assert_eq!(result.is_ok(), good, "{offset}: {result:?}");
        if let Err(error) = result {
            assert!(error.contains("was not valid at"), "{error}");
        }
    }
}

#[test]
fn certificates_that_break_a_rule_are_refused() {
    let instance = Instance::new();
    let stranger = testing::self_signed(testing::authority_params("fulcio"));
    let other_log = KeyPair::generate().unwrap();
    let mut server = leaf_params();
    server.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let plain = {
        let made = testing::signed_by(&instance.authority, leaf_params());
        Made { key: made.key, params: made.params, certificate: made.certificate }
    };
    let log = &instance.certificate_log;
    let cases = [
        ("stranger", Instance::leaf_with(&stranger, log, leaf_params()), "is signed by no trusted authority"),
        ("usage", Instance::leaf_with(&instance.authority, log, server), "is not for code signing"),
        ("no timestamp", plain, "signed certificate timestamp: certificate has no embedded one"),
        (
            "other log",
            Instance::leaf_with(&instance.authority, &other_log, leaf_params()),
            "signed certificate timestamp: none is by a trusted log",
        ),
    ];
    for (what, leaf, expected) in cases {
        let error = check(&instance.bundle(&leaf, DIGEST), &instance).unwrap_err();
        assert!(error.ends_with(expected), "{what}: {error}");
    }
}

#[test]
fn authorities_and_logs_count_within_their_validity_only() {
    let instance = Instance::new();
    let bundle = instance.bundle(&instance.leaf(), DIGEST).to_string().into_bytes();
    let ended = json!({ "start": "2022-01-01T00:00:00Z", "end": "2026-11-24T11:59:59Z" });
    let cases = [
        (
            "/certificateAuthorities/0/validFor",
            "no certificate authority of the trusted root was valid when the signature was made",
        ),
        ("/tlogs/0/publicKey/validFor", "transparency log: key of the log was not valid at 2026-11-24T12:00:00Z"),
        ("/ctlogs/0/publicKey/validFor", "signed certificate timestamp: none is by a trusted log"),
    ];
    for (place, expected) in cases {
        let mut json = instance.root_json();
        *json.pointer_mut(place).unwrap() = ended.clone();
        let root = TrustedRoot::from_json(json.to_string().as_bytes()).unwrap();
        assert_eq!(check_with(Candidate::Bundle(bundle.clone()), &root, &[]), Err(expected.to_owned()), "{place}");
    }
}

/// What Rekor 2 writes: no promise, no time; a timestamp authority says when.
fn second_generation(instance: &Instance, authority: &Made) -> Value {
    let leaf = instance.leaf();
    let mut bundle = instance.bundle(&leaf, DIGEST);
    let signature = bundle["dsseEnvelope"]["signatures"][0]["sig"].as_str().unwrap().to_owned();
    let raw = ::base64::Engine::decode(&::base64::engine::general_purpose::STANDARD, &signature).unwrap();
    let message = bundle::pre_authentication_encoding("application/vnd.in-toto+json", &instance::statement(DIGEST));
    let body = json!({
        "apiVersion": "0.0.2", "kind": "hashedrekord",
        "spec": { "hashedRekordV002": {
            "data": { "algorithm": "SHA2_256", "digest": encode(sha256(&[&message])) },
            "signature": { "content": signature, "verifier": {
                "keyDetails": "PKIX_ECDSA_P256_SHA_256", "x509Certificate": { "rawBytes": encode(leaf.certificate.der()) },
            } },
        } },
    });
    let mut entry = instance.entry(&body, seconds());
    entry.as_object_mut().unwrap().remove("inclusionPromise");
    entry.as_object_mut().unwrap().remove("integratedTime");
    entry["kindVersion"]["version"] = json!("0.0.2");
    bundle["verificationMaterial"]["tlogEntries"][0] = entry;
    let response = testing::timestamp_response(authority, &raw, instance::SIGNED_AT.parse().unwrap());
    bundle["verificationMaterial"]["timestampVerificationData"] =
        json!({ "rfc3161Timestamps": [{ "signedTimestamp": encode(response) }] });
    bundle
}

#[test]
fn a_timestamp_authority_may_say_when() {
    let instance = Instance::new();
    assert_eq!(check(&second_generation(&instance, &instance.timestamps), &instance), Ok(signer()));
    let stranger = testing::self_signed(testing::authority_params("root"));
    let stranger = testing::timestamp_authority(&stranger);
    let error = check(&second_generation(&instance, &stranger), &instance).unwrap_err();
    assert!(error.starts_with("signed timestamp: timestamp: certificate"), "{error}");
}

#[test]
fn trusted_roots_that_are_none_are_told_apart() {
    let instance = Instance::new();
    let with = |change: fn(&mut Value)| {
        let mut json = instance.root_json();
        change(&mut json);
        TrustedRoot::from_json(json.to_string().as_bytes()).map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(with(|_| {}), Ok(()));
    assert_eq!(with(|json| json["mediaType"] = json!("x")), Err("unsupported media type \"x\"".to_owned()));
    assert_eq!(
        with(|json| json["certificateAuthorities"] = json!([])),
        Err("trusted root without certificate authorities".to_owned())
    );
    assert_eq!(with(|json| json["tlogs"] = json!([])), Err("trusted root without transparency logs".to_owned()));
    let broken = |json: &mut Value| {
        json["certificateAuthorities"][0]["certChain"]["certificates"][0]["rawBytes"] = json!("AAAA");
    };
    assert_eq!(with(broken), Err("certificate in trusted root".to_owned()));
    assert!(TrustedRoot::from_json(b"{").is_err());
}

/// The definition of the tree, without any cleverness (RFC 9162, section 2.1.1), and the path of one leaf.
fn tree(leaves: &[Vec<u8>], index: usize) -> ([u8; 32], Vec<Vec<u8>>) {
    if let [leaf] = leaves {
        return (sha256(&[&[0], leaf]), Vec::new());
    }
    let split = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(split);
    let (left_hash, left_path) = tree(left, index.min(split - 1));
    let (right_hash, right_path) = tree(right, index.saturating_sub(split));
    let (mut path, sibling) = if index < split { (left_path, right_hash) } else { (right_path, left_hash) };
    path.push(sibling.to_vec());
    (sha256(&[&[1], &left_hash, &right_hash]), path)
}

#[test]
fn inclusion_proofs_hold_for_every_leaf_of_small_trees_and_for_no_other_place() {
    for size in 1..=20_usize {
        let leaves: Vec<Vec<u8>> = (0..size).map(|leaf| vec![u8::try_from(leaf).unwrap()]).collect();
        for index in 0..size {
            let (root, hashes) = tree(&leaves, index);
            let mut proof = Proof {
                log_index: index as u64,
                tree_size: size as u64,
                root_hash: root.to_vec(),
                hashes,
                checkpoint: String::new(),
            };
            assert_eq!(checkpoint::root_hash(&proof, &leaves[index]), Some(root), "{index} of {size}");
            assert_ne!(checkpoint::root_hash(&proof, b"other"), Some(root));
            proof.hashes.push(vec![0; 32]);
            assert_eq!(checkpoint::root_hash(&proof, &leaves[index]), None);
            proof.log_index = size as u64;
            assert_eq!(checkpoint::root_hash(&proof, &leaves[index]), None);
        }
    }
}
