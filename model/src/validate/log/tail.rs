//! StartLiveTail: which events are to be shown as they come.

use std::sync::Arc;

use berth_proto::logs::v1 as pb;
use berth_proto::peer::v1 as peer;

use super::event::check_stream;
use super::find;
use crate::error::ApiError;
use crate::log::LogGroup;
use crate::log::pattern::Pattern;
use crate::state::State;

/// Source: CloudWatch Logs API, `StartLiveTail`.
const GROUPS: usize = 10;
const STREAMS: usize = 10;
const PREFIXES: usize = 10;

/// A part of what is shown: of one group, what one read gives.
#[derive(Clone, Debug)]
pub struct Watched {
    /// The group.
    pub group: Arc<LogGroup>,
    /// Its events, without bounds of time.
    pub events: peer::ReadLogEventsRequest,
}

/// What is to be shown.
pub fn start(request: &pb::StartLiveTailRequest, view: &State) -> Result<Vec<Watched>, ApiError> {
    let (groups, streams) = (&request.log_group_identifiers, &request.log_stream_names);
    let prefixes = &request.log_stream_name_prefixes;
    let rules = [
        (groups.is_empty() || groups.len() > GROUPS, "Between 1 and 10 logGroupIdentifiers can be given."),
        (streams.len() > STREAMS, "At most 10 logStreamNames can be given."),
        (prefixes.len() > PREFIXES, "At most 10 logStreamNamePrefixes can be given."),
        (
            groups.len() > 1 && !(streams.is_empty() && prefixes.is_empty()),
            "logStreamNames and logStreamNamePrefixes can be given for one log group only.",
        ),
        (
            !streams.is_empty() && !prefixes.is_empty(),
            "logStreamNames and logStreamNamePrefixes cannot be given together.",
        ),
    ];
    if let Some((_, text)) = rules.into_iter().find(|(is_broken, _)| *is_broken) {
        return Err(ApiError::invalid(text));
    }
    streams.iter().chain(prefixes).try_for_each(|name| check_stream(name))?;
    let pattern = request.log_event_filter_pattern();
    Pattern::parse(pattern).map_err(|invalid| ApiError::invalid(invalid.to_string()))?;
    let mut watched = Vec::new();
    for identifier in groups {
        let group = find(None, Some(identifier), view)?;
        let everything = [String::new()];
        for prefix in if prefixes.is_empty() { &everything[..] } else { prefixes } {
            let events = peer::ReadLogEventsRequest {
                group_id: group.id,
                streams: streams.clone(),
                stream_prefix: prefix.clone(),
                filter_pattern: pattern.to_owned(),
                ..Default::default()
            };
            watched.push(Watched { group: Arc::clone(group), events });
        }
    }
    Ok(watched)
}
