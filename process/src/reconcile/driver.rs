//! The loop: starts what is due, and waits for what comes next.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, info, info_span, warn};

use super::queue::Queue;
use super::status::{RESTLESS_LISTED, Rest, Restless};
use super::{Key, Outcome, RESTLESS_PAUSE, Round, Row, Status};

/// What the handles and the driver share. The queue is a set of keys, so waking needs no channel that could fill.
#[derive(Debug)]
pub(super) struct Shared<K> {
    queue: Mutex<Queue<K>>,
    all: AtomicBool,
    woken: Notify,
}

/// Sole owner of a reconciler's rounds.
pub(super) struct Driver<K: Key> {
    row: Row<K>,
    shared: Arc<Shared<K>>,
    in_flight: FuturesUnordered<BoxFuture<'static, Ended<K>>>,
    restless: Restless<K>,
    status: watch::Sender<Status>,
}

struct Ended<K> {
    key: K,
    outcome: Outcome,
    duration: Duration,
}

// === impl Shared ===

impl<K: Key> Shared<K> {
    pub(super) fn wake(&self, key: K, at: Instant) {
        self.queue.lock().wake(key, at);
        self.woken.notify_one();
    }

    pub(super) fn wake_all(&self) {
        self.all.store(true, Ordering::SeqCst);
        self.woken.notify_one();
    }
}

impl<K> Default for Shared<K> {
    fn default() -> Self {
        Self { queue: Mutex::default(), all: AtomicBool::new(false), woken: Notify::new() }
    }
}

// === impl Driver ===

impl<K: Key> Driver<K> {
    pub(super) fn new(row: Row<K>, shared: Arc<Shared<K>>) -> (Self, watch::Receiver<Status>) {
        let (status, watch) = watch::channel(Status { name: row.name, ..Status::default() });
        let restless = Restless::new(row.restless_after);
        (Self { row, shared, in_flight: FuturesUnordered::new(), restless, status }, watch)
    }

    pub(super) async fn run(mut self, token: CancellationToken) {
        let mut resync = self.resync();
        loop {
            self.start_due();
            let next_due = self.next_due();
            tokio::select! {
                biased;
                // Cancel-safe: the token stays cancelled.
                () = token.cancelled() => return,
                // Cancel-safe: a tick that was not taken is there the next time. Ahead of the rounds, because it is
                // rare and rounds may be always ready.
                _ = resync.tick() => self.wake_keys(),
                // Cancel-safe: the stream keeps a round until it is taken.
                Some(ended) = self.in_flight.next(), if !self.in_flight.is_empty() => self.finish(ended),
                // Cancel-safe: a permit that was not taken is kept; and what it tells of is in the queue, which
                // every turn of the loop looks into.
                () = self.shared.woken.notified() => {
                    if self.shared.all.swap(false, Ordering::SeqCst) {
                        self.wake_keys();
                    }
                }
                // Cancel-safe: the time is computed anew in every turn.
                () = sleep_until(next_due.unwrap_or_else(Instant::now)), if next_due.is_some() => {}
            }
        }
    }

    /// The first tick is at once: after a start everything is looked at.
    fn resync(&self) -> Interval {
        let mut resync = interval(self.row.resync.max(Duration::from_millis(1)));
        resync.set_missed_tick_behavior(MissedTickBehavior::Delay);
        resync
    }

    fn wake_keys(&self) {
        let (keys, now) = ((self.row.keys)(), Instant::now());
        let mut queue = self.shared.queue.lock();
        for key in keys {
            queue.wake(key, now);
        }
    }

    /// `None` while every slot is taken: then only the end of a round makes room.
    fn next_due(&self) -> Option<Instant> {
        (self.in_flight.len() < self.row.concurrency).then(|| self.shared.queue.lock().next_due()).flatten()
    }

    fn start_due(&mut self) {
        while self.in_flight.len() < self.row.concurrency {
            let started = Instant::now();
            let Some(key) = self.shared.queue.lock().start(started) else {
                return;
            };
            // A trace of its own: what a round does was asked for by nobody's request.
            let span = info_span!(parent: None, "reconcile", reconciler = self.row.name, %key);
            let acting = span.in_scope(|| (self.row.act)(key.clone()));
            let round = acting.map(move |outcome| Ended { key, outcome, duration: started.elapsed() });
            self.in_flight.push(round.instrument(span).boxed());
        }
    }

    fn finish(&mut self, ended: Ended<K>) {
        let Ended { key, outcome, duration } = ended;
        let rest = self.restless.observe(&key, &outcome);
        self.tell(&key, &outcome, rest);
        let now = Instant::now();
        let next = next_wake(&outcome, rest).map(|delay| now + delay);
        let shown = key.to_string();
        let mut queue = self.shared.queue.lock();
        queue.finish(key, next);
        let (waiting, in_flight, next_due) = (queue.waiting(), queue.in_flight(), queue.next_due());
        drop(queue);
        self.status.send_modify(|status| {
            status.rounds += 1;
            status.commands += outcome.commands as u64;
            status.queue_length = waiting;
            status.in_flight = in_flight;
            status.next_wake = next_due.map(|at| at.saturating_duration_since(now));
            let (reason, quiescent) = (outcome.reason, outcome.quiescent);
            status.last = Some(Round { key: shown, reason, quiescent, duration, ended: now });
            if matches!(rest, Rest::Lost | Rest::Found) {
                status.restless =
                    self.restless.keys().take(RESTLESS_LISTED).map(ToString::to_string).collect();
                status.restless_count = self.restless.keys().count();
            }
        });
    }

    fn tell(&self, key: &K, outcome: &Outcome, rest: Rest) {
        let (reconciler, reason) = (self.row.name, &outcome.reason);
        match rest {
            Rest::Lost => warn!(
                reconciler,
                %key,
                reason,
                rounds = self.row.restless_after,
                "a key does not come to rest; its rounds are spaced from now on"
            ),
            Rest::Found => info!(reconciler, %key, reason, "a restless key has come to rest"),
            Rest::Ordinary | Rest::Restless => {
                debug!(reconciler, %key, reason, commands = outcome.commands, "round ended");
            }
        }
    }
}

/// When the key itself wants to be looked at again.
fn next_wake(outcome: &Outcome, rest: Rest) -> Option<Duration> {
    if outcome.quiescent || outcome.next_wake.is_some() {
        return outcome.next_wake;
    }
    Some(if matches!(rest, Rest::Lost | Rest::Restless) { RESTLESS_PAUSE } else { Duration::ZERO })
}
