//! What happens around the start and the stop of a container, one file a concern.
//!
//! Each hook adds its part to the launch, or does something before it or after it. They share nothing but the launch.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use berth_model::resource::Requirements;
use berth_proto::ecs::v1 as ecs;

use super::Task;
use crate::endpoint::Endpoint;
use crate::runtime::{Launch, label};
use crate::task_files::TaskFiles;

mod endpoint;
pub mod firelens;
pub mod image;
mod log;
mod network;
mod resources;
pub mod secrets;
pub mod volumes;

/// What a launch depends on beside its task.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The instance's id.
    pub instance_id: &'a str,
    /// Between SIGTERM and SIGKILL when the task definition does not say.
    pub stop_timeout: Duration,
    /// What the runtime keeps of the log of a container in blocking mode.
    pub log_spool_bytes: u64,
    /// What the container may ask, where that is possible.
    pub endpoint: Option<&'a Endpoint>,
    /// Ports of the host that others have or may get.
    pub taken_ports: &'a Arc<Requirements>,
    /// Where files for the container are, where that is possible.
    pub files: Option<&'a TaskFiles>,
}

/// What a hook may know.
pub(super) struct Context<'a> {
    task: &'a Task,
    container: &'a ecs::ContainerDefinition,
}

/// The launch of one container of a task; none for a position that it does not have.
#[must_use]
pub fn launch(task: &Task, at: usize, surroundings: Surroundings<'_>) -> Option<Launch> {
    let container = task.desired().definition.containers.get(at)?;
    let message = &task.desired().definition.message;
    let context = Context { task, container };
    let mut launch = Launch {
        name: context.unique_name(container.name()),
        labels: context.labels(surroundings.instance_id),
        definition: container.clone(),
        network_mode: task.desired().definition.network_mode(),
        pid_mode: message.pid_mode(),
        ipc_mode: message.ipc_mode(),
        taken_ports: surroundings.taken_ports.clone(),
        stop_timeout: stop_timeout(container, surroundings.stop_timeout),
        ..Launch::default()
    };
    network::add(&context, &mut launch);
    resources::add(&context, &mut launch);
    volumes::add(&context, &mut launch);
    endpoint::add(&context, &surroundings, at, &mut launch);
    log::add(&context, surroundings.log_spool_bytes, &mut launch);
    firelens::add(&context, &surroundings, &mut launch);
    Some(launch)
}

/// Between SIGTERM and SIGKILL.
#[must_use]
pub fn stop_timeout(container: &ecs::ContainerDefinition, default: Duration) -> Duration {
    container
        .stop_timeout
        .and_then(|seconds| u64::try_from(seconds).ok())
        .map_or(default, Duration::from_secs)
}

fn pair(name: &str, value: String) -> ecs::KeyValuePair {
    ecs::KeyValuePair { name: Some(name.to_owned()), value: Some(value) }
}

// === impl Context ===

impl Context<'_> {
    /// Unique on the host, and telling to a person: `berth-FAMILY-REVISION-NAME-TASK`.
    fn unique_name(&self, name: &str) -> String {
        let message = &self.task.desired().definition.message;
        let id = &self.task.desired().id;
        let short = id.get(..12).unwrap_or(id);
        let name = format!("berth-{}-{}-{name}-{short}", message.family(), message.revision());
        let allowed = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '.' | '-');
        name.chars().map(|char| if allowed(char) { char } else { '-' }).collect()
    }

    fn labels(&self, instance_id: &str) -> BTreeMap<String, String> {
        let desired = self.task.desired();
        let message = &desired.definition.message;
        let ours = [
            (label::CLUSTER, desired.cluster.clone()),
            (label::CONTAINER_NAME, self.container.name().to_owned()),
            (label::TASK_ARN, desired.arn.clone()),
            (label::FAMILY, message.family().to_owned()),
            (label::REVISION, message.revision().to_string()),
            (label::CONTAINER_INSTANCE, instance_id.to_owned()),
            (label::TASK, desired.id.clone()),
        ];
        let mut labels = self.container.docker_labels.clone();
        labels.extend(ours.map(|(key, value)| (key.to_owned(), value)));
        labels
    }
}
