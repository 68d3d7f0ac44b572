//! The one way a test waits: for a condition, with a deadline.
//!
//! A condition is an async closure; an error means "not yet" and says what is still missing, so that a deadline
//! missed can tell how far it came.

use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Repeats `condition` until it holds.
///
/// # Errors
/// When it does not hold by the deadline: the last thing that was missing.
pub async fn try_until<T>(deadline: Duration, mut condition: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    let end = Instant::now() + deadline;
    let mut ticks = interval(POLL_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut missing = anyhow::anyhow!("the first attempt did not even end");
    loop {
        ticks.tick().await;
        // One attempt may hang, as calls to a partitioned controller do: it must not outlive the deadline.
        match timeout(end.saturating_duration_since(Instant::now()), condition()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => missing = error,
            Err(_) => return Err(missing).with_context(|| format!("not within {deadline:?}")),
        }
        if Instant::now() >= end {
            return Err(missing).with_context(|| format!("not within {deadline:?}"));
        }
    }
}

/// The same; a deadline missed fails the test with the claim and with what was missing.
///
/// # Panics
/// When the condition does not hold by the deadline.
pub async fn until<T>(claim: &str, deadline: Duration, condition: impl AsyncFnMut() -> Result<T>) -> T {
    match try_until(deadline, condition).await {
        Ok(value) => value,
        Err(error) => panic!("{claim}: {error:#}"),
    }
}

/// Lets `period` pass, in which `invariant` has to hold at every look.
///
/// # Panics
/// At the first look at which it does not hold.
pub async fn throughout(claim: &str, period: Duration, mut invariant: impl AsyncFnMut() -> Result<()>) {
    let end = Instant::now() + period;
    let mut ticks = interval(POLL_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while Instant::now() < end {
        ticks.tick().await;
        if let Err(error) = invariant().await {
            panic!("{claim}: {error:#}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ends_as_soon_as_the_condition_holds() {
        let mut attempts = 0;
        let value = try_until(Duration::from_secs(60), async || {
            attempts += 1;
            anyhow::ensure!(attempts == 2, "{attempts} attempts");
            Ok(attempts)
        });
        assert_eq!(value.await.unwrap(), 2);
    }

    #[tokio::test]
    async fn a_deadline_missed_tells_what_was_missing() {
        let never =
            try_until(Duration::from_millis(1), async || -> Result<()> { anyhow::bail!("five of six") });
        let error = format!("{:#}", never.await.unwrap_err());
        assert_eq!(error, "not within 1ms: five of six");
    }

    #[tokio::test]
    async fn an_attempt_that_hangs_does_not_outlive_the_deadline() {
        let hanging =
            try_until(Duration::from_millis(20), async || std::future::pending::<Result<()>>().await);
        assert!(hanging.await.is_err());
    }
}
