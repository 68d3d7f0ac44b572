//! A command in a container.

use std::time::Duration;

use berth_process::backoff::Backoff;
use berth_process::entropy::Entropy;
use berth_proto::agent::v1 as wire;
use berth_proto::agent::v1::conduit_input::Input;
use futures::StreamExt as _;
use tokio::io::AsyncWriteExt as _;

use super::outlet::Outlet;
use super::{Broken, Ended, Inputs};
use crate::runtime::Runtime;
use crate::runtime::reach::{self, ExecOptions, ExecStreams, TerminalSize};

/// Runs a command until it has ended or whoever asked is gone, with whom it ends too.
pub(super) async fn run(
    wanted: &wire::Command,
    runtime: &dyn Runtime,
    runtime_id: &str,
    inputs: &mut Inputs,
    outlet: &Outlet,
) -> Ended {
    let options = ExecOptions {
        command: wanted.arguments.clone(),
        tty: wanted.tty,
        size: wanted.size.as_ref().map(size),
    };
    let ExecStreams { id, output, input } = runtime.exec(runtime_id, &options).await?;
    let ended = async {
        push(output, outlet).await?;
        exit_code(runtime, &id).await
    };
    let ended = tokio::select! {
        // Not cancel-safe, and need not be: both end here.
        ended = ended => ended,
        () = feed(inputs, input, &id, runtime) => Err(Broken::Abandoned),
    };
    if ended.is_err()
        && let Err(error) = runtime.exec_end(runtime_id, &id).await
    {
        tracing::info!(container = runtime_id, error = %error, "a command runs on without its caller");
    }
    ended
}

/// What the command prints, until it prints no more.
async fn push(mut output: reach::Output, outlet: &Outlet) -> Result<(), Broken> {
    while let Some(record) = output.next().await {
        let (is_stderr, bytes) = record?;
        let source = if is_stderr { wire::LogSource::Stderr } else { wire::LogSource::Stdout };
        outlet.bytes(source, bytes.to_vec()).await?;
    }
    Ok(())
}

/// Its exit code, once it has one: a command may close its output and go on.
async fn exit_code(runtime: &dyn Runtime, id: &str) -> Ended {
    let mut backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(1), Entropy::system());
    loop {
        if let Some(code) = runtime.exec_exit_code(id).await? {
            return Ok(code);
        }
        tokio::time::sleep(backoff.next_delay()).await;
    }
}

/// What is typed, until whoever types is gone.
async fn feed(inputs: &mut Inputs, input: reach::Input, id: &str, runtime: &dyn Runtime) {
    let mut input = Some(input);
    while let Ok(Some(message)) = inputs.message().await {
        match message.input {
            Some(Input::Bytes(bytes)) => {
                let Some(open) = &mut input else { continue };
                let written = async {
                    open.write_all(&bytes).await?;
                    open.flush().await
                };
                // What the command does not read any more is nobody's.
                if written.await.is_err() {
                    input = None;
                }
            }
            Some(Input::End(_)) => {
                if let Some(mut open) = input.take() {
                    // A command that has ended reads no more.
                    let _ = open.shutdown().await;
                }
            }
            Some(Input::Size(wanted)) => {
                if let Err(error) = runtime.exec_resize(id, size(&wanted)).await {
                    tracing::debug!(error = %error, "cannot resize a terminal");
                }
            }
            None => {}
        }
    }
}

fn size(size: &wire::TerminalSize) -> TerminalSize {
    let bounded = |cells: u32| u16::try_from(cells).unwrap_or(u16::MAX);
    TerminalSize { columns: bounded(size.columns), rows: bounded(size.rows) }
}
