//! Tasks as messages.

use berth_model::container_instance::ContainerInstance;
use berth_model::state::State;
use berth_model::task::{DesiredStatus, Health, Owner, StopCode, Task};
use berth_proto::ecs::v1 as pb;

use super::{Tags, tags, time};

mod container;
mod network;
mod scheduling;

pub(crate) use scheduling::decision;

const CPU_ARCHITECTURE: &str = "ecs.cpu-architecture";

/// A task.
pub(crate) fn task(task: &Task, view: &State, shown: Tags) -> pb::Task {
    let scope = view.scope();
    let definition = view.task_definition(&task.definition).map(|definition| &**definition);
    let spec = task.spec.as_ref().map(|spec| spec.to_owned_message()).unwrap_or_default();
    let is_connected = view.instance(task.instance).is_some_and(|instance| instance.connected);
    let mut message = pb::Task {
        task_arn: Some(scope.task(&task.cluster, task.id)),
        cluster_arn: Some(scope.cluster(&task.cluster)),
        container_instance_arn: task
            .is_placed()
            .then(|| scope.container_instance(&task.cluster, task.instance)),
        task_definition_arn: Some(scope.task_definition(&task.definition)),
        containers: container::containers(task, definition, scope, is_connected),
        overrides: Some(container::overrides(task, definition)),
        cpu: Some(task.needs.cpu_units.to_string()),
        memory: Some(task.needs.memory_mib.to_string()),
        created_at: Some(task.created_at.to_message()),
        desired_status: Some(task.desired.as_str().to_owned()),
        last_status: Some(task.shown_status().as_str().to_owned()),
        health_status: Some(health(task.observed.health).into()),
        enable_execute_command: Some(spec.enable_execute_command.unwrap_or(false)),
        group: Some(task.group.to_string()),
        launch_type: Some(spec.launch_type.unwrap_or(pb::LaunchType::Ec2 as i32)),
        started_by: started_by(task),
        tags: shown.filter(tags(&task.tags)),
        version: Some(i64::try_from(task.version).unwrap_or(i64::MAX)),
        attachments: network::attachments(task),
        placement_decision: task.scheduling.decision.as_deref().map(scheduling::decision),
        queue: task.scheduling.queue.as_ref().map(scheduling::queue),
        ..spec
    };
    show_times(&mut message, task);
    show_stop(&mut message, task);
    if let Some(instance) = view.instance(task.instance) {
        show_instance(&mut message, task, instance);
    }
    message
}

/// What a health check said.
fn health(health: Health) -> pb::HealthStatus {
    match health {
        Health::Unknown => pb::HealthStatus::Unknown,
        Health::Healthy => pb::HealthStatus::Healthy,
        Health::Unhealthy => pb::HealthStatus::Unhealthy,
    }
}

fn started_by(task: &Task) -> Option<String> {
    match &task.owner {
        Owner::Service { deployment, .. } => Some(deployment.to_string()),
        Owner::Standalone | Owner::Hook { .. } => task.started_by.as_deref().map(str::to_owned),
    }
}

fn show_times(message: &mut pb::Task, task: &Task) {
    let observed = &task.observed;
    // ECS's stoppingAt is the moment at which the desired status became STOPPED.
    let decided = task.stop.as_ref().filter(|_| task.desired == DesiredStatus::Stopped);
    message.pull_started_at = time(observed.pull_started_at);
    message.pull_stopped_at = time(observed.pull_stopped_at);
    message.started_at = time(observed.started_at);
    message.stopping_at = time(decided.map(|stop| stop.at).or(observed.stopping_at));
    message.execution_stopped_at = time(observed.execution_stopped_at);
    message.stopped_at = time(observed.stopped_at);
}

fn show_stop(message: &mut pb::Task, task: &Task) {
    let Some(stop) = task.stop_reason() else { return };
    let code = match stop.code {
        StopCode::TaskFailedToStart => pb::TaskStopCode::TaskFailedToStart,
        StopCode::EssentialContainerExited => pb::TaskStopCode::EssentialContainerExited,
        StopCode::UserInitiated => pb::TaskStopCode::UserInitiated,
        StopCode::ServiceSchedulerInitiated => pb::TaskStopCode::ServiceSchedulerInitiated,
        StopCode::SpotInterruption => pb::TaskStopCode::SpotInterruption,
        StopCode::TerminationNotice => pb::TaskStopCode::TerminationNotice,
        StopCode::InfrastructureHealth => pb::TaskStopCode::InfrastructureHealth,
    };
    message.stop_code = Some(code.into());
    message.stopped_reason = Some(stop.reason.to_string());
}

fn show_instance(message: &mut pb::Task, task: &Task, instance: &ContainerInstance) {
    message.availability_zone = super::text(instance.zone());
    message.attributes = instance
        .attribute(CPU_ARCHITECTURE)
        .map(|value| pb::Attribute {
            name: Some(CPU_ARCHITECTURE.to_owned()),
            value: Some(value.to_owned()),
            ..pb::Attribute::default()
        })
        .into_iter()
        .collect();
    if instance.connected {
        message.connectivity = Some(pb::Connectivity::Connected.into());
        message.connectivity_at = Some(instance.connected_at.max(task.created_at).to_message());
    } else {
        message.connectivity = Some(pb::Connectivity::Disconnected.into());
        message.connectivity_at = Some(instance.connected_at.to_message());
    }
}
