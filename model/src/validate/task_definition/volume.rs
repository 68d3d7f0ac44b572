//! Volumes of a task definition and who mounts them.

use std::collections::BTreeSet;

use berth_proto::ecs::v1 as pb;

use crate::error::ApiError;
use crate::validate::name::is_name;

pub(super) fn check(definition: &pb::TaskDefinition) -> Result<(), ApiError> {
    let mut names = BTreeSet::new();
    for volume in &definition.volumes {
        check_volume(volume)?;
        if !names.insert(volume.name()) {
            return Err(ApiError::client(format!("Volume names must be unique: '{}'.", volume.name())));
        }
    }
    let mut mounted = BTreeSet::new();
    for container in &definition.container_definitions {
        let mut paths = BTreeSet::new();
        for mount in &container.mount_points {
            check_mount(mount, &names)?;
            mounted.insert(mount.source_volume());
            if !paths.insert(mount.container_path()) {
                return Err(ApiError::client(format!(
                    "Container '{}' mounts more than one volume at '{}'.",
                    container.name(),
                    mount.container_path()
                )));
            }
        }
    }
    check_launch_volumes(definition, &mounted)
}

fn check_mount(mount: &pb::MountPoint, volumes: &BTreeSet<&str>) -> Result<(), ApiError> {
    if !volumes.contains(mount.source_volume()) {
        return Err(ApiError::client(format!("Unknown volume '{}'.", mount.source_volume())));
    }
    if mount.container_path().is_empty() {
        return Err(ApiError::client("mountPoints.containerPath should not be blank."));
    }
    Ok(())
}

/// Of the volumes whose kind is said only at launch there is at most one, and somebody mounts it.
fn check_launch_volumes(definition: &pb::TaskDefinition, mounted: &BTreeSet<&str>) -> Result<(), ApiError> {
    let names: Vec<&str> = definition
        .volumes
        .iter()
        .filter(|volume| volume.configured_at_launch())
        .map(pb::Volume::name)
        .collect();
    if names.len() > 1 {
        return Err(ApiError::client("A task definition can have only one volume with configuredAtLaunch."));
    }
    let unused: Vec<&str> = names.into_iter().filter(|name| !mounted.contains(name)).collect();
    if unused.is_empty() {
        Ok(())
    } else {
        let message = format!("Volumes [{}] are not referenced by any of the containers", unused.join(", "));
        Err(ApiError::client(message))
    }
}

fn check_volume(volume: &pb::Volume) -> Result<(), ApiError> {
    let name = volume.name();
    if !is_name(name) {
        let rule = "must have 1 to 255 letters, numbers, hyphens and underscores";
        return Err(ApiError::client(format!("The volume name '{name}' {rule}.")));
    }
    let kinds = [
        volume.host.is_some(),
        volume.docker_volume_configuration.is_some(),
        volume.efs_volume_configuration.is_some(),
        volume.s3files_volume_configuration.is_some(),
        volume.fsx_windows_file_server_volume_configuration.is_some(),
        volume.configured_at_launch(),
    ];
    if kinds.into_iter().filter(|given| *given).count() > 1 {
        return Err(ApiError::client(format!("The volume '{name}' can have only one configuration.")));
    }
    if let Some(docker) = &volume.docker_volume_configuration {
        check_docker(name, docker)?;
    }
    if let Some(efs) = &volume.efs_volume_configuration {
        check_efs(name, efs)?;
    }
    let file_systems = [
        volume.s3files_volume_configuration.as_ref().map(|files| ("fileSystemArn", files.file_system_arn())),
        volume
            .fsx_windows_file_server_volume_configuration
            .as_ref()
            .map(|server| ("fileSystemId", server.file_system_id())),
    ];
    for (member, value) in file_systems.into_iter().flatten() {
        if value.is_empty() {
            return Err(ApiError::client(format!("The volume '{name}' needs a {member}.")));
        }
    }
    Ok(())
}

fn check_docker(name: &str, docker: &pb::DockerVolumeConfiguration) -> Result<(), ApiError> {
    if docker.autoprovision.is_some() && docker.scope() != pb::Scope::Shared {
        let rule = "autoprovision is only for volumes whose scope is shared";
        return Err(ApiError::client(format!("Invalid setting for volume '{name}': {rule}.")));
    }
    Ok(())
}

fn check_efs(name: &str, efs: &pb::EfsVolumeConfiguration) -> Result<(), ApiError> {
    if efs.file_system_id().is_empty() {
        return Err(ApiError::client(format!("The volume '{name}' needs a fileSystemId.")));
    }
    let encrypted = efs.transit_encryption() == pb::EfsTransitEncryption::Enabled;
    if efs.transit_encryption_port.is_some() && !encrypted {
        return Err(ApiError::client("TransitEncryptionPort requires that TransitEncryption is enabled"));
    }
    if efs.transit_encryption_port.is_some_and(|port| !(0..=65_535).contains(&port)) {
        return Err(ApiError::client("TransitEncryptionPort must be between 0 and 65535."));
    }
    let Some(authorization) = &efs.authorization_config else { return Ok(()) };
    if authorization.iam() == pb::EfsAuthorizationConfigIam::Enabled && !encrypted {
        return Err(ApiError::client("EFS IAM authorization requires TransitEncryption to be enabled"));
    }
    if authorization.access_point_id().is_empty() {
        return Ok(());
    }
    if !encrypted {
        return Err(ApiError::client("EFS Access Points require TransitEncryption to be enabled"));
    }
    if matches!(efs.root_directory(), "" | "/") {
        return Ok(());
    }
    let rule = "the root directory must either be set to \"/\" or be omitted";
    Err(ApiError::client(format!("When using an EFS access point, {rule}")))
}
