//! Every enum member of a task definition has a value that the schema knows. Checked once, before any rule reads one.

use berth_proto::ecs::v1 as pb;

use crate::error::ApiError;
use crate::validate::name::{member, members};

pub(super) fn check(definition: &pb::TaskDefinition) -> Result<(), ApiError> {
    member::<pb::NetworkMode>("networkMode", definition.network_mode)?;
    member::<pb::PidMode>("pidMode", definition.pid_mode)?;
    member::<pb::IpcMode>("ipcMode", definition.ipc_mode)?;
    members::<pb::Compatibility>("requiresCompatibilities", &definition.requires_compatibilities)?;
    if let Some(platform) = &definition.runtime_platform {
        member::<pb::CpuArchitecture>("cpuArchitecture", platform.cpu_architecture)?;
        member::<pb::OsFamily>("operatingSystemFamily", platform.operating_system_family)?;
    }
    if let Some(proxy) = &definition.proxy_configuration {
        member::<pb::ProxyConfigurationType>("proxyConfiguration.type", proxy.r#type)?;
    }
    if let Some(trusted) = &definition.trusted_execution_configuration {
        member::<pb::IsolationMode>("isolationMode", trusted.isolation_mode)?;
    }
    for constraint in &definition.placement_constraints {
        member::<pb::TaskDefinitionPlacementConstraintType>("placementConstraints.type", constraint.r#type)?;
    }
    definition.volumes.iter().try_for_each(check_volume)?;
    definition.container_definitions.iter().try_for_each(check_container)
}

fn check_volume(volume: &pb::Volume) -> Result<(), ApiError> {
    if let Some(docker) = &volume.docker_volume_configuration {
        member::<pb::Scope>("dockerVolumeConfiguration.scope", docker.scope)?;
    }
    if let Some(efs) = &volume.efs_volume_configuration {
        member::<pb::EfsTransitEncryption>("transitEncryption", efs.transit_encryption)?;
        let authorization = efs.authorization_config.as_ref();
        member::<pb::EfsAuthorizationConfigIam>(
            "authorizationConfig.iam",
            authorization.and_then(|config| config.iam),
        )?;
    }
    Ok(())
}

fn check_container(container: &pb::ContainerDefinition) -> Result<(), ApiError> {
    member::<pb::VersionConsistency>("versionConsistency", container.version_consistency)?;
    for mapping in &container.port_mappings {
        member::<pb::TransportProtocol>("portMappings.protocol", mapping.protocol)?;
        member::<pb::ApplicationProtocol>("portMappings.appProtocol", mapping.app_protocol)?;
    }
    for file in &container.environment_files {
        member::<pb::EnvironmentFileType>("environmentFiles.type", file.r#type)?;
    }
    for dependency in &container.depends_on {
        member::<pb::ContainerCondition>("dependsOn.condition", dependency.condition)?;
    }
    for limit in &container.ulimits {
        member::<pb::UlimitName>("ulimits.name", limit.name)?;
    }
    for requirement in &container.resource_requirements {
        member::<pb::ResourceType>("resourceRequirements.type", requirement.r#type)?;
    }
    for device in container.linux_parameters.iter().flat_map(|parameters| &parameters.devices) {
        members::<pb::DeviceCgroupPermission>("devices.permissions", &device.permissions)?;
    }
    if let Some(log) = &container.log_configuration {
        member::<pb::LogDriver>("logConfiguration.logDriver", log.log_driver)?;
    }
    if let Some(router) = &container.firelens_configuration {
        member::<pb::FirelensConfigurationType>("firelensConfiguration.type", router.r#type)?;
    }
    Ok(())
}
