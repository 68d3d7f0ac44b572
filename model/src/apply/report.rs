//! What agents saw of their tasks: the observation side.
//!
//! A report may come twice, late, or after the task was forgotten. What is not newer than what is known is dropped
//! without a word; a task that is STOPPED stays so.

use std::sync::Arc;

use super::{Context, UNCHANGED, gone, rollout};
use crate::command::{Outcome, Reply, TaskReport};
use crate::container_instance::{ContainerInstance, InstanceStatus};
use crate::id::InstanceId;
use crate::state::Ended;
use crate::task::{DesiredStatus, Observed, Stop, StopCode, Task, TaskStatus};
use crate::time::Timestamp;

pub(super) fn report(context: &mut Context<'_>, instance: InstanceId, reports: &[TaskReport]) -> Reply {
    if context.state.instance(instance).is_none() {
        return Err(gone("container instance", instance));
    }
    let (mut any, mut moved) = (false, Moved::default());
    for report in reports {
        any |= observe(context, instance, report, &mut moved);
    }
    if let Some(known) = context.state.instance(instance).filter(|_| moved.any).cloned() {
        context.instance_changed(instance, known.cluster.clone(), moved.offers_more);
        if known.status == InstanceStatus::Draining {
            // Daemons are the last to leave.
            context.wake_daemons(&known.cluster);
        }
    }
    if any { Ok(Outcome::Applied) } else { UNCHANGED }
}

/// What the reports changed for the instance as a whole.
#[derive(Default)]
struct Moved {
    any: bool,
    offers_more: bool,
}

fn observe(context: &mut Context<'_>, instance: InstanceId, report: &TaskReport, moved: &mut Moved) -> bool {
    let Some(known) = context.state.task(report.task).cloned() else { return false };
    let newer = report.observed.report_version > known.observed.report_version;
    if known.instance != instance || known.is_stopped() || !newer {
        return false;
    }
    let mut task = (*known).clone();
    task.observed = merged(&known, &report.observed, context.now);
    let definition = context.state.task_definition(&task.definition).cloned();
    task.held = match &definition {
        Some(definition) => known.held_after(&definition.facts, &task.observed),
        None => crate::resource::Requirements::default(),
    };
    task.version += 1;
    if task.is_stopped() && task.stop_reason().is_none() {
        task.observed.stop = Some(unexplained(&task.observed, context.now));
    }
    move_on_instance(context, &known, &task, moved);
    if task.unhealthy_at.is_some() && rollout::is_well_again(&task) {
        task.unhealthy_at = None;
    }
    note_transition(context, &known, &task);
    rollout::note_phases(context, &known, &task);
    rollout::note_images(context, &task, definition.as_deref());
    if task.is_stopped() {
        task.desired = DesiredStatus::Stopped;
        context.manifest_changed(instance);
        context.ended(Ended::Task(task.id));
    }
    context.task_changed(&task);
    context.state.tasks.insert(task.id, Arc::new(task));
    true
}

/// The new observation, which may neither go back nor lose what was known. The hosts' clocks are not ours: no task
/// started or stopped before it was placed or after we heard of it.
fn merged(task: &Task, seen: &Observed, now: Timestamp) -> Observed {
    let known = &task.observed;
    let within = |at: Timestamp| at.max(task.created_at).min(now);
    let mut merged = seen.clone();
    merged.last_status = seen.last_status.max(known.last_status);
    merged.pull_started_at = seen.pull_started_at.or(known.pull_started_at);
    merged.pull_stopped_at = seen.pull_stopped_at.or(known.pull_stopped_at);
    merged.started_at = known.started_at.or_else(|| seen.started_at.map(within));
    merged.stopping_at = seen.stopping_at.or(known.stopping_at);
    merged.execution_stopped_at = seen.execution_stopped_at.or(known.execution_stopped_at);
    merged.address = seen.address.or(known.address);
    merged.stop = known.stop.clone().or_else(|| seen.stop.clone());
    if merged.last_status == TaskStatus::Running {
        merged.started_at.get_or_insert(now);
    }
    merged.stopped_at =
        (merged.last_status == TaskStatus::Stopped).then(|| seen.stopped_at.map_or(now, within));
    merged
}

/// The reason of a task that stopped without its agent saying why.
fn unexplained(observed: &Observed, now: Timestamp) -> Stop {
    let (code, reason) = match observed.started_at {
        Some(_) => (StopCode::EssentialContainerExited, "Essential container in task exited"),
        None => (StopCode::TaskFailedToStart, "Task failed to start"),
    };
    Stop { code, reason: Arc::from(reason), at: now }
}

fn move_on_instance(context: &mut Context<'_>, before: &Task, after: &Task, moved: &mut Moved) {
    let Some(instance) = context.state.instances.get_mut(&before.instance) else { return };
    let instance = Arc::make_mut(instance);
    instance.held.subtract(&before.held);
    instance.held.add(&after.held);
    count(instance, before.observed.last_status, after.observed.last_status);
    instance.version += 1;
    let offers_more = after.held.cpu_units < before.held.cpu_units
        || after.held.memory_mib < before.held.memory_mib
        || after.held.gpus < before.held.gpus
        || after.held.disk_mib < before.held.disk_mib
        || after.held.tcp_ports.len() < before.held.tcp_ports.len()
        || after.held.udp_ports.len() < before.held.udp_ports.len();
    moved.any |= offers_more || before.observed.last_status != after.observed.last_status;
    moved.offers_more |= offers_more;
}

/// Moves a task from one of its instance's counters to the other.
pub(super) fn count(instance: &mut ContainerInstance, before: TaskStatus, after: TaskStatus) {
    let counts = |status| (u32::from(status == TaskStatus::Running), u32::from(status < TaskStatus::Running));
    let ((running_before, pending_before), (running_after, pending_after)) = (counts(before), counts(after));
    instance.running_count = instance.running_count + running_after - running_before;
    instance.pending_count = instance.pending_count + pending_after - pending_before;
}

fn note_transition(context: &mut Context<'_>, before: &Task, after: &Task) {
    let (was, is) = (before.observed.last_status, after.observed.last_status);
    if was == is {
        return;
    }
    let service = after.service();
    if is == TaskStatus::Running {
        let message = format!("task {} is RUNNING on {}", after.id, after.instance);
        context.note(&after.cluster, service.as_ref(), "task", after.id.to_string(), message);
        rollout::note_running(context, after);
    }
    if is == TaskStatus::Stopped {
        let reason = after.stop_reason().map_or("", |stop| &stop.reason);
        let message = format!("task {} is STOPPED: {reason}", after.id);
        context.note(&after.cluster, service.as_ref(), "task", after.id.to_string(), message);
        if before.desired == DesiredStatus::Running {
            rollout::note_crash(context, after);
        }
    }
}
