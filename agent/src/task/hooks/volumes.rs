//! Volumes: directories of the host, and volumes that live as long as their task.

use std::collections::BTreeMap;

use berth_proto::ecs::v1 as ecs;

use super::{Context, Task};
use crate::runtime::{Launch, Mount, Volume, label};

/// The volumes that have to exist before a container of the task is created.
#[must_use]
pub fn of_task(task: &Task, instance_id: &str) -> Vec<Volume> {
    let labels = BTreeMap::from([
        (label::CONTAINER_INSTANCE.to_owned(), instance_id.to_owned()),
        (label::TASK.to_owned(), task.desired().id.clone()),
    ]);
    let volumes =
        task.desired().definition.message.volumes.iter().filter(|volume| host_path(volume).is_none());
    volumes.map(|volume| Volume { name: unique_name(task, volume.name()), labels: labels.clone() }).collect()
}

pub(super) fn add(context: &Context<'_>, launch: &mut Launch) {
    let volumes = &context.task.desired().definition.message.volumes;
    for point in &context.container.mount_points {
        let Some(volume) = volumes.iter().find(|volume| volume.name() == point.source_volume()) else {
            continue;
        };
        let source =
            host_path(volume).map_or_else(|| unique_name(context.task, volume.name()), str::to_owned);
        launch.mounts.push(Mount {
            source,
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

fn unique_name(task: &Task, volume: &str) -> String {
    let allowed = |char: char| if char.is_ascii_alphanumeric() || char == '_' { char } else { '-' };
    let volume: String = volume.chars().map(allowed).collect();
    format!("berth-{}-{volume}", task.desired().id)
}
