//! When a request is sent again, and how long to wait before: pure functions of what came back.
//!
//! Deliberately no deadline: the caller's own, around the whole call, ends waiting too.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;

use crate::{FailureKind, HttpError};

/// How often and how patiently a request is repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Requests in all, the first one included; 0 counts as 1.
    pub attempts: u32,
    /// The wait after the first failure; it doubles with each further one.
    pub min_wait: Duration,
    /// The longest wait between two requests. Bounds `Retry-After` as well: a host must not be able to park a worker for a day.
    pub max_wait: Duration,
}

impl RetryPolicy {
    /// One request, no repetition.
    pub const NEVER: Self = Self { attempts: 1, min_wait: Duration::ZERO, max_wait: Duration::ZERO };

    /// Whether this failure of attempt number `attempt` (from 1) is worth another.
    pub(crate) fn again_after_error(&self, attempt: u32, error: &HttpError) -> bool {
        attempt < self.attempts
            && match error.kind() {
                Some(
                    FailureKind::Connect | FailureKind::UnknownHost | FailureKind::Timeout | FailureKind::Interrupted,
                ) => true,
                // An unknown issuer, a refused redirect or a malformed request stays what it is.
                Some(FailureKind::Tls | FailureKind::Redirect | FailureKind::Request) | None => false,
            }
    }

    /// Whether this status of attempt number `attempt` (from 1) is worth another: 429, and 5xx but 501.
    pub(crate) fn again_after_status(&self, attempt: u32, status: StatusCode) -> bool {
        attempt < self.attempts
            && (status == StatusCode::TOO_MANY_REQUESTS
                || (status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED))
    }

    /// The wait after attempt number `attempt` (from 1): what the host asked for, else exponential; never above `max_wait`.
    pub(crate) fn wait(&self, attempt: u32, asked: Option<Duration>) -> Duration {
        let doubled = self.min_wait.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1)));
        asked.unwrap_or(doubled).min(self.max_wait)
    }
}

/// `Retry-After` of a 429 or 503, in either of its forms (seconds, or a date against `now`).
pub(crate) fn retry_after(status: StatusCode, headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    if status != StatusCode::TOO_MANY_REQUESTS && status != StatusCode::SERVICE_UNAVAILABLE {
        return None;
    }
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
    Some(Duration::try_from(date.duration_since(now)).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy =
        RetryPolicy { attempts: 4, min_wait: Duration::from_secs(1), max_wait: Duration::from_secs(30) };

    #[test]
    fn waits_double_up_to_the_bound_and_the_host_may_ask_for_less_than_the_bound() {
        let waits: Vec<u64> = (1..=7).map(|attempt| POLICY.wait(attempt, None).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(POLICY.wait(1, Some(Duration::from_secs(7))).as_secs(), 7);
        assert_eq!(POLICY.wait(1, Some(Duration::from_secs(86_400))).as_secs(), 30);
    }

    #[test]
    fn too_many_requests_and_server_errors_but_501_are_retried_until_the_attempts_are_used_up() {
        for (status, again) in [(200, false), (404, false), (429, true), (500, true), (501, false), (503, true)] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(POLICY.again_after_status(1, status), again, "{status}");
            assert!(!POLICY.again_after_status(4, status), "{status}");
        }
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_date_from_429_and_503_only() {
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        for (status, value, expected) in [
            (429, "12", Some(12)),
            (503, "Fri, 02 Jan 2026 03:05:05 GMT", Some(60)),
            (503, "Fri, 02 Jan 2026 03:03:05 GMT", Some(0)),
            (500, "12", None),
            (429, "soon", None),
        ] {
            let headers = HeaderMap::from_iter([(header::RETRY_AFTER, value.parse().unwrap())]);
            let wait = retry_after(StatusCode::from_u16(status).unwrap(), &headers, now);
            assert_eq!(wait, expected.map(Duration::from_secs), "{status} {value}");
        }
    }
}
