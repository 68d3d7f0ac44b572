//! Reading one disk: the events of some streams, in one order.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use berth_model::limits::LOG_BYTES_PER_ANSWER;
use berth_model::log::Position;
use berth_model::log::pattern::Pattern;
use berth_proto::peer::v1 as pb;

use super::disk::Inner;
use super::key;
use tokio::time::Instant;

use crate::limits::{ARCHIVE_LOOKED_AT_BYTES, ARCHIVE_LOOKED_FOR, ARCHIVE_STREAMS_PER_LIST};

/// What is read from: the events of one stream in one slice.
struct Source {
    /// Its place among the streams.
    stream: usize,
    events: Box<dyn Iterator<Item = fjall::Guard> + Send>,
}

/// The next event of a source.
struct Head {
    at: Position,
    stream: usize,
    source: usize,
    value: fjall::UserValue,
    descending: bool,
}

/// Streams that a controller knows, by name.
pub(super) fn streams(
    inner: &Inner,
    request: &pb::ListLogStreamsRequest,
) -> Result<pb::ListLogStreamsResponse, fjall::Error> {
    let limit = usize::try_from(request.limit).unwrap_or(usize::MAX).min(ARCHIVE_STREAMS_PER_LIST);
    let mut found = inner.streams_of(request.group_id, &request.prefix, &request.after);
    let streams = found.by_ref().take(limit).collect::<Result<Vec<_>, _>>()?;
    Ok(pb::ListLogStreamsResponse { streams, is_partial: found.next().is_some(), mark: None })
}

/// Events that a controller has.
pub(super) fn events(
    inner: &Inner,
    request: &pb::ReadLogEventsRequest,
) -> Result<pb::ReadLogEventsResponse, fjall::Error> {
    let position = |key: &Option<pb::LogEventKey>| key.as_ref().map(Position::from_message);
    let from = position(&request.from).unwrap_or(Position::at(i64::MIN));
    let until = position(&request.until).unwrap_or(Position::at(i64::MAX));
    let mut answer = pb::ReadLogEventsResponse::default();
    // It was read before, or it would not have come here.
    let Ok(pattern) = Pattern::parse(&request.filter_pattern) else { return Ok(answer) };
    let records = wanted(inner, request)?;
    let deleted = records.iter().filter(|record| record.deleted_at_ms > 0);
    answer.deleted = deleted
        .map(|record| pb::DeletedLogStream {
            stream: record.name.clone(),
            deleted_at_ms: record.deleted_at_ms,
        })
        .collect();
    let mut merge = Merge { sources: Vec::new(), heads: BinaryHeap::new(), descending: request.descending };
    for (stream, record) in records.iter().enumerate() {
        let is_within = record.last_event_ms.is_some_and(|last| last >= from.timestamp_ms)
            && record.first_event_ms.is_some_and(|first| first <= until.timestamp_ms);
        if is_within && from < until {
            let range = || key::event(record.local_number, from)..key::event(record.local_number, until);
            for slice in inner.slices.between(record.first_slice, record.last_slice) {
                merge.add(stream, slice.range(range()))?;
            }
        }
    }
    let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
    let (mut bytes, mut looked_at, mut last, began) = (0, 0, None, Instant::now());
    while let Some(head) = merge.next()? {
        let Some((ingested_at_ms, message)) = split(&head.value) else { continue };
        let is_full =
            answer.events.len() >= limit || bytes > 0 && bytes + message.len() > LOG_BYTES_PER_ANSWER;
        let is_long = looked_at > ARCHIVE_LOOKED_AT_BYTES || began.elapsed() > ARCHIVE_LOOKED_FOR;
        if is_full || is_long && answer.reached.is_some() {
            answer.is_partial = true;
            break;
        }
        // The same event, sent again after a slice was closed.
        if last.replace((head.stream, head.at)) == Some((head.stream, head.at)) {
            continue;
        }
        looked_at += head.value.len();
        answer.reached = Some(head.at.to_message());
        if pattern.matches(&message) {
            bytes += message.len();
            let event = pb::LogEvent { key: Some(head.at.to_message()), ingested_at_ms, message };
            answer
                .events
                .push(pb::FoundLogEvent { stream: records[head.stream].name.clone(), event: Some(event) });
        }
    }
    Ok(answer)
}

fn wanted(
    inner: &Inner,
    request: &pb::ReadLogEventsRequest,
) -> Result<Vec<pb::LogStreamRecord>, fjall::Error> {
    if request.streams.is_empty() {
        return inner.streams_of(request.group_id, &request.stream_prefix, "").collect();
    }
    let named = request.streams.iter().map(|name| inner.stream(request.group_id, name));
    named.filter_map(Result::transpose).collect()
}

/// When it was taken in, and what was written.
pub(super) fn split(value: &[u8]) -> Option<(i64, String)> {
    let (ingested_at, message) = value.split_at_checked(8)?;
    Some((i64::from_be_bytes(ingested_at.try_into().ok()?), String::from_utf8_lossy(message).into_owned()))
}

/// Several sources, each in order, as one.
struct Merge {
    sources: Vec<Source>,
    heads: BinaryHeap<Head>,
    descending: bool,
}

// === impl Merge ===

impl Merge {
    fn add(
        &mut self,
        stream: usize,
        events: impl DoubleEndedIterator<Item = fjall::Guard> + Send + 'static,
    ) -> Result<(), fjall::Error> {
        let events: Box<dyn Iterator<Item = fjall::Guard> + Send> =
            if self.descending { Box::new(events.rev()) } else { Box::new(events) };
        self.sources.push(Source { stream, events });
        self.advance(self.sources.len() - 1)
    }

    fn next(&mut self) -> Result<Option<Head>, fjall::Error> {
        let Some(head) = self.heads.pop() else { return Ok(None) };
        self.advance(head.source)?;
        Ok(Some(head))
    }

    fn advance(&mut self, source: usize) -> Result<(), fjall::Error> {
        let Source { stream, events } = &mut self.sources[source];
        let stream = *stream;
        let Some(found) = events.next() else { return Ok(()) };
        let (key, value) = found.into_inner()?;
        if let Some(at) = key::position(&key) {
            self.heads.push(Head { at, stream, source, value, descending: self.descending });
        }
        Ok(())
    }
}

// === impl Head ===

impl Head {
    /// The greatest comes first out of a heap.
    fn rank(&self) -> (Option<Position>, Option<Reverse<Position>>, Reverse<usize>) {
        let descending = self.descending.then_some(self.at);
        let ascending = (!self.descending).then_some(Reverse(self.at));
        (descending, ascending, Reverse(self.stream))
    }
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Head {}
