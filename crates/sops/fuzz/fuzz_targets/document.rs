//! Any bytes as an encrypted document of any format, with every master key opening the same data key: decryption ends in a result or an
//! error, without a panic.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_sops::{DataKey, Format, KeyError, KeyFuture, KeyServices, MasterKey, age, decrypt, openpgp};

const FORMATS: [Format; 5] = [Format::Yaml, Format::Json, Format::Dotenv, Format::Ini, Format::Binary];

/// Age and OpenPGP messages are read by the keys of nobody; the other kinds give a key.
struct Keys {
    age: age::Identities,
    openpgp: openpgp::Keys,
}

impl KeyServices for Keys {
    fn decrypt<'a>(&'a self, key: &'a MasterKey) -> KeyFuture<'a> {
        Box::pin(async move {
            match key {
                MasterKey::Age(key) => self.age.decrypt(&key.enc).map_err(KeyError::from),
                MasterKey::OpenPgp(key) => self.openpgp.decrypt(&key.enc).map_err(KeyError::from),
                _ => Ok(DataKey::new(vec![5; 32])),
            }
        })
    }
}

fuzz_target!(init: caught_panics_are_no_finding(), |data: &[u8]| {
    let Some((&choice, document)) = data.split_first() else { return };
    let (input, output) = (FORMATS[usize::from(choice) % 5], FORMATS[usize::from(choice) / 5 % 5]);
    let mut keys = Keys { age: age::Identities::default(), openpgp: openpgp::Keys::default() };
    let _ = keys.age.import(document);
    let _ = keys.openpgp.import(document);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let _ = runtime.block_on(decrypt(document, (input, output), &keys));
});

/// The reader turns assertions of the YAML parsing library into errors; the fuzzer's own hook would end the process before it can.
fn caught_panics_are_no_finding() {
    std::panic::set_hook(Box::new(|info| {
        if !info.location().is_some_and(|location| location.file().contains("libyaml-safer")) {
            eprintln!("{info}");
        }
    }));
}
