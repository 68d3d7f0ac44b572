//! How far the log of each container was sent, in memory and, a moment later, in the ledger.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::ledger::{self, Ledger, LogProgress};

/// How long progress may be in memory only. What an agent sends again after a crash is what it sent in this time.
const PERIOD: Duration = Duration::from_secs(1);

/// How far logs were sent.
pub(super) struct Progress {
    ledger: Arc<Ledger>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    by_id: BTreeMap<String, LogProgress>,
    /// What the ledger does not have yet.
    changed: BTreeSet<String>,
    /// What the ledger has and should not.
    gone: BTreeSet<String>,
}

// === impl Progress ===

impl Progress {
    pub(super) fn new(ledger: Arc<Ledger>, remembered: Vec<LogProgress>) -> Arc<Self> {
        let by_id = remembered.into_iter().map(|known| (known.runtime_id.clone(), known)).collect();
        Arc::new(Self { ledger, state: Mutex::new(State { by_id, ..State::default() }) })
    }

    /// Keeps the ledger up to date until the shutdown.
    pub(super) async fn keep(self: Arc<Self>, token: CancellationToken) -> Result<(), ledger::Error> {
        while token.run_until_cancelled(tokio::time::sleep(PERIOD)).await.is_some() {
            self.write().await?;
        }
        self.write().await
    }

    /// The moment of the last event of a container that was sent; none before the first.
    pub(super) fn position_ns(&self, runtime_id: &str) -> Option<i64> {
        self.state.lock().by_id.get(runtime_id).map(|known| known.position_ns).filter(|at| *at > 0)
    }

    /// Whether a container ended and all it wrote was sent.
    pub(super) fn is_done(&self, runtime_id: &str) -> bool {
        self.state.lock().by_id.get(runtime_id).is_some_and(|known| known.is_done)
    }

    pub(super) fn sent(&self, runtime_id: &str, position_ns: i64) {
        self.change(runtime_id, |known| {
            known.position_ns = known.position_ns.max(position_ns);
            known.is_done = false;
        });
    }

    pub(super) fn done(&self, runtime_id: &str) {
        self.change(runtime_id, |known| known.is_done = true);
    }

    pub(super) fn forget_all_but(&self, is_there: impl Fn(&str) -> bool) {
        let mut state = self.state.lock();
        let gone: Vec<String> = state.by_id.keys().filter(|id| !is_there(id)).cloned().collect();
        for id in gone {
            state.by_id.remove(&id);
            state.changed.remove(&id);
            state.gone.insert(id);
        }
    }

    fn change(&self, runtime_id: &str, change: impl FnOnce(&mut LogProgress)) {
        let mut state = self.state.lock();
        let known = state
            .by_id
            .entry(runtime_id.to_owned())
            .or_insert_with(|| LogProgress { runtime_id: runtime_id.to_owned(), ..LogProgress::default() });
        change(known);
        state.changed.insert(runtime_id.to_owned());
    }

    async fn write(&self) -> Result<(), ledger::Error> {
        let (changed, gone) = {
            let mut state = self.state.lock();
            let ids = std::mem::take(&mut state.changed);
            let changed: Vec<_> = ids.iter().filter_map(|id| state.by_id.get(id).cloned()).collect();
            (changed, std::mem::take(&mut state.gone).into_iter().collect::<Vec<_>>())
        };
        if changed.is_empty() && gone.is_empty() {
            Ok(())
        } else {
            self.ledger.record_logs(changed, gone).await
        }
    }
}
