//! Service deployments: how they go on, back and to their end.
//!
//! Who decides is the planner; here its decisions are recorded, with what people and hooks said meanwhile. What is said
//! about a service deployment that is over changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use berth_proto::ecs::v1 as pb;

use super::{APPLIED, Context, UNCHANGED, gone, service};
use crate::change::Change;
use crate::command::{
    ContinueServiceDeployment, NewDeployment, RecordHook, Rejection, Reply, RollBackService, RolloutStep,
    StopServiceDeployment,
};
use crate::error::ApiError;
use crate::id::{DeploymentId, HookId, ServiceKey, TaskId};
use crate::service::rollout::{
    HookStatus, Rollback, ServiceDeployment, ServiceDeploymentStatus, Span, Stage, StopKind, TaskFailure,
};
use crate::service::settings::HookAction;
use crate::service::{Deployment, DeploymentStatus, Rollout, STABLE_RUN, Service, ServiceStatus};
use crate::task::{ContainerStatus, Health, Task, TaskStatus};
use crate::task_definition::TaskDefinition;
use crate::time::Timestamp;
use crate::wire::Wire;

/// Carries out what the planner found, one after another.
pub(super) fn advance(context: &mut Context<'_>, key: &ServiceKey, steps: &[RolloutStep]) {
    for step in steps {
        if let RolloutStep::Unhealthy(tasks) = step {
            tasks.iter().for_each(|id| note_unhealthy(context, *id));
            continue;
        }
        let now = context.now;
        let Ok(service) = context.service_mut(key) else { return };
        take(service, step, now);
    }
}

fn take(service: &mut Service, step: &RolloutStep, now: Timestamp) {
    match step {
        RolloutStep::RetryAt(id, at) => {
            with_deployment(service, *id, |deployment| deployment.trouble.next_attempt_at = *at);
        }
        RolloutStep::Halt(id) => {
            with_deployment(service, *id, |deployment| {
                deployment.trouble.halted = true;
                deployment.trouble.next_attempt_at = None;
            });
        }
        RolloutStep::RollBack { to, reason } => back(service, *to, reason, now),
        RolloutStep::Unhealthy(_)
        | RolloutStep::ForgetFailures
        | RolloutStep::Enter(_)
        | RolloutStep::BeginHook(_)
        | RolloutStep::EndHook { .. }
        | RolloutStep::End { .. }
        | RolloutStep::Say(_) => {
            if let Some(record) = service.records.current_mut() {
                record.updated_at = now;
                take_on_record(record, step, now);
            }
        }
    }
}

fn take_on_record(record: &mut ServiceDeployment, step: &RolloutStep, now: Timestamp) {
    match step {
        RolloutStep::ForgetFailures => record.failures = 0,
        RolloutStep::Enter(stage) => record.stage = *stage,
        RolloutStep::BeginHook(run) => {
            if record.hooks.iter().all(|known| known.id != run.id) {
                record.hooks.push(run.clone());
            }
        }
        RolloutStep::EndHook { id, status, reason } => end_hook(record, *id, *status, reason),
        RolloutStep::End { status, reason } => {
            let is_reached = *status == ServiceDeploymentStatus::Successful;
            if is_reached {
                record.stage = Stage::CleanUp;
            }
            if let Some(start) = record.phases.start.filter(|_| is_reached) {
                Span::widen(&mut record.phases.settle, start.to.min(now), now);
            }
            record.end(*status, reason, now);
        }
        RolloutStep::Say(reason) => record.status_reason.clone_from(reason),
        RolloutStep::Unhealthy(_)
        | RolloutStep::RetryAt(..)
        | RolloutStep::Halt(_)
        | RolloutStep::RollBack { .. } => {}
    }
}

fn end_hook(record: &mut ServiceDeployment, id: HookId, status: HookStatus, reason: &str) {
    let open = record.hooks.iter_mut().find(|run| run.id == id && !run.status.is_over());
    if let Some(run) = open {
        run.status = status;
        reason.clone_into(&mut run.reason);
    }
}

fn with_deployment(service: &mut Service, id: DeploymentId, change: impl FnOnce(&mut Deployment)) {
    let own = service.deployments.iter_mut();
    let of_sets = service.task_sets.iter_mut().map(|set| &mut set.deployment);
    if let Some(deployment) = own.chain(of_sets).find(|deployment| deployment.id == id) {
        change(deployment);
    }
}

/// Makes an earlier revision the one to reach. What of its tasks still runs goes on running.
fn back(service: &mut Service, to: DeploymentId, reason: &str, now: Timestamp) {
    let Some(revision) = service.records.revisions.get(&to).cloned() else { return };
    for deployment in &mut service.deployments {
        deployment.status = DeploymentStatus::Active;
        deployment.updated_at = now;
    }
    let known = service.deployments.iter().position(|deployment| deployment.id == to);
    let mut target = match known {
        Some(at) => service.deployments.remove(at),
        None => Deployment::new(to, revision.task_definition.clone(), now),
    };
    target.status = DeploymentStatus::Primary;
    target.rollout = Rollout::InProgress;
    target.rollout_reason = reason.to_owned();
    target.updated_at = now;
    (target.crashes, target.failed_tasks, target.last_crash_at) = (0, 0, None);
    target.trouble.halted = false;
    target.trouble.next_attempt_at = None;
    service.deployments.insert(0, target);
    service.task_definition = revision.task_definition.clone();
    service.spec = reverted(&service.spec, &revision.spec);
    service.generation += 1;
    service.steady = false;
    if let Some(record) = service.records.current_mut() {
        record.status = ServiceDeploymentStatus::RollbackInProgress;
        record.updated_at = now;
        record.rollback =
            Some(Rollback { reason: reason.to_owned(), started_at: now, revision: to, failures: 0 });
    }
}

/// The settings of a service with those that belong to a revision as that one had them.
fn reverted(current: &Wire<pb::Service>, revision: &Wire<pb::Service>) -> Wire<pb::Service> {
    let then = revision.to_owned_message();
    Wire::new(pb::Service {
        load_balancers: then.load_balancers,
        service_registries: then.service_registries,
        platform_version: then.platform_version,
        platform_family: then.platform_family,
        network_configuration: then.network_configuration,
        ..current.to_owned_message()
    })
}

pub(super) fn stop(context: &mut Context<'_>, stop: &StopServiceDeployment) -> Reply {
    let now = context.now;
    let service = context.service_mut(&stop.key)?;
    let record = service.records.current_mut().filter(|record| record.id == stop.id && record.is_forward());
    let Some(record) = record else { return UNCHANGED };
    record.stop_requested = Some(stop.kind);
    record.status = match stop.kind {
        StopKind::Abort => ServiceDeploymentStatus::StopRequested,
        StopKind::RollBack => ServiceDeploymentStatus::RollbackRequested,
    };
    record.updated_at = now;
    context.changed(Change::Service(stop.key.clone()));
    APPLIED
}

pub(super) fn go_on(context: &mut Context<'_>, go_on: &ContinueServiceDeployment) -> Reply {
    let (status, reason) = match go_on.action {
        HookAction::Continue => (HookStatus::Succeeded, ""),
        HookAction::RollBack => (HookStatus::Failed, "A rollback was asked for."),
    };
    settle_hook(context, &go_on.key, go_on.id, go_on.hook, (HookStatus::AwaitingAction, status), reason)
}

pub(super) fn record_hook(context: &mut Context<'_>, record: &RecordHook) -> Reply {
    if !record.status.is_over() {
        return Err(Rejection::Malformed(format!("hook {} ended as {:?}", record.hook, record.status)));
    }
    let change = (HookStatus::InProgress, record.status);
    settle_hook(context, &record.key, record.id, record.hook, change, &record.reason)
}

fn settle_hook(
    context: &mut Context<'_>,
    key: &ServiceKey,
    id: crate::id::ServiceDeploymentId,
    hook: HookId,
    (from, to): (HookStatus, HookStatus),
    reason: &str,
) -> Reply {
    let service = context.service_mut(key)?;
    let Some(record) = service.records.current_mut().filter(|record| record.id == id) else {
        return UNCHANGED;
    };
    if !record.hooks.iter().any(|run| run.id == hook && run.status == from) {
        return UNCHANGED;
    }
    end_hook(record, hook, to, reason);
    context.changed(Change::Service(key.clone()));
    APPLIED
}

pub(super) fn roll_back(context: &mut Context<'_>, back: &RollBackService) -> Reply {
    let now = context.now;
    let known =
        context.state.service(&back.key).and_then(|known| known.records.revisions.get(&back.revision));
    let revision = known.cloned().ok_or_else(|| gone("service revision", back.revision))?;
    if context.state.task_definition(&revision.task_definition).is_none() {
        return Err(gone("task definition", &revision.task_definition));
    }
    let service = service::current(context, &back.key, back.generation)?;
    if service.status != ServiceStatus::Active {
        return Err(ApiError::service_not_active().into());
    }
    if service.deployment(back.deployment).is_some() {
        return Err(Rejection::Malformed(format!("{} has a deployment {}", back.key, back.deployment)));
    }
    service.generation += 1;
    service.steady = false;
    service.spec = reverted(&service.spec, &revision.spec);
    let new = NewDeployment {
        id: back.deployment,
        task_definition: revision.task_definition.clone(),
        record: Some(back.record.clone()),
    };
    service::begin_deployment(service, &new, now);
    context.changed(Change::Service(back.key.clone()));
    APPLIED
}

/// A task that nobody asked to stop did.
pub(super) fn note_crash(context: &mut Context<'_>, task: &Task) {
    let observed = &task.observed;
    let ran = observed.started_at.zip(observed.stopped_at).map(|(from, to)| to.since(from));
    let reason = task.stop_reason().map_or("Task failed to start", |stop| &stop.reason).to_owned();
    let failure = TaskFailure {
        task: task.id,
        reason: explained(task, reason),
        last_log_lines: last_lines(task),
        at: context.now,
    };
    note_failure(context, task, ran, failure);
}

/// A task that fails its health checks.
fn note_unhealthy(context: &mut Context<'_>, id: TaskId) {
    let now = context.now;
    let Some(task) = context.state.tasks.get_mut(&id) else { return };
    if task.unhealthy_at.is_some() || task.observed.health != Health::Unhealthy {
        return;
    }
    let task = Arc::make_mut(task);
    task.unhealthy_at = Some(now);
    let task = task.clone();
    let ran = task.observed.started_at.map(|at| now.since(at));
    let failure = TaskFailure {
        task: id,
        reason: "Task failed container health checks".to_owned(),
        last_log_lines: last_lines(&task),
        at: now,
    };
    note_failure(context, &task, ran, failure);
}

fn note_failure(
    context: &mut Context<'_>,
    task: &Task,
    ran: Option<std::time::Duration>,
    failure: TaskFailure,
) {
    let Some((key, id)) = task.service().zip(task.deployment()) else { return };
    let now = context.now;
    let Ok(service) = context.service_mut(&key) else { return };
    service.steady = false;
    with_deployment(service, id, |deployment| {
        deployment.count_crash(task.created_at, ran, now);
        deployment.trouble.last_failure = Some(failure.clone());
    });
    let counts = ran.is_none_or(|ran| ran < STABLE_RUN);
    let record = service.records.current_mut().filter(|_| counts);
    let Some(record) = record else { return };
    if let Some(back) = record.rollback.as_mut().filter(|back| back.revision == id) {
        back.failures = back.failures.saturating_add(1);
        record.updated_at = now;
    } else if record.is_forward() && record.target == id {
        record.failures = record.failures.saturating_add(1);
        record.failed_at = Some(now);
        record.updated_at = now;
        record.first_failure.get_or_insert(failure);
    }
}

/// The reason with the exit code of the first essential thing that ended badly.
fn explained(task: &Task, reason: String) -> String {
    let ended = |code: &i32| *code != 0;
    let failed = task.observed.containers.iter().find(|seen| seen.exit_code.as_ref().is_some_and(ended));
    match failed.and_then(|seen| seen.exit_code.map(|code| (&seen.name, code))) {
        Some((name, code)) => format!("{reason} (container {name} exited with {code})"),
        None => reason,
    }
}

fn last_lines(task: &Task) -> Vec<String> {
    let spoke = task.observed.containers.iter().find(|seen| !seen.last_log_lines.is_empty());
    spoke.map(|seen| seen.last_log_lines.clone()).unwrap_or_default()
}

/// Notes how long the parts of the service deployment under way take, from what an agent said of one of its tasks.
pub(super) fn note_phases(context: &mut Context<'_>, before: &Task, after: &Task) {
    let (was, is) = (&before.observed, &after.observed);
    let is_news = was.last_status != is.last_status || was.pull_stopped_at != is.pull_stopped_at;
    let Some((key, id)) = after.service().zip(after.deployment()).filter(|_| is_news) else { return };
    let now = context.now;
    // The tasks that were replaced may stop for longer than the service deployment takes.
    let concerns = |record: &ServiceDeployment| {
        record.sources.contains(&id) || (record.target == id && !record.status.is_over())
    };
    let last = context.state.service(&key).and_then(|service| service.records.deployments.back());
    if !last.is_some_and(|record| concerns(record)) {
        return;
    }
    let Ok(service) = context.service_mut(&key) else { return };
    let Some(record) = service.records.deployments.back_mut().map(Arc::make_mut) else { return };
    let within = |at: Timestamp| at.max(record.created_at).min(now);
    let phases = &mut record.phases;
    if record.target == id && record.rollback.is_none() {
        if let Some((from, to)) = is.pull_started_at.zip(is.pull_stopped_at) {
            Span::widen(&mut phases.pull, within(from), within(to));
        }
        if let Some(to) = is.started_at {
            let from = is.pull_stopped_at.unwrap_or(after.created_at);
            Span::widen(&mut phases.start, within(from), within(to));
        }
    } else if let Some((stop, to)) = after.stop.as_ref().zip(is.stopped_at) {
        Span::widen(&mut phases.drain, within(stop.at), within(to));
    }
}

/// Pins the images of a service revision to what its first task found the tags to mean.
pub(super) fn note_images(context: &mut Context<'_>, task: &Task, definition: Option<&TaskDefinition>) {
    let seen = task.observed.containers.iter().filter(|seen| seen.last_status != ContainerStatus::Stopped);
    let known = seen.filter(|seen| seen.image_digest.starts_with("sha256:"));
    let mut digests: BTreeMap<&str, &str> =
        known.map(|seen| (seen.name.as_str(), seen.image_digest.as_str())).collect();
    let Some((key, id)) = task.service().zip(task.deployment()).filter(|_| !digests.is_empty()) else {
        return;
    };
    let Some(service) = context.state.service(&key) else { return };
    let Some(revision) = service.records.revisions.get(&id) else { return };
    let is_open = |name: &str| {
        !revision.images.contains_key(name)
            && definition.is_some_and(|definition| is_pinned(definition, name))
    };
    digests.retain(|name, _| is_open(name));
    if digests.is_empty() {
        return;
    }
    let digests: Vec<(String, String)> =
        digests.into_iter().map(|(name, digest)| (name.to_owned(), digest.to_owned())).collect();
    let Ok(service) = context.service_mut(&key) else { return };
    if let Some(revision) = service.records.revisions.get_mut(&id) {
        Arc::make_mut(revision).images.extend(digests);
    }
}

/// Whether the image of a container is a tag that is to mean the same for all tasks of a revision.
fn is_pinned(definition: &TaskDefinition, container: &str) -> bool {
    let containers = &definition.definition.container_definitions;
    containers.iter().find(|known| known.name() == container).is_some_and(|known| {
        known.version_consistency() != pb::VersionConsistency::Disabled && !known.image().contains('@')
    })
}

/// A task of a service became RUNNING.
pub(super) fn note_running(context: &mut Context<'_>, task: &Task) {
    let Some((key, id)) = task.service().zip(task.deployment()) else { return };
    let Ok(service) = context.service_mut(&key) else { return };
    service.steady = false;
    with_deployment(service, id, |deployment| deployment.failed_tasks = 0);
}

/// Whether a report says that a task that failed its health checks passes them again.
pub(super) fn is_well_again(task: &Task) -> bool {
    task.observed.health == Health::Healthy && task.observed.last_status == TaskStatus::Running
}
