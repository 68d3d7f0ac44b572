//! What is said of service deployments: by the planner, by people, and by the hooks that they wait for.

use serde::{Deserialize, Serialize};

use crate::id::{DeploymentId, Generation, HookId, ServiceDeploymentId, ServiceKey, TaskId};
use crate::service::rollout::{HookRun, HookStatus, NewRecord, ServiceDeploymentStatus, Stage, StopKind};
use crate::service::settings::HookAction;
use crate::service::task_set::TaskSet;
use crate::time::Timestamp;

/// One thing that the planner found out about a service deployment. Those about the one under way are void when there
/// is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RolloutStep {
    /// These tasks were found to fail their health checks, and count as failures from now on.
    Unhealthy(Vec<TaskId>),
    /// A task became healthy: the failures before it are forgotten.
    ForgetFailures,
    /// The successors of the failed tasks of this deployment start then; or wait no longer.
    RetryAt(DeploymentId, Option<Timestamp>),
    /// It is at this stage.
    Enter(Stage),
    /// A hook begins.
    BeginHook(HookRun),
    /// A hook is over.
    EndHook {
        /// The hook.
        id: HookId,
        /// How it ended.
        status: HookStatus,
        /// Why.
        reason: String,
    },
    /// It goes back to this revision.
    RollBack {
        /// The revision.
        to: DeploymentId,
        /// Why.
        reason: String,
    },
    /// This deployment is given up: nothing of it starts any more.
    Halt(DeploymentId),
    /// It is over.
    End {
        /// How.
        status: ServiceDeploymentStatus,
        /// Why; empty when there is nothing to say.
        reason: String,
    },
    /// What there is to say of it meanwhile.
    Say(String),
}

/// Somebody wants a service deployment to stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopServiceDeployment {
    /// The service.
    pub key: ServiceKey,
    /// The service deployment.
    pub id: ServiceDeploymentId,
    /// Whether it is to go back.
    pub kind: StopKind,
}

/// Somebody decided for a hook that waits for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContinueServiceDeployment {
    /// The service.
    pub key: ServiceKey,
    /// The service deployment.
    pub id: ServiceDeploymentId,
    /// The hook.
    pub hook: HookId,
    /// How to go on.
    pub action: HookAction,
}

/// What a webhook answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordHook {
    /// The service.
    pub key: ServiceKey,
    /// The service deployment.
    pub id: ServiceDeploymentId,
    /// The hook.
    pub hook: HookId,
    /// Succeeded or failed.
    pub status: HookStatus,
    /// Why.
    pub reason: String,
}

/// Somebody wants an earlier revision back, with the images that it ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RollBackService {
    /// The service.
    pub key: ServiceKey,
    /// The generation that the caller saw.
    pub generation: Generation,
    /// The revision.
    pub revision: DeploymentId,
    /// The deployment that repeats it.
    pub deployment: DeploymentId,
    /// The service deployment that this makes.
    pub record: NewRecord,
}

/// A change of the task sets of a service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChangeTaskSets {
    /// The service.
    pub key: ServiceKey,
    /// The generation that was seen.
    pub generation: Generation,
    /// What to do.
    pub change: TaskSetChange,
}

/// What to do to the task sets of a service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum TaskSetChange {
    /// Makes one.
    Create(Box<TaskSet>),
    /// Changes the share of one.
    Scale {
        /// Which.
        id: DeploymentId,
        /// In hundredths of a percent.
        basis_points: u32,
    },
    /// Makes one the primary one; the one that was is ACTIVE.
    Promote(DeploymentId),
    /// Makes one DRAINING.
    Delete(DeploymentId),
    /// What the planner found: whose stability changed, and which DRAINING ones are gone.
    Advance {
        /// Which are stable now, and which are not any more.
        stable: Vec<(DeploymentId, bool)>,
        /// Those with nothing left.
        gone: Vec<DeploymentId>,
    },
}
