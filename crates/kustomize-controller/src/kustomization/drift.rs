//! What is done about objects that somebody else changed: by default nothing before the next interval; if asked for, a correction within a
//! second, or a report without one.
//!
//! Never a fight: corrections of one object double their distance while it keeps drifting, and the event names who changes it. Deliberately not
//! here: noticing drift (`sluice-ssa`) and correcting it (the ordinary pass).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sluice_api::kustomize::Kustomization;
use sluice_manifest::ObjectId;
use sluice_runtime::queue::Key;
use sluice_ssa::{Drift, DriftKind};
use tokio::time::Instant;

/// The annotation of a Kustomization that decides for it.
pub const ANNOTATION: &str = "sluice.dev/drift";

/// Changes within this time are corrected together.
const SETTLE: Duration = Duration::from_millis(200);
/// A second correction within this time is a revert of the same change.
const CALM: Duration = Duration::from_secs(600);
/// The first pause once an object is changed back again and again.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
/// The longest pause; the interval corrects in any case.
const MAX_PAUSE: Duration = Duration::from_secs(3600);
/// Corrections of an object without a pause.
const FREE: u32 = 2;
/// Objects that are remembered; beyond this the calmest are forgotten.
const MAX_REMEMBERED: usize = 10_000;

/// What drift leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// The next interval corrects it.
    #[default]
    Interval,
    /// A pass corrects it at once.
    Correct,
    /// An event and a metric tell of it; the interval corrects it.
    Report,
}

impl std::str::FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "interval" => Ok(Self::Interval),
            "correct" => Ok(Self::Correct),
            "report" => Ok(Self::Report),
            other => Err(format!("'{other}' is not one of interval, correct, report")),
        }
    }
}

impl Mode {
    /// The mode of an object: its annotation's, or else the flag's. An unknown word counts as none.
    pub fn of(object: &Kustomization, flag: Self) -> Self {
        let annotation = object.metadata.annotations.as_ref().and_then(|all| all.get(ANNOTATION));
        annotation.and_then(|text| text.parse().ok()).unwrap_or(flag)
    }
}

/// What to do about one drift.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// When to look at the Kustomization, if at all.
    pub wake_after: Option<Duration>,
    /// What to tell, if anything.
    pub message: Option<String>,
}

/// How often each object drifted lately.
#[derive(Debug, Clone, Default)]
pub struct Watchkeeper {
    seen: Arc<Mutex<HashMap<(Key, ObjectId), Seen>>>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    times: u32,
    last: Instant,
}

impl Watchkeeper {
    /// Decides about a drift that was seen at `now`.
    pub fn respond(&self, drift: &Drift, mode: Mode, now: Instant) -> Response {
        let what = describe(drift);
        match mode {
            Mode::Interval => Response { wake_after: None, message: None },
            Mode::Report => Response { wake_after: None, message: Some(format!("Drift detected: {what}")) },
            Mode::Correct => {
                let times = self.count(drift, now);
                let Some(over) = times.checked_sub(FREE + 1) else {
                    return Response { wake_after: Some(SETTLE), message: None };
                };
                let pause = FIRST_PAUSE.saturating_mul(1 << over.min(16)).min(MAX_PAUSE);
                let message = format!(
                    "Drift keeps coming back: {what}, for the {times}th time; the next correction is in {}s",
                    pause.as_secs()
                );
                Response { wake_after: Some(pause), message: Some(message) }
            }
        }
    }

    /// Forgets an owner's objects.
    pub fn forget(&self, owner: &Key) {
        self.lock().retain(|(key, _), _| key != owner);
    }

    fn count(&self, drift: &Drift, now: Instant) -> u32 {
        let owner = Key::new(drift.owner.namespace.clone(), drift.owner.name.clone());
        let mut seen = self.lock();
        if seen.len() >= MAX_REMEMBERED {
            seen.retain(|_, seen| now.duration_since(seen.last) < CALM);
        }
        let entry = seen.entry((owner, drift.id.clone())).or_insert(Seen { times: 0, last: now });
        // Long after the last one it is a change like any other.
        let longest = FIRST_PAUSE.saturating_mul(1 << entry.times.min(16)).clamp(CALM, MAX_PAUSE * 2);
        entry.times = if now.duration_since(entry.last) > longest { 1 } else { entry.times + 1 };
        entry.last = now;
        entry.times
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(Key, ObjectId), Seen>> {
        // Each use leaves the map whole.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn describe(drift: &Drift) -> String {
    let act = match drift.kind {
        DriftKind::Changed => "changed",
        DriftKind::Deleted => "deleted",
    };
    if drift.managers.is_empty() {
        format!("{} was {act}", drift.id)
    } else {
        format!("{} was {act} by {}", drift.id, drift.managers.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use sluice_manifest::{Entry, Owner};

    use super::*;

    fn drift(id: &str) -> Drift {
        Drift {
            owner: Owner { name: "app".to_owned(), namespace: "apps".to_owned() },
            id: Entry::parse(id, "v1").unwrap().id,
            kind: DriftKind::Changed,
            managers: vec!["kubectl-edit".to_owned()],
        }
    }

    #[tokio::test(start_paused = true)]
    async fn corrections_that_are_undone_again_and_again_grow_apart_and_name_the_manager() {
        let keeper = Watchkeeper::default();
        let mut now = Instant::now();
        let mut pauses = Vec::new();
        for _ in 0..6 {
            now += Duration::from_secs(1);
            let response = keeper.respond(&drift("apps_a__ConfigMap"), Mode::Correct, now);
            pauses.push(response.wake_after.unwrap().as_millis());
            now += response.wake_after.unwrap();
            if let Some(message) = response.message {
                assert!(message.contains("ConfigMap/apps/a was changed by kubectl-edit"), "{message}");
            }
        }
        assert_eq!(pauses, [200, 200, 10_000, 20_000, 40_000, 80_000]);
        let other = keeper.respond(&drift("apps_b__ConfigMap"), Mode::Correct, now);
        assert_eq!(other, Response { wake_after: Some(SETTLE), message: None }, "each object counts by itself");
        let later = keeper.respond(&drift("apps_a__ConfigMap"), Mode::Correct, now + MAX_PAUSE * 3);
        assert_eq!(later.wake_after, Some(SETTLE), "after a calm time it starts anew");
    }

    #[tokio::test(start_paused = true)]
    async fn reporting_writes_nothing_and_the_default_says_nothing() {
        let keeper = Watchkeeper::default();
        let report = keeper.respond(&drift("apps_a__ConfigMap"), Mode::Report, Instant::now());
        let text = "Drift detected: ConfigMap/apps/a was changed by kubectl-edit".to_owned();
        assert_eq!(report, Response { wake_after: None, message: Some(text) });
        let quiet = keeper.respond(&drift("apps_a__ConfigMap"), Mode::Interval, Instant::now());
        assert_eq!(quiet, Response { wake_after: None, message: None });
    }
}
