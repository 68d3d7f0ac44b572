//! Volumes: directories of the host, volumes that live as long as their task, those that tasks share, and file systems
//! of the network.

use berth_proto::ecs::v1 as ecs;

use super::{Context, Task};
use crate::file_system::{self, FileSystems};
use crate::runtime::{Launch, Mount, Volume, label};

/// The volumes that have to exist before a container of the task is created, or why one of them cannot.
pub fn of_task(task: &Task, instance_id: &str, known: &FileSystems) -> Result<Vec<Volume>, String> {
    let volumes = &task.desired().definition.message.volumes;
    let made = volumes.iter().filter(|volume| host_path(volume).is_none());
    made.map(|volume| of_definition(task, volume, instance_id, known)).collect()
}

fn of_definition(
    task: &Task,
    volume: &ecs::Volume,
    instance_id: &str,
    known: &FileSystems,
) -> Result<Volume, String> {
    let of_the_task = [
        (label::CONTAINER_INSTANCE.to_owned(), instance_id.to_owned()),
        (label::TASK.to_owned(), task.desired().id.clone()),
    ];
    let mut made = Volume { name: source(task, volume), ..Volume::default() };
    if let Some(docker) = &volume.docker_volume_configuration {
        made.labels = docker.labels.clone();
        made.driver = docker.driver().to_owned();
        made.options = docker.driver_opts.clone();
        made.must_exist = is_shared(volume) && !docker.autoprovision();
    }
    if let Some(efs) = &volume.efs_volume_configuration {
        let reason = |reason| format!("ResourceInitializationError: volume {}: {reason}", volume.name());
        made.options = file_system::driver_options(efs, known).map_err(reason)?;
    }
    if !is_shared(volume) {
        made.labels.extend(of_the_task);
    }
    Ok(made)
}

pub(super) fn add(context: &Context<'_>, launch: &mut Launch) {
    let volumes = &context.task.desired().definition.message.volumes;
    for point in &context.container.mount_points {
        let Some(volume) = volumes.iter().find(|volume| volume.name() == point.source_volume()) else {
            continue;
        };
        launch.mounts.push(Mount {
            source: source(context.task, volume),
            container_path: point.container_path().to_owned(),
            read_only: point.read_only(),
        });
    }
    let from = context.container.volumes_from.iter().map(|from| {
        let mode = if from.read_only() { ":ro" } else { "" };
        format!("{}{mode}", context.unique_name(from.source_container()))
    });
    launch.volumes_from = from.collect();
}

fn host_path(volume: &ecs::Volume) -> Option<&str> {
    volume.host.as_ref()?.source_path.as_deref().filter(|path| !path.is_empty())
}

/// Whether tasks find it again: a volume of the host rather than of one task.
fn is_shared(volume: &ecs::Volume) -> bool {
    volume.docker_volume_configuration.as_ref().is_some_and(|docker| docker.scope() == ecs::Scope::Shared)
}

/// What is mounted: a path of the host, or the name that the volume has on it.
fn source(task: &Task, volume: &ecs::Volume) -> String {
    match host_path(volume) {
        Some(path) => path.to_owned(),
        None if is_shared(volume) => volume.name().to_owned(),
        None => unique_name(task, volume.name()),
    }
}

fn unique_name(task: &Task, volume: &str) -> String {
    let allowed = |char: char| if char.is_ascii_alphanumeric() || char == '_' { char } else { '-' };
    let volume: String = volume.chars().map(allowed).collect();
    format!("berth-{}-{volume}", task.desired().id)
}
