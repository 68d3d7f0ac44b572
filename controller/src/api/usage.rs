//! How much each access key calls, and when it last did.
//!
//! A key has a bucket of calls that fills at a steady rate; a call takes one out, and when there is none it is refused.
//! The buckets are this controller's own: a key that spreads its calls over three controllers may call three times as
//! much. Keys are those of the state, so there are never many.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use berth_model::time::Timestamp;
use berth_process::bucket::{Bucket, Rate};
use berth_process::clock::Clock;
use parking_lot::Mutex;

use super::auth::Principal;
use super::edge::is_of_clients;
use super::error;
use crate::limits::{KEY_BURST_SECONDS, KEY_USE_RESOLUTION};

/// The memory. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Usage {
    rate: Rate,
    clock: Clock,
    keys: Arc<Mutex<HashMap<Arc<str>, Key>>>,
}

#[derive(Debug)]
struct Key {
    bucket: Bucket,
    used_at: Timestamp,
    /// What of `used_at` is in the state already, as far as this controller knows.
    noted_at: Option<Timestamp>,
}

// === impl Usage ===

impl Usage {
    /// With so many calls a second for each key.
    pub(crate) fn new(calls_a_second: u32, clock: Clock) -> Self {
        let a_second = f64::from(calls_a_second);
        let rate = Rate { a_second, burst: a_second * KEY_BURST_SECONDS };
        Self { rate, clock, keys: Arc::default() }
    }

    /// Takes one call out of the key's bucket. Nothing comes of it when there is none.
    fn call(&self, key: &Arc<str>) -> bool {
        let mut keys = self.keys.lock();
        let key = keys.entry(Arc::clone(key)).or_insert_with(|| Key {
            bucket: Bucket::full(self.rate),
            used_at: Timestamp::default(),
            noted_at: None,
        });
        key.used_at = Timestamp::from_unix_ms(self.clock.unix_ms());
        key.bucket.take(self.rate)
    }

    /// Uses that the state does not have yet, as far as they are worth a command. Given once.
    pub(crate) fn take_news(&self) -> Vec<(String, Timestamp)> {
        let mut news = Vec::new();
        for (id, key) in self.keys.lock().iter_mut() {
            let known = key.noted_at.map(|at| at.plus(KEY_USE_RESOLUTION));
            if known.is_none_or(|until| until <= key.used_at) {
                key.noted_at = Some(key.used_at);
                news.push((id.to_string(), key.used_at));
            }
        }
        news.sort();
        news
    }
}

/// The layer that bounds the calls of each key. Agents and controllers are bounded by their number.
pub(crate) async fn limit(State(usage): State<Usage>, request: Request, next: Next) -> Response {
    let caller =
        request.extensions().get::<Principal>().map(|principal| Arc::clone(&principal.access_key_id));
    match caller.filter(|_| is_of_clients(request.uri().path())) {
        Some(key) if !usage.call(&key) => error::key_throttled().into_http(),
        _ => next.run(request).await,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_bucket_empties_and_fills_again() {
        let usage = Usage::new(10, Clock::manual(1_000).0);
        let (one, other) = (Arc::from("BKU1"), Arc::from("BKU2"));
        let most = (0..100).take_while(|_| usage.call(&one)).count();
        assert_eq!(most, 20, "two seconds' worth at once");
        assert!(usage.call(&other), "keys do not share a bucket");
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!((0..100).take_while(|_| usage.call(&one)).count(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_use_is_told_once_in_a_while() {
        let (clock, hand) = Clock::manual(1_000);
        let usage = Usage::new(10, clock);
        let key: Arc<str> = Arc::from("BKU1");
        assert!(usage.call(&key));
        assert_eq!(usage.take_news(), [("BKU1".to_owned(), Timestamp::from_unix_ms(1_000))]);
        hand.advance(KEY_USE_RESOLUTION - Duration::from_secs(1));
        assert!(usage.call(&key));
        assert_eq!(usage.take_news(), []);
        hand.advance(Duration::from_secs(1));
        assert!(usage.call(&key));
        assert_eq!(usage.take_news().len(), 1);
    }
}
