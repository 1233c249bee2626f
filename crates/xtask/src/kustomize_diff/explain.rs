//! The differences that are known and stay, each narrow and with its reason.
//!
//! Deliberately few: whatever can be matched is matched in the engine instead. `docs/compatibility.md` has a line for each.

use super::oracle::Outcome;

/// The class of a difference, if it is one of those known.
pub(super) fn explain(theirs: &Outcome, ours: &Outcome) -> Option<&'static str> {
    let Err(message) = theirs else { return None };
    if message.contains("panic: ") && message.contains("goroutine ") {
        return Some(if ours.is_ok() { "the oracle crashes, ours builds" } else { "the oracle crashes" });
    }
    None
}
