//! What a reconciler tells of itself, and which of its keys do not come to rest.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::{Key, Outcome};

/// What a reconciler did and has before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The row's name.
    pub name: &'static str,
    /// Rounds that ended.
    pub rounds: u64,
    /// Commands that rounds gave.
    pub commands: u64,
    /// Keys that wait for their time or their turn.
    pub queue_length: usize,
    /// Keys that have a round in flight.
    pub in_flight: usize,
    /// How long after the last round the next key is due.
    pub next_wake: Option<Duration>,
    /// The round that ended last.
    pub last: Option<Round>,
    /// The keys that have not been quiescent for too many rounds; the first 20 of them.
    pub restless: Vec<String>,
    /// How many keys are restless.
    pub restless_count: usize,
}

/// One round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    /// Of which key.
    pub key: String,
    /// What was done and why.
    pub reason: String,
    /// Whether everything was as it should be.
    pub quiescent: bool,
    /// How long it took.
    pub duration: Duration,
    /// When it ended.
    pub ended: Instant,
}

/// Enough to see a pattern; the status is copied for every reader.
pub(super) const RESTLESS_LISTED: usize = 20;

/// Counts each key's rounds in a row that were not quiescent. Holds only keys that have such rounds.
#[derive(Debug)]
pub(super) struct Restless<K> {
    after: u32,
    rounds: BTreeMap<K, u32>,
}

/// What a round changed in the rest of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// Nothing to tell: at rest, or not for long.
    Ordinary,
    /// This round made the key restless.
    Lost,
    /// It is restless, as before.
    Restless,
    /// It was restless and has come to rest.
    Found,
}

// === impl Restless ===

impl<K: Key> Restless<K> {
    pub(super) fn new(after: u32) -> Self {
        Self { after, rounds: BTreeMap::new() }
    }

    pub(super) fn observe(&mut self, key: &K, outcome: &Outcome) -> Rest {
        if outcome.quiescent {
            let rounds = self.rounds.remove(key).unwrap_or(0);
            return if rounds >= self.after { Rest::Found } else { Rest::Ordinary };
        }
        let rounds = self.rounds.entry(key.clone()).or_default();
        *rounds = rounds.saturating_add(1);
        match (*rounds).cmp(&self.after) {
            std::cmp::Ordering::Less => Rest::Ordinary,
            std::cmp::Ordering::Equal => Rest::Lost,
            std::cmp::Ordering::Greater => Rest::Restless,
        }
    }

    /// The restless keys.
    pub(super) fn keys(&self) -> impl Iterator<Item = &K> {
        self.rounds.iter().filter(|(_, rounds)| **rounds >= self.after).map(|(key, _)| key)
    }
}
