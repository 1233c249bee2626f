//! From an entry's name to the components of a path that cannot leave its root.

use super::Limits;
use super::fault::{Fault, Limit};

/// The longest component: the file system's limit, checked here so that the error names the entry's fault.
const MAX_COMPONENT_BYTES: usize = 255;

/// The components of an entry below the root, without any that is empty, `.` or `..`. The root itself has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SafePath(Vec<Vec<u8>>);

impl SafePath {
    /// Checks a name and takes it apart.
    pub(super) fn parse(name: &[u8], limits: &Limits) -> Result<Self, Fault> {
        // A name that costs memory and time in every later step.
        if name.len() > limits.path_bytes {
            return Err(Fault::Limit(Limit::PathBytes, limits.path_bytes as u64));
        }
        if name.is_empty() {
            return Err(Fault::Name("empty"));
        }
        // The kernel would end the name here, and a check made on the whole would have seen another one.
        if name.contains(&0) {
            return Err(Fault::Name("contains a NUL"));
        }
        // An absolute path ignores the directory that it is joined to.
        if name.starts_with(b"/") {
            return Err(Fault::Name("absolute"));
        }
        // A separator to readers on other systems: `..\..\file` climbs there.
        if name.contains(&b'\\') {
            return Err(Fault::Name("contains a backslash"));
        }
        let mut components = Vec::new();
        for component in name.split(|byte| *byte == b'/') {
            match component {
                b"" | b"." => continue,
                // Climbs out of the destination.
                b".." => return Err(Fault::Name("contains a '..' component")),
                long if long.len() > MAX_COMPONENT_BYTES => {
                    return Err(Fault::Limit(Limit::PathBytes, MAX_COMPONENT_BYTES as u64));
                }
                component => components.push(component.to_vec()),
            }
            // A name that alone creates thousands of nested directories, which many tools then recurse into.
            if components.len() > limits.path_depth {
                return Err(Fault::Limit(Limit::PathDepth, limits.path_depth as u64));
            }
        }
        Ok(Self(components))
    }

    /// The components, outermost first.
    pub(super) fn components(&self) -> &[Vec<u8>] {
        &self.0
    }
}
