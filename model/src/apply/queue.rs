//! The queue of a cluster: tasks come into it, and leave it for their instances.
//!
//! Those that are stopped while they wait are over at once: no agent knows of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::task::{add, in_the_way};
use super::{APPLIED, Context, UNCHANGED, gone};
use crate::command::{Outcome, PlaceTasks, Placing, QueueTasks, RefusedTask, Rejection, Reply};
use crate::error::{ApiError, Exception};
use crate::fit::{Conditions, Reason};
use crate::id::{InstanceId, TaskId};
use crate::limits::{QUEUED_TASKS, TASKS_PER_COMMAND};
use crate::resource::Requirements;
use crate::task::{DesiredStatus, Observed, Task, TaskStatus};

pub(super) fn queue(context: &mut Context<'_>, queue: &QueueTasks) -> Reply {
    let cluster = &queue.cluster;
    if queue.tasks.len() > TASKS_PER_COMMAND {
        return Err(Rejection::Malformed(format!("{} tasks in one command", queue.tasks.len())));
    }
    if context.state.active_cluster(cluster).is_none() {
        return Err(ApiError::cluster_not_found().into());
    }
    let may_wait =
        |task: &Task| task.cluster == *cluster && task.service().is_none() && task.scheduling.queue.is_some();
    if let Some(task) = queue.tasks.iter().find(|task| !may_wait(task)) {
        return Err(Rejection::Malformed(format!("{} is no task that may wait in {cluster}", task.id)));
    }
    if let Some(task) =
        queue.tasks.iter().find(|task| context.state.task_definition(&task.definition).is_none())
    {
        return Err(gone("task definition", &task.definition));
    }
    let mut ids = BTreeSet::new();
    let is_new = |task: &&Task| context.state.task(task.id).is_none() && ids.insert(task.id);
    let new: Vec<&Task> = queue.tasks.iter().filter(is_new).collect();
    let waiting = context.state.queued_in(cluster).count();
    if waiting + new.len() > QUEUED_TASKS {
        let message =
            format!("The queue of cluster {cluster} has {waiting} tasks, and room for {QUEUED_TASKS}.");
        return Err(ApiError::new(Exception::LimitExceeded, message).into());
    }
    if new.is_empty() {
        return UNCHANGED;
    }
    for task in new {
        let observed = Observed { last_status: TaskStatus::Provisioning, ..Observed::default() };
        let task = Task {
            instance: InstanceId::NOWHERE,
            held: Requirements::default(),
            desired: DesiredStatus::Running,
            stop: None,
            observed,
            ..task.clone()
        };
        context.task_changed(&task);
        let message = format!("task {} of {} waits for a place", task.id, task.definition);
        context.note(cluster, None, "task", task.id.to_string(), message);
        context.state.put_task(task);
    }
    APPLIED
}

pub(super) fn place(context: &mut Context<'_>, place: &PlaceTasks) -> Reply {
    if place.placings.len() > TASKS_PER_COMMAND {
        return Err(Rejection::Malformed(format!("{} tasks in one command", place.placings.len())));
    }
    let mut refused = Vec::new();
    for placing in &place.placings {
        let Some(task) = placed(context, placing) else { continue };
        let definition = context.state.task_definition(&task.definition).cloned();
        let constraints = task.scheduling.rules.as_ref().map_or(&[][..], |rules| &rules.constraints);
        let conditions = definition.as_ref().map(|known| Conditions::new(&known.facts, constraints));
        let reasons = in_the_way(context.state, &task, conditions.as_ref());
        if reasons.is_empty() {
            context.state.remove_task(task.id);
            add(context, &task);
            continue;
        }
        let shortages = reasons.iter().filter_map(Reason::shortage).collect();
        refused.push(RefusedTask { task: task.id, instance: task.instance, shortages, reasons });
    }
    claim(context, place.claim);
    Ok(Outcome::Started { refused })
}

/// From now on instances are kept free for this task.
fn claim(context: &mut Context<'_>, claim: Option<TaskId>) {
    let now = context.now;
    let Some(known) = claim.and_then(|id| context.state.tasks.get_mut(&id)) else { return };
    if !known.is_queued() {
        return;
    }
    let task = Arc::make_mut(known);
    if let Some(queue) = &mut task.scheduling.queue {
        queue.claimed_at.get_or_insert(now);
    }
    task.version += 1;
    let task = task.clone();
    context.task_changed(&task);
}

/// The task as it is on its instance; nothing when it does not wait any more.
fn placed(context: &Context<'_>, placing: &Placing) -> Option<Task> {
    let known = context.state.task(placing.task).filter(|task| task.is_queued())?;
    let mut task = (**known).clone();
    task.instance = placing.instance;
    task.scheduling.gpu_ids.clone_from(&placing.gpu_ids);
    task.scheduling.decision.clone_from(&placing.decision);
    task.version += 1;
    Some(task)
}
