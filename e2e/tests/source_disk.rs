//! source-controller on a volume that is full, and on one that turns read-only: what was published stays, and work goes on by itself.
//!
//! The volume is a small `tmpfs` in a mount namespace of the controller's own, so nothing of the machine is touched.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use sluice_api::source::GitRepository;
use sluice_e2e::{Stack, apply, git_ready, published};
use sluice_testkit::workspace;

/// The volume's size: room for small artifacts, none for a large one.
const VOLUME_KIB: usize = 512;

/// A program called `source-controller` that mounts the volume at its storage path and becomes the controller.
fn wrapper(dir: &Path, storage: &Path) -> Result<()> {
    let program = workspace::program("source-controller")?;
    let (storage, program) = (storage.display(), program.display());
    let script = format!(
        "#!/bin/sh\nuser=--user\\ --map-root-user\n[ \"$(id -u)\" != 0 ] || user=\nexec unshare $user --mount sh -c 'mount -t tmpfs -o \
         size={VOLUME_KIB}k tmpfs {storage} && exec {program} \"$@\"' sh \"$@\"\n"
    );
    std::fs::create_dir_all(dir)?;
    let path = dir.join("source-controller");
    std::fs::write(&path, script)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// Runs a command inside the namespaces of the controller.
#[expect(clippy::disallowed_methods, reason = "a test that changes a mount")]
fn inside(pid: u32, arguments: &[&str]) -> Result<()> {
    let root = std::fs::metadata("/proc/self").map(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0)?;
    let mut command = Command::new("nsenter");
    command.arg(format!("--target={pid}")).arg("--mount");
    if !root {
        command.args(["--user", "--preserve-credentials"]);
    }
    let output = command.args(arguments).output().context("run nsenter")?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// The stored file as the controller sees it.
fn is_stored(pid: u32, stack: &Stack, object: &GitRepository) -> Result<()> {
    let artifact = object.status.as_ref().and_then(|status| status.artifact.as_ref()).context("an artifact")?;
    let path = stack.data.path().join("storage").join(&artifact.path);
    inside(pid, &["test", "-s", path.to_str().context("a path that is text")?])
}

#[tokio::test]
async fn a_full_or_read_only_volume_costs_no_artifact_and_is_recovered_from() -> Result<()> {
    let mut stack = Stack::start().await?;
    let storage = stack.data.path().join("storage");
    std::fs::create_dir_all(&storage)?;
    let programs = stack.data.path().join("programs");
    wrapper(&programs, &storage)?;
    stack.programs = Some(programs);
    let small = stack.repository("small", &[("a.yaml", "a: 1\n")])?;
    let large = stack.repository("large", &[])?;
    // Hashes of numbers do not compress.
    let noise: Vec<u8> = (0..2 * VOLUME_KIB as u64 * 1024 / 8)
        .flat_map(|number| {
            number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).wrapping_mul(0xbf58_476d_1ce4_e5b9).to_le_bytes()
        })
        .collect();
    large.write("noise", noise)?;
    large.commit("Noise")?;
    large.push()?;

    let controller = stack.source_controller()?.arg("--max-retry-delay=2s").start().await?;
    let object = |name: &str| {
        let spec = json!({ "url": stack.repository_url(name), "interval": "1h", "ref": { "branch": "main" } });
        json!({ "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "metadata": { "name": name }, "spec": spec })
    };
    let applied = apply(&stack.client(), object("small")).await?;
    apply(&stack.client(), object("large")).await?;
    let first = small.run(&["rev-parse", "HEAD"])?.trim().to_owned();
    let of = |commit: &str| {
        let revision = format!("main@sha1:{commit}");
        move |object: &GitRepository| published(object) == revision && git_ready(object).starts_with("True")
    };
    let object = stack.git_repository("small", "the small one", of(&first)).await?;
    let full = |object: &GitRepository| git_ready(object).starts_with("False ArchiveOperationFailed: ");
    let refused = stack.git_repository("large", "the refusal", full).await?;
    assert!(git_ready(&refused).contains("No space left on device"), "{}", git_ready(&refused));
    is_stored(controller.pid(), &stack, &object)?;

    small.write("b.yaml", "b: 1\n")?;
    let second = small.commit("Still room for this")?;
    small.push()?;
    applied.request("two").await?;
    let object = stack.git_repository("small", "the second small one", of(&second)).await?;
    is_stored(controller.pid(), &stack, &object)?;

    let storage = storage.to_str().context("a path that is text")?.to_owned();
    inside(controller.pid(), &["mount", "-o", "remount,ro", &storage])?;
    small.write("c.yaml", "c: 1\n")?;
    let third = small.commit("Not now")?;
    small.push()?;
    applied.request("three").await?;
    let read_only = |object: &GitRepository| git_ready(object).contains("Read-only file system");
    let object = stack.git_repository("small", "the volume to be read-only", read_only).await?;
    assert!(git_ready(&object).starts_with("False "), "{}", git_ready(&object));
    assert_eq!(published(&object), format!("main@sha1:{second}"), "the artifact of before is kept");
    is_stored(controller.pid(), &stack, &object)?;
    stack.event("GitRepository", "small", "AcquireLockFailed").await?;

    inside(controller.pid(), &["mount", "-o", "remount,rw", &storage])?;
    stack.git_repository("small", "the third one, by itself", of(&third)).await?;
    Ok(())
}
