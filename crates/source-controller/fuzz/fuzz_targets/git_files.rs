//! Any bytes as a `.gitmodules` and as a known hosts file.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_git::fuzzing::{gitmodules, known_hosts};

fuzz_target!(|data: &[u8]| {
    gitmodules(data);
    known_hosts(data);
});
