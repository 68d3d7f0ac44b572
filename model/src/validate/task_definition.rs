//! Task definitions: what may be asked of them.
//!
//! A definition is taken apart only far enough to refuse what ECS refuses and to compute its facts; otherwise it stays
//! the message that the client sent, with the defaults that ECS echoes filled in. Registering what was described
//! gives an equal definition.

use std::sync::Arc;

use berth_proto::ecs::v1 as pb;
use prost::Message;

use super::name::{self, DefinitionReference};
use super::page::{self, Order};
use super::{Accepted, Admission, Listed, tag};
use crate::command::Command;
use crate::error::ApiError;
use crate::id::{Family, TaskDefinitionKey};
use crate::limits::{DEFINITION_BYTES, DEFINITIONS_PER_DELETE};
use crate::state::State;
use crate::task_definition::{Facts, TaskDefinition, TaskDefinitionStatus};
use crate::wire::Wire;

pub(super) mod container;
mod dependency;
mod facts;
mod fargate;
mod health;
mod linux;
mod log;
mod network;
pub(super) mod size;
mod spelling;
mod task;
mod volume;

/// RegisterTaskDefinition.
pub fn register(
    request: &pb::RegisterTaskDefinitionRequest,
    view: &State,
    admission: &Admission,
) -> Accepted<TaskDefinitionKey> {
    let family = request.family();
    if family.is_empty() {
        return Err(ApiError::client("Family should not be null or empty."));
    }
    if !name::is_name(family) {
        return Err(ApiError::client("Family contains invalid characters."));
    }
    let tags = tag::parse(&request.tags)?;
    let (definition, facts) = normalize(draft(request))?;
    let family = Family::new(family);
    let key = TaskDefinitionKey { revision: view.last_revision(&family) + 1, family };
    let command = Command::RegisterTaskDefinition(Box::new(TaskDefinition {
        key: key.clone(),
        status: TaskDefinitionStatus::Active,
        definition: Wire::new(definition),
        facts,
        tags,
        registered_at: admission.now,
        registered_by: admission.principal.clone(),
        deregistered_at: None,
        delete_requested_at: None,
    }));
    Ok((key, command))
}

/// DeregisterTaskDefinition.
pub fn deregister(
    request: &pb::DeregisterTaskDefinitionRequest,
    view: &State,
) -> Accepted<TaskDefinitionKey> {
    let DefinitionReference::Exactly(key) = name::definition_reference(request.task_definition(), view)?
    else {
        return Err(ApiError::client("Revision is missing."));
    };
    match view.task_definition(&key).map(|definition| definition.status) {
        Some(TaskDefinitionStatus::Active | TaskDefinitionStatus::Inactive) => {
            Ok((key.clone(), Command::DeregisterTaskDefinition(key)))
        }
        Some(TaskDefinitionStatus::DeleteInProgress) => {
            Err(ApiError::client("The specified task definition is being deleted."))
        }
        None => Err(ApiError::client("The specified task definition does not exist.")),
    }
}

/// What DeleteTaskDefinitions comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Deletion {
    /// The revisions to delete, in the order of the request.
    pub keys: Vec<TaskDefinitionKey>,
    /// One for each that is not there or is ACTIVE.
    pub failures: Vec<pb::Failure>,
    /// What to propose; nothing when there is nothing to delete.
    pub command: Option<Command>,
}

/// DeleteTaskDefinitions.
pub fn delete(request: &pb::DeleteTaskDefinitionsRequest, view: &State) -> Result<Deletion, ApiError> {
    let references = &request.task_definitions;
    if references.is_empty() || references.len() > DEFINITIONS_PER_DELETE {
        let message =
            format!("Between 1 and {DEFINITIONS_PER_DELETE} task definitions can be deleted in one call.");
        return Err(ApiError::invalid(message));
    }
    let (mut keys, mut failures) = (Vec::new(), Vec::new());
    for reference in references {
        let DefinitionReference::Exactly(key) = name::definition_reference(reference, view)? else {
            return Err(ApiError::invalid(format!("Revision is missing: {reference}.")));
        };
        let arn = view.scope().task_definition(&key);
        match view.task_definition(&key).map(|definition| definition.status) {
            Some(TaskDefinitionStatus::Inactive | TaskDefinitionStatus::DeleteInProgress) => keys.push(key),
            Some(TaskDefinitionStatus::Active) => {
                let detail = "The task definition is ACTIVE. Deregister it first.";
                failures.push(super::failure(arn, "ACTIVE", Some(detail)));
            }
            None => failures.push(super::failure(arn, "MISSING", None)),
        }
    }
    let command = (!keys.is_empty()).then(|| Command::DeleteTaskDefinitions(keys.clone()));
    Ok(Deletion { keys, failures, command })
}

/// DescribeTaskDefinition.
pub fn describe<'a>(
    request: &pb::DescribeTaskDefinitionRequest,
    view: &'a State,
) -> Result<&'a Arc<TaskDefinition>, ApiError> {
    name::members::<pb::TaskDefinitionField>("include", &request.include)?;
    let unknown = || ApiError::client("Unable to describe task definition.");
    name::task_definition(request.task_definition(), view)?.ok_or_else(unknown)
}

/// ListTaskDefinitions. The family is named in full, whatever the member is called.
pub fn list(request: &pb::ListTaskDefinitionsRequest, view: &State) -> Listed<TaskDefinitionKey> {
    let status = match name::member("status", request.status)? {
        None | Some(pb::TaskDefinitionStatus::Active | pb::TaskDefinitionStatus::Unspecified) => {
            TaskDefinitionStatus::Active
        }
        Some(pb::TaskDefinitionStatus::Inactive) => TaskDefinitionStatus::Inactive,
        Some(pb::TaskDefinitionStatus::DeleteInProgress) => TaskDefinitionStatus::DeleteInProgress,
    };
    let order = match name::member("sort", request.sort)? {
        Some(pb::SortOrder::Desc) => Order::Descending,
        None | Some(pb::SortOrder::Asc | pb::SortOrder::Unspecified) => Order::Ascending,
    };
    let bounds = page::parse(request.next_token.as_deref(), request.max_results, page::DEFAULT_RESULTS)?;
    let family = request.family_prefix.as_deref().filter(|family| !family.is_empty()).map(Family::new);
    let matches = |definition: &&Arc<TaskDefinition>| definition.status == status;
    let keys = |definition: &Arc<TaskDefinition>| definition.key.clone();
    // Of one family only its revisions are looked at: they begin with 1.
    let edge = |revision| family.clone().map(|family| TaskDefinitionKey { family, revision });
    let within = |definition: &&Arc<TaskDefinition>| {
        family.as_ref().is_none_or(|family| definition.key.family == *family)
    };
    let last: Option<TaskDefinitionKey> = bounds.after()?;
    Ok(match order {
        Order::Ascending => {
            let definitions = view.task_definitions_after(last.or_else(|| edge(0))).take_while(within);
            bounds.take(definitions.filter(matches).map(keys), ToString::to_string)
        }
        Order::Descending => {
            let definitions =
                view.task_definitions_before(last.or_else(|| edge(u32::MAX))).take_while(within);
            bounds.take(definitions.filter(matches).map(keys), ToString::to_string)
        }
    })
}

/// ListTaskDefinitionFamilies.
pub fn list_families(request: &pb::ListTaskDefinitionFamiliesRequest, view: &State) -> Listed<Family> {
    let status = name::member("status", request.status)?.unwrap_or(pb::TaskDefinitionFamilyStatus::All);
    let bounds = page::parse(request.next_token.as_deref(), request.max_results, page::DEFAULT_RESULTS)?;
    let prefix = request.family_prefix();
    let matches = |family: &&Family| {
        let statuses = || view.family(family).map(|definition| definition.status);
        let active = statuses().any(|status| status == TaskDefinitionStatus::Active);
        let any = active || statuses().any(|status| status == TaskDefinitionStatus::Inactive);
        let wanted = match status {
            pb::TaskDefinitionFamilyStatus::Active => active,
            pb::TaskDefinitionFamilyStatus::Inactive => any && !active,
            pb::TaskDefinitionFamilyStatus::All | pb::TaskDefinitionFamilyStatus::Unspecified => any,
        };
        wanted && family.as_str().starts_with(prefix)
    };
    let families = view.families_after(bounds.after_name()).filter(matches).cloned();
    Ok(bounds.take(families, Family::to_string))
}

/// What of a request becomes part of the definition.
fn draft(request: &pb::RegisterTaskDefinitionRequest) -> pb::TaskDefinition {
    pb::TaskDefinition {
        family: request.family.clone(),
        container_definitions: request.container_definitions.clone(),
        task_role_arn: given(request.task_role_arn.as_ref()),
        execution_role_arn: given(request.execution_role_arn.as_ref()),
        network_mode: request.network_mode,
        volumes: request.volumes.clone(),
        placement_constraints: request.placement_constraints.clone(),
        runtime_platform: request.runtime_platform,
        requires_compatibilities: request.requires_compatibilities.clone(),
        cpu: given(request.cpu.as_ref()),
        memory: given(request.memory.as_ref()),
        inference_accelerators: request.inference_accelerators.clone(),
        pid_mode: request.pid_mode,
        ipc_mode: request.ipc_mode,
        proxy_configuration: request.proxy_configuration.clone(),
        ephemeral_storage: request.ephemeral_storage,
        enable_fault_injection: request.enable_fault_injection,
        trusted_execution_configuration: request.trusted_execution_configuration.clone(),
        ..pb::TaskDefinition::default()
    }
}

/// Tools send an empty text for what is not given.
fn given(text: Option<&String>) -> Option<String> {
    text.filter(|text| !text.is_empty()).cloned()
}

/// Refuses what ECS refuses, fills in what ECS fills in and computes the facts.
fn normalize(mut definition: pb::TaskDefinition) -> Result<(pb::TaskDefinition, Facts), ApiError> {
    let length = definition.encoded_len();
    if length > DEFINITION_BYTES {
        let message = format!("Actual length: '{length}'. Max allowed length is '{DEFINITION_BYTES}' bytes.");
        return Err(ApiError::client(message));
    }
    spelling::check(&definition)?;
    let cpu_units = definition.cpu.as_deref().map(size::cpu_units).transpose()?;
    let memory_mib = definition.memory.as_deref().map(size::memory_mib).transpose()?;
    definition.cpu = cpu_units.map(|units| units.to_string());
    definition.memory = memory_mib.map(|mib| mib.to_string());
    container::normalize(&mut definition, memory_mib)?;
    task::check(&definition, cpu_units)?;
    network::normalize(&mut definition)?;
    linux::check_namespaces(&definition)?;
    volume::check(&definition)?;
    dependency::check(&definition.container_definitions)?;
    log::check(&definition)?;
    if definition.requires_compatibilities().any(|one| one == pb::Compatibility::Fargate) {
        fargate::check(&definition)?;
    }
    let facts = facts::compute(&definition, cpu_units, memory_mib);
    definition.requires_attributes = facts.required_attributes.iter().map(|name| attribute(name)).collect();
    definition.compatibilities = facts::compatibilities(&definition);
    Ok((definition, facts))
}

fn attribute(name: &str) -> pb::Attribute {
    pb::Attribute { name: Some(name.to_owned()), ..pb::Attribute::default() }
}

/// `Invalid setting for container 'web'. …`, as ECS begins most of what it says of a container.
fn invalid_setting(container: &str, problem: impl AsRef<str>) -> ApiError {
    ApiError::client(format!("Invalid setting for container '{container}'. {}", problem.as_ref()))
}
