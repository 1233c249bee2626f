//! The differences that are known and stay, each narrow and with its reason.
//!
//! Deliberately few: whatever can be matched is matched in the engine instead. `docs/compatibility.md` has a line for each.

use super::oracle::Outcome;
use super::tree::{Files, file_text};

/// The class of a difference, if it is one of those known.
pub(super) fn explain(files: &Files, theirs: &Outcome, ours: &Outcome) -> Option<&'static str> {
    // Its text is that of its bytes here; with kustomize the base64 of some steps meets the bytes of others.
    let shows = match (theirs, ours) {
        (Ok(theirs), Ok(ours)) => theirs.lines().count() == ours.lines().count(),
        (Err(message), Ok(_)) => message.contains("!!binary") || message.contains("expect a string"),
        _ => false,
    };
    if shows && files.iter().any(|(_, content)| file_text(content).contains("!!binary ")) {
        return Some("a binary value that a step touches");
    }
    let Err(message) = theirs else { return None };
    if message.contains("panic: ") && message.contains("goroutine ") {
        return Some(if ours.is_ok() { "the oracle crashes, ours builds" } else { "the oracle crashes" });
    }
    None
}
