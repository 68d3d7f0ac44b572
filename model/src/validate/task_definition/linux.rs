//! What a container asks of the kernel: Linux parameters, limits, sysctls, devices.

use std::collections::BTreeSet;

use berth_proto::AwsName;
use berth_proto::ecs::v1 as pb;

use super::invalid_setting;
use crate::error::ApiError;

pub(super) fn check(container: &pb::ContainerDefinition) -> Result<(), ApiError> {
    let name = container.name();
    if let Some(parameters) = &container.linux_parameters {
        check_parameters(name, parameters)?;
    }
    check_ulimits(name, &container.ulimits)?;
    for control in &container.system_controls {
        if control.namespace().is_empty() || control.value().is_empty() {
            return Err(invalid_setting(name, "systemControls need a namespace and a value."));
        }
    }
    for host in &container.extra_hosts {
        if host.hostname().is_empty() || host.ip_address().is_empty() {
            return Err(invalid_setting(name, "extraHosts need a hostname and an ipAddress."));
        }
    }
    if container.credential_specs.len() > 1 {
        return Err(invalid_setting(name, "Only one credential spec is allowed."));
    }
    container.resource_requirements.iter().try_for_each(|requirement| check_requirement(name, requirement))
}

fn check_parameters(name: &str, parameters: &pb::LinuxParameters) -> Result<(), ApiError> {
    let amounts = [
        ("sharedMemorySize", parameters.shared_memory_size, 0..=i32::MAX),
        ("maxSwap", parameters.max_swap, 0..=i32::MAX),
        ("swappiness", parameters.swappiness, 0..=100),
    ];
    for (member, value, range) in amounts {
        if value.is_some_and(|value| !range.contains(&value)) {
            let upper = if *range.end() == i32::MAX {
                String::new()
            } else {
                format!(" and at most {}", range.end())
            };
            return Err(invalid_setting(name, format!("'{member}' must be at least 0{upper}.")));
        }
    }
    if parameters.devices.iter().any(|device| device.host_path().is_empty()) {
        return Err(invalid_setting(name, "Devices need a hostPath."));
    }
    for mount in &parameters.tmpfs {
        if mount.container_path().is_empty() || mount.size() <= 0 {
            return Err(invalid_setting(name, "A tmpfs needs a containerPath and a size."));
        }
    }
    Ok(())
}

/// A limit of -1 is none.
fn check_ulimits(container: &str, ulimits: &[pb::Ulimit]) -> Result<(), ApiError> {
    let mut names = BTreeSet::new();
    for limit in ulimits {
        let name = limit.name().aws_name();
        let (Some(soft), Some(hard), false) = (limit.soft_limit, limit.hard_limit, name.is_empty()) else {
            return Err(invalid_setting(container, "A ulimit needs a name, a softLimit and a hardLimit."));
        };
        if hard != -1 && (soft > hard || soft == -1) {
            return Err(ApiError::client(format!("Soft limit exceeds hard limit for ulimit {name}")));
        }
        if !names.insert(name) {
            return Err(invalid_setting(container, format!("The ulimit {name} is there more than once.")));
        }
    }
    Ok(())
}

fn check_requirement(name: &str, requirement: &pb::ResourceRequirement) -> Result<(), ApiError> {
    let value = requirement.value();
    match requirement.r#type() {
        pb::ResourceType::Unspecified => Err(invalid_setting(name, "resourceRequirements need a type.")),
        pb::ResourceType::InferenceAccelerator => {
            Err(ApiError::client("Unsupported field 'inferenceAccelerators'"))
        }
        pb::ResourceType::Gpu | pb::ResourceType::NeuronDevice => {
            if value.is_empty() == requirement.sharing_strategy.is_none() {
                let problem = "A resource requirement needs either a value or a sharingStrategy.";
                return Err(invalid_setting(name, problem));
            }
            let count =
                value.is_empty() || value == "ALL" || value.parse::<u16>().is_ok_and(|count| count > 0);
            if count {
                return Ok(());
            }
            let problem =
                format!("The value of a resource requirement must be a count or ALL, is '{value}'.");
            Err(invalid_setting(name, problem))
        }
    }
}

/// What the modes of a task do not go together with. Source: ECS API, `SystemControl` and `RegisterTaskDefinition`.
pub(super) fn check_namespaces(definition: &pb::TaskDefinition) -> Result<(), ApiError> {
    let host_network = definition.network_mode() == pb::NetworkMode::Host;
    let host_ipc = definition.ipc_mode() == pb::IpcMode::Host;
    for container in &definition.container_definitions {
        for control in &container.system_controls {
            let name = control.namespace();
            let is_ipc = name.starts_with("kernel.msg")
                || name.starts_with("kernel.sem")
                || name.starts_with("kernel.shm")
                || name.starts_with("fs.mqueue.");
            let refused = if host_network && name.starts_with("net.") {
                "networkMode=host"
            } else if host_ipc && is_ipc {
                "ipcMode=host"
            } else {
                continue;
            };
            let problem = format!("The system control '{name}' is not supported when {refused}.");
            return Err(invalid_setting(container.name(), problem));
        }
    }
    Ok(())
}
