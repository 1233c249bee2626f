use sluice_archive::{PackLimits, TarGzBuilder};
use sluice_artifact::Algorithm;
use sluice_storage::Retention;
use tempfile::TempDir;

use super::*;

fn names(path: &str) -> Components {
    path.split('/').map(|name| name.as_bytes().to_vec()).collect()
}

/// A store with one artifact of these files, and includes of it.
struct Fixture {
    _root: TempDir,
    storage: Storage,
    artifact: Artifact,
}

fn fixture(files: &[(&str, &str)]) -> Fixture {
    let root = tempfile::tempdir().unwrap();
    let storage = Storage::new(root.path(), "h", Retention::default(), Algorithm::Sha256).unwrap();
    let path: ArtifactPath = "gitrepository/apps/web/a.tar.gz".parse().unwrap();
    let write = |out: &mut dyn std::io::Write| -> Result<(), sluice_archive::PackError> {
        let mut archive = TarGzBuilder::new(out, PackLimits::default())?;
        for (path, text) in files {
            if text.is_empty() {
                archive.directory(path)?;
            } else {
                archive.file(path, FileMode::Plain, Content::from_bytes(text))?;
            }
        }
        archive.finish().map(drop)
    };
    let stored = storage.publish(&path, jiff::Timestamp::UNIX_EPOCH, write).unwrap();
    let artifact = Artifact {
        path: path.to_string(),
        url: String::new(),
        revision: "main@sha1:0".into(),
        digest: stored.digest.to_string(),
        last_update_time: k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(jiff::Timestamp::UNIX_EPOCH),
        size: None,
        metadata: std::collections::BTreeMap::new(),
    };
    Fixture { _root: root, storage, artifact }
}

fn include(from: &str, to: &str) -> GitInclude {
    GitInclude {
        repository: sluice_api::meta::LocalObjectReference::new("web"),
        from_path: Some(from.into()),
        to_path: Some(to.into()),
    }
}

/// The places that are filled, or why not.
fn place(fixture: &Fixture, includes: &[(&str, &str)], taken: &[(&str, EntryKind)]) -> Result<Vec<String>, String> {
    let includes: Vec<_> = includes.iter().map(|(from, to)| include(from, to)).collect();
    let artifacts = vec![fixture.artifact.clone(); includes.len()];
    let includes = Include::all(&includes, &artifacts).map_err(|error| error.to_string())?;
    let taken = taken.iter().map(|(path, kind)| (names(path), *kind)).collect();
    let mut overlay = Overlay::default();
    for include in includes {
        overlay.add(&fixture.storage, &include, &taken).map_err(|error| error.to_string())?;
    }
    Ok(overlay.nodes.into_keys().map(|place| String::from_utf8(place.join(&b'/')).unwrap()).collect())
}

#[test]
fn a_part_of_an_artifact_goes_where_it_is_asked_to_and_cannot_leave_either_root() {
    let web = fixture(&[("a", ""), ("a/b", ""), ("a/b/c.yaml", "c"), ("d.yaml", "d")]);
    let all = ["x", "x/a", "x/a/b", "x/a/b/c.yaml", "x/d.yaml"].map(str::to_owned);
    assert_eq!(place(&web, &[("", "x")], &[]), Ok(all.to_vec()));
    assert_eq!(place(&web, &[("../../.", "../x/")], &[]), Ok(all.to_vec()));
    let file = ["x", "x/e.yaml"].map(str::to_owned);
    assert_eq!(place(&web, &[("d.yaml", "x/e.yaml")], &[]), Ok(file.to_vec()));
    assert_eq!(place(&web, &[("d.yaml", "x/e.yaml")], &[("x", EntryKind::Directory)]), Ok(vec!["x/e.yaml".into()]));
    assert_eq!(place(&web, &[("a/b", "x/y"), ("d.yaml", "x/y/d.yaml")], &[]).map(|found| found.len()), Ok(4));
    let replaced = place(&web, &[("d.yaml", "e.yaml")], &[("e.yaml", EntryKind::File)]);
    assert_eq!(replaced, Ok(vec!["e.yaml".into()]));
}

#[test]
fn what_is_in_the_way_is_named_and_stays() {
    let web = fixture(&[("a", ""), ("a/b.yaml", "b")]);
    let check = |includes: &[(&str, &str)], taken: &[(&str, EntryKind)], expected: &str| {
        assert_eq!(place(&web, includes, taken), Err(expected.to_owned()), "{includes:?} {taken:?}");
    };
    check(&[("", "x")], &[("x", EntryKind::Directory)], "'x' exists already");
    check(&[("", "x")], &[("x", EntryKind::Submodule)], "'x' exists already");
    check(&[("", "x")], &[("x", EntryKind::File)], "'x' is not a directory");
    check(&[("a/b.yaml", "x")], &[("x", EntryKind::Symlink)], "'x' is not a directory");
    check(&[("", "x/y")], &[("x", EntryKind::Symlink)], "'x' is not a directory");
    check(&[("", "/../")], &[], "'.' exists already");
    check(&[("a", "x"), ("a", "x")], &[], "'x' exists already");
    check(&[("a", "x"), ("a", "x/b.yaml/z")], &[], "'x/b.yaml' is not a directory");
    check(&[("none", "x")], &[], "'none' does not exist in the artifact");
    check(&[("a/b.yaml/c", "x")], &[], "'a/b.yaml/c' does not exist in the artifact");
    let backslash = "path calculation for include 'web' failed: the path has a backslash or a control character";
    check(&[("", "x\\y")], &[], backslash);
}

#[test]
fn a_damaged_artifact_is_not_taken_in() {
    let mut web = fixture(&[("a", "")]);
    std::fs::write(web.storage.local_path(&web.artifact.path.parse().unwrap()), "tampered").unwrap();
    let error = place(&web, &[("", "x")], &[]).unwrap_err();
    assert!(error.starts_with("computed digest doesn't match"), "{error}");
    web.artifact.path = "../../etc/passwd".into();
    let error = place(&web, &[("", "x")], &[]).unwrap_err();
    assert_eq!(error, "the status of the included object does not hold a valid path and digest");
}

#[test]
fn ignore_files_of_an_include_count_where_it_is_put() {
    let web = fixture(&[(".sourceignore", "*.md\n"), ("a", ""), ("a/.sourceignore", "/x\n")]);
    let includes = Include::all(&[include("", "inc")], std::slice::from_ref(&web.artifact)).unwrap();
    let mut overlay = Overlay::default();
    overlay.add(&web.storage, &includes[0], &Taken::new()).unwrap();
    let expected = [(names("inc"), b"*.md\n".to_vec()), (names("inc/a"), b"/x\n".to_vec())];
    assert_eq!(overlay.ignore_files, expected);
}

#[test]
fn all_includes_together_may_have_what_one_artifact_may() {
    let web = fixture(&[("a", ""), ("a/b.yaml", "b")]);
    let includes = Include::all(&[include("", "x")], std::slice::from_ref(&web.artifact)).unwrap();
    let used = Used { entries: Limits::default().entries - 1, bytes: 0 };
    let mut overlay = Overlay { used, ..Overlay::default() };
    let error = overlay.add(&web.storage, &includes[0], &Taken::new()).unwrap_err();
    assert!(matches!(error, CopyError::Unpack(_)), "{error}");
}
