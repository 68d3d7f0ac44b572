//! A snapshot as something to read from and write to, which is how openraft moves it between controllers.

use std::io::{self, Cursor, SeekFrom};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

/// A snapshot that is read, or one that is being received.
#[derive(Debug)]
pub(crate) enum SnapshotIo {
    /// In a file.
    File {
        file: File,
        /// Set while it is being received.
        temporary: Option<Temporary>,
    },
    /// In memory.
    Memory(Cursor<Vec<u8>>),
}

/// A file that goes away with its owner, unless it is kept.
#[derive(Debug)]
pub(crate) struct Temporary(Option<PathBuf>);

// === impl Temporary ===

impl Temporary {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(Some(path))
    }

    pub(super) fn path(&self) -> Option<&Path> {
        self.0.as_deref()
    }

    /// The file has a name of its own now.
    pub(super) fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            // What cannot be removed now is removed at the next start.
            drop(std::fs::remove_file(path));
        }
    }
}

// === impl SnapshotIo ===

impl AsyncRead for SnapshotIo {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::File { file, .. } => Pin::new(file).poll_read(context, buffer),
            Self::Memory(bytes) => Pin::new(bytes).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for SnapshotIo {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::File { file, .. } => Pin::new(file).poll_write(context, bytes),
            Self::Memory(memory) => Pin::new(memory).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::File { file, .. } => Pin::new(file).poll_flush(context),
            Self::Memory(memory) => Pin::new(memory).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::File { file, .. } => Pin::new(file).poll_shutdown(context),
            Self::Memory(memory) => Pin::new(memory).poll_shutdown(context),
        }
    }
}

impl AsyncSeek for SnapshotIo {
    fn start_seek(self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        match self.get_mut() {
            Self::File { file, .. } => Pin::new(file).start_seek(position),
            Self::Memory(memory) => Pin::new(memory).start_seek(position),
        }
    }

    fn poll_complete(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<u64>> {
        match self.get_mut() {
            Self::File { file, .. } => Pin::new(file).poll_complete(context),
            Self::Memory(memory) => Pin::new(memory).poll_complete(context),
        }
    }
}
