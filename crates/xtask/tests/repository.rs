//! The checks of the repository, as tests, so that the test runner runs them too.

/// Runs a command of xtask, and shows what it says if it fails.
fn check(command: &str) {
    #[expect(clippy::disallowed_methods, reason = "xtask is a program")]
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_xtask")).arg(command).output();
    let output = output.expect("cargo built xtask for this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_repository_is_tidy() {
    check("tidy");
}

#[test]
fn the_crates_follow_the_table_in_the_architecture_document() {
    check("arch");
}
