//! Any bytes as the index of a Helm repository: what is written reads again as the same index.

#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use sluice_helm::index::{Limits, convert};
use sluice_helm::lookup;

fuzz_target!(init: caught_panics_are_no_finding(), |data: &[u8]| {
    let mut written = Vec::new();
    let converted = convert(Cursor::new(data), Cursor::new(Vec::new()), &mut written, &Limits::DEFAULT, &mut |_| {});
    let _ = lookup::find(Cursor::new(data), "web", "*", &Limits::DEFAULT);
    if converted.is_err() {
        return;
    }
    let limits = Limits { bytes: u64::MAX, ..Limits::DEFAULT };
    let mut again = Vec::new();
    let read = convert(Cursor::new(&written), Cursor::new(Vec::new()), &mut again, &limits, &mut |_| {});
    assert!(read.is_ok(), "{read:?} for {}", String::from_utf8_lossy(&written));
    assert_eq!(String::from_utf8_lossy(&written), String::from_utf8_lossy(&again));
});

/// The reader turns assertions of the YAML library into errors; the fuzzer's own hook would end the process before it can. A panic that
/// nobody catches still ends it.
fn caught_panics_are_no_finding() {
    std::panic::set_hook(Box::new(|info| {
        if !info.location().is_some_and(|location| location.file().contains("libyaml-safer")) {
            eprintln!("{info}");
        }
    }));
}
