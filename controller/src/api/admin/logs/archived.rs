//! The log of a container that logs to `awslogs`, from the archive: it is there though the container, its task and its host
//! are gone.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use berth_model::id::{Region, TaskId};
use berth_model::limits::LOG_EVENTS_PER_ANSWER;
use berth_model::log::Position;
use berth_model::state::{State, View};
use berth_model::task::Task;
use berth_model::time::Timestamp;
use berth_proto::agent::v1::LogChunk;
use berth_proto::ecs::v1 as ecs;
use berth_proto::peer::v1 as peer;
use futures::stream::{self, BoxStream, StreamExt as _};
use tonic::Status;

use crate::api::Consensus;
use crate::api::depends::LogArchive;
use crate::api::error::Error;
use crate::limits::ARCHIVE_TAIL;
use crate::region::{Chosen, Regions};

/// How often a log that is followed is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How often it is looked at in vain after its task ended, before it ends as well: an agent sends what it has every second.
const LAST_LOOKS: u32 = 6;
/// Events of the same second may arrive out of order: those are looked at again.
const OVERLAP_MS: i64 = 1_000;
/// Events that are read at a time.
const AT_A_TIME: u32 = 1_000;

/// Where the log of a container is in the archive.
pub(super) struct Place {
    container: String,
    group_id: u64,
    stream: String,
}

/// Which part of it is wanted.
#[derive(Clone, Copy)]
pub(super) struct Part {
    pub(super) follow: bool,
    pub(super) tail: Option<u32>,
    pub(super) since: Option<Timestamp>,
    /// When it was asked for: one that is not followed ends there, however fast it grows.
    pub(super) now: Timestamp,
}

/// Reads on and on.
struct Reader {
    archive: Arc<dyn LogArchive>,
    consensus: Arc<dyn Consensus>,
    region: Option<Region>,
    task: TaskId,
    place: Place,
    part: Part,
    from: Position,
    /// Nothing before is looked at again.
    floor: Position,
    /// What was shown of what will be looked at again.
    shown: BTreeSet<Position>,
    chunks: VecDeque<LogChunk>,
    looks_in_vain: u32,
    is_over: bool,
}

/// The log of a container, if it goes to the archive; why it cannot be found there, if so.
pub(super) fn place(
    container: &ecs::ContainerDefinition,
    task: &Task,
    regions: &Regions,
    view: &View,
    whole: &View,
) -> Option<Place> {
    let log = container.log_configuration.as_ref()?;
    if log.log_driver() != ecs::LogDriver::Awslogs {
        return None;
    }
    let option = |name: &str| log.options.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let home: View = match regions.choose(option("awslogs-region").unwrap_or_default()) {
        Some(Chosen(region)) => whole.in_region(region.as_ref()),
        None => Arc::clone(view),
    };
    let group_id = home.log_group(option("awslogs-group")?)?.id;
    let name = container.name();
    let stream = match option("awslogs-stream-prefix") {
        Some(prefix) => format!("{prefix}/{name}/{}", task.id),
        None => task.observed.containers.iter().find(|seen| seen.name == name)?.runtime_id.clone(),
    };
    Some(Place { container: name.to_owned(), group_id, stream })
}

/// What the archive has of it, and what it will have.
pub(super) fn read(
    archive: Arc<dyn LogArchive>,
    consensus: Arc<dyn Consensus>,
    (region, task): (Option<Region>, TaskId),
    place: Place,
    part: Part,
) -> BoxStream<'static, Result<LogChunk, Status>> {
    let from = part.since.map_or_else(Position::default, |since| Position::at(since.unix_ms()));
    let reader = Reader {
        archive,
        consensus,
        region,
        task,
        place,
        part,
        from,
        floor: from,
        shown: BTreeSet::new(),
        chunks: VecDeque::new(),
        looks_in_vain: 0,
        is_over: false,
    };
    stream::unfold(reader, |mut reader| async move { reader.next().await.map(|chunk| (chunk, reader)) })
        .boxed()
}

// === impl Part ===

impl Part {
    fn until(&self) -> Option<Position> {
        (!self.follow).then(|| Position::at(self.now.unix_ms().saturating_add(OVERLAP_MS)))
    }
}

// === impl Reader ===

impl Reader {
    async fn next(&mut self) -> Option<Result<LogChunk, Status>> {
        loop {
            if let Some(chunk) = self.chunks.pop_front() {
                return Some(Ok(chunk));
            }
            if self.is_over {
                return None;
            }
            // Asked before the look, so that what was written last is not missed.
            let has_ended = self.has_ended();
            let is_partial = match self.look().await {
                Ok(is_partial) => is_partial,
                Err(status) => {
                    self.is_over = true;
                    return Some(Err(status));
                }
            };
            if self.chunks.is_empty() && !is_partial {
                self.looks_in_vain = if has_ended { self.looks_in_vain + 1 } else { 0 };
                self.is_over = !self.part.follow || self.looks_in_vain >= LAST_LOOKS;
                if !self.is_over {
                    tokio::time::sleep(LOOK).await;
                }
            }
        }
    }

    /// Takes the next events; whether more are there already.
    async fn look(&mut self) -> Result<bool, Status> {
        if let Some(tail) = self.part.tail.take() {
            let found = self.last(tail.clamp(1, ARCHIVE_TAIL)).await?;
            let first = found.events.first().and_then(|found| found.event.as_ref()?.key.as_ref());
            // What is before that was not asked for.
            self.floor = first.map_or(self.floor, Position::from_message);
            self.note(found);
            if tail == 0 {
                self.chunks.clear();
            }
            self.is_over = !self.part.follow;
            return Ok(false);
        }
        let found = self.read(None, AT_A_TIME).await?;
        let is_partial = found.is_partial;
        self.note(found);
        Ok(is_partial)
    }

    /// The last events, in the order of their times.
    async fn last(&self, count: u32) -> Result<peer::ReadLogEventsResponse, Status> {
        let mut last = peer::ReadLogEventsResponse::default();
        let (mut until, mut left) = (Position::at(i64::MAX), usize::try_from(count).unwrap_or(usize::MAX));
        while left > 0 {
            let limit = u32::try_from(left.min(LOG_EVENTS_PER_ANSWER)).unwrap_or(u32::MAX);
            let found = self.read(Some(until), limit).await?;
            left = left.saturating_sub(found.events.len());
            last.events.extend(found.events);
            match found.reached.filter(|_| found.is_partial) {
                Some(reached) => until = Position::from_message(&reached),
                None => break,
            }
        }
        last.events.reverse();
        Ok(last)
    }

    /// Events from where the reader is; the last before a position, if one is given.
    async fn read(
        &self,
        before: Option<Position>,
        limit: u32,
    ) -> Result<peer::ReadLogEventsResponse, Status> {
        let request = peer::ReadLogEventsRequest {
            group_id: self.place.group_id,
            streams: vec![self.place.stream.clone()],
            from: Some(self.from.to_message()),
            until: before.or_else(|| self.part.until()).map(Position::to_message),
            descending: before.is_some(),
            limit,
            ..Default::default()
        };
        Ok(self.archive.read(request).await.map_err(Error::from)?)
    }

    fn note(&mut self, found: peer::ReadLogEventsResponse) {
        for event in found.events.into_iter().filter_map(|found| found.event) {
            let at = event.key.as_ref().map(Position::from_message).unwrap_or_default();
            if self.shown.insert(at) {
                self.chunks.push_back(self.chunk(at, event.message));
            }
        }
        if let Some(last) = self.shown.last().copied() {
            // While there is more the reader only goes forward; at the end it looks at the last second again.
            let again = Position::at(last.timestamp_ms - OVERLAP_MS);
            self.from = if found.is_partial { last.next() } else { self.floor.max(again) };
            self.shown = self.shown.split_off(&again);
        }
    }

    fn chunk(&self, at: Position, message: String) -> LogChunk {
        let mut bytes = message.into_bytes();
        bytes.push(b'\n');
        LogChunk {
            task_id: self.task.to_string(),
            container: self.place.container.clone(),
            time: Some(Timestamp::from_unix_ms(at.timestamp_ms).to_message()),
            bytes,
            ..LogChunk::default()
        }
    }

    fn has_ended(&self) -> bool {
        let view = self.consensus.view().in_region(self.region.as_ref());
        State::task(&view, self.task).is_none_or(|task| task.is_stopped())
    }
}
