//! Commands in containers.

use bollard::Docker as Client;
use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, ResizeExecOptions, StartExecOptions, StartExecResults};
use futures::StreamExt as _;
use rustix::process::{Pid, Signal, kill_process_group};

use super::error::{explain, is_status};
use crate::limits;
use crate::runtime::Error;
use crate::runtime::reach::{ExecOptions, ExecStreams, TerminalSize};

/// What Docker does not tell of a command that ended.
const UNKNOWN_EXIT: i32 = 255;

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

/// With what a command ended; none while it runs.
pub(super) async fn exit_code(client: &Client, id: &str) -> Result<Option<i32>, Error> {
    let found = client.inspect_exec(id).await.map_err(explain)?;
    let code = found.exit_code.and_then(|code| i32::try_from(code).ok());
    Ok(if found.running == Some(true) { None } else { Some(code.unwrap_or(UNKNOWN_EXIT)) })
}

/// Hangs up on a command, as a terminal that is closed does, and kills it if it does not mind. Docker itself leaves it
/// running when nobody is there any more.
pub(super) async fn end(client: &Client, runtime_id: &str, id: &str) -> Result<(), Error> {
    for signal in [Signal::HUP, Signal::KILL] {
        let Some(command) = process(client, runtime_id, id).await? else { return Ok(()) };
        // It may have ended just now.
        let _ = kill_process_group(command, signal);
        tokio::time::sleep(limits::HANG_UP_GRACE).await;
    }
    Ok(())
}

/// The first process of a container. Its number means something else here when Docker runs on another machine, so what the
/// process belongs to is looked at.
pub(super) async fn first_process(client: &Client, runtime_id: &str) -> Result<Option<u32>, Error> {
    let container = client.inspect_container(runtime_id, None).await.map_err(explain)?;
    let pid = container.state.and_then(|state| state.pid).and_then(|pid| u32::try_from(pid).ok());
    let is_of_it = |pid: &u32| {
        let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        groups.contains(runtime_id)
    };
    Ok(pid.filter(is_of_it))
}

/// The process of a command that runs, if it is in the container as it is seen from here.
async fn process(client: &Client, runtime_id: &str, id: &str) -> Result<Option<Pid>, Error> {
    let found = match client.inspect_exec(id).await {
        Err(error) if is_status(&error, 404) => return Ok(None),
        found => found.map_err(explain)?,
    };
    if found.running != Some(true) {
        return Ok(None);
    }
    let first = first_process(client, runtime_id).await?;
    let namespace = |pid: u32| std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let is_inside = |pid: &u32| namespace(*pid).is_some_and(|one| first.and_then(namespace) == Some(one));
    let pid = found.pid.and_then(|pid| u32::try_from(pid).ok()).filter(is_inside);
    Ok(pid.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw))
}
