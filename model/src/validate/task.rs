//! Tasks: what may be asked of them.

use std::sync::Arc;

use berth_proto::ecs::v1 as pb;

use super::page;
use super::{Accepted, Found, Listed, check_names, name, unsupported};
use crate::command::{Command, RefusedTask, StopTasks};
use crate::error::ApiError;
use crate::fit::Refusal;
use crate::id::{ClusterName, TaskId};
use crate::limits::NAMES_PER_DESCRIBE;
use crate::state::{State, TaskSet};
use crate::task::{DesiredStatus, StopCode, Task};

pub(super) use start::with_placement;
pub use start::{Start, run, start};

mod overrides;
mod queue;
mod start;
mod template;
mod token;

/// Source: ECS API, `StopTask.reason`; what fits into an event.
const REASON_LENGTH: usize = 1024;

/// The failures to answer with for a task that did not fit any more when its command was applied.
pub fn refusal(cluster: &ClusterName, refused: &RefusedTask, view: &State) -> Vec<pb::Failure> {
    let arn = view.scope().container_instance(cluster, refused.instance);
    let failure = Refusal { instance: refused.instance, reasons: refused.reasons.clone() }.failure();
    vec![super::failure(arn, failure.reason, Some(&failure.detail))]
}

/// StopTask. Stopping what should stop already is admitted and changes nothing.
pub fn stop(request: &pb::StopTaskRequest, view: &State) -> Accepted<TaskId> {
    let cluster = &name::active_cluster(request.cluster.as_deref(), view)?.name;
    let id = name::task(request.task(), cluster, view)?;
    if view.task(id).is_none_or(|task| task.cluster != *cluster) {
        return Err(ApiError::invalid("The referenced task was not found."));
    }
    let reason = request.reason.as_deref().filter(|text| !text.is_empty()).unwrap_or("Task stopped by user");
    if reason.chars().count() > REASON_LENGTH {
        return Err(ApiError::invalid(format!("reason must have at most {REASON_LENGTH} characters.")));
    }
    let command = StopTasks {
        service: None,
        tasks: vec![id],
        code: StopCode::UserInitiated,
        reason: reason.to_owned(),
    };
    Ok((id, Command::StopTasks(command)))
}

/// DescribeTasks.
pub fn describe<'a>(request: &pb::DescribeTasksRequest, view: &'a State) -> Found<'a, Arc<Task>> {
    let cluster = &name::active_cluster(request.cluster.as_deref(), view)?.name;
    name::members::<pb::TaskField>("include", &request.include)?;
    check_names("Tasks", &request.tasks, NAMES_PER_DESCRIBE)?;
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for reference in &request.tasks {
        let id = name::task(reference, cluster, view)?;
        match view.task(id).filter(|task| task.cluster == *cluster) {
            Some(task) => found.push(task),
            None => failures.push(super::failure(view.scope().task(cluster, id), "MISSING", None)),
        }
    }
    Ok((found, failures))
}

/// ListTasks: those that should run, unless the stopped ones are asked for.
pub fn list(request: &pb::ListTasksRequest, view: &State) -> Listed<TaskId> {
    let cluster = &name::active_cluster(request.cluster.as_deref(), view)?.name;
    let bounds = page::parse(request.next_token.as_deref(), request.max_results, page::DEFAULT_RESULTS)?;
    let filter = Filter::parse(request, cluster, view)?;
    let tasks = view.tasks_after(filter.smallest_set(cluster), bounds.after()?);
    let ids = tasks.filter(|task| task.cluster == *cluster && filter.admits(task)).map(|task| task.id);
    Ok(bounds.take(ids, TaskId::to_string))
}

/// What ListTasks filters by.
struct Filter<'a> {
    /// `None`: no task has the status asked for.
    desired: Option<DesiredStatus>,
    instance: Option<crate::id::InstanceId>,
    service: Option<crate::id::ServiceKey>,
    family: Option<&'a str>,
    started_by: Option<&'a str>,
    ec2: bool,
}

// === impl Filter ===

impl<'a> Filter<'a> {
    fn parse(
        request: &'a pb::ListTasksRequest,
        cluster: &ClusterName,
        view: &State,
    ) -> Result<Self, ApiError> {
        fn given(text: Option<&String>) -> Option<&str> {
            text.map(String::as_str).filter(|text| !text.is_empty())
        }
        if given(request.daemon_name.as_ref()).is_some() {
            return Err(unsupported("daemonName"));
        }
        let desired = match name::member("desiredStatus", request.desired_status)? {
            None | Some(pb::DesiredStatus::Running | pb::DesiredStatus::Unspecified) => {
                Some(DesiredStatus::Running)
            }
            Some(pb::DesiredStatus::Stopped) => Some(DesiredStatus::Stopped),
            Some(pb::DesiredStatus::Pending) => None,
        };
        let launch_type = name::member::<pb::LaunchType>("launchType", request.launch_type)?;
        let instance = given(request.container_instance.as_ref());
        let instance = instance.map(|reference| name::instance(reference, cluster, view)).transpose()?;
        let service = given(request.service_name.as_ref());
        let service = service.map(|reference| name::service(reference, cluster, view)).transpose()?;
        if service.as_ref().is_some_and(|key| view.service(key).is_none()) {
            return Err(ApiError::service_not_found());
        }
        let filter = Self {
            desired,
            instance,
            service,
            family: given(request.family.as_ref()),
            started_by: given(request.started_by.as_ref()),
            ec2: launch_type.is_none_or(|kind| kind == pb::LaunchType::Ec2),
        };
        let others = filter.instance.is_some() || filter.service.is_some() || filter.family.is_some();
        if filter.started_by.is_some() && others {
            let message = "startedBy cannot be used together with containerInstance, family or serviceName.";
            return Err(ApiError::invalid(message));
        }
        Ok(filter)
    }

    /// The smallest set that an index has and that all matches are in.
    fn smallest_set<'b>(&'b self, cluster: &'b ClusterName) -> TaskSet<'b> {
        match (&self.service, self.instance) {
            (Some(service), _) => TaskSet::Service(service),
            (None, Some(instance)) => TaskSet::Instance(instance),
            (None, None) => TaskSet::Cluster(cluster),
        }
    }

    fn admits(&self, task: &Task) -> bool {
        self.ec2
            && self.desired == Some(task.desired)
            && self.instance.is_none_or(|instance| task.instance == instance)
            && self.family.is_none_or(|family| task.definition.family.as_str() == family)
            && self.started_by.is_none_or(|started_by| task.started_by.as_deref() == Some(started_by))
    }
}
