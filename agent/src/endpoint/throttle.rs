//! How often a container may ask. Each has a bucket of its own: a noisy one takes nothing from the others.

use std::collections::HashMap;

use berth_process::bucket::{Bucket, Rate};
use parking_lot::Mutex;

/// Source: ECS agent, `ECS_TASK_METADATA_RPS_LIMIT`: 40 a second, 60 at once.
const RATE: Rate = Rate { a_second: 40.0, burst: 60.0 };
/// Buckets that are remembered before the full ones among them are forgotten: a forgotten one is full again.
const BUCKETS: usize = 4_096;

/// The buckets.
#[derive(Debug, Default)]
pub(super) struct Throttle(Mutex<HashMap<String, Bucket>>);

// === impl Throttle ===

impl Throttle {
    /// Whether whoever has this id may ask now.
    pub(super) fn admits(&self, id: &str) -> bool {
        let mut buckets = self.0.lock();
        if buckets.len() >= BUCKETS && !buckets.contains_key(id) {
            buckets.retain(|_, bucket| !bucket.is_full(RATE));
        }
        buckets.entry(id.to_owned()).or_insert_with(|| Bucket::full(RATE)).take(RATE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_container_that_asks_too_often_is_the_only_one_to_wait() {
        let throttle = Throttle::default();
        assert_eq!((0..100).filter(|_| throttle.admits("a")).count(), 60);
        assert!(throttle.admits("b"));
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        assert_eq!((0..100).filter(|_| throttle.admits("a")).count(), 40);
    }
}
