//! What holds of a task definition as a whole: sizes, launch types, placement constraints, proxy, storage.

use berth_proto::ecs::v1 as pb;

use crate::error::ApiError;
use crate::validate::placement;

/// GiB of storage that Fargate has for a task. Source: ECS API, `EphemeralStorage`.
const STORAGE_GIB: std::ops::RangeInclusive<i32> = 21..=200;

pub(super) fn check(definition: &pb::TaskDefinition, cpu_units: Option<u32>) -> Result<(), ApiError> {
    check_cpu(definition, cpu_units)?;
    check_constraints(&definition.placement_constraints)?;
    check_proxy(definition)?;
    if !definition.inference_accelerators.is_empty() {
        return Err(ApiError::client("Unsupported field 'inferenceAccelerators'"));
    }
    let requires = |one| definition.requires_compatibilities().any(|required| required == one);
    if definition.trusted_execution_configuration.is_some() && !requires(pb::Compatibility::ManagedInstances)
    {
        return Err(ApiError::client("trustedExecutionConfiguration is only for MANAGED_INSTANCES."));
    }
    let Some(storage) = definition.ephemeral_storage else { return Ok(()) };
    let size = storage.size_in_gib();
    if size < *STORAGE_GIB.start() {
        return Err(ApiError::client("EphemeralStorage size should be at least 21"));
    }
    if size > *STORAGE_GIB.end() {
        return Err(ApiError::client("EphemeralStorage size should be at most 200"));
    }
    if !definition.requires_compatibilities.is_empty() && !requires(pb::Compatibility::Fargate) {
        return Err(ApiError::client("Tasks using the EC2 launch type do not support EphemeralStorage."));
    }
    Ok(())
}

fn check_cpu(definition: &pb::TaskDefinition, cpu_units: Option<u32>) -> Result<(), ApiError> {
    let containers = &definition.container_definitions;
    let sum: u64 = containers.iter().map(|container| u64::try_from(container.cpu()).unwrap_or(0)).sum();
    if cpu_units.is_some_and(|units| sum > u64::from(units)) {
        let message =
            "The sum of all container 'cpu' values cannot be greater than the task-level 'cpu' value.";
        return Err(ApiError::client(message));
    }
    Ok(())
}

fn check_constraints(constraints: &[pb::TaskDefinitionPlacementConstraint]) -> Result<(), ApiError> {
    placement::check_constraint_count(constraints.len()).map_err(|error| ApiError::client(error.message))?;
    for constraint in constraints {
        if constraint.r#type() == pb::TaskDefinitionPlacementConstraintType::Unspecified {
            return Err(ApiError::client("placementConstraints need a type."));
        }
        placement::expression("placementConstraints", constraint.expression())
            .map_err(|error| ApiError::client(error.message))?;
    }
    Ok(())
}

fn check_proxy(definition: &pb::TaskDefinition) -> Result<(), ApiError> {
    let Some(proxy) = &definition.proxy_configuration else { return Ok(()) };
    let name = proxy.container_name();
    if definition.network_mode() != pb::NetworkMode::Awsvpc {
        let message = "APPMESH proxy configuration is only supported in networkMode=awsvpc.";
        return Err(ApiError::client(message));
    }
    if definition.container_definitions.iter().any(|container| container.name() == name) {
        Ok(())
    } else {
        Err(ApiError::client(format!("Proxy container [{name}] does not exist")))
    }
}
