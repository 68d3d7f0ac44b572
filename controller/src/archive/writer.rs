//! The only writer of a disk: whatever waits is written and flushed together, then answered.

use std::collections::BTreeMap;
use std::sync::Arc;

use berth_model::log::Position;
use berth_process::entropy::Entropy;
use berth_proto::peer::v1 as pb;
use fjall::{Keyspace, OwnedWriteBatch, PersistMode};
use prost::Message as _;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::disk::Inner;
use super::key;
use super::sweep::Expiry;
use crate::limits::ARCHIVE_WRITES;

/// Why nothing was kept.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WriteError {
    /// This controller is stopping.
    #[error("this controller is stopping")]
    Stopping,
    /// The disk does not take it.
    #[error("write to the archive of logs")]
    Disk(#[source] Arc<fjall::Error>),
}

/// Something to write.
pub(super) enum Change {
    Store(pb::StoreLogsRequest),
    /// Forgets what is too old.
    Expire(Expiry),
    /// Takes away a part of what streams left that are gone.
    Collect,
}

/// A change, and who waits for it.
pub(super) struct Order {
    pub(super) change: Change,
    pub(super) done: oneshot::Sender<Result<(), WriteError>>,
}

/// Writes to a disk.
pub struct Writer {
    inner: Arc<Inner>,
    queue: mpsc::Receiver<Order>,
}

/// Events that are taken away at a time.
const COLLECTED: usize = 20_000;

// === impl Writer ===

impl Writer {
    pub(super) fn new(inner: Arc<Inner>, queue: mpsc::Receiver<Order>) -> Self {
        Self { inner, queue }
    }

    /// Writes until the shutdown.
    pub async fn run(
        mut self,
        token: CancellationToken,
        entropy: Entropy,
    ) -> Result<(), std::convert::Infallible> {
        let mut orders = Vec::new();
        loop {
            tokio::select! {
                biased;
                // Cancel-safe: the token stays cancelled.
                () = token.cancelled() => return Ok(()),
                // Cancel-safe: orders that are not taken stay in the channel.
                count = self.queue.recv_many(&mut orders, ARCHIVE_WRITES) => if count == 0 { return Ok(()) },
            }
            let (changes, waiting): (Vec<_>, Vec<_>) =
                orders.drain(..).map(|order| (order.change, order.done)).unzip();
            let (inner, entropy) = (Arc::clone(&self.inner), entropy.clone());
            let written = tokio::task::spawn_blocking(move || Batch::write(&inner, changes, &entropy)).await;
            let written = written.unwrap_or_else(|ended| Err(fjall::Error::Io(std::io::Error::other(ended))));
            let answer = written.map_err(|error| {
                tracing::error!(error = %berth_process::telemetry::chain(&error), "the archive of logs cannot be written");
                WriteError::Disk(Arc::new(error))
            });
            for done in waiting {
                // Whoever asked may be gone.
                let _ = done.send(answer.clone());
            }
        }
    }
}

/// What is written together.
struct Batch<'a> {
    inner: &'a Inner,
    entropy: &'a Entropy,
    writes: OwnedWriteBatch,
    slice: (u64, Keyspace),
    /// Streams that change, as they will be.
    streams: BTreeMap<Vec<u8>, pb::LogStreamRecord>,
}

// === impl Batch ===

impl<'a> Batch<'a> {
    fn write(inner: &'a Inner, changes: Vec<Change>, entropy: &'a Entropy) -> Result<(), fjall::Error> {
        let mut batch = Self {
            inner,
            entropy,
            writes: inner.database.batch().durability(Some(PersistMode::SyncData)),
            slice: inner.slices.newest(),
            streams: BTreeMap::new(),
        };
        for change in changes {
            match change {
                Change::Store(request) => batch.store(request)?,
                Change::Expire(expiry) => batch.expire(&expiry)?,
                Change::Collect => batch.collect()?,
            }
        }
        for (key, record) in batch.streams {
            batch.writes.insert(&inner.streams, key, record.encode_to_vec());
        }
        batch.writes.commit()?;
        let gone = inner.slices.make_room()?;
        if gone > 0 {
            tracing::warn!(slices = gone, "the archive of logs is full: the oldest events were dropped");
        }
        Ok(())
    }

    fn store(&mut self, request: pb::StoreLogsRequest) -> Result<(), fjall::Error> {
        let key = key::stream(request.group_id, &request.stream);
        let mut record = match self.streams.remove(&key) {
            Some(record) => record,
            None => self.inner.stream(request.group_id, &request.stream)?.unwrap_or_default(),
        };
        if request.deleted {
            self.discard(&record);
            let deleted_at_ms = record.deleted_at_ms.max(request.at_ms);
            record = pb::LogStreamRecord { name: request.stream, deleted_at_ms, ..Default::default() };
        } else if request.at_ms > record.deleted_at_ms {
            if record.local_number == 0 {
                record.name = request.stream;
                record.created_at_ms = request.at_ms;
                // Drawn, because what a lost disk numbered must not be met again.
                record.local_number = self.entropy.u64().max(1);
            }
            for event in request.events {
                self.add(&mut record, event);
            }
        }
        self.streams.insert(key, record);
        Ok(())
    }

    fn add(&mut self, record: &mut pb::LogStreamRecord, event: pb::LogEvent) {
        let at = Position::from_message(&event.key.unwrap_or_default());
        let mut value = Vec::with_capacity(8 + event.message.len());
        value.extend(event.ingested_at_ms.to_be_bytes());
        value.extend(event.message.as_bytes());
        record.stored_bytes += u64::try_from(event.message.len()).unwrap_or(0);
        record.first_event_ms =
            Some(record.first_event_ms.map_or(at.timestamp_ms, |first| first.min(at.timestamp_ms)));
        record.last_event_ms =
            Some(record.last_event_ms.map_or(at.timestamp_ms, |last| last.max(at.timestamp_ms)));
        record.last_ingestion_ms = record.last_ingestion_ms.max(event.ingested_at_ms);
        if record.first_slice == 0 {
            record.first_slice = self.slice.0;
        }
        record.last_slice = self.slice.0;
        self.writes.insert(&self.slice.1, key::event(record.local_number, at), value);
    }

    /// What the stream has is to go, bit by bit.
    fn discard(&mut self, record: &pb::LogStreamRecord) {
        if record.local_number != 0 {
            self.writes.insert(&self.inner.garbage, record.local_number.to_be_bytes(), []);
        }
    }

    fn expire(&mut self, expiry: &Expiry) -> Result<(), fjall::Error> {
        for found in self.inner.streams.iter() {
            let (key, value) = found.into_inner()?;
            let Some(before_ms) = key::group(&key).and_then(|group| expiry.before(group)) else { continue };
            let record = pb::LogStreamRecord::decode(&*value)
                .map_err(|error| fjall::Error::Io(std::io::Error::other(error)))?;
            let last_sign = record.last_event_ms.unwrap_or(record.created_at_ms).max(record.deleted_at_ms);
            if last_sign < before_ms {
                self.discard(&record);
                self.writes.remove(&self.inner.streams, key.clone());
                self.streams.remove(&*key);
            } else if record.first_event_ms.is_some_and(|first| first < before_ms) {
                let is_done = self.remove(record.local_number, Position::at(before_ms))?;
                if is_done {
                    let record = pb::LogStreamRecord { first_event_ms: Some(before_ms), ..record };
                    self.streams.entry(key.to_vec()).or_insert(record).first_event_ms = Some(before_ms);
                }
            }
        }
        Ok(())
    }

    fn collect(&mut self) -> Result<(), fjall::Error> {
        for found in self.inner.garbage.iter() {
            let key = found.key()?;
            let Some(number) = key::group(&key) else { continue };
            if !self.remove(number, Position::at(i64::MAX))? {
                break;
            }
            self.writes.remove(&self.inner.garbage, key);
        }
        Ok(())
    }

    /// Takes events of a stream away that are before a position, if that is not too much at once; whether it was all.
    fn remove(&mut self, stream: u64, until: Position) -> Result<bool, fjall::Error> {
        let range = || key::event(stream, Position::at(i64::MIN))..key::event(stream, until);
        for slice in self.inner.slices.all() {
            for found in slice.range(range()) {
                if self.writes.len() >= COLLECTED {
                    return Ok(false);
                }
                let key = found.key()?;
                self.writes.remove(&slice, key);
            }
        }
        Ok(true)
    }
}
