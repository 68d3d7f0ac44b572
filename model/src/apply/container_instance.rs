//! Container instances and their attributes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{APPLIED, Context, UNCHANGED, gone, task};
use crate::attribute::Attributes;
use crate::change::Change;
use crate::command::{Rejection, Reply, SetInstanceStatus};
use crate::container_instance::{ContainerInstance, Drain, InstanceStatus};
use crate::error::{ApiError, Exception};
use crate::id::{InstanceId, TaskId};
use crate::limits::ATTRIBUTES_PER_INSTANCE;
use crate::resource::Requirements;
use crate::state::Ended;
use crate::task::{Stop, StopCode};
use crate::time::Timestamp;

pub(super) fn register(context: &mut Context<'_>, offer: &ContainerInstance) -> Reply {
    if context.state.active_cluster(&offer.cluster).is_none() {
        return Err(ApiError::cluster_not_found().into());
    }
    if offer.status == InstanceStatus::Inactive {
        return Err(Rejection::Malformed(format!("{} registers as INACTIVE", offer.id)));
    }
    match context.state.instance(offer.id).cloned() {
        None => add(context, offer),
        Some(known) => renew(context, &known, offer),
    }
}

fn add(context: &mut Context<'_>, offer: &ContainerInstance) -> Reply {
    let instance = ContainerInstance {
        connected: true,
        connected_at: context.now,
        held: Requirements::default(),
        manifest_generation: context.revision,
        running_count: 0,
        pending_count: 0,
        version: 1,
        drain: None,
        ..offer.clone()
    };
    announce(context, &instance, "registered", true);
    context.wake_daemons(&instance.cluster);
    context.changed(Change::Manifest(instance.id));
    context.state.put_instance(instance);
    APPLIED
}

/// An instance that registers again keeps what operators and tasks made of it.
fn renew(context: &mut Context<'_>, known: &ContainerInstance, offer: &ContainerInstance) -> Reply {
    if known.status == InstanceStatus::Inactive {
        let message = format!(
            "Container instance {} was deregistered; start its agent with an empty data directory to register it anew.",
            known.id
        );
        return Err(ApiError::client(message).into());
    }
    if known.cluster != offer.cluster {
        let message = format!("Container instance {} belongs to cluster {}.", known.id, known.cluster);
        return Err(ApiError::invalid(message).into());
    }
    let mut renewed = known.clone();
    renewed.capacity = offer.capacity.clone();
    renewed.attributes = offer.attributes.clone();
    renewed.spec = offer.spec.clone();
    renewed.network = offer.network;
    renewed.connected = true;
    if renewed == *known {
        return UNCHANGED;
    }
    if !known.connected {
        renewed.connected_at = context.now;
        announce(context, &renewed, "is back", true);
        context.wake_services_on(renewed.id);
    }
    renewed.version += 1;
    context.instance_changed(renewed.id, renewed.cluster.clone(), true);
    context.wake_daemons(&renewed.cluster);
    context.state.put_instance(renewed);
    APPLIED
}

fn announce(context: &mut Context<'_>, instance: &ContainerInstance, what: &str, offers_more: bool) {
    let message = format!("container instance {} in zone {:?} {what}", instance.id, instance.zone());
    context.note(&instance.cluster, None, "container-instance", instance.id.to_string(), message);
    context.instance_changed(instance.id, instance.cluster.clone(), offers_more);
}

pub(super) fn set_status(context: &mut Context<'_>, set: &SetInstanceStatus) -> Reply {
    if set.status == InstanceStatus::Inactive {
        return Err(Rejection::Malformed("instances become INACTIVE by being deregistered".into()));
    }
    for id in &set.ids {
        if find(context, *id)?.status == InstanceStatus::Inactive {
            return Err(gone("container instance", id));
        }
    }
    let mut any = false;
    for id in &set.ids {
        let tasks = context.state.tasks_on(*id).filter(|task| !task.is_stopped()).count();
        let now = context.now;
        let instance = find(context, *id)?;
        let drain = drain(set, instance, tasks, now);
        if instance.status == set.status && instance.drain == drain {
            continue;
        }
        any = true;
        instance.status = set.status;
        instance.drain = drain;
        instance.version += 1;
        let instance = instance.clone();
        let offers_more = set.status == InstanceStatus::Active;
        announce(context, &instance, &format!("is {}", set.status.as_str()), offers_more);
        context.wake_services_on(*id);
        context.wake_daemons(&instance.cluster);
    }
    if any { APPLIED } else { UNCHANGED }
}

/// How an instance is drained from now on. What was asked for last holds; when it began stays.
fn drain(set: &SetInstanceStatus, known: &ContainerInstance, tasks: usize, now: Timestamp) -> Option<Drain> {
    if set.status != InstanceStatus::Draining {
        return None;
    }
    let begun = known.drain.as_ref();
    Some(Drain {
        started_at: begun.map_or(now, |drain| drain.started_at),
        deadline: set.deadline,
        stop_standalone: set.stop_standalone,
        tasks: begun.map_or_else(|| u32::try_from(tasks).unwrap_or(u32::MAX), |drain| drain.tasks),
    })
}

pub(super) fn deregister(context: &mut Context<'_>, id: InstanceId, force: bool) -> Reply {
    if find(context, id)?.status == InstanceStatus::Inactive {
        return UNCHANGED;
    }
    let tasks: Vec<TaskId> =
        context.state.tasks_on(id).filter(|task| !task.is_stopped()).map(|task| task.id).collect();
    if !force && !tasks.is_empty() {
        let message = "Found running tasks on the instance. Stop them, drain the instance, or use force.";
        return Err(ApiError::new(Exception::InvalidParameter, message).into());
    }
    context.wake_services_on(id);
    let reason = Arc::from("Container instance deregistration forced by user");
    let stop = Stop { code: StopCode::TerminationNotice, reason, at: context.now };
    for task in tasks {
        task::end_unreported(context, task, &stop);
    }
    let now = context.now;
    let instance = find(context, id)?;
    instance.status = InstanceStatus::Inactive;
    instance.connected = false;
    instance.connected_at = now;
    instance.version += 1;
    let instance = instance.clone();
    context.manifest_changed(id);
    context.ended(Ended::Instance(id));
    announce(context, &instance, "was deregistered", false);
    context.wake_daemons(&instance.cluster);
    APPLIED
}

pub(super) fn set_connected(context: &mut Context<'_>, id: InstanceId, connected: bool) -> Reply {
    let now = context.now;
    let instance = find(context, id)?;
    if instance.connected == connected || instance.status == InstanceStatus::Inactive {
        return UNCHANGED;
    }
    instance.connected = connected;
    instance.connected_at = now;
    instance.version += 1;
    let instance = instance.clone();
    announce(context, &instance, if connected { "is back" } else { "is lost" }, connected);
    context.wake_services_on(id);
    context.wake_daemons(&instance.cluster);
    APPLIED
}

pub(super) fn put_attributes(context: &mut Context<'_>, puts: &[(InstanceId, Attributes)]) -> Reply {
    let mut after: BTreeMap<InstanceId, Attributes> = BTreeMap::new();
    for (id, attributes) in puts {
        let known = &find(context, *id)?.custom_attributes;
        let after = after.entry(*id).or_insert_with(|| known.clone());
        for (name, value) in attributes.iter() {
            after.put(name, value);
        }
        if after.len() > ATTRIBUTES_PER_INSTANCE {
            let message = format!("At most {ATTRIBUTES_PER_INSTANCE} custom attributes fit on {id}.");
            return Err(ApiError::new(Exception::AttributeLimitExceeded, message).into());
        }
    }
    for (id, attributes) in after {
        find(context, id)?.custom_attributes = attributes;
        touched(context, id)?;
    }
    APPLIED
}

pub(super) fn delete_attributes(context: &mut Context<'_>, deletes: &[(InstanceId, String)]) -> Reply {
    for (id, _) in deletes {
        find(context, *id)?;
    }
    for (id, name) in deletes {
        find(context, *id)?.custom_attributes.remove(name);
        touched(context, *id)?;
    }
    APPLIED
}

fn touched(context: &mut Context<'_>, id: InstanceId) -> Result<(), Rejection> {
    let instance = find(context, id)?;
    instance.version += 1;
    let cluster = instance.cluster.clone();
    context.wake_daemons(&cluster);
    context.instance_changed(id, cluster, true);
    Ok(())
}

fn find<'a>(context: &'a mut Context<'_>, id: InstanceId) -> Result<&'a mut ContainerInstance, Rejection> {
    let instance = context.state.instances.get_mut(&id);
    instance.map(Arc::make_mut).ok_or_else(|| gone("container instance", id))
}
