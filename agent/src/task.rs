//! One task: the sole owner of everything that is known of it.
//!
//! It does nothing itself. It is told what was observed, asked what to do next ([`Task::next`]), and asked what to say
//! of itself ([`Task::report`]). What it decides is [`next_step`]'s; here is only what must be remembered between two
//! steps. Statuses only move forward, whatever arrives twice or late.

use std::net::Ipv4Addr;
use std::sync::Arc;

use berth_model::resource::Requirements;
use berth_model::task::step::{self, Action, DesiredStatus, Stage, Step, StopCause, next_step};
use berth_proto::ecs::v1 as ecs;

use crate::manifest::DesiredTask;
use crate::runtime;

pub mod container;
pub mod hooks;
mod report;
mod restore;

pub use container::Container;
pub use report::{timestamp, unix_ms};

/// What a task wants done, and when it wants to be asked again.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Next {
    /// Operations to begin, by position of the container.
    pub begin: Vec<(usize, Action)>,
    /// When something runs out, if nothing happens before.
    pub wake_at_ms: Option<i64>,
}

/// Where the controller has a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// On the manifest.
    Wanted,
    /// It ran here before the manifest was known not to have it. It goes on until its stop is confirmed.
    Orphan,
}

/// How the task has come to its end, or will.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stopping {
    /// None: the controller knows why.
    code: Option<ecs::TaskStopCode>,
    reason: String,
}

/// When what happened, in milliseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Times {
    pull_started: Option<i64>,
    pull_stopped: Option<i64>,
    started: Option<i64>,
    stopping: Option<i64>,
    execution_stopped: Option<i64>,
    stopped: Option<i64>,
}

/// One task on this instance.
#[derive(Debug)]
pub struct Task {
    desired: Arc<DesiredTask>,
    desired_status: DesiredStatus,
    standing: Standing,
    /// Its resources are set aside.
    is_admitted: bool,
    /// When it began to wait for them.
    arrived_at_ms: i64,
    containers: Vec<Container>,
    stopping: Option<Stopping>,
    times: Times,
    /// Its address, once it has one of its own.
    address: Option<Ipv4Addr>,
    is_finished: bool,
    /// Its containers have ended, and it is not seen yet that it has no address any more.
    is_leaving: bool,
    /// The version of the newest report that was made.
    version: u64,
    /// The newest version that a controller has.
    acknowledged: u64,
    /// Something changed since the newest report.
    is_dirty: bool,
}

// === impl Task ===

impl Task {
    /// A task that nothing has been done for.
    #[must_use]
    pub fn new(desired: Arc<DesiredTask>, now_ms: i64) -> Self {
        let status = if desired.stopped { DesiredStatus::Stopped } else { DesiredStatus::Running };
        let containers = desired.definition.containers.iter().map(|_| Container::default()).collect();
        Self {
            desired,
            desired_status: status,
            standing: Standing::Wanted,
            is_admitted: false,
            arrived_at_ms: now_ms,
            containers,
            stopping: None,
            times: Times::default(),
            address: None,
            is_finished: false,
            is_leaving: false,
            version: 0,
            acknowledged: 0,
            is_dirty: false,
        }
    }

    /// What the controller sent.
    #[must_use]
    pub fn desired(&self) -> &Arc<DesiredTask> {
        &self.desired
    }

    /// Its containers, in the order of the task definition.
    #[must_use]
    pub fn containers(&self) -> &[Container] {
        &self.containers
    }

    /// Whether it is on the manifest.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// Puts it on the manifest, or takes it off.
    pub fn set_standing(&mut self, standing: Standing) {
        self.standing = standing;
    }

    /// Whether everything has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.is_finished
    }

    /// Whether it is on its way to its end.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.is_some()
    }

    /// Whether its resources are set aside.
    #[must_use]
    pub fn is_admitted(&self) -> bool {
        self.is_admitted
    }

    /// When it began to wait for its resources.
    #[must_use]
    pub fn arrived_at_ms(&self) -> i64 {
        self.arrived_at_ms
    }

    /// Whether a container has ended, or will not be launched.
    #[must_use]
    pub fn has_ended(&self, at: usize) -> bool {
        self.containers.get(at).is_none_or(|container| container.seen.stage == Stage::Stopped)
    }

    /// What it takes of the instance now: everything at first, less as containers end, and every host port that was
    /// chosen for it.
    #[must_use]
    pub fn held(&self) -> Requirements {
        if !self.is_admitted {
            return Requirements::default();
        }
        let mut held = self.desired.definition.requirements(|at| !self.has_ended(at));
        let live = self.containers.iter().filter(|container| container.seen.stage != Stage::Stopped);
        for binding in live.flat_map(|container| &container.network_bindings) {
            let ports = match binding.protocol() {
                ecs::TransportProtocol::Udp => &mut held.udp_ports,
                ecs::TransportProtocol::Tcp | ecs::TransportProtocol::Unspecified => &mut held.tcp_ports,
            };
            for (_, port) in container::pairs(binding) {
                ports.insert(port);
            }
        }
        held
    }

    /// Sets its resources aside.
    pub fn admit(&mut self) {
        self.is_admitted = true;
    }

    /// Wants it stopped. There is no way back.
    pub fn stop(&mut self) {
        self.desired_status = DesiredStatus::Stopped;
    }

    /// Fails it before anything was launched.
    pub fn refuse(&mut self, reason: impl Into<String>, now_ms: i64) {
        self.begin_stopping(Some(ecs::TaskStopCode::TaskFailedToStart), reason.into(), now_ms);
    }

    /// Decides what to do next. Everything in `begin` is considered begun.
    pub fn next(&mut self, now_ms: i64) -> Next {
        if let Some(fault) = &self.desired.definition.fault {
            let fault = format!("{fault}, taskArn: {}", self.desired.arn);
            self.refuse(fault, now_ms);
        }
        let mut next = Next::default();
        while !self.is_finished {
            match self.step(now_ms) {
                Step::Wait { until_ms } => {
                    next.wake_at_ms = until_ms;
                    break;
                }
                Step::Stop(cause) => self.record_cause(cause, now_ms),
                Step::Finish => self.finish(now_ms),
                // Before it is admitted it may only be given up.
                Step::Act(_) if !self.is_admitted && self.stopping.is_none() => break,
                Step::Act(acts) => {
                    for (at, action) in acts {
                        self.begin(at, action, now_ms);
                        if action != Action::Discard {
                            next.begin.push((at, action));
                        }
                    }
                }
            }
        }
        next
    }

    /// The image of a container is here.
    pub fn pulled(&mut self, at: usize, image: runtime::Image, now_ms: i64) {
        self.times.pull_stopped = Some(now_ms);
        self.update(at, |container| container.pulled(image));
    }

    /// A container exists.
    pub fn created(&mut self, at: usize, runtime_id: String) {
        self.update(at, |container| container.created(runtime_id));
    }

    /// It has an address of its own.
    pub fn addressed(&mut self, address: Ipv4Addr) {
        self.is_dirty |= self.address != Some(address);
        self.address = Some(address);
    }

    /// It has no address, or none any more. Once its containers have ended this is its end.
    pub fn left_network(&mut self, now_ms: i64) {
        if std::mem::take(&mut self.is_leaving) {
            self.times.stopped = Some(now_ms);
            self.is_dirty = true;
        }
    }

    /// The container that holds its network ended: its own are cut off from everything.
    pub fn lose_network(&mut self, now_ms: i64) {
        let reason = "The network interface of the task was lost: its pause container exited";
        self.begin_stopping(Some(ecs::TaskStopCode::EssentialContainerExited), reason.to_owned(), now_ms);
    }

    /// A container runs, or ran already.
    pub fn started(&mut self, at: usize, bindings: Vec<ecs::NetworkBinding>, now_ms: i64) {
        self.update(at, |container| container.started(bindings, now_ms));
        self.is_dirty = true;
        self.note_running(now_ms);
    }

    /// A container was removed before it started: somebody else has ports that were chosen for it.
    pub fn lost_ports(&mut self, at: usize) {
        self.update(at, container::Container::lost_ports);
    }

    /// A container cannot be launched, for this reason.
    pub fn failed(&mut self, at: usize, action: Action, reason: &str) {
        self.update(at, |container| container.failed(action, reason));
        self.is_dirty = true;
    }

    /// A container ended.
    pub fn exited(&mut self, at: usize, exit: &container::Exit) {
        self.is_dirty |= !self.has_ended(at);
        self.update(at, |container| container.exited(exit));
    }

    /// The health check of a container said something.
    pub fn checked(&mut self, at: usize, health: step::Health) {
        if self.containers.get(at).is_some_and(|container| container.seen.health != health) {
            self.update(at, |container| container.seen.health = health);
            self.is_dirty = true;
        }
    }

    /// A controller has the report of this version.
    pub fn acknowledge(&mut self, version: u64) {
        self.acknowledged = self.acknowledged.max(version);
    }

    /// Whether nobody needs to hear of it again.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.is_finished
            && !self.is_leaving
            && !self.is_dirty
            && self.acknowledged >= self.version
            && self.standing == Standing::Orphan
    }

    fn step(&self, now_ms: i64) -> Step {
        let seen: Vec<_> = self.containers.iter().map(|container| container.seen.clone()).collect();
        let desired =
            step::Desired { status: self.desired_status, containers: &self.desired.definition.order };
        next_step(desired, step::Observed { containers: &seen, stopping: self.stopping.is_some(), now_ms })
    }

    fn begin(&mut self, at: usize, action: Action, now_ms: i64) {
        if action == Action::Pull {
            self.times.pull_started.get_or_insert(now_ms);
        }
        if action == Action::Discard {
            self.is_dirty = true;
        }
        self.update(at, |container| container.begin(action));
    }

    fn record_cause(&mut self, cause: StopCause, now_ms: i64) {
        let reason_of =
            |at: usize| self.containers.get(at).map(|container| container.reason.clone()).unwrap_or_default();
        let (code, reason) = match cause {
            StopCause::Desired => (None, String::new()),
            StopCause::EssentialExited(_) => (
                Some(ecs::TaskStopCode::EssentialContainerExited),
                "Essential container in task exited".to_owned(),
            ),
            StopCause::FailedToStart(at) => (Some(ecs::TaskStopCode::TaskFailedToStart), reason_of(at)),
            StopCause::Unresolvable(at) => {
                let reason = format!(
                    "TaskDependencyError: Task dependencies cannot be resolved, taskArn: {}",
                    self.desired.arn
                );
                self.update(at, |container| container.reason.clone_from(&reason));
                (Some(ecs::TaskStopCode::TaskFailedToStart), reason)
            }
        };
        self.begin_stopping(code, reason, now_ms);
    }

    fn begin_stopping(&mut self, code: Option<ecs::TaskStopCode>, reason: String, now_ms: i64) {
        if self.stopping.is_none() {
            self.stopping = Some(Stopping { code, reason });
            self.times.stopping = Some(now_ms);
            self.is_dirty = true;
        }
    }

    fn finish(&mut self, now_ms: i64) {
        self.is_finished = true;
        self.is_dirty = true;
        let last_exit = self.containers.iter().filter_map(|container| container.seen.exited_at_ms).max();
        self.times.execution_stopped = Some(last_exit.unwrap_or(now_ms));
        self.is_leaving = self.desired.definition.network_mode() == ecs::NetworkMode::Awsvpc;
        if !self.is_leaving {
            self.times.stopped = Some(now_ms);
        }
    }

    /// ECS: a task runs when all its essential containers do.
    fn note_running(&mut self, now_ms: i64) {
        let order = &self.desired.definition.order;
        let has_started = |container: &Container| container.seen.started_at_ms.is_some();
        if order
            .iter()
            .zip(&self.containers)
            .all(|(order, container)| !order.essential || has_started(container))
        {
            self.times.started.get_or_insert(now_ms);
        }
    }

    fn update(&mut self, at: usize, change: impl FnOnce(&mut Container)) {
        if let Some(container) = self.containers.get_mut(at) {
            change(container);
        }
    }
}

#[cfg(test)]
mod tests;
