//! Files of containers, as tar archives.

use bollard::Docker as Client;
use bollard::query_parameters::{
    ContainerArchiveInfoOptionsBuilder, DownloadFromContainerOptionsBuilder, UploadToContainerOptionsBuilder,
};
use futures::StreamExt as _;

use super::error::{explain, is_status};
use crate::runtime::Error;
use crate::runtime::reach::{Archive, FileKind};

/// The bits of Docker's file modes that say what a file is.
const DIRECTORY: u32 = 1 << 31;
const SYMLINK: u32 = 1 << 27;

/// What a path leads to, also through a link.
pub(super) async fn stat(client: &Client, runtime_id: &str, path: &str) -> Result<FileKind, Error> {
    let mut path = path.to_owned();
    // Docker resolves a link as far as it goes, so that the second question is about what is there.
    for _ in 0..2 {
        let options = ContainerArchiveInfoOptionsBuilder::default().path(&path).build();
        let found = match client.get_container_archive_info(runtime_id, Some(options)).await {
            Err(error) if is_status(&error, 404) => return Ok(FileKind::Missing),
            found => found.map_err(explain)?,
        };
        if found.file_mode & DIRECTORY != 0 {
            return Ok(FileKind::Directory);
        }
        if found.file_mode & SYMLINK == 0 || found.link_target.is_empty() {
            break;
        }
        path = found.link_target;
    }
    Ok(FileKind::Other)
}

/// A file or a directory. That it is not there is told at once.
pub(super) async fn read(client: &Client, runtime_id: &str, path: &str) -> Result<Archive, Error> {
    let options = DownloadFromContainerOptionsBuilder::default().path(path).build();
    let mut archive = client.download_from_container(runtime_id, Some(options)).boxed();
    let first = match archive.next().await {
        Some(first) => first.map_err(explain)?,
        None => return Err(Error::NotFound(format!("{path} has no archive"))),
    };
    let rest = archive.map(|bytes| bytes.map_err(std::io::Error::other));
    Ok(futures::stream::iter([Ok(first)]).chain(rest).boxed())
}

/// Unpacks an archive into a directory.
pub(super) async fn write(
    client: &Client,
    runtime_id: &str,
    path: &str,
    archive: Archive,
) -> Result<(), Error> {
    let options = UploadToContainerOptionsBuilder::default().path(path).no_overwrite_dir_non_dir("1").build();
    let body = bollard::body_try_stream(archive);
    client.upload_to_container(runtime_id, Some(options), body).await.map_err(explain)
}
