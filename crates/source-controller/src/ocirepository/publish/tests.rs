//! Layers on disk, without a registry.

use std::collections::BTreeMap;

use sluice_archive::{Content, FileMode, TarGzBuilder};

use super::*;
use crate::source::workdir::WorkDirectory;

/// A pulled layer with these files, each its own content.
fn pulled(files: &[&str]) -> Pulled {
    let mut archive = TarGzBuilder::new(Vec::new(), PackLimits::default()).expect("an archive");
    let mut files: Vec<&str> = files.to_vec();
    files.sort_by(|a, b| a.split('/').cmp(b.split('/')));
    for file in files {
        let text = if file.ends_with(IGNORE_FILE) { "*.md\n!keep.md\n" } else { file };
        archive.file(file, FileMode::Plain, Content::from_bytes(text)).expect("a file");
    }
    let (bytes, _) = archive.finish().expect("an archive");
    of_bytes(&bytes)
}

fn of_bytes(bytes: &[u8]) -> Pulled {
    let dir = WorkDirectory::new().expect("a directory");
    let pulled = Pulled { dir, operation: Operation::Extract, annotations: BTreeMap::new() };
    std::fs::write(pulled.layer(), bytes).expect("written");
    pulled
}

fn packed(pulled: Pulled, ignore: Option<&str>) -> Vec<String> {
    let tree = extract(pulled, ignore).expect("extracted");
    let mut bytes = Vec::new();
    tree.pack(&mut bytes).expect("packed");
    let target = tempfile::tempdir().expect("a directory");
    unpack(bytes.as_slice(), target.path(), &Limits::default()).expect("unpacked");
    walk_directory(target.path(), 16)
        .map(|entry| String::from_utf8(entry.expect("an entry").path).expect("a name"))
        .collect()
}

#[test]
fn patterns_of_nested_files_count_below_their_directory_and_not_in_git_directories() {
    let files = ["a/.sourceignore", "a/b.md", "a/keep.md", "c.md", "photo.jpg", "x/.git/.sourceignore", "x/d.md"];
    let expected = ["a", "a/.sourceignore", "a/keep.md", "c.md", "photo.jpg", "x", "x/d.md"];
    assert_eq!(packed(pulled(&files), None), expected);
}

#[test]
fn built_in_extras_count_as_long_as_there_is_no_pattern_at_all() {
    let files = ["a.yaml", "photo.jpg"];
    assert_eq!(packed(pulled(&files), None), ["a.yaml"]);
    assert_eq!(packed(pulled(&files), Some("# nothing\n")), ["a.yaml"]);
    assert_eq!(packed(pulled(&files), Some("*.txt\n")), ["a.yaml", "photo.jpg"]);
}

#[test]
fn the_same_content_gives_the_same_bytes_in_whatever_order_it_came() {
    let bytes = |pulled| {
        let mut bytes = Vec::new();
        extract(pulled, None).expect("extracted").pack(&mut bytes).expect("packed");
        bytes
    };
    assert_eq!(bytes(pulled(&["a/b.yaml", "c.yaml"])), bytes(pulled(&["c.yaml", "a/b.yaml"])));
}

#[test]
fn what_is_no_archive_is_refused_and_leaves_nothing() {
    let pulled = of_bytes(b"not gzip at all");
    let dir = pulled.dir.path().to_owned();
    let Err(error) = extract(pulled, None) else { panic!("it is no archive") };
    assert_eq!(error.to_string(), "failed to extract layer contents from artifact");
    assert!(!dir.exists(), "the directory is gone");
}

#[test]
fn too_many_patterns_are_refused() {
    let text = "a\n".repeat(MAX_TEXT_BYTES);
    let Err(error) = extract(pulled(&["a.yaml"]), Some(&text)) else { panic!("it is too much") };
    assert!(matches!(error, StoreFailed::Ignore(_)), "{error}");
}
