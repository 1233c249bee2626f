//! Any bytes as keys and signatures of OpenPGP and SSH, and as what cosign and notation keep: nothing that is made up verifies.

#![no_main]

use std::collections::BTreeMap;

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use sluice_signatures::cosign::{TrustedRoot, parse_public_key, simple_signatures};
use sluice_signatures::git::{Keys, verify};
use sluice_signatures::notation::{parse_certificates, signature_layer};

const PGP: &[u8] = include_bytes!("../keys/openpgp.asc");
const SSH: &[u8] = include_bytes!("../keys/ssh.sshpub");

fuzz_target!(|data: &[u8]| {
    let now = Timestamp::UNIX_EPOCH;
    let own = |pgp: &[u8], ssh: &[u8]| {
        Keys::from_secret(&BTreeMap::from([("a.asc".to_owned(), pgp.to_vec()), ("b.sshpub".to_owned(), ssh.to_vec())]))
    };
    assert!(verify(b"payload", data, &own(PGP, SSH), now).is_err(), "a signature that nobody made");
    let _ = own(data, data);
    let _ = TrustedRoot::from_json(data);
    let _ = parse_public_key(data);
    let _ = simple_signatures(data);
    let _ = parse_certificates(data);
    let _ = signature_layer(data);
});
