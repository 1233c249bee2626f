//! Any bytes as an answer of a Git server: the packets are the same however the answer is cut into pieces, and reading them ends.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_git::fuzzing::answer;

fuzz_target!(|data: &[u8]| {
    let Some((piece, data)) = data.split_first() else { return };
    assert_eq!(answer(data, usize::MAX), answer(data, usize::from(*piece)));
});
