//! Protection of tasks from scale-in: what may be asked of it.

use std::time::Duration;

use berth_proto::ecs::v1 as pb;

use super::{Accepted, Admission, failure, name};
use crate::command::{Command, TaskProtection};
use crate::error::ApiError;
use crate::id::{ClusterName, TaskId};
use crate::limits::{NAMES_PER_DESCRIBE, TASKS_PER_PROTECTION};
use crate::state::State;
use crate::task::{DesiredStatus, Task};
use crate::time::Timestamp;

/// Source: ECS API, `UpdateTaskProtection.expiresInMinutes`: up to 48 hours.
const MINUTES: std::ops::RangeInclusive<i32> = 1..=2_880;
const DEFAULT_MINUTES: i32 = 120;

/// A task that cannot be protected: it belongs to no service, or does not run any more.
const NOT_VALID: &str = "TASK_NOT_VALID";
const MISSING: &str = "MISSING";

/// What an answer is about: the tasks in the order in which they were named, and those that could not be.
#[derive(Clone, Debug, PartialEq)]
pub struct Protected {
    /// The cluster they are in.
    pub cluster: ClusterName,
    /// Those that are shown.
    pub tasks: Vec<TaskId>,
    /// Those that cannot be protected, and why.
    pub failures: Vec<pb::Failure>,
}

/// GetTaskProtection. No task named means all that are protected.
pub fn get(
    request: &pb::GetTaskProtectionRequest,
    view: &State,
    now: Timestamp,
) -> Result<Protected, ApiError> {
    let cluster = required(request.cluster.as_deref(), view)?;
    if request.tasks.len() > NAMES_PER_DESCRIBE {
        return Err(ApiError::invalid(format!("Tasks cannot have more than {NAMES_PER_DESCRIBE} elements.")));
    }
    if request.tasks.is_empty() {
        let protected = view.tasks_in(&cluster).map(|task| task.id);
        let tasks = protected.filter(|id| view.protected_until(*id, now).is_some()).take(NAMES_PER_DESCRIBE);
        return Ok(Protected { tasks: tasks.collect(), failures: Vec::new(), cluster });
    }
    sort_out(cluster, &request.tasks, view)
}

/// UpdateTaskProtection. Said again, the time begins anew.
pub fn update(
    request: &pb::UpdateTaskProtectionRequest,
    view: &State,
    admission: &Admission,
) -> Accepted<Protected> {
    let cluster = required(request.cluster.as_deref(), view)?;
    super::check_names("Tasks", &request.tasks, TASKS_PER_PROTECTION)?;
    let enabled = request.protection_enabled;
    let enabled = enabled.ok_or_else(|| ApiError::invalid("protectionEnabled can not be blank."))?;
    let minutes = request.expires_in_minutes.unwrap_or(DEFAULT_MINUTES);
    if !MINUTES.contains(&minutes) {
        let (least, most) = (MINUTES.start(), MINUTES.end());
        let text = format!("expiresInMinutes must be between {least} and {most}, is {minutes}.");
        return Err(ApiError::invalid(text));
    }
    let seconds = u64::try_from(minutes).unwrap_or(0) * 60;
    let until = enabled.then(|| admission.now.plus(Duration::from_secs(seconds)));
    let protected = sort_out(cluster, &request.tasks, view)?;
    let tasks = protected.tasks.clone();
    Ok((protected, Command::ProtectTasks(TaskProtection { tasks, until })))
}

fn sort_out(cluster: ClusterName, references: &[String], view: &State) -> Result<Protected, ApiError> {
    let mut protected = Protected { tasks: Vec::new(), failures: Vec::new(), cluster };
    for reference in references {
        let id = name::task(reference, &protected.cluster, view)?;
        let reason = match view.task(id).filter(|task| task.cluster == protected.cluster) {
            None => MISSING,
            Some(task) if !can_be_protected(task) => NOT_VALID,
            Some(_) => {
                protected.tasks.push(id);
                continue;
            }
        };
        let arn = view.scope().task(&protected.cluster, id);
        protected.failures.push(failure(arn, reason, None));
    }
    Ok(protected)
}

fn can_be_protected(task: &Task) -> bool {
    task.service().is_some() && task.desired == DesiredStatus::Running && !task.is_stopped()
}

/// The cluster of a call for which `default` does not stand in.
fn required(reference: Option<&str>, view: &State) -> Result<ClusterName, ApiError> {
    match reference.filter(|text| !text.is_empty()) {
        Some(reference) => Ok(name::active_cluster(Some(reference), view)?.name.clone()),
        None => Err(ApiError::invalid("Cluster can not be blank.")),
    }
}
