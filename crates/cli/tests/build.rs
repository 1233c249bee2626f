//! `sluice kustomize build` as a user meets it: flags, streams, exit codes.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use sluice_cli::run;

const CONFIG_MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\n";
const NAMESPACE: &str = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: team\n";

/// Exit code, result and messages; `{root}` stands for the directory in arguments and messages.
fn sluice(root: &Path, args: &[&str]) -> (u8, String, String) {
    let place = fs::canonicalize(root).expect("the directory was just made").display().to_string();
    let args =
        ["sluice", "kustomize", "build"].iter().chain(args).map(|arg| OsString::from(arg.replace("{root}", &place)));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = run(args, &mut out, &mut err);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is text").replace(&place, "{root}");
    (code, text(out), text(err))
}

fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("the temporary directory is writable");
    for (name, content) in files {
        let path = root.path().join(name);
        let parent = path.parent().expect("the path has the root in front");
        fs::create_dir_all(parent).and_then(|()| fs::write(&path, content)).expect("the directory is writable");
    }
    root
}

fn two_objects() -> tempfile::TempDir {
    directory(&[("kustomization.yaml", "resources: [c.yaml, n.yaml]\n"), ("c.yaml", CONFIG_MAP), ("n.yaml", NAMESPACE)])
}

#[test]
fn the_result_is_on_stdout_by_kind_unless_asked_otherwise() {
    let root = two_objects();
    let by_kind = format!("{NAMESPACE}---\n{CONFIG_MAP}");
    let as_listed = format!("{CONFIG_MAP}---\n{NAMESPACE}");
    for (args, expected) in [
        (vec!["{root}"], &by_kind),
        (vec!["--reorder", "legacy", "{root}"], &by_kind),
        (vec!["{root}", "--reorder=none"], &as_listed),
        (vec!["--load-restrictor=LoadRestrictionsNone", "--enable-helm=false", "{root}"], &by_kind),
    ] {
        assert_eq!(sluice(root.path(), &args), (0, expected.clone(), String::new()), "{args:?}");
    }
}

#[test]
fn under_the_name_kustomize_the_first_word_may_be_left_out() {
    let dir = two_objects();
    let path = dir.path().display().to_string();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let status = run(["/usr/local/bin/kustomize", "build", &path].map(Into::into), &mut out, &mut err);
    assert_eq!((status, String::from_utf8_lossy(&err).as_ref()), (0, ""));
    assert_eq!(String::from_utf8_lossy(&out), sluice(dir.path(), &["{root}"]).1);
}

#[test]
fn warnings_and_errors_are_on_stderr_and_a_failure_prints_no_result() {
    let root = directory(&[("kustomization.yaml", "bases: [nope]\n")]);
    let (code, out, err) = sluice(root.path(), &["{root}"]);
    let expected = "# Warning: 'bases' is deprecated. Please use 'resources' instead. Run 'kustomize edit fix' to update your \
                    Kustomization automatically.\nError: accumulating resources: accumulation err='accumulating resources from \
                    'nope': evalsymlink failure on '{root}/nope' : lstat {root}/nope: no such file or directory': must build at \
                    directory: not a valid directory: evalsymlink failure on '{root}/nope' : lstat {root}/nope: no such file or \
                    directory\n";
    assert_eq!((code, out.as_str(), err.as_str()), (1, "", expected));
}

#[test]
fn bad_command_lines_are_errors() {
    let root = two_objects();
    for (args, message) in [
        (vec!["a", "b"], "Error: specify one path to kustomization.yaml\n"),
        (
            vec!["--load-restrictor=x", "{root}"],
            "Error: illegal flag value --load-restrictor x; legal values: [LoadRestrictionsRootOnly LoadRestrictionsNone]\n",
        ),
        (
            vec!["--reorder=x", "{root}"],
            "Error: illegal flag value --reorder x; legal values: [none legacy unspecified]\n",
        ),
        (
            vec!["--enable-helm", "{root}"],
            "Error: flag --enable-helm is not supported: no plugin, function, container or helm is run\n",
        ),
        (vec!["--frob", "{root}"], "Error: unknown flag: --frob\n"),
        (vec!["{root}/c.yaml"], "Error: must build at directory: '{root}/c.yaml': file is not directory\n"),
    ] {
        assert_eq!(sluice(root.path(), &args), (1, String::new(), message.to_owned()), "{args:?}");
    }
    let (code, out, err) = sluice(root.path(), &["--help"]);
    assert!(code == 0 && out.contains("--load-restrictor") && err.is_empty());
}

#[test]
fn the_result_goes_to_a_file_or_a_file_per_object() {
    let root = two_objects();
    let (code, out, _) = sluice(root.path(), &["{root}", "-o", "{root}/all.yaml"]);
    assert_eq!((code, out.as_str()), (0, ""));
    let written = |name: &str| fs::read_to_string(root.path().join(name)).unwrap();
    assert_eq!(written("all.yaml"), format!("{NAMESPACE}---\n{CONFIG_MAP}"));
    fs::create_dir(root.path().join("each")).unwrap();
    let (code, ..) = sluice(root.path(), &["{root}", "--output", "{root}/each"]);
    assert_eq!(code, 0);
    assert_eq!(
        (written("each/v1_configmap_c.yaml"), written("each/v1_namespace_team.yaml")),
        (CONFIG_MAP.into(), NAMESPACE.into())
    );
}

#[test]
fn a_name_never_writes_outside_of_the_output_directory() {
    let object = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: /../../x\n";
    let root = directory(&[("kustomization.yaml", "resources: [c.yaml]\n"), ("c.yaml", object), ("each/keep", "")]);
    let (code, _, err) = sluice(root.path(), &["{root}", "-o", "{root}/each"]);
    assert_eq!(code, 1);
    assert_eq!(err, "Error: object 'ConfigMap.v1.[noGrp]//../../x.[noNs]' has a name that cannot be a file name\n");
}

#[test]
fn a_link_out_of_the_directory_is_not_followed_under_the_default_restriction() {
    let root = directory(&[("a/kustomization.yaml", "resources: [c.yaml]\n"), ("secret.yaml", CONFIG_MAP)]);
    symlink(root.path().join("secret.yaml"), root.path().join("a/c.yaml")).unwrap();
    let (code, out, err) = sluice(root.path(), &["{root}/a"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("security; file '{root}/a/c.yaml' is not in or below '{root}/a'"), "{err}");
    let (code, out, _) = sluice(root.path(), &["--load-restrictor=LoadRestrictionsNone", "{root}/a"]);
    assert_eq!((code, out.as_str()), (0, CONFIG_MAP));
}
