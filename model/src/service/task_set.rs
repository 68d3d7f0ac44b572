//! Task sets: shares of a service that somebody else deploys.

use berth_proto::ecs::v1 as pb;
use serde::{Deserialize, Serialize};

use super::Deployment;
use crate::id::DeploymentId;
use crate::time::Timestamp;
use crate::wire::Wire;

/// Who deploys a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Controller {
    /// The service scheduler: rolling deployments.
    #[default]
    Ecs,
    /// Somebody else, with task sets.
    External,
}

/// A share of a service's tasks, of one task definition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskSet {
    /// Its id and task definition, and how its tasks do.
    pub deployment: Deployment,
    /// What it is to the service.
    pub status: TaskSetStatus,
    /// Its share of the desired count, in hundredths of a percent.
    pub scale_basis_points: u32,
    /// Whether all its tasks run and are well, as far as was last seen.
    pub stable: bool,
    /// When that last changed.
    pub stable_at: Timestamp,
    /// The token it was created with, which makes a repeated creation harmless.
    pub client_token: Option<String>,
    /// External id, network, tags and the rest that is only echoed.
    pub spec: Wire<pb::TaskSet>,
}

/// What a task set is to its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskSetStatus {
    /// It serves production traffic.
    Primary,
    /// It does not.
    Active,
    /// It was deleted, its tasks are stopping.
    Draining,
}

// === impl TaskSet ===

impl TaskSet {
    /// Its id.
    pub fn id(&self) -> DeploymentId {
        self.deployment.id
    }

    /// How many tasks it is to have. Source: ECS API, `computedDesiredCount`: rounded up.
    pub fn computed_desired_count(&self, desired_count: u32) -> u32 {
        match self.status {
            TaskSetStatus::Draining => 0,
            TaskSetStatus::Primary | TaskSetStatus::Active => {
                let tasks = (u64::from(desired_count) * u64::from(self.scale_basis_points)).div_ceil(10_000);
                u32::try_from(tasks).unwrap_or(u32::MAX)
            }
        }
    }
}

// === impl TaskSetStatus ===

impl TaskSetStatus {
    /// As the API spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "PRIMARY",
            Self::Active => "ACTIVE",
            Self::Draining => "DRAINING",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TaskDefinitionKey;

    #[test]
    fn its_share_is_rounded_up() {
        let definition = TaskDefinitionKey { family: "web".into(), revision: 1 };
        let now = Timestamp::default();
        let set = |scale_basis_points, status| TaskSet {
            deployment: Deployment::new(DeploymentId::new(1), definition.clone(), now),
            status,
            scale_basis_points,
            stable: false,
            stable_at: now,
            client_token: None,
            spec: Wire::default(),
        };
        // scale, desired, tasks
        for (scale, desired, tasks) in
            [(10_000, 3, 3), (5_000, 3, 2), (100, 3, 1), (0, 3, 0), (3_333, 100, 34), (10_000, 0, 0)]
        {
            assert_eq!(set(scale, TaskSetStatus::Active).computed_desired_count(desired), tasks);
            assert_eq!(set(scale, TaskSetStatus::Draining).computed_desired_count(desired), 0);
        }
    }
}
