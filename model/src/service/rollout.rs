//! Service revisions and service deployments: what a service was to run at a time, and the way from one to the next.
//!
//! A deployment and the service revision that it rolls out have the same number: tasks carry it as `startedBy`. A
//! service deployment goes from one revision to another; when it fails it may go back, and is still the same one.

use std::collections::BTreeMap;
use std::sync::Arc;

use berth_proto::ecs::v1 as pb;
use imbl::{OrdMap, Vector};
use serde::{Deserialize, Serialize};

use super::settings::HookAction;
use super::{Deployment, Service};
use crate::id::{DeploymentId, HookId, ServiceDeploymentId, TaskDefinitionKey, TaskId};
use crate::limits::SERVICE_DEPLOYMENTS;
use crate::time::Timestamp;
use crate::wire::Wire;

/// The past of a service, and its present.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Records {
    /// Every revision that a service deployment below refers to.
    #[serde(default)]
    pub revisions: OrdMap<DeploymentId, Arc<ServiceRevision>>,
    /// Oldest first, the newest [`SERVICE_DEPLOYMENTS`]. Only the last may be under way.
    #[serde(default)]
    pub deployments: Vector<Arc<ServiceDeployment>>,
}

/// What a service was to run at a time. Only the digests are filled in later, as they become known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceRevision {
    /// Its number.
    pub id: DeploymentId,
    /// What its tasks run.
    pub task_definition: TaskDefinitionKey,
    /// When it was made.
    pub created_at: Timestamp,
    /// Network, load balancers and the rest that belongs to a revision.
    pub spec: Wire<pb::Service>,
    /// What each container's image was when the first task of this revision was started: `sha256:…`. Every later task
    /// gets the same, whatever the tag means by then.
    #[serde(default)]
    pub images: BTreeMap<String, String>,
}

/// The way from one revision to another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceDeployment {
    /// Its id.
    pub id: ServiceDeploymentId,
    /// How far it is.
    pub status: ServiceDeploymentStatus,
    /// Why it is what it is; empty when there is nothing to say.
    pub status_reason: String,
    /// The revisions that had tasks when it began.
    pub sources: Vec<DeploymentId>,
    /// The revision to reach.
    pub target: DeploymentId,
    /// At which stage it is.
    pub stage: Stage,
    /// Its hooks so far, in the order in which they began.
    pub hooks: Vec<HookRun>,
    /// Whether it goes back.
    pub rollback: Option<Rollback>,
    /// Whether somebody asked it to stop, and how.
    #[serde(default)]
    pub stop_requested: Option<StopKind>,
    /// Tasks of the target revision that failed, as the circuit breaker counts them.
    pub failures: u32,
    /// When the last of them did.
    pub failed_at: Option<Timestamp>,
    /// The first of them, which mostly says it all.
    pub first_failure: Option<TaskFailure>,
    /// At how many failures it is given up; none without a circuit breaker.
    pub threshold: Option<u32>,
    /// What it was configured with.
    pub configuration: Wire<pb::DeploymentConfiguration>,
    /// How long its parts took.
    pub phases: Phases,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When it came to its end.
    pub finished_at: Option<Timestamp>,
}

/// How far a service deployment is. Source: ECS API, `ServiceDeployment.status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServiceDeploymentStatus {
    /// It has not begun.
    Pending,
    /// Towards its target.
    InProgress,
    /// It was asked to stop.
    StopRequested,
    /// It was stopped, failed for good, or another took its place.
    Stopped,
    /// Its target is reached.
    Successful,
    /// It was asked to go back.
    RollbackRequested,
    /// On its way back.
    RollbackInProgress,
    /// It is back.
    RollbackSuccessful,
    /// It could not go back.
    RollbackFailed,
}

/// The stages of a service deployment, in their order. A rolling one knows those that have nothing to do with traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Stage {
    /// More than one revision had tasks when it began.
    ReconcileService,
    /// No task of the target was started.
    PreScaleUp,
    /// Tasks of the target start.
    ScaleUp,
    /// All of them are up.
    PostScaleUp,
    /// Test traffic moves.
    TestTrafficShift,
    /// Test traffic has moved.
    PostTestTrafficShift,
    /// Before production traffic moves, or moves one step further.
    PreProductionTrafficShift,
    /// Production traffic moves.
    ProductionTrafficShift,
    /// Production traffic has moved.
    PostProductionTrafficShift,
    /// Both revisions run for a while.
    BakeTime,
    /// The tasks that were replaced go.
    CleanUp,
}

/// A hook at one stage of one service deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookRun {
    /// Its id.
    pub id: HookId,
    /// Its place in the settings of the service.
    pub hook: u32,
    /// The stage that it holds up.
    pub stage: Stage,
    /// How far it is.
    pub status: HookStatus,
    /// Why it is what it is; empty when there is nothing to say.
    pub reason: String,
    /// The task that it runs, if it runs one.
    pub task: Option<TaskId>,
    /// When it began.
    pub began_at: Timestamp,
    /// When it is over, whatever it says.
    pub expires_at: Timestamp,
    /// What happens then.
    pub on_timeout: HookAction,
    /// What is echoed of its target.
    pub target_arn: String,
}

/// How far a hook is. Source: ECS API, `DeploymentLifecycleHookStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HookStatus {
    /// It waits for ContinueServiceDeployment.
    AwaitingAction,
    /// It is at it.
    InProgress,
    /// The deployment may go on.
    Succeeded,
    /// It may not.
    Failed,
    /// It took too long.
    TimedOut,
}

/// The way back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollback {
    /// Why.
    pub reason: String,
    /// Since when.
    pub started_at: Timestamp,
    /// To which revision.
    pub revision: DeploymentId,
    /// Tasks of that revision that have failed since.
    #[serde(default)]
    pub failures: u32,
}

/// How a service deployment was asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopKind {
    /// Everything stays as it is.
    Abort,
    /// The service goes back to the last revision that worked.
    RollBack,
}

/// A task that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskFailure {
    /// The task.
    pub task: TaskId,
    /// ECS's text.
    pub reason: String,
    /// What its container wrote last.
    pub last_log_lines: Vec<String>,
    /// When.
    pub at: Timestamp,
}

/// How long the parts of a service deployment took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phases {
    /// Images of the target's tasks were pulled.
    pub pull: Option<Span>,
    /// Its tasks started.
    pub start: Option<Span>,
    /// From the first that ran until all were healthy.
    pub settle: Option<Span>,
    /// The tasks that were replaced stopped.
    pub drain: Option<Span>,
}

/// From the first that began to the last that was through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The first began.
    pub from: Timestamp,
    /// The last was through.
    pub to: Timestamp,
}

/// What makes a service deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewRecord {
    /// Its id.
    pub id: ServiceDeploymentId,
    /// The digests that its revision begins with: those of the revision that it repeats.
    #[serde(default)]
    pub images: BTreeMap<String, String>,
}

// === impl Records ===

impl Records {
    /// The service deployment that is under way.
    pub fn current(&self) -> Option<&ServiceDeployment> {
        self.deployments.back().map(|last| &**last).filter(|last| !last.status.is_over())
    }

    /// The same, to change it.
    pub(crate) fn current_mut(&mut self) -> Option<&mut ServiceDeployment> {
        let last = self.deployments.back_mut()?;
        if last.status.is_over() { None } else { Some(Arc::make_mut(last)) }
    }

    /// A service deployment by id.
    pub fn get(&self, id: ServiceDeploymentId) -> Option<&ServiceDeployment> {
        self.deployments.iter().rev().map(|deployment| &**deployment).find(|deployment| deployment.id == id)
    }

    /// The last revision that worked and is not this one.
    pub fn last_good(&self, other_than: DeploymentId) -> Option<&ServiceRevision> {
        let reached = self.deployments.iter().rev().filter_map(|deployment| deployment.reached());
        let known = reached.filter(|id| *id != other_than).find_map(|id| self.revisions.get(&id));
        known.map(|revision| &**revision)
    }

    /// The revision to go back to from this one when nobody names one: the last that worked, or, when none was given the
    /// time to, the one before.
    pub fn predecessor(&self, of: DeploymentId) -> Option<&ServiceRevision> {
        let before = || {
            let mut targets = self.deployments.iter().rev().map(|deployment| deployment.target);
            let before = targets.find(|target| *target != of)?;
            self.revisions.get(&before).map(|revision| &**revision)
        };
        self.last_good(of).or_else(before)
    }

    /// Drops what is too much.
    pub(crate) fn trim(&mut self, in_force: &[Deployment]) {
        while self.deployments.len() > SERVICE_DEPLOYMENTS {
            self.deployments.pop_front();
        }
        let recorded = self.deployments.iter().flat_map(|deployment| deployment.revisions());
        let used: std::collections::BTreeSet<DeploymentId> =
            recorded.chain(in_force.iter().map(|deployment| deployment.id)).collect();
        if self.revisions.len() > used.len() {
            let unused = self.revisions.keys().filter(|id| !used.contains(id)).copied();
            for id in unused.collect::<Vec<_>>() {
                self.revisions.remove(&id);
            }
        }
    }
}

// === impl Service ===

impl Service {
    /// Records that the service deployment `new` to the primary deployment begins. One that is under way ends with it.
    pub fn begin_record(&mut self, new: &NewRecord, now: Timestamp) {
        let Some(target) = self.primary().cloned() else { return };
        if let Some(last) = self.records.current_mut() {
            let reason = "Another service deployment took its place.";
            last.end(ServiceDeploymentStatus::Stopped, reason, now);
        }
        let revision = ServiceRevision {
            id: target.id,
            task_definition: target.task_definition.clone(),
            created_at: now,
            spec: self.spec.clone(),
            images: new.images.clone(),
        };
        self.records.revisions.entry(target.id).or_insert_with(|| Arc::new(revision));
        // A service from before there were revisions has deployments without one.
        let is_known = |deployment: &&Deployment| self.records.revisions.contains_key(&deployment.id);
        let others = self.deployments.iter().filter(|deployment| deployment.id != target.id).filter(is_known);
        let breaker = self.settings.breaker.as_ref();
        let record = ServiceDeployment {
            id: new.id,
            status: ServiceDeploymentStatus::InProgress,
            status_reason: String::new(),
            sources: others.map(|deployment| deployment.id).collect(),
            target: target.id,
            stage: Stage::PreScaleUp,
            hooks: Vec::new(),
            rollback: None,
            stop_requested: None,
            failures: 0,
            failed_at: None,
            first_failure: None,
            threshold: breaker.map(|breaker| breaker.threshold.of(self.desired_count)),
            configuration: Wire::new(self.spec.deployment_configuration.clone().unwrap_or_default()),
            phases: Phases::default(),
            created_at: now,
            updated_at: now,
            finished_at: None,
        };
        self.records.deployments.push_back(Arc::new(record));
        self.records.trim(&self.deployments);
    }
}

// === impl ServiceDeployment ===

impl ServiceDeployment {
    /// Whether it is still on its way to its target, rather than back or over.
    pub fn is_forward(&self) -> bool {
        !self.status.is_over() && self.rollback.is_none()
    }

    /// The revision at which it ended well.
    pub fn reached(&self) -> Option<DeploymentId> {
        match self.status {
            ServiceDeploymentStatus::Successful => Some(self.target),
            ServiceDeploymentStatus::RollbackSuccessful => {
                self.rollback.as_ref().map(|rollback| rollback.revision)
            }
            ServiceDeploymentStatus::Pending
            | ServiceDeploymentStatus::InProgress
            | ServiceDeploymentStatus::StopRequested
            | ServiceDeploymentStatus::Stopped
            | ServiceDeploymentStatus::RollbackRequested
            | ServiceDeploymentStatus::RollbackInProgress
            | ServiceDeploymentStatus::RollbackFailed => None,
        }
    }

    /// Every revision that it refers to.
    pub fn revisions(&self) -> impl Iterator<Item = DeploymentId> {
        let back = self.rollback.as_ref().map(|rollback| rollback.revision);
        self.sources.iter().copied().chain([self.target]).chain(back)
    }

    /// The hooks of this stage.
    pub fn hooks_at(&self, stage: Stage) -> impl Iterator<Item = &HookRun> {
        self.hooks.iter().filter(move |run| run.stage == stage)
    }

    pub(crate) fn end(&mut self, status: ServiceDeploymentStatus, reason: &str, now: Timestamp) {
        self.status = status;
        reason.clone_into(&mut self.status_reason);
        (self.updated_at, self.finished_at) = (now, Some(now));
        for run in self.hooks.iter_mut().filter(|run| !run.status.is_over()) {
            run.status = HookStatus::Failed;
            "The service deployment ended.".clone_into(&mut run.reason);
        }
    }
}

// === impl ServiceDeploymentStatus ===

impl ServiceDeploymentStatus {
    /// Whether nothing comes after it.
    pub const fn is_over(self) -> bool {
        match self {
            Self::Pending
            | Self::InProgress
            | Self::StopRequested
            | Self::RollbackRequested
            | Self::RollbackInProgress => false,
            Self::Stopped | Self::Successful | Self::RollbackSuccessful | Self::RollbackFailed => true,
        }
    }
}

// === impl Stage ===

impl Stage {
    /// As the API spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReconcileService => "RECONCILE_SERVICE",
            Self::PreScaleUp => "PRE_SCALE_UP",
            Self::ScaleUp => "SCALE_UP",
            Self::PostScaleUp => "POST_SCALE_UP",
            Self::TestTrafficShift => "TEST_TRAFFIC_SHIFT",
            Self::PostTestTrafficShift => "POST_TEST_TRAFFIC_SHIFT",
            Self::PreProductionTrafficShift => "PRE_PRODUCTION_TRAFFIC_SHIFT",
            Self::ProductionTrafficShift => "PRODUCTION_TRAFFIC_SHIFT",
            Self::PostProductionTrafficShift => "POST_PRODUCTION_TRAFFIC_SHIFT",
            Self::BakeTime => "BAKE_TIME",
            Self::CleanUp => "CLEAN_UP",
        }
    }
}

// === impl HookStatus ===

impl HookStatus {
    /// Whether it will not change any more.
    pub const fn is_over(self) -> bool {
        match self {
            Self::AwaitingAction | Self::InProgress => false,
            Self::Succeeded | Self::Failed | Self::TimedOut => true,
        }
    }
}

// === impl Span ===

impl Span {
    /// Widens what is there so that it reaches from here to there.
    pub fn widen(span: &mut Option<Self>, from: Timestamp, to: Timestamp) {
        let to = to.max(from);
        let wider =
            span.map_or(Self { from, to }, |span| Self { from: span.from.min(from), to: span.to.max(to) });
        *span = Some(wider);
    }
}
