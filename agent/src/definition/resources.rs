//! What a task takes of its instance, and what it still takes when some of its containers have ended.

use berth_model::resource::Requirements;
use berth_proto::ecs::v1 as ecs;

use super::Definition;

/// What the containers for which `is_live` says so take. What the task has as a whole is held as long as any of them
/// lives; the controllers count the same way.
pub(super) fn requirements(definition: &Definition, is_live: impl Fn(usize) -> bool) -> Requirements {
    let mut sum = Requirements::default();
    let mut is_any = false;
    for (_, container) in definition.containers.iter().enumerate().filter(|(at, _)| is_live(*at)) {
        is_any = true;
        sum.add(&of_container(container, definition.network_mode()));
    }
    if is_any {
        sum.cpu_units = definition.cpu_units.unwrap_or(sum.cpu_units);
        sum.memory_mib = definition.memory_mib.unwrap_or(sum.memory_mib);
        sum.disk_mib = definition.disk_mib.unwrap_or(0);
    }
    sum
}

/// How many GPUs a container has to itself.
pub(crate) fn gpus(container: &ecs::ContainerDefinition) -> u32 {
    let of_gpus = |one: &&ecs::ResourceRequirement| one.r#type() == ecs::ResourceType::Gpu;
    let requirements = container.resource_requirements.iter().filter(of_gpus);
    requirements.filter_map(|requirement| requirement.value().parse::<u32>().ok()).sum()
}

fn of_container(container: &ecs::ContainerDefinition, mode: ecs::NetworkMode) -> Requirements {
    let positive = |amount: i32| u32::try_from(amount).unwrap_or(0);
    let mut needs = Requirements {
        cpu_units: positive(container.cpu()),
        // ECS places by the soft limit when there is one.
        memory_mib: positive(container.memory_reservation.or(container.memory).unwrap_or(0)),
        gpus: gpus(container),
        ..Requirements::default()
    };
    for mapping in &container.port_mappings {
        let port = match mode {
            ecs::NetworkMode::Host => mapping.host_port.filter(|port| *port != 0).or(mapping.container_port),
            ecs::NetworkMode::Bridge | ecs::NetworkMode::Unspecified => mapping.host_port,
            ecs::NetworkMode::Awsvpc | ecs::NetworkMode::None => None,
        };
        let Some(port) = port.and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0) else {
            continue;
        };
        match mapping.protocol() {
            ecs::TransportProtocol::Udp => needs.udp_ports.insert(port),
            ecs::TransportProtocol::Tcp | ecs::TransportProtocol::Unspecified => needs.tcp_ports.insert(port),
        };
    }
    needs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(name: &str, cpu: i32, memory: i32, port: i32) -> ecs::ContainerDefinition {
        ecs::ContainerDefinition {
            name: Some(name.to_owned()),
            cpu: Some(cpu),
            memory: Some(memory),
            port_mappings: vec![ecs::PortMapping {
                container_port: Some(80),
                host_port: Some(port),
                ..Default::default()
            }],
            ..Default::default()
        }
    }

    fn definition(cpu: Option<&str>, containers: Vec<ecs::ContainerDefinition>) -> Definition {
        let message = ecs::TaskDefinition {
            cpu: cpu.map(str::to_owned),
            container_definitions: containers,
            ..Default::default()
        };
        Definition::new(message, None)
    }

    #[test]
    fn resources_are_released_container_by_container() {
        let definition = definition(None, vec![container("a", 100, 64, 8080), container("b", 50, 32, 0)]);
        let whole = definition.requirements(|_| true);
        assert_eq!((whole.cpu_units, whole.memory_mib), (150, 96));
        assert_eq!(whole.tcp_ports.iter().collect::<Vec<_>>(), [8080]);
        let half = definition.requirements(|at| at == 1);
        assert_eq!((half.cpu_units, half.memory_mib), (50, 32));
        assert!(half.tcp_ports.is_empty());
        assert_eq!(definition.requirements(|_| false), Requirements::default());
    }

    #[test]
    fn what_the_task_has_as_a_whole_is_held_to_the_end() {
        let definition = definition(Some("1024"), vec![container("a", 100, 64, 0), container("b", 0, 32, 0)]);
        assert_eq!(definition.requirements(|at| at == 1).cpu_units, 1024);
        assert_eq!(definition.requirements(|_| false).cpu_units, 0);
    }
}
