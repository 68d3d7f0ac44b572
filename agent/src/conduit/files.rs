//! Files out of a container and into it, as tar archives that nobody here looks into.

use berth_proto::agent::v1 as wire;
use berth_proto::agent::v1::conduit_input::Input;
use bytes::Bytes;
use futures::StreamExt as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::outlet::Outlet;
use super::{Broken, Ended, Inputs};
use crate::limits;
use crate::runtime::Runtime;
use crate::runtime::reach::FileKind;

/// Sends a file or a directory.
pub(super) async fn read(
    path: &str,
    runtime: &dyn Runtime,
    runtime_id: &str,
    inputs: &mut Inputs,
    outlet: &Outlet,
) -> Ended {
    let mut archive = runtime.read_files(runtime_id, path).await?;
    let sent = async {
        while let Some(bytes) = archive.next().await {
            let bytes = bytes.map_err(|error| Broken::Failed(format!("Reading {path}: {error}.")))?;
            outlet.bytes(wire::LogSource::Stdout, bytes.to_vec()).await?;
        }
        Ok(0)
    };
    let gone = async { while let Ok(Some(_)) = inputs.message().await {} };
    tokio::select! {
        // Not cancel-safe, and need not be: both end here.
        sent = sent => sent,
        () = gone => Err(Broken::Abandoned),
    }
}

/// Says what a path leads to, by its exit code.
pub(super) async fn stat(path: &str, runtime: &dyn Runtime, runtime_id: &str) -> Ended {
    Ok(match runtime.stat_file(runtime_id, path).await? {
        FileKind::Directory => 0,
        FileKind::Other => 1,
        FileKind::Missing => 2,
    })
}

/// Unpacks what comes into a directory.
pub(super) async fn write(path: &str, runtime: &dyn Runtime, runtime_id: &str, inputs: &mut Inputs) -> Ended {
    let (sender, archive) = mpsc::channel::<Result<Bytes, std::io::Error>>(limits::CONDUIT_CHUNKS);
    let written = runtime.write_files(runtime_id, path, ReceiverStream::new(archive).boxed());
    let fed = async {
        let sender = sender;
        loop {
            match inputs.message().await.ok().flatten().map(|message| message.input) {
                // When nobody takes it any more, the result says why.
                Some(Some(Input::Bytes(bytes))) => drop(sender.send(Ok(bytes.into())).await),
                Some(Some(Input::End(_))) => break,
                Some(Some(Input::Size(_)) | None) => {}
                None => {
                    // Half an archive must not pass for a whole one.
                    let broken = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
                    let _ = sender.send(Err(broken)).await;
                    return Err(Broken::Abandoned);
                }
            }
        }
        Ok(())
    };
    let mut written = std::pin::pin!(written);
    tokio::select! {
        biased;
        // Cancel-safe: it is polled in place, and goes on below.
        written = &mut written => return Ok(written.map(|()| 0)?),
        // Not cancel-safe, and need not be: it has ended.
        fed = fed => fed?,
    }
    Ok(written.await.map(|()| 0)?)
}
