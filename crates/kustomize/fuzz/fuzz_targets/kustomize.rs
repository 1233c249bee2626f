//! Any bytes as a tree of files: a build ends, in a result or an error, soon and without a panic, and its text reads as what it says.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_kustomize::{BuildLimits, LoadRestrictor, MemoryTree, Options, RelPath, Reorder, build, describe};

/// Between a file and the next.
const SEPARATOR: &[u8] = b"\n%%%%\n";

/// What the files are called, in this order: names that dictionaries and mutations then find in each other.
const NAMES: [&str; 8] = [
    "kustomization.yaml",
    "a.yaml",
    "b.yaml",
    "base/kustomization.yaml",
    "base/a.yaml",
    "comp/kustomization.yaml",
    "c.env",
    "patch.yaml",
];

fuzz_target!(init: caught_panics_are_no_finding(), |data: &[u8]| {
    let (flags, mut rest) = data.split_first().map_or((0, data), |(flags, rest)| (*flags, rest));
    let mut tree = MemoryTree::new();
    for name in NAMES {
        let end = rest.windows(SEPARATOR.len()).position(|window| window == SEPARATOR);
        let content = &rest[..end.unwrap_or(rest.len())];
        if !content.is_empty() {
            tree.insert(RelPath::new(name).expect("the names are relative"), content);
        }
        let Some(end) = end else { break };
        rest = &rest[end + SEPARATOR.len()..];
    }
    let yaml = sluice_yaml::Limits { bytes: 1 << 20, depth: 64, nodes: 20_000 };
    let options = Options {
        load_restrictor: if flags & 1 == 0 { LoadRestrictor::RootOnly } else { LoadRestrictor::None },
        reorder: if flags & 2 == 0 { Reorder::None } else { Reorder::Legacy },
        limits: BuildLimits { yaml, kustomizations: 50, depth: 10, resources: 500, bytes: 1 << 20, ..BuildLimits::default() },
        ..Options::default()
    };
    match build(&tree, &RelPath::root(), &options) {
        Ok(built) => {
            if let Ok(text) = built.to_yaml() {
                let limits = sluice_yaml::Limits { bytes: usize::MAX, depth: 10_000, nodes: usize::MAX };
                let again = sluice_yaml::read_documents(text.as_bytes(), &limits).expect("what was written can be read");
                // Unless a text ends in another line break than a line feed, in which case kustomize, too, loses what follows.
                if !text.contains("\u{2028}---\n") && !text.contains("\u{2029}---\n") {
                    assert_eq!(sluice_yaml::write_all(&again).expect("it was written"), text);
                }
            }
        }
        Err(error) => assert!(!describe(&error).is_empty()),
    }
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
