//! The newest entries of the log, in memory.
//!
//! An entry is readable from the moment it is appended, though it reaches the disk later; and what followers and the
//! state machine ask for is nearly always the newest. What is kept is contiguous and bounded in bytes, except that
//! entries which are not in sled yet are never dropped.

use std::collections::VecDeque;
use std::ops::Range;

use super::super::{Entry, LogId};
use super::footprint::Footprint;
use crate::limits::LOG_TAIL_BYTES;

/// What is known of the log without looking at the disk.
#[derive(Default)]
pub(super) struct Tail {
    kept: VecDeque<Kept>,
    bytes: usize,
    /// The newest entry, purged or not.
    last: Option<LogId>,
    /// The newest purged entry.
    cut: Option<LogId>,
    /// The oldest index that can be read, once there is any.
    first_index: u64,
    footprint: Footprint,
}

struct Kept {
    entry: Entry,
    bytes: usize,
    /// The number of the write that brings it to sled.
    write: u64,
}

// === impl Tail ===

impl Tail {
    /// The tail of a log that was just opened: nothing of it is in memory.
    pub(super) fn opened(last: Option<LogId>, cut: Option<LogId>, footprint: Footprint) -> Self {
        let first_index = cut.map_or(0, |cut| cut.index + 1);
        Self { last: newest(last, cut), cut, first_index, footprint, ..Self::default() }
    }

    /// The newest entry, purged or not.
    pub(super) fn last(&self) -> Option<LogId> {
        self.last
    }

    /// The newest purged entry.
    pub(super) fn cut(&self) -> Option<LogId> {
        self.cut
    }

    /// How many bytes of the log are where.
    pub(super) fn footprint(&self) -> &Footprint {
        &self.footprint
    }

    /// The oldest index that can be read.
    pub(super) fn first_index(&self) -> u64 {
        self.first_index
    }

    /// Adds the newest entry, which write number `write` brings to sled.
    pub(super) fn push(&mut self, entry: Entry, bytes: usize, write: u64) {
        if self.last.is_none() {
            self.first_index = entry.log_id.index;
        }
        self.last = Some(entry.log_id);
        self.bytes += bytes;
        self.footprint.add(entry.log_id.index, bytes);
        self.kept.push_back(Kept { entry, bytes, write });
    }

    /// Drops the entries from `since` on. `last` is what is the newest then.
    pub(super) fn truncate(&mut self, since: u64, last: Option<LogId>) {
        while self.kept.back().is_some_and(|kept| kept.entry.log_id.index >= since) {
            self.bytes -= self.kept.pop_back().map_or(0, |kept| kept.bytes);
        }
        self.last = newest(last, self.cut);
        self.footprint.truncate(since);
    }

    /// Drops the entries up to `upto`.
    pub(super) fn purge(&mut self, upto: LogId) {
        self.cut = newest(self.cut, Some(upto));
        self.last = newest(self.last, self.cut);
        self.first_index = self.first_index.max(upto.index + 1);
        self.footprint.purge(upto.index);
        while self.kept.front().is_some_and(|kept| kept.entry.log_id.index <= upto.index) {
            self.pop_front();
        }
    }

    /// Write number `write` and all before it are in sled: the oldest of them make room.
    pub(super) fn written(&mut self, write: u64) {
        while self.bytes > LOG_TAIL_BYTES && self.kept.front().is_some_and(|kept| kept.write <= write) {
            self.pop_front();
        }
    }

    /// The entries of `range` that are kept, up to the first that brings the total to `bytes_max`; and before them,
    /// the part of `range` that has to be read from sled.
    pub(super) fn read(&self, range: &Range<u64>, bytes_max: usize) -> (Range<u64>, Vec<(Entry, usize)>) {
        let start = range.start.max(self.first_index);
        let end = range.end.min(self.last.map_or(0, |last| last.index + 1));
        let front = self.kept.front().map_or(end, |kept| kept.entry.log_id.index);
        let below = start..end.min(front).max(start);
        let mut entries = Vec::new();
        let mut total = 0;
        let skipped = usize::try_from(start.saturating_sub(front)).unwrap_or(usize::MAX);
        for kept in self.kept.iter().skip(skipped).take_while(|kept| kept.entry.log_id.index < end) {
            total += kept.bytes;
            entries.push((kept.entry.clone(), kept.bytes));
            if total >= bytes_max {
                break;
            }
        }
        (below, entries)
    }

    /// The kept entry of this index.
    pub(super) fn log_id(&self, index: u64) -> Option<LogId> {
        let front = self.kept.front()?.entry.log_id.index;
        let position = usize::try_from(index.checked_sub(front)?).ok()?;
        self.kept.get(position).map(|kept| kept.entry.log_id)
    }

    fn pop_front(&mut self) {
        self.bytes -= self.kept.pop_front().map_or(0, |kept| kept.bytes);
    }
}

/// By index: a purged entry may be newer than every entry there is, whatever their terms.
fn newest(one: Option<LogId>, other: Option<LogId>) -> Option<LogId> {
    if other.map(|id| id.index) >= one.map(|id| id.index) { other } else { one }
}

#[cfg(test)]
mod tests {
    use openraft::{CommittedLeaderId, EntryPayload};

    use super::super::super::ControllerId;
    use super::*;

    fn log_id(index: u64) -> LogId {
        LogId::new(CommittedLeaderId::new(1, ControllerId::from(1)), index)
    }

    fn tail(indexes: Range<u64>, bytes: usize) -> Tail {
        let mut tail = Tail::default();
        for index in indexes {
            tail.push(Entry { log_id: log_id(index), payload: EntryPayload::Blank }, bytes, index);
        }
        tail
    }

    fn indexes(read: &(Range<u64>, Vec<(Entry, usize)>)) -> Vec<u64> {
        read.1.iter().map(|(entry, _bytes)| entry.log_id.index).collect()
    }

    #[test]
    fn what_is_not_written_is_never_dropped() {
        let half = LOG_TAIL_BYTES / 2 + 1;
        let mut tail = tail(0..4, half);
        assert_eq!(indexes(&tail.read(&(0..4), usize::MAX)), [0, 1, 2, 3]);
        tail.written(1);
        let read = tail.read(&(0..4), usize::MAX);
        assert_eq!((read.0.clone(), indexes(&read)), (0..2, vec![2, 3]));
        tail.written(3);
        assert_eq!(indexes(&tail.read(&(0..4), usize::MAX)), [3]);
    }

    #[test]
    fn a_read_is_bounded_and_never_empty() {
        let tail = tail(0..10, 100);
        assert_eq!(indexes(&tail.read(&(2..9), 250)), [2, 3, 4]);
        assert_eq!(indexes(&tail.read(&(2..9), 1)), [2]);
    }

    #[test]
    fn purged_entries_are_gone_and_the_last_stays_known() {
        let mut tail = tail(0..5, 1);
        tail.purge(log_id(2));
        let read = tail.read(&(0..5), usize::MAX);
        assert_eq!((read.0.clone(), indexes(&read)), (3..3, vec![3, 4]));
        tail.purge(log_id(9));
        assert_eq!((tail.last(), tail.cut()), (Some(log_id(9)), Some(log_id(9))));
        assert_eq!(tail.read(&(0..20), usize::MAX).1.len(), 0);
    }

    #[test]
    fn truncated_entries_are_replaced() {
        let mut tail = tail(0..5, 1);
        assert_eq!(tail.log_id(2), Some(log_id(2)));
        tail.truncate(3, Some(log_id(2)));
        assert_eq!(tail.last(), Some(log_id(2)));
        tail.push(Entry { log_id: log_id(3), payload: EntryPayload::Blank }, 1, 9);
        assert_eq!(indexes(&tail.read(&(0..5), usize::MAX)), [0, 1, 2, 3]);
    }
}
