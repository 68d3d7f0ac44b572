//! One answer out of those of several controllers, each of which may lack what another has.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use berth_model::limits::LOG_BYTES_PER_ANSWER;
use berth_model::log::Position;
use berth_proto::peer::v1 as pb;

/// The events of a majority, each once.
pub(super) fn events(
    request: &pb::ReadLogEventsRequest,
    answers: Vec<pb::ReadLogEventsResponse>,
) -> pb::ReadLogEventsResponse {
    let compare = |a: &Position, b: &Position| if request.descending { b.cmp(a) } else { a.cmp(b) };
    // Beyond the point where the first of them stopped, nobody knows what that one has.
    let stopped =
        answers.iter().filter(|answer| answer.is_partial).filter_map(|answer| answer.reached.as_ref());
    let mut reached = stopped.map(Position::from_message).min_by(compare);
    let mut deleted: BTreeMap<String, i64> = BTreeMap::new();
    for gone in answers.iter().flat_map(|answer| &answer.deleted) {
        let at = deleted.entry(gone.stream.clone()).or_default();
        *at = gone.deleted_at_ms.max(*at);
    }
    let mut found: Vec<(Position, pb::FoundLogEvent)> = Vec::new();
    for event in answers.into_iter().flat_map(|answer| answer.events) {
        let Some(inner) = &event.event else { continue };
        let at = inner.key.as_ref().map(Position::from_message).unwrap_or_default();
        let is_known = reached.as_ref().is_none_or(|reached| compare(&at, reached) != Ordering::Greater);
        if is_known && deleted.get(&event.stream).is_none_or(|deleted| inner.ingested_at_ms > *deleted) {
            found.push((at, event));
        }
    }
    found.sort_by(|(a, one), (b, other)| compare(a, b).then_with(|| one.stream.cmp(&other.stream)));
    found.dedup_by(|(a, one), (b, other)| a == b && one.stream == other.stream);
    let mut is_partial = reached.is_some();
    let kept = fitting(&found, request.limit);
    if kept < found.len() {
        found.truncate(kept);
        reached = found.last().map(|(at, _)| *at);
        is_partial = true;
    }
    pb::ReadLogEventsResponse {
        events: found.into_iter().map(|(_, event)| event).collect(),
        is_partial,
        reached: reached.map(Position::to_message),
        deleted: Vec::new(),
        mark: None,
    }
}

/// How many of them one answer may have; one at least.
fn fitting(found: &[(Position, pb::FoundLogEvent)], limit: u32) -> usize {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut bytes = 0;
    let fits = found.iter().take(limit).take_while(|(_, event)| {
        let is_first = bytes == 0;
        bytes += event.event.as_ref().map_or(0, |event| event.message.len());
        is_first || bytes <= LOG_BYTES_PER_ANSWER
    });
    fits.count()
}

/// What a majority knows of streams, each once, those included that are deleted.
pub(super) fn streams(lists: Vec<Vec<pb::LogStreamRecord>>) -> Vec<pb::LogStreamRecord> {
    let mut by_name: BTreeMap<String, pb::LogStreamRecord> = BTreeMap::new();
    for record in lists.into_iter().flatten() {
        match by_name.get_mut(&record.name) {
            Some(known) => join(known, &record),
            None => {
                by_name.insert(record.name.clone(), record);
            }
        }
    }
    by_name.into_values().collect()
}

fn join(known: &mut pb::LogStreamRecord, other: &pb::LogStreamRecord) {
    let deleted_at_ms = known.deleted_at_ms.max(other.deleted_at_ms);
    // What somebody knows who has not heard of the deletion is of the stream that was.
    let is_of_now = |record: &pb::LogStreamRecord| record.created_at_ms > deleted_at_ms;
    match (is_of_now(known), is_of_now(other)) {
        (true, true) => {
            known.created_at_ms = known.created_at_ms.min(other.created_at_ms);
            known.first_event_ms = least(known.first_event_ms, other.first_event_ms);
            known.last_event_ms = known.last_event_ms.max(other.last_event_ms);
            known.last_ingestion_ms = known.last_ingestion_ms.max(other.last_ingestion_ms);
            known.stored_bytes = known.stored_bytes.max(other.stored_bytes);
        }
        (false, true) => *known = other.clone(),
        (true | false, false) => {}
    }
    known.deleted_at_ms = deleted_at_ms;
}

fn least(a: Option<i64>, b: Option<i64>) -> Option<i64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}
