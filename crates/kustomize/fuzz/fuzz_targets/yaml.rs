//! Any bytes as YAML: reading ends; what is read and written reads as the same values and writes as the same text.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_yaml::{Limits, is_blank, read_config, read_documents, write_all};

fuzz_target!(init: caught_panics_are_no_finding(), |data: &[u8]| {
    let limits = Limits { bytes: 1 << 20, depth: 100, nodes: 50_000 };
    let _ = is_blank(data);
    let _ = read_config(data, &limits).map(|node| node.map(|node| node.to_json()));
    let Ok(documents) = read_documents(data, &limits) else { return };
    let Ok(text) = write_all(&documents) else { return };
    // Writing adds indentation and escapes, so the second reading has no limit but depth.
    let wide = Limits { bytes: usize::MAX, depth: 101, nodes: usize::MAX };
    let again = read_documents(text.as_bytes(), &wide).expect("what was written can be read");
    let json = |nodes: &[sluice_yaml::Node]| {
        nodes.iter().map(sluice_yaml::Node::to_json).collect::<Result<Vec<_>, _>>().expect("it was written")
    };
    assert_eq!(json(&documents), json(&again), "values");
    assert_eq!(write_all(&again).expect("it was written"), text, "text");
});

/// The reader turns assertions of the parsing library into errors; the fuzzer's own hook would end the process before it can. A panic that
/// nobody catches still ends it.
fn caught_panics_are_no_finding() {
    std::panic::set_hook(Box::new(|info| {
        if !info.location().is_some_and(|location| location.file().contains("libyaml-safer")) {
            eprintln!("{info}");
        }
    }));
}
