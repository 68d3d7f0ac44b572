//! What an agent should run, computed from the local replica: any controller comes to the same manifest for the same
//! revision.

use std::collections::BTreeMap;

use berth_model::id::{Generation, InstanceId, TaskId};
use berth_model::state::State;
use berth_model::task::{DesiredStatus, Task};
use berth_proto::agent::v1 as pb;

/// What one session has sent so far, so that the next message can be a difference.
#[derive(Debug, Default)]
pub(super) struct Sent {
    generation: Generation,
    tasks: BTreeMap<TaskId, DesiredStatus>,
}

// === impl Sent ===

impl Sent {
    /// The whole desired set of the instance as it is in this state.
    pub(super) fn whole(&mut self, state: &State, instance: InstanceId) -> pb::Manifest {
        self.generation = generation(state, instance);
        self.tasks = desired(state, instance);
        pb::Manifest {
            generation: self.generation,
            tasks: state
                .tasks_on(instance)
                .filter(|task| task.is_on_manifest())
                .map(|task| render(state, task))
                .collect(),
        }
    }

    /// The difference to what was sent before; none when nothing is newer.
    pub(super) fn difference(&mut self, state: &State, instance: InstanceId) -> Option<pb::ManifestDelta> {
        let generation = generation(state, instance);
        if generation <= self.generation {
            return None;
        }
        let now = desired(state, instance);
        let changed = |task: &&std::sync::Arc<Task>| self.tasks.get(&task.id) != now.get(&task.id);
        let delta = pb::ManifestDelta {
            from_generation: self.generation,
            to_generation: generation,
            tasks: state
                .tasks_on(instance)
                .filter(|task| task.is_on_manifest())
                .filter(changed)
                .map(|task| render(state, task))
                .collect(),
            removed_task_ids: self
                .tasks
                .keys()
                .filter(|id| !now.contains_key(id))
                .map(ToString::to_string)
                .collect(),
        };
        self.generation = generation;
        self.tasks = now;
        Some(delta)
    }
}

/// Those of the candidates that this state says are not to run, if it is the state that the agent acted on.
pub(super) fn confirm_stops(
    state: &State,
    instance: InstanceId,
    candidates: &pb::StopCandidates,
) -> Option<pb::StopConfirmation> {
    if generation(state, instance) != candidates.generation {
        return None;
    }
    let wanted = desired(state, instance);
    let unwanted = |id: &&String| id.parse().is_ok_and(|id: TaskId| !wanted.contains_key(&id));
    Some(pb::StopConfirmation {
        generation: candidates.generation,
        task_ids: candidates.task_ids.iter().filter(unwanted).cloned().collect(),
    })
}

fn generation(state: &State, instance: InstanceId) -> Generation {
    state.instance(instance).map_or(0, |instance| instance.manifest_generation)
}

fn desired(state: &State, instance: InstanceId) -> BTreeMap<TaskId, DesiredStatus> {
    state
        .tasks_on(instance)
        .filter(|task| task.is_on_manifest())
        .map(|task| (task.id, task.desired))
        .collect()
}

fn render(state: &State, task: &Task) -> pb::ManifestTask {
    let desired_status = match task.desired {
        DesiredStatus::Running => pb::DesiredTaskStatus::Running,
        DesiredStatus::Stopped => pb::DesiredTaskStatus::Stopped,
    };
    let definition = state.task_definition(&task.definition).map(|definition| {
        let mut message = definition.definition.to_owned_message();
        message.task_definition_arn = Some(state.scope().task_definition(&task.definition));
        message.family = Some(task.definition.family.to_string());
        message.revision = i32::try_from(task.definition.revision).ok();
        if let Some(images) = &task.images {
            for container in &mut message.container_definitions {
                let digest = images.get(container.name());
                container.image =
                    digest.map(|digest| pinned(container.image(), digest)).or_else(|| container.image.take());
            }
        }
        message
    });
    pb::ManifestTask {
        task_id: task.id.to_string(),
        task_arn: state.scope().task(&task.cluster, task.id),
        desired_status: desired_status.into(),
        task_definition: definition,
        overrides: task.overrides.as_ref().map(|overrides| overrides.to_owned_message()),
        cluster: task.cluster.to_string(),
        group: task.group.to_string(),
        traceparent: task.traceparent.as_deref().unwrap_or_default().to_owned(),
        gpu_ids: task.scheduling.gpu_ids.clone(),
        security_groups: task
            .network
            .as_ref()
            .map(|network| network.security_groups.clone())
            .unwrap_or_default(),
    }
}

/// The same image by its digest instead of by a tag, which may mean another one by now.
fn pinned(image: &str, digest: &str) -> String {
    let name = image.split('@').next().unwrap_or(image);
    // A colon before the last slash belongs to the port of the registry.
    let name = match name.rfind(':') {
        Some(at) if !name[at..].contains('/') => &name[..at],
        _ => name,
    };
    format!("{name}@{digest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_image_has_a_digest_in_place_of_its_tag() {
        let digest = "sha256:ab";
        let rows = [
            ("nginx", "nginx@sha256:ab"),
            ("nginx:1.27", "nginx@sha256:ab"),
            ("registry:5000/shop/web", "registry:5000/shop/web@sha256:ab"),
            ("registry:5000/shop/web:7", "registry:5000/shop/web@sha256:ab"),
            ("nginx@sha256:cd", "nginx@sha256:ab"),
        ];
        for (image, expected) in rows {
            assert_eq!(pinned(image, digest), expected);
        }
    }
}
