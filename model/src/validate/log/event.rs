//! Log streams and events: what may be written and read, and which part of a log an answer is.

use std::sync::Arc;

use berth_proto::logs::v1 as pb;
use berth_proto::peer::v1 as peer;

use super::{find, page_of};
use crate::error::{ApiError, Exception};
use crate::limits::{LOG_BYTES_PER_PUT, LOG_EVENT_OVERHEAD, LOG_EVENTS_PER_ANSWER, LOG_EVENTS_PER_PUT};
use crate::log::pattern::Pattern;
use crate::log::{LogGroup, Position};
use crate::state::State;
use crate::time::Timestamp;
use crate::validate::page::Bounds;

/// Source: CloudWatch Logs API, `PutLogEvents`: two hours, fourteen days, and a day between first and last.
const FUTURE_MS: i64 = 2 * 60 * 60 * 1_000;
const PAST_MS: i64 = 14 * DAY_MS;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// Source: CloudWatch Logs API, `logStreamName`.
const STREAM_NAME_LENGTH: usize = 512;
/// Source: CloudWatch Logs API, `FilterLogEvents.logStreamNames`.
const STREAMS_PER_FILTER: usize = 100;

/// What PutLogEvents comes to.
#[derive(Clone, Debug)]
pub struct Put {
    /// Where to.
    pub group: Arc<LogGroup>,
    /// Where to in it.
    pub stream: String,
    /// The part of the events that is taken.
    pub taken: std::ops::Range<usize>,
    /// Which are not, and why.
    pub rejected: Option<pb::RejectedLogEventsInfo>,
}

/// What DescribeLogStreams asks for.
#[derive(Clone, Debug)]
pub struct Streams {
    /// Of which group.
    pub group: Arc<LogGroup>,
    /// How their names begin.
    pub prefix: String,
    /// Ordered by their last events rather than by name.
    pub by_time: bool,
    /// The last first.
    pub descending: bool,
    /// Which page.
    pub bounds: Bounds,
}

/// What GetLogEvents or FilterLogEvents asks for.
#[derive(Clone, Debug)]
pub struct Read {
    /// Of which group.
    pub group: Arc<LogGroup>,
    /// Which events.
    pub events: peer::ReadLogEventsRequest,
}

/// The stream is not there.
pub fn no_stream() -> ApiError {
    ApiError::new(Exception::ResourceNotFound, "The specified log stream does not exist.")
}

/// A stream that is to be made or deleted.
pub fn stream(group: &str, stream: &str, view: &State) -> Result<(Arc<LogGroup>, String), ApiError> {
    let group = find(Some(group), None, view)?;
    check_stream(stream)?;
    Ok((Arc::clone(group), stream.to_owned()))
}

/// Refuses what no stream can be called.
pub fn check_stream(name: &str) -> Result<(), ApiError> {
    let is_long = name.chars().count() > STREAM_NAME_LENGTH;
    if !name.is_empty() && !is_long && !name.contains([':', '*']) {
        return Ok(());
    }
    let text = format!(
        "1 validation error detected: Value '{name}' at 'logStreamName' failed to satisfy constraint: Member must \
         satisfy regular expression pattern: [^:*]* and have 1 to {STREAM_NAME_LENGTH} characters"
    );
    Err(ApiError::invalid(text))
}

/// PutLogEvents.
pub fn put(request: &pb::PutLogEventsRequest, view: &State, now: Timestamp) -> Result<Put, ApiError> {
    let (group, stream) = stream(request.log_group_name(), request.log_stream_name(), view)?;
    let events = &request.log_events;
    if events.is_empty() || events.len() > LOG_EVENTS_PER_PUT {
        let text = format!("Between 1 and {LOG_EVENTS_PER_PUT} log events can be put, not {}.", events.len());
        return Err(ApiError::invalid(text));
    }
    if events.iter().any(|event| event.message().is_empty() || event.timestamp() < 0) {
        return Err(ApiError::invalid("A log event has a timestamp and a message that is not empty."));
    }
    let bytes: usize = events.iter().map(|event| event.message().len() + LOG_EVENT_OVERHEAD).sum();
    if bytes > LOG_BYTES_PER_PUT {
        let text = format!("Upload too large: {bytes} bytes exceeds limit of {LOG_BYTES_PER_PUT}");
        return Err(ApiError::invalid(text));
    }
    if !events.is_sorted_by_key(pb::InputLogEvent::timestamp) {
        let text = "Log events in a single PutLogEvents request must be in chronological order.";
        return Err(ApiError::invalid(text));
    }
    let (first, last) = (events[0].timestamp(), events[events.len() - 1].timestamp());
    if last - first > DAY_MS {
        let text = "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.";
        return Err(ApiError::invalid(text));
    }
    let before = |at: i64| events.partition_point(|event| event.timestamp() < at);
    let expired = group.expired_before(now).map_or(0, |at| before(at.unix_ms()));
    let too_old = before(now.unix_ms() - PAST_MS);
    let too_new = before(now.unix_ms() + FUTURE_MS + 1);
    let index = |at: usize| i32::try_from(at).ok();
    let rejected = pb::RejectedLogEventsInfo {
        too_new_log_event_start_index: index(too_new).filter(|_| too_new < events.len()),
        too_old_log_event_end_index: index(too_old).filter(|_| too_old > 0),
        expired_log_event_end_index: index(expired).filter(|_| expired > 0),
    };
    let begin = expired.max(too_old);
    Ok(Put {
        group,
        stream,
        taken: begin..too_new.max(begin),
        rejected: (rejected != pb::RejectedLogEventsInfo::default()).then_some(rejected),
    })
}

/// DescribeLogStreams.
pub fn describe(request: &pb::DescribeLogStreamsRequest, view: &State) -> Result<Streams, ApiError> {
    let (name, identifier) = (request.log_group_name.as_deref(), request.log_group_identifier.as_deref());
    let group = Arc::clone(find(name, identifier, view)?);
    let by_time = match request.order_by() {
        "" | "LogStreamName" => false,
        "LastEventTime" => true,
        other => {
            let text = format!("orderBy must be LogStreamName or LastEventTime, is {other}.");
            return Err(ApiError::invalid(text));
        }
    };
    if by_time && request.log_stream_name_prefix.is_some() {
        return Err(ApiError::invalid("Cannot order by LastEventTime with a logStreamNamePrefix."));
    }
    Ok(Streams {
        group,
        prefix: request.log_stream_name_prefix().to_owned(),
        by_time,
        descending: request.descending(),
        bounds: page_of(request.next_token.as_deref(), request.limit)?,
    })
}

/// GetLogEvents.
pub fn get(request: &pb::GetLogEventsRequest, view: &State, now: Timestamp) -> Result<Read, ApiError> {
    let (name, identifier) = (request.log_group_name.as_deref(), request.log_group_identifier.as_deref());
    let group = Arc::clone(find(name, identifier, view)?);
    check_stream(request.log_stream_name())?;
    let mut from = from(request.start_time, &group, now);
    let mut until = request.end_time.map(Position::at);
    let descending = match request.next_token.as_deref().filter(|token| !token.is_empty()) {
        None => !request.start_from_head(),
        Some(token) => {
            let (descending, at) = parse_token(token)?;
            if descending {
                until = Some(until.map_or(at, |until| until.min(at)));
            } else {
                from = from.max(at);
            }
            descending
        }
    };
    let events = peer::ReadLogEventsRequest {
        group_id: group.id,
        streams: vec![request.log_stream_name().to_owned()],
        stream_prefix: String::new(),
        from: Some(from.to_message()),
        until: until.map(Position::to_message),
        descending,
        limit: limit(request.limit)?,
        filter_pattern: String::new(),
    };
    Ok(Read { group, events })
}

/// FilterLogEvents.
pub fn filter(request: &pb::FilterLogEventsRequest, view: &State, now: Timestamp) -> Result<Read, ApiError> {
    let (name, identifier) = (request.log_group_name.as_deref(), request.log_group_identifier.as_deref());
    let group = Arc::clone(find(name, identifier, view)?);
    if !request.log_stream_names.is_empty() && request.log_stream_name_prefix.is_some() {
        let text = "logStreamNames and logStreamNamePrefix cannot be given together.";
        return Err(ApiError::invalid(text));
    }
    if request.log_stream_names.len() > STREAMS_PER_FILTER {
        return Err(ApiError::invalid(format!("At most {STREAMS_PER_FILTER} logStreamNames can be given.")));
    }
    request.log_stream_names.iter().try_for_each(|name| check_stream(name))?;
    Pattern::parse(request.filter_pattern()).map_err(|invalid| ApiError::invalid(invalid.to_string()))?;
    let mut from = from(request.start_time, &group, now);
    if let Some(token) = request.next_token.as_deref().filter(|token| !token.is_empty()) {
        from = from.max(Position::from_text(token).ok_or_else(invalid_token)?);
    }
    let events = peer::ReadLogEventsRequest {
        group_id: group.id,
        streams: request.log_stream_names.clone(),
        stream_prefix: request.log_stream_name_prefix().to_owned(),
        from: Some(from.to_message()),
        // The end is in it, other than in GetLogEvents.
        until: request.end_time.map(|end| Position::at(end.saturating_add(1)).to_message()),
        descending: false,
        limit: limit(request.limit)?,
        filter_pattern: request.filter_pattern().to_owned(),
    };
    Ok(Read { group, events })
}

fn from(start_ms: Option<i64>, group: &LogGroup, now: Timestamp) -> Position {
    let kept = group.expired_before(now).map_or(0, Timestamp::unix_ms);
    Position::at(start_ms.unwrap_or(0).max(kept))
}

fn limit(asked: Option<i32>) -> Result<u32, ApiError> {
    let most = u32::try_from(LOG_EVENTS_PER_ANSWER).unwrap_or(u32::MAX);
    match asked {
        None => Ok(most),
        Some(asked) => u32::try_from(asked)
            .ok()
            .filter(|asked| (1..=most).contains(asked))
            .ok_or_else(|| ApiError::invalid(format!("limit must be between 1 and {most}, is {asked}."))),
    }
}

/// `f/` for the events from this position on, `b/` for those before it.
fn parse_token(token: &str) -> Result<(bool, Position), ApiError> {
    let (descending, rest) = match token.split_at_checked(2) {
        Some(("f/", rest)) => (false, rest),
        Some(("b/", rest)) => (true, rest),
        _ => return Err(invalid_token()),
    };
    Ok((descending, Position::from_text(rest).ok_or_else(invalid_token)?))
}

fn invalid_token() -> ApiError {
    ApiError::invalid("The specified nextToken is invalid.")
}

// === impl Read ===

impl Read {
    /// The tokens with which a reader of a stream goes on, forward and backward, after an answer with events between
    /// these positions. At the end of the stream it is the token that the reader came with.
    pub fn tokens(&self, seen: Option<(Position, Position)>) -> (String, String) {
        let position = |key: &Option<peer::LogEventKey>| key.as_ref().map(Position::from_message);
        let (from, until) = (position(&self.events.from).unwrap_or_default(), position(&self.events.until));
        let (backward, forward) = match seen {
            Some((first, last)) => (first, last.next()),
            None if self.events.descending => {
                let edge = until.unwrap_or(from);
                (edge, edge)
            }
            None => (from, from),
        };
        (format!("f/{}", forward.to_text()), format!("b/{}", backward.to_text()))
    }
}
