//! `sluice kustomize build` with files and repositories of other hosts: a real Git server and a real HTTP server on loopback.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use sluice_testkit::git::{GitServer, GitServerOptions};
use sluice_testkit::sink::{Answer, Sink};

const OBJECT: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\n";

/// The exit code and the two streams of a build of a directory.
fn run(dir: &Path) -> (u8, String, String) {
    let args = ["sluice", "kustomize", "build"].into_iter().map(OsString::from).chain([dir.as_os_str().to_owned()]);
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = sluice_cli::run(args, &mut out, &mut err);
    let text = |bytes| String::from_utf8(bytes).expect("the streams are UTF-8");
    (code, text(out), text(err))
}

fn top(kustomization: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("make a directory");
    fs::write(dir.path().join("kustomization.yaml"), kustomization).expect("write the kustomization");
    dir
}

/// A server with one repository, its URL, and its first commit: a base at tag `v1`, changed since on `main`.
fn server() -> anyhow::Result<(GitServer, String, String)> {
    let server = GitServer::start(GitServerOptions::default())?;
    let url = server.create_repo("app")?.to_string();
    let copy = server.working_copy("app")?;
    copy.write("deploy/kustomization.yaml", "resources: [settings.yaml, ../shared]\nnamePrefix: one-\n")?;
    copy.write("deploy/settings.yaml", OBJECT)?;
    copy.write("real/kustomization.yaml", "resources: [other.yaml]\n")?;
    copy.write("real/other.yaml", OBJECT.replace("settings", "other"))?;
    copy.symlink("shared", "real")?;
    copy.write("escape/kustomization.yaml", "resources: [../../etc]\n")?;
    copy.write("link/kustomization.yaml", "configMapGenerator: [{name: x, files: [passwd]}]\n")?;
    copy.symlink("link/passwd", "/etc/passwd")?;
    copy.write(
        "part/kustomization.yaml",
        "kind: Component\napiVersion: kustomize.config.k8s.io/v1alpha1\nnameSuffix: -two\n",
    )?;
    copy.write("again/kustomization.yaml", format!("resources: [\"{url}//again\"]\n"))?;
    let first = copy.commit("First")?;
    copy.annotated_tag("v1", "One")?;
    copy.push()?;
    copy.push_refs(&["v1"])?;
    copy.write("deploy/kustomization.yaml", "resources: [settings.yaml]\nnamePrefix: two-\n")?;
    copy.commit("Second")?;
    copy.push()?;
    Ok((server, url, first))
}

#[test]
fn a_base_of_a_repository_is_built_at_its_reference_with_origins_and_fetched_once() {
    let (server, url, _) = server().unwrap();
    server.take_requests();
    let dir = top(&format!(
        "resources:\n- {url}//deploy?ref=v1\ncomponents:\n- {url}//part?ref=v1&timeout=20s\nbuildMetadata: [originAnnotations]\n"
    ));
    let (code, out, err) = run(dir.path());
    let object = |name: &str, path: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  annotations:\n    config.kubernetes.io/origin: |\n      path: {path}\n      \
             repo: {url}\n      ref: v1\n  name: one-{name}-two\n"
        )
    };
    let expected =
        format!("{}---\n{}", object("other", "shared/other.yaml"), object("settings", "deploy/settings.yaml"));
    assert_eq!((code, out.as_str(), err.as_str()), (0, expected.as_str(), ""));
    let packs = server.take_requests().iter().filter(|request| request.method == "GET").count();
    assert_eq!(packs, 1, "one connection for one repository and reference");
}

#[test]
fn branches_commits_and_the_default_branch_are_found() {
    let (_server, url, commit) = server().unwrap();
    for (query, prefix) in [
        (String::new(), "two"),
        ("?ref=main".to_owned(), "two"),
        ("?ref=refs/heads/main".to_owned(), "two"),
        ("?version=v1".to_owned(), "one"),
        (format!("?ref={}", commit.trim()), "one"),
    ] {
        let (code, out, err) = run(top(&format!("resources:\n- {url}//deploy{query}\n")).path());
        assert!(code == 0 && out.contains(&format!("name: {prefix}-settings")), "{query}: {out}{err}");
    }
}

#[test]
fn what_a_repository_must_not_do_and_what_is_not_there_is_an_error() {
    let (_server, url, _) = server().unwrap();
    for (entry, says) in [
        (format!("{url}//escape"), "is not in or below"),
        (format!("{url}//link"), "is not in or below"),
        (format!("{url}//again"), "cycle detected"),
        (format!("{url}//nope"), "does not exist"),
        (format!("{url}//deploy/settings.yaml"), "file is not directory"),
        (format!("{url}//deploy?ref=v9"), "unable to resolve ref 'refs/heads/v9' to a specific commit"),
        (url.replace("app.git", "none.git"), "repository not found"),
        ("git@example.org:a/b".to_owned(), "Git over ssh is not supported"),
    ] {
        let (code, out, err) = run(top(&format!("resources: [\"{entry}\"]\n")).path());
        assert!(code == 1 && out.is_empty() && err.contains(says), "{entry}: {err}");
    }
}

#[test]
fn files_of_other_hosts_are_resources_patches_and_generator_inputs() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let sink = runtime.block_on(Sink::start()).unwrap();
    let answer = |body: &str| Answer { body: body.to_owned().into(), ..Answer::default() };
    sink.answer_next([answer(OBJECT), answer("key=value\n"), answer(&format!("{OBJECT}data: {{a: b}}\n"))]);
    let url = sink.url();
    let dir = top(&format!(
        "resources: [\"{url}/a/b/settings.yaml\"]\nconfigMapGenerator: [{{name: made, envs: [\"{url}/x.env\"]}}]\n\
         generatorOptions: {{disableNameSuffixHash: true}}\npatches: [{{path: \"{url}/patch.yaml\"}}]\n"
    ));
    let (code, out, err) = run(dir.path());
    let expected = format!(
        "apiVersion: v1\ndata:\n  key: value\nkind: ConfigMap\nmetadata:\n  name: made\n---\napiVersion: v1\ndata:\n  a: b\n{}",
        OBJECT.trim_start_matches("apiVersion: v1\n")
    );
    assert_eq!((code, out, err.as_str()), (0, expected, ""));

    sink.answer_always(Answer::from(axum_status(404)));
    let (code, out, err) = run(top(&format!("resources: [\"{url}/a/b/missing.yaml\"]\n")).path());
    assert!(code == 1 && out.is_empty() && err.contains("HTTP Error: status code 404 (Not Found)"), "{err}");
}

fn axum_status(code: u16) -> sluice_http_client::StatusCode {
    sluice_http_client::StatusCode::from_u16(code).expect("it is a status")
}
