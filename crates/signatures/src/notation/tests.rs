mod made;
mod policy;

use jiff::Timestamp;
use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose};
use serde_json::json;

use super::revocation::{Offline, Revocation, Status};
use super::*;
use crate::x509::testing::{self, Made, chain};
use made::Envelope;

const NOW: &str = "2026-11-24T15:00:00Z";

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn artifact() -> Artifact {
    let digest = "sha256:2ed0de4f614cfd091beb3f1319e4e29fc86df724f59e1fc5a780f8b399b0d114".to_owned();
    let media_type = "application/vnd.oci.image.manifest.v1+json".to_owned();
    Artifact { reference: format!("registry.test:5000/team/app@{digest}"), media_type, digest, size: 565 }
}

fn blob(name: &str, media_type: &str) -> SignatureBlob {
    SignatureBlob { media_type: media_type.to_owned(), bytes: fixture(&format!("notation/{name}")) }
}

fn policy(level: &str) -> TrustPolicy {
    policy_with(&json!({ "level": level }), &["ca:x"], &["x509.subject: C=DE, ST=Berlin, O=Sluice Test"])
}

fn policy_with(verification: &serde_json::Value, stores: &[&str], identities: &[&str]) -> TrustPolicy {
    let document = json!({
        "version": "1.0",
        "trustPolicies": [{
            "name": "one", "registryScopes": ["*"], "signatureVerification": verification,
            "trustStores": stores, "trustedIdentities": identities,
        }],
    });
    TrustPolicy::from_json(document.to_string().as_bytes()).unwrap()
}

fn root() -> Vec<Certificate> {
    parse_certificates(&fixture("notation/root.crt")).unwrap()
}

fn check(
    blobs: &[SignatureBlob],
    policy: &TrustPolicy,
    certificates: &[Certificate],
    now: &str,
) -> Result<Outcome, String> {
    let trust = Trust { policy, certificates, revocation: &Offline };
    verify(&artifact(), blobs, &trust, now.parse().unwrap()).map_err(|error| chain(&error))
}

/// The reason that follows the general part of the message.
fn reason(result: Result<Outcome, String>) -> String {
    let error = result.unwrap_err();
    let prefix =
        format!("signature verification failed for all 1 signatures associated with {}: ", artifact().reference);
    error.strip_prefix(&prefix).map(str::to_owned).unwrap_or(error)
}

#[test]
fn signatures_of_notation_verify_in_both_envelopes_with_every_kind_of_key() {
    for key in ["rsa2048", "rsa3072", "p256", "p384", "p521"] {
        for (kind, media_type) in [("jws", "application/jose+json"), ("cose", "application/cose")] {
            let manifest = fixture(&format!("notation/{key}.{kind}.manifest.json"));
            let bytes = fixture(&format!("notation/{key}.{kind}.sig"));
            let layer = signature_layer(&manifest).unwrap();
            assert_eq!((layer.media_type.as_str(), layer.size), (media_type, bytes.len() as u64));
            let outcome = check(&[blob(&format!("{key}.{kind}.sig"), media_type)], &policy("strict"), &root(), NOW);
            let Ok(Outcome::Verified { subject, tolerated }) = outcome else { panic!("{key} {kind}: {outcome:?}") };
            assert!(subject.contains(&format!("CN=signer {key}")), "{subject}");
            assert_eq!(tolerated, Vec::<String>::new());
        }
    }
}

#[test]
fn a_self_signed_test_certificate_of_notation_verifies() {
    let store = parse_certificates(&fixture("notation/self-signed.crt")).unwrap();
    let policy = policy_with(&json!({ "level": "strict" }), &["ca:x"], &["*"]);
    let outcome = check(&[blob("self-signed.jws.sig", "application/jose+json")], &policy, &store, NOW);
    assert!(matches!(outcome, Ok(Outcome::Verified { .. })), "{outcome:?}");
}

#[test]
fn levels_decide_what_a_failed_check_means() {
    let good = blob("p256.cose.sig", "application/cose");
    let expiring = blob("expiring.jws.sig", "application/jose+json");
    let stranger = [testing::self_signed(testing::authority_params("root")).certificate];
    let late = "2030-01-01T00:00:00Z";

    assert_eq!(
        reason(check(std::slice::from_ref(&good), &policy("strict"), &stranger, NOW)),
        "signature is not produced by a trusted signer"
    );
    assert_eq!(
        reason(check(std::slice::from_ref(&good), &policy("permissive"), &stranger, NOW)),
        "signature is not produced by a trusted signer"
    );
    let audited = check(std::slice::from_ref(&good), &policy("audit"), &stranger, NOW);
    let tolerated = vec!["authenticity: signature is not produced by a trusted signer".to_owned()];
    assert_eq!(audited, Ok(Outcome::Ignored { tolerated }));

    assert_eq!(
        reason(check(std::slice::from_ref(&expiring), &policy("strict"), &root(), "2026-11-26T00:00:00Z")),
        "signature expired at 2026-11-25T14:19:26Z"
    );
    assert!(
        reason(check(std::slice::from_ref(&good), &policy("strict"), &root(), late))
            .starts_with("authentic timestamp: certificate")
    );
    let Ok(Outcome::Verified { tolerated, .. }) = check(&[expiring], &policy("permissive"), &root(), late) else {
        panic!()
    };
    assert_eq!(tolerated.len(), 2, "{tolerated:?}");

    let custom = json!({ "level": "strict", "override": { "authenticTimestamp": "log" } });
    let custom = policy_with(&custom, &["ca:x"], &["*"]);
    let Ok(Outcome::Verified { tolerated, .. }) = check(&[good], &custom, &root(), late) else { panic!() };
    assert_eq!(tolerated.len(), 1, "{tolerated:?}");
}

#[test]
fn skip_ignores_and_nothing_needs_to_be_fetched() {
    let document = json!({
        "version": "1.0",
        "trustPolicies": [
            {
                "name": "skipped", "registryScopes": ["registry.test:5000/team/app"], "signatureVerification": { "level": "skip" },
                "trustStores": ["ca:x"], "trustedIdentities": ["*"],
            },
            {
                "name": "rest", "registryScopes": ["*"], "signatureVerification": { "level": "strict" },
                "trustStores": ["ca:x"], "trustedIdentities": ["*"],
            },
        ],
    });
    let policy = TrustPolicy::from_json(document.to_string().as_bytes()).unwrap();
    assert_eq!(policy.requirement(&artifact().reference).unwrap(), Requirement::Skip);
    assert_eq!(policy.requirement("registry.test:5000/team/other@sha256:00").unwrap(), Requirement::Verify);
    assert_eq!(check(&[], &policy, &[], NOW), Ok(Outcome::Ignored { tolerated: Vec::new() }));
}

#[test]
fn missing_and_too_many_bad_signatures_are_told_apart() {
    let reference = artifact().reference;
    assert_eq!(
        check(&[], &policy("strict"), &root(), NOW),
        Err(format!("no signature is associated with \"{reference}\", make sure the artifact was signed successfully"))
    );
    let bad = SignatureBlob { media_type: "application/cose".to_owned(), bytes: vec![0xff] };
    let good = blob("p256.cose.sig", "application/cose");
    let integrity = "integrity: malformed signature envelope: CBOR";
    assert_eq!(
        check(&[bad.clone(), bad.clone(), bad.clone(), good.clone()], &policy("audit"), &root(), NOW),
        Err(format!(
            "signature verification stopped after 3 signatures associated with {reference}, none of which is good: {integrity}"
        ))
    );
    assert_eq!(reason(check(std::slice::from_ref(&bad), &policy("audit"), &root(), NOW)), integrity);
    assert!(check(&[bad.clone(), bad, good], &policy("strict"), &root(), NOW).is_ok());
}

#[test]
fn a_signature_of_another_artifact_is_not_good_at_any_level() {
    let trust_policy = policy("audit");
    let trust = Trust { policy: &trust_policy, certificates: &root(), revocation: &Offline };
    let signature = [blob("p256.jws.sig", "application/jose+json")];
    let changes: [fn(&mut Artifact); 3] =
        [|a| a.digest = "sha256:00".to_owned(), |a| a.size += 1, |a| a.media_type = "application/json".to_owned()];
    for change in changes {
        let mut other = artifact();
        change(&mut other);
        let error = verify(&other, &signature, &trust, NOW.parse().unwrap()).unwrap_err();
        assert!(chain(&error).ends_with(": signature is for another artifact"));
    }
}

#[test]
fn only_trusted_identities_may_sign() {
    let signature = [blob("p256.jws.sig", "application/jose+json")];
    let with = |identity: &str| {
        check(&signature, &policy_with(&json!({ "level": "strict" }), &["ca:x"], &[identity]), &root(), NOW)
    };
    for identity in [
        "x509.subject:CN=signer p256,O=Sluice Test,S=Berlin,C=DE",
        "*",
        "x509.subject: C=DE, ST=Berlin, O=Sluice\\20Test",
    ] {
        assert!(with(identity).is_ok(), "{identity}");
    }
    for identity in [
        "x509.subject: C=DE, ST=Berlin, O=Other",
        "x509.subject: C=DE, ST=Berlin, O=Sluice Test, L=Here",
        "other.kind:x",
    ] {
        assert!(reason(with(identity)).ends_with("does not match the trusted identities"), "{identity}");
    }
    let wrong_store = policy_with(&json!({ "level": "strict" }), &["signingAuthority:x"], &["*"]);
    assert_eq!(reason(check(&signature, &wrong_store, &root(), NOW)), "no trusted certificates for the signing scheme");
}

#[test]
fn envelopes_cut_or_changed_anywhere_are_not_good() {
    for (name, media_type) in [("p256.jws.sig", "application/jose+json"), ("p256.cose.sig", "application/cose")] {
        let good = blob(name, media_type);
        for index in (0..good.bytes.len()).step_by(7) {
            let mut cut = good.clone();
            cut.bytes.truncate(index);
            assert!(check(&[cut], &policy("strict"), &root(), NOW).is_err(), "{name} cut at {index}");
            let mut changed = good.clone();
            changed.bytes[index] ^= 0x02;
            // The name of the signing agent is neither signed nor read.
            let _ = check(&[changed], &policy("strict"), &root(), NOW);
        }
        let deep = SignatureBlob {
            media_type: media_type.to_owned(),
            bytes: vec![if media_type.ends_with("cose") { 0x81 } else { b'[' }; 100_000],
        };
        assert!(check(&[deep], &policy("strict"), &root(), NOW).is_err());
        let large = SignatureBlob { media_type: media_type.to_owned(), bytes: vec![0; MAX_ENVELOPE_BYTES + 1] };
        assert!(
            reason(check(&[large], &policy("strict"), &root(), NOW))
                .starts_with("integrity: signature envelope larger than")
        );
    }
}

fn chain_of(leaf: rcgen::CertificateParams) -> (Made, Made) {
    let root = testing::self_signed(testing::authority_params("root"));
    let leaf = testing::signed_by(&root, leaf);
    (root, leaf)
}

fn open(envelope: &Envelope, root: &Made) -> Result<Outcome, String> {
    let policy = policy_with(&json!({ "level": "strict" }), &["ca:x", "signingAuthority:x"], &["*"]);
    check(&[envelope.sign()], &policy, std::slice::from_ref(&root.certificate), NOW)
}

#[test]
fn chains_that_break_a_rule_are_not_good() {
    type Change = fn(&mut rcgen::CertificateParams);
    let cases: [(Change, &str); 7] = [
        (|_| {}, ""),
        (|p| p.key_usages = vec![], "has a wrong key usage"),
        (|p| p.key_usages.push(KeyUsagePurpose::KeyEncipherment), "has a wrong key usage"),
        (|p| p.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth), "has a forbidden extended key usage"),
        (|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::TimeStamping], "has a forbidden extended key usage"),
        (|p| p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained), "has wrong basic constraints"),
        (|p| p.not_after = rcgen::date_time_ymd(2026, 1, 1), "was not valid at the signing time 2026-11-24T12:00:00Z"),
    ];
    for (index, (change, expected)) in cases.into_iter().enumerate() {
        let mut params = testing::code_signing_params("leaf");
        change(&mut params);
        let (root, leaf) = chain_of(params);
        let envelope = Envelope::new(&leaf, &[&leaf, &root]);
        match open(&envelope, &root) {
            Ok(_) => assert_eq!(expected, "", "{index}"),
            Err(error) => assert!(!expected.is_empty() && error.ends_with(expected), "{index}: {error}"),
        }
    }
    let (root, leaf) = chain_of(testing::code_signing_params("leaf"));
    let (other, _) = chain_of(testing::code_signing_params("leaf"));
    let chains: [(&[&Made], &str); 4] = [
        (&[&leaf], "ends the chain but is not self-signed"),
        (&[&leaf, &other], "is not signed by the next one of the chain"),
        (&[&leaf, &root, &root], "is self-signed but not the end of the chain"),
        (&[], "signature envelope without usable certificate chain"),
    ];
    for (chain, expected) in chains {
        let error = open(&Envelope::new(&leaf, chain), &root).unwrap_err();
        assert!(error.ends_with(expected), "{error}");
    }
    let mut short = testing::authority_params("root");
    short.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let root = testing::self_signed(short);
    let middle = testing::signed_by(&root, testing::authority_params("middle"));
    let leaf = testing::signed_by(&middle, testing::code_signing_params("leaf"));
    let error = open(&Envelope::new(&leaf, &[&leaf, &middle, &root]), &root).unwrap_err();
    assert!(error.ends_with("has wrong basic constraints"), "{error}");
}

#[test]
fn headers_that_break_a_rule_are_not_good() {
    type Change = fn(&mut serde_json::Map<String, serde_json::Value>);
    let (root, leaf) = chain_of(testing::code_signing_params("leaf"));
    let cases: [(Change, &str); 10] = [
        (|h| h["alg"] = json!("PS256"), "signature algorithm \"PS256\" does not go with the signing key"),
        (|h| h["alg"] = json!("none"), "signature algorithm \"none\" does not go with the signing key"),
        (|h| h["cty"] = json!("text/plain"), "unsupported payload type \"text/plain\""),
        (|h| h["io.cncf.notary.signingScheme"] = json!("other"), "unsupported signing scheme \"other\""),
        (|h| h["crit"] = json!([]), "header \"io.cncf.notary.signingScheme\" is not marked critical"),
        (
            |h| {
                h.insert("x".to_owned(), json!(1));
                h["crit"].as_array_mut().unwrap().push(json!("x"));
            },
            "critical header \"x\" is not understood",
        ),
        (|h| h["crit"].as_array_mut().unwrap().push(json!("x")), "missing or invalid header \"crit\""),
        (
            |h| {
                h.insert("io.cncf.notary.verificationPlugin".to_owned(), json!("com.example"));
            },
            "signature needs the verification plugin \"com.example\", plugins are not supported",
        ),
        (
            |h| {
                h.insert("io.cncf.notary.expiry".to_owned(), json!("2027-01-01T00:00:00Z"));
            },
            "header \"io.cncf.notary.expiry\" is not marked critical",
        ),
        (
            |h| {
                h.remove("io.cncf.notary.signingTime");
            },
            "missing or invalid header \"io.cncf.notary.signingTime\"",
        ),
    ];
    for (change, expected) in cases {
        let mut envelope = Envelope::new(&leaf, &[&leaf, &root]);
        change(&mut envelope.protected);
        let error = open(&envelope, &root).unwrap_err();
        assert!(error.ends_with(expected), "{error}");
    }
    let (_, other) = chain_of(testing::code_signing_params("leaf"));
    let error = open(&Envelope::new(&other, &[&leaf, &root]), &root).unwrap_err();
    assert!(error.ends_with("integrity: signature is invalid"), "{error}");
}

#[test]
fn a_signing_authority_says_itself_when_it_signed() {
    let mut params = testing::code_signing_params("leaf");
    params.not_after = rcgen::date_time_ymd(2026, 11, 25);
    let (root, leaf) = chain_of(params);
    let mut envelope = Envelope::new(&leaf, &[&leaf, &root]);
    let time = envelope.protected.remove("io.cncf.notary.signingTime").unwrap();
    envelope.protected.insert("io.cncf.notary.authenticSigningTime".to_owned(), time);
    envelope.protected["io.cncf.notary.signingScheme"] = json!("notary.x509.signingAuthority");
    envelope.protected["crit"] = json!(["io.cncf.notary.signingScheme", "io.cncf.notary.authenticSigningTime"]);
    let store = [root.certificate.clone()];
    let strict = |stores: &[&str]| policy_with(&json!({ "level": "strict" }), stores, &["*"]);
    let late = "2030-01-01T00:00:00Z";
    assert!(check(&[envelope.sign()], &strict(&["signingAuthority:x"]), &store, late).is_ok());
    assert_eq!(
        reason(check(&[envelope.sign()], &strict(&["ca:x"]), &store, late)),
        "no trusted certificates for the signing scheme"
    );
}

#[test]
fn a_countersignature_keeps_a_signature_good_after_its_certificate_expired() {
    let mut params = testing::code_signing_params("leaf");
    params.not_after = rcgen::date_time_ymd(2026, 11, 25);
    let (root, leaf) = chain_of(params);
    let tsa_root = testing::self_signed(testing::authority_params("tsa root"));
    let tsa = testing::timestamp_authority(&tsa_root);
    let store = [root.certificate.clone(), tsa_root.certificate.clone()];
    let level =
        |when: &str| policy_with(&json!({ "level": "strict", "verifyTimestamp": when }), &["ca:x", "tsa:x"], &["*"]);
    let late = "2030-01-01T00:00:00Z";
    let mut envelope = Envelope::new(&leaf, &[&leaf, &root]);
    assert!(check(&[envelope.sign()], &level("afterCertExpiry"), &store, NOW).is_ok());
    for (when, now) in [("always", NOW), ("afterCertExpiry", late)] {
        let missing = reason(check(&[envelope.sign()], &level(when), &store, now));
        assert_eq!(missing, "authentic timestamp: no timestamp countersignature");
    }
    let stamped = |envelope: &mut Envelope, tsa: &Made, at: &str| {
        envelope.countersign(|signature| testing::timestamp_token(tsa, signature, at.parse::<Timestamp>().unwrap()));
    };
    stamped(&mut envelope, &tsa, "2026-11-24T12:30:00Z");
    assert!(check(&[envelope.sign()], &level("always"), &store, late).is_ok());
    let untrusted = [root.certificate.clone()];
    let error = reason(check(&[envelope.sign()], &level("always"), &untrusted, late));
    assert!(error.starts_with("authentic timestamp: timestamp countersignature: timestamp: certificate"), "{error}");
    // The accuracy of a second reaches over the end of the certificate.
    stamped(&mut envelope, &tsa, "2026-11-25T00:00:00Z");
    assert!(
        reason(check(&[envelope.sign()], &level("always"), &store, late))
            .starts_with("authentic timestamp: certificate")
    );
    // One of openssl's, over a signature of notation's.
    let mut real: serde_json::Value = serde_json::from_slice(&fixture("notation/p256.jws.sig")).unwrap();
    real["header"]["io.cncf.notary.timestampSignature"] = json!(made::encode(&fixture("timestamp/p256.jws.token")));
    let real = SignatureBlob { media_type: "application/jose+json".to_owned(), bytes: real.to_string().into_bytes() };
    let store = [root_of("notation/root.crt"), root_of("timestamp/root.crt")];
    assert!(check(&[real], &level("always"), &store, "2030-01-01T00:00:00Z").is_ok());
}

fn root_of(name: &str) -> Certificate {
    parse_certificates(&fixture(name)).unwrap().remove(0)
}

struct Fixed(Status);

impl Revocation for Fixed {
    fn status(&self, _chain: &[Certificate], _signed_at: Option<Timestamp>) -> Status {
        self.0.clone()
    }
}

#[test]
fn revocation_is_asked_of_the_port_and_weighed_by_level() {
    let signature = [blob("p256.jws.sig", "application/jose+json")];
    let with = |policy: &TrustPolicy, status: Status| {
        let (certificates, revocation) = (root(), Fixed(status));
        let trust = Trust { policy, certificates: &certificates, revocation: &revocation };
        verify(&artifact(), &signature, &trust, NOW.parse().unwrap()).map_err(|error| chain(&error))
    };
    let revoked = || Status::Revoked { subject: "CN=x".to_owned() };
    let unknown = || Status::Unknown { subject: "CN=x".to_owned() };
    assert_eq!(reason(with(&policy("strict"), revoked())), "signing certificate \"CN=x\" is revoked");
    assert_eq!(
        reason(with(&policy("strict"), unknown())),
        "signing certificate \"CN=x\" has an unknown revocation status"
    );
    assert!(
        matches!(with(&policy("permissive"), revoked()), Ok(Outcome::Verified { tolerated, .. }) if tolerated.len() == 1)
    );
    let skipped = policy_with(&json!({ "level": "strict", "override": { "revocation": "skip" } }), &["ca:x"], &["*"]);
    assert!(matches!(with(&skipped, revoked()), Ok(Outcome::Verified { tolerated, .. }) if tolerated.is_empty()));
}

#[test]
fn offline_vouches_only_where_there_is_nobody_to_ask() {
    let with_list = {
        let mut params = testing::code_signing_params("leaf");
        params.crl_distribution_points =
            vec![rcgen::CrlDistributionPoint { uris: vec!["http://crl.test/x".to_owned()] }];
        params
    };
    for (params, good) in [(testing::code_signing_params("leaf"), true), (with_list, false)] {
        let (root, leaf) = chain_of(params);
        let status = Offline.status(&[leaf.certificate.clone(), root.certificate.clone()], None);
        assert_eq!(status == Status::Good, good, "{status:?}");
    }
}

#[test]
fn manifests_that_are_no_signatures_are_told_apart() {
    let layer = json!({ "mediaType": "application/cose", "digest": "sha256:x", "size": 1 });
    let cases = [
        (
            json!({ "artifactType": ARTIFACT_TYPE, "config": { "mediaType": "application/vnd.oci.empty.v1+json" }, "layers": [layer] }),
            true,
        ),
        (json!({ "config": { "mediaType": ARTIFACT_TYPE }, "layers": [layer] }), true),
        (json!({ "config": { "mediaType": "application/vnd.oci.empty.v1+json" }, "layers": [layer] }), false),
        (json!({ "config": { "mediaType": ARTIFACT_TYPE }, "layers": [layer, layer] }), false),
        (json!([]), false),
    ];
    for (manifest, is_signature) in cases {
        assert_eq!(signature_layer(manifest.to_string().as_bytes()).is_some(), is_signature, "{manifest}");
    }
}
