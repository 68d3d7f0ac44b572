//! What agents of ECS ask and report.
//!
//! Berth's agents report through their sessions, which alone write what was observed. A report that comes here is
//! acknowledged when it says what is known already, and refused when it would change something.

use berth_proto::ecs::v1 as pb;

use super::{name, unsupported};
use crate::error::ApiError;
use crate::id::ClusterName;
use crate::state::State;
use crate::task::{ContainerStatus, Task};

/// ECS's own word.
pub const ACKNOWLEDGMENT: &str = "ACCEPT";

/// DiscoverPollEndpoint: an instance that is named must be there.
pub fn discover(request: &pb::DiscoverPollEndpointRequest, view: &State) -> Result<(), ApiError> {
    let cluster = &name::active_cluster(request.cluster.as_deref(), view)?.name;
    let Some(reference) = request.container_instance.as_deref().filter(|text| !text.is_empty()) else {
        return Ok(());
    };
    let id = name::instance(reference, cluster, view)?;
    match view.instance(id).filter(|instance| instance.cluster == *cluster) {
        Some(_) => Ok(()),
        None => Err(ApiError::client("The referenced container instance was not found.")),
    }
}

/// SubmitTaskStateChange.
pub fn task(request: &pb::SubmitTaskStateChangeRequest, view: &State) -> Result<(), ApiError> {
    let cluster = name::active_cluster(request.cluster.as_deref(), view)?.name.clone();
    let task = known(request.task(), &cluster, view)?;
    let same = |change: &pb::ContainerStateChange| {
        is_known(task, change.container_name(), change.status(), change.exit_code)
    };
    let status = request.status();
    let is_news = !status.is_empty() && status != task.observed.last_status.as_str();
    if is_news || !request.containers.iter().all(same) || !request.managed_agents.is_empty() {
        return Err(news());
    }
    no_attachments(&request.attachments)
}

/// SubmitContainerStateChange.
pub fn container(request: &pb::SubmitContainerStateChangeRequest, view: &State) -> Result<(), ApiError> {
    let cluster = name::active_cluster(request.cluster.as_deref(), view)?.name.clone();
    let task = known(request.task(), &cluster, view)?;
    if is_known(task, request.container_name(), request.status(), request.exit_code) {
        return Ok(());
    }
    Err(news())
}

/// SubmitAttachmentStateChanges.
pub fn attachments(request: &pb::SubmitAttachmentStateChangesRequest, view: &State) -> Result<(), ApiError> {
    name::active_cluster(request.cluster.as_deref(), view)?;
    if request.attachments.is_empty() {
        return Err(ApiError::invalid("attachments can not be empty."));
    }
    no_attachments(&request.attachments)
}

fn known<'a>(reference: &str, cluster: &ClusterName, view: &'a State) -> Result<&'a Task, ApiError> {
    let id = name::task(reference, cluster, view)?;
    let task = view.task(id).filter(|task| task.cluster == *cluster);
    task.map(|task| &**task).ok_or_else(|| ApiError::client("The referenced task was not found."))
}

fn is_known(task: &Task, name: &str, status: &str, exit_code: Option<i32>) -> bool {
    let mut containers = task.observed.containers.iter();
    containers.find(|container| container.name == name).is_some_and(|container| {
        let known = match container.last_status {
            ContainerStatus::Pending => "PENDING",
            ContainerStatus::Running => "RUNNING",
            ContainerStatus::Stopped => "STOPPED",
        };
        status == known && (exit_code.is_none() || exit_code == container.exit_code)
    })
}

fn no_attachments(attachments: &[pb::AttachmentStateChange]) -> Result<(), ApiError> {
    if attachments.is_empty() { Ok(()) } else { Err(unsupported("An attachment")) }
}

fn news() -> ApiError {
    unsupported("A state change that does not come through the session of the task's agent")
}
