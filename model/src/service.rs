//! Services and their deployments.

use std::time::Duration;

use berth_proto::ecs::v1 as pb;
use imbl::Vector;
use serde::{Deserialize, Serialize};

use crate::fit::Refused;
use crate::id::{DeploymentId, Generation, Revision, ServiceKey, TaskDefinitionKey};
use crate::placement::PlacementRules;
use crate::time::Timestamp;
use crate::wire::Wire;

pub mod rollout;
pub mod settings;
pub mod task_set;

use rollout::{Records, TaskFailure};
use settings::DeploymentSettings;
use task_set::{Controller, TaskSet};

/// A task that ran this long and then ended by itself is not part of a crash loop.
pub const STABLE_RUN: Duration = Duration::from_secs(60);

/// A crash this long after the last one is not part of the same loop, even if no task ran for a stable while in
/// between. Longer than the longest sensible wait between two crashes.
pub const CRASH_MEMORY: Duration = Duration::from_secs(1800);

/// Keeps a number of tasks of one task definition running.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// Cluster and name.
    pub key: ServiceKey,
    /// Counts up whenever what is wanted changes; a planner's command for an older one is rejected.
    pub generation: Generation,
    /// Whether it is wanted at all.
    pub status: ServiceStatus,
    /// When it was made.
    pub created_at: Timestamp,
    /// Principal that made it.
    pub created_by: String,
    /// How many tasks are wanted.
    pub desired_count: u32,
    /// What the tasks run; that of the primary deployment.
    pub task_definition: TaskDefinitionKey,
    /// How far below and above the desired count a deployment may go.
    pub bounds: DeploymentBounds,
    /// Where its tasks go.
    pub placement: PlacementRules,
    /// Deployments that still have something to do or are in force: the primary one first, then those being replaced,
    /// newest first. Exactly one once everything is done.
    pub deployments: Vec<Deployment>,
    /// The newest events, oldest first; bounded by [`crate::limits::EVENTS_PER_SERVICE`].
    pub events: Vector<ServiceEvent>,
    /// Why tasks of it found no place when they were tried last; `None` once they did or nothing waits.
    #[serde(default)]
    pub refused: Option<Refused>,
    /// Whether it has been announced that nothing is left to do. Cleared by whatever makes something to do.
    pub steady: bool,
    /// The token it was created with, which makes a repeated creation harmless.
    pub client_token: Option<String>,
    /// Who deploys it.
    #[serde(default)]
    pub controller: Controller,
    /// Its task sets, if somebody else deploys it: the primary one first.
    #[serde(default)]
    pub task_sets: Vec<TaskSet>,
    /// How it is deployed.
    #[serde(default)]
    pub settings: DeploymentSettings,
    /// Its revisions and service deployments.
    #[serde(default)]
    pub records: Records,
    /// Network, load balancers, tags and the rest that is only echoed; counters, ARNs and lists of deployments and
    /// events are empty in it.
    pub spec: Wire<pb::Service>,
}

/// Whether a service is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServiceStatus {
    /// It is.
    Active,
    /// Deleted, its tasks stopping.
    Draining,
    /// Deleted, and still describable.
    Inactive,
}

/// Percentages of the desired count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentBounds {
    /// Healthy tasks never fall below ceil(desired × this / 100) by the scheduler's doing.
    pub minimum_healthy_percent: u32,
    /// RUNNING and PENDING tasks never exceed floor(desired × this / 100).
    pub maximum_percent: u32,
}

/// The rollout of one task definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// Its id, which its tasks carry as `startedBy`.
    pub id: DeploymentId,
    /// Whether it is the one to reach.
    pub status: DeploymentStatus,
    /// What its tasks run.
    pub task_definition: TaskDefinitionKey,
    /// How far it is.
    pub rollout: Rollout,
    /// Why `rollout` is what it is.
    pub rollout_reason: String,
    /// When it began.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Consecutive tasks that failed to start; zero again once one runs.
    pub failed_tasks: u32,
    /// Consecutive rounds of tasks that stopped by themselves without having run for a stable while. Tasks that were
    /// started before the last round's first crash belong to that round: a hundred that fail together are one failure.
    pub crashes: u32,
    /// When the first crash of the last round was seen. What replaces crashed tasks waits from then on for a time that
    /// grows with `crashes`.
    pub last_crash_at: Option<Timestamp>,
    /// What went wrong with it, and what follows from that.
    #[serde(default)]
    pub trouble: Trouble,
}

/// What went wrong with a deployment, and what follows from that.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// It was given up: none of its tasks is started any more, and nothing is stopped for it.
    #[serde(default)]
    pub halted: bool,
    /// When the successors of failed tasks start, while they wait.
    #[serde(default)]
    pub next_attempt_at: Option<Timestamp>,
    /// The last task that failed.
    #[serde(default)]
    pub last_failure: Option<TaskFailure>,
}

/// Whether a deployment is the one to reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeploymentStatus {
    /// The one to reach.
    Primary,
    /// Being replaced.
    Active,
}

/// How far a deployment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rollout {
    /// Tasks are still to be started or replaced.
    InProgress,
    /// Reached its desired count once.
    Completed,
    /// Given up.
    Failed,
}

/// Something that happened to a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceEvent {
    /// Revision at which it was recorded, and its place among those of the same revision.
    pub id: (Revision, u32),
    /// When.
    pub created_at: Timestamp,
    /// ECS's text.
    pub message: String,
}

// === impl ServiceStatus ===

impl ServiceStatus {
    /// As the API spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Draining => "DRAINING",
            Self::Inactive => "INACTIVE",
        }
    }
}

// === impl Deployment ===

impl Deployment {
    /// One that is to be reached, and of which nothing has happened.
    pub fn new(id: DeploymentId, task_definition: TaskDefinitionKey, now: Timestamp) -> Self {
        Self {
            id,
            status: DeploymentStatus::Primary,
            task_definition,
            rollout: Rollout::InProgress,
            rollout_reason: format!("ECS deployment {id} in progress."),
            created_at: now,
            updated_at: now,
            failed_tasks: 0,
            crashes: 0,
            last_crash_at: None,
            trouble: Trouble::default(),
        }
    }

    /// Counts a task that failed by itself: how long it ran, if it ran at all.
    pub(crate) fn count_crash(&mut self, task_created_at: Timestamp, ran: Option<Duration>, now: Timestamp) {
        if ran.is_none() {
            self.failed_tasks = self.failed_tasks.saturating_add(1);
        }
        self.updated_at = now;
        let last = self.last_crash_at;
        let is_isolated = last.is_none_or(|last| now.since(last) >= CRASH_MEMORY);
        if is_isolated || ran.is_some_and(|ran| ran >= STABLE_RUN) {
            self.crashes = 1;
            self.last_crash_at = Some(now);
        } else if last.is_none_or(|last| task_created_at >= last) {
            self.crashes = self.crashes.saturating_add(1);
            self.last_crash_at = Some(now);
        }
    }
}

// === impl DeploymentStatus ===

impl DeploymentStatus {
    /// As the API spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "PRIMARY",
            Self::Active => "ACTIVE",
        }
    }
}

// === impl DeploymentBounds ===

impl Default for DeploymentBounds {
    /// ECS's defaults for REPLICA services.
    fn default() -> Self {
        Self { minimum_healthy_percent: 100, maximum_percent: 200 }
    }
}

impl DeploymentBounds {
    /// The fewest healthy tasks that the scheduler may leave.
    pub fn floor(self, desired_count: u32) -> u32 {
        share(desired_count, self.minimum_healthy_percent, u64::div_ceil)
    }

    /// The most RUNNING and PENDING tasks that the scheduler may cause.
    pub fn ceiling(self, desired_count: u32) -> u32 {
        share(desired_count, self.maximum_percent, |product, hundred| product / hundred)
    }
}

fn share(count: u32, percent: u32, divide: fn(u64, u64) -> u64) -> u32 {
    u32::try_from(divide(u64::from(count) * u64::from(percent), 100)).unwrap_or(u32::MAX)
}

// === impl Service ===

impl Service {
    /// The deployment to reach. Every service that is not INACTIVE has one.
    pub fn primary(&self) -> Option<&Deployment> {
        self.deployments.iter().find(|deployment| deployment.status == DeploymentStatus::Primary)
    }

    /// Whether it runs one task on every instance that matches, rather than a number of tasks.
    pub fn is_daemon(&self) -> bool {
        self.spec.scheduling_strategy() == pb::SchedulingStrategy::Daemon
    }

    /// Whether its running tasks move when they could be spread better.
    pub fn is_rebalanced(&self) -> bool {
        self.spec.availability_zone_rebalancing() == pb::AvailabilityZoneRebalancing::Enabled
    }

    /// A deployment by id.
    pub fn deployment(&self, id: DeploymentId) -> Option<&Deployment> {
        self.deployments.iter().find(|deployment| deployment.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_the_floor_up_and_the_ceiling_down() {
        // desired, minimum, maximum, floor, ceiling
        let rows = [
            (4, 50, 200, 2, 8),
            (3, 50, 150, 2, 4),
            (1, 100, 200, 1, 2),
            (10, 0, 100, 0, 10),
            (7, 66, 133, 5, 9),
            (0, 100, 200, 0, 0),
        ];
        for (desired, minimum_healthy_percent, maximum_percent, floor, ceiling) in rows {
            let bounds = DeploymentBounds { minimum_healthy_percent, maximum_percent };
            assert_eq!(
                (bounds.floor(desired), bounds.ceiling(desired)),
                (floor, ceiling),
                "{desired} {bounds:?}"
            );
        }
    }
}
