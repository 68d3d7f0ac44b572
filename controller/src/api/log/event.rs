//! What handlers do with the archive: streams and events.

use berth_model::error::{ApiError, Exception};
use berth_model::log::Position;
use berth_model::validate::log::event::{Put, Read, Streams, no_stream};
use berth_model::validate::page::Order;
use berth_proto::logs::v1 as pb;
use berth_proto::peer::v1 as peer;
use tonic::Status;

use super::position;
use crate::api::call::Shared;
use crate::api::error::{Error, IntoStatus};

const NANOS_PER_MILLI: u64 = 1_000_000;

// === impl Shared ===

impl Shared {
    /// What is known of a stream, whether or not it is there.
    async fn stream(&self, group_id: u64, name: &str) -> Result<peer::LogStreamRecord, Status> {
        let found = self.parts.archive.streams(group_id, name).await.map_err(Error::from)?;
        let found = found.into_iter().find(|record| record.name == name);
        Ok(found.unwrap_or_else(|| peer::LogStreamRecord { name: name.to_owned(), ..Default::default() }))
    }

    async fn existing_stream(&self, group_id: u64, name: &str) -> Result<peer::LogStreamRecord, Status> {
        let found = self.stream(group_id, name).await?;
        if is_there(&found) { Ok(found) } else { Err(no_stream().into_status()) }
    }

    /// Adds to a stream, or makes it.
    pub(in crate::api) async fn archive(&self, request: peer::StoreLogsRequest) -> Result<(), Status> {
        Ok(self.parts.archive.store(request).await.map_err(Error::from)?)
    }

    pub(super) async fn create_stream(&self, group_id: u64, stream: String) -> Result<(), Status> {
        let known = self.stream(group_id, &stream).await?;
        if is_there(&known) {
            let text = "The specified log stream already exists";
            return Err(ApiError::new(Exception::ResourceAlreadyExists, text).into_status());
        }
        // Clocks differ: it is made after it was deleted, whoever did that.
        let at_ms = self.now().unix_ms().max(known.deleted_at_ms + 1);
        self.archive(peer::StoreLogsRequest { group_id, stream, at_ms, ..Default::default() }).await
    }

    pub(super) async fn delete_stream(&self, group_id: u64, stream: String) -> Result<(), Status> {
        let known = self.existing_stream(group_id, &stream).await?;
        let at_ms = self.now().unix_ms().max(known.created_at_ms).max(known.last_ingestion_ms);
        self.archive(peer::StoreLogsRequest { group_id, stream, at_ms, deleted: true, ..Default::default() })
            .await
    }

    pub(super) async fn describe_streams(
        &self,
        asked: Streams,
        group_arn: &str,
    ) -> Result<pb::DescribeLogStreamsResponse, Status> {
        let Streams { group, prefix, by_time, descending, bounds } = asked;
        let found = self.parts.archive.streams(group.id, &prefix).await.map_err(Error::from)?;
        let order = if descending { Order::Descending } else { Order::Ascending };
        let page = bounds.cut(found.into_iter().filter(is_there), order, |record| {
            let time = if by_time { record.last_event_ms.unwrap_or(0).max(0) } else { 0 };
            format!("{time:020} {}", record.name)
        });
        let log_streams = page.items.into_iter().map(|record| stream_of(record, group_arn)).collect();
        Ok(pb::DescribeLogStreamsResponse { log_streams, next_token: page.next_token })
    }

    pub(super) async fn put_events(
        &self,
        put: Put,
        events: Vec<pb::InputLogEvent>,
    ) -> Result<pb::PutLogEventsResponse, Status> {
        let known = self.existing_stream(put.group.id, &put.stream).await?;
        let at_ms = self.now().unix_ms().max(known.created_at_ms);
        let first = at_ms.unsigned_abs().saturating_mul(NANOS_PER_MILLI);
        let origin = self.parts.entropy.u64();
        let taken = events.into_iter().enumerate().skip(put.taken.start).take(put.taken.len());
        let events: Vec<_> = taken
            .map(|(index, event)| {
                let order = first.saturating_add(u64::try_from(index).unwrap_or(u64::MAX));
                let at = Position { timestamp_ms: event.timestamp(), order, origin };
                let message = event.message.unwrap_or_default();
                peer::LogEvent { key: Some(at.to_message()), ingested_at_ms: at_ms, message }
            })
            .collect();
        let next_sequence_token = events.last().map(|event| position(event.key.as_ref()).next().to_text());
        if !events.is_empty() {
            let (group_id, stream) = (put.group.id, put.stream);
            self.archive(peer::StoreLogsRequest { group_id, stream, at_ms, events, ..Default::default() })
                .await?;
        }
        Ok(pb::PutLogEventsResponse { next_sequence_token, rejected_log_events_info: put.rejected })
    }

    pub(super) async fn get_events(&self, read: Read) -> Result<pb::GetLogEventsResponse, Status> {
        let found = self.parts.archive.read(read.events.clone()).await.map_err(Error::from)?;
        let mut events: Vec<_> = found.events.into_iter().filter_map(|found| found.event).collect();
        if read.events.descending {
            events.reverse();
        }
        if events.is_empty() {
            let names = &read.events.streams;
            self.existing_stream(read.group.id, names.first().map_or("", String::as_str)).await?;
        }
        let ends = events.first().zip(events.last());
        let seen = ends.map(|(first, last)| (position(first.key.as_ref()), position(last.key.as_ref())));
        let (forward, backward) = read.tokens(seen);
        let event = |event: peer::LogEvent| pb::OutputLogEvent {
            timestamp: Some(position(event.key.as_ref()).timestamp_ms),
            message: Some(event.message),
            ingestion_time: Some(event.ingested_at_ms),
        };
        Ok(pb::GetLogEventsResponse {
            events: events.into_iter().map(event).collect(),
            next_forward_token: Some(forward),
            next_backward_token: Some(backward),
        })
    }

    pub(super) async fn filter_events(&self, read: Read) -> Result<pb::FilterLogEventsResponse, Status> {
        for name in &read.events.streams {
            self.existing_stream(read.group.id, name).await?;
        }
        let found = self.parts.archive.read(read.events).await.map_err(Error::from)?;
        let next_token = found.reached.filter(|_| found.is_partial).as_ref().map(Position::from_message);
        let event = |found: peer::FoundLogEvent| {
            let event = found.event.unwrap_or_default();
            let at = position(event.key.as_ref());
            pb::FilteredLogEvent {
                log_stream_name: Some(found.stream),
                timestamp: Some(at.timestamp_ms),
                message: Some(event.message),
                ingestion_time: Some(event.ingested_at_ms),
                event_id: Some(at.to_text()),
            }
        };
        Ok(pb::FilterLogEventsResponse {
            events: found.events.into_iter().map(event).collect(),
            searched_log_streams: Vec::new(),
            next_token: next_token.map(|at| at.next().to_text()),
        })
    }
}

fn is_there(record: &peer::LogStreamRecord) -> bool {
    record.created_at_ms > record.deleted_at_ms
}

fn stream_of(record: peer::LogStreamRecord, group_arn: &str) -> pb::LogStream {
    pb::LogStream {
        creation_time: Some(record.created_at_ms),
        first_event_timestamp: record.first_event_ms,
        last_event_timestamp: record.last_event_ms,
        last_ingestion_time: Some(record.last_ingestion_ms).filter(|at| *at > 0),
        upload_sequence_token: None,
        arn: Some(format!("{group_arn}:log-stream:{}", record.name)),
        stored_bytes: i64::try_from(record.stored_bytes).ok(),
        log_stream_name: Some(record.name),
    }
}
