//! How events reach a wait: a mailbox that names what changed and holds no more than one item per target.
//!
//! Deliberately not a channel: a target that changes a hundred times before the wait looks is one item.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use sluice_expressions::HealthChecks;
use sluice_kstatus::Status;
use tokio::sync::Notify;

use super::judge::ReaderOrder;

/// What came since the last look, by target.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Mail {
    /// Targets whose record, or whose kind's watch, changed.
    pub(super) changed: BTreeSet<u32>,
    /// What the expressions said of a target at a resource version.
    pub(super) judged: HashMap<u32, (u64, Status)>,
}

/// A wait's mailbox.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    mail: Mutex<Mail>,
    notify: Notify,
}

impl Mailbox {
    pub(super) fn changed(&self, target: u32) {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner).changed.insert(target);
        self.notify.notify_one();
    }

    pub(super) fn judged(&self, target: u32, resource_version: u64, status: Status) {
        let mut mail = self.mail.lock().unwrap_or_else(PoisonError::into_inner);
        mail.judged.insert(target, (resource_version, status));
        mail.changed.insert(target);
        drop(mail);
        self.notify.notify_one();
    }

    pub(super) fn take(&self) -> Mail {
        std::mem::take(&mut self.mail.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns when there was mail since the last return.
    pub(super) async fn arrived(&self) {
        self.notify.notified().await;
    }
}

/// One target of one wait.
#[derive(Clone)]
pub(super) struct Waiter {
    /// The wait's number.
    pub(super) wait: u64,
    /// The target's place in the wait's list.
    pub(super) target: u32,
    /// Where to tell.
    pub(super) mailbox: Arc<Mailbox>,
    /// Expressions that judge the target, and their rank.
    pub(super) checks: Option<(Arc<HealthChecks>, ReaderOrder)>,
}
