//! The reconcile driver: calls a function for a key whenever it may be time to act on that key.
//!
//! A [`Row`] is a name, a way to list all keys, and `act`: an asynchronous function from a key to an [`Outcome`].
//! The driver knows nothing of what the keys stand for. It promises:
//!
//! * **Woken, never told.** A wake-up carries a key and nothing else; `act` looks for itself at what there is to do.
//!   There is one path, for the first round after a start as for any other, and no memory that matters.
//! * **Coalesced.** However often a key is woken before its round, it gets one round, at the earliest of the times.
//! * **One at a time.** A key has at most one round in flight. Woken meanwhile, it gets another one afterwards,
//!   because the round in flight may have looked too early.
//! * **Bounded.** At most `concurrency` rounds are in flight; what waits is at most one entry per key.
//! * **Nothing is forgotten.** All keys are woken at the start and once every resync period.
//! * **It tells.** What it did last and why, and which keys do not come to rest, is on a `watch`.
//!
//! A key is woken by [`Handle::poke`], by the `next_wake` of its last round, and by the resync. A round that was not
//! quiescent and names no time is followed by another at once; a key that goes on so for `restless_after` rounds
//! is *restless*: it is warned of once, and its rounds of that kind are spaced by [`RESTLESS_PAUSE`], so that a
//! command that is rejected for ever costs little. Wake-ups from outside are never held back.
//!
//! `act` runs inside the driver's task: a panic in it ends the driver, and the driver's end is the process's.

mod driver;
mod queue;
mod status;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::shutdown::{OnError, Shutdown};
use driver::{Driver, Shared};
pub use status::{Round, Status};

/// What a key must be: ordered so that rounds are, and printable for people.
pub trait Key: Ord + Clone + fmt::Display + Send + Sync + 'static {}

impl<K: Ord + Clone + fmt::Display + Send + Sync + 'static> Key for K {}

/// How far apart the rounds of a restless key are that nothing but itself asks for.
pub const RESTLESS_PAUSE: Duration = Duration::from_secs(1);

/// Rounds in flight at a time, unless the row says otherwise.
const CONCURRENCY: usize = 16;

/// With 200 commands a round, 40,000 commands for one key: more than any one step of a large service takes.
const RESTLESS_AFTER: u32 = 200;

/// What one round of a key came to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Outcome {
    /// When to look again if nothing else wakes the key before.
    pub next_wake: Option<Duration>,
    /// Whether everything was as it should be. When not, and without a `next_wake`, the key is looked at again at
    /// once.
    pub quiescent: bool,
    /// How many commands were given.
    pub commands: usize,
    /// What was done and why, or why nothing was; for people.
    pub reason: String,
}

/// One reconciler: how its keys are listed, and what is done for one.
#[must_use = "it does nothing until it is started"]
pub struct Row<K> {
    name: &'static str,
    resync: Duration,
    concurrency: usize,
    restless_after: u32,
    keys: Box<dyn Fn() -> Vec<K> + Send + Sync>,
    act: Box<dyn Fn(K) -> BoxFuture<'static, Outcome> + Send + Sync>,
}

/// Wakes the keys of a running reconciler and tells what it does. Cheap to clone.
pub struct Handle<K> {
    name: &'static str,
    shared: Arc<Shared<K>>,
    status: watch::Receiver<Status>,
}

// === impl Outcome ===

impl Outcome {
    /// Everything is as it should be.
    pub fn quiescent(reason: impl Into<String>) -> Self {
        Self { next_wake: None, quiescent: true, commands: 0, reason: reason.into() }
    }

    /// Commands were given; the next round sees what came of them.
    pub fn acted(commands: usize, reason: impl Into<String>) -> Self {
        Self { next_wake: None, quiescent: false, commands, reason: reason.into() }
    }

    /// Looks again after `delay` at the latest.
    pub fn wake_in(self, delay: Duration) -> Self {
        Self { next_wake: Some(delay), ..self }
    }
}

// === impl Row ===

impl<K: Key> Row<K> {
    /// A reconciler of the keys that `keys` lists. Every `resync`, above zero, all of them are looked at.
    pub fn new<A, F>(
        name: &'static str,
        resync: Duration,
        keys: impl Fn() -> Vec<K> + Send + Sync + 'static,
        act: A,
    ) -> Self
    where
        A: Fn(K) -> F + Send + Sync + 'static,
        F: Future<Output = Outcome> + Send + 'static,
    {
        Self {
            name,
            resync,
            concurrency: CONCURRENCY,
            restless_after: RESTLESS_AFTER,
            keys: Box::new(keys),
            act: Box::new(move |key| act(key).boxed()),
        }
    }

    /// How many keys may have a round in flight, at least one.
    pub fn concurrency(self, concurrency: usize) -> Self {
        Self { concurrency: concurrency.max(1), ..self }
    }

    /// After how many rounds in a row that were not quiescent a key is restless, at least one.
    pub fn restless_after(self, rounds: u32) -> Self {
        Self { restless_after: rounds.max(1), ..self }
    }

    /// Starts it in the scope of `shutdown`. When that is cancelled, rounds in flight are dropped where they wait.
    pub fn start(self, shutdown: &Shutdown) -> Handle<K> {
        let (name, shared) = (self.name, Arc::new(Shared::default()));
        let (driver, status) = Driver::new(self, Arc::clone(&shared));
        let token = shutdown.token().clone();
        shutdown.spawn(name, OnError::Shutdown, async move {
            driver.run(token).await;
            Ok::<(), std::convert::Infallible>(())
        });
        Handle { name, shared, status }
    }
}

impl<K> fmt::Debug for Row<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Row").field("name", &self.name).field("resync", &self.resync).finish_non_exhaustive()
    }
}

// === impl Handle ===

impl<K: Key> Handle<K> {
    /// The name of the row.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Looks at `key` as soon as possible. Never waits.
    pub fn poke(&self, key: K) {
        self.shared.wake(key, Instant::now());
    }

    /// Looks at `key` after `delay` at the latest.
    pub fn poke_in(&self, key: K, delay: Duration) {
        self.shared.wake(key, Instant::now() + delay);
    }

    /// Lists the keys anew and looks at all of them.
    pub fn poke_all(&self) {
        self.shared.wake_all();
    }

    /// What the reconciler did last; changes after every round.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }
}

impl<K> Clone for Handle<K> {
    fn clone(&self) -> Self {
        Self { name: self.name, shared: Arc::clone(&self.shared), status: self.status.clone() }
    }
}

impl<K> fmt::Debug for Handle<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
