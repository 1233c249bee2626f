//! What an apply or a prune did, object by object.
//!
//! Deliberately not here: events. The text of their lines is.

use std::fmt;

use sluice_manifest::{Entry, Inventory};

use crate::observe::DesiredDigest;

/// What happened to one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// It did not exist, or was recreated.
    Created,
    /// It existed and was changed.
    Configured,
    /// It is as desired; nothing was written.
    Unchanged,
    /// Its labels or annotations, or its owner, told to leave it alone.
    Skipped,
    /// Its deletion was accepted, or it was gone already.
    Deleted,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "created",
            Self::Configured => "configured",
            Self::Unchanged => "unchanged",
            Self::Skipped => "skipped",
            Self::Deleted => "deleted",
        })
    }
}

/// One object and what happened to it. `Display` is the line of events: `<Kind>/<ns>/<name> <action>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Identity as the server has it, and version.
    pub entry: Entry,
    /// What happened.
    pub action: Action,
    /// What was applied, or found to be as desired: what [`crate::Known::in_step`] is asked with. `None` for what was skipped or deleted.
    pub desired: Option<DesiredDigest>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.entry.id, self.action)
    }
}

/// Changes in the order in which they happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangeSet {
    changes: Vec<Change>,
}

impl ChangeSet {
    /// Adds a change.
    pub fn push(&mut self, entry: Entry, action: Action) {
        self.changes.push(Change { entry, action, desired: None });
    }

    /// Adds a change that made, or found, the object as desired.
    pub(crate) fn push_applied(&mut self, entry: Entry, action: Action, desired: DesiredDigest) {
        self.changes.push(Change { entry, action, desired: Some(desired) });
    }

    /// The changes in order.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Whether an object was written or deleted.
    pub fn has_effect(&self) -> bool {
        self.changes.iter().any(|change| !matches!(change.action, Action::Unchanged | Action::Skipped))
    }

    /// The inventory after an apply: every object but deleted ones. Skipped ones stay managed.
    pub fn inventory(&self) -> Inventory {
        self.changes
            .iter()
            .filter(|change| change.action != Action::Deleted)
            .map(|change| change.entry.clone())
            .collect()
    }

    /// The lines of an apply event: what was created or configured. Empty when nothing was.
    pub fn apply_log(&self) -> String {
        self.lines(|action| matches!(action, Action::Created | Action::Configured))
    }

    /// The lines of a prune event: every change, skipped ones too.
    pub fn full_log(&self) -> String {
        self.lines(|_| true)
    }

    fn lines(&self, keep: impl Fn(Action) -> bool) -> String {
        let lines: Vec<String> =
            self.changes.iter().filter(|change| keep(change.action)).map(ToString::to_string).collect();
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_list_what_their_event_is_about() {
        let mut set = ChangeSet::default();
        for (id, action) in [
            ("_n__Namespace", Action::Created),
            ("n_a__ConfigMap", Action::Configured),
            ("n_b__ConfigMap", Action::Unchanged),
            ("n_c__ConfigMap", Action::Skipped),
            ("n_d__ConfigMap", Action::Deleted),
        ] {
            set.push(Entry::parse(id, "v1").unwrap(), action);
        }
        assert_eq!(set.apply_log(), "Namespace/n created\nConfigMap/n/a configured");
        assert_eq!(
            set.full_log(),
            "Namespace/n created\nConfigMap/n/a configured\nConfigMap/n/b unchanged\nConfigMap/n/c skipped\nConfigMap/n/d deleted"
        );
        let kept: Vec<String> = set.inventory().entries().iter().map(|entry| entry.id.to_inventory()).collect();
        assert_eq!(kept, ["_n__Namespace", "n_a__ConfigMap", "n_b__ConfigMap", "n_c__ConfigMap"]);
        assert!(set.has_effect());
        assert_eq!(ChangeSet::default().apply_log(), "");
    }
}
