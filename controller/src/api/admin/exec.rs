//! Exec: finds the task, and joins its caller with its agent.

use berth_model::error::{ApiError, Exception};
use berth_model::state::State;
use berth_model::task::Task;
use berth_model::validate::name;
use berth_proto::admin::v1 as pb;
use berth_proto::admin::v1::exec_request::Message;
use berth_proto::agent::v1::{ExecInput, ExecOutput, OpenExec};
use futures::StreamExt;
use tokio::sync::mpsc;
use tonic::{Request, Status, Streaming};

use super::super::auth::Principal;
use super::super::call::Shared;
use super::super::error::{Error, IntoStatus};
use super::Stream;
use super::logs::has_container;
use crate::limits::EXEC_CHUNKS_IN_FLIGHT;

/// Runs the command that the first message names.
pub(super) async fn exec(
    shared: &Shared,
    request: Request<Streaming<pb::ExecRequest>>,
) -> Result<Stream<ExecOutput>, Status> {
    let principal = request.extensions().get::<Principal>().cloned();
    let mut requests = request.into_inner();
    let first = requests.message().await?.and_then(|first| first.message);
    let Some(Message::Start(start)) = first else {
        return Err(ApiError::invalid("The first message says what to run.").into_status());
    };
    let slot = shared.load.open_stream()?;
    let view = shared.linearized_view().await?;
    let (task, container) = find(&start, &view).map_err(IntoStatus::into_status)?;
    let open = OpenExec {
        request_id: String::new(),
        task_id: task.id.to_string(),
        container: container.clone(),
        command: start.command.clone(),
        tty: start.tty,
        size: start.size,
    };
    let (sender, input) = mpsc::channel(EXEC_CHUNKS_IN_FLIGHT);
    let outputs = shared.parts.commands.exec(task.instance, open, input).await.map_err(Error::from)?;
    let caller = principal.map(|principal| principal.access_key_id.to_string()).unwrap_or_default();
    // Who did what in which container is for whoever has to account for it.
    tracing::info!(caller, task = %task.id, container, command = ?start.command, "a command runs in a container");
    Ok(join(requests, sender, outputs, slot).boxed())
}

/// What comes from the command, while what the caller sends goes to it. Both end with the answer.
fn join(
    mut requests: Streaming<pb::ExecRequest>,
    sender: mpsc::Sender<ExecInput>,
    mut outputs: Stream<ExecOutput>,
    slot: tokio::sync::OwnedSemaphorePermit,
) -> impl futures::Stream<Item = Result<ExecOutput, Status>> {
    async_stream::stream! {
        let _slot = slot;
        let mut kept: Option<ExecInput> = None;
        let mut is_open = true;
        loop {
            let output = tokio::select! {
                // Cancel-safe: an output that was not taken stays in its stream.
                output = outputs.next() => Some(output),
                // Cancel-safe: a permit that was not used is given back.
                permit = sender.reserve(), if kept.is_some() => {
                    match (permit, kept.take()) {
                        (Ok(permit), Some(input)) => permit.send(input),
                        // The agent takes no more; what it has to say still comes.
                        _ => is_open = false,
                    }
                    None
                }
                // Cancel-safe: a message that is half-read stays in the stream's buffer.
                request = requests.message(), if is_open && kept.is_none() => {
                    match request.map(|request| request.map(|request| request.message)) {
                        Ok(Some(Some(Message::Input(input)))) => kept = Some(input),
                        Ok(Some(_)) => {}
                        Ok(None) | Err(_) => is_open = false,
                    }
                    None
                }
            };
            match output {
                None => {}
                Some(Some(output)) => yield output,
                Some(None) => break,
            }
        }
    }
}

/// The task of a request and its container; the only one, when the request names none.
fn find<'a>(start: &pb::ExecStart, view: &'a State) -> Result<(&'a Task, String), ApiError> {
    if start.command.is_empty() {
        return Err(ApiError::invalid("Command can not be blank."));
    }
    let cluster = name::active_cluster(Some(&start.cluster), view)?;
    let id = name::task(&start.task, &cluster.name)?;
    let missing = || ApiError::invalid("The referenced task was not found.");
    let is_there = |task: &&std::sync::Arc<Task>| task.cluster == cluster.name && !task.is_stopped();
    let task: &Task = view.task(id).filter(is_there).ok_or_else(missing)?;
    if !start.container.is_empty() {
        if has_container(task, &start.container, view) {
            return Ok((task, start.container.clone()));
        }
        let message = format!("The task has no container {:?}.", start.container);
        return Err(ApiError::new(Exception::InvalidParameter, message));
    }
    let definition = view.task_definition(&task.definition).ok_or_else(missing)?;
    match &*definition.facts.containers {
        [only] => Ok((task, only.name.clone())),
        _ => Err(ApiError::invalid(
            "Container name is required when running execute command on a task with multiple containers.",
        )),
    }
}
