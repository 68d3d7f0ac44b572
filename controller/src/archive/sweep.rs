//! What is too old leaves the disk, and what belongs to no group any more.

use std::collections::BTreeMap;
use std::time::Duration;

use berth_model::time::Timestamp;
use berth_process::clock::Clock;

use super::Disk;
use super::writer::Change;
use crate::raft::Consensus;

/// How often. Reads leave out what is too old, so this is only about space.
const PERIOD: Duration = Duration::from_secs(60);

/// Since when each group keeps its events.
#[derive(Clone, Debug, Default)]
pub(super) struct Expiry {
    /// By the group's id; `None`: since ever.
    groups: BTreeMap<u64, Option<i64>>,
}

// === impl Expiry ===

impl Expiry {
    pub(super) fn new(groups: impl IntoIterator<Item = (u64, Option<Timestamp>)>) -> Self {
        let before = |(id, before): (u64, Option<Timestamp>)| (id, before.map(Timestamp::unix_ms));
        Self { groups: groups.into_iter().map(before).collect() }
    }

    /// Before which time events of a group are to go: all, when there is no such group.
    pub(super) fn before(&self, group: u64) -> Option<i64> {
        self.groups.get(&group).copied().unwrap_or(Some(i64::MAX))
    }
}

/// Sweeps until it is dropped.
pub async fn sweep(disk: Disk, consensus: Consensus, clock: Clock) {
    loop {
        tokio::time::sleep(PERIOD).await;
        // Only a state that has every group whose events may be here can say that there is no such group.
        let Ok(view) = consensus.linearize().await else { continue };
        let now = Timestamp::from_unix_ms(clock.unix_ms());
        let groups = view.every_region().flat_map(|region| region.log_groups());
        let expiry = Expiry::new(groups.map(|group| (group.id, group.expired_before(now))));
        for change in [Change::Expire(expiry), Change::Collect] {
            // The writer tells what went wrong.
            let _ = disk.order(change).await;
        }
    }
}
