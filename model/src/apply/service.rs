//! Services and their deployments.

use super::{APPLIED, Context, UNCHANGED, gone};
use crate::change::Change;
use crate::command::{AdvanceService, NewDeployment, RecordRefusal, Rejection, Reply, ServiceUpdate};
use crate::error::ApiError;
use crate::id::{Generation, ServiceKey};
use crate::limits::EVENTS_PER_SERVICE;
use crate::service::rollout::ServiceDeploymentStatus;
use crate::service::task_set::Controller;
use crate::service::{Deployment, DeploymentStatus, Service, ServiceEvent, ServiceStatus};
use crate::state::Ended;

pub(super) fn create(context: &mut Context<'_>, service: &Service) -> Reply {
    let key = &service.key;
    let is_complete = match service.controller {
        Controller::Ecs => {
            matches!(service.deployments.as_slice(), [Deployment { status: DeploymentStatus::Primary, .. }])
        }
        Controller::External => service.deployments.is_empty() && service.task_sets.is_empty(),
    };
    if !is_complete {
        return Err(Rejection::Malformed(format!("{key} is created without one primary deployment")));
    }
    if service.status != ServiceStatus::Active || service.events.len() > EVENTS_PER_SERVICE {
        return Err(Rejection::Malformed(format!("{key} is created with a past")));
    }
    if context.state.active_cluster(&key.cluster).is_none() {
        return Err(ApiError::cluster_not_found().into());
    }
    if let Some(existing) =
        context.state.service(key).filter(|existing| existing.status != ServiceStatus::Inactive)
    {
        let same_call = existing.client_token.is_some() && existing.client_token == service.client_token;
        return if same_call {
            UNCHANGED
        } else {
            Err(ApiError::invalid("Creation of service was not idempotent.").into())
        };
    }
    let definition = &service.task_definition;
    if service.controller == Controller::Ecs && context.state.task_definition(definition).is_none() {
        return Err(gone("task definition", definition));
    }
    context.state.ended_at.remove(&Ended::Service(key.clone()));
    // A command that was decided for an earlier service of this name must not be taken for one of this.
    let earlier = context.state.service(key).map_or(0, |earlier| earlier.generation);
    let created = Service { generation: service.generation.max(earlier + 1), ..service.clone() };
    context.state.put_service(created);
    context.note(
        &key.cluster,
        Some(key),
        "service",
        key.name.to_string(),
        format!("(service {}) was created.", key.name),
    );
    context.changed(Change::Service(key.clone()));
    APPLIED
}

pub(super) fn update(context: &mut Context<'_>, update: &ServiceUpdate) -> Reply {
    let key = &update.key;
    let definition = update.deployment.as_ref().map(|deployment| &deployment.task_definition);
    if let Some(definition) = definition.filter(|key| context.state.task_definition(key).is_none()) {
        return Err(gone("task definition", definition));
    }
    let now = context.now;
    let service = current(context, key, update.generation)?;
    if service.status != ServiceStatus::Active {
        return Err(ApiError::service_not_active().into());
    }
    if let Some(new) = update.deployment.as_ref().filter(|new| service.deployment(new.id).is_some()) {
        return Err(Rejection::Malformed(format!("{key} has a deployment {} already", new.id)));
    }
    service.generation += 1;
    service.steady = false;
    service.desired_count = update.desired_count.unwrap_or(service.desired_count);
    service.bounds = update.bounds.unwrap_or(service.bounds);
    if let Some(placement) = &update.placement {
        service.placement = placement.clone();
    }
    if let Some(spec) = &update.spec {
        service.spec = spec.clone();
    }
    if let Some(settings) = &update.settings {
        service.settings = settings.clone();
    }
    if let Some(deployment) = &update.deployment {
        begin_deployment(service, deployment, now);
    }
    context.changed(Change::Service(key.clone()));
    APPLIED
}

pub(super) fn begin_deployment(service: &mut Service, new: &NewDeployment, now: crate::time::Timestamp) {
    for deployment in &mut service.deployments {
        deployment.status = DeploymentStatus::Active;
        deployment.updated_at = now;
    }
    service.task_definition = new.task_definition.clone();
    service.deployments.insert(0, Deployment::new(new.id, new.task_definition.clone(), now));
    if let Some(record) = &new.record {
        service.begin_record(record, now);
    }
}

pub(super) fn delete(context: &mut Context<'_>, key: &ServiceKey) -> Reply {
    let now = context.now;
    let service = context.service_mut(key)?;
    if service.status != ServiceStatus::Active {
        return UNCHANGED;
    }
    service.status = ServiceStatus::Draining;
    if let Some(record) = service.records.current_mut() {
        record.end(ServiceDeploymentStatus::Stopped, "The service was deleted.", now);
    }
    service.generation += 1;
    service.desired_count = 0;
    service.steady = false;
    context.changed(Change::Service(key.clone()));
    APPLIED
}

pub(super) fn advance(context: &mut Context<'_>, advance: &AdvanceService) -> Reply {
    let key = &advance.key;
    let now = context.now;
    let service = current(context, key, advance.generation)?;
    if advance.retire && service.status != ServiceStatus::Draining {
        return Err(Rejection::Malformed(format!(
            "{key} is {:?} and cannot become INACTIVE",
            service.status
        )));
    }
    for (id, rollout, reason) in &advance.rollouts {
        if let Some(deployment) = service.deployments.iter_mut().find(|deployment| deployment.id == *id) {
            deployment.rollout = *rollout;
            deployment.rollout_reason.clone_from(reason);
            deployment.updated_at = now;
        }
    }
    let ends = |deployment: &Deployment| {
        deployment.status != DeploymentStatus::Primary && advance.ended.contains(&deployment.id)
    };
    service.deployments.retain(|deployment| !ends(deployment));
    service.steady = advance.steady;
    service.desired_count = advance.desired_count.unwrap_or(service.desired_count);
    if advance.steady {
        service.refused = None;
    }
    super::rollout::advance(context, key, &advance.steps);
    let service = context.service_mut(key)?;
    if advance.retire {
        service.status = ServiceStatus::Inactive;
        service.deployments.clear();
        service.task_sets.clear();
        context.ended(Ended::Service(key.clone()));
    }
    for message in &advance.events {
        record_event(context, key, message);
    }
    context.changed(Change::Service(key.clone()));
    APPLIED
}

pub(super) fn record_refusal(context: &mut Context<'_>, record: &RecordRefusal) -> Reply {
    let service = current(context, &record.key, record.generation)?;
    if service.refused == record.refused {
        return UNCHANGED;
    }
    service.refused.clone_from(&record.refused);
    context.changed(Change::Service(record.key.clone()));
    APPLIED
}

/// Adds an event to a service, unless it repeats the newest one.
pub(super) fn record_event(context: &mut Context<'_>, key: &ServiceKey, message: &str) {
    let (revision, now) = (context.revision, context.now);
    let Ok(service) = context.service_mut(key) else { return };
    if service.events.back().is_some_and(|event| event.message == message) {
        return;
    }
    let place = match service.events.back() {
        Some(event) if event.id.0 == revision => event.id.1 + 1,
        _ => 0,
    };
    let event = ServiceEvent { id: (revision, place), created_at: now, message: message.to_owned() };
    service.events.push_back(event);
    while service.events.len() > EVENTS_PER_SERVICE {
        service.events.pop_front();
    }
    context.note(&key.cluster, Some(key), "service", key.name.to_string(), message.to_owned());
}

/// The service, if what is wanted of it is still what the proposer saw.
pub(super) fn current<'a>(
    context: &'a mut Context<'_>,
    key: &ServiceKey,
    seen: Generation,
) -> Result<&'a mut Service, Rejection> {
    let service = context.service_mut(key)?;
    if service.generation == seen {
        Ok(service)
    } else {
        Err(Rejection::Stale { seen, current: service.generation })
    }
}

/// Refuses what a planner decided for a service as it no longer is.
pub(super) fn check_current(
    context: &mut Context<'_>,
    service: Option<&(ServiceKey, Generation)>,
) -> Result<(), Rejection> {
    service.map_or(Ok(()), |(key, seen)| current(context, key, *seen).map(|_| ()))
}
