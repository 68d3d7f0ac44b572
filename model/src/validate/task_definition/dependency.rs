//! What the containers of a task definition say of each other: `dependsOn`, `links` and `volumesFrom`.

use std::collections::{BTreeMap, BTreeSet};

use berth_proto::ecs::v1 as pb;

use crate::error::ApiError;

/// Containers by name.
type ByName<'a> = BTreeMap<&'a str, &'a pb::ContainerDefinition>;

/// Names of what a container points at, by its own name.
type Edges<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

pub(super) fn check(containers: &[pb::ContainerDefinition]) -> Result<(), ApiError> {
    let by_name: ByName<'_> = containers.iter().map(|container| (container.name(), container)).collect();
    let mut dependencies = Edges::new();
    let mut links = Edges::new();
    for container in containers {
        for dependency in &container.depends_on {
            check_dependency(dependency, &by_name)?;
            dependencies.entry(container.name()).or_default().insert(dependency.container_name());
        }
        for link in &container.links {
            links.entry(container.name()).or_default().insert(linked(link, &by_name)?);
        }
        for source in &container.volumes_from {
            check_source(source.source_container(), &by_name)?;
        }
    }
    if has_cycle(&dependencies) {
        return Err(ApiError::client("Container dependencies should not have a cycle"));
    }
    if has_cycle(&links) {
        return Err(ApiError::client("Container links should not have a cycle"));
    }
    Ok(())
}

fn check_dependency(dependency: &pb::ContainerDependency, by_name: &ByName<'_>) -> Result<(), ApiError> {
    let name = dependency.container_name();
    // The stray plus sign is ECS's own.
    let target = by_name.get(name).ok_or_else(|| {
        ApiError::client(format!("Cannot depend on container + '{name}' because it does not exist"))
    })?;
    match dependency.condition() {
        pb::ContainerCondition::Start => Ok(()),
        pb::ContainerCondition::Complete | pb::ContainerCondition::Success
            if target.essential.unwrap_or(true) =>
        {
            Err(ApiError::client(
                "A dependency container with SUCCESS or COMPLETE condition cannot be an essential container",
            ))
        }
        pb::ContainerCondition::Complete | pb::ContainerCondition::Success => Ok(()),
        pb::ContainerCondition::Healthy if target.health_check.is_none() => Err(ApiError::client(
            "A dependency container with HEALTHY condition must have health check configured",
        )),
        pb::ContainerCondition::Healthy => Ok(()),
        pb::ContainerCondition::Unspecified => {
            Err(ApiError::client(format!("The dependency on container '{name}' needs a condition.")))
        }
    }
}

/// The container that `name` or `name:alias` links to.
fn linked<'a>(link: &'a str, by_name: &ByName<'_>) -> Result<&'a str, ApiError> {
    let name = link.split_once(':').map_or(link, |(name, _)| name);
    if by_name.contains_key(name) {
        Ok(name)
    } else {
        Err(ApiError::client(format!("Cannot link to container '{name}' because it does not exist")))
    }
}

fn check_source(name: &str, by_name: &ByName<'_>) -> Result<(), ApiError> {
    if by_name.contains_key(name) {
        Ok(())
    } else {
        Err(ApiError::client(format!("Invalid 'volumesFrom' setting. Unknown container: '{name}'")))
    }
}

/// Takes away, again and again, whoever points at nobody that is left; what cannot be taken away is on a cycle.
fn has_cycle(edges: &Edges<'_>) -> bool {
    let mut left = edges.clone();
    loop {
        let points_on = |targets: &BTreeSet<&str>| targets.iter().any(|target| left.contains_key(target));
        let before = left.len();
        let rest: Edges<'_> = left
            .iter()
            .filter(|(_, targets)| points_on(targets))
            .map(|(name, targets)| (*name, targets.clone()))
            .collect();
        if rest.is_empty() {
            return false;
        }
        if rest.len() == before {
            return true;
        }
        left = rest;
    }
}
