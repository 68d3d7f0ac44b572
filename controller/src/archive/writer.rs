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

use super::copy::Page;
use super::disk::{COPIED, Inner, Known, LEAST_MEMBERSHIP, MARK};
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
    /// Its majority would be one of controllers that are no more all there are.
    #[error("the controllers have changed: it is for membership {membership}, and the least is {least}")]
    Outdated {
        /// Whose majority was to have it.
        membership: u64,
        /// What is taken.
        least: u64,
    },
}

/// Something to write.
pub(super) enum Change {
    Store(pb::StoreLogsRequest),
    /// Keeps what another disk has.
    Copy(Page),
    /// From now on nothing is taken that is for an older membership.
    LeastMembership(u64),
    /// What this disk may lack. What was copied until then belongs to it.
    Mark(pb::LogArchiveMark),
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
            let (changes, waiting) = self.taken(&mut orders);
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

impl Writer {
    /// What is to be written, and who waits for it. What came for an older membership than it may is answered at once.
    fn taken(&self, orders: &mut Vec<Order>) -> (Vec<Change>, Vec<oneshot::Sender<Result<(), WriteError>>>) {
        let mut least = self.inner.known.read().least_membership;
        let (mut changes, mut waiting) = (Vec::new(), Vec::new());
        for Order { change, done } in orders.drain(..) {
            match &change {
                Change::LeastMembership(membership) => least = least.max(*membership),
                Change::Store(pb::StoreLogsRequest { membership, .. }) if *membership < least => {
                    // Whoever asked may be gone.
                    let _ = done.send(Err(WriteError::Outdated { membership: *membership, least }));
                    continue;
                }
                _ => {}
            }
            changes.push(change);
            waiting.push(done);
        }
        (changes, waiting)
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
    /// What is known when that is done.
    known: Known,
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
            known: inner.known.read().clone(),
        };
        for change in changes {
            match change {
                Change::Store(request) => batch.store(request)?,
                Change::Copy(page) => batch.copy(page)?,
                Change::LeastMembership(membership) => batch.raise(membership),
                Change::Mark(mark) => batch.mark(mark),
                Change::Expire(expiry) => batch.expire(&expiry)?,
                Change::Collect => batch.collect()?,
            }
        }
        for (key, record) in batch.streams {
            batch.writes.insert(&inner.streams, key, record.encode_to_vec());
        }
        batch.writes.commit()?;
        *inner.known.write() = batch.known;
        let gone = inner.slices.make_room()?;
        if gone > 0 {
            tracing::warn!(slices = gone, "the archive of logs is full: the oldest events were dropped");
        }
        Ok(())
    }

    /// What is known of a stream, as it will be.
    fn record(&mut self, key: &[u8], group: u64, name: &str) -> Result<pb::LogStreamRecord, fjall::Error> {
        match self.streams.remove(key) {
            Some(record) => Ok(record),
            None => Ok(self.inner.stream(group, name)?.unwrap_or_default()),
        }
    }

    fn begin(&self, record: &mut pb::LogStreamRecord, name: String, created_at_ms: i64) {
        record.name = name;
        record.created_at_ms = created_at_ms;
        // Drawn, because what a lost disk numbered must not be met again.
        record.local_number = self.entropy.u64().max(1);
    }

    fn store(&mut self, request: pb::StoreLogsRequest) -> Result<(), fjall::Error> {
        let key = key::stream(request.group_id, &request.stream);
        let mut record = self.record(&key, request.group_id, &request.stream)?;
        if request.deleted {
            self.discard(&record);
            let deleted_at_ms = record.deleted_at_ms.max(request.at_ms);
            record = pb::LogStreamRecord { name: request.stream, deleted_at_ms, ..Default::default() };
        } else if request.at_ms > record.deleted_at_ms {
            if record.local_number == 0 {
                self.begin(&mut record, request.stream, request.at_ms);
            }
            for event in request.events {
                self.add(&mut record, event);
            }
        }
        self.streams.insert(key, record);
        Ok(())
    }

    /// Adds what another disk has and this one has not.
    fn copy(&mut self, page: Page) -> Result<(), fjall::Error> {
        for copied in page.streams {
            let Some(theirs) = copied.record else { continue };
            let key = key::stream(copied.group_id, &theirs.name);
            let mut record = self.record(&key, copied.group_id, &theirs.name)?;
            if theirs.deleted_at_ms > record.deleted_at_ms {
                if record.created_at_ms <= theirs.deleted_at_ms {
                    self.discard(&record);
                    record = pb::LogStreamRecord { name: theirs.name.clone(), ..Default::default() };
                }
                record.deleted_at_ms = theirs.deleted_at_ms;
            }
            if theirs.created_at_ms > record.deleted_at_ms {
                if record.local_number == 0 {
                    self.begin(&mut record, theirs.name, theirs.created_at_ms);
                }
                record.created_at_ms = record.created_at_ms.min(theirs.created_at_ms);
                for event in copied.events {
                    if event.ingested_at_ms > record.deleted_at_ms && !self.has(&record, &event)? {
                        self.add(&mut record, event);
                    }
                }
            }
            self.streams.insert(key, record);
        }
        let name = format!("{COPIED}{}", page.source);
        self.writes.insert(&self.inner.facts, name, page.progress.encode_to_vec());
        self.known.copied.insert(page.source, page.progress);
        Ok(())
    }

    fn has(&self, record: &pb::LogStreamRecord, event: &pb::LogEvent) -> Result<bool, fjall::Error> {
        let at = Position::from_message(&event.key.unwrap_or_default());
        let key = key::event(record.local_number, at);
        for slice in self.inner.slices.between(record.first_slice, record.last_slice) {
            if slice.contains_key(key)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn raise(&mut self, membership: u64) {
        self.known.least_membership = self.known.least_membership.max(membership);
        let least = self.known.least_membership.to_be_bytes();
        self.writes.insert(&self.inner.facts, LEAST_MEMBERSHIP, least);
    }

    fn mark(&mut self, mark: pb::LogArchiveMark) {
        self.writes.insert(&self.inner.facts, MARK, mark.encode_to_vec());
        self.known.mark = mark;
        // A copy that is not under way has nothing to go on with.
        if mark.voters_since == 0 {
            for (id, _) in std::mem::take(&mut self.known.copied) {
                self.writes.remove(&self.inner.facts, format!("{COPIED}{id}"));
            }
        }
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
