//! What people may do with a container that runs: commands in it, files of it.

use std::pin::Pin;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use tokio::io::AsyncWrite;

use super::Error;

/// A command to run in a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecOptions {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// It gets a terminal.
    pub tty: bool,
    /// How large that is.
    pub size: Option<TerminalSize>,
}

/// How large a terminal is, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalSize {
    /// Of a line.
    pub columns: u16,
    /// Lines.
    pub rows: u16,
}

/// What a command prints: whether to standard error, and what.
pub type Output = BoxStream<'static, Result<(bool, Bytes), Error>>;

/// What a command reads.
pub type Input = Pin<Box<dyn AsyncWrite + Send>>;

/// A tar archive.
pub type Archive = BoxStream<'static, Result<Bytes, std::io::Error>>;

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A directory.
    Directory,
    /// Something that is none.
    Other,
    /// Nothing.
    Missing,
}

/// A command that runs.
pub struct ExecStreams {
    /// By which the runtime knows it.
    pub id: String,
    /// Ends with the command.
    pub output: Output,
    /// Shutting it down is the end of its standard input.
    pub input: Input,
}

/// Into containers that run.
#[async_trait]
pub trait Reach: Send + Sync {
    /// Starts a command in a container.
    async fn exec(&self, runtime_id: &str, options: &ExecOptions) -> Result<ExecStreams, Error>;
    /// Tells a command how large its terminal is.
    async fn exec_resize(&self, id: &str, size: TerminalSize) -> Result<(), Error>;
    /// With what a command ended; none while it runs.
    async fn exec_exit_code(&self, id: &str) -> Result<Option<i32>, Error>;
    /// Hangs up on a command, and kills it if that does not end it. One that has ended needs neither.
    async fn exec_end(&self, runtime_id: &str, id: &str) -> Result<(), Error>;
    /// The first process of a container, if it runs on this machine under a number that means the same here.
    async fn first_process(&self, runtime_id: &str) -> Result<Option<u32>, Error>;
    /// A file or a directory of a container.
    async fn read_files(&self, runtime_id: &str, path: &str) -> Result<Archive, Error>;
    /// What is at a path of a container.
    async fn stat_file(&self, runtime_id: &str, path: &str) -> Result<FileKind, Error>;
    /// Unpacks an archive into a directory of a container.
    async fn write_files(&self, runtime_id: &str, path: &str, archive: Archive) -> Result<(), Error>;
}
