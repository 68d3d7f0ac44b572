//! Overrides of a run, merged into the containers of the task definition.

use berth_proto::ecs::v1 as ecs;

/// The containers with their overrides. An override of a container that does not exist changes nothing: the
/// controller has refused it long before.
pub(super) fn merge(
    containers: &[ecs::ContainerDefinition],
    overrides: Option<&ecs::TaskOverride>,
) -> Vec<ecs::ContainerDefinition> {
    let mut containers = containers.to_vec();
    for change in overrides.into_iter().flat_map(|overrides| &overrides.container_overrides) {
        if let Some(container) = containers.iter_mut().find(|container| container.name == change.name) {
            merge_one(container, change);
        }
    }
    containers
}

fn merge_one(container: &mut ecs::ContainerDefinition, change: &ecs::ContainerOverride) {
    if !change.command.is_empty() {
        container.command.clone_from(&change.command);
    }
    for pair in &change.environment {
        match container.environment.iter_mut().find(|known| known.name == pair.name) {
            Some(known) => known.value.clone_from(&pair.value),
            None => container.environment.push(pair.clone()),
        }
    }
    container.cpu = change.cpu.or(container.cpu);
    container.memory = change.memory.or(container.memory);
    container.memory_reservation = change.memory_reservation.or(container.memory_reservation);
    if !change.resource_requirements.is_empty() {
        container.resource_requirements.clone_from(&change.resource_requirements);
    }
    container.environment_files.extend(change.environment_files.iter().cloned());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str, value: &str) -> ecs::KeyValuePair {
        ecs::KeyValuePair { name: Some(name.to_owned()), value: Some(value.to_owned()) }
    }

    #[test]
    fn environment_is_merged_by_name_and_the_rest_replaced() {
        let container = ecs::ContainerDefinition {
            name: Some("app".to_owned()),
            command: vec!["a".to_owned()],
            environment: vec![pair("A", "1"), pair("B", "2")],
            memory: Some(64),
            ..Default::default()
        };
        let change = ecs::ContainerOverride {
            name: Some("app".to_owned()),
            command: vec!["b".to_owned()],
            environment: vec![pair("B", "3"), pair("C", "4")],
            ..Default::default()
        };
        let unknown = ecs::ContainerOverride { name: Some("nobody".to_owned()), ..Default::default() };
        let overrides =
            ecs::TaskOverride { container_overrides: vec![change, unknown], ..Default::default() };
        let merged = merge(&[container], Some(&overrides));
        assert_eq!(merged[0].command, ["b"]);
        assert_eq!(merged[0].environment, [pair("A", "1"), pair("B", "3"), pair("C", "4")]);
        assert_eq!(merged[0].memory, Some(64));
    }
}
