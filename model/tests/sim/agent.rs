//! A fake agent on a fake host: runs what its manifest says, reports when it is heard, keeps running when it is not.

use std::collections::BTreeMap;
use std::time::Duration;

use berth_model::command::TaskReport;
use berth_model::container_instance::ContainerInstance;
use berth_model::id::{InstanceId, TaskDefinitionKey, TaskId};
use berth_model::state::State;
use berth_model::task::{
    ContainerObservation, ContainerStatus, DesiredStatus, Health, Observed, PortBinding, Stop, StopCode,
    TaskStatus,
};
use berth_model::time::Timestamp;

use crate::fixture::Dice;

/// What becomes of tasks of a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Fine,
    SlowStart,
    FailsToStart,
    Crashes,
    NeverHealthy,
    /// Runs for a moment and ends with this exit code.
    Ends(i32),
}

/// A host, its agent and the containers on it.
pub(crate) struct Agent {
    pub(crate) offer: ContainerInstance,
    /// Nobody hears it until then.
    pub(crate) cut_until: Timestamp,
    /// It is off until then.
    pub(crate) off_until: Timestamp,
    pub(crate) tasks: BTreeMap<TaskId, Local>,
    /// Ports that its engine gave out.
    next_port: u16,
}

/// A task as its agent knows it.
pub(crate) struct Local {
    pub(crate) observed: Observed,
    fate: Fate,
    is_checked: bool,
    /// When it moves on by itself.
    next_at: Option<Timestamp>,
    /// Not reported yet.
    is_news: bool,
}

// === impl Agent ===

impl Agent {
    pub(crate) fn new(offer: ContainerInstance) -> Self {
        let never = Timestamp::from_unix_ms(0);
        Self { offer, cut_until: never, off_until: never, tasks: BTreeMap::new(), next_port: 32_768 }
    }

    pub(crate) fn id(&self) -> InstanceId {
        self.offer.id
    }

    pub(crate) fn is_on(&self, now: Timestamp) -> bool {
        self.off_until <= now
    }

    pub(crate) fn is_heard(&self, now: Timestamp) -> bool {
        self.is_on(now) && self.cut_until <= now
    }

    /// The host goes off; its containers are gone when it is back.
    pub(crate) fn power_off(&mut self, now: Timestamp, until: Timestamp) {
        self.off_until = until;
        for local in self.tasks.values_mut().filter(|local| local.observed.last_status < TaskStatus::Stopped)
        {
            local.stop(now);
        }
    }

    /// Compares with the manifest and begins what is missing.
    pub(crate) fn accept_manifest(
        &mut self,
        state: &State,
        now: Timestamp,
        fates: &BTreeMap<TaskDefinitionKey, Fate>,
        dice: &mut Dice,
    ) {
        for task in state.tasks_on(self.offer.id).filter(|task| task.is_on_manifest()) {
            let should_run = task.desired == DesiredStatus::Running;
            let local = self.tasks.entry(task.id).or_insert_with(|| {
                let facts = state.task_definition(&task.definition).map(|definition| &definition.facts);
                Local {
                    observed: Observed::default(),
                    fate: match task.awaited_by() {
                        Some(_) => Fate::Ends(i32::from(dice.percent(20))),
                        None => fates.get(&task.definition).copied().unwrap_or(Fate::Fine),
                    },
                    is_checked: facts.is_some_and(|facts| facts.has_health_check()),
                    next_at: Some(now.plus(Duration::from_millis(200 + dice.below(2500)))),
                    is_news: false,
                }
            });
            match local.observed.last_status {
                TaskStatus::Stopped | TaskStatus::Stopping => {}
                TaskStatus::Running if !should_run => {
                    local.change(|observed| observed.last_status = TaskStatus::Stopping);
                    local.next_at = Some(now.plus(Duration::from_millis(dice.below(4000))));
                }
                _ if !should_run => local.stop(now),
                _ => {}
            }
        }
        let known: Vec<TaskId> = self.tasks.keys().copied().collect();
        for id in known.into_iter().filter(|id| state.task(*id).is_none()) {
            self.tasks.remove(&id);
        }
    }

    /// What happens on the host by itself.
    pub(crate) fn live(&mut self, now: Timestamp, dice: &mut Dice) {
        if !self.is_on(now) {
            return;
        }
        for local in self.tasks.values_mut() {
            if local.next_at.is_some_and(|at| at <= now) {
                let port = self.next_port;
                self.next_port = 32_768 + (self.next_port - 32_767) % 64;
                local.move_on(now, port, dice);
            }
        }
    }

    /// News since the last time.
    pub(crate) fn reports(&mut self) -> Vec<TaskReport> {
        let news = self.tasks.iter_mut().filter(|(_, local)| local.is_news);
        let reports = news.map(|(task, local)| {
            local.is_news = false;
            TaskReport { task: *task, observed: local.observed.clone() }
        });
        reports.collect()
    }
}

// === impl Local ===

impl Local {
    fn change(&mut self, change: impl FnOnce(&mut Observed)) {
        change(&mut self.observed);
        self.observed.report_version += 1;
        self.is_news = true;
        self.next_at = None;
    }

    fn stop(&mut self, now: Timestamp) {
        self.change(|observed| {
            observed.last_status = TaskStatus::Stopped;
            observed.stopped_at = Some(now);
            observed
                .containers
                .iter_mut()
                .for_each(|container| container.last_status = ContainerStatus::Stopped);
        });
    }

    fn move_on(&mut self, now: Timestamp, port: u16, dice: &mut Dice) {
        let after = |ms: u64| Some(now.plus(Duration::from_millis(ms)));
        match (self.observed.last_status, self.fate) {
            (TaskStatus::Pending, Fate::SlowStart) => {
                self.change(|observed| observed.last_status = TaskStatus::Activating);
                self.next_at = after(5_000 + dice.below(15_000));
            }
            (TaskStatus::Pending, Fate::FailsToStart) => {
                let reason = "CannotPullContainerError: no such image".into();
                let stop = Stop { code: StopCode::TaskFailedToStart, reason, at: now };
                self.change(|observed| observed.stop = Some(stop));
                self.stop(now);
            }
            (TaskStatus::Pending | TaskStatus::Activating, fate) => {
                self.change(|observed| {
                    observed.last_status = TaskStatus::Running;
                    observed.started_at = Some(now);
                    observed.containers = vec![container(port)];
                });
                self.next_at = match fate {
                    Fate::Crashes => after(500 + dice.below(8000)),
                    Fate::Ends(_) => after(200 + dice.below(2000)),
                    _ if self.is_checked => after(1000 + dice.below(2000)),
                    _ => None,
                };
            }
            (TaskStatus::Running, Fate::Ends(code)) => {
                let reason = "Essential container in task exited".into();
                let stop = Stop { code: StopCode::EssentialContainerExited, reason, at: now };
                self.change(|observed| {
                    observed.stop = Some(stop);
                    observed.containers.iter_mut().for_each(|container| container.exit_code = Some(code));
                });
                self.stop(now);
            }
            (TaskStatus::Running, Fate::NeverHealthy) if self.is_checked => {
                self.change(|observed| observed.health = Health::Unhealthy);
            }
            (TaskStatus::Running, Fate::Fine | Fate::SlowStart) if self.is_checked => {
                self.change(|observed| observed.health = Health::Healthy);
            }
            (TaskStatus::Running | TaskStatus::Stopping, _) => self.stop(now),
            (
                TaskStatus::Provisioning
                | TaskStatus::Deactivating
                | TaskStatus::Deprovisioning
                | TaskStatus::Stopped,
                _,
            ) => self.next_at = None,
        }
    }
}

fn container(port: u16) -> ContainerObservation {
    let binding = PortBinding {
        bind_ip: "0.0.0.0".into(),
        container_port: 8080,
        host_port: port,
        udp: false,
        further: 0,
    };
    ContainerObservation {
        name: "app".into(),
        runtime_id: format!("container-{port}"),
        image_digest: String::new(),
        last_status: ContainerStatus::Running,
        exit_code: None,
        reason: String::new(),
        bindings: vec![binding],
        health: Health::Unknown,
        last_log_lines: Vec::new(),
    }
}
