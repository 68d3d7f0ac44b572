//! StartLiveTail: events as they come, second by second.
//!
//! Events do not come in the order of their times, so each look goes back a little, and what was shown is remembered as
//! long as a look may find it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_stream::stream;
use berth_model::error::{ApiError, Exception};
use berth_model::log::Position;
use berth_model::validate::log::tail::Watched;
use berth_proto::logs::v1 as pb;
use berth_proto::peer::v1 as peer;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tonic::Status;

use super::position;
use crate::api::call::Shared;
use crate::api::error::IntoStatus;

/// What a caller gets.
pub(super) type Tail = BoxStream<'static, Result<pb::StartLiveTailResponseStream, Status>>;

/// Source: CloudWatch Logs API, `StartLiveTail`: once a second, at most 500 events, for three hours.
const PERIOD: Duration = Duration::from_secs(1);
const EVENTS: usize = 500;
const LONGEST: Duration = Duration::from_secs(3 * 60 * 60);

/// How far a look goes back: what an event may be late.
const OVERLAP_MS: i64 = 10_000;

/// What one look at one part finds at most.
const LOOK_EVENTS: u32 = 1_000;

/// What was shown, as far as it may be found again: part, stream and position.
#[derive(Default)]
struct Shown(BTreeSet<(Position, usize, String)>);

/// One session.
struct Session {
    shared: Arc<Shared>,
    watched: Vec<Watched>,
    groups: Vec<String>,
    shown: Shown,
    began_ms: i64,
    looked_ms: i64,
}

/// Shows what comes from now on.
pub(super) fn begin(
    shared: Arc<Shared>,
    request: pb::StartLiveTailRequest,
    watched: Vec<Watched>,
    groups: Vec<String>,
    slot: impl Send + 'static,
) -> Tail {
    let began_ms = shared.now().unix_ms();
    let id = || Some(format!("{:032x}", shared.parts.entropy.u128()));
    let start = pb::LiveTailSessionStart {
        request_id: id(),
        session_id: id(),
        log_group_identifiers: request.log_group_identifiers,
        log_stream_names: request.log_stream_names,
        log_stream_name_prefixes: request.log_stream_name_prefixes,
        log_event_filter_pattern: request.log_event_filter_pattern,
    };
    let token = shared.parts.shutdown.token().clone();
    let mut session =
        Session { shared, watched, groups, shown: Shown::default(), began_ms, looked_ms: began_ms };
    let shown = stream! {
        let _slot = slot;
        yield Ok(pb::StartLiveTailResponseStream { session_start: Some(start), session_update: None });
        let end = Instant::now() + LONGEST;
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Cancel-safe: a tick that was not taken is not lost.
        while token.run_until_cancelled(ticks.tick()).await.is_some() {
            if Instant::now() >= end {
                let text = "The session has been open for three hours. Start another.";
                yield Err(ApiError::new(Exception::SessionTimeout, text).into_status());
                return;
            }
            let update = Some(session.look().await);
            yield Ok(pb::StartLiveTailResponseStream { session_start: None, session_update: update });
        }
    };
    shown.boxed()
}

// === impl Session ===

impl Session {
    async fn look(&mut self) -> pb::LiveTailSessionUpdate {
        let now_ms = self.shared.now().unix_ms();
        let from_ms = self.looked_ms.saturating_sub(OVERLAP_MS);
        let (mut found, mut sampled, mut is_complete) = (Vec::new(), false, true);
        for (part, watched) in self.watched.iter().enumerate() {
            let request = peer::ReadLogEventsRequest {
                from: Some(Position::at(from_ms).to_message()),
                descending: true,
                limit: LOOK_EVENTS,
                ..watched.events.clone()
            };
            match self.shared.parts.archive.read(request).await {
                Ok(answer) => {
                    sampled |= answer.is_partial;
                    let events = answer.events.into_iter();
                    found.extend(events.filter_map(|event| Some((part, event.stream, event.event?))));
                }
                Err(error) => {
                    is_complete = false;
                    tracing::debug!(%error, "a live tail sees nothing now");
                }
            }
        }
        // What nobody could tell is looked for again.
        if is_complete {
            self.looked_ms = now_ms;
        }
        let mut news = self.shown.news(found, self.began_ms, from_ms);
        sampled &= !news.is_empty();
        if news.len() > EVENTS {
            sampled = true;
            news.drain(..news.len() - EVENTS);
        }
        pb::LiveTailSessionUpdate {
            session_metadata: Some(pb::LiveTailSessionMetadata { sampled: Some(sampled) }),
            session_results: news
                .into_iter()
                .map(|(part, stream, event)| self.render(part, stream, event))
                .collect(),
        }
    }

    fn render(&self, part: usize, stream: String, event: peer::LogEvent) -> pb::LiveTailSessionLogEvent {
        pb::LiveTailSessionLogEvent {
            log_stream_name: Some(stream),
            log_group_identifier: self.groups.get(part).cloned(),
            timestamp: Some(position(event.key.as_ref()).timestamp_ms),
            message: Some(event.message),
            ingestion_time: Some(event.ingested_at_ms),
        }
    }
}

// === impl Shown ===

impl Shown {
    /// What of it came since then and was not shown, in the order of time. What is before `from_ms` is not found again.
    fn news(
        &mut self,
        found: Vec<(usize, String, peer::LogEvent)>,
        since_ms: i64,
        from_ms: i64,
    ) -> Vec<(usize, String, peer::LogEvent)> {
        self.0 = self.0.split_off(&(Position::at(from_ms), 0, String::new()));
        let key = |(part, stream, event): &(usize, String, peer::LogEvent)| {
            (position(event.key.as_ref()), *part, stream.clone())
        };
        let mut news = found;
        news.retain(|found| found.2.ingested_at_ms >= since_ms && self.0.insert(key(found)));
        news.sort_by_key(key);
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(at: i64, ingested_at_ms: i64) -> (usize, String, peer::LogEvent) {
        let key = Some(Position::at(at).to_message());
        (0, "a".to_owned(), peer::LogEvent { key, ingested_at_ms, message: at.to_string() })
    }

    fn texts(news: &[(usize, String, peer::LogEvent)]) -> Vec<&str> {
        news.iter().map(|(_, _, event)| event.message.as_str()).collect()
    }

    #[test]
    fn an_event_is_shown_once_and_none_that_was_there_before() {
        let mut shown = Shown::default();
        let first = shown.news(vec![event(30, 100), event(20, 100), event(10, 99)], 100, 0);
        assert_eq!(texts(&first), ["20", "30"]);
        let late = shown.news(vec![event(30, 100), event(25, 101), event(20, 100)], 100, 15);
        assert_eq!(texts(&late), ["25"]);
        assert_eq!(shown.0.len(), 3);
        assert!(shown.news(Vec::new(), 100, 40).is_empty());
        assert!(shown.0.is_empty(), "what is not found again is forgotten");
    }
}
