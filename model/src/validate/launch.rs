//! Launch types and networks: what a task definition goes together with. RunTask and StartTask ask the same.

use berth_proto::AwsName;
use berth_proto::ecs::v1 as pb;

use super::name::member;
use super::unsupported;
use crate::error::ApiError;
use crate::task_definition::TaskDefinition;

/// Source: ECS API, `AwsVpcConfiguration`.
const SUBNETS: usize = 16;
const SECURITY_GROUPS: usize = 5;

/// How tasks are to be launched, as far as it was said.
pub(super) struct Launch<'a> {
    pub(super) launch_type: Option<i32>,
    pub(super) platform_version: Option<&'a str>,
    pub(super) network: Option<&'a pb::NetworkConfiguration>,
}

// === impl Launch ===

impl Launch<'_> {
    /// Refuses what this definition cannot be launched with, and what no instance here can run.
    pub(super) fn check(&self, definition: &TaskDefinition) -> Result<(), ApiError> {
        let launch_type = member("launchType", self.launch_type)?.unwrap_or(pb::LaunchType::Ec2);
        check_compatible(launch_type, definition)?;
        if launch_type != pb::LaunchType::Ec2 {
            return Err(unsupported(&format!("The launchType {}", launch_type.aws_name())));
        }
        if self.platform_version.is_some_and(|version| !version.is_empty()) {
            let message = "The platform version must be null when specifying an EC2 launch type.";
            return Err(ApiError::invalid(message));
        }
        check_network(self.network, definition.definition.network_mode())?;
        check_runnable(&definition.definition)
    }
}

/// A network as ECS echoes it.
pub(super) fn echo(network: Option<&pb::NetworkConfiguration>) -> Option<pb::NetworkConfiguration> {
    let mut network = network.cloned();
    if let Some(own) = network.as_mut().and_then(|network| network.awsvpc_configuration.as_mut()) {
        own.assign_public_ip.get_or_insert_with(|| pb::AssignPublicIp::Disabled.into());
    }
    network
}

/// Every definition can be launched with EC2, which is why ECS lists it among the `compatibilities` of each; with another
/// launch type those that were registered for it.
fn check_compatible(launch_type: pb::LaunchType, definition: &TaskDefinition) -> Result<(), ApiError> {
    let name = launch_type.aws_name();
    let mut required = definition.definition.requires_compatibilities();
    if launch_type == pb::LaunchType::Ec2 || required.any(|one| one.aws_name() == name) {
        return Ok(());
    }
    Err(ApiError::invalid(format!("Task definition does not support launch_type {name}.")))
}

/// How many GPUs a requirement asks for.
pub(super) fn gpus(requirement: &pb::ResourceRequirement) -> Result<u32, ApiError> {
    let kind = requirement.r#type();
    if kind != pb::ResourceType::Gpu {
        return Err(unsupported(&format!("A resourceRequirement of type {}", kind.aws_name())));
    }
    let value = requirement.value();
    if value == "ALL" || requirement.sharing_strategy.is_some() {
        return Err(unsupported("A GPU requirement other than a number of GPUs"));
    }
    let wrong = || ApiError::invalid(format!("The number of GPUs must be above 0, is '{value}'."));
    value.parse().ok().filter(|count| *count > 0).ok_or_else(wrong)
}

fn check_network(network: Option<&pb::NetworkConfiguration>, mode: pb::NetworkMode) -> Result<(), ApiError> {
    let given = network.and_then(|network| network.awsvpc_configuration.as_ref());
    match (mode == pb::NetworkMode::Awsvpc, given) {
        (true, Some(given)) => check_awsvpc(given),
        (true, None) => Err(ApiError::invalid(
            "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
        )),
        (false, Some(_)) => Err(ApiError::invalid(
            "Network Configuration is not valid for the given networkMode of this task definition.",
        )),
        (false, None) => Ok(()),
    }
}

fn check_awsvpc(given: &pb::AwsVpcConfiguration) -> Result<(), ApiError> {
    member::<pb::AssignPublicIp>("assignPublicIp", given.assign_public_ip)?;
    if given.assign_public_ip() == pb::AssignPublicIp::Enabled {
        return Err(ApiError::invalid("Assign public IP is not supported for this launch type."));
    }
    if given.subnets.is_empty() {
        return Err(ApiError::invalid("subnets can not be empty."));
    }
    if given.subnets.len() > SUBNETS {
        return Err(ApiError::invalid(format!("At most {SUBNETS} subnets are allowed.")));
    }
    if given.security_groups.len() > SECURITY_GROUPS {
        return Err(ApiError::invalid(format!("At most {SECURITY_GROUPS} security groups are allowed.")));
    }
    Ok(())
}

/// What registers fine, is no matter of attributes, and would not be honoured by any instance.
fn check_runnable(definition: &pb::TaskDefinition) -> Result<(), ApiError> {
    let requirements = definition.container_definitions.iter().flat_map(|one| &one.resource_requirements);
    requirements.map(gpus).try_fold(0, |_, count| count.map(|_| 0))?;
    if definition.volumes.iter().any(pb::Volume::configured_at_launch) {
        return Err(unsupported("A volume with configuredAtLaunch"));
    }
    let system = definition.runtime_platform.map(|platform| platform.operating_system_family());
    match system {
        None | Some(pb::OsFamily::Unspecified | pb::OsFamily::Linux) => Ok(()),
        Some(system) => Err(unsupported(&format!("The operatingSystemFamily {}", system.aws_name()))),
    }
}
