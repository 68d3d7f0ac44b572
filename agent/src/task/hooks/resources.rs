//! CPU, memory, disk and GPUs of a container, its own and its share of what the task has.

use berth_proto::ecs::v1 as ecs;

use super::Context;
use crate::definition::resources::gpus;
use crate::runtime::Launch;

/// Docker takes 0 for "the default", which is the weight of a whole core; ECS gives a container that asks for nothing
/// next to nothing.
const LEAST_SHARES: i64 = 2;
const MOST_SHARES: i64 = 262_144;

/// The GPUs of one container: those of its task are dealt out in the order of the containers.
fn share(
    gpu_ids: &[String],
    containers: &[ecs::ContainerDefinition],
    container: &ecs::ContainerDefinition,
) -> Vec<String> {
    let count = |container| usize::try_from(gpus(container)).unwrap_or(usize::MAX);
    let before = containers.iter().take_while(|other| other.name != container.name).map(count).sum();
    gpu_ids.iter().skip(before).take(count(container)).cloned().collect()
}

pub(super) fn add(context: &Context<'_>, launch: &mut Launch) {
    let definition = &context.task.desired().definition;
    launch.cpu_shares = i64::from(context.container.cpu()).clamp(LEAST_SHARES, MOST_SHARES);
    launch.cpu_limit_units = definition.cpu_units.filter(|units| *units > 0);
    let own = context.container.memory.and_then(|mib| u32::try_from(mib).ok());
    // What the task may use is the most that any of its containers may.
    launch.memory_limit_mib = own.or(definition.memory_mib).filter(|mib| *mib > 0);
    launch.disk_limit_mib = definition.disk_mib;
    launch.gpu_ids = share(&context.task.desired().gpu_ids, &definition.containers, context.container);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gpus_are_dealt_out_in_the_order_of_the_containers() {
        let container = |name: &str, gpus: &str| ecs::ContainerDefinition {
            name: Some(name.to_owned()),
            resource_requirements: vec![ecs::ResourceRequirement {
                r#type: Some(ecs::ResourceType::Gpu.into()),
                value: Some(gpus.to_owned()),
                ..Default::default()
            }],
            ..Default::default()
        };
        let plain = ecs::ContainerDefinition { name: Some("log".to_owned()), ..Default::default() };
        let all = [container("a", "1"), plain, container("b", "2")];
        let ids = ["x", "y", "z"].map(str::to_owned);
        let shares: Vec<Vec<String>> = all.iter().map(|one| share(&ids, &all, one)).collect();
        assert_eq!(shares, [vec!["x"], vec![], vec!["y", "z"]]);
    }
}
