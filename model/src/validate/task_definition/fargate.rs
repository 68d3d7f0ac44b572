//! What Fargate does not take. Asked when a definition requires FARGATE, and to say whether one that does not could.

use berth_proto::AwsName;
use berth_proto::ecs::v1 as pb;

use super::facts::is_ecr_image;
use super::{invalid_setting, size};
use crate::error::ApiError;

/// Refuses a definition that could not run on Fargate, with what ECS says about it.
pub(super) fn check(definition: &pb::TaskDefinition) -> Result<(), ApiError> {
    if definition.network_mode() != pb::NetworkMode::Awsvpc {
        return Err(ApiError::client("Fargate only supports network mode ‘awsvpc’."));
    }
    check_size(definition)?;
    check_task(definition)?;
    definition.volumes.iter().try_for_each(check_volume)?;
    definition.container_definitions.iter().try_for_each(|container| check_container(definition, container))
}

fn check_size(definition: &pb::TaskDefinition) -> Result<(), ApiError> {
    let at_task = |member: &str| {
        ApiError::client(format!("Fargate requires that '{member}' be defined at the task level."))
    };
    let cpu_units = size::cpu_units(definition.cpu.as_deref().ok_or_else(|| at_task("cpu"))?)?;
    let memory_mib = size::memory_mib(definition.memory.as_deref().ok_or_else(|| at_task("memory"))?)?;
    let is_windows = definition.runtime_platform.is_some_and(|platform| {
        !matches!(platform.operating_system_family(), pb::OsFamily::Unspecified | pb::OsFamily::Linux)
    });
    if size::is_fargate_size(cpu_units, memory_mib) && !(is_windows && cpu_units < 1024) {
        return Ok(());
    }
    Err(ApiError::client("No Fargate configuration exists for given values."))
}

fn check_task(definition: &pb::TaskDefinition) -> Result<(), ApiError> {
    if definition.pid_mode() == pb::PidMode::Host {
        return Err(ApiError::client("Tasks using the Fargate launch type do not support pidMode 'host'."));
    }
    if definition.ipc_mode.is_some() {
        return Err(unsupported("ipcMode"));
    }
    if !definition.placement_constraints.is_empty() {
        return Err(unsupported("constraints"));
    }
    Ok(())
}

fn check_volume(volume: &pb::Volume) -> Result<(), ApiError> {
    if volume.docker_volume_configuration.is_some() {
        return Err(unsupported("dockerVolumeConfiguration"));
    }
    if volume.host.as_ref().is_some_and(|host| !host.source_path().is_empty()) {
        return Err(unsupported("sourcePath"));
    }
    if volume.fsx_windows_file_server_volume_configuration.is_some() {
        return Err(unsupported("fsxWindowsFileServerVolumeConfiguration"));
    }
    Ok(())
}

fn check_container(
    definition: &pb::TaskDefinition,
    container: &pb::ContainerDefinition,
) -> Result<(), ApiError> {
    let name = container.name();
    if container.privileged() {
        return Err(ApiError::client("Fargate requires that the 'privileged' setting be 'false'."));
    }
    if !container.docker_security_options.is_empty() {
        return Err(unsupported("dockerSecurityOptions"));
    }
    if container.resource_requirements.iter().any(|requirement| requirement.r#type() == pb::ResourceType::Gpu)
    {
        let message = "Tasks using the Fargate launch type do not support GPU resource requirements.";
        return Err(ApiError::client(message));
    }
    for (member, value) in
        [("startTimeout", container.start_timeout), ("stopTimeout", container.stop_timeout)]
    {
        if value.is_some_and(|seconds| !(2..=120).contains(&seconds)) {
            return Err(invalid_setting(name, format!("On Fargate '{member}' must be between 2 and 120.")));
        }
    }
    if let Some(parameters) = &container.linux_parameters {
        check_parameters(parameters)?;
    }
    check_log(definition, container)?;
    if is_ecr_image(container.image()) && definition.execution_role_arn().is_empty() {
        return Err(needs_role("ECR images"));
    }
    Ok(())
}

fn check_parameters(parameters: &pb::LinuxParameters) -> Result<(), ApiError> {
    if !parameters.devices.is_empty() {
        return Err(unsupported("devices"));
    }
    if parameters.shared_memory_size.is_some() {
        return Err(unsupported("sharedMemorySize"));
    }
    if parameters.max_swap.is_some() {
        return Err(unsupported("maxSwap"));
    }
    if parameters.swappiness.is_some() {
        return Err(unsupported("swappiness"));
    }
    let added = parameters.capabilities.iter().flat_map(|capabilities| &capabilities.add);
    match added.into_iter().find(|name| *name != "SYS_PTRACE") {
        None => Ok(()),
        Some(name) => Err(ApiError::client(format!("{name} is not allowed on Fargate."))),
    }
}

fn check_log(definition: &pb::TaskDefinition, container: &pb::ContainerDefinition) -> Result<(), ApiError> {
    let Some(log) = &container.log_configuration else { return Ok(()) };
    let driver = log.log_driver();
    if !matches!(driver, pb::LogDriver::Awslogs | pb::LogDriver::Splunk | pb::LogDriver::Awsfirelens) {
        let allowed = "Must be one of [awslogs, splunk, awsfirelens]";
        return Err(ApiError::client(format!("{} is not a valid log driver. {allowed}", driver.aws_name())));
    }
    if driver != pb::LogDriver::Awslogs {
        return Ok(());
    }
    if definition.execution_role_arn().is_empty() {
        return Err(needs_role("log driver awslogs"));
    }
    if log.options.contains_key("awslogs-stream-prefix") {
        return Ok(());
    }
    let required = "log configuration options to include awslogs-stream-prefix";
    Err(ApiError::client(format!("Fargate requires {required} to support log driver awslogs.")))
}

fn unsupported(member: &str) -> ApiError {
    ApiError::client(format!("Fargate compatible task definitions do not support {member}"))
}

fn needs_role(purpose: &str) -> ApiError {
    ApiError::client(format!(
        "Fargate requires task definition to have execution role ARN to support {purpose}."
    ))
}
