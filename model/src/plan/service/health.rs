//! When a task counts as healthy, and when that may change without anybody reporting anything.

use std::time::Duration;

use crate::container_instance::ContainerInstance;
use crate::plan::Policy;
use crate::task::{Health, Task, TaskStatus};
use crate::task_definition::Facts;
use crate::time::Timestamp;

/// How fit a task is to serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fitness {
    /// Not RUNNING yet, or not any more.
    Pending,
    /// RUNNING, and its health check fails.
    Unhealthy,
    /// RUNNING, and not known to be healthy yet.
    Warming,
    /// RUNNING and healthy.
    Healthy,
}

/// What is needed to tell.
pub(super) struct Examination<'a> {
    pub(super) now: Timestamp,
    pub(super) policy: &'a Policy,
    /// How long after its start a task may fail its health checks.
    pub(super) grace: Duration,
}

/// A judgement, and when it will be another by the passing of time alone.
pub(super) struct Verdict {
    pub(super) fitness: Fitness,
    /// It was there before its instance was lost, and its agent has not had time to say what became of it.
    pub(super) is_settling: bool,
    pub(super) changes_at: Option<Timestamp>,
}

// === impl Examination ===

impl Examination<'_> {
    /// Judges a task on an instance that answers.
    pub(super) fn judge(&self, task: &Task, facts: Option<&Facts>, instance: &ContainerInstance) -> Verdict {
        let settles_at = instance.connected_at.plus(self.policy.healthy_after);
        let is_settling = task.created_at < instance.connected_at && self.now < settles_at;
        let (fitness, changes_at) = self.fitness(task, facts);
        if is_settling {
            let fitness = match fitness {
                Fitness::Healthy => Fitness::Warming,
                Fitness::Pending | Fitness::Unhealthy | Fitness::Warming => fitness,
            };
            return Verdict { fitness, is_settling, changes_at: Some(settles_at) };
        }
        Verdict { fitness, is_settling, changes_at }
    }

    fn fitness(&self, task: &Task, facts: Option<&Facts>) -> (Fitness, Option<Timestamp>) {
        if task.observed.last_status != TaskStatus::Running {
            return (Fitness::Pending, None);
        }
        let started_at = started_at(task);
        let is_checked = facts.is_some_and(Facts::has_health_check);
        match task.observed.health {
            Health::Healthy => (Fitness::Healthy, None),
            Health::Unhealthy => self.until(started_at.plus(self.grace), Fitness::Unhealthy),
            Health::Unknown if is_checked => (Fitness::Warming, None),
            Health::Unknown => self.until(started_at.plus(self.policy.healthy_after), Fitness::Healthy),
        }
    }

    /// Warming until `at`, `then` afterwards.
    fn until(&self, at: Timestamp, then: Fitness) -> (Fitness, Option<Timestamp>) {
        if self.now < at { (Fitness::Warming, Some(at)) } else { (then, None) }
    }
}

/// When it became RUNNING.
pub(super) fn started_at(task: &Task) -> Timestamp {
    task.observed.started_at.unwrap_or(task.created_at)
}
