//! A log that is kept in memory, for simulated controllers. It "survives" as long as somebody holds the
//! [`MemoryDisk`]: a simulated crash drops the controller and keeps the disk.
//!
//! Everything is durable at once and no thread is involved, so a simulated run depends on its seed alone.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::RangeBounds;
use std::sync::Arc;

use openraft::storage::{LogFlushed, LogState, RaftLogStorage};
use openraft::{EntryPayload, OptionalSend, RaftLogReader};
use parking_lot::Mutex;

use super::snapshot_store::InMemory;
use super::{ControllerId, Entry, LogId, StorageError, TypeConfig, Vote};

/// What one simulated controller keeps. Clones are the same disk.
#[derive(Clone, Default)]
pub struct MemoryDisk {
    log: Arc<Mutex<Log>>,
    pub(super) snapshot: Arc<Mutex<Option<InMemory>>>,
}

#[derive(Default)]
struct Log {
    id: Option<ControllerId>,
    entries: BTreeMap<u64, Entry>,
    vote: Option<Vote>,
    committed: Option<LogId>,
    cut: Option<LogId>,
}

// === impl MemoryDisk ===

impl MemoryDisk {
    /// The id kept here; `draw` makes it at the first start.
    pub(super) fn id(&self, draw: impl FnOnce() -> ControllerId) -> ControllerId {
        *self.log.lock().id.get_or_insert_with(draw)
    }

    /// Where the log begins: the newest purged entry.
    pub(super) fn cut(&self) -> Option<LogId> {
        self.log.lock().cut
    }
}

impl Debug for MemoryDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MemoryDisk({} entries)", self.log.lock().entries.len())
    }
}

impl RaftLogReader<TypeConfig> for MemoryDisk {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, StorageError> {
        Ok(self.log.lock().entries.range(range).map(|(_index, entry)| entry.clone()).collect())
    }
}

impl RaftLogStorage<TypeConfig> for MemoryDisk {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, StorageError> {
        let log = self.log.lock();
        let last = log.entries.last_key_value().map(|(_index, entry)| entry.log_id);
        Ok(LogState { last_purged_log_id: log.cut, last_log_id: last.or(log.cut) })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), StorageError> {
        self.log.lock().vote = Some(*vote);
        Ok(())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, StorageError> {
        Ok(self.log.lock().vote)
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), StorageError> {
        self.log.lock().committed = committed;
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, StorageError> {
        Ok(self.log.lock().committed)
    }

    async fn append<I>(&mut self, entries: I, callback: LogFlushed<TypeConfig>) -> Result<(), StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut log = self.log.lock();
        for entry in entries {
            if let EntryPayload::Normal(proposal) = &entry.payload {
                proposal.accept();
            }
            log.entries.insert(entry.log_id.index, entry);
        }
        callback.log_io_completed(Ok(()));
        Ok(())
    }

    async fn truncate(&mut self, log_id: LogId) -> Result<(), StorageError> {
        self.log.lock().entries.split_off(&log_id.index);
        Ok(())
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), StorageError> {
        let mut log = self.log.lock();
        log.cut = Some(log_id);
        log.entries = log.entries.split_off(&(log_id.index + 1));
        Ok(())
    }
}
