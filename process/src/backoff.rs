//! How long to wait before trying again: the one retry delay of the project.

use std::time::Duration;

use crate::entropy::Entropy;

/// Exponential delays with full jitter: the n-th delay is anywhere between zero and `base` doubled n times, and
/// never above `cap`. Spreading over the whole range is what keeps a few thousand agents that lost the same
/// controller from coming back in the same instant.
#[derive(Clone, Debug)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
    entropy: Entropy,
    attempts: u32,
}

/// Doubling stops here; 2^20 times any base worth using is above any cap worth using.
const DOUBLINGS_MAX: u32 = 20;

// === impl Backoff ===

impl Backoff {
    /// Delays that start around `base` and stay within `cap`.
    pub fn new(base: Duration, cap: Duration, entropy: Entropy) -> Self {
        Self { base: base.min(cap), cap, entropy, attempts: 0 }
    }

    /// The delay before the next attempt.
    pub fn next_delay(&mut self) -> Duration {
        let doubled = self.base.saturating_mul(1 << self.attempts.min(DOUBLINGS_MAX));
        self.attempts = self.attempts.saturating_add(1);
        let ceiling_us = u64::try_from(doubled.min(self.cap).as_micros()).unwrap_or(u64::MAX - 1);
        Duration::from_micros(self.entropy.below(ceiling_us.saturating_add(1)))
    }

    /// The last attempt succeeded: the next delay starts from `base` again.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Duration = Duration::from_millis(100);
    const CAP: Duration = Duration::from_secs(10);

    fn longest_of_many(attempt: usize) -> Duration {
        let delay = |seed| {
            let mut backoff = Backoff::new(BASE, CAP, Entropy::seeded(seed));
            (0..=attempt).map(|_| backoff.next_delay()).last().expect("at least one delay")
        };
        (0..200).map(delay).max().expect("at least one seed")
    }

    #[test]
    fn the_ceiling_doubles_until_the_cap() {
        for (attempt, ceiling_ms) in [(0, 100), (1, 200), (3, 800), (7, 10_000), (60, 10_000)] {
            let ceiling = Duration::from_millis(ceiling_ms);
            let longest = longest_of_many(attempt);
            assert!(longest <= ceiling && longest > ceiling.mul_f64(0.9), "attempt {attempt}: {longest:?}");
        }
    }

    #[test]
    fn reset_starts_from_the_base_again() {
        let mut backoff = Backoff::new(BASE, CAP, Entropy::seeded(3));
        for _ in 0..10 {
            backoff.next_delay();
        }
        backoff.reset();
        assert!(backoff.next_delay() <= BASE);
    }
}
