//! When a request is made again, and after what time.
//!
//! Only requests that may be made twice come here: reads, dry-runs, forced applies, deletions of one uid. The pauses are short, since what
//! the caller has in hand waits; a pass that fails is tried again as a whole, later. Deliberately not here: making requests.

use std::time::Duration;

use http::HeaderMap;
use http::header::RETRY_AFTER;
use kube::core::Status;

/// Attempts in all.
const MAX_ATTEMPTS: u32 = 4;

/// Attempts where one is slow or the fault may be the object's own.
const FEW_ATTEMPTS: u32 = 2;

/// Pauses after the first attempts.
const PAUSES: [Duration; 3] = [Duration::from_millis(100), Duration::from_millis(400), Duration::from_millis(1600)];

/// A server that wants a longer pause than this is not asked again in this pass.
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// The largest part of an answer that is no `Status` which goes into a message, in characters.
const MAX_MESSAGE: usize = 1024;

/// What went wrong with one attempt.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The server answered with an error.
    Refused {
        /// What it said.
        status: Box<Status>,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// No connection, or a broken one.
    Connection(kube::Error),
    /// The request could not be made, or the answer not be read.
    Local(kube::Error),
}

/// What a conflict means for the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conflicts {
    /// The server lost a race against another write; it will win another time.
    Race,
    /// The request is about a state that is gone.
    Outdated,
}

impl Fault {
    /// Reads an answer that is an error.
    pub(crate) fn answered(code: u16, headers: &HeaderMap, body: &[u8]) -> Self {
        let status: Status = serde_json::from_slice(body).unwrap_or_else(|_| {
            // A proxy or a filter before the API proper answers in plain text.
            let text: String = String::from_utf8_lossy(body).trim().chars().take(MAX_MESSAGE).collect();
            Status::failure(&text, "")
        });
        // Where the code is not in the body it is that of the answer.
        let status = if status.code == 0 { status.with_code(code) } else { status };
        let in_header = || headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok();
        let in_body =
            || status.details.as_ref().map(|details| details.retry_after_seconds).filter(|seconds| *seconds > 0);
        let retry_after = in_header().or_else(|| in_body().map(u64::from)).map(Duration::from_secs);
        Self::Refused { status: status.boxed(), retry_after }
    }

    /// Takes an error of the client.
    pub(crate) fn of(error: kube::Error) -> Self {
        match error {
            kube::Error::Service(_) | kube::Error::HyperError(_) => Self::Connection(error),
            other => Self::Local(other),
        }
    }

    pub(crate) fn into_error(self) -> kube::Error {
        match self {
            Self::Refused { status, .. } => kube::Error::Api(status),
            Self::Connection(error) | Self::Local(error) => error,
        }
    }

    /// How long to wait before the next attempt; `None` when there is none. `attempt` counts from 1.
    pub(crate) fn pause(&self, attempt: u32, conflicts: Conflicts) -> Option<Duration> {
        let (attempts, wanted) = match self {
            Self::Local(_) => return None,
            Self::Connection(_) => (MAX_ATTEMPTS, Duration::ZERO),
            Self::Refused { status, retry_after } => {
                let attempts = match status.code {
                    429 | 502 | 503 => MAX_ATTEMPTS,
                    // A server ends a request after a minute with 504.
                    504 => FEW_ATTEMPTS,
                    500..=599 if retry_after.is_some() => MAX_ATTEMPTS,
                    500..=599 if is_about_object(status) => return None,
                    500..=599 => FEW_ATTEMPTS,
                    409 if conflicts == Conflicts::Race && is_race(status) => MAX_ATTEMPTS,
                    _ => return None,
                };
                (attempts, retry_after.unwrap_or_default())
            }
        };
        let index = usize::try_from(attempt.saturating_sub(1)).ok()?;
        let grown = PAUSES.get(index)?;
        (attempt < attempts && wanted <= MAX_PAUSE).then(|| wanted.max(*grown))
    }
}

/// Whether a server that could not read the object answered as if the fault were its own, as servers do for what is of no known type.
fn is_about_object(status: &Status) -> bool {
    ["typed patch object", "typed live object", "field not declared in schema", "failed to convert"]
        .iter()
        .any(|part| status.message.contains(part))
}

/// Whether two writes met, rather than two owners of a field.
fn is_race(status: &Status) -> bool {
    let owners = |details: &kube::core::response::StatusDetails| {
        details.causes.iter().any(|cause| cause.reason == "FieldManagerConflict")
    };
    status.reason == "Conflict" && !status.details.as_ref().is_some_and(owners)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(code: u16, retry_after: Option<&str>, body: &str) -> Fault {
        let mut headers = HeaderMap::new();
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, seconds.parse().unwrap());
        }
        Fault::answered(code, &headers, body.as_bytes())
    }

    fn pauses(fault: &Fault, conflicts: Conflicts) -> Vec<u64> {
        let pauses = (1..10).map_while(|attempt| fault.pause(attempt, conflicts));
        pauses.map(|pause| u64::try_from(pause.as_millis()).unwrap()).collect()
    }

    #[test]
    fn what_may_pass_is_tried_again_after_growing_pauses() {
        let race = json!({"kind": "Status", "status": "Failure", "reason": "Conflict", "code": 409}).to_string();
        let owners = json!({"kind": "Status", "status": "Failure", "reason": "Conflict", "code": 409,
            "details": {"causes": [{"reason": "FieldManagerConflict"}]}})
        .to_string();
        let hint = json!({"kind": "Status", "status": "Failure", "code": 429, "details": {"retryAfterSeconds": 3}});
        for (code, retry_after, body, expected) in [
            (429, None, "Too many requests", vec![100, 400, 1600]),
            (429, Some("1"), "Too many requests", vec![1000, 1000, 1600]),
            (429, None, hint.to_string().as_str(), vec![3000, 3000, 3000]),
            (503, Some("60"), "busy", vec![]),
            (503, Some("soon"), "busy", vec![100, 400, 1600]),
            (502, None, "<html>", vec![100, 400, 1600]),
            (504, None, "slow", vec![100]),
            (500, None, "etcdserver: leader changed", vec![100]),
            (500, Some("2"), "starting", vec![2000, 2000, 2000]),
            (500, None, "failed to create typed patch object: .spec.x: expected string", vec![]),
            (409, None, race.as_str(), vec![100, 400, 1600]),
            (409, None, owners.as_str(), vec![]),
            (422, None, "no", vec![]),
            (403, None, "no", vec![]),
            (404, None, "no", vec![]),
        ] {
            assert_eq!(
                pauses(&answer(code, retry_after, body), Conflicts::Race),
                expected,
                "{code} {retry_after:?} {body}"
            );
        }
        assert_eq!(pauses(&answer(409, None, &race), Conflicts::Outdated), [0; 0]);
    }

    #[test]
    fn an_answer_in_plain_text_becomes_a_short_message() {
        let Fault::Refused { status, .. } = answer(503, None, &format!(" {} ", "x".repeat(5000))) else { panic!() };
        assert_eq!((status.code, status.reason.as_str(), status.message.len()), (503, "", MAX_MESSAGE));
    }
}
