//! `sluice`: the command line. `sluice kustomize build DIR` stands in for `kustomize build DIR`: same flags, streams and exit codes.
//! Under the name `kustomize`, for example of a link, the first word may be left out, so that scripts need no change.
//!
//! It deliberately holds no logic of building: that is `sluice-kustomize`. It runs no other program, no plugin and no container.

pub mod build;
pub mod flags;
pub mod host;

use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::Path;

use clap::Parser as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::flags::{Command, Flags, KustomizeCommand};

/// Exit code of anything that fails, as kustomize's.
const FAILURE: u8 = 1;

/// Runs one command line (program name first) and returns the exit code. Results go to `out`; warnings and errors to `err`, the
/// error as one `Error: ...` text.
pub fn run(args: impl IntoIterator<Item = OsString>, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let flags = match Flags::try_parse_from(with_command(args)) {
        Ok(flags) => flags,
        Err(error) => return usage(&error, out, err),
    };
    let Command::Kustomize(KustomizeCommand::Build(flags)) = flags.command;
    match build::run(&flags, out, err) {
        Ok(()) => 0,
        Err(error) => {
            // A closed error stream leaves nobody to tell.
            let _ = writeln!(err, "Error: {}", chain(&error));
            FAILURE
        }
    }
}

/// The command line with `kustomize` as its first word where it is the program's name.
fn with_command(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut args: Vec<OsString> = args.into_iter().collect();
    if args.first().is_some_and(|program| Path::new(program).file_name() == Some(OsStr::new("kustomize"))) {
        args.insert(1, "kustomize".into());
    }
    args
}

/// Help and version are results; anything else is a mistake in the command line.
fn usage(error: &clap::Error, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let text = error.render().to_string();
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return if out.write_all(text.as_bytes()).is_ok() { 0 } else { FAILURE };
    }
    let text = match (error.kind(), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::UnknownArgument, Some(ContextValue::String(flag))) => format!("unknown flag: {flag}\n"),
        _ => text.strip_prefix("error: ").unwrap_or(&text).to_owned(),
    };
    // A closed error stream leaves nobody to tell.
    let _ = write!(err, "Error: {text}");
    FAILURE
}

/// An error with its sources, joined by `: `.
fn chain(error: &dyn Error) -> String {
    sluice_kustomize::describe(error)
}
