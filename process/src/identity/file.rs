//! Secret files: a version around the content, and writes that are whole or did not happen.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Raised when a reader of an older version could misunderstand a file.
const VERSION: u32 = 1;

const OWNER_ONLY: u32 = 0o600;
const OWNER_ONLY_DIRECTORY: u32 = 0o700;

/// Why an identity could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system refused.
    #[error("cannot {operation} {path}")]
    Io {
        /// What was being done.
        operation: &'static str,
        /// To what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The file is not an identity.
    #[error("{path} is not a valid identity of kind {kind:?}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        kind: &'static str,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The file is another holder's.
    #[error("{path} holds an identity of kind {found:?}, not {kind:?}")]
    Kind {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        kind: &'static str,
        /// What it holds.
        found: String,
    },
    /// The file was written by a later Berth.
    #[error("{path} has version {found}; this Berth knows up to {VERSION}")]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
}

/// What every identity file says of itself.
#[derive(Deserialize)]
struct Header {
    version: u32,
    kind: String,
}

#[derive(Serialize)]
struct Document<'a, T> {
    version: u32,
    kind: &'a str,
    #[serde(flatten)]
    identity: &'a T,
}

pub(super) fn read<T: DeserializeOwned>(kind: &'static str, path: &Path) -> Result<T, Error> {
    let text = fs::read(path).map_err(failed("read", path))?;
    let malformed = |source| Error::Malformed { path: path.to_owned(), kind, source };
    let header: Header = serde_json::from_slice(&text).map_err(malformed)?;
    if header.version > VERSION {
        return Err(Error::Version { path: path.to_owned(), found: header.version });
    }
    if header.kind != kind {
        return Err(Error::Kind { path: path.to_owned(), kind, found: header.kind });
    }
    serde_json::from_slice(&text).map_err(malformed)
}

pub(super) fn write<T: Serialize>(kind: &'static str, path: &Path, identity: &T) -> Result<(), Error> {
    let document = Document { version: VERSION, kind, identity };
    let mut text = serde_json::to_vec_pretty(&document).expect("strings and structs are JSON");
    text.push(b'\n');
    replace(path, &text)
}

/// Written beside, synced, renamed, and the rename synced: after a power cut the file is the old or the new one.
pub(super) fn replace(path: &Path, text: &[u8]) -> Result<(), Error> {
    let beside = path.with_added_extension("tmp");
    write_synced(&beside, text).map_err(failed("write", &beside))?;
    fs::rename(&beside, path).map_err(failed("replace", path))?;
    let directory = parent(path);
    File::open(directory).and_then(|opened| opened.sync_all()).map_err(failed("sync", directory))
}

/// Makes `directory` when it is missing, and keeps others from writing into it while the lock lives.
pub(super) fn lock(directory: &Path) -> Result<File, Error> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(OWNER_ONLY_DIRECTORY);
    builder.create(directory).map_err(failed("create", directory))?;
    let opened = File::open(directory).map_err(failed("open", directory))?;
    opened.lock().map_err(failed("lock", directory))?;
    Ok(opened)
}

pub(super) fn exists(path: &Path) -> Result<bool, Error> {
    path.try_exists().map_err(failed("look for", path))
}

fn write_synced(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(OWNER_ONLY).open(path)?;
    // A left-over of a crash may have been made with other permissions.
    file.set_permissions(fs::Permissions::from_mode(OWNER_ONLY))?;
    file.write_all(text)?;
    file.sync_all()
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |source| Error::Io { operation, path, source }
}
