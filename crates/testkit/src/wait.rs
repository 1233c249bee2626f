//! Waiting for a condition with a deadline, and free ports.
//!
//! Deliberately no plain sleep: a test says what it waits for, and a failure says what did not come.

use std::time::Duration;

use anyhow::Context as _;
use tokio::time::Instant;

/// How long to wait between two looks at the condition.
const POLL_INTERVAL: Duration = Duration::from_millis(25);

/// Calls `condition` until it returns a value, and returns it.
///
/// `Ok(None)` and `Err` both mean "not yet"; the last error is part of the message if the deadline passes. A single look that hangs is cut
/// off at the deadline too.
///
/// # Errors
/// `what` did not happen within `deadline`.
pub async fn wait_until<T>(
    deadline: Duration,
    what: &str,
    mut condition: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let end = Instant::now() + deadline;
    let mut last = None;
    loop {
        match tokio::time::timeout_at(end, condition()).await {
            Ok(Ok(Some(value))) => return Ok(value),
            Ok(Ok(None)) => last = None,
            Ok(Err(error)) => last = Some(error),
            Err(_elapsed) => {}
        }
        if Instant::now() + POLL_INTERVAL >= end {
            let message = format!("waited {deadline:?} in vain for {what}");
            return match last {
                Some(error) => Err(error.context(message)),
                None => Err(anyhow::anyhow!(message)),
            };
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Looks, without a deadline, until `look` returns something: for programs that run until another one ends.
pub async fn end_of<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    loop {
        if let Some(value) = look().await {
            return value;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Loopback ports that were free a moment ago, all different. Another process may take one before it is used: retry on a clash.
///
/// # Errors
/// If no port can be had at all.
pub fn free_ports<const N: usize>() -> anyhow::Result<[u16; N]> {
    // All are held until the last one is known, so that no two are the same.
    let mut held = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).context("find a free port")?;
        *port = listener.local_addr().context("find a free port")?.port();
        held.push(listener);
    }
    Ok(ports)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_value_ends_the_wait() {
        let mut looks = 0;
        let value = wait_until(Duration::from_secs(1), "three looks", async || {
            looks += 1;
            Ok((looks == 3).then_some(looks))
        });
        assert_eq!(value.await.unwrap(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_passed_deadline_says_what_was_waited_for_and_the_last_error() {
        let result: anyhow::Result<()> =
            wait_until(Duration::from_secs(1), "rain", async || Err(anyhow::anyhow!("sunshine"))).await;
        assert_eq!(format!("{:#}", result.unwrap_err()), "waited 1s in vain for rain: sunshine");
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_hangs_is_cut_off_at_the_deadline() {
        let result: anyhow::Result<()> =
            wait_until(Duration::from_secs(1), "an answer", async || std::future::pending().await).await;
        assert_eq!(format!("{:#}", result.unwrap_err()), "waited 1s in vain for an answer");
    }

    #[test]
    fn free_ports_are_all_different() {
        let ports = free_ports::<8>().unwrap();
        let distinct: std::collections::BTreeSet<_> = ports.into_iter().collect();
        assert_eq!(distinct.len(), ports.len());
    }
}
