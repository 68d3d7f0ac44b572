//! The log on disk: openraft's view of the [writer](writer), the [newest entries](tail) and what is
//! [stored](stored) in sled.
//!
//! An append returns as soon as the entries can be read, and calls back when they are on the device. A truncation, a
//! purge and a vote return when they are on the device. Reads never see a purged entry, though it may be in sled for
//! a while longer.

mod footprint;
mod stored;
mod tail;
mod writer;

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, Range, RangeBounds};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use openraft::storage::{LogFlushed, LogState, RaftLogStorage};
use openraft::{EntryPayload, ErrorSubject, ErrorVerb, OptionalSend, RaftLogReader};
use parking_lot::Mutex;
use tracing::warn;

use super::disk::{Disk, DiskError};
use super::storage_error::storage_error;
use super::vote_store::VoteStore;
use super::{Entry, LogId, StorageError, TypeConfig, Vote};
use crate::limits::APPEND_BYTES;
use footprint::Footprint;
use stored::Encoded;
use tail::Tail;
use writer::{Change, Writer};

/// The log of one controller. Clones are the same log.
#[derive(Clone)]
pub(super) struct LogStore {
    tail: Arc<Mutex<Tail>>,
    log: sled::Tree,
    votes: VoteStore,
    writer: Writer,
    writes: Arc<AtomicU64>,
}

const TREE: &str = "log";

// === impl LogStore ===

impl LogStore {
    /// Opens the log, checks that nothing is missing in it, and starts its writer.
    pub(super) fn open(disk: &Arc<Disk>) -> Result<Self, DiskError> {
        let (log, votes) = (disk.tree(TREE)?, VoteStore::open(disk)?);
        let cut = votes.cut()?;
        let (last_index, footprint) = drop_torn_entry(&log, cut)?;
        let last = match last_index {
            Some(index) => read_log_id(&log, index)?,
            None => None,
        };
        let tail = Arc::new(Mutex::new(Tail::opened(last, cut, footprint)));
        let writer = writer::start(Arc::clone(disk), log.clone(), votes.clone(), Arc::clone(&tail));
        let writer = writer.map_err(DiskError::Write)?;
        Ok(Self { tail, log, votes, writer, writes: Arc::default() })
    }

    /// Where the log begins: the newest purged entry.
    pub(super) fn cut(&self) -> Option<LogId> {
        self.tail.lock().cut()
    }

    /// About how many bytes the entries after `index` have; never too few.
    pub(super) fn bytes_after(&self, index: Option<u64>) -> u64 {
        self.tail.lock().footprint().bytes_after(index)
    }

    /// About how many bytes the entries after one index and up to another have.
    pub(super) fn bytes_between(&self, after: Option<u64>, upto: Option<u64>) -> u64 {
        let tail = self.tail.lock();
        tail.footprint().bytes_after(after).saturating_sub(tail.footprint().bytes_after(upto))
    }

    /// The index to purge to so that no more than about `bytes` are left; nothing when that is so already.
    pub(super) fn index_leaving(&self, bytes: u64) -> Option<u64> {
        self.tail.lock().footprint().index_leaving(bytes)
    }

    /// The entries of `range`, as far as they are there without a gap and within `bytes_max`; at least one.
    async fn read(&self, range: Range<u64>, bytes_max: usize) -> Result<Vec<Entry>, DiskError> {
        let (below, newest) = self.tail.lock().read(&range, bytes_max);
        if below.is_empty() {
            return Ok(entries(newest));
        }
        let (log, wanted) = (self.log.clone(), below.end - below.start);
        let read = tokio::task::spawn_blocking(move || stored::read(&log, below, bytes_max));
        let mut found = read.await.map_err(|panicked| DiskError::Read(io::Error::other(panicked)))??;
        let whole = u64::try_from(found.len()) == Ok(wanted);
        let mut left = bytes_max.saturating_sub(found.iter().map(|(_entry, bytes)| bytes).sum());
        for (entry, bytes) in newest.into_iter().take_while(|_| whole) {
            if left == 0 {
                break;
            }
            left = left.saturating_sub(bytes);
            found.push((entry, bytes));
        }
        Ok(entries(found))
    }

    /// The id of the entry before `index`.
    fn log_id_before(&self, index: u64) -> Result<Option<LogId>, DiskError> {
        let Some(before) = index.checked_sub(1) else { return Ok(None) };
        let (kept, cut) = {
            let tail = self.tail.lock();
            (tail.log_id(before), tail.cut())
        };
        match kept.or_else(|| cut.filter(|cut| cut.index == before)) {
            Some(log_id) => Ok(Some(log_id)),
            None => read_log_id(&self.log, before),
        }
    }
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, StorageError> {
        self.read(bounds(&range), usize::MAX).await.map_err(|error| log_error(ErrorVerb::Read, &error))
    }

    /// What one message to a follower carries: bounded in bytes, not only in entries.
    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, StorageError> {
        self.read(start..end, APPEND_BYTES).await.map_err(|error| log_error(ErrorVerb::Read, &error))
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, StorageError> {
        let tail = self.tail.lock();
        Ok(LogState { last_purged_log_id: tail.cut(), last_log_id: tail.last() })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), StorageError> {
        let saved = self.writer.write(Change::Vote(*vote)).await;
        saved.map_err(|error| storage_error(ErrorSubject::Vote, ErrorVerb::Write, &error))
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, StorageError> {
        self.votes.vote().map_err(|error| storage_error(ErrorSubject::Vote, ErrorVerb::Read, &error))
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), StorageError> {
        let noted = self.writer.note(Change::Committed(committed));
        noted.map_err(|error| log_error(ErrorVerb::Write, &error))
    }

    /// The hint may have reached the disk without the entry it speaks of: then it is of no use.
    async fn read_committed(&mut self) -> Result<Option<LogId>, StorageError> {
        let committed = self.votes.committed().map_err(|error| log_error(ErrorVerb::Read, &error))?;
        let last = self.tail.lock().last();
        Ok(committed.filter(|committed| last.is_some_and(|last| committed.index <= last.index)))
    }

    async fn append<I>(&mut self, entries: I, callback: LogFlushed<TypeConfig>) -> Result<(), StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let write = self.writes.fetch_add(1, Ordering::SeqCst) + 1;
        let entries: Vec<Entry> = entries.into_iter().collect();
        let encoded: Vec<Encoded> = entries.iter().map(stored::encode).collect();
        {
            let mut tail = self.tail.lock();
            for (entry, encoded) in entries.into_iter().zip(&encoded) {
                if let EntryPayload::Normal(proposal) = &entry.payload {
                    proposal.accept();
                }
                tail.push(entry, encoded.bytes.len(), write);
            }
        }
        self.writer.append(Change::Append { entries: encoded, write }, callback);
        Ok(())
    }

    async fn truncate(&mut self, log_id: LogId) -> Result<(), StorageError> {
        let last = self.log_id_before(log_id.index).map_err(|error| log_error(ErrorVerb::Read, &error))?;
        self.tail.lock().truncate(log_id.index, last);
        let truncated = self.writer.write(Change::Truncate { since: log_id.index }).await;
        truncated.map_err(|error| log_error(ErrorVerb::Delete, &error))
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), StorageError> {
        self.tail.lock().purge(log_id);
        let purged = self.writer.write(Change::Purge { upto: log_id }).await;
        purged.map_err(|error| log_error(ErrorVerb::Delete, &error))
    }
}

fn entries(found: Vec<(Entry, usize)>) -> Vec<Entry> {
    found.into_iter().map(|(entry, _bytes)| entry).collect()
}

fn log_error(verb: ErrorVerb, error: &(impl std::error::Error + 'static)) -> StorageError {
    storage_error(ErrorSubject::Logs, verb, error)
}

fn bounds(range: &impl RangeBounds<u64>) -> Range<u64> {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(last) => last.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    start..end
}

fn read_log_id(log: &sled::Tree, index: u64) -> Result<Option<LogId>, DiskError> {
    Ok(stored::read(log, index..index + 1, usize::MAX)?.first().map(|(entry, _bytes)| entry.log_id))
}

/// The index of the newest entry after the `cut`. An entry at the end that is not whole was never acknowledged, for
/// nothing is before it is synced: what there is of it is dropped. A gap anywhere else is damage.
fn drop_torn_entry(log: &sled::Tree, cut: Option<LogId>) -> Result<(Option<u64>, Footprint), DiskError> {
    let first = cut.map_or(0, |cut| cut.index + 1);
    let mut whole = None;
    let mut open: Option<(u64, u16)> = None;
    let mut footprint = Footprint::default();
    for pair in log.range(stored::key(first)..) {
        let (key, value) = pair.map_err(DiskError::read)?;
        let (index, part) = stored::parse_key(&key)?;
        let (expected, parts_left) = match (open, part) {
            (None, 0) => (whole.map_or(first, |whole| whole + 1), stored::part_count(&value)?),
            (Some((expected, parts_left)), 1..) => (expected, parts_left),
            _ => return Err(DiskError::Hole { before: index }),
        };
        if index != expected {
            return Err(DiskError::Hole { before: index });
        }
        footprint.add(index, value.len());
        open = (parts_left > 1).then_some((index, parts_left - 1));
        whole = if open.is_none() { Some(index) } else { whole };
    }
    if let Some((torn, _parts_left)) = open {
        warn!(index = torn, "dropping a log entry that was not written in full");
        stored::remove_from(log, torn)?;
    }
    Ok((whole, footprint))
}

#[cfg(test)]
mod tests;
