//! Where the control plane's programs come from.
//!
//! In this order: the directory `KUBEBUILDER_ASSETS`, `PATH`, the user's cache directory, and last a build from the distribution's source
//! package, which fills that cache once. Deliberately no download of finished programs.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// The programs of one control plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binaries {
    pub(super) etcd: PathBuf,
    pub(super) apiserver: PathBuf,
    /// Absent where a directory of test assets has none.
    pub(super) controller_manager: Option<PathBuf>,
}

/// The places to look at, as values, so that the order can be tested.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    pub(super) assets: Option<PathBuf>,
    pub(super) path: Vec<PathBuf>,
    pub(super) cache: Option<PathBuf>,
}

impl Places {
    pub(super) fn from_env() -> Self {
        let dir = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let cache = dir("XDG_CACHE_HOME").or_else(|| dir("HOME").map(|home| home.join(".cache")));
        Self {
            assets: dir("KUBEBUILDER_ASSETS"),
            path: std::env::var_os("PATH").as_deref().map(split).unwrap_or_default(),
            cache: cache.map(|dir| dir.join("sluice/control-plane")),
        }
    }

    /// The first place that has what is needed. A set `KUBEBUILDER_ASSETS` is the only place: a version asked for is not silently swapped.
    pub(super) fn find(&self, needs_manager: bool) -> Option<Binaries> {
        let complete = |found: &Binaries| !needs_manager || found.controller_manager.is_some();
        if let Some(assets) = &self.assets {
            return in_dirs(std::slice::from_ref(assets)).filter(complete);
        }
        in_dirs(&self.path)
            .filter(complete)
            .or_else(|| self.cache.as_ref().and_then(|cache| in_dirs(std::slice::from_ref(cache))).filter(complete))
    }
}

fn split(path: &OsStr) -> Vec<PathBuf> {
    std::env::split_paths(path).collect()
}

fn in_dirs(dirs: &[PathBuf]) -> Option<Binaries> {
    let find = |name: &str| dirs.iter().map(|dir| dir.join(name)).find(|path| is_executable(path));
    Some(Binaries {
        etcd: find("etcd")?,
        apiserver: find("kube-apiserver")?,
        controller_manager: find("kube-controller-manager"),
    })
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Finds the programs, building them once where that is possible.
pub(super) fn find_or_build(needs_manager: bool) -> anyhow::Result<Binaries> {
    let places = Places::from_env();
    if let Some(found) = places.find(needs_manager) {
        return Ok(found);
    }
    if let Some(assets) = &places.assets {
        anyhow::bail!(
            "KUBEBUILDER_ASSETS is {}, which lacks etcd, kube-apiserver or (where a test needs it) kube-controller-manager",
            assets.display()
        );
    }
    let script = crate::workspace::root().join("hack/build-control-plane.sh");
    #[expect(clippy::disallowed_methods, reason = "the test kit runs real servers")]
    let status = std::process::Command::new(&script).status().with_context(|| format!("run {}", script.display()))?;
    anyhow::ensure!(
        status.success(),
        "there is no control plane to test with, and hack/build-control-plane.sh could not build one"
    );
    places.find(needs_manager).context("hack/build-control-plane.sh left no usable control plane")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn dir_with(names: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for name in names {
            let path = dir.path().join(name);
            std::fs::write(&path, "").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        dir
    }

    const ALL: [&str; 3] = ["etcd", "kube-apiserver", "kube-controller-manager"];

    fn places(
        assets: Option<&tempfile::TempDir>,
        path: &[&tempfile::TempDir],
        cache: Option<&tempfile::TempDir>,
    ) -> Places {
        let of = |dir: &tempfile::TempDir| dir.path().to_owned();
        Places { assets: assets.map(of), path: path.iter().copied().map(of).collect(), cache: cache.map(of) }
    }

    #[test]
    fn the_order_is_assets_then_path_then_cache() {
        let (assets, path, cache) = (dir_with(&ALL), dir_with(&ALL), dir_with(&ALL));
        for (places, expected) in [
            (places(Some(&assets), &[&path], Some(&cache)), &assets),
            (places(None, &[&path], Some(&cache)), &path),
            (places(None, &[], Some(&cache)), &cache),
        ] {
            assert_eq!(places.find(true).unwrap().apiserver, expected.path().join("kube-apiserver"));
        }
        assert_eq!(places(None, &[], None).find(false), None);
    }

    #[test]
    fn the_path_may_spread_the_programs_over_several_directories() {
        let (one, two) = (dir_with(&ALL[..1]), dir_with(&ALL[1..]));
        let found = places(None, &[&one, &two], None).find(true).unwrap();
        assert_eq!(found.etcd, one.path().join("etcd"));
    }

    #[test]
    fn a_place_without_the_controller_manager_serves_only_who_needs_none() {
        let (path, cache) = (dir_with(&ALL[..2]), dir_with(&ALL));
        let places = places(None, &[&path], Some(&cache));
        assert_eq!(places.find(false).unwrap().apiserver, path.path().join("kube-apiserver"));
        assert_eq!(places.find(true).unwrap().apiserver, cache.path().join("kube-apiserver"));
    }

    #[test]
    fn incomplete_assets_are_never_replaced_by_another_version() {
        let (assets, cache) = (dir_with(&ALL[..1]), dir_with(&ALL));
        assert_eq!(places(Some(&assets), &[], Some(&cache)).find(false), None);
    }

    #[test]
    fn a_file_that_cannot_be_run_does_not_count() {
        let dir = dir_with(&ALL);
        std::fs::set_permissions(dir.path().join("etcd"), std::fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(places(None, &[], Some(&dir)).find(false), None);
    }
}
