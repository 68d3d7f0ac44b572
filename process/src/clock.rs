//! The wall clock, and the only place that reads it.
//!
//! A [`Clock`] says what time it is for people: timestamps in the state, token lifetimes, log records. It is
//! never used to measure or to wait: that is `tokio::time`, which a test can pause and a simulation can drive.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Tells the time of day in milliseconds since the Unix epoch. Cheap to clone; clones tell the same time.
#[derive(Clone)]
pub struct Clock(Source);

/// Moves the clock that [`Clock::manual`] returned beside it.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicI64>);

#[derive(Clone)]
enum Source {
    System,
    Manual(Arc<AtomicI64>),
    Simulated { start_unix_ms: i64, origin: Instant },
}

// === impl Clock ===

impl Clock {
    /// The host's own clock.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still until its [`ManualClock`] moves it.
    pub fn manual(start_unix_ms: i64) -> (Self, ManualClock) {
        let now = Arc::new(AtomicI64::new(start_unix_ms));
        (Self(Source::Manual(Arc::clone(&now))), ManualClock(now))
    }

    /// A clock that starts at `start_unix_ms` now and moves with tokio's time, paused or simulated.
    pub fn simulated(start_unix_ms: i64) -> Self {
        Self(Source::Simulated { start_unix_ms, origin: Instant::now() })
    }

    /// Milliseconds since the Unix epoch. Negative before 1970, as a host without a battery may believe.
    pub fn unix_ms(&self) -> i64 {
        match &self.0 {
            Source::System => system_unix_ms(),
            Source::Manual(now) => now.load(Ordering::SeqCst),
            Source::Simulated { start_unix_ms, origin } => {
                start_unix_ms.saturating_add(millis(origin.elapsed()))
            }
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = match &self.0 {
            Source::System => "system",
            Source::Manual(_) => "manual",
            Source::Simulated { .. } => "simulated",
        };
        write!(f, "Clock({source})")
    }
}

// === impl ManualClock ===

impl ManualClock {
    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(millis(by), Ordering::SeqCst);
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the wall clock")]
fn system_unix_ms() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => millis(since),
        Err(before) => -millis(before.duration()),
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let (clock, hand) = Clock::manual(1_000);
        let copy = clock.clone();
        assert_eq!(clock.unix_ms(), 1_000);
        hand.advance(Duration::from_millis(250));
        assert_eq!((clock.unix_ms(), copy.unix_ms()), (1_250, 1_250));
    }

    #[tokio::test(start_paused = true)]
    async fn a_simulated_clock_moves_with_tokio_time() {
        let clock = Clock::simulated(5_000);
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(clock.unix_ms(), 8_000);
    }

    #[test]
    fn the_system_clock_is_past_the_year_2020() {
        assert!(Clock::system().unix_ms() > 1_577_836_800_000);
    }
}
