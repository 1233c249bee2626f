//! The matcher of `.sourceignore` files and `spec.ignore`: which paths stay out of an artifact.
//!
//! The dialect looks like git's but is Flux's, and differs from git's where this matters:
//! - a child of an excluded directory *can* be included again;
//! - globs are those of Go's `filepath.Match`: `[^a]` negates, and a malformed glob matches nothing;
//! - `**` glued to other characters matches nothing in a pattern with a slash, and is a plain `*` in one without;
//! - after a `**`, the first component that fits is taken and never reconsidered, so that `**/a/b` misses `a/x/a/b`;
//! - `a/**` matches `a` itself as well as what is below it.
//!
//! Deliberately absent: reading files and walking trees. The caller finds `.sourceignore` files (the root first, then
//! sub-directories in sorted order, depth first, all but those called `.git`) and adds their text here.

mod glob;
mod matcher;
mod pattern;

pub use matcher::{Builtin, EntryKind, Matcher, MatcherBuilder, SourceIgnoreError};
pub use matcher::{IGNORE_FILE, MAX_PATTERNS, MAX_TEXT_BYTES};
