//! Which key is due when. Pure: it is told the time.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

/// Keys by the time they are due, each at most once, and the keys whose round is in flight.
#[derive(Debug)]
pub(super) struct Queue<K> {
    /// When each waiting key is due; `order` holds the same pairs, sorted by time.
    due: BTreeMap<K, Instant>,
    order: BTreeSet<(Instant, K)>,
    /// Keys in flight, with the time they were woken for meanwhile.
    in_flight: BTreeMap<K, Option<Instant>>,
}

// === impl Queue ===

impl<K: Ord + Clone> Queue<K> {
    /// `key` is due at `at`, or earlier if it was already.
    pub(super) fn wake(&mut self, key: K, at: Instant) {
        if let Some(again) = self.in_flight.get_mut(&key) {
            *again = Some(again.map_or(at, |earlier| earlier.min(at)));
            return;
        }
        if let Some(&earlier) = self.due.get(&key) {
            if earlier <= at {
                return;
            }
            self.order.remove(&(earlier, key.clone()));
        }
        self.due.insert(key.clone(), at);
        self.order.insert((at, key));
    }

    /// The key that has been due for longest, now in flight.
    pub(super) fn start(&mut self, now: Instant) -> Option<K> {
        if self.next_due()? > now {
            return None;
        }
        let (_, key) = self.order.pop_first()?;
        self.due.remove(&key);
        self.in_flight.insert(key.clone(), None);
        Some(key)
    }

    /// The round of `key` is over. It is due again at `next`, or earlier if it was woken meanwhile.
    pub(super) fn finish(&mut self, key: K, next: Option<Instant>) {
        let again = self.in_flight.remove(&key).flatten();
        for at in [next, again].into_iter().flatten() {
            self.wake(key.clone(), at);
        }
    }

    /// When the next key is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }

    /// How many keys wait for their time or their turn.
    pub(super) fn waiting(&self) -> usize {
        self.due.len()
    }

    /// How many keys have a round in flight.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }
}

impl<K> Default for Queue<K> {
    fn default() -> Self {
        Self { due: BTreeMap::new(), order: BTreeSet::new(), in_flight: BTreeMap::new() }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(origin: Instant, seconds: u64) -> Instant {
        origin + Duration::from_secs(seconds)
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_waits_once_for_the_earliest_time() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        for seconds in [5, 3, 9] {
            queue.wake("a", at(now, seconds));
        }
        assert_eq!((queue.waiting(), queue.next_due()), (1, Some(at(now, 3))));
        assert_eq!(queue.start(at(now, 2)), None);
        assert_eq!(queue.start(at(now, 3)), Some("a"));
        assert_eq!((queue.start(at(now, 9)), queue.waiting()), (None, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn keys_start_in_the_order_they_became_due() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.wake("a", at(now, 2));
        queue.wake("b", at(now, 1));
        queue.wake("c", at(now, 3));
        let started: Vec<_> = std::iter::from_fn(|| queue.start(at(now, 9))).collect();
        assert_eq!((started, queue.in_flight()), (vec!["b", "a", "c"], 3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_in_flight_waits_for_its_round_to_end() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.wake("a", now);
        assert_eq!(queue.start(now), Some("a"));
        queue.wake("a", at(now, 4));
        queue.wake("a", at(now, 2));
        assert_eq!((queue.start(at(now, 9)), queue.waiting()), (None, 0));
        queue.finish("a", Some(at(now, 3)));
        assert_eq!(queue.next_due(), Some(at(now, 2)));
        assert_eq!(queue.start(at(now, 2)), Some("a"));
        queue.finish("a", None);
        assert_eq!((queue.waiting(), queue.in_flight()), (0, 0));
    }
}
