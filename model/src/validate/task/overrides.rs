//! Overrides: what a call changes of the task definition, and what the task needs then.

use std::collections::BTreeSet;

use berth_proto::ecs::v1 as pb;
use prost::Message;

use crate::error::ApiError;
use crate::limits::OVERRIDE_BYTES;
use crate::task_definition::{ContainerFacts, Facts, TaskDefinition};
use crate::validate::launch::gpus;
use crate::validate::task_definition::{container::check_environment_files, size};

/// The facts of the definition with the overrides over them.
pub(super) fn facts(
    definition: &TaskDefinition,
    overrides: Option<&pb::TaskOverride>,
) -> Result<Facts, ApiError> {
    let mut facts = definition.facts.clone();
    let Some(overrides) = overrides else { return Ok(facts) };
    check(overrides)?;
    if let Some(cpu) = overrides.cpu.as_deref().filter(|text| !text.is_empty()) {
        facts.task_cpu_units = Some(size::cpu_units(cpu).map_err(invalid)?);
    }
    if let Some(memory) = overrides.memory.as_deref().filter(|text| !text.is_empty()) {
        facts.task_memory_mib = Some(size::memory_mib(memory).map_err(invalid)?);
    }
    let mut names = BTreeSet::new();
    for change in &overrides.container_overrides {
        if !names.insert(change.name()) {
            let message = format!("There is more than one override for container named {}.", change.name());
            return Err(ApiError::invalid(message));
        }
        let unknown = || {
            let message = format!(
                "Override for container named {} is not a container in the TaskDefinition.",
                change.name()
            );
            ApiError::invalid(message)
        };
        let container =
            facts.containers.iter_mut().find(|one| one.name == change.name()).ok_or_else(unknown)?;
        let defined =
            definition.definition.container_definitions.iter().find(|one| one.name() == change.name());
        change_container(container, defined.ok_or_else(unknown)?, change)?;
    }
    require(&mut facts, overrides);
    check_sizes(&facts)?;
    Ok(facts)
}

fn check(overrides: &pb::TaskOverride) -> Result<(), ApiError> {
    let length = overrides.encoded_len();
    if length > OVERRIDE_BYTES {
        let message = format!("overrides must not be longer than {OVERRIDE_BYTES} characters, are {length}.");
        return Err(ApiError::invalid(message));
    }
    if !overrides.inference_accelerator_overrides.is_empty() {
        return Err(ApiError::invalid("Unsupported field 'inferenceAcceleratorOverrides'"));
    }
    if overrides.ephemeral_storage.is_some() {
        return Err(ApiError::invalid("Tasks using the EC2 launch type do not support EphemeralStorage."));
    }
    for change in &overrides.container_overrides {
        check_environment_files(&change.environment_files).map_err(invalid)?;
        if change.environment.iter().any(|variable| variable.name().is_empty()) {
            return Err(ApiError::invalid("The name of an environment variable must not be blank."));
        }
    }
    Ok(())
}

fn change_container(
    facts: &mut ContainerFacts,
    defined: &pb::ContainerDefinition,
    change: &pb::ContainerOverride,
) -> Result<(), ApiError> {
    let name = change.name();
    if let Some(cpu) = change.cpu {
        let negative =
            |_| ApiError::invalid(format!("The override of 'cpu' of container {name} must not be negative."));
        facts.cpu_units = u32::try_from(cpu).map_err(negative)?;
    }
    for (member, value) in [("memory", change.memory), ("memoryReservation", change.memory_reservation)] {
        let least = i64::from(size::MEMORY_MIB_MIN);
        if value.is_some_and(|mib| i64::from(mib) < least) {
            let message =
                format!("The override of '{member}' of container {name} must be at least {least} MiB.");
            return Err(ApiError::invalid(message));
        }
    }
    if !change.resource_requirements.is_empty() {
        facts.gpus = change.resource_requirements.iter().map(gpus).sum::<Result<u32, ApiError>>()?;
    }
    let hard = change.memory.or(defined.memory);
    let soft = change.memory_reservation.or(defined.memory_reservation);
    if hard.zip(soft).is_some_and(|(hard, soft)| hard < soft) {
        let message =
            format!("With the override of container {name}, 'memory' is less than 'memoryReservation'.");
        return Err(ApiError::invalid(message));
    }
    facts.memory_mib = soft.or(hard).and_then(|mib| u32::try_from(mib).ok()).unwrap_or(0);
    Ok(())
}

/// Attributes that the task needs because of the overrides.
fn require(facts: &mut Facts, overrides: &pb::TaskOverride) {
    let role = overrides.task_role_arn.as_deref().is_some_and(|role| !role.is_empty());
    let files = overrides.container_overrides.iter().any(|change| !change.environment_files.is_empty());
    let needed =
        [(role, "com.amazonaws.ecs.capability.task-iam-role"), (files, "ecs.capability.env-files.s3")];
    for (_, name) in needed.into_iter().filter(|(needed, _)| *needed) {
        if !facts.required_attributes.iter().any(|other| other == name) {
            facts.required_attributes.push(name.to_owned());
        }
    }
}

/// What holds of a definition by registration must hold with the overrides as well.
fn check_sizes(facts: &Facts) -> Result<(), ApiError> {
    let cpu_units: u64 = facts.containers.iter().map(|container| u64::from(container.cpu_units)).sum();
    if facts.task_cpu_units.is_some_and(|task| cpu_units > u64::from(task)) {
        let message =
            "The sum of all container 'cpu' values cannot be greater than the task-level 'cpu' value.";
        return Err(ApiError::invalid(message));
    }
    let larger =
        |container: &&ContainerFacts| facts.task_memory_mib.is_some_and(|task| container.memory_mib > task);
    match facts.containers.iter().find(larger) {
        None => Ok(()),
        Some(container) => Err(ApiError::invalid(format!(
            "The 'memory' setting for container '{}' is greater than for the task.",
            container.name
        ))),
    }
}

/// What registration says with ClientException is InvalidParameterException here.
fn invalid(error: ApiError) -> ApiError {
    ApiError::invalid(error.message)
}
