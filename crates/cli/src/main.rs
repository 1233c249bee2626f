//! The `sluice` binary.

use std::process::ExitCode;

use sluice_cli::run;

fn main() -> ExitCode {
    let status = run(std::env::args_os(), &mut std::io::stdout().lock(), &mut std::io::stderr().lock());
    ExitCode::from(status)
}
