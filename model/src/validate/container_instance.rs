//! Container instances: what agents and operators may ask of them.

use std::sync::Arc;

use berth_proto::ecs::v1 as pb;

use super::page;
use super::{Accepted, Found, Listed, check_names, name, placement};
use crate::command::{Command, SetInstanceStatus};
use crate::container_instance::{ContainerInstance, InstanceStatus};
use crate::error::{ApiError, Exception};
use crate::fit::Situation;
use crate::id::{ClusterName, InstanceId};
use crate::limits::{INSTANCES_PER_UPDATE, NAMES_PER_DESCRIBE};
use crate::state::State;

pub use attributes::{delete_attributes, list_attributes, put_attributes};
pub use register::{from_hello, place, register};

mod attributes;
mod register;

/// What UpdateContainerInstancesState comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct StateUpdate {
    /// The instances to set, in the order of the request.
    pub ids: Vec<InstanceId>,
    /// One for each that is not there.
    pub failures: Vec<pb::Failure>,
    /// What to propose; nothing when no instance was found.
    pub command: Option<Command>,
}

/// UpdateContainerInstancesState: the instances found, a failure for every other, and the command unless none was
/// found.
pub fn update_state(
    request: &pb::UpdateContainerInstancesStateRequest,
    view: &State,
) -> Result<StateUpdate, ApiError> {
    let cluster = &name::active_cluster(request.cluster.as_deref(), view)?.name;
    check_names("Container instances", &request.container_instances, INSTANCES_PER_UPDATE)?;
    let status = match name::member("status", request.status)? {
        Some(pb::ContainerInstanceStatus::Active) => InstanceStatus::Active,
        Some(pb::ContainerInstanceStatus::Draining) => InstanceStatus::Draining,
        None
        | Some(
            pb::ContainerInstanceStatus::Unspecified
            | pb::ContainerInstanceStatus::Registering
            | pb::ContainerInstanceStatus::Deregistering
            | pb::ContainerInstanceStatus::RegistrationFailed,
        ) => return Err(ApiError::invalid("Container instance status should be one of [ACTIVE,DRAINING].")),
    };
    let (mut ids, mut failures) = (Vec::new(), Vec::new());
    for reference in &request.container_instances {
        let id = name::instance(reference, cluster, view)?;
        match view.instance(id).filter(|instance| instance.cluster == *cluster) {
            Some(instance) if instance.status != InstanceStatus::Inactive => ids.push(id),
            Some(_) => failures.push(failure(view, cluster, id, "INACTIVE")),
            None => failures.push(failure(view, cluster, id, "MISSING")),
        }
    }
    let command =
        (!ids.is_empty()).then(|| Command::SetInstanceStatus(SetInstanceStatus::new(ids.clone(), status)));
    Ok(StateUpdate { ids, failures, command })
}

/// DeregisterContainerInstance. Whether tasks are in the way is seen when it is applied.
pub fn deregister(request: &pb::DeregisterContainerInstanceRequest, view: &State) -> Accepted<InstanceId> {
    let cluster = &name::active_cluster(request.cluster.as_deref(), view)?.name;
    let reference = request.container_instance.as_deref().filter(|text| !text.is_empty());
    let reference = reference.ok_or_else(|| ApiError::invalid("Container instance can not be blank."))?;
    let id = name::instance(reference, cluster, view)?;
    if view.instance(id).is_none_or(|instance| instance.cluster != *cluster) {
        return Err(ApiError::invalid("The referenced container instance was not found."));
    }
    Ok((id, Command::DeregisterInstance { id, force: request.force() }))
}

/// DescribeContainerInstances.
pub fn describe<'a>(
    request: &pb::DescribeContainerInstancesRequest,
    view: &'a State,
) -> Found<'a, Arc<ContainerInstance>> {
    let cluster = &name::active_cluster(request.cluster.as_deref(), view)?.name;
    name::members::<pb::ContainerInstanceField>("include", &request.include)?;
    check_names("Container instances", &request.container_instances, NAMES_PER_DESCRIBE)?;
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for reference in &request.container_instances {
        let id = name::instance(reference, cluster, view)?;
        match view.instance(id).filter(|instance| instance.cluster == *cluster) {
            Some(instance) => found.push(instance),
            None => failures.push(failure(view, cluster, id, "MISSING")),
        }
    }
    Ok((found, failures))
}

/// ListContainerInstances: all but the INACTIVE ones, unless a status is asked for.
pub fn list(request: &pb::ListContainerInstancesRequest, view: &State) -> Listed<InstanceId> {
    let cluster = &name::active_cluster(request.cluster.as_deref(), view)?.name;
    let bounds = page::parse(request.next_token.as_deref(), request.max_results, page::DEFAULT_RESULTS)?;
    let filter = request.filter.as_deref().filter(|filter| !filter.is_empty());
    let filter = filter.map(|text| placement::expression("filter", text)).transpose()?;
    let status = name::member::<pb::ContainerInstanceStatus>("status", request.status)?;
    let matches = |instance: &&Arc<ContainerInstance>| match status {
        None => instance.status != InstanceStatus::Inactive,
        Some(wanted) => instance.status.as_str() == berth_proto::AwsName::aws_name(wanted),
    };
    let fulfils = |instance: &&Arc<ContainerInstance>| {
        filter.as_ref().is_none_or(|filter| filter.holds(&Situation::of(view, instance)))
    };
    let instances = view.instances_after(cluster, bounds.after()?);
    let ids = instances.filter(matches).filter(fulfils).map(|instance| instance.id);
    Ok(bounds.take(ids, InstanceId::to_string))
}

fn failure(view: &State, cluster: &ClusterName, id: InstanceId, reason: &str) -> pb::Failure {
    super::failure(view.scope().container_instance(cluster, id), reason, None)
}

/// UpdateContainerAgent: agents are updated by whoever installs them, and never from here.
pub fn no_update(request: &pb::UpdateContainerAgentRequest, view: &State) -> ApiError {
    let find = || {
        let cluster = &name::active_cluster(request.cluster.as_deref(), view)?.name;
        let id = name::instance(request.container_instance(), cluster, view)?;
        Ok(view.instance(id).filter(|instance| instance.cluster == *cluster))
    };
    match find() {
        Err(error) => error,
        Ok(None) => ApiError::client("The referenced container instance was not found."),
        Ok(Some(_)) => {
            let text = "There is no update available for your container agent.";
            ApiError::new(Exception::NoUpdateAvailable, text)
        }
    }
}
