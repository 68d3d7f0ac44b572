//! ExecuteCommand: what may be asked of it.

use berth_proto::ecs::v1 as pb;

use super::name;
use crate::error::{ApiError, Exception};
use crate::id::TaskId;
use crate::state::State;

/// ECS's own text.
const NOT_ENABLED: &str = "The execute command failed because execute command was not enabled when the task was run or \
                           the execute command agent isn’t running. Wait and try again or run a new task with execute \
                           command enabled and try again.";

/// The task and the container of a command. No task is run with `enableExecuteCommand` yet, so every request that is
/// right in itself ends with ECS's words for a task without it.
pub fn check(request: &pb::ExecuteCommandRequest, view: &State) -> Result<(TaskId, String), ApiError> {
    let cluster = &name::active_cluster(request.cluster.as_deref(), view)?.name;
    if request.command().is_empty() {
        return Err(ApiError::invalid("Command can not be blank."));
    }
    if !request.interactive() {
        return Err(ApiError::invalid("Interactive is the only mode supported currently."));
    }
    let id = name::task(request.task(), cluster, view)?;
    let task = view.task(id).filter(|task| task.cluster == *cluster && !task.is_stopped());
    let task = task.ok_or_else(|| ApiError::invalid("The referenced task was not found."))?;
    let names = view.task_definition(&task.definition);
    let names = names.map(|definition| &*definition.definition.container_definitions).unwrap_or_default();
    let container = match request.container.as_deref().filter(|name| !name.is_empty()) {
        Some(wanted) => names.iter().find(|container| container.name() == wanted),
        None if names.len() > 1 => {
            let text =
                "Container name is required when running execute command on a task with multiple containers.";
            return Err(ApiError::invalid(text));
        }
        None => names.first(),
    };
    let container = container.ok_or_else(|| {
        ApiError::invalid(
            "The container name that you specified doesn't match the container name in the task.",
        )
    })?;
    if !task.spec.as_ref().is_some_and(|spec| spec.enable_execute_command()) {
        return Err(ApiError::invalid(NOT_ENABLED));
    }
    if !view.instance(task.instance).is_some_and(|instance| instance.connected) {
        return Err(ApiError::new(Exception::TargetNotConnected, "The agent of the task is not connected."));
    }
    Ok((id, container.name().to_owned()))
}
