//! The published archive, byte by byte, against a writer of the same rules that is not ours.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sluice_e2e::{Stack, apply, git_ready, published};
use sluice_testkit::workspace;

const FILE: u32 = 0o600;
const EXECUTABLE: u32 = 0o700;
const DIRECTORY: u32 = 0o750;

/// Where each file of the tree is, and whether it is to be found in the archive.
fn tree() -> Vec<(String, &'static str, bool)> {
    let (long, longer) = ("d".repeat(70), "e".repeat(70));
    let file = |path: &str, text: &'static str, stays: bool| (path.to_owned(), text, stays);
    vec![
        file(".sourceignore", "/docs/*\n!/docs/keep.md\n*.tmp\nbuild/\n", true),
        file(".gitignore", "target\n", false),
        file(".github/workflows/ci.yaml", "on: push\n", true),
        file("README.md", "", true),
        file("logo.png", "no picture", true),
        file("x.tmp", "x", false),
        file("docs/drop.md", "drop", false),
        file("docs/keep.md", "keep", true),
        file("build/out.yaml", "out", false),
        file("build/keep.yaml", "kept by spec.ignore", true),
        file("apps/.sourceignore", "secret*\n!secret-ok.yaml\n", true),
        file("apps/secret.yaml", "no", false),
        file("apps/secret-ok.yaml", "yes", true),
        file("apps/deep/secret.yaml", "no", false),
        file("infra/secret.yaml", "another domain", true),
        file("a.b/after", "sorted by component, not by byte", true),
        file("a/before", "sorted by component, not by byte", true),
        file("größe/ü.yaml", "ü: 1\n", true),
        file(&format!("{long}/{longer}/split.yaml"), "prefix and name", true),
        file(&"f".repeat(120), "no slash to split at", true),
        file(&format!("{}/{}", "g".repeat(160), "h.yaml"), "no prefix that fits", true),
    ]
}

/// What the archive should hold. Of `build` there is no header, since the directory itself is ignored.
fn expected() -> Vec<Value> {
    let mut entries = vec![json!(["run.sh", EXECUTABLE, "#!/bin/sh\n"])];
    let mut directories = std::collections::BTreeSet::new();
    for (path, text, stays) in tree() {
        let above = Path::new(&path).ancestors().skip(1).filter(|dir| !dir.as_os_str().is_empty());
        directories.extend(above.map(Path::to_owned).filter(|dir| !dir.starts_with("build")));
        if stays {
            entries.push(json!([path, FILE, text]));
        }
    }
    entries.extend(directories.iter().map(|dir| json!([dir, DIRECTORY, null])));
    entries
}

#[expect(clippy::disallowed_methods, reason = "an independent writer and reader; this is a test")]
fn piped(program: &str, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("run {program}"))?;
    let mut stdin = child.stdin.take().context("its input")?;
    let input = input.to_vec();
    let writing = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output()?;
    writing.join().expect("the writer does not panic")?;
    ensure!(output.status.success(), "{program}: {}", output.status);
    Ok(output.stdout)
}

#[tokio::test]
async fn the_archive_of_a_tree_is_that_of_an_independent_writer_and_always_the_same() -> Result<()> {
    let stack = Stack::start().await?;
    let copy = stack.repository("tree", &[])?;
    for (path, text, _) in tree() {
        copy.write(&path, text)?;
    }
    copy.write("run.sh", "#!/bin/sh\n")?.make_executable("run.sh")?.symlink("link", "README.md")?;
    copy.run(&["add", "--force", "."])?;
    let commit = copy.commit("A tree")?;
    copy.push()?;
    let _controller = stack.source_controller()?.arg("--concurrent=4").start().await?;
    let names = ["one", "two", "three", "four"];
    for name in names {
        let spec = json!({
            "url": stack.repository_url("tree"), "interval": "1h", "ref": { "branch": "main" }, "ignore": "!build/keep.yaml",
        });
        let metadata = json!({ "name": name });
        let object = json!({ "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "metadata": metadata, "spec": spec });
        apply(&stack.client(), object).await?;
    }
    let mut archives = Vec::new();
    for name in names {
        let wanted = |object: &sluice_api::source::GitRepository| {
            published(object) == format!("main@sha1:{commit}") && git_ready(object).starts_with("True")
        };
        let object = stack.git_repository(name, "the archive", wanted).await?;
        let artifact = object.status.unwrap_or_default().artifact.context("an artifact")?;
        archives.push(std::fs::read(stack.data.path().join("storage").join(&artifact.path))?);
    }
    assert!(archives.iter().all(|archive| *archive == archives[0]), "the same tree gives the same bytes");
    assert_eq!(archives[0][..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff], "neither name nor time nor system");

    let writer = workspace::root().join("e2e/tests/source_archive/writer.py");
    let writer = writer.to_str().context("a path that is text")?;
    let by_hand = piped("python3", &[writer], serde_json::to_string(&expected())?.as_bytes())?;
    let ours = piped("gzip", &["-dc"], &archives[0])?;
    let heads = |tar: &[u8]| -> Vec<String> {
        tar.chunks(512).map(|block| String::from_utf8_lossy(&block[..60]).replace('\0', "")).collect()
    };
    assert_eq!(heads(&ours), heads(&by_hand), "the blocks, as far as they can be read");
    let differs = ours.iter().zip(&by_hand).position(|(ours, theirs)| ours != theirs);
    let around = |tar: &[u8]| {
        let at = differs.unwrap_or_default();
        String::from_utf8_lossy(&tar[at & !511..(at + 16).min(tar.len())]).replace('\0', "·")
    };
    assert_eq!(differs, None, "every byte: {}\n{}", around(&ours), around(&by_hand));
    assert_eq!(ours.len(), by_hand.len());
    Ok(())
}
