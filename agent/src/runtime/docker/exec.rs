//! Commands in containers.

use bollard::Docker as Client;
use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, ResizeExecOptions, StartExecOptions, StartExecResults};
use futures::StreamExt as _;

use super::error::{explain, is_status};
use crate::runtime::{Error, ExecOptions, ExecStreams, TerminalSize};

/// Starts a command.
pub(super) async fn start(
    client: &Client,
    runtime_id: &str,
    options: &ExecOptions,
) -> Result<ExecStreams, Error> {
    let create = CreateExecOptions {
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        tty: Some(options.tty),
        cmd: Some(options.command.clone()),
        ..Default::default()
    };
    let id = client.create_exec(runtime_id, create).await.map_err(explain)?.id;
    let attach = StartExecOptions { detach: false, tty: options.tty, output_capacity: None };
    match client.start_exec(&id, Some(attach)).await.map_err(explain)? {
        StartExecResults::Attached { output, input } => {
            if let Some(wanted) = options.size {
                resize(client, &id, wanted).await?;
            }
            let output = output.map(|record| {
                let record = record.map_err(explain)?;
                Ok((matches!(record, LogOutput::StdErr { .. }), record.into_bytes()))
            });
            Ok(ExecStreams { id, output: output.boxed(), input })
        }
        StartExecResults::Detached => Err(Error::Refused("the command runs without its streams".to_owned())),
    }
}

/// Tells a command the size of its terminal. One that has ended does not need it.
pub(super) async fn resize(client: &Client, id: &str, size: TerminalSize) -> Result<(), Error> {
    let options = ResizeExecOptions { height: size.rows, width: size.columns };
    match client.resize_exec(id, options).await {
        Err(error) if is_status(&error, 404) || is_status(&error, 409) || is_status(&error, 500) => Ok(()),
        result => result.map_err(explain),
    }
}

/// With what a command ended.
pub(super) async fn exit_code(client: &Client, id: &str) -> Result<Option<i32>, Error> {
    let found = client.inspect_exec(id).await.map_err(explain)?;
    Ok(found.exit_code.and_then(|code| i32::try_from(code).ok()))
}
