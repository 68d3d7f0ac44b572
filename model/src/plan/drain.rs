//! Draining instances: what happens at the deadline, how far a drain is, and what it waits for.
//!
//! Replacing the tasks of services is the service planner's work, within the bounds of their deployment configuration.
//! This planner only sees to the deadline: what is left then is told to stop, whatever the bounds say. Tasks of DAEMON
//! services are left to their planner, which stops them once all others are gone.

use std::collections::BTreeMap;

use super::Plan;
use crate::command::{Command, StopTasks};
use crate::container_instance::{ContainerInstance, InstanceStatus};
use crate::fit::Refused;
use crate::id::{ServiceKey, TaskId};
use crate::limits::{COMMANDS_PER_PLAN, TASKS_PER_COMMAND};
use crate::service::{Service, ServiceStatus};
use crate::state::State;
use crate::task::{DesiredStatus, StopCode, Task};
use crate::time::Timestamp;

/// How far a drain is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Tasks are still on the instance.
    Draining,
    /// None is.
    Done,
    /// Its agent is gone. Its services are served elsewhere, and nobody knows what became of what was on it.
    Lost,
    /// It is not DRAINING.
    NotDraining,
}

/// A task that a drain waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocker {
    /// The task.
    pub task: TaskId,
    /// What it waits for, for people.
    pub reason: String,
}

/// How far a drain is, and what it waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// How far it is.
    pub phase: Phase,
    /// The tasks in its way.
    pub blockers: Vec<Blocker>,
}

/// Stops what is left where the deadline has passed.
pub fn plan(view: &State, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    for instance in view.instances().filter(|instance| instance.status == InstanceStatus::Draining) {
        let Some(drain) = &instance.drain else { continue };
        let Some(deadline) = drain.deadline else { continue };
        if deadline > now {
            plan.wake_at(deadline);
            continue;
        }
        stop_what_is_left(view, instance, drain.stop_standalone, &mut plan);
    }
    if plan.commands.len() > COMMANDS_PER_PLAN {
        plan.commands.truncate(COMMANDS_PER_PLAN);
        plan.wake_at(now);
    }
    plan
}

/// How far the drain of an instance is.
pub fn progress(view: &State, instance: &ContainerInstance, now: Timestamp) -> Progress {
    if instance.status != InstanceStatus::Draining {
        return Progress { phase: Phase::NotDraining, blockers: Vec::new() };
    }
    let left: Vec<&Task> =
        view.tasks_on(instance.id).map(|task| &**task).filter(|task| !task.is_stopped()).collect();
    let phase = match (left.is_empty(), instance.connected) {
        (true, _) => Phase::Done,
        (false, true) => Phase::Draining,
        (false, false) => Phase::Lost,
    };
    let blocker = |task: &&Task| Blocker { task: task.id, reason: reason(view, instance, task, now) };
    Progress { phase, blockers: left.iter().map(blocker).collect() }
}

fn stop_what_is_left(view: &State, instance: &ContainerInstance, standalone: bool, plan: &mut Plan) {
    let mut by_service: BTreeMap<Option<ServiceKey>, Vec<TaskId>> = BTreeMap::new();
    for task in view.tasks_on(instance.id) {
        if task.is_stopped() || task.desired != DesiredStatus::Running {
            continue;
        }
        let key = task.service();
        let service = key.as_ref().and_then(|key| view.service(key));
        let stops = match service {
            Some(service) => !service.is_daemon(),
            None => standalone,
        };
        if stops {
            by_service.entry(key).or_default().push(task.id);
        }
    }
    for (key, tasks) in by_service {
        let service =
            key.and_then(|key| view.service(&key)).map(|service| (service.key.clone(), service.generation));
        plan.notes.push(format!("the deadline of {} has passed: {} tasks stop", instance.id, tasks.len()));
        for tasks in tasks.chunks(TASKS_PER_COMMAND) {
            plan.commands.push(Command::StopTasks(StopTasks {
                service: service.clone(),
                tasks: tasks.to_vec(),
                code: StopCode::ServiceSchedulerInitiated,
                reason: format!("The deadline to drain container instance {} has passed.", instance.id),
            }));
        }
    }
}

fn reason(view: &State, instance: &ContainerInstance, task: &Task, now: Timestamp) -> String {
    if !instance.connected {
        return "its agent is not connected: nobody knows what became of it".to_owned();
    }
    if task.desired == DesiredStatus::Stopped {
        return "it is stopping".to_owned();
    }
    let Some(service) = task.service().and_then(|key| view.service(&key)) else {
        let at_deadline =
            instance.drain.as_ref().is_some_and(|drain| drain.stop_standalone && drain.deadline.is_some());
        let until = if at_deadline { "until it ends or the deadline passes" } else { "until it ends" };
        return format!("no service wants it: it runs {until}");
    };
    if service.is_daemon() {
        return "a task of a DAEMON service: it stops when all others have left".to_owned();
    }
    // A deployment has to leave protected tasks alone that it replaces, wherever they are.
    let is_replaced = service.primary().is_some_and(|primary| task.deployment() != Some(primary.id));
    if let Some(until) = view.protected_until(task.id, now).filter(|_| is_replaced) {
        let seconds = until.since(now).as_secs();
        return format!(
            "it is protected from scale-in for another {seconds} s, and its deployment may not stop it"
        );
    }
    of_service(view, service)
}

/// Why a service still needs its task on a DRAINING instance.
fn of_service(view: &State, service: &Service) -> String {
    if service.status != ServiceStatus::Active {
        return "its service is being deleted".to_owned();
    }
    if let Some(refused) = &service.refused {
        return format!("its successor finds no place: {}", Refused::text(&refused.groups));
    }
    let tasks = view.tasks_of(&service.key).filter(|task| !task.is_stopped());
    let coming = tasks.filter(|task| task.is_pending()).count();
    let bounds = service.bounds;
    let (floor, ceiling) = (bounds.floor(service.desired_count), bounds.ceiling(service.desired_count));
    if coming > 0 {
        return format!("{coming} tasks of its service are on their way to RUNNING");
    }
    if floor >= service.desired_count && ceiling <= service.desired_count {
        return format!(
            "its service may neither have fewer than {floor} healthy tasks nor more than {ceiling}: change its \
             deployment configuration"
        );
    }
    format!("its successor is not healthy yet; its service keeps at least {floor} healthy tasks")
}

#[cfg(test)]
mod tests;
