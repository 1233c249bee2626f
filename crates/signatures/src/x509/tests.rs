use jiff::Timestamp;
use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose};

use super::chain::{self, Purpose};
use super::key::{Hash, Kind, PublicKey, Scheme};
use super::testing::{self, Made, chain as error_text};
use super::timestamp::{self, Authority};
use super::{Certificate, MAX_CHAIN};

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn certificate(name: &str) -> Certificate {
    Certificate::from_pem(&fixture(name), 1).unwrap().remove(0)
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn keys_of_every_supported_kind_are_read() {
    let kinds: Vec<Kind> = ["p256", "p384", "p521", "rsa", "ed"]
        .iter()
        .map(|name| PublicKey::from_pem(&fixture(&format!("cosign/{name}.pub"))).unwrap().kind())
        .collect();
    assert_eq!(kinds, [Kind::P256, Kind::P384, Kind::P521, Kind::Rsa { bits: 2048 }, Kind::Ed25519]);
}

#[test]
fn what_is_no_key_is_refused() {
    let short = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n";
    for text in [
        "",
        "nonsense",
        short,
        "-----BEGIN PUBLIC KEY-----\n%%%%\n-----END PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY-----\nAAAA",
    ] {
        assert!(PublicKey::from_pem(text.as_bytes()).is_err(), "{text:?}");
    }
}

#[test]
fn a_key_refuses_schemes_of_other_kinds() {
    let key = PublicKey::from_pem(&fixture("cosign/ed.pub")).unwrap();
    for scheme in [Scheme::EcdsaAsn1(Hash::Sha256), Scheme::RsaPkcs1(Hash::Sha256), Scheme::RsaPss(Hash::Sha512)] {
        assert!(key.verify(scheme, b"message", &[0; 64]).is_err());
    }
}

fn three_levels() -> (Made, Made, Made) {
    let root = testing::self_signed(testing::authority_params("root"));
    let middle = testing::signed_by(&root, testing::authority_params("middle"));
    let leaf = testing::signed_by(&middle, testing::code_signing_params("leaf"));
    (root, middle, leaf)
}

fn verify(leaf: &Made, intermediates: &[&Made], roots: &[&Made], time: &str) -> Result<Vec<String>, String> {
    let take = |made: &[&Made]| made.iter().map(|made| made.certificate.clone()).collect::<Vec<_>>();
    let (intermediates, roots) = (take(intermediates), take(roots));
    let path = chain::verify(&leaf.certificate, &intermediates, &roots, at(time), Purpose::CodeSigning);
    path.map(|path| path.iter().map(|certificate| certificate.subject()).collect()).map_err(|error| error.to_string())
}

#[test]
fn a_path_is_found_through_unordered_intermediates() {
    let (root, middle, leaf) = three_levels();
    let other = testing::self_signed(testing::authority_params("middle"));
    let path = verify(&leaf, &[&other, &root, &middle], &[&root], "2026-01-01T00:00:00Z").unwrap();
    let names: Vec<&str> =
        path.iter().map(|subject| subject.rsplit("CN=").next().unwrap().split(',').next().unwrap()).collect();
    assert_eq!(names, ["leaf", "middle", "root"]);
}

#[test]
fn a_path_that_breaks_a_rule_is_not_found() {
    let (root, middle, leaf) = three_levels();
    let no_path = |result: Result<Vec<String>, String>| {
        assert!(result.unwrap_err().ends_with("is signed by no trusted authority"));
    };
    no_path(verify(&leaf, &[], &[&root], "2026-01-01T00:00:00Z"));
    no_path(verify(&leaf, &[&middle], &[&leaf], "2026-01-01T00:00:00Z"));
    assert!(
        verify(&leaf, &[&middle], &[&root], "2041-01-01T00:00:00Z")
            .unwrap_err()
            .ends_with("was not valid at 2041-01-01T00:00:00Z")
    );

    // A leaf must not sign others, whoever signed it.
    let sub_leaf = testing::signed_by(&leaf, testing::code_signing_params("sub"));
    no_path(verify(&sub_leaf, &[&leaf, &middle], &[&root], "2026-01-01T00:00:00Z"));

    // Path length, key usage and extended key usage of authorities.
    let spoil: [fn(&mut rcgen::CertificateParams); 4] = [
        |params| params.key_usages = vec![KeyUsagePurpose::CrlSign],
        |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth],
        |params| params.is_ca = IsCa::ExplicitNoCa,
        |params| params.not_after = rcgen::date_time_ymd(2025, 1, 1),
    ];
    for change in spoil {
        let mut params = testing::authority_params("spoilt");
        change(&mut params);
        let spoilt = testing::signed_by(&root, params);
        let leaf = testing::signed_by(&spoilt, testing::code_signing_params("leaf"));
        no_path(verify(&leaf, &[&spoilt], &[&root], "2026-01-01T00:00:00Z"));
    }
    let mut params = testing::authority_params("short");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let short = testing::self_signed(params);
    let middle = testing::signed_by(&short, testing::authority_params("middle"));
    let leaf = testing::signed_by(&middle, testing::code_signing_params("leaf"));
    no_path(verify(&leaf, &[&middle], &[&short], "2026-01-01T00:00:00Z"));
}

#[test]
fn a_leaf_without_the_usage_is_refused() {
    let root = testing::self_signed(testing::authority_params("root"));
    let mut params = testing::code_signing_params("leaf");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let leaf = testing::signed_by(&root, params);
    assert!(verify(&leaf, &[], &[&root], "2026-01-01T00:00:00Z").unwrap_err().ends_with("is not for code signing"));
}

#[test]
fn a_ring_or_tower_of_intermediates_ends() {
    let root = testing::self_signed(testing::authority_params("same"));
    let mut tower = vec![testing::self_signed(testing::authority_params("same"))];
    for _ in 0..2 * MAX_CHAIN {
        let next = testing::signed_by(tower.last().unwrap(), testing::authority_params("same"));
        tower.push(next);
    }
    let leaf = testing::signed_by(tower.last().unwrap(), testing::code_signing_params("leaf"));
    let intermediates: Vec<&Made> = tower.iter().collect();
    assert!(verify(&leaf, &intermediates, &[&root], "2026-01-01T00:00:00Z").is_err());
}

#[test]
fn timestamps_made_by_openssl_are_believed() {
    let root = [certificate("timestamp/root.crt")];
    let signer = [certificate("timestamp/ec.crt")];
    let cases = [("rsa.tsr", &[][..]), ("ec-sha1-id.tsr", &[][..]), ("ec-without-certificates.tsr", &signer[..])];
    for (name, others) in cases {
        let response = fixture(&format!("timestamp/{name}"));
        let token = timestamp::token_of_response(&response).unwrap();
        let stamp = timestamp::verify(token, b"hello timestamp", Authority { roots: &root, others });
        let stamp = stamp.unwrap_or_else(|error| panic!("{name}: {}", error_text(&error)));
        assert_eq!(stamp.accuracy.as_micros(), 1_500_100, "{name}");
        assert_eq!(stamp.chain.len(), 2, "{name}");
        assert!(stamp.earliest() < stamp.at && stamp.at < stamp.latest(), "{name}");
    }
}

#[test]
fn a_timestamp_that_breaks_a_rule_is_not_believed() {
    let root = testing::self_signed(testing::authority_params("root"));
    let authority = testing::timestamp_authority(&root);
    let time = at("2026-11-24T12:00:00Z");
    let roots = [root.certificate.clone()];
    let trusted = Authority { roots: &roots, others: &[] };
    let check = |token: &[u8], message: &[u8], trusted: Authority<'_>| {
        timestamp::verify(token, message, trusted).map(|stamp| stamp.at).map_err(|error| error_text(&error))
    };
    let token = testing::timestamp_token(&authority, b"message", time);
    assert_eq!(check(&token, b"message", trusted), Ok(time));
    assert_eq!(check(&token, b"other", trusted), Err("timestamp is about something else".to_owned()));

    let other = [testing::self_signed(testing::authority_params("root")).certificate];
    let untrusted = Authority { roots: &other, others: &[] };
    assert!(check(&token, b"message", untrusted).unwrap_err().ends_with("is signed by no trusted authority"));

    let not_exclusive = testing::signed_by(&root, testing::code_signing_params("signer"));
    let forged = testing::timestamp_token(&not_exclusive, b"message", time);
    assert_eq!(
        check(&forged, b"message", trusted),
        Err("timestamp whose signer is not exclusively a timestamp authority".to_owned())
    );

    // Every byte counts, and none makes it panic.
    for index in 0..token.len() {
        let mut tampered = token.clone();
        tampered[index] ^= 1;
        // Some bits say nothing: the version of the signed data and the tags of what is not read.
        if let Ok(believed) = check(&tampered, b"message", trusted) {
            assert_eq!(believed, time, "byte {index}");
        }
        assert!(check(&token[..index], b"message", trusted).is_err(), "cut at {index}");
    }
}

#[test]
fn a_certificate_cut_anywhere_is_refused() {
    let (_, _, leaf) = three_levels();
    let der = leaf.certificate.der();
    for end in 0..der.len() {
        assert!(Certificate::from_der(&der[..end]).is_err());
    }
    assert!(Certificate::from_der(&[der, &[0]].concat()).is_err());
}
