//! The algebra of condition lists: how one is set, how they are ordered, and how several make up `Ready`.
//!
//! Everything is a function of values; the time is an argument. Deliberately no knowledge of kinds and reasons, and no
//! patching: which conditions a kind has, and how they reach the API server, is decided elsewhere.

mod list;
mod summary;

pub use list::{
    MAX_MESSAGE_BYTES, NewCondition, Stamp, Status, delete, get, has, is_false, is_true, is_unknown, mark_false,
    mark_reconciling, mark_stalled, mark_true, mark_unknown, set, sort,
};
pub use summary::{Ready, Summary, summarize};
