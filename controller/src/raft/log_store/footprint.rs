//! How many bytes of the log are where, roughly: a mark for every mebibyte, not a number for every entry.

use std::collections::VecDeque;

/// Where the bytes of a log are.
#[derive(Debug, Default)]
pub(super) struct Footprint {
    /// Bytes ever added, at least.
    total: u64,
    marks: VecDeque<Mark>,
}

/// Up to this index, so much was added.
#[derive(Clone, Copy, Debug)]
struct Mark {
    index: u64,
    total: u64,
}

/// How far marks are apart. A log of the largest allowed size has a few hundred.
const STEP_BYTES: u64 = 1 << 20;

// === impl Footprint ===

impl Footprint {
    /// An entry, or a part of one, was added at the end.
    pub(super) fn add(&mut self, index: u64, bytes: usize) {
        self.total += u64::try_from(bytes).unwrap_or(u64::MAX / 2);
        let marked = self.marks.back().map_or(0, |mark| mark.total);
        if self.total - marked >= STEP_BYTES {
            self.marks.push_back(Mark { index, total: self.total });
        }
    }

    /// Everything from `since` on went. What it had still counts, until the next purge passes it.
    pub(super) fn truncate(&mut self, since: u64) {
        while self.marks.back().is_some_and(|mark| mark.index >= since) {
            self.marks.pop_back();
        }
    }

    /// Everything up to `upto` went.
    pub(super) fn purge(&mut self, upto: u64) {
        // The newest mark that is passed stays, as the place to count from.
        while self.marks.get(1).is_some_and(|mark| mark.index <= upto) {
            self.marks.pop_front();
        }
    }

    /// About how many bytes the entries after `index` have; never too few.
    pub(super) fn bytes_after(&self, index: Option<u64>) -> u64 {
        let passed = self.marks.iter().rev().find(|mark| Some(mark.index) <= index);
        self.total - passed.map_or(0, |mark| mark.total)
    }

    /// The index after which there are no more than `bytes`; nothing when the whole log has no more.
    pub(super) fn index_leaving(&self, bytes: u64) -> Option<u64> {
        let start = self.marks.front()?;
        if self.total - start.total <= bytes {
            return None;
        }
        self.marks.iter().find(|mark| self.total - mark.total <= bytes).map(|mark| mark.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: usize = 1 << 20;

    fn footprint() -> Footprint {
        let mut footprint = Footprint::default();
        (0..10).for_each(|index| footprint.add(index, STEP));
        footprint
    }

    #[test]
    fn bytes_are_counted_from_an_index() {
        let footprint = footprint();
        assert_eq!(footprint.bytes_after(None), 10 * STEP_BYTES);
        assert_eq!(footprint.bytes_after(Some(6)), 3 * STEP_BYTES);
        assert_eq!(footprint.bytes_after(Some(9)), 0);
    }

    #[test]
    fn what_to_purge_leaves_no_more_than_asked() {
        let mut footprint = footprint();
        assert_eq!(footprint.index_leaving(4 * STEP_BYTES), Some(5));
        footprint.purge(5);
        assert_eq!(footprint.index_leaving(4 * STEP_BYTES), None);
        assert_eq!(footprint.bytes_after(Some(5)), 4 * STEP_BYTES);
    }

    #[test]
    fn small_entries_add_up() {
        let mut footprint = Footprint::default();
        (0..100_000).for_each(|index| footprint.add(index, 100));
        assert_eq!(footprint.bytes_after(None), 10_000_000);
        assert!(footprint.marks.len() < 11);
        let rest = footprint.bytes_after(Some(50_000));
        assert!((5_000_000..=5_000_000 + STEP_BYTES).contains(&rest), "{rest}");
    }

    #[test]
    fn truncated_entries_never_count_too_little() {
        let mut footprint = footprint();
        footprint.truncate(4);
        footprint.add(4, STEP);
        assert!(footprint.bytes_after(Some(3)) >= STEP_BYTES);
    }
}
