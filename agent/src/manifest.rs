//! The desired set of one instance, and how it differs from what the agent is doing.

use std::collections::BTreeMap;
use std::sync::Arc;

use berth_proto::agent::v1 as wire;

use crate::definition::{Definition, Interner};

/// One task that the controller wants in a state.
#[derive(Debug, PartialEq)]
pub struct DesiredTask {
    /// The last part of its ARN.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// Whether it is to stop.
    pub stopped: bool,
    /// What it runs.
    pub definition: Arc<Definition>,
    /// The cluster it belongs to.
    pub cluster: String,
    /// Its group, such as `service:web`.
    pub group: String,
    /// The trace of the call that asked for it; empty when there was none.
    pub traceparent: String,
    /// The GPUs that its containers have to themselves, in the order of the containers.
    pub gpu_ids: Vec<String>,
    /// The security groups of a task with an address of its own.
    pub security_groups: Vec<String>,
}

/// The desired set at one generation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Set {
    /// 0: no manifest was ever accepted.
    pub generation: u64,
    /// By task id.
    pub tasks: BTreeMap<String, Arc<DesiredTask>>,
}

/// What an agent has to change to follow a set.
#[derive(Debug, Default, PartialEq)]
pub struct Difference {
    /// In the set and unknown here.
    pub added: Vec<Arc<DesiredTask>>,
    /// Known here and to be stopped.
    pub stopped: Vec<String>,
    /// In the set and known here: an orphan that is wanted after all, too.
    pub wanted: Vec<String>,
    /// Known here and not in the set.
    pub removed: Vec<String>,
}

/// How a set differs from the tasks with these ids.
#[must_use]
pub fn difference<'a>(set: &Set, known: impl Iterator<Item = &'a String>) -> Difference {
    let mut difference = Difference::default();
    let mut unknown: BTreeMap<&String, &Arc<DesiredTask>> = set.tasks.iter().collect();
    for id in known {
        match unknown.remove(id) {
            None => difference.removed.push(id.clone()),
            Some(task) if task.stopped => difference.stopped.push(id.clone()),
            Some(_) => difference.wanted.push(id.clone()),
        }
    }
    difference.added = unknown.into_values().cloned().collect();
    difference
}

// === impl DesiredTask ===

impl DesiredTask {
    /// A task as a controller sent it.
    #[must_use]
    pub fn from_message(message: wire::ManifestTask, interner: &Interner) -> Self {
        let stopped = message.desired_status() == wire::DesiredTaskStatus::Stopped;
        Self {
            id: message.task_id,
            arn: message.task_arn,
            stopped,
            definition: interner.intern(message.task_definition.unwrap_or_default(), message.overrides),
            cluster: message.cluster,
            group: message.group,
            traceparent: message.traceparent,
            gpu_ids: message.gpu_ids,
            security_groups: message.security_groups,
        }
    }

    /// The task as the ledger stores it.
    #[must_use]
    pub fn to_message(&self) -> wire::ManifestTask {
        let status =
            if self.stopped { wire::DesiredTaskStatus::Stopped } else { wire::DesiredTaskStatus::Running };
        wire::ManifestTask {
            task_id: self.id.clone(),
            task_arn: self.arn.clone(),
            desired_status: status.into(),
            task_definition: Some(self.definition.message.clone()),
            overrides: self.definition.overrides.clone(),
            cluster: self.cluster.clone(),
            group: self.group.clone(),
            traceparent: self.traceparent.clone(),
            gpu_ids: self.gpu_ids.clone(),
            security_groups: self.security_groups.clone(),
        }
    }
}

// === impl Set ===

impl Set {
    /// A whole manifest as a controller sent it.
    #[must_use]
    pub fn from_message(manifest: wire::Manifest, interner: &Interner) -> Self {
        let tasks =
            manifest.tasks.into_iter().map(|task| Arc::new(DesiredTask::from_message(task, interner)));
        Self { generation: manifest.generation, tasks: tasks.map(|task| (task.id.clone(), task)).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(id: &str, stopped: bool) -> (String, Arc<DesiredTask>) {
        let message = wire::ManifestTask {
            task_id: id.to_owned(),
            desired_status: if stopped { 2 } else { 1 },
            ..Default::default()
        };
        (id.to_owned(), Arc::new(DesiredTask::from_message(message, &Interner::default())))
    }

    #[test]
    fn every_task_of_either_side_is_in_exactly_one_part_of_the_difference() {
        let set = Set {
            generation: 1,
            tasks: BTreeMap::from([task("new", false), task("old", true), task("same", false)]),
        };
        let known = ["gone".to_owned(), "old".to_owned(), "same".to_owned()];
        let difference = difference(&set, known.iter());
        assert_eq!(difference.added.iter().map(|task| task.id.as_str()).collect::<Vec<_>>(), ["new"]);
        assert_eq!(difference.stopped, ["old"]);
        assert_eq!(difference.wanted, ["same"]);
        assert_eq!(difference.removed, ["gone"]);
    }

    #[test]
    fn a_task_survives_its_way_through_the_ledger() {
        let (_, task) = task("t", true);
        let again = DesiredTask::from_message(task.to_message(), &Interner::default());
        assert_eq!(*task, again);
    }
}
