//! A bound on how often something happens: a bucket that fills at a steady rate, out of which every event takes one.

use tokio::time::Instant;

/// How fast a bucket fills, and how much it holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Events a second, in the long run.
    pub a_second: f64,
    /// Events at once, after a pause.
    pub burst: f64,
}

/// A bucket. It is full at first.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    left: f64,
    filled_at: Instant,
}

// === impl Bucket ===

impl Bucket {
    /// A full one.
    #[must_use]
    pub fn full(rate: Rate) -> Self {
        Self { left: rate.burst, filled_at: Instant::now() }
    }

    /// Takes one out; false when there is none.
    pub fn take(&mut self, rate: Rate) -> bool {
        self.fill(rate);
        if self.left < 1.0 {
            return false;
        }
        self.left -= 1.0;
        true
    }

    /// Whether it is as if nothing had ever been taken.
    pub fn is_full(&mut self, rate: Rate) -> bool {
        self.fill(rate);
        self.left >= rate.burst
    }

    fn fill(&mut self, rate: Rate) {
        let now = Instant::now();
        let filled = now.saturating_duration_since(self.filled_at).as_secs_f64() * rate.a_second;
        self.left = (self.left + filled).min(rate.burst);
        self.filled_at = now;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_bucket_empties_and_fills_again() {
        let rate = Rate { a_second: 10.0, burst: 20.0 };
        let mut bucket = Bucket::full(rate);
        assert_eq!((0..100).take_while(|_| bucket.take(rate)).count(), 20);
        assert!(!bucket.is_full(rate));
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!((0..100).take_while(|_| bucket.take(rate)).count(), 5);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(bucket.is_full(rate));
    }
}
