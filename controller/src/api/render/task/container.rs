//! The containers of a task as messages: what its definition says, what was overridden, and what was seen.

use berth_model::arn::Scope;
use berth_model::port_range::PortRange;
use berth_model::task::{ContainerObservation, ContainerStatus, PortBinding, Task};
use berth_model::task_definition::TaskDefinition;
use berth_model::validate::execute_command::is_enabled;
use berth_proto::ecs::v1 as pb;

use super::super::{text, time};
use super::health;

/// The containers, in the order of the definition. A definition may be deleted once its tasks are over; then there are
/// those that were seen.
pub(super) fn containers(
    task: &Task,
    definition: Option<&TaskDefinition>,
    scope: &Scope,
    is_connected: bool,
) -> Vec<pb::Container> {
    match definition {
        Some(definition) => {
            let containers = definition.definition.container_definitions.iter();
            let mut gpu_ids = task.scheduling.gpu_ids.iter();
            let message = |one: &pb::ContainerDefinition| pb::Container {
                gpu_ids: gpu_ids.by_ref().take(gpus(definition, one.name())).cloned().collect(),
                ..container(task, one, scope, is_connected)
            };
            containers.map(message).collect()
        }
        None => task
            .observed
            .containers
            .iter()
            .map(|seen| {
                let definition =
                    pb::ContainerDefinition { name: Some(seen.name.clone()), ..Default::default() };
                container(task, &definition, scope, is_connected)
            })
            .collect(),
    }
}

/// What the caller changed, with an entry for every container, as ECS echoes it.
pub(super) fn overrides(task: &Task, definition: Option<&TaskDefinition>) -> pb::TaskOverride {
    let mut echoed = task.overrides.as_ref().map(|given| given.to_owned_message()).unwrap_or_default();
    let Some(definition) = definition else { return echoed };
    let mut given = std::mem::take(&mut echoed.container_overrides);
    for container in &definition.definition.container_definitions {
        let at = given.iter().position(|given| given.name == container.name);
        let bare = || pb::ContainerOverride { name: container.name.clone(), ..Default::default() };
        echoed.container_overrides.push(at.map_or_else(bare, |at| given.remove(at)));
    }
    echoed
}

/// How many of the task's GPUs a container has to itself.
fn gpus(definition: &TaskDefinition, container: &str) -> usize {
    let facts = definition.facts.containers.iter().find(|facts| facts.name == container);
    usize::try_from(facts.map_or(0, |facts| facts.gpus)).unwrap_or(usize::MAX)
}

fn container(
    task: &Task,
    definition: &pb::ContainerDefinition,
    scope: &Scope,
    is_connected: bool,
) -> pb::Container {
    let name = definition.name.as_deref().unwrap_or_default();
    let seen = task.observed.containers.iter().find(|seen| seen.name == name);
    let given = task
        .overrides
        .as_ref()
        .and_then(|given| given.container_overrides.iter().find(|given| given.name.as_deref() == Some(name)));
    let amount = |given: Option<i32>, defined: Option<i32>| given.or(defined).map(|units| units.to_string());
    let cpu = amount(given.and_then(|given| given.cpu), definition.cpu);
    pb::Container {
        container_arn: Some(scope.container(&task.cluster, task.id, name)),
        task_arn: Some(scope.task(&task.cluster, task.id)),
        name: Some(name.to_owned()),
        image: definition.image.clone(),
        last_status: Some(last_status(task, seen).as_str().to_owned()),
        health_status: Some(health(seen.map(|seen| seen.health).unwrap_or_default()).into()),
        image_digest: seen.and_then(|seen| text(&seen.image_digest)),
        runtime_id: seen.and_then(|seen| text(&seen.runtime_id)),
        exit_code: seen.and_then(|seen| seen.exit_code),
        reason: seen.and_then(|seen| text(&seen.reason)),
        network_bindings: seen.into_iter().flat_map(|seen| &seen.bindings).map(binding).collect(),
        network_interfaces: super::network::interfaces(task),
        cpu: Some(cpu.unwrap_or_else(|| "0".to_owned())),
        memory: amount(given.and_then(|given| given.memory), definition.memory),
        memory_reservation: amount(
            given.and_then(|given| given.memory_reservation),
            definition.memory_reservation,
        ),
        managed_agents: managed_agents(task, last_status(task, seen), is_connected),
        last_log_lines: seen.map(|seen| seen.last_log_lines.clone()).unwrap_or_default(),
        ..pb::Container::default()
    }
}

/// The agent through which commands get in: that of the instance, which stands for one in the container.
fn managed_agents(task: &Task, status: ContainerStatus, is_connected: bool) -> Vec<pb::ManagedAgent> {
    if !is_enabled(task) {
        return Vec::new();
    }
    let (status, reason) = match status {
        ContainerStatus::Running if is_connected => (ContainerStatus::Running, None),
        ContainerStatus::Running => {
            (ContainerStatus::Stopped, Some("The agent of the task is not connected.".to_owned()))
        }
        ContainerStatus::Stopped => (ContainerStatus::Stopped, None),
        _ => (ContainerStatus::Pending, None),
    };
    vec![pb::ManagedAgent {
        last_started_at: time(task.observed.started_at.filter(|_| status != ContainerStatus::Pending)),
        name: Some(pb::ManagedAgentName::ExecuteCommandAgent.into()),
        reason,
        last_status: Some(status.as_str().to_owned()),
    }]
}

/// A container of a task that is over is over, whether or not its agent could say so.
fn last_status(task: &Task, seen: Option<&ContainerObservation>) -> ContainerStatus {
    if task.is_stopped() {
        return ContainerStatus::Stopped;
    }
    seen.map_or(ContainerStatus::Pending, |seen| seen.last_status)
}

fn binding(binding: &PortBinding) -> pb::NetworkBinding {
    let protocol = if binding.udp { pb::TransportProtocol::Udp } else { pb::TransportProtocol::Tcp };
    let range = |first| PortRange::new(first, binding.further).map(|range| range.to_string());
    // A range is told as one, and has no single ports.
    let single = |port: u16| (binding.further == 0).then(|| port.into());
    pb::NetworkBinding {
        bind_ip: Some(binding.bind_ip.clone()),
        container_port: single(binding.container_port),
        host_port: single(binding.host_port),
        protocol: Some(protocol.into()),
        container_port_range: range(binding.container_port),
        host_port_range: range(binding.host_port),
    }
}
