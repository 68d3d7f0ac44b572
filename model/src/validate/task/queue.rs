//! RunTask with a queue: the tasks wait for their places instead of being refused. ECS has nothing like it.

use std::time::Duration;

use berth_proto::ecs::v1 as pb;

use super::start::Start;
use super::template::Template;
use crate::command::{Command, QueueTasks};
use crate::error::ApiError;
use crate::id::{InstanceId, TaskId};
use crate::task::{Queueing, Task};
use crate::time::Timestamp;

/// From the lowest to the highest priority; without one a task has that of the middle.
const PRIORITIES: std::ops::RangeInclusive<i32> = -1000..=1000;

/// The longest that a task may be told to wait: a week.
const LONGEST_WAIT_S: i32 = 7 * 24 * 3600;

/// How tasks are to wait, if they are.
pub(super) fn parse(
    request: Option<&pb::QueueOptions>,
    now: Timestamp,
) -> Result<Option<Queueing>, ApiError> {
    let Some(options) = request else { return Ok(None) };
    let priority = options.priority.unwrap_or(0);
    if !PRIORITIES.contains(&priority) {
        let (least, most) = (PRIORITIES.start(), PRIORITIES.end());
        return Err(ApiError::invalid(format!(
            "queue.priority must be between {least} and {most}, is {priority}."
        )));
    }
    let deadline = match options.timeout_seconds {
        None => None,
        Some(seconds) if (1..=LONGEST_WAIT_S).contains(&seconds) => {
            Some(now.plus(Duration::from_secs(u64::from(seconds.unsigned_abs()))))
        }
        Some(seconds) => {
            return Err(ApiError::invalid(format!(
                "queue.timeoutSeconds must be between 1 and {LONGEST_WAIT_S}, is {seconds}."
            )));
        }
    };
    Ok(Some(Queueing { priority, deadline, claimed_at: None }))
}

/// Puts a task of each id into the queue.
pub(super) fn start(template: &Template<'_>, queueing: Queueing, ids: impl Iterator<Item = TaskId>) -> Start {
    let task = |id| {
        let mut task = template.task(id, InstanceId::NOWHERE, None);
        task.scheduling.queue = Some(queueing);
        task
    };
    let tasks: Vec<Task> = ids.map(task).collect();
    let cluster = template.cluster.clone();
    Start {
        cluster: cluster.clone(),
        tasks: tasks.iter().map(|task| task.id).collect(),
        failures: Vec::new(),
        command: Some(Command::QueueTasks(QueueTasks { cluster, tasks })),
    }
}
