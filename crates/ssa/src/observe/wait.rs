//! Waiting for health: woken by the watch where there is one, by polls where not.
//!
//! A wait holds its targets, one small state for each, and reads that are under way. Dropping it at any time is safe. Deliberately not here:
//! the rules (`judge`, `health`), and the deadline's choice.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use sluice_expressions::HealthChecks;
use sluice_kstatus::{State, Status};
use sluice_manifest::ObjectId;
use tokio::time::{Instant, sleep_until};

use super::Observer;
use super::explain::{runs_pods, with_trouble};
use super::health::{Board, FailFast, HealthFailure, HealthTarget, Healthy, Unhealthy, Verdict};
use super::judge::{ReaderOrder, judged_by_expressions};
use super::mailbox::{Mailbox, Waiter};
use super::reader::{Reader, Reading, ReplicaSets, Rules};
use super::table::Look;
use crate::discovery::Discovery;

/// Pauses between polls of one object. The last one repeats, and is that of Flux.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
];
/// The watch tells of what was just applied within this time, or else it is asked for.
const ECHO: Duration = Duration::from_secs(2);
/// Reads of one object are at least so far apart, however often it changes.
const MIN_PAUSE: Duration = Duration::from_millis(250);
/// Reads of one wait at the same time.
const MAX_READS: usize = 8;
/// Workloads of a failed wait whose pods are looked at.
const MAX_EXPLAINED: usize = 10;
/// How long that may take.
const EXPLAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// How a wait learns of its targets.
#[derive(Clone)]
pub enum Access {
    /// By watch, and by polls under the controller's own identity where there is none.
    Watched(Observer),
    /// By polls only: impersonation, remote clusters.
    Polled {
        /// Under whose identity.
        client: kube::Client,
        /// The same server's kinds.
        discovery: Arc<Discovery>,
    },
}

/// How to wait.
#[derive(Debug, Clone)]
pub struct HealthOptions {
    /// How long.
    pub timeout: Duration,
    /// Whether one failed object ends it.
    pub fail_fast: FailFast,
    /// Expressions for custom objects; may be empty.
    pub checks: Arc<HealthChecks>,
    /// Whether expressions count for Jobs.
    pub order: ReaderOrder,
}

/// Waits until all targets are healthy.
///
/// # Errors
/// When one has failed (see [`FailFast`]), when the time is over, or when a target names no object.
pub async fn wait_until_healthy(
    access: Access,
    targets: Vec<HealthTarget>,
    options: HealthOptions,
) -> Result<Healthy, HealthFailure> {
    let started = Instant::now();
    Wait::new(access, targets, options, started).run(started).await?;
    Ok(Healthy { after: started.elapsed() })
}

/// Tells the observer, on drop, that nobody waits any more.
struct Registered {
    observer: Option<Observer>,
    wait: u64,
    targets: Arc<[HealthTarget]>,
}

impl Drop for Registered {
    fn drop(&mut self) {
        if let Some(observer) = &self.observer {
            self.targets.iter().for_each(|target| observer.unregister(&target.id, self.wait));
        }
    }
}

/// One target's part of the schedule.
#[derive(Debug, Default)]
struct Slot {
    /// Expressions judge it, not the watch.
    by_expressions: bool,
    /// When to read it next.
    due: Option<Instant>,
    /// When it was read last.
    read: Option<Instant>,
    reads: usize,
    is_reading: bool,
    /// It changed while it was read.
    again: bool,
    /// The newest version that the board's state is from.
    version: u64,
}

/// When a target is to be read.
#[derive(Debug, Clone, Copy)]
enum Plan {
    /// Not at all: the watch tells.
    Never,
    /// At once, since it changed.
    Now,
    /// In its rhythm, the first time after this pause.
    Rhythm(Duration),
}

struct Wait {
    targets: Arc<[HealthTarget]>,
    slots: Vec<Slot>,
    board: Board,
    fail_fast: FailFast,
    deadline: Instant,
    due: BTreeSet<(Instant, usize)>,
    reader: Reader,
    rules: Rules,
    mailbox: Arc<Mailbox>,
    registered: Registered,
}

impl Wait {
    fn new(access: Access, targets: Vec<HealthTarget>, options: HealthOptions, now: Instant) -> Self {
        let targets: Arc<[HealthTarget]> = targets.into();
        let (reader, observer) = match access {
            Access::Watched(observer) => (observer.reader().clone(), Some(observer)),
            Access::Polled { client, discovery } => (Reader::new(client, discovery, MAX_READS), None),
        };
        let replica_sets = if observer.is_some() { ReplicaSets::Skip } else { ReplicaSets::List };
        let HealthOptions { timeout, fail_fast, checks, order } = options;
        let by_expressions = |target: &HealthTarget| judged_by_expressions(&target.id, &target.version, &checks, order);
        let slots =
            targets.iter().map(|target| Slot { by_expressions: by_expressions(target), ..Slot::default() }).collect();
        let wait = observer.as_ref().map_or(0, Observer::next_wait);
        Self {
            board: Board::new(targets.len()),
            slots,
            fail_fast,
            // A timeout beyond all reckoning is a year.
            deadline: now.checked_add(timeout).unwrap_or_else(|| now + Duration::from_secs(365 * 86_400)),
            due: BTreeSet::new(),
            reader,
            rules: Rules { checks, order, replica_sets },
            mailbox: Arc::default(),
            registered: Registered { observer, wait, targets: Arc::clone(&targets) },
            targets,
        }
    }

    async fn run(mut self, now: Instant) -> Result<(), HealthFailure> {
        self.register();
        for target in 0..self.targets.len() {
            self.changed(target, now, false);
        }
        let mut reads: FuturesUnordered<BoxFuture<'static, (usize, Reading)>> = FuturesUnordered::new();
        loop {
            self.take_mail();
            match self.board.verdict(self.fail_fast) {
                Verdict::Healthy => return Ok(()),
                Verdict::Failed => {
                    let failed = self.board.failed(&self.targets);
                    return Err(HealthFailure::Stalled(self.explain(failed).await));
                }
                Verdict::NotYet => {}
            }
            let now = Instant::now();
            if now >= self.deadline {
                let pending = self.board.pending(&self.targets);
                return Err(HealthFailure::Timeout(self.explain(pending).await));
            }
            while reads.len() < MAX_READS
                && let Some(target) = self.next_due(now)
            {
                reads.push(self.read(target));
            }
            let next = self.due.first().map_or(self.deadline, |(due, _)| *due);
            // With all reads taken, only the end of one lets another begin.
            let wake = if reads.len() < MAX_READS { next.min(self.deadline) } else { self.deadline };
            tokio::select! {
                Some((target, reading)) = reads.next(), if !reads.is_empty() => self.was_read(target, reading)?,
                () = self.mailbox.arrived() => {}
                () = sleep_until(wake) => {}
            }
        }
    }

    /// Adds what only the pods of a workload say.
    async fn explain(&self, mut unhealthy: Vec<Unhealthy>) -> Vec<Unhealthy> {
        let targets = self.targets.iter().filter(|target| runs_pods(&target.id));
        let by_id: HashMap<&ObjectId, &HealthTarget> = targets.map(|target| (&target.id, target)).collect();
        let asked = unhealthy.iter_mut().filter_map(|unhealthy| {
            let target = by_id.get(&unhealthy.id)?;
            let status = unhealthy.status.as_mut()?;
            // A status that is from the pods names one already.
            let is_open =
                matches!(status.state, State::InProgress | State::Failed) && !status.message.contains("pods have");
            is_open.then_some((target, status))
        });
        let all = futures::stream::iter(asked.take(MAX_EXPLAINED)).for_each_concurrent(
            MAX_READS,
            async |(target, status)| {
                if let Some(trouble) = self.reader.trouble(target).await {
                    *status = with_trouble(status.clone(), &trouble);
                }
            },
        );
        // Without an answer in time the failure is told without it.
        let _ = tokio::time::timeout(EXPLAIN_TIMEOUT, all).await;
        unhealthy
    }

    fn register(&self) {
        let Some(observer) = &self.registered.observer else { return };
        for (index, (target, slot)) in self.targets.iter().zip(&self.slots).enumerate() {
            let waiter = Waiter {
                wait: self.registered.wait,
                target: u32::try_from(index).unwrap_or(u32::MAX),
                mailbox: Arc::clone(&self.mailbox),
                checks: slot.by_expressions.then(|| (Arc::clone(&self.rules.checks), self.rules.order)),
            };
            observer.register(&target.id, waiter);
        }
    }

    fn take_mail(&mut self) {
        let mut mail = self.mailbox.take();
        let now = Instant::now();
        for target in mail.changed {
            let judged = mail.judged.remove(&target);
            let target = target as usize;
            if target >= self.targets.len() {
                continue;
            }
            if let Some((version, status)) = judged {
                self.learn(target, version, &status);
            }
            self.changed(target, now, true);
        }
    }

    /// Something about the target, or about the watch of its kind, changed.
    fn changed(&mut self, target: usize, now: Instant, is_event: bool) {
        let look = self.look(target);
        if let Look::Seen { resource_version, health } = &look
            && !self.slots[target].by_expressions
        {
            self.learn(target, *resource_version, health);
        }
        let plan = self.plan(target, &look, is_event);
        self.schedule(target, plan, now);
    }

    fn look(&self, target: usize) -> Look {
        let observer = self.registered.observer.as_ref();
        observer.map_or(Look::Unwatched, |observer| observer.look(&self.targets[target].id))
    }

    /// Takes over a state, unless a newer one is known or it is older than what was applied.
    fn learn(&mut self, target: usize, version: u64, status: &Status) {
        let slot = &mut self.slots[target];
        let least = self.targets[target].min_resource_version.unwrap_or(0).max(slot.version);
        if version >= least {
            slot.version = version;
            self.board.set(target, status);
        }
    }

    fn plan(&self, target: usize, look: &Look, is_event: bool) -> Plan {
        let slot = &self.slots[target];
        let least = self.targets[target].min_resource_version;
        // What we applied is about to be seen; anything else may not carry our labels and then never is.
        let soon = Plan::Rhythm(if least.is_some() { ECHO } else { Duration::ZERO });
        match look {
            Look::Unwatched => Plan::Rhythm(Duration::ZERO),
            Look::Unseen if slot.version > 0 => Plan::Now,
            Look::Listing | Look::Unseen => soon,
            Look::Seen { resource_version, .. } if least.is_some_and(|least| *resource_version < least) => soon,
            Look::Seen { resource_version, .. } if slot.by_expressions => {
                let is_judged = slot.version >= *resource_version && self.board.get(target).is_some();
                if is_judged { Plan::Never } else { Plan::Rhythm(Duration::ZERO) }
            }
            Look::Seen { health, .. } if needs_more_than_the_object(&self.targets[target], health) => {
                if is_event {
                    Plan::Now
                } else {
                    Plan::Rhythm(Duration::ZERO)
                }
            }
            Look::Seen { .. } => Plan::Never,
        }
    }

    fn schedule(&mut self, target: usize, plan: Plan, now: Instant) {
        let slot = &mut self.slots[target];
        let due = match plan {
            Plan::Never => None,
            Plan::Now if slot.is_reading => {
                slot.again = true;
                return;
            }
            Plan::Now => Some(slot.read.map_or(now, |read| now.max(read + MIN_PAUSE))),
            Plan::Rhythm(_) if slot.is_reading => return,
            Plan::Rhythm(first) => {
                let due = match slot.reads {
                    0 => now + first,
                    reads => now + PAUSES[(reads - 1).min(PAUSES.len() - 1)],
                };
                Some(slot.due.map_or(due, |planned| planned.min(due)))
            }
        };
        if let Some(old) = slot.due {
            self.due.remove(&(old, target));
        }
        slot.due = due;
        if let Some(due) = due {
            self.due.insert((due, target));
        }
    }

    fn next_due(&mut self, now: Instant) -> Option<usize> {
        let (due, target) = self.due.first().copied().filter(|(due, _)| *due <= now)?;
        self.due.remove(&(due, target));
        self.slots[target].due = None;
        Some(target)
    }

    fn read(&mut self, target: usize) -> BoxFuture<'static, (usize, Reading)> {
        let slot = &mut self.slots[target];
        slot.is_reading = true;
        slot.reads += 1;
        let (reader, rules, targets) = (self.reader.clone(), self.rules.clone(), Arc::clone(&self.targets));
        Box::pin(async move { (target, reader.read(&targets[target], &rules).await) })
    }

    fn was_read(&mut self, target: usize, reading: Reading) -> Result<(), HealthFailure> {
        let now = Instant::now();
        let slot = &mut self.slots[target];
        (slot.is_reading, slot.read) = (false, Some(now));
        let again = std::mem::take(&mut slot.again);
        match reading {
            Reading::NoNamespace => return Err(HealthFailure::no_namespace(&self.targets[target].id)),
            Reading::Status { resource_version: 0, status } => self.learn_absence(target, &status),
            Reading::Status { resource_version, status } => self.learn(target, resource_version, &status),
        }
        let look = self.look(target);
        let plan = if again { Plan::Now } else { self.plan(target, &look, false) };
        // What was just read is read again in its rhythm at most.
        let plan = if !again && matches!(plan, Plan::Now) { Plan::Rhythm(Duration::ZERO) } else { plan };
        self.schedule(target, plan, now);
        Ok(())
    }

    /// Takes over that an object is not there or could not be read, unless the watch has it.
    fn learn_absence(&mut self, target: usize, status: &Status) {
        let is_seen = matches!(self.look(target), Look::Seen { .. });
        if !is_seen || self.board.get(target).is_none() {
            self.slots[target].version = 0;
            self.board.set(target, status);
        }
    }
}

/// Whether more than the object, or the time, decides: pods of a workload in progress, a pod that waits for a node.
fn needs_more_than_the_object(target: &HealthTarget, health: &Status) -> bool {
    let selects_pods = matches!(
        (target.id.group.as_str(), target.id.kind.as_str()),
        ("apps", "StatefulSet") | ("apps" | "extensions", "ReplicaSet")
    );
    health.state == State::InProgress && (selects_pods || health.reason == "PodNotScheduled")
}
