//! Copying from disk to disk, page by page, in the order in which events arrived.
//!
//! An event's position is what it is, so a page that comes twice adds nothing. Before the first page, the disk that is copied
//! from is told the membership it is for: from then on it refuses what is written for an older one. So whatever is
//! acknowledged and not in the pages was written for a membership in which the copying controller votes.

use std::ops::Bound;

use berth_model::log::Position;
use berth_proto::peer::v1 as pb;
use fjall::Keyspace;
use pb::{CopyLogsCursor as Cursor, LogArchiveMark as Mark, LogCopyProgress as Progress};

use super::disk::{Inner, decode};
use super::{key, read};
use crate::limits::{ARCHIVE_PAGE_BYTES, ARCHIVE_PAGE_STREAMS};

/// A part of what another disk has, to be kept here.
pub(super) struct Page {
    /// The controller it comes from.
    pub(super) source: u64,
    pub(super) streams: Vec<pb::CopiedLogStream>,
    /// How far that goes.
    pub(super) progress: Progress,
}

/// The next page.
pub(super) fn page(inner: &Inner, from: Option<Cursor>) -> Result<pb::CopyLogsResponse, fjall::Error> {
    let mark = Some(inner.mark());
    let mut page = Filling { inner, streams: Vec::new(), bytes: 0, looked_at: 0 };
    let mut at = from.unwrap_or_default();
    let next = loop {
        let slice = match at.slice {
            0 => None,
            number => match inner.slices.from(number) {
                None => break None,
                Some((found, slice)) => {
                    // The one that was begun is gone: it was too old.
                    if found > number {
                        at = Cursor { slice: found, ..Cursor::default() };
                    }
                    Some(slice)
                }
            },
        };
        if let Some(next) = page.fill(&at, slice.as_ref())? {
            break Some(next);
        }
        at = Cursor { slice: at.slice + 1, ..Cursor::default() };
    };
    Ok(pb::CopyLogsResponse { streams: page.streams, next, mark })
}

/// How far a copy is after a page: what the source may lack is what it could when the copying began.
pub(super) fn progress(before: Option<&Progress>, answer: &pb::CopyLogsResponse) -> Progress {
    let mark = answer.mark.unwrap_or_default();
    let mark = match before.and_then(|before| before.mark) {
        None => mark,
        Some(first) => Mark {
            is_whole: first.is_whole && mark.is_whole,
            voters: first.voters.max(mark.voters),
            voters_since: 0,
        },
    };
    Progress { next: answer.next.clone(), mark: Some(mark) }
}

struct Filling<'a> {
    inner: &'a Inner,
    streams: Vec<pb::CopiedLogStream>,
    bytes: usize,
    looked_at: usize,
}

// === impl Filling ===

impl Filling<'_> {
    /// Adds what one slice has, or the streams themselves; where to go on if that does not fit.
    fn fill(&mut self, at: &Cursor, slice: Option<&Keyspace>) -> Result<Option<Cursor>, fjall::Error> {
        let first = key::stream(at.group_id, &at.stream);
        for found in self.inner.streams.range(first.clone()..) {
            let (key, value) = found.into_inner()?;
            let record: pb::LogStreamRecord = decode(&value)?;
            let group_id = key::group(&key).unwrap_or_default();
            let here = Cursor { slice: at.slice, group_id, stream: record.name.clone(), after: None };
            if self.bytes >= ARCHIVE_PAGE_BYTES || self.looked_at >= ARCHIVE_PAGE_STREAMS {
                return Ok(Some(here));
            }
            self.looked_at += 1;
            let Some(slice) = slice else {
                self.bytes += value.len();
                self.streams.push(pb::CopiedLogStream { group_id, record: Some(record), events: Vec::new() });
                continue;
            };
            if (record.first_slice..=record.last_slice).contains(&at.slice) {
                let after = at.after.as_ref().filter(|_| *key == *first).map(Position::from_message);
                let stopped = self.events(group_id, record, slice, after)?;
                if let Some(after) = stopped {
                    return Ok(Some(Cursor { after: Some(after.to_message()), ..here }));
                }
            }
        }
        Ok(None)
    }

    /// Adds the events of a stream after a position; where that stopped if the page is full.
    fn events(
        &mut self,
        group_id: u64,
        record: pb::LogStreamRecord,
        slice: &Keyspace,
        after: Option<Position>,
    ) -> Result<Option<Position>, fjall::Error> {
        let bound = |at| Bound::Excluded(key::event(record.local_number, at));
        let first = after
            .map_or_else(|| Bound::Included(key::event(record.local_number, Position::at(i64::MIN))), bound);
        let (mut events, mut last, mut is_full) = (Vec::new(), after, false);
        for found in slice.range((first, bound(Position::at(i64::MAX)))) {
            if self.bytes >= ARCHIVE_PAGE_BYTES {
                is_full = true;
                break;
            }
            let (key, value) = found.into_inner()?;
            self.bytes += value.len();
            let Some((at, (ingested_at_ms, message))) = key::position(&key).zip(read::split(&value)) else {
                continue;
            };
            last = Some(at);
            events.push(pb::LogEvent { key: Some(at.to_message()), ingested_at_ms, message });
        }
        if !events.is_empty() {
            self.streams.push(pb::CopiedLogStream { group_id, record: Some(record), events });
        }
        Ok(last.filter(|_| is_full))
    }
}
