//! Forgetting what is over. Whatever is not over any more by the time this is applied is left alone.

use super::{APPLIED, Context, secret};
use crate::change::Change;
use crate::cluster::ClusterStatus;
use crate::command::{Forget, Reply};
use crate::container_instance::InstanceStatus;
use crate::service::ServiceStatus;
use crate::state::Ended;
use crate::task_definition::TaskDefinitionStatus;

pub(super) fn forget(context: &mut Context<'_>, forget: &Forget) -> Reply {
    for id in &forget.tasks {
        if let Some(task) = context.state.task(*id).filter(|task| task.is_stopped()).cloned() {
            context.state.remove_task(*id);
            context.task_changed(&task);
        }
        forget_ended(context, Ended::Task(*id), context.state.task(*id).is_none());
    }
    for key in &forget.services {
        if context.state.service(key).is_some_and(|service| service.status == ServiceStatus::Inactive) {
            context.state.remove_service(key);
            context.changed(Change::Service(key.clone()));
        }
        forget_ended(context, Ended::Service(key.clone()), context.state.service(key).is_none());
    }
    for id in &forget.instances {
        let over = context.state.instance(*id).filter(|instance| instance.status == InstanceStatus::Inactive);
        if let Some(instance) = over.cloned().filter(|_| context.state.tasks_on(*id).next().is_none()) {
            context.state.remove_instance(*id);
            context.instance_changed(*id, instance.cluster.clone(), false);
        }
        forget_ended(context, Ended::Instance(*id), context.state.instance(*id).is_none());
    }
    forget_definitions(context, forget);
    for name in &forget.clusters {
        if context.state.cluster(name).is_some_and(|cluster| cluster.status == ClusterStatus::Inactive) {
            context.state.clusters.remove(name);
            context.changed(Change::Cluster(name.clone()));
        }
        forget_ended(context, Ended::Cluster(name.clone()), context.state.cluster(name).is_none());
    }
    secret::forget(context, &forget.secrets);
    APPLIED
}

fn forget_ended(context: &mut Context<'_>, what: Ended, gone: bool) {
    if gone {
        context.state.ended_at.remove(&what);
    }
}

fn forget_definitions(context: &mut Context<'_>, forget: &Forget) {
    if forget.task_definitions.is_empty() {
        return;
    }
    let in_use: Vec<_> = context.state.definitions_in_use().into_iter().cloned().collect();
    for key in &forget.task_definitions {
        let deletable = context
            .state
            .task_definition(key)
            .is_some_and(|definition| definition.status == TaskDefinitionStatus::DeleteInProgress);
        if deletable && !in_use.contains(key) {
            context.state.task_definitions.remove(key);
            context.changed(Change::TaskDefinition(key.clone()));
        }
    }
}
