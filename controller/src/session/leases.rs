//! Which instances somebody vouched for lately. Held by every controller, believed only on the leader.
//!
//! In memory and in monotonic time: liveness never enters the log. After a change of leader every lease starts anew,
//! because the new leader has heard of nobody yet.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use berth_model::id::InstanceId;
use berth_model::state::State;
use parking_lot::Mutex;
use tokio::time::Instant;

/// Cheap to clone; all clones share the leases.
#[derive(Clone, Debug)]
pub struct Leases(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    since: Instant,
    heard: BTreeMap<InstanceId, Instant>,
}

// === impl Leases ===

impl Default for Leases {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Inner { since: Instant::now(), heard: BTreeMap::new() })))
    }
}

impl Leases {
    /// Starts every lease anew.
    pub fn reset(&self) {
        *self.0.lock() = Inner { since: Instant::now(), heard: BTreeMap::new() };
    }

    /// Some controller holds the sessions of these instances at this moment.
    pub fn vouch(&self, instances: impl IntoIterator<Item = InstanceId>) {
        let now = Instant::now();
        self.0.lock().heard.extend(instances.into_iter().map(|id| (id, now)));
    }

    /// For each instance that counts as connected and that nobody vouched for within `window`: for how long nobody has.
    ///
    /// One that was vouched for a moment ago is not silent: a planner that took it for that would see every instance
    /// silent all the time, and never declare one lost.
    pub fn silent(&self, state: &State, window: Duration) -> BTreeMap<InstanceId, Duration> {
        let leases = self.0.lock();
        let now = Instant::now();
        let silence = |id| now - leases.heard.get(id).copied().unwrap_or(leases.since).max(leases.since);
        let connected = state.instances().filter(|instance| instance.connected);
        let silences = connected.map(|instance| (instance.id, silence(&instance.id)));
        silences.filter(|(_, silence)| *silence > window).collect()
    }

    /// Keeps nothing of instances that no region has.
    pub fn forget_unknown(&self, state: &State) {
        self.0.lock().heard.retain(|id, _| state.region_of_instance(*id).is_some());
    }

    /// Instances that were declared lost and that somebody vouched for within `window`.
    pub fn returned(&self, state: &State, window: Duration) -> Vec<InstanceId> {
        let leases = self.0.lock();
        let now = Instant::now();
        let lost = state.instances().filter(|instance| !instance.connected);
        let vouched = |id: &InstanceId| leases.heard.get(id).is_some_and(|heard| now - *heard <= window);
        lost.map(|instance| instance.id).filter(vouched).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_new_leader_gives_every_lease_its_full_time() {
        let leases = Leases::default();
        tokio::time::advance(Duration::from_secs(60)).await;
        leases.reset();
        let state = State::default();
        assert!(leases.silent(&state, Duration::from_secs(3)).is_empty());
        leases.vouch([InstanceId::new(1)]);
        assert!(
            leases.returned(&state, Duration::from_secs(3)).is_empty(),
            "an instance nobody registered is no news"
        );
    }
}
