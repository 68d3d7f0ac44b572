//! Files of this machine as a tar archive, piece by piece.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use tokio::sync::mpsc;

use crate::conduit::CHUNK_BYTES;
use crate::failure::{Failure, OrUsage as _};

/// Hands on what is written, and waits until it is taken.
struct Chunks(mpsc::Sender<Vec<u8>>);

/// Packs a file, or a directory with all that is in it, under this name. Links stay links.
pub(super) fn pack(local: &Path, name: &Path, sender: mpsc::Sender<Vec<u8>>) -> Result<(), Failure> {
    let written = write(local, name, sender);
    match written {
        // Whoever does not take it says why.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.or_usage(|| format!("reading {}", local.display())),
    }
}

fn write(local: &Path, name: &Path, sender: mpsc::Sender<Vec<u8>>) -> io::Result<()> {
    let mut archive = tar::Builder::new(BufWriter::with_capacity(CHUNK_BYTES, Chunks(sender)));
    archive.follow_symlinks(false);
    if std::fs::symlink_metadata(local)?.is_dir() {
        archive.append_dir_all(name, local)?;
    } else {
        archive.append_path_with_name(local, name)?;
    }
    archive.into_inner()?.flush()
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.0.blocking_send(bytes.to_vec());
        taken.map(|()| bytes.len()).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
