//! The directory that snapshots are files in.

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use berth_model::state::State;
use parking_lot::Mutex;
use tracing::warn;

use super::super::SnapshotMeta;
use super::super::disk::sync_dir;
use super::io::Temporary;
use super::{SnapshotError, SnapshotIo, decode, format};

/// The files of one controller's snapshots.
pub(crate) struct Directory {
    path: PathBuf,
    /// Held while a snapshot takes the place of another.
    current: Mutex<Option<Current>>,
    temporaries: AtomicU64,
}

struct Current {
    meta: SnapshotMeta,
    path: PathBuf,
}

const DIR: &str = "snapshots";
const EXTENSION: &str = "snapshot";
const TEMPORARY_EXTENSION: &str = "tmp";

// === impl Directory ===

impl Directory {
    /// Opens or creates the directory below `data_dir`, and reads the newest good snapshot.
    pub(super) fn open(data_dir: &Path) -> Result<(Self, Option<(SnapshotMeta, State)>), SnapshotError> {
        let path = data_dir.join(DIR);
        fs::create_dir_all(&path)
            .and_then(|()| sync_dir(data_dir))
            .map_err(SnapshotError::io("make room for"))?;
        remove_temporaries(&path).map_err(SnapshotError::io("clean up after"))?;
        let mut newest = None;
        for file in newest_first(&path).map_err(SnapshotError::io("look for"))? {
            match fs::read(&file).map_err(SnapshotError::io("read")).and_then(|bytes| decode(&bytes)) {
                Ok((meta, state)) => {
                    newest = Some((file, meta, state));
                    break;
                }
                Err(error) => {
                    let error = berth_process::telemetry::chain(&error);
                    warn!(path = %file.display(), %error, "passing over a snapshot that cannot be read");
                }
            }
        }
        let current =
            newest.as_ref().map(|(path, meta, _)| Current { meta: meta.clone(), path: path.clone() });
        let directory = Self { path, current: Mutex::new(current), temporaries: AtomicU64::new(0) };
        Ok((directory, newest.map(|(_path, meta, state)| (meta, state))))
    }

    /// Writes a snapshot, and returns it opened for reading.
    pub(super) fn save(&self, meta: &SnapshotMeta, state: &[u8]) -> Result<File, SnapshotError> {
        let (mut file, temporary) = self.create()?;
        let written = file.write_all(&format::header(meta, state)).and_then(|()| file.write_all(state));
        written.map_err(SnapshotError::io("write"))?;
        self.place(&file, temporary, meta)?;
        file.rewind().map_err(SnapshotError::io("read"))?;
        Ok(file)
    }

    /// A file to receive a snapshot in.
    pub(super) fn receive(&self) -> Result<SnapshotIo, SnapshotError> {
        let (file, temporary) = self.create()?;
        Ok(SnapshotIo::File { file: file.into(), temporary: Some(temporary) })
    }

    /// Checks and keeps a received snapshot. One that was not received into this directory is copied.
    pub(super) fn install(
        &self,
        mut file: File,
        temporary: Option<Temporary>,
    ) -> Result<(SnapshotMeta, State), SnapshotError> {
        let mut bytes = Vec::new();
        file.rewind().and_then(|()| file.read_to_end(&mut bytes)).map_err(SnapshotError::io("read"))?;
        let (meta, state) = decode(&bytes)?;
        match temporary {
            Some(temporary) => self.place(&file, temporary, &meta)?,
            None => {
                let (mut copy, temporary) = self.create()?;
                copy.write_all(&bytes).map_err(SnapshotError::io("write"))?;
                self.place(&copy, temporary, &meta)?;
            }
        }
        Ok((meta, state))
    }

    /// The newest snapshot, opened for reading.
    pub(super) fn current(&self) -> Result<Option<(SnapshotMeta, File)>, SnapshotError> {
        let current = self.current.lock();
        let Some(current) = &*current else { return Ok(None) };
        let file = File::open(&current.path).map_err(SnapshotError::io("open"))?;
        Ok(Some((current.meta.clone(), file)))
    }

    fn create(&self) -> Result<(File, Temporary), SnapshotError> {
        let number = self.temporaries.fetch_add(1, Ordering::SeqCst);
        let path = self.path.join(format!("{number}.{TEMPORARY_EXTENSION}"));
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path);
        Ok((file.map_err(SnapshotError::io("create"))?, Temporary::new(path)))
    }

    /// Makes a complete file durable and puts it in the place of the current snapshot, which goes. If the current one
    /// is newer (one was received while this one was built) it stays, and the file goes with its temporary name.
    fn place(&self, file: &File, temporary: Temporary, meta: &SnapshotMeta) -> Result<(), SnapshotError> {
        file.sync_all().map_err(SnapshotError::io("sync"))?;
        let mut current = self.current.lock();
        if current.as_ref().is_some_and(|current| index(&current.meta) > index(meta)) {
            return Ok(());
        }
        let path = self.path.join(file_name(meta));
        if let Some(from) = temporary.path() {
            fs::rename(from, &path).and_then(|()| sync_dir(&self.path)).map_err(SnapshotError::io("keep"))?;
        }
        temporary.keep();
        *current = Some(Current { meta: meta.clone(), path: path.clone() });
        remove_others(&self.path, &path);
        Ok(())
    }
}

fn index(meta: &SnapshotMeta) -> Option<u64> {
    meta.last_log_id.map(|last| last.index)
}

/// Sorts by revision, then by term.
fn file_name(meta: &SnapshotMeta) -> String {
    let (index, term) = meta.last_log_id.map_or((0, 0), |last| (last.index, last.leader_id.term));
    format!("{index:020}-{term:010}.{EXTENSION}")
}

fn newest_first(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut paths = with_extension(dir, EXTENSION)?;
    paths.sort_unstable_by(|one, other| other.cmp(one));
    Ok(paths)
}

fn remove_temporaries(dir: &Path) -> std::io::Result<()> {
    with_extension(dir, TEMPORARY_EXTENSION)?.into_iter().try_for_each(fs::remove_file)
}

/// What is left here is tried again when the next snapshot takes its place.
fn remove_others(dir: &Path, kept: &Path) {
    let removed = with_extension(dir, EXTENSION)
        .and_then(|paths| paths.into_iter().filter(|path| path != kept).try_for_each(fs::remove_file));
    if let Err(error) = removed {
        warn!(%error, "cannot delete an old snapshot");
    }
}

fn with_extension(dir: &Path, extension: &str) -> std::io::Result<Vec<PathBuf>> {
    let paths: Vec<PathBuf> =
        fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    Ok(paths.into_iter().filter(|path| path.extension().is_some_and(|found| found == extension)).collect())
}
