//! How a service is deployed, as far as planners read it: parsed once from its deployment configuration.

use std::time::Duration;

use berth_proto::ecs::v1 as pb;
use serde::{Deserialize, Serialize};

use super::rollout::Stage;
use crate::id::TaskDefinitionKey;
use crate::wire::Wire;

/// What a deployment configuration says beside the percentages.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DeploymentSettings {
    /// When to give a deployment up; none: never.
    #[serde(default)]
    pub breaker: Option<CircuitBreaker>,
    /// When a deployment counts as done before every task is; none: when every task is.
    #[serde(default)]
    pub early_success: Option<EarlySuccess>,
    /// What a deployment waits for at its stages.
    #[serde(default)]
    pub hooks: Vec<Hook>,
}

/// When a deployment is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CircuitBreaker {
    /// Whether the service then goes back to the last revision that worked.
    pub rollback: bool,
    /// Whether a healthy task makes the failures before it forgotten.
    pub reset_on_healthy_task: bool,
    /// After how many failed tasks.
    pub threshold: Threshold,
}

/// How many failed tasks a deployment may have. Source: ECS API, `thresholdConfiguration`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Threshold {
    /// So many.
    Count(u32),
    /// So many percent of the desired count, at least 3 and at most 200.
    BoundedPercent(u32),
    /// So many percent of the desired count.
    UnboundedPercent(u32),
}

/// When a deployment counts as done before every task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlySuccess {
    /// This much of the desired count is healthy.
    pub healthy_percent: u32,
    /// Whether the tasks that are replaced have to be gone first.
    pub after_cleanup: bool,
}

/// Something that a deployment waits for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hook {
    /// `hookTargetArn` as it was given; empty for a pause.
    pub target_arn: String,
    /// What is done.
    pub target: HookTarget,
    /// At which stages.
    pub stages: Vec<Stage>,
    /// How long it may take.
    pub timeout: Duration,
    /// What happens then.
    pub on_timeout: HookAction,
    /// What is passed on.
    pub details: Option<Wire<prost_types::Value>>,
}

/// What a hook does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum HookTarget {
    /// Nothing: it waits for ContinueServiceDeployment.
    Pause,
    /// Asks this URL until it says that it succeeded or failed.
    Webhook(String),
    /// Runs one task, whose essential containers have to exit with 0.
    Task {
        /// What it runs; none: what the service is to run.
        definition: Option<TaskDefinitionKey>,
        /// What is changed of it.
        overrides: Option<Wire<pb::TaskOverride>>,
    },
}

/// How a deployment goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HookAction {
    /// As if the hook had succeeded.
    Continue,
    /// Back to the last revision that worked.
    RollBack,
}

// === impl DeploymentSettings ===

impl DeploymentSettings {
    /// The hooks that hold up this stage.
    pub fn hooks_at(&self, stage: Stage) -> impl Iterator<Item = &Hook> {
        self.hooks.iter().filter(move |hook| hook.stages.contains(&stage))
    }
}

// === impl CircuitBreaker ===

impl Default for CircuitBreaker {
    /// What ECS takes when nothing is said.
    fn default() -> Self {
        Self { rollback: false, reset_on_healthy_task: true, threshold: Threshold::BoundedPercent(50) }
    }
}

// === impl Threshold ===

impl Threshold {
    /// The number for a service of this size; never 0, which would fail a deployment before it begins.
    pub fn of(self, desired_count: u32) -> u32 {
        let share = |percent: u32| {
            let tasks = (u64::from(desired_count) * u64::from(percent)).div_ceil(100);
            u32::try_from(tasks).unwrap_or(u32::MAX)
        };
        match self {
            Self::Count(count) => count.max(1),
            Self::BoundedPercent(percent) => share(percent).clamp(3, 200),
            Self::UnboundedPercent(percent) => share(percent).max(1),
        }
    }
}

// === impl EarlySuccess ===

impl EarlySuccess {
    /// How many tasks have to be healthy.
    pub fn needed(self, desired_count: u32) -> u32 {
        let tasks = (u64::from(desired_count) * u64::from(self.healthy_percent)).div_ceil(100);
        u32::try_from(tasks).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_follow_the_desired_count_as_ecs_rounds_them() {
        use Threshold::{BoundedPercent, Count, UnboundedPercent};
        // threshold, desired, expected
        let rows = [
            (BoundedPercent(50), 1, 3),
            (BoundedPercent(50), 5, 3),
            (BoundedPercent(50), 7, 4),
            (BoundedPercent(50), 25, 13),
            (BoundedPercent(50), 400, 200),
            (BoundedPercent(50), 5000, 200),
            (BoundedPercent(100), 10, 10),
            (UnboundedPercent(50), 1, 1),
            (UnboundedPercent(50), 0, 1),
            (UnboundedPercent(50), 7, 4),
            (UnboundedPercent(50), 5000, 2500),
            (UnboundedPercent(200), 10, 20),
            (Count(1), 1000, 1),
            (Count(7), 1, 7),
        ];
        for (threshold, desired, expected) in rows {
            assert_eq!(threshold.of(desired), expected, "{threshold:?} of {desired}");
        }
    }

    #[test]
    fn early_success_rounds_up() {
        for (percent, desired, expected) in [(50, 3, 2), (0, 3, 0), (100, 3, 3), (1, 200, 2), (34, 3, 2)] {
            let early = EarlySuccess { healthy_percent: percent, after_cleanup: false };
            assert_eq!(early.needed(desired), expected, "{percent} % of {desired}");
        }
    }
}
