//! Small trees in memory, for the tests beside this module.

use sluice_kustomize::{MemoryTree, RelPath};

/// A path within the tree.
pub(crate) fn path(text: &str) -> RelPath {
    RelPath::new(text).expect("the tests name paths within the tree")
}

/// A tree of files, each with its content.
pub(crate) fn tree(files: &[(&str, &str)]) -> MemoryTree {
    let mut tree = MemoryTree::new();
    for (name, content) in files {
        tree.insert(path(name), *content);
    }
    tree
}
