//! Task sets.

use super::{APPLIED, Context, UNCHANGED, gone, service};
use crate::change::Change;
use crate::command::{ChangeTaskSets, Rejection, Reply, TaskSetChange};
use crate::error::ApiError;
use crate::id::DeploymentId;
use crate::service::task_set::{Controller, TaskSet, TaskSetStatus};
use crate::service::{Service, ServiceStatus};
use crate::time::Timestamp;

pub(super) fn change(context: &mut Context<'_>, command: &ChangeTaskSets) -> Reply {
    if let TaskSetChange::Create(set) = &command.change {
        let definition = &set.deployment.task_definition;
        if context.state.task_definition(definition).is_none() {
            return Err(gone("task definition", definition));
        }
    }
    let now = context.now;
    let service = service::current(context, &command.key, command.generation)?;
    if service.controller != Controller::External {
        return Err(Rejection::Malformed(format!("{} is not deployed with task sets", command.key)));
    }
    let is_planned = matches!(command.change, TaskSetChange::Advance { .. });
    if service.status != ServiceStatus::Active && !is_planned {
        return Err(ApiError::service_not_active().into());
    }
    if !carry_out(service, &command.change, now)? {
        return UNCHANGED;
    }
    if !is_planned {
        service.generation += 1;
        service.steady = false;
    }
    context.changed(Change::Service(command.key.clone()));
    APPLIED
}

/// Whether anything changed.
fn carry_out(service: &mut Service, change: &TaskSetChange, now: Timestamp) -> Result<bool, Rejection> {
    match change {
        TaskSetChange::Create(set) => {
            if service.task_sets.iter().any(|known| known.id() == set.id()) {
                return Err(Rejection::Malformed(format!("{} has a task set {}", service.key, set.id())));
            }
            service.task_sets.push((**set).clone());
        }
        TaskSetChange::Scale { id, basis_points } => {
            let set = find(service, *id)?;
            set.scale_basis_points = *basis_points;
            set.deployment.updated_at = now;
            unsettle(set, now);
        }
        TaskSetChange::Promote(id) => promote(service, *id, now)?,
        TaskSetChange::Delete(id) => {
            let set = find(service, *id)?;
            set.status = TaskSetStatus::Draining;
            set.deployment.updated_at = now;
            unsettle(set, now);
        }
        TaskSetChange::Advance { stable, gone } => return Ok(advance(service, stable, gone, now)),
    }
    Ok(true)
}

fn find(service: &mut Service, id: DeploymentId) -> Result<&mut TaskSet, Rejection> {
    let set = service.task_sets.iter_mut().find(|set| set.id() == id);
    set.ok_or_else(|| gone("task set", id))
}

fn unsettle(set: &mut TaskSet, now: Timestamp) {
    if set.stable {
        (set.stable, set.stable_at) = (false, now);
    }
}

/// What the primary one runs is what the service runs.
fn promote(service: &mut Service, id: DeploymentId, now: Timestamp) -> Result<(), Rejection> {
    find(service, id)?;
    for set in &mut service.task_sets {
        let status = match set.status {
            _ if set.deployment.id == id => TaskSetStatus::Primary,
            TaskSetStatus::Primary | TaskSetStatus::Active => TaskSetStatus::Active,
            TaskSetStatus::Draining => TaskSetStatus::Draining,
        };
        if status != set.status {
            set.status = status;
            set.deployment.updated_at = now;
        }
    }
    service.task_sets.sort_by_key(|set| set.status != TaskSetStatus::Primary);
    if let Some(primary) = service.task_sets.first() {
        service.task_definition = primary.deployment.task_definition.clone();
    }
    Ok(())
}

fn advance(
    service: &mut Service,
    stable: &[(DeploymentId, bool)],
    gone: &[DeploymentId],
    now: Timestamp,
) -> bool {
    let mut changed = false;
    for (id, is_stable) in stable {
        let set = service.task_sets.iter_mut().find(|set| set.id() == *id && set.stable != *is_stable);
        if let Some(set) = set {
            (set.stable, set.stable_at) = (*is_stable, now);
            changed = true;
        }
    }
    let before = service.task_sets.len();
    service.task_sets.retain(|set| set.status != TaskSetStatus::Draining || !gone.contains(&set.id()));
    changed || service.task_sets.len() != before
}
