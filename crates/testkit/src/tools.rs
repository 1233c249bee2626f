//! Programs that tests call and that are no part of this workspace: where they are found, and what installs them.
//!
//! Deliberately no download here: `hack/lib/tools.sh` does that, once per machine, from Debian's signed archive.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// Where servers are installed; an ordinary user's `PATH` does not have these directories.
const SYSTEM_DIRECTORIES: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];

/// Where programs lie in an unpacked Debian package.
const UNPACKED_DIRECTORIES: [&str; 3] = ["usr/bin", "usr/sbin", "usr/local/bin"];

/// The path of a program: from `PATH`, else from the system's directories for servers, else from what `hack/lib/tools.sh` unpacked into
/// `${XDG_CACHE_HOME:-~/.cache}/sluice/tools/root`.
///
/// # Errors
/// When there is none; the text says which command installs it.
pub fn program(name: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let unpacked = directory().map(|tools| tools.join("root"));
    find(name, &path, unpacked.as_deref()).with_context(|| {
        format!("no program {name}: `hack/lib/tools.sh` (or hack/test.sh, which calls it) installs it")
    })
}

/// The directory for programs that only tests need: `${XDG_CACHE_HOME:-~/.cache}/sluice/tools`. None without a home directory.
pub fn directory() -> Option<PathBuf> {
    let not_empty = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = not_empty("XDG_CACHE_HOME").or_else(|| not_empty("HOME").map(|home| home.join(".cache")))?;
    Some(cache.join("sluice/tools"))
}

fn find(name: &str, path: &OsStr, unpacked: Option<&Path>) -> Option<PathBuf> {
    std::env::split_paths(path)
        .chain(SYSTEM_DIRECTORIES.iter().map(PathBuf::from))
        .chain(unpacked.into_iter().flat_map(|root| UNPACKED_DIRECTORIES.iter().map(|sub| root.join(sub))))
        // An empty or relative entry of PATH would make the answer depend on where the test happens to stand.
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(name))
        .find(|candidate| is_executable(candidate))
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn place(directory: &Path, name: &str, mode: u32) -> PathBuf {
        std::fs::create_dir_all(directory).unwrap();
        let path = directory.join(name);
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn the_path_wins_over_what_was_unpacked_and_only_executables_count() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second, unpacked) = (dir.path().join("a"), dir.path().join("b"), dir.path().join("root"));
        place(&first, "sluice-tool", 0o644);
        let in_path = place(&second, "sluice-tool", 0o755);
        let in_cache = place(&unpacked.join("usr/bin"), "sluice-tool", 0o755);
        let path = std::env::join_paths([&first, &second]).unwrap();
        assert_eq!(find("sluice-tool", &path, Some(&unpacked)), Some(in_path));
        assert_eq!(find("sluice-tool", first.as_os_str(), Some(&unpacked)), Some(in_cache));
        assert_eq!(find("sluice-tool", first.as_os_str(), None), None);
        assert_eq!(find("sluice-tool", OsStr::new(""), None), None);
    }

    #[test]
    fn a_program_that_is_not_there_says_what_installs_it() {
        let error = program("sluice-no-such-program").unwrap_err();
        assert!(error.to_string().contains("`hack/lib/tools.sh`"), "{error}");
    }
}
