//! Keeps the log within its bounds in bytes.
//!
//! openraft counts entries: it makes a snapshot after so many and keeps so many behind it. But an entry may be a
//! hundred bytes or a mebibyte, so this looks at the bytes as well.

use std::convert::Infallible;
use std::time::Duration;

use openraft::{BasicNode, Raft, RaftMetrics};
use tokio::time::MissedTickBehavior;
use tracing::debug;

use super::log_store::LogStore;
use super::{ControllerId, LogId, TypeConfig};
use crate::limits::LOG_PART_BEHIND_SNAPSHOT;

/// What to ask of openraft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Snapshot,
    Purge { upto: u64 },
    Nothing,
}

/// How often it looks. At 100 MB a second the bounds are passed by less than half.
const PERIOD: Duration = Duration::from_secs(1);

/// Looks, again and again, so that no more than about `bytes` of log are newer than the snapshot. Never ends by itself.
pub(super) async fn run(raft: Raft<TypeConfig>, log: LogStore, bytes: u64) -> Infallible {
    let mut interval = tokio::time::interval(PERIOD);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let step = step(&raft.metrics().borrow(), &log, bytes);
        let asked = match step {
            Step::Snapshot => raft.trigger().snapshot().await,
            Step::Purge { upto } => raft.trigger().purge_log(upto).await,
            Step::Nothing => Ok(()),
        };
        if let Err(error) = asked {
            debug!(%error, ?step, "consensus is stopping");
        }
    }
}

fn step(metrics: &RaftMetrics<ControllerId, BasicNode>, log: &LogStore, bytes: u64) -> Step {
    let index = |log_id: Option<LogId>| log_id.map(|log_id| log_id.index);
    let snapshot = index(metrics.snapshot);
    let behind = log.bytes_between(index(metrics.purged), snapshot);
    let since = log.bytes_after(snapshot);
    if since > bytes && index(metrics.last_applied) > snapshot {
        return Step::Snapshot;
    }
    let kept = bytes / LOG_PART_BEHIND_SNAPSHOT;
    if behind <= kept {
        return Step::Nothing;
    }
    match (log.index_leaving(since + kept), snapshot) {
        // What no snapshot has stays, however much it is.
        (Some(target), Some(snapshot)) => Step::Purge { upto: target.min(snapshot) },
        _ => Step::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use openraft::storage::RaftLogStorageExt;
    use openraft::{CommittedLeaderId, EntryPayload};

    use super::super::Entry;
    use super::super::disk::Disk;
    use super::super::proposal::Proposal;
    use super::*;

    const ENTRY_MIB: u64 = 4;
    const MIB: u64 = 32;

    fn log_id(index: u64) -> LogId {
        LogId::new(CommittedLeaderId::new(1, ControllerId::from(1)), index)
    }

    fn metrics(snapshot: Option<u64>, applied: u64) -> RaftMetrics<ControllerId, BasicNode> {
        RaftMetrics {
            snapshot: snapshot.map(log_id),
            last_applied: Some(log_id(applied)),
            ..RaftMetrics::new_initial(ControllerId::from(1))
        }
    }

    #[tokio::test]
    async fn a_log_of_few_large_entries_is_cut_by_its_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = LogStore::open(&Arc::new(Disk::open(dir.path()).unwrap())).unwrap();
        let step = |metrics: &RaftMetrics<_, _>, log: &LogStore| step(metrics, log, MIB << 20);
        let enough = MIB / ENTRY_MIB;
        let envelope = Bytes::from(vec![1; usize::try_from(ENTRY_MIB << 20).unwrap()]);
        for index in 0..enough {
            assert_eq!(step(&metrics(None, index), &log), Step::Nothing);
            let payload = EntryPayload::Normal(Proposal::new([envelope.clone()]));
            log.blocking_append([Entry { log_id: log_id(index), payload }]).await.unwrap();
        }
        let last = enough - 1;
        assert_eq!(step(&metrics(None, last), &log), Step::Snapshot);
        let kept = MIB / LOG_PART_BEHIND_SNAPSHOT / ENTRY_MIB;
        assert_eq!(step(&metrics(Some(last), last), &log), Step::Purge { upto: last + 1 - kept });
        let purged = RaftMetrics { purged: Some(log_id(last + 1 - kept)), ..metrics(Some(last), last) };
        assert_eq!(step(&purged, &log), Step::Nothing);
    }
}
