//! Counts what a service has: every task that is not over, by what is to become of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::health::{Examination, Fitness, started_at};
use crate::container_instance::InstanceStatus;
use crate::id::{DeploymentId, TaskDefinitionKey, TaskId};
use crate::plan::Policy;
use crate::plan::deployment::Counts;
use crate::plan::scale_in::Standing;
use crate::service::{Deployment, STABLE_RUN, Service};
use crate::state::{Ended, State};
use crate::task::{DesiredStatus, Task, TaskStatus};
use crate::task_definition::TaskDefinition;
use crate::time::Timestamp;

/// The tasks of a service.
#[derive(Default)]
pub(super) struct Census<'a> {
    /// Wanted, and on instances that answer.
    pub(super) present: Vec<Present<'a>>,
    /// Wanted by a deployment that is over, wherever they are.
    pub(super) orphans: Vec<TaskId>,
    /// PENDING and RUNNING tasks on instances that answer, which should stop.
    leaving: u32,
    /// Deployments of which any task is not over.
    pub(super) deployments: BTreeSet<DeploymentId>,
    /// Tasks of the primary deployment that ended by themselves since its last crash, that one included. Their places
    /// are what the wait after a crash is about; others are filled at once.
    pub(super) crashed: u32,
    /// When all that run will have run for a stable while.
    pub(super) stable_at: Option<Timestamp>,
    /// Tasks that others were started in the place of, elsewhere.
    replaced: BTreeSet<TaskId>,
    /// When the earliest judgement changes by itself.
    pub(super) changes_at: Option<Timestamp>,
}

/// A task that is wanted and there.
pub(super) struct Present<'a> {
    pub(super) task: &'a Task,
    pub(super) part: Part,
    pub(super) fitness: Fitness,
    is_on_draining: bool,
    is_settling: bool,
}

/// What is to become of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// It stays.
    Current,
    /// Its deployment is being replaced.
    Old,
    /// Its health check fails: to be replaced by one of its own deployment.
    Unhealthy,
    /// Its instance is DRAINING, or it is being moved: to be replaced by one of its own deployment.
    Draining,
}

// === impl Census ===

impl<'a> Census<'a> {
    /// Counts all tasks of a service, or only those of one deployment.
    pub(super) fn take(
        view: &'a State,
        service: &'a Service,
        primary: &Deployment,
        now: Timestamp,
        policy: &Policy,
        only: Option<DeploymentId>,
    ) -> Self {
        let mut census = Self::default();
        let mut definitions = Definitions { view, known: BTreeMap::new() };
        let grace = service.spec.health_check_grace_period_seconds.unwrap_or(0);
        let grace = Duration::from_secs(u64::try_from(grace).unwrap_or(0));
        let examination = Examination { now, policy, grace };
        census.replaced = replaced(view, service);
        let counts = |task: &&std::sync::Arc<Task>| only.is_none_or(|id| task.deployment() == Some(id));
        for task in view.tasks_of(&service.key).filter(counts) {
            if task.is_stopped() {
                census.crashed += u32::from(is_crash_of_last_round(view, task, primary));
            } else {
                census.add(view, service, primary, task, &mut definitions, &examination);
            }
        }
        census
    }

    fn add(
        &mut self,
        view: &'a State,
        service: &Service,
        primary: &Deployment,
        task: &'a Task,
        definitions: &mut Definitions<'a>,
        examination: &Examination<'_>,
    ) {
        let Some(deployment) = task.deployment() else { return };
        self.deployments.insert(deployment);
        let instance = view.instance(task.instance).filter(|instance| instance.connected);
        if task.desired == DesiredStatus::Stopped {
            self.leaving += u32::from(instance.is_some() && occupies(task));
            self.crashed += u32::from(is_failure_of_last_round(task, primary));
            return;
        }
        if service.deployment(deployment).is_none() {
            self.leaving += u32::from(instance.is_some() && occupies(task));
            self.orphans.push(task.id);
            return;
        }
        // On a lost instance: absent, and nothing is known that could be acted on.
        let Some(instance) = instance else { return };
        let facts = definitions.get(&task.definition).map(|definition| &definition.facts);
        let verdict = examination.judge(task, facts, instance);
        self.changes_at = earliest(self.changes_at, verdict.changes_at);
        let is_on_draining = instance.status != InstanceStatus::Active;
        let part = match verdict.fitness {
            _ if deployment != primary.id => Part::Old,
            _ if is_on_draining || self.replaced.contains(&task.id) => Part::Draining,
            Fitness::Unhealthy => Part::Unhealthy,
            Fitness::Pending | Fitness::Warming | Fitness::Healthy => Part::Current,
        };
        self.crashed += u32::from(part == Part::Unhealthy && is_failure_of_last_round(task, primary));
        if task.observed.last_status == TaskStatus::Running {
            self.stable_at = self.stable_at.max(Some(started_at(task).plus(STABLE_RUN)));
        }
        let (fitness, is_settling) = (verdict.fitness, verdict.is_settling);
        self.present.push(Present { task, part, fitness, is_on_draining, is_settling });
    }

    /// What the arithmetic needs.
    pub(super) fn counts(&self, service: &Service) -> Counts {
        let desired = service.desired_count;
        let mut counts = Counts {
            desired,
            floor: service.bounds.floor(desired),
            ceiling: service.bounds.ceiling(desired),
            occupied: self.leaving,
            leaving: self.leaving,
            ..Counts::default()
        };
        for present in &self.present {
            let occupies = u32::from(occupies(present.task));
            counts.occupied += occupies;
            let is_healthy = present.fitness == Fitness::Healthy;
            match present.part {
                Part::Current => {
                    counts.current += 1;
                    counts.current_settled += u32::from(!present.is_settling);
                    counts.current_healthy += u32::from(is_healthy);
                }
                Part::Unhealthy => counts.unhealthy += 1,
                Part::Old | Part::Draining if present.fitness == Fitness::Pending => {
                    counts.leaving += occupies;
                }
                Part::Old if is_healthy => counts.old_healthy += 1,
                Part::Old => counts.old_shaky += 1,
                Part::Draining if is_healthy => counts.draining_healthy += 1,
                Part::Draining => counts.draining_shaky += 1,
            }
        }
        counts
    }

    /// Whether every task is where, what and how it should be, and `desired` of them are.
    pub(super) fn is_all_well(&self, desired: u32) -> bool {
        let well = |present: &Present<'_>| {
            present.part == Part::Current && present.fitness == Fitness::Healthy && !present.is_settling
        };
        self.orphans.is_empty()
            && self.leaving == 0
            && u32::try_from(self.present.len()) == Ok(desired)
            && self.present.iter().all(well)
    }

    /// Whether nothing is on its way: whatever does not happen now does not happen by waiting.
    pub(super) fn is_at_rest(&self) -> bool {
        self.leaving == 0 && self.present.iter().all(|present| present.fitness == Fitness::Healthy)
    }

    /// Tasks that spread does not count when it places their successors.
    pub(super) fn not_staying(&self) -> BTreeSet<TaskId> {
        let going = self.present.iter().filter(|present| present.part != Part::Current);
        going.map(|present| present.task.id).chain(self.orphans.iter().copied()).collect()
    }
}

// === impl Present ===

impl Present<'_> {
    /// Its place in the order of stopping.
    pub(super) fn standing(&self) -> Standing {
        match self.fitness {
            _ if self.is_on_draining => Standing::Draining,
            Fitness::Pending => Standing::Pending,
            Fitness::Unhealthy => Standing::Unhealthy,
            Fitness::Warming => Standing::Warming,
            Fitness::Healthy => Standing::Healthy,
        }
    }

    /// Whether it can be spared without mistaking one that is dead for one that lives.
    pub(super) fn is_settled(&self) -> bool {
        !self.is_settling
    }
}

/// The tasks in whose place others were started that are there and should run.
fn replaced(view: &State, service: &Service) -> BTreeSet<TaskId> {
    let successors = view.tasks_of(&service.key).filter(|task| {
        task.desired == DesiredStatus::Running && !task.is_stopped() && view.is_reachable(task)
    });
    successors.filter_map(|task| task.scheduling.replaces).collect()
}

/// Whether it counts against the ceiling: a task that was told to stop does until its agent says that it is stopping.
fn occupies(task: &Task) -> bool {
    task.observed.last_status <= TaskStatus::Running
}

/// Whether it ended by itself in the last round of crashes that were counted.
pub(super) fn is_crash_of_last_round(view: &State, task: &Task, primary: &Deployment) -> bool {
    if is_failure_of_last_round(task, primary) {
        return true;
    }
    if task.stop.is_some() || task.deployment() != Some(primary.id) {
        return false;
    }
    let ended_at = view.ended_at.get(&Ended::Task(task.id)).copied();
    primary.last_crash_at.is_some() && ended_at >= primary.last_crash_at
}

/// Whether it was found to fail its health checks in the last round of failures that were counted.
fn is_failure_of_last_round(task: &Task, primary: &Deployment) -> bool {
    task.deployment() == Some(primary.id)
        && task.unhealthy_at.is_some()
        && task.unhealthy_at >= primary.last_crash_at
}

pub(super) fn earliest(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// The task definitions met so far: there are few of them and many tasks.
struct Definitions<'a> {
    view: &'a State,
    known: BTreeMap<&'a TaskDefinitionKey, Option<&'a TaskDefinition>>,
}

// === impl Definitions ===

impl<'a> Definitions<'a> {
    fn get(&mut self, key: &'a TaskDefinitionKey) -> Option<&'a TaskDefinition> {
        let view = self.view;
        *self.known.entry(key).or_insert_with(|| view.task_definition(key).map(|definition| &**definition))
    }
}
