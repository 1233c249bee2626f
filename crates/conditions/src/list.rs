//! Reading and changing a condition list. Deliberately every change goes through [`set`] or [`delete`], so that order, transition
//! time and generation cannot drift apart.

use std::cmp::Ordering;
use std::fmt;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use sluice_api::constants::condition::{READY, RECONCILING, STALLED};

/// The longest message that is stored, with its suffix. The schema allows as many characters.
pub const MAX_MESSAGE_BYTES: usize = 32_768;
/// What a message ends with that was cut.
const CUT_SUFFIX: &str = "...";

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// It holds.
    True,
    /// It does not.
    False,
    /// It cannot be told.
    Unknown,
}

impl Status {
    /// The status as it is on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }

    /// The status of a stored condition; any text that is not a status counts as unknown.
    pub fn of(condition: &Condition) -> Self {
        match condition.status.as_str() {
            "True" => Self::True,
            "False" => Self::False,
            _ => Self::Unknown,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// When, and for which generation of the object, a condition is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// `metadata.generation` of the object.
    pub generation: i64,
    /// The present; only whole seconds are stored.
    pub now: Timestamp,
}

/// A condition without what [`set`] adds to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewCondition<'a> {
    /// Type of the condition.
    pub type_: &'a str,
    /// Whether it holds.
    pub status: Status,
    /// Reason in camel case; the schema refuses an empty one.
    pub reason: &'a str,
    /// Message of any length; it is cut to [`MAX_MESSAGE_BYTES`].
    pub message: &'a str,
}

/// Sets a condition, replacing the one of the same type, and sorts the list.
///
/// The transition time is kept while status, reason and message are equal. The observed generation is always that of the stamp.
pub fn set(conditions: &mut Vec<Condition>, new: NewCondition<'_>, stamp: Stamp) {
    let message = cut(new.message);
    let unchanged = get(conditions, new.type_)
        .filter(|old| old.status == new.status.as_str() && old.reason == new.reason && old.message == message);
    let last_transition_time =
        unchanged.map_or_else(|| Time(whole_seconds(stamp.now)), |old| old.last_transition_time.clone());
    delete(conditions, new.type_);
    conditions.push(Condition {
        last_transition_time,
        message,
        observed_generation: Some(stamp.generation),
        reason: new.reason.to_owned(),
        status: new.status.as_str().to_owned(),
        type_: new.type_.to_owned(),
    });
    sort(conditions);
}

/// Sets a condition to True.
pub fn mark_true(conditions: &mut Vec<Condition>, stamp: Stamp, type_: &str, reason: &str, message: &str) {
    set(conditions, NewCondition { type_, status: Status::True, reason, message }, stamp);
}

/// Sets a condition to False.
pub fn mark_false(conditions: &mut Vec<Condition>, stamp: Stamp, type_: &str, reason: &str, message: &str) {
    set(conditions, NewCondition { type_, status: Status::False, reason, message }, stamp);
}

/// Sets a condition to Unknown.
pub fn mark_unknown(conditions: &mut Vec<Condition>, stamp: Stamp, type_: &str, reason: &str, message: &str) {
    set(conditions, NewCondition { type_, status: Status::Unknown, reason, message }, stamp);
}

/// Sets Reconciling to True and removes Stalled: an object is never both.
pub fn mark_reconciling(conditions: &mut Vec<Condition>, stamp: Stamp, reason: &str, message: &str) {
    delete(conditions, STALLED);
    mark_true(conditions, stamp, RECONCILING, reason, message);
}

/// Sets Stalled to True and removes Reconciling: an object is never both.
pub fn mark_stalled(conditions: &mut Vec<Condition>, stamp: Stamp, reason: &str, message: &str) {
    delete(conditions, RECONCILING);
    mark_true(conditions, stamp, STALLED, reason, message);
}

/// Removes the condition of a type, if there is one.
pub fn delete(conditions: &mut Vec<Condition>, type_: &str) {
    conditions.retain(|condition| condition.type_ != type_);
}

/// The condition of a type.
pub fn get<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// Whether there is a condition of the type, with any status.
pub fn has(conditions: &[Condition], type_: &str) -> bool {
    get(conditions, type_).is_some()
}

/// Whether there is a condition of the type and it is True.
pub fn is_true(conditions: &[Condition], type_: &str) -> bool {
    get(conditions, type_).is_some_and(|condition| Status::of(condition) == Status::True)
}

/// Whether there is a condition of the type and it is False.
pub fn is_false(conditions: &[Condition], type_: &str) -> bool {
    get(conditions, type_).is_some_and(|condition| Status::of(condition) == Status::False)
}

/// Whether the condition of the type is Unknown or there is none.
pub fn is_unknown(conditions: &[Condition], type_: &str) -> bool {
    get(conditions, type_).is_none_or(|condition| Status::of(condition) == Status::Unknown)
}

/// Sorts a list into stored order: Stalled, Reconciling, Ready, then the newest observed generation first, then by type.
pub fn sort(conditions: &mut [Condition]) {
    conditions.sort_by(stored_order);
}

fn stored_order(a: &Condition, b: &Condition) -> Ordering {
    rank(&a.type_)
        .cmp(&rank(&b.type_))
        .then_with(|| b.observed_generation.cmp(&a.observed_generation))
        .then_with(|| a.type_.cmp(&b.type_))
}

fn rank(type_: &str) -> u8 {
    match type_ {
        STALLED => 0,
        RECONCILING => 1,
        READY => 2,
        _ => 3,
    }
}

/// The second in which `now` is; the wire has no fractions, so that a stored time equals what is read back.
fn whole_seconds(now: Timestamp) -> Timestamp {
    let before = i64::from(now.subsec_nanosecond() < 0);
    // Only the very first second of the range has no start within it.
    Timestamp::from_second(now.as_second() - before).unwrap_or(now)
}

fn cut(message: &str) -> String {
    if message.len() <= MAX_MESSAGE_BYTES {
        return message.to_owned();
    }
    let mut end = MAX_MESSAGE_BYTES - CUT_SUFFIX.len();
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{CUT_SUFFIX}", &message[..end])
}

#[cfg(test)]
mod tests;
