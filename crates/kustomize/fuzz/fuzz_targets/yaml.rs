//! Any bytes as YAML: reading ends; what is read and written reads as the same values and writes as the same text.
//!
//! Two exceptions, both kustomize's own: a next line character (U+0085) is written as a blank or a line feed, and a document whose last
//! text is a block that ends in a line or paragraph separator has no line feed at its end, so that the `---` behind it is not seen.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_yaml::{Limits, Node, is_blank, read_config, read_documents, write, write_all};

fuzz_target!(init: caught_panics_are_no_finding(), |data: &[u8]| {
    let limits = Limits { bytes: 1 << 20, depth: 100, nodes: 50_000 };
    let _ = is_blank(data);
    let _ = read_config(data, &limits).map(|node| node.map(|node| node.to_json()));
    let Ok(documents) = read_documents(data, &limits) else { return };
    let Ok(text) = write_all(&documents) else { return };
    for document in &documents {
        check(std::slice::from_ref(document), &write(document).expect("all of them were written"));
    }
    let ended = |document| write(document).is_ok_and(|text| text.ends_with('\n'));
    if documents.split_last().is_some_and(|(_, before)| before.iter().all(ended)) {
        check(&documents, &text);
    }
});

fn check(documents: &[Node], text: &str) {
    // Writing adds indentation and escapes, so the second reading has no limit but depth.
    let wide = Limits { bytes: usize::MAX, depth: 101, nodes: usize::MAX };
    let again = read_documents(text.as_bytes(), &wide).expect("what was written can be read");
    // A document of nothing is none.
    let documents: Vec<&Node> = documents.iter().filter(|document| !document.is_null()).collect();
    assert_eq!(documents.len(), again.len(), "documents");
    for (document, again) in documents.into_iter().zip(&again) {
        let document = document.to_json().expect("it was written");
        if !document.to_string().contains('\u{85}') {
            assert_eq!(document, again.to_json().expect("it can be written again"), "values");
        }
    }
    assert_eq!(write_all(&again).expect("it was written"), text, "text");
}

/// The reader turns assertions of the parsing library into errors; the fuzzer's own hook would end the process before it can. A panic that
/// nobody catches still ends it.
fn caught_panics_are_no_finding() {
    std::panic::set_hook(Box::new(|info| {
        if !info.location().is_some_and(|location| location.file().contains("libyaml-safer")) {
            eprintln!("{info}");
        }
    }));
}
