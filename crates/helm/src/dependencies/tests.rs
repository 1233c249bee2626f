use std::fs;
use std::os::unix::fs::symlink;

use super::*;

fn tree(files: &[(&str, &str)]) -> (tempfile::TempDir, SourceRoot) {
    let directory = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let root = SourceRoot::new(directory.path()).unwrap();
    (directory, root)
}

fn chart_yaml(name: &str, version: &str) -> String {
    format!("apiVersion: v2\nname: {name}\nversion: {version}\n")
}

fn message(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {}", message(source)))
}

fn load_path(root: &SourceRoot, path: &str) -> Chart {
    Chart::from_path(root, Path::new(path), &ChartLimits::DEFAULT).unwrap()
}

#[test]
fn what_is_missing_is_local_or_remote_and_what_is_vendored_is_not() {
    let yaml = chart_yaml("web", "1.0.0")
        + "dependencies:\n- {name: here, version: '*'}\n- {name: vendored, version: '*', repository: 'https://a'}\n- {name: db, alias: store, version: 1.x, repository: 'https://Charts.example.com/stable'}\n- {name: file, repository: 'file://../file'}\n- {name: oci, repository: 'oci://r.example.com/charts/'}\n";
    let vendored = chart_yaml("vendored", "1.0.0");
    let (_guard, root) = tree(&[("web/Chart.yaml", &yaml), ("web/charts/vendored/Chart.yaml", &vendored)]);
    let mut chart = load_path(&root, "web");
    let found = missing(&chart).unwrap();
    let local: Vec<_> = found.local.iter().map(Dependency::local_name).collect();
    assert_eq!(local, ["file", "here"]);
    let remote: Vec<_> =
        found.remote.iter().map(|request| (request.dependency.local_name(), &*request.repository_url)).collect();
    assert_eq!(remote, [("oci", "oci://r.example.com/charts"), ("store", "https://Charts.example.com/stable/")]);
    assert_eq!(found.len(), 4);
    // As many charts as dependencies, whichever they are: nothing to do.
    for name in ["a", "b", "c", "d"] {
        let mut other = chart.dependencies[0].clone();
        name.clone_into(&mut other.metadata.name);
        chart.dependencies.push(other);
    }
    assert!(missing(&chart).unwrap().is_empty());
}

#[test]
fn a_lock_file_wins() {
    let yaml = chart_yaml("web", "1.0.0") + "dependencies: [{name: db, version: 1.x, repository: 'https://a'}]\n";
    let lock =
        "dependencies: [{name: db, version: 1.2.3, repository: 'https://a'}]\ngenerated: '2020-01-01T00:00:00Z'\n";
    let (_guard, root) = tree(&[("Chart.yaml", &yaml), ("Chart.lock", lock)]);
    assert_eq!(missing(&load_path(&root, ".")).unwrap().remote[0].dependency.version, "1.2.3");
}

#[test]
fn repositories_that_cannot_be_are_refused() {
    for (repository, expected) in [
        ("@stable", "failed to add remote dependency 'db': aliased repository dependency is not supported: @stable/"),
        ("ftp://a", "failed to add remote dependency 'db': invalid dependency repository URL: ftp://a/"),
    ] {
        let yaml = chart_yaml("web", "1.0.0") + &format!("dependencies: [{{name: db, repository: '{repository}'}}]\n");
        let (_guard, root) = tree(&[("Chart.yaml", &yaml)]);
        assert_eq!(message(&missing(&load_path(&root, ".")).unwrap_err()), expected);
    }
}

#[test]
fn local_dependencies_are_loaded_inside_the_root_and_renamed() {
    let (guard, root) = tree(&[
        ("apps/web/Chart.yaml", &chart_yaml("web", "1.0.0")),
        ("apps/web/charts/sub/Chart.yaml", &chart_yaml("sub", "0.1.0")),
        ("lib/my db/Chart.yaml", &chart_yaml("db", "1.2.3")),
        ("broken/Chart.yaml", "name: x\n"),
    ]);
    symlink("/lib/my db", guard.path().join("apps/link")).unwrap();
    let ask = |name: &str, repository: &str, version: &str| {
        let dependency = Dependency {
            name: name.into(),
            repository: repository.into(),
            version: version.into(),
            ..Dependency::default()
        };
        load_local(&root, Path::new("apps/web"), &dependency, &ChartLimits::DEFAULT)
            .map(|chart| chart.metadata.version)
            .map_err(|error| message(&error))
    };
    for (name, repository, version) in [
        ("db", "file://../../lib/my%20db", "1.x"),
        ("db", "file://../../../../../lib/my db", ">=1.0.0"),
        ("db", "file://../link", ""),
    ] {
        assert_eq!(ask(name, repository, version).as_deref(), Ok("1.2.3"), "{repository}");
    }
    assert_eq!(ask("sub", "", "0.1.0").as_deref(), Ok("0.1.0"));
    let prefix = "failed to add local dependency";
    for (name, repository, version, expected) in [
        ("no", "", "*", "'no': no chart found at '/apps/web/charts/no' (reference '')"),
        ("no", "file:///etc", "*", "'no': no chart found at '/apps/web/etc' (reference 'file:///etc')"),
        ("../../../etc/passwd", "", "*", "'../../../etc/passwd': no chart found at '/etc/passwd' (reference '')"),
        ("db", "file://../link", "2.x", "'db': can't get a valid version for constraint '2.x'"),
        ("db", "file://../link", "oops", "'db': invalid version/constraint format 'oops': improper constraint: oops"),
        (
            "x",
            "file://../../broken",
            "*",
            "'x': failed to load chart from '/broken' (reference 'file://../../broken'): failed to load chart from /broken/: validation: chart.metadata.version is required",
        ),
    ] {
        assert_eq!(ask(name, repository, version), Err(format!("{prefix} {expected}")));
    }
    let mut chart = load_path(&root, "apps/web");
    let loaded = load_path(&root, "lib/my db");
    add(&mut chart, &Dependency { alias: "store".into(), ..Dependency::default() }, loaded);
    assert_eq!(chart.dependencies.last().unwrap().name(), "store");
}
