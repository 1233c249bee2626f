//! `spec.sparseCheckout`: the directories to which a walk is restricted.
//!
//! Deliberately no patterns: a path is one directory (or file), by its exact name.

/// Paths of directories, compared byte by byte.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SparsePaths {
    paths: Vec<Vec<u8>>,
}

/// Where an entry stands to the paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// One of the paths, or below one.
    Inside,
    /// Above one.
    OnTheWay,
    /// Neither.
    Outside,
}

impl SparsePaths {
    /// From a list as users write it: a leading `./` and slashes at the end do not count. A path that is the root restricts nothing. Any
    /// other text is a path that may or may not exist; one that climbs does not.
    pub fn new<T: AsRef<str>>(list: &[T]) -> Self {
        let trimmed = list.iter().map(|path| {
            let path = path.as_ref();
            let path = path.strip_prefix("./").unwrap_or(path).trim_end_matches('/');
            path.as_bytes().to_vec()
        });
        let paths: Vec<_> = trimmed.collect();
        let whole = paths.iter().any(|path| path.is_empty() || path == b".");
        Self { paths: if whole { Vec::new() } else { paths } }
    }

    /// Whether nothing is left out.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.paths.iter().map(Vec::as_slice)
    }

    pub(crate) fn place(&self, entry: &[u8]) -> Place {
        let below = |inner: &[u8], outer: &[u8]| {
            inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        };
        if self.is_empty() || self.iter().any(|path| below(entry, path)) {
            Place::Inside
        } else if self.iter().any(|path| below(path, entry)) {
            Place::OnTheWay
        } else {
            Place::Outside
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_trimmed_and_compared_by_whole_components() {
        let paths = SparsePaths::new(&["./apps/web/", "infra"]);
        for (entry, expected) in [
            ("apps", Place::OnTheWay),
            ("apps/web", Place::Inside),
            ("apps/web/a", Place::Inside),
            ("apps/website", Place::Outside),
            ("Apps", Place::Outside),
            ("infra", Place::Inside),
            ("infrastructure", Place::Outside),
            ("inf", Place::Outside),
        ] {
            assert_eq!(paths.place(entry.as_bytes()), expected, "{entry}");
        }
        for whole in [&[][..], &["./"], &["infra", "."], &["/"]] {
            assert_eq!(SparsePaths::new(whole).place(b"x"), Place::Inside, "{whole:?}");
        }
    }
}
