//! Texts that many tasks have in common are kept once.
//!
//! Every command is read from the log by itself, so its names are copies of its own, and a service of a thousand tasks
//! would keep its name a thousand times. What a task takes from its cluster, its definition, its service or the calls
//! behind it is therefore made to refer to what is there already. Nobody can tell from a task whether it was.

use std::sync::Arc;

use super::State;
use crate::id::TaskId;
use crate::task::{Owner, Task};

// === impl State ===

impl State {
    /// Makes a task refer to what the state has already.
    pub(super) fn share(&self, task: &mut Task) {
        if let Some((name, _)) = self.clusters.get_key_value(&task.cluster) {
            task.cluster = name.clone();
        }
        if let Some((key, _)) = self.task_definitions.get_key_value(&task.definition) {
            task.definition = key.clone();
        }
        if let Some((key, _)) = task.service().and_then(|key| self.services.get_key_value(&key))
            && let Owner::Service { name, .. } = &mut task.owner
        {
            *name = key.name.clone();
        }
        if let Some(known) = self.akin(task) {
            task.take_over(known);
        }
    }

    /// The same for a task that is in the table.
    pub(super) fn share_again(&mut self, id: TaskId) {
        let Some(known) = self.tasks.get(&id) else { return };
        let mut task = (**known).clone();
        self.share(&mut task);
        self.tasks.insert(id, Arc::new(task));
    }

    /// A task of the same service or group; it need not be the same otherwise.
    fn akin(&self, task: &Task) -> Option<&Task> {
        let ids = match task.service() {
            Some(service) => self.index.tasks_by_service.get(&service),
            None => self.index.standalone_by_group.get(&(task.cluster.clone(), Arc::clone(&task.group))),
        };
        // The newest would be best, but ids tell nothing of time.
        let id = ids?.get_min().filter(|id| **id != task.id)?;
        self.tasks.get(id).map(AsRef::as_ref)
    }
}

// === impl Task ===

impl Task {
    /// Refers to the parts of `other` that are the same.
    fn take_over(&mut self, other: &Self) {
        refer(&mut self.group, &other.group);
        refer_if_any(&mut self.started_by, other.started_by.as_ref());
        refer_if_any(&mut self.traceparent, other.traceparent.as_ref());
        refer_if_any(&mut self.images, other.images.as_ref());
        refer_if_any(&mut self.scheduling.rules, other.scheduling.rules.as_ref());
        if self.spec == other.spec {
            self.spec.clone_from(&other.spec);
        }
        if self.overrides == other.overrides {
            self.overrides.clone_from(&other.overrides);
        }
    }
}

fn refer_if_any<T: PartialEq + ?Sized>(own: &mut Option<Arc<T>>, other: Option<&Arc<T>>) {
    if let (Some(own), Some(other)) = (own, other) {
        refer(own, other);
    }
}

fn refer<T: PartialEq + ?Sized>(own: &mut Arc<T>, other: &Arc<T>) {
    if own == other {
        *own = Arc::clone(other);
    }
}
