//! sled, and what it takes to be sure that something is on the device.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use prometheus_client::metrics::histogram::Histogram;
use tokio::time::Instant;

/// The database of one controller. Every write goes through sled's trees; [`Disk::sync`] makes them durable.
pub(super) struct Disk {
    db: sled::Db,
    /// The file that sled appends to, opened a second time: sled does not let us sync its own.
    file: File,
    sync_seconds: Histogram,
}

/// The directory below the data directory that belongs to sled.
const DIR: &str = "raft";

/// What sled may keep of its pages in memory. The newest entries are in the log store's own tail, so this serves
/// start-up and followers that are far behind.
const CACHE_BYTES: u64 = 8 << 20;

/// How long the process before may take to let go of the files: its supervisor may start us before it is quite gone, and
/// sled's own threads outlive the database by a moment.
const RELEASE_PATIENCE: Duration = Duration::from_secs(2);
const RELEASE_POLL: Duration = Duration::from_millis(10);

/// From a fast local disk to one that elections have to wait for.
const SYNC_SECONDS: [f64; 10] = [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0];

/// Why the data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// It cannot be created or opened.
    #[error("open the database in {}", path.display())]
    Open {
        /// Where it should be.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Another process has it.
    #[error("the data directory {} is in use by another process", path.display())]
    InUse {
        /// Where it is.
        path: PathBuf,
    },
    /// It does not let itself be read.
    #[error("read from the database")]
    Read(#[source] io::Error),
    /// It does not let itself be written.
    #[error("write to the database")]
    Write(#[source] io::Error),
    /// It cannot be made durable.
    #[error("sync the database")]
    Sync(#[source] io::Error),
    /// Something in it is not what this build writes.
    #[error("the stored {what} is malformed")]
    Malformed {
        /// What.
        what: &'static str,
    },
    /// A part of the log is missing.
    #[error("the log has a hole before entry {before}")]
    Hole {
        /// The entry after it.
        before: u64,
    },
}

// === impl Disk ===

impl Disk {
    /// Opens or creates the database below `data_dir`.
    pub(super) fn open(data_dir: &Path) -> Result<Self, DiskError> {
        let path = data_dir.join(DIR);
        let failed = |source| DiskError::Open { path: path.clone(), source };
        fs::create_dir_all(&path).map_err(failed)?;
        let config = sled::Config::new()
            .path(&path)
            .mode(sled::Mode::HighThroughput)
            .cache_capacity(CACHE_BYTES)
            // Nothing is flushed behind our back: the log writer decides when, and waits for the device.
            .flush_every_ms(None);
        let db = open_released(&config).map_err(|error| match error {
            busy if is_locked(&busy) => DiskError::InUse { path: path.clone() },
            source => failed(source),
        })?;
        let file = File::open(path.join("db")).map_err(failed)?;
        let disk = Self { db, file, sync_seconds: Histogram::new(SYNC_SECONDS) };
        disk.sync().map_err(failed)?;
        sync_dir(&path).and_then(|()| sync_dir(data_dir)).map_err(failed)?;
        Ok(disk)
    }

    /// One tree for each concern.
    pub(super) fn tree(&self, name: &str) -> Result<sled::Tree, DiskError> {
        self.db.open_tree(name).map_err(DiskError::read)
    }

    /// When this returns, everything that was written before it was called is on the device.
    pub(super) fn sync(&self) -> io::Result<()> {
        let started = Instant::now();
        self.db.flush()?;
        self.file.sync_data()?;
        self.sync_seconds.observe(started.elapsed().as_secs_f64());
        Ok(())
    }

    /// How long syncing took.
    pub(super) fn sync_seconds(&self) -> Histogram {
        self.sync_seconds.clone()
    }

    /// The size of the database's files.
    pub(super) fn size_bytes(&self) -> io::Result<u64> {
        Ok(self.db.size_on_disk()?)
    }
}

// === impl DiskError ===

impl DiskError {
    pub(super) fn read(error: sled::Error) -> Self {
        Self::Read(error.into())
    }

    pub(super) fn write(error: sled::Error) -> Self {
        Self::Write(error.into())
    }
}

/// Makes a new, renamed or deleted name in `dir` durable.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Opens the database once nobody else has it, as long as that takes no longer than it should.
fn open_released(config: &sled::Config) -> io::Result<sled::Db> {
    let deadline = Instant::now() + RELEASE_PATIENCE;
    loop {
        match config.open().map_err(io::Error::from) {
            Err(busy) if is_locked(&busy) && Instant::now() < deadline => std::thread::sleep(RELEASE_POLL),
            opened => return opened,
        }
    }
}

/// sled reports the lock of another process as an error of no kind of its own.
fn is_locked(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || error.to_string().contains("could not acquire lock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_in_use_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let _first = Disk::open(dir.path()).unwrap();
        let second = Disk::open(dir.path()).map(|_disk| ());
        assert!(matches!(second, Err(DiskError::InUse { .. })), "{second:?}");
    }

    #[test]
    fn what_was_synced_is_there_after_reopening() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::open(dir.path()).unwrap();
        disk.tree("t").unwrap().insert(b"k", b"v").unwrap();
        disk.sync().unwrap();
        drop(disk);
        let disk = Disk::open(dir.path()).unwrap();
        assert_eq!(disk.tree("t").unwrap().get(b"k").unwrap().as_deref(), Some(&b"v"[..]));
    }
}
