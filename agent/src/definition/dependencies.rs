//! The order in which containers start: `dependsOn`, links, shared volumes and routed logs as edges of one graph.

use berth_model::task::step::{self, Condition, Dependency};
use berth_proto::ecs::v1 as ecs;

use crate::{firelens, limits};

/// ECS's default of `restartPolicy.restartAttemptPeriod`.
const RESTART_PERIOD_S: i32 = 300;

/// Every container with what it waits for. A name that no container has becomes an edge out of range, which
/// [`fault`] finds.
pub(super) fn order(containers: &[ecs::ContainerDefinition]) -> Vec<step::Container> {
    containers.iter().map(|container| one(container, containers)).collect()
}

/// Why containers like these cannot run as a task.
pub(super) fn fault(containers: &[ecs::ContainerDefinition], order: &[step::Container]) -> Option<String> {
    if containers.is_empty() {
        return Some("Task failed to start: its task definition has no containers".to_owned());
    }
    if containers.len() > limits::CONTAINERS_PER_TASK {
        return Some(format!("Task failed to start: more than {} containers", limits::CONTAINERS_PER_TASK));
    }
    (!step::can_be_ordered(order))
        .then(|| "TaskDependencyError: Task dependencies cannot be resolved".to_owned())
}

fn one(container: &ecs::ContainerDefinition, all: &[ecs::ContainerDefinition]) -> step::Container {
    let position = |name: &str| all.iter().position(|other| other.name() == name).unwrap_or(usize::MAX);
    let declared = container.depends_on.iter().map(|dependency| Dependency {
        on: position(dependency.container_name()),
        condition: condition(dependency.condition()),
    });
    let links = container.links.iter().map(|link| Dependency {
        on: position(link.split(':').next().unwrap_or_default()),
        condition: Condition::Start,
    });
    let volumes = container
        .volumes_from
        .iter()
        .map(|from| Dependency { on: position(from.source_container()), condition: Condition::Create });
    // Nothing that is written before the router listens is lost, and it hears the last words of the others. One that waits
    // for others itself hears what they say from its start on.
    let router = firelens::router(all).filter(|(_, router)| {
        firelens::routed(container).is_some()
            && !router.depends_on.iter().any(|dependency| dependency.container_name() == container.name())
    });
    let routed = router.map(|(on, _)| Dependency { on, condition: Condition::Start });
    step::Container {
        essential: container.essential.unwrap_or(true),
        depends_on: declared.chain(links).chain(volumes).chain(routed).collect(),
        start_timeout_ms: container.start_timeout.map(|seconds| i64::from(seconds) * 1_000),
        restart_policy: container.restart_policy.as_ref().filter(|policy| policy.enabled()).map(|policy| {
            step::RestartPolicy {
                period_ms: i64::from(policy.restart_attempt_period.unwrap_or(RESTART_PERIOD_S)) * 1_000,
                ignored_exit_codes: policy.ignored_exit_codes.clone(),
            }
        }),
    }
}

fn condition(condition: ecs::ContainerCondition) -> Condition {
    match condition {
        ecs::ContainerCondition::Complete => Condition::Complete,
        ecs::ContainerCondition::Success => Condition::Success,
        ecs::ContainerCondition::Healthy => Condition::Healthy,
        ecs::ContainerCondition::Start | ecs::ContainerCondition::Unspecified => Condition::Start,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(name: &str) -> ecs::ContainerDefinition {
        ecs::ContainerDefinition { name: Some(name.to_owned()), ..Default::default() }
    }

    #[test]
    fn links_and_shared_volumes_order_containers_too() {
        let mut web = container("web");
        web.links = vec!["db:database".to_owned()];
        web.volumes_from =
            vec![ecs::VolumeFrom { source_container: Some("files".to_owned()), read_only: None }];
        let order = order(&[web, container("db"), container("files")]);
        let expected = [
            Dependency { on: 1, condition: Condition::Start },
            Dependency { on: 2, condition: Condition::Create },
        ];
        assert_eq!(order[0].depends_on, expected);
        assert!(order[0].essential, "essential is the default");
    }

    #[test]
    fn whoever_is_routed_waits_for_the_router_unless_that_waits_for_it() {
        let mut web = container("web");
        web.log_configuration = Some(ecs::LogConfiguration {
            log_driver: Some(ecs::LogDriver::Awsfirelens.into()),
            ..Default::default()
        });
        let mut router = container("router");
        router.firelens_configuration = Some(ecs::FirelensConfiguration::default());
        let depends_on = |containers: &[ecs::ContainerDefinition]| order(containers)[0].depends_on.clone();
        let on_router = [Dependency { on: 1, condition: Condition::Start }];
        assert_eq!(depends_on(&[web.clone(), router.clone()]), on_router);
        router.depends_on = vec![ecs::ContainerDependency {
            container_name: Some("web".to_owned()),
            condition: Some(ecs::ContainerCondition::Start.into()),
        }];
        assert_eq!(depends_on(&[web, router]), []);
    }

    #[test]
    fn a_dependency_on_nobody_is_a_fault_and_not_a_panic() {
        let mut web = container("web");
        web.links = vec!["nobody".to_owned()];
        let containers = [web];
        let fault = fault(&containers, &order(&containers));
        assert_eq!(fault.as_deref(), Some("TaskDependencyError: Task dependencies cannot be resolved"));
    }
}
