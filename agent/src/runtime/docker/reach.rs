//! Reaching into containers of Docker.

use async_trait::async_trait;

use super::{Docker, exec, files};
use crate::limits;
use crate::runtime::Error;
use crate::runtime::reach::{Archive, ExecOptions, ExecStreams, FileKind, Reach, TerminalSize};

#[async_trait]
impl Reach for Docker {
    async fn exec(&self, runtime_id: &str, options: &ExecOptions) -> Result<ExecStreams, Error> {
        exec::start(&self.client().await?, runtime_id, options).await
    }

    async fn exec_resize(&self, id: &str, size: TerminalSize) -> Result<(), Error> {
        exec::resize(&self.client().await?, id, size).await
    }

    async fn exec_exit_code(&self, id: &str) -> Result<Option<i32>, Error> {
        exec::exit_code(&self.client().await?, id).await
    }

    async fn exec_end(&self, runtime_id: &str, id: &str) -> Result<(), Error> {
        exec::end(&self.client().await?, runtime_id, id).await
    }

    async fn first_process(&self, runtime_id: &str) -> Result<Option<u32>, Error> {
        exec::first_process(&self.client().await?, runtime_id).await
    }

    async fn read_files(&self, runtime_id: &str, path: &str) -> Result<Archive, Error> {
        files::read(&self.client().await?, runtime_id, path).await
    }

    async fn stat_file(&self, runtime_id: &str, path: &str) -> Result<FileKind, Error> {
        files::stat(&self.client().await?, runtime_id, path).await
    }

    async fn write_files(&self, runtime_id: &str, path: &str, archive: Archive) -> Result<(), Error> {
        files::write(&self.client_with_timeout(limits::COPY_TIMEOUT).await?, runtime_id, path, archive).await
    }
}
