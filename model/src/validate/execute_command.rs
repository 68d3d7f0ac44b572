//! What may be done in the containers of a task, and when: commands, copies, connections.

use berth_proto::ecs::v1 as pb;

use super::name;
use crate::error::{ApiError, Exception};
use crate::id::{InstanceId, TaskId};
use crate::state::State;
use crate::task::{ContainerStatus, Task};

/// ECS's own text.
const NOT_ENABLED: &str = "The execute command failed because execute command was not enabled when the task was run or \
                           the execute command agent isn’t running. Wait and try again or run a new task with execute \
                           command enabled and try again.";

/// A container of a task, and who runs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The task.
    pub task: TaskId,
    /// Where it runs.
    pub instance: InstanceId,
    /// The container's name.
    pub container: String,
}

/// Whether the task has to have been run with `enableExecuteCommand`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// It has to.
    Needed,
    /// An administrator insists.
    Overruled,
}

/// Where the command of a request is to run.
pub fn check(request: &pb::ExecuteCommandRequest, view: &State) -> Result<Place, ApiError> {
    let cluster = name::active_cluster(request.cluster.as_deref(), view)?.name.clone();
    if request.command().trim().is_empty() {
        return Err(ApiError::invalid("Command can not be blank."));
    }
    if !request.interactive() {
        return Err(ApiError::invalid("Interactive is the only mode supported currently."));
    }
    place(Some(cluster.as_str()), request.task(), request.container.as_deref(), Consent::Needed, view)
}

/// The container that is meant; the only one, when none is named.
pub fn place(
    cluster: Option<&str>,
    task: &str,
    container: Option<&str>,
    consent: Consent,
    view: &State,
) -> Result<Place, ApiError> {
    let cluster = &name::active_cluster(cluster, view)?.name;
    let id = name::task(task, cluster, view)?;
    let task = view.task(id).filter(|task| task.cluster == *cluster && !task.is_stopped());
    let task = task.ok_or_else(|| ApiError::invalid("The referenced task was not found."))?;
    let names = view.task_definition(&task.definition);
    let names = names.map(|definition| &*definition.definition.container_definitions).unwrap_or_default();
    let container = match container.filter(|name| !name.is_empty()) {
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
    if consent == Consent::Needed && !(is_enabled(task) && runs(task, container.name())) {
        return Err(ApiError::invalid(NOT_ENABLED));
    }
    if !view.instance(task.instance).is_some_and(|instance| instance.connected) {
        return Err(ApiError::new(Exception::TargetNotConnected, "The agent of the task is not connected."));
    }
    Ok(Place { task: id, instance: task.instance, container: container.name().to_owned() })
}

/// Where what is printed in a session is to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcript {
    /// The log group.
    pub group: String,
    /// What it is in, when that was said.
    pub region: Option<String>,
    /// The cluster asks for it: without the group there is no session.
    pub is_required: bool,
}

/// Where what is printed in a container is to be kept, as its cluster says: in a group of its own, or where the log of the container
/// goes; nowhere if neither is said.
pub fn transcript(place: &Place, view: &State) -> Option<Transcript> {
    let task = view.task(place.task)?;
    let configuration = view.cluster(&task.cluster).and_then(|cluster| cluster.spec.configuration.as_ref());
    let execute = configuration.and_then(|known| known.execute_command_configuration.as_ref());
    match execute.map_or(pb::ExecuteCommandLogging::Unspecified, |execute| execute.logging()) {
        pb::ExecuteCommandLogging::None => None,
        pb::ExecuteCommandLogging::Override => {
            let log = execute.and_then(|execute| execute.log_configuration.as_ref())?;
            let group = log.cloud_watch_log_group_name().to_owned();
            (!group.is_empty()).then_some(Transcript { group, region: None, is_required: true })
        }
        pb::ExecuteCommandLogging::Unspecified | pb::ExecuteCommandLogging::Default => {
            let definition = view.task_definition(&task.definition)?;
            let mut containers = definition.definition.container_definitions.iter();
            let log =
                containers.find(|container| container.name() == place.container)?.log_configuration.as_ref();
            let log = log.filter(|log| log.log_driver() == pb::LogDriver::Awslogs)?;
            Some(Transcript {
                group: log.options.get("awslogs-group")?.clone(),
                region: log.options.get("awslogs-region").cloned(),
                is_required: false,
            })
        }
    }
}

/// There is no such log group, and the cluster asks for it.
pub fn no_transcript(group: &str) -> ApiError {
    ApiError::invalid(format!(
        "The execute command failed because the log group {group} of the cluster's executeCommandConfiguration does not \
         exist. Create it and try again."
    ))
}

/// Whether a task was run with `enableExecuteCommand`.
pub fn is_enabled(task: &Task) -> bool {
    task.spec.as_ref().is_some_and(|spec| spec.enable_execute_command())
}

fn runs(task: &Task, container: &str) -> bool {
    let seen = task.observed.containers.iter().find(|seen| seen.name == container);
    seen.is_some_and(|seen| seen.last_status == ContainerStatus::Running)
}
