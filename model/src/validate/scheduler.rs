//! What may be asked of the scheduler beyond the ECS API.

use std::time::Duration;

use berth_proto::ecs::v1 as pb;
use berth_proto::scheduler::v1 as scheduler;

use super::{Admission, check_names, name};
use crate::command::{Command, SetInstanceStatus};
use crate::container_instance::InstanceStatus;
use crate::error::ApiError;
use crate::id::{ClusterName, InstanceId, ServiceKey};
use crate::limits::NAMES_PER_DESCRIBE;
use crate::state::State;

pub use explain::{Explanation, explain};

mod explain;

/// What a drain comes to, or a look at one.
#[derive(Clone, Debug, PartialEq)]
pub struct Drained {
    /// The instances that were found, in the order of the request.
    pub ids: Vec<InstanceId>,
    /// One for each that was not.
    pub failures: Vec<pb::Failure>,
    /// What to propose; nothing when no instance was found, or nothing was to change.
    pub command: Option<Command>,
}

/// DrainInstances.
pub fn drain(
    request: &scheduler::DrainInstancesRequest,
    view: &State,
    admission: &Admission,
) -> Result<Drained, ApiError> {
    let cluster = &cluster(&request.cluster, view)?;
    check_names("Container instances", &request.container_instances, NAMES_PER_DESCRIBE)?;
    let (ids, failures) = find(&request.container_instances, cluster, view)?;
    let after = request.deadline_seconds.map(|seconds| Duration::from_secs(seconds.into()));
    if request.stop_standalone && after.is_none() {
        return Err(ApiError::invalid("stopStandalone needs deadlineSeconds: it says what happens then."));
    }
    let command = SetInstanceStatus {
        deadline: after.map(|after| admission.now.plus(after)),
        stop_standalone: request.stop_standalone,
        ..SetInstanceStatus::new(ids.clone(), InstanceStatus::Draining)
    };
    let command = (!ids.is_empty()).then_some(Command::SetInstanceStatus(command));
    Ok(Drained { ids, failures, command })
}

/// DescribeDrains.
pub fn describe_drains(
    request: &scheduler::DescribeDrainsRequest,
    view: &State,
) -> Result<Drained, ApiError> {
    let cluster = &cluster(&request.cluster, view)?;
    let (ids, failures) = if request.container_instances.is_empty() {
        let instances = view.instances_in(cluster);
        let draining = instances.filter(|instance| instance.status == InstanceStatus::Draining);
        (draining.map(|instance| instance.id).collect(), Vec::new())
    } else {
        check_names("Container instances", &request.container_instances, NAMES_PER_DESCRIBE)?;
        find(&request.container_instances, cluster, view)?
    };
    Ok(Drained { ids, failures, command: None })
}

/// Rebalance: the cluster, and the service unless all of its services are meant.
pub fn rebalance(
    request: &scheduler::RebalanceRequest,
    view: &State,
) -> Result<(ClusterName, Option<ServiceKey>), ApiError> {
    let cluster = cluster(&request.cluster, view)?;
    if request.service.is_empty() {
        return Ok((cluster, None));
    }
    let key = name::service(&request.service, &cluster, view)?;
    view.service(&key).ok_or_else(ApiError::service_not_found)?;
    Ok((cluster, Some(key)))
}

fn cluster(reference: &str, view: &State) -> Result<ClusterName, ApiError> {
    Ok(name::active_cluster(Some(reference).filter(|text| !text.is_empty()), view)?.name.clone())
}

fn find(
    references: &[String],
    cluster: &ClusterName,
    view: &State,
) -> Result<(Vec<InstanceId>, Vec<pb::Failure>), ApiError> {
    let (mut ids, mut failures) = (Vec::new(), Vec::new());
    for reference in references {
        let id = name::instance(reference, cluster, view)?;
        let known = view.instance(id).filter(|instance| instance.cluster == *cluster);
        let fails = |reason: &str| super::failure(view.scope().container_instance(cluster, id), reason, None);
        match known.map(|instance| instance.status) {
            Some(InstanceStatus::Active | InstanceStatus::Draining) => ids.push(id),
            Some(InstanceStatus::Inactive) => failures.push(fails("INACTIVE")),
            None => failures.push(fails("MISSING")),
        }
    }
    Ok((ids, failures))
}
