//! One controller's part of the archive: what it has on its disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use berth_proto::peer::v1 as pb;
use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use prost::Message as _;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::slices::Slices;
use super::writer::{Change, Order, WriteError, Writer};
use super::{key, read};
use crate::limits::{ARCHIVE_CACHE_BYTES, ARCHIVE_READS, ARCHIVE_WRITES};

/// The directory below the data directory that belongs to the archive.
const DIR: &str = "logs";

/// The least that fjall takes. Twice what the memtables of a few slices hold.
const JOURNAL_BYTES: u64 = 64 << 20;

/// What is on disk. Cheap to clone.
#[derive(Clone)]
pub struct Disk {
    inner: Arc<Inner>,
    orders: mpsc::Sender<Order>,
}

pub(super) struct Inner {
    pub(super) database: Database,
    /// [`pb::LogStreamRecord`] by group and name.
    pub(super) streams: Keyspace,
    /// Numbers of streams that are gone and whose events are not.
    pub(super) garbage: Keyspace,
    pub(super) slices: Slices,
    reads: Semaphore,
}

/// The archive cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("open the archive of logs in {}", path.display())]
pub struct OpenError {
    path: PathBuf,
    #[source]
    source: fjall::Error,
}

// === impl Disk ===

impl Disk {
    /// Opens or creates the archive below `data_dir`. Nothing is written before the writer runs.
    pub fn open(data_dir: &Path, most_bytes: u64) -> Result<(Self, Writer), OpenError> {
        let path = data_dir.join(DIR);
        let inner = Inner::open(&path, most_bytes).map_err(|source| OpenError { path, source })?;
        let inner = Arc::new(inner);
        let (orders, queue) = mpsc::channel(ARCHIVE_WRITES);
        Ok((Self { inner: Arc::clone(&inner), orders }, Writer::new(inner, queue)))
    }

    /// Keeps events. They are on disk when this returns.
    pub async fn store(&self, request: pb::StoreLogsRequest) -> Result<(), WriteError> {
        self.order(Change::Store(request)).await
    }

    pub(super) async fn order(&self, change: Change) -> Result<(), WriteError> {
        let (done, answer) = oneshot::channel();
        self.orders.send(Order { change, done }).await.map_err(|_| WriteError::Stopping)?;
        answer.await.unwrap_or(Err(WriteError::Stopping))
    }

    /// The events that are asked for, as far as they are here.
    pub async fn read(
        &self,
        request: pb::ReadLogEventsRequest,
    ) -> Result<pb::ReadLogEventsResponse, fjall::Error> {
        self.look(move |inner| read::events(inner, &request)).await
    }

    /// The streams that are asked for, as far as they are known here.
    pub async fn streams(
        &self,
        request: pb::ListLogStreamsRequest,
    ) -> Result<pb::ListLogStreamsResponse, fjall::Error> {
        self.look(move |inner| read::streams(inner, &request)).await
    }

    /// What the archive takes on disk.
    pub fn bytes(&self) -> u64 {
        self.inner.slices.bytes()
    }

    /// Whether there is not one event of a stream that is not known.
    #[cfg(test)]
    pub(super) fn inner_is_clean(&self) -> bool {
        let number = |value: fjall::UserValue| decode(&value).expect("a stream").local_number;
        let streams = self.inner.streams.iter().map(|found| found.value().expect("a stream"));
        let known: std::collections::BTreeSet<u64> = streams.map(number).collect();
        let slices = self.inner.slices.all();
        let mut events = slices.iter().flat_map(Keyspace::iter).map(|found| found.key().expect("an event"));
        events.all(|event| key::group(&event).is_some_and(|stream| known.contains(&stream)))
    }

    async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Inner) -> Result<T, fjall::Error> + Send + 'static,
    ) -> Result<T, fjall::Error> {
        let _slot = self.inner.reads.acquire().await;
        let inner = Arc::clone(&self.inner);
        let looked = tokio::task::spawn_blocking(move || look(&inner)).await;
        looked.unwrap_or_else(|ended| Err(fjall::Error::Io(std::io::Error::other(ended))))
    }
}

// === impl Inner ===

impl Inner {
    fn open(path: &Path, most_bytes: u64) -> Result<Self, fjall::Error> {
        let database = Database::builder(path)
            .cache_size(ARCHIVE_CACHE_BYTES)
            .max_journaling_size(JOURNAL_BYTES)
            .worker_threads(1)
            // Flushed by the writer, once for all that waits.
            .manual_journal_persist(true)
            .open()?;
        Ok(Self {
            streams: database.keyspace("streams", KeyspaceCreateOptions::default)?,
            garbage: database.keyspace("garbage", KeyspaceCreateOptions::default)?,
            slices: Slices::open(&database, most_bytes)?,
            database,
            reads: Semaphore::new(ARCHIVE_READS),
        })
    }

    /// What is known of a stream.
    pub(super) fn stream(&self, group: u64, name: &str) -> Result<Option<pb::LogStreamRecord>, fjall::Error> {
        self.streams.get(key::stream(group, name))?.map(|bytes| decode(&bytes)).transpose()
    }

    /// The streams of a group whose names begin with the prefix, from one on.
    pub(super) fn streams_of(
        &self,
        group: u64,
        prefix: &str,
        after: &str,
    ) -> impl Iterator<Item = Result<pb::LogStreamRecord, fjall::Error>> {
        let prefix = key::stream(group, prefix);
        let mut first = key::stream(group, after);
        if !after.is_empty() {
            first.push(0);
        }
        let found = self.streams.range(first.max(prefix.clone())..).map(fjall::Guard::into_inner);
        found
            .take_while(move |found| found.as_ref().map_or(true, |(key, _)| key.starts_with(&prefix)))
            .map(|found| found.and_then(|(_, value)| decode(&value)))
    }
}

fn decode(bytes: &[u8]) -> Result<pb::LogStreamRecord, fjall::Error> {
    pb::LogStreamRecord::decode(bytes).map_err(|error| fjall::Error::Io(std::io::Error::other(error)))
}
