//! How the conditions of a source make up its `Ready` condition.
//!
//! Deliberately no writing: the result is a value, and whoever asked for it sets the condition.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::list::{Status, get};

/// Which conditions of a kind make up Ready, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary<'a> {
    /// The types that count. Where several would decide, the first in this list gives reason and message.
    pub priority: &'a [&'a str],
    /// Those of them whose True is bad news.
    pub negative: &'a [&'a str],
    /// A type whose False makes Ready False with its reason and message, whatever else is the case.
    pub veto: Option<&'a str>,
}

/// What Ready should say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Status of the condition.
    pub status: Status,
    /// Reason of the condition that decided.
    pub reason: String,
    /// Message of the condition that decided.
    pub message: String,
}

/// Groups of conditions, the one that decides first if it has any: bad news before good news before no news.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    TrueNegative,
    FalsePositive,
    TruePositive,
    FalseNegative,
    Unknown,
}

impl Group {
    fn of(condition: &Condition, negative: &[&str]) -> Self {
        match (Status::of(condition), negative.contains(&condition.type_.as_str())) {
            (Status::True, true) => Self::TrueNegative,
            (Status::False, false) => Self::FalsePositive,
            (Status::True, false) => Self::TruePositive,
            (Status::False, true) => Self::FalseNegative,
            (Status::Unknown, _) => Self::Unknown,
        }
    }

    fn ready(self) -> Status {
        match self {
            Self::TrueNegative | Self::FalsePositive => Status::False,
            Self::TruePositive | Self::FalseNegative => Status::True,
            Self::Unknown => Status::Unknown,
        }
    }
}

/// What Ready should say by the other conditions; `None` if none of those that count is set, and Ready is to stay as it is.
pub fn summarize(conditions: &[Condition], summary: &Summary<'_>) -> Option<Ready> {
    // The first of equal groups wins, and the list is walked in priority order.
    let (group, deciding) = summary
        .priority
        .iter()
        .filter_map(|type_| get(conditions, type_))
        .map(|condition| (Group::of(condition, summary.negative), condition))
        .min_by_key(|(group, _)| *group)?;
    let veto = summary
        .veto
        .and_then(|type_| get(conditions, type_))
        .filter(|condition| Status::of(condition) == Status::False);
    let (status, from) = veto.map_or((group.ready(), deciding), |condition| (Status::False, condition));
    Some(Ready { status, reason: from.reason.clone(), message: from.message.clone() })
}

#[cfg(test)]
mod tests;
