//! Any bytes as a pack: scanning ends, and says the same however the pack is cut into pieces.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_git::fuzzing::pack;

fuzz_target!(|data: &[u8]| {
    let Some((piece, data)) = data.split_first() else { return };
    assert_eq!(pack(data, usize::MAX), pack(data, usize::from(*piece)));
});
