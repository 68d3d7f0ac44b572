//! Snapshots: the whole state at some revision, so that the log before it can go.
//!
//! They are files, not sled values: a value of that size would go through sled's log and its page cache and end up
//! in a blob file that sled never syncs; a file is written once, synced, and put in place by an atomic rename. It
//! is also what followers are sent, byte for byte.
//!
//! One good snapshot is kept. A file that is torn or damaged is passed over at the start, in favour of an older good
//! one if there is one; a name ending in `.tmp` never was a snapshot.

mod directory;
mod format;
mod io;

use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use berth_model::state::State;
use parking_lot::Mutex;

use super::{Snapshot, SnapshotMeta};
use directory::Directory;

pub use format::FormatError;
pub(crate) use io::SnapshotIo;

/// Where snapshots are kept. Clones are the same place.
#[derive(Clone)]
pub(super) enum SnapshotStore {
    Files(Arc<Directory>),
    Memory(Arc<Mutex<Option<InMemory>>>),
}

/// A snapshot in memory: what it says of itself, and its bytes.
pub(super) type InMemory = (SnapshotMeta, Vec<u8>);

/// Why a snapshot cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The system does not let us.
    #[error("{doing} a snapshot")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The bytes are no snapshot.
    #[error("the snapshot cannot be used")]
    Format(#[from] FormatError),
    /// The state in it cannot be read.
    #[error("the state in the snapshot cannot be read")]
    State(#[from] berth_model::state::snapshot::DecodeError),
    /// What came is not what was announced.
    #[error("the snapshot is {found}, announced was {expected}")]
    Other {
        /// What came.
        found: String,
        /// What was announced.
        expected: String,
    },
}

// === impl SnapshotStore ===

impl SnapshotStore {
    /// Snapshots as files below `data_dir`, and the state of the newest good one.
    pub(super) fn open(data_dir: &Path) -> Result<(Self, Option<(SnapshotMeta, State)>), SnapshotError> {
        let (directory, newest) = Directory::open(data_dir)?;
        Ok((Self::Files(Arc::new(directory)), newest))
    }

    /// Snapshots in memory, and the state of the one that is there.
    pub(super) fn memory(
        kept: Arc<Mutex<Option<InMemory>>>,
    ) -> Result<(Self, Option<(SnapshotMeta, State)>), SnapshotError> {
        let newest = kept.lock().as_ref().map(|(_meta, bytes)| decode(bytes)).transpose()?;
        Ok((Self::Memory(kept), newest))
    }

    /// Writes a snapshot of `state`; when this returns it is durable.
    pub(super) async fn save(&self, meta: SnapshotMeta, state: State) -> Result<Snapshot, SnapshotError> {
        match self {
            Self::Files(directory) => {
                let (directory, described) = (Arc::clone(directory), meta.clone());
                let file = blocking(move || directory.save(&described, &state.encode_snapshot())).await?;
                Ok(snapshot(meta, SnapshotIo::File { file: file.into(), temporary: None }))
            }
            Self::Memory(kept) => {
                let state = state.encode_snapshot();
                let bytes = [format::header(&meta, &state), state].concat();
                *kept.lock() = Some((meta.clone(), bytes.clone()));
                Ok(snapshot(meta, SnapshotIo::Memory(Cursor::new(bytes))))
            }
        }
    }

    /// Something to write a snapshot into that comes from another controller.
    pub(super) fn receive(&self) -> Result<SnapshotIo, SnapshotError> {
        match self {
            Self::Files(directory) => directory.receive(),
            Self::Memory(_) => Ok(SnapshotIo::Memory(Cursor::default())),
        }
    }

    /// Checks and keeps what was received, and returns the state in it; when this returns it is durable.
    pub(super) async fn install(
        &self,
        meta: &SnapshotMeta,
        received: SnapshotIo,
    ) -> Result<State, SnapshotError> {
        let (found, state) = match (self, received) {
            (Self::Files(directory), SnapshotIo::File { file, temporary }) => {
                let (directory, file) = (Arc::clone(directory), file.into_std().await);
                blocking(move || directory.install(file, temporary)).await?
            }
            (Self::Memory(kept), SnapshotIo::Memory(bytes)) => {
                let decoded = decode(bytes.get_ref())?;
                *kept.lock() = Some((decoded.0.clone(), bytes.into_inner()));
                decoded
            }
            _ => {
                return Err(SnapshotError::Other {
                    found: "of another kind".to_owned(),
                    expected: meta.to_string(),
                });
            }
        };
        if found.last_log_id != meta.last_log_id {
            return Err(SnapshotError::Other { found: found.to_string(), expected: meta.to_string() });
        }
        Ok(state)
    }

    /// The newest snapshot, opened for reading.
    pub(super) fn current(&self) -> Result<Option<Snapshot>, SnapshotError> {
        match self {
            Self::Files(directory) => {
                let opened = directory.current()?;
                Ok(opened.map(|(meta, file)| {
                    snapshot(meta, SnapshotIo::File { file: file.into(), temporary: None })
                }))
            }
            Self::Memory(kept) => {
                let kept = kept.lock().clone();
                Ok(kept.map(|(meta, bytes)| snapshot(meta, SnapshotIo::Memory(Cursor::new(bytes)))))
            }
        }
    }
}

// === impl SnapshotError ===

impl SnapshotError {
    fn io(doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }
}

fn snapshot(meta: SnapshotMeta, io: SnapshotIo) -> Snapshot {
    Snapshot { meta, snapshot: Box::new(io) }
}

fn decode(bytes: &[u8]) -> Result<(SnapshotMeta, State), SnapshotError> {
    let (meta, state) = format::decode(bytes)?;
    Ok((meta, State::decode_snapshot(state)?))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SnapshotError> + Send + 'static,
) -> Result<T, SnapshotError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|panicked| SnapshotError::io("work on")(std::io::Error::other(panicked)))?
}

#[cfg(test)]
mod tests;
