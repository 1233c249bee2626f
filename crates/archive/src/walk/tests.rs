use std::os::unix::fs::symlink;

use super::*;

fn listing(root: &Path, max_depth: usize) -> Vec<Result<String, String>> {
    walk_directory(root, max_depth)
        .map(|entry| {
            let entry = entry.map_err(|error| error.to_string())?;
            let path = String::from_utf8(entry.path).unwrap();
            Ok(match entry.node {
                Node::Directory => format!("{path}/"),
                Node::File { mode: FileMode::Plain, .. } => path,
                Node::File { mode: FileMode::Executable, .. } => format!("{path}*"),
                Node::Other => format!("{path}@"),
            })
        })
        .collect()
}

#[test]
fn a_walk_is_lexical_and_depth_first_and_follows_no_link() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    fs::create_dir_all(root.join("a/b")).unwrap();
    fs::create_dir(root.join("Z")).unwrap();
    for file in ["a/b/c", "a.txt", "a/b.txt", "z"] {
        fs::write(root.join(file), file).unwrap();
    }
    fs::set_permissions(root.join("z"), std::os::unix::fs::PermissionsExt::from_mode(0o601)).unwrap();
    symlink("/etc", root.join("etc")).unwrap();
    symlink("nowhere", root.join("dangling")).unwrap();
    let expected = ["Z/", "a/", "a/b/", "a/b/c", "a/b.txt", "a.txt", "dangling@", "etc@", "z*"];
    assert_eq!(listing(root, 3), expected.map(|line| Ok(line.to_owned())));
}

#[test]
fn a_walk_that_is_too_deep_or_has_no_root_ends_with_an_error() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("a/b/c")).unwrap();
    assert_eq!(listing(dir.path(), 2), [Ok("a/".to_owned()), Err("path deeper than 2 components".to_owned())]);
    assert_eq!(listing(&dir.path().join("missing"), 2).len(), 1);
}
