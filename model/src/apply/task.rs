//! Starting and stopping tasks: the intent side.

use std::sync::Arc;

use super::{APPLIED, Context, UNCHANGED, gone, service};
use crate::command::{
    Outcome, RefusedTask, Rejection, Reply, StartTasks, StopTasks, TaskNote, TaskProtection,
};
use crate::fit::{Conditions, Reason, Situation};
use crate::id::TaskId;
use crate::limits::{TASK_NOTE_BYTES, TASKS_PER_COMMAND, TASKS_PER_EVENT};
use crate::plan::gpu;
use crate::resource::Shortage;
use crate::state::{Ended, State};
use crate::task::{DesiredStatus, Observed, Stop, Task, TaskStatus};

/// Writes down what was done in a task. One that is forgotten has no history.
pub(super) fn note(context: &mut Context<'_>, note: &TaskNote) -> Reply {
    if note.message.len() > TASK_NOTE_BYTES {
        return Err(Rejection::Malformed(format!("a note of {} bytes", note.message.len())));
    }
    let task = context.state.task(note.task).cloned().ok_or_else(|| gone("task", note.task))?;
    let service = task.service();
    context.note(&task.cluster, service.as_ref(), "task", note.task.to_string(), note.message.clone());
    APPLIED
}

pub(super) fn start(context: &mut Context<'_>, start: &StartTasks) -> Reply {
    if start.tasks.len() > TASKS_PER_COMMAND {
        return Err(Rejection::Malformed(format!("{} tasks in one command", start.tasks.len())));
    }
    let wanted_by = start.service.as_ref().map(|(key, _)| key);
    if let Some(task) = start.tasks.iter().find(|task| task.service().as_ref() != wanted_by) {
        return Err(Rejection::Malformed(format!("{} is not a task of {wanted_by:?}", task.id)));
    }
    service::check_current(context, start.service.as_ref())?;
    let mut refused = Vec::new();
    let mut started: Vec<TaskId> = Vec::new();
    let alike = |one: &Task, next: &Task| {
        one.definition == next.definition && one.scheduling.rules == next.scheduling.rules
    };
    for tasks in start.tasks.chunk_by(alike) {
        start_alike(context, tasks, &mut started, &mut refused);
    }
    if let Some((key, _)) = start.service.as_ref().filter(|_| !started.is_empty()) {
        let mut is_daemon = false;
        if let Ok(service) = context.service_mut(key) {
            service.steady = false;
            is_daemon = service.is_daemon();
        }
        if is_daemon {
            // Others waited for it.
            for task in start.tasks.iter().filter(|task| started.contains(&task.id)) {
                context.instance_changed(task.instance, task.cluster.clone(), true);
            }
        }
        let message = tasks_event(key.name.as_str(), "started", "", &started);
        service::record_event(context, key, &message);
    }
    Ok(Outcome::Started { refused })
}

/// Starts tasks of one definition with one set of rules.
fn start_alike(
    context: &mut Context<'_>,
    tasks: &[Task],
    started: &mut Vec<TaskId>,
    refused: &mut Vec<RefusedTask>,
) {
    let Some(first) = tasks.first() else { return };
    let definition = context.state.task_definition(&first.definition).cloned();
    let constraints = match first.service() {
        Some(key) => context.state.service(&key).map(|service| service.placement.constraints.clone()),
        None => first.scheduling.rules.as_ref().map(|rules| rules.constraints.clone()),
    }
    .unwrap_or_default();
    let conditions = definition.as_ref().map(|definition| Conditions::new(&definition.facts, &constraints));
    for task in tasks {
        if context.state.tasks.contains_key(&task.id) {
            continue;
        }
        let reasons = in_the_way(context.state, task, conditions.as_ref());
        if reasons.is_empty() {
            started.push(task.id);
            add(context, task);
            continue;
        }
        let shortages = reasons.iter().filter_map(Reason::shortage).collect();
        refused.push(RefusedTask { task: task.id, instance: task.instance, shortages, reasons });
    }
}

/// What keeps a task from going where it was placed. The last word, said where nothing can change meanwhile.
pub(super) fn in_the_way(state: &State, task: &Task, conditions: Option<&Conditions<'_>>) -> Vec<Reason> {
    let instance = state.instance(task.instance).filter(|instance| instance.cluster == task.cluster);
    let (Some(instance), Some(conditions)) = (instance, conditions) else { return vec![Reason::Missing] };
    let same_group = |other: &&Arc<Task>| !other.is_stopped() && other.group == task.group;
    let group =
        if conditions.is_distinct() { state.tasks_on(task.instance).filter(same_group).count() } else { 0 };
    let group = u32::try_from(group).unwrap_or(u32::MAX);
    let mut reasons = conditions.reasons(&Situation { group, ..Situation::of(state, instance) }, &task.needs);
    let gpus = &task.scheduling.gpu_ids;
    if reasons.is_empty() && !gpus.is_empty() {
        let free = gpu::free(state, task.instance);
        let free = gpus.iter().filter(|gpu| free.contains(gpu)).count();
        if free < gpus.len() {
            let free = u32::try_from(free).unwrap_or(u32::MAX);
            reasons.push(Reason::Short(Shortage::Gpu { needed: task.needs.gpus, free }));
        }
    }
    reasons
}

pub(super) fn add(context: &mut Context<'_>, task: &Task) {
    let mut task = task.clone();
    task.held = task.needs.clone();
    (task.desired, task.stop, task.observed) = (DesiredStatus::Running, None, Observed::default());
    if let Some(instance) = context.state.instances.get_mut(&task.instance) {
        let instance = Arc::make_mut(instance);
        instance.held.add(&task.held);
        instance.pending_count += 1;
        instance.version += 1;
    }
    context.manifest_changed(task.instance);
    context.task_changed(&task);
    let message = format!("task {} of {} was placed on {}", task.id, task.definition, task.instance);
    context.note(&task.cluster, task.service().as_ref(), "task", task.id.to_string(), message);
    context.state.put_task(task);
}

pub(super) fn stop(context: &mut Context<'_>, stop: &StopTasks) -> Reply {
    service::check_current(context, stop.service.as_ref())?;
    let reason: Arc<str> = Arc::from(stop.reason.as_str());
    let mut stopped = Vec::new();
    for id in &stop.tasks {
        let stops = |task: &&Arc<Task>| {
            let is_theirs = stop.service.as_ref().is_none_or(|(key, _)| task.service().as_ref() == Some(key));
            is_theirs && task.desired == DesiredStatus::Running && !task.is_stopped()
        };
        if context.state.task(*id).filter(stops).is_none() {
            continue;
        }
        let Some(task) = context.state.tasks.get_mut(id) else { continue };
        let task = Arc::make_mut(task);
        let why = Stop { code: stop.code, reason: Arc::clone(&reason), at: context.now };
        task.desired = DesiredStatus::Stopped;
        task.stop = Some(why.clone());
        task.version += 1;
        let task = task.clone();
        stopped.push(*id);
        context.manifest_changed(task.instance);
        context.task_changed(&task);
        let message = format!("task {id} is to stop: {reason}");
        context.note(&task.cluster, task.service().as_ref(), "task", id.to_string(), message);
        if !task.is_placed() {
            end_unreported(context, *id, &why);
        }
    }
    if stopped.is_empty() {
        return UNCHANGED;
    }
    if let Some((key, _)) = &stop.service {
        let message = tasks_event(key.name.as_str(), "stopped", "running ", &stopped);
        service::record_event(context, key, &message);
    }
    APPLIED
}

/// `(service web) has started 2 tasks: (task A) (task B).` Source: ECS service event messages.
fn tasks_event(service: &str, verb: &str, kind: &str, tasks: &[TaskId]) -> String {
    let listed = tasks.iter().take(TASKS_PER_EVENT);
    let mut list: Vec<String> = listed.map(|id| format!("(task {id})")).collect();
    if tasks.len() > list.len() {
        list.push(format!("and {} more", tasks.len() - list.len()));
    }
    format!("(service {service}) has {verb} {} {kind}tasks: {}.", tasks.len(), list.join(" "))
}

/// Ends a task for which no agent will ever report again.
pub(super) fn end_unreported(context: &mut Context<'_>, id: TaskId, stop: &Stop) {
    let Some(task) = context.state.tasks.get_mut(&id) else { return };
    let task = Arc::make_mut(task);
    if task.observed.last_status == TaskStatus::Stopped {
        return;
    }
    let was = task.observed.last_status;
    task.desired = DesiredStatus::Stopped;
    task.stop.get_or_insert_with(|| stop.clone());
    task.observed.last_status = TaskStatus::Stopped;
    task.observed.stopped_at = Some(context.now);
    task.version += 1;
    let freed = std::mem::take(&mut task.held);
    let task = task.clone();
    if let Some(instance) = context.state.instances.get_mut(&task.instance) {
        let instance = Arc::make_mut(instance);
        instance.held.subtract(&freed);
        super::report::count(instance, was, TaskStatus::Stopped);
    }
    context.state.index.leave_queue(&task);
    context.ended(Ended::Task(id));
    context.task_changed(&task);
}

/// Protects tasks from scale-in until a time, or no longer. One that is gone meanwhile needs no protection.
pub(super) fn protect(context: &mut Context<'_>, protection: &TaskProtection) -> Reply {
    for id in &protection.tasks {
        let Some(task) = context.state.task(*id).cloned() else { continue };
        match protection.until {
            Some(until) => context.state.protections.insert(*id, until),
            None => context.state.protections.remove(id),
        };
        // Its service may have waited for it.
        context.task_changed(&task);
        context
            .state
            .tasks
            .get_mut(id)
            .into_iter()
            .for_each(|task| std::sync::Arc::make_mut(task).version += 1);
    }
    APPLIED
}
