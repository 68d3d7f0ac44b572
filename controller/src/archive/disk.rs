//! One controller's part of the archive: what it has on its disk.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use berth_proto::peer::v1 as pb;
use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use parking_lot::RwLock;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::slices::Slices;
use super::writer::{Change, Order, WriteError, Writer};
use super::{copy, key, read};
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
    /// What `known` says, by name.
    pub(super) facts: Keyspace,
    /// What this disk knows of itself and of others.
    pub(super) known: RwLock<Known>,
    reads: Semaphore,
}

/// What a disk knows of itself and of others.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) mark: pb::LogArchiveMark,
    /// Writes for memberships of a smaller number are refused.
    pub(super) least_membership: u64,
    /// How far the disks of other controllers were copied, by their ids.
    pub(super) copied: BTreeMap<u64, pb::LogCopyProgress>,
}

/// The names of [`Known`]'s members on disk; that of a copy is its prefix.
pub(super) const MARK: &str = "mark";
pub(super) const LEAST_MEMBERSHIP: &str = "least-membership";
pub(super) const COPIED: &str = "copied-";

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
        self.look(move |inner| {
            // Before the look: who becomes whole meanwhile was not when it began.
            let mark = Some(inner.mark());
            Ok(pb::ReadLogEventsResponse { mark, ..read::events(inner, &request)? })
        })
        .await
    }

    /// The streams that are asked for, as far as they are known here.
    pub async fn streams(
        &self,
        request: pb::ListLogStreamsRequest,
    ) -> Result<pb::ListLogStreamsResponse, fjall::Error> {
        self.look(move |inner| {
            let mark = Some(inner.mark());
            Ok(pb::ListLogStreamsResponse { mark, ..read::streams(inner, &request)? })
        })
        .await
    }

    /// A part of everything that is here, for another controller.
    pub async fn page(&self, request: pb::CopyLogsRequest) -> Result<pb::CopyLogsResponse, WriteError> {
        if request.membership > self.inner.known.read().least_membership {
            // Done when everything is written that was accepted before.
            self.order(Change::LeastMembership(request.membership)).await?;
        }
        let page = self.look(move |inner| copy::page(inner, request.from)).await;
        page.map_err(|error| WriteError::Disk(Arc::new(error)))
    }

    /// What may be missing here.
    pub fn mark(&self) -> pb::LogArchiveMark {
        self.inner.mark()
    }

    /// How far the disks of others were copied.
    pub(super) fn copied(&self) -> BTreeMap<u64, pb::LogCopyProgress> {
        self.inner.known.read().copied.clone()
    }

    /// What the archive takes on disk.
    pub fn bytes(&self) -> u64 {
        self.inner.slices.bytes()
    }

    /// Whether there is not one event of a stream that is not known.
    #[cfg(test)]
    pub(super) fn inner_is_clean(&self) -> bool {
        let number =
            |value: fjall::UserValue| decode::<pb::LogStreamRecord>(&value).expect("a stream").local_number;
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

impl fmt::Debug for Disk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Disk").field("mark", &self.mark()).finish_non_exhaustive()
    }
}

// === impl Inner ===

impl Inner {
    pub(super) fn mark(&self) -> pb::LogArchiveMark {
        self.known.read().mark
    }

    fn open(path: &Path, most_bytes: u64) -> Result<Self, fjall::Error> {
        let database = Database::builder(path)
            .cache_size(ARCHIVE_CACHE_BYTES)
            .max_journaling_size(JOURNAL_BYTES)
            .worker_threads(1)
            // Flushed by the writer, once for all that waits.
            .manual_journal_persist(true)
            .open()?;
        let is_new = !database.list_keyspace_names().iter().any(|name| **name == *"streams");
        let facts = database.keyspace("facts", KeyspaceCreateOptions::default)?;
        Ok(Self {
            known: RwLock::new(Known::read(&facts, is_new)?),
            facts,
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

// === impl Known ===

impl Known {
    /// A disk from before there were marks was never copied to, and was a voter's: nothing is missing.
    fn read(facts: &Keyspace, is_new: bool) -> Result<Self, fjall::Error> {
        let without_mark = pb::LogArchiveMark { is_whole: !is_new, ..Default::default() };
        let mut known = Self { mark: without_mark, ..Self::default() };
        for fact in facts.iter() {
            let (name, value) = fact.into_inner()?;
            let name = String::from_utf8_lossy(&name);
            if name == MARK {
                known.mark = decode(&value)?;
            } else if name == LEAST_MEMBERSHIP {
                known.least_membership = key::group(&value).unwrap_or_default();
            } else if let Some(id) = name.strip_prefix(COPIED).and_then(|id| id.parse().ok()) {
                known.copied.insert(id, decode(&value)?);
            }
        }
        Ok(known)
    }
}

pub(super) fn decode<M: prost::Message + Default>(bytes: &[u8]) -> Result<M, fjall::Error> {
    M::decode(bytes).map_err(|error| fjall::Error::Io(std::io::Error::other(error)))
}
