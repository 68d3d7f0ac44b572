//! What is simulated has nothing inside.

use async_trait::async_trait;

use super::Sim;
use crate::runtime::Error;
use crate::runtime::reach::{Archive, ExecOptions, ExecStreams, FileKind, Reach, TerminalSize};

#[async_trait]
impl Reach for Sim {
    async fn exec(&self, runtime_id: &str, _: &ExecOptions) -> Result<ExecStreams, Error> {
        Err(nothing(runtime_id))
    }

    async fn exec_resize(&self, id: &str, _: TerminalSize) -> Result<(), Error> {
        Err(nothing(id))
    }

    async fn exec_exit_code(&self, id: &str) -> Result<Option<i32>, Error> {
        Err(nothing(id))
    }

    async fn exec_end(&self, runtime_id: &str, _: &str) -> Result<(), Error> {
        Err(nothing(runtime_id))
    }

    async fn first_process(&self, _: &str) -> Result<Option<u32>, Error> {
        Ok(None)
    }

    async fn read_files(&self, runtime_id: &str, _: &str) -> Result<Archive, Error> {
        Err(nothing(runtime_id))
    }

    async fn stat_file(&self, runtime_id: &str, _: &str) -> Result<FileKind, Error> {
        Err(nothing(runtime_id))
    }

    async fn write_files(&self, runtime_id: &str, _: &str, _: Archive) -> Result<(), Error> {
        Err(nothing(runtime_id))
    }
}

fn nothing(id: &str) -> Error {
    Error::Refused(format!("container {id} is simulated: no command runs in it, and it has no files"))
}
