//! How the service deployment under way goes on: through its stages and their hooks, to its end, or back.
//!
//! Decided before anything is started or stopped: a deployment that is given up starts nothing more.

use super::census::{Census, Part};
use super::health::{Fitness, started_at};
use super::hooks::Gate;
use super::{Round, advance, events};
use crate::command::{AdvanceService, Command, RolloutStep};
use crate::id::TaskId;
use crate::plan::deployment::Counts;
use crate::resource::{Requirements, fits};
use crate::service::rollout::{
    Rollback, ServiceDeployment, ServiceDeploymentStatus, ServiceRevision, Stage, StopKind,
};
use crate::service::{Deployment, Rollout, STABLE_RUN, Service};
use crate::task::StopCode;
use crate::task_definition::Facts;
use std::time::Duration;

/// How long a deployment of tasks that fit nowhere waits for instances before it is said to have failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// After so many tasks in a row whose image cannot be pulled a deployment is said to have failed, circuit breaker or not.
const PULL_FAILURES: u32 = 3;

/// The deployment whose tasks are kept running: the primary one, or the one before it as long as the primary one may not
/// start any.
pub(super) fn in_force<'a>(service: &'a Service, primary: &'a Deployment) -> &'a Deployment {
    let is_held = service.records.current().is_some_and(|record| {
        record.is_forward()
            && record.target == primary.id
            && record.stage == Stage::PreScaleUp
            && service.settings.hooks_at(Stage::PreScaleUp).next().is_some()
    });
    let before = service.deployments.iter().find(|deployment| deployment.id != primary.id);
    before.filter(|_| is_held).unwrap_or(primary)
}

// === impl Round ===

impl Round<'_, '_> {
    /// The service deployment under way.
    pub(super) fn record(&self) -> Option<&ServiceDeployment> {
        self.service.records.current()
    }

    /// Whether tasks of the primary deployment have to wait for a hook.
    pub(super) fn is_held(&self) -> bool {
        let has_hooks = || self.service.settings.hooks_at(Stage::PreScaleUp).next().is_some();
        let before_start =
            |record: &ServiceDeployment| record.is_forward() && record.stage == Stage::PreScaleUp;
        self.record().is_some_and(|record| before_start(record) && has_hooks())
    }

    /// Whether tasks that are replaced stay as long as they are not in the way: a hook has yet to say whether their
    /// successors are any good.
    pub(super) fn spares_old(&self) -> bool {
        let has_hooks = || self.service.settings.hooks_at(Stage::PostScaleUp).next().is_some();
        self.record()
            .is_some_and(|record| record.is_forward() && record.stage < Stage::CleanUp && has_hooks())
    }

    /// Takes the service deployment one step further. True when that is all there is to plan in this round, because
    /// what follows depends on it.
    pub(super) fn plan_rollout(&mut self, census: &Census<'_>, counts: &Counts) -> bool {
        let unhealthy = newly_unhealthy(census);
        if !unhealthy.is_empty() {
            return self.take(vec![RolloutStep::Unhealthy(unhealthy)]);
        }
        let Some(record) = self.record().cloned() else { return false };
        if let Some(back) = &record.rollback {
            return self.plan_way_back(back, census);
        }
        match record.stop_requested {
            Some(StopKind::RollBack) => {
                return self.give_up("The service deployment was stopped with a rollback.", true);
            }
            Some(StopKind::Abort) => return self.give_up("The service deployment was aborted.", false),
            None => {}
        }
        if let Some(breaker) = self.service.settings.breaker {
            let threshold = breaker.threshold.of(self.service.desired_count);
            if record.failures >= threshold || (record.failures > 0 && self.fits_nowhere(census)) {
                return self.give_up(events::BREAKER, breaker.rollback);
            }
            if breaker.reset_on_healthy_task && record.failures > 0 && has_recovered(census, &record, self) {
                return self.take(vec![RolloutStep::ForgetFailures]);
            }
            if self.fits_nowhere(census) {
                return self.give_up(events::NOWHERE, breaker.rollback);
            }
        }
        self.plan_stage(&record, counts)
    }

    /// A way back that cannot be gone, or on which as many tasks fail as the circuit breaker allows, is at its end. The
    /// scheduler goes on trying: there is nothing better to run.
    fn plan_way_back(&mut self, back: &Rollback, census: &Census<'_>) -> bool {
        let (service, target) = (self.service, self.target);
        let threshold = service.settings.breaker.map(|breaker| breaker.threshold.of(service.desired_count));
        let reason = if self.view.task_definition(&target.task_definition).is_none() {
            Some(format!("the task definition {} is gone.", target.task_definition))
        } else if threshold.is_some_and(|threshold| back.failures >= threshold) {
            Some(events::BREAKER.to_owned())
        } else if self.now.since(back.started_at) >= PATIENCE {
            self.hopeless(census)
        } else {
            None
        };
        let Some(reason) = reason else { return false };
        let mut advance = AdvanceService { steady: false, ..advance(service) };
        advance.rollouts.push((target.id, Rollout::Failed, events::rollout_reason(&reason)));
        advance.events.push(events::rollback_failed(service, target.id, &reason));
        let status = ServiceDeploymentStatus::RollbackFailed;
        advance.steps.push(RolloutStep::End { status, reason });
        self.plan.commands.push(Command::AdvanceService(advance));
        true
    }

    fn plan_stage(&mut self, record: &ServiceDeployment, counts: &Counts) -> bool {
        match record.stage {
            Stage::PreScaleUp => match self.pass(record, Stage::PreScaleUp) {
                Gate::Open => self.take(vec![RolloutStep::Enter(Stage::ScaleUp)]),
                Gate::Closed => false,
                Gate::Moves => true,
                Gate::Failed(reason) => self.give_up(&reason, true),
            },
            Stage::ScaleUp if self.spares_old() && self.is_up(counts) => {
                self.take(vec![RolloutStep::Enter(Stage::PostScaleUp)])
            }
            Stage::PostScaleUp => match self.pass(record, Stage::PostScaleUp) {
                Gate::Open => self.take(vec![RolloutStep::Enter(Stage::CleanUp)]),
                Gate::Closed => false,
                Gate::Moves => true,
                Gate::Failed(reason) => self.give_up(&reason, true),
            },
            Stage::ReconcileService
            | Stage::ScaleUp
            | Stage::TestTrafficShift
            | Stage::PostTestTrafficShift
            | Stage::PreProductionTrafficShift
            | Stage::ProductionTrafficShift
            | Stage::PostProductionTrafficShift
            | Stage::BakeTime
            | Stage::CleanUp => false,
        }
    }

    /// Whether as many tasks of the primary deployment are healthy as a success takes.
    fn is_up(&self, counts: &Counts) -> bool {
        let early = self.service.settings.early_success;
        let needed = early.map_or(counts.desired, |early| early.needed(counts.desired).min(counts.desired));
        counts.current_healthy >= needed
    }

    /// Whether the deployment counts as done though it is not: enough tasks are healthy.
    pub(super) fn succeeds_early(&self, census: &Census<'_>, counts: &Counts) -> bool {
        let Some(early) = self.service.settings.early_success else { return false };
        let is_cleaned_up = || census.present.iter().all(|present| present.part != Part::Old);
        counts.current_healthy >= early.needed(counts.desired)
            && counts.current_healthy > 0
            && self.is_past_hooks()
            && (!early.after_cleanup || is_cleaned_up())
    }

    /// Whether no hook of the service deployment under way has anything left to say.
    pub(super) fn is_past_hooks(&self) -> bool {
        let forward = self.record().filter(|record| record.is_forward());
        !self.is_held() && forward.is_none_or(|record| record.stage == Stage::CleanUp || !self.spares_old())
    }

    /// The end of the service deployment, once its last deployment is done.
    pub(super) fn success(&self) -> Option<RolloutStep> {
        let record = self.record()?;
        let status = match record.rollback {
            None if record.target == self.primary.id => ServiceDeploymentStatus::Successful,
            None => return None,
            Some(_) => ServiceDeploymentStatus::RollbackSuccessful,
        };
        let reason = record.rollback.as_ref().map(|rollback| rollback.reason.clone()).unwrap_or_default();
        Some(RolloutStep::End { status, reason })
    }

    fn take(&mut self, steps: Vec<RolloutStep>) -> bool {
        let advance = AdvanceService { steps, steady: false, ..advance(self.service) };
        self.plan.commands.push(Command::AdvanceService(advance));
        true
    }

    /// Ends the way forward: back, when that is wanted and there is anything to go back to.
    fn give_up(&mut self, reason: &str, goes_back: bool) -> bool {
        let (service, target) = (self.service, self.target);
        let mut advance = AdvanceService { steady: false, ..advance(service) };
        advance.rollouts.push((target.id, Rollout::Failed, events::rollout_reason(reason)));
        advance.events.push(events::failed(service, target.id, reason));
        let first = self.record().and_then(|record| record.first_failure.clone());
        advance.events.extend(first.map(|failure| events::first_failure(service, target.id, &failure)));
        let said = self.record().and_then(|record| record.first_failure.as_ref());
        let said =
            said.map_or_else(|| reason.to_owned(), |failure| format!("{reason} First: {}", failure.reason));
        let good = service.records.last_good(target.id).filter(|_| goes_back);
        let is_there = |good: &&ServiceRevision| self.view.task_definition(&good.task_definition).is_some();
        match good.filter(is_there) {
            Some(good) => {
                let text = events::rolling_back_reason(reason, good.id);
                advance.events.push(events::rolling_back(service, good.id));
                advance.steps.push(RolloutStep::Say(said));
                advance.steps.push(RolloutStep::RollBack { to: good.id, reason: text });
            }
            None => {
                let asked =
                    self.record().is_some_and(|record| record.stop_requested == Some(StopKind::RollBack));
                let status = if good.is_some() || asked {
                    ServiceDeploymentStatus::RollbackFailed
                } else {
                    ServiceDeploymentStatus::Stopped
                };
                advance.steps.push(RolloutStep::Halt(target.id));
                advance.steps.push(RolloutStep::End { status, reason: said });
            }
        }
        self.plan.commands.push(Command::AdvanceService(advance));
        true
    }

    /// Whether tasks are missing that would not even fit if the instances were empty; there has to be an instance to
    /// say so, and some time for others to come.
    fn fits_nowhere(&self, census: &Census<'_>) -> bool {
        let is_due = self.now.since(self.target.created_at) >= PATIENCE;
        let is_missing = self.service.desired_count > 0
            && !census.present.iter().any(|present| present.task.deployment() == Some(self.target.id));
        if !is_due || !is_missing || self.is_held() {
            return false;
        }
        let definition = self.view.task_definition(&self.target.task_definition);
        definition.is_some_and(|definition| self.is_too_large(&definition.facts))
    }

    fn is_too_large(&self, facts: &Facts) -> bool {
        let needs = facts.requirements();
        let mut instances = self
            .view
            .instances_in(&self.service.key.cluster)
            .filter(|instance| instance.takes_tasks())
            .peekable();
        let could = |instance: &std::sync::Arc<crate::container_instance::ContainerInstance>| {
            facts.required_attributes.iter().all(|name| instance.has_attribute(name))
                && fits(&needs, &instance.capacity, &Requirements::default()).is_ok()
        };
        instances.peek().is_some() && !instances.any(could)
    }

    /// What is to be said of a deployment that cannot succeed as things are, though nothing gives it up: the scheduler
    /// goes on trying, and whoever waits for it need not.
    pub(super) fn hopeless(&self, census: &Census<'_>) -> Option<String> {
        let deployment = self.target;
        if let Some(failure) = &deployment.trouble.last_failure {
            let cannot_pull = ["CannotPull", "CannotCreateContainerError"];
            let is_final = cannot_pull.iter().any(|name| failure.reason.starts_with(name));
            if is_final && deployment.failed_tasks >= PULL_FAILURES.min(self.service.desired_count.max(1)) {
                return Some(format!("tasks failed to start: (task {}) {}", failure.task, failure.reason));
            }
        }
        self.fits_nowhere(census).then(|| events::NOWHERE.to_owned())
    }
}

/// Tasks that fail their health checks and were not counted yet.
fn newly_unhealthy(census: &Census<'_>) -> Vec<TaskId> {
    let unhealthy = census.present.iter().filter(|present| {
        present.part == Part::Unhealthy
            && present.fitness == Fitness::Unhealthy
            && present.task.unhealthy_at.is_none()
    });
    unhealthy.map(|present| present.task.id).collect()
}

/// Whether a task that was started after the last failure has become healthy. One that crashes again and again has to
/// stay so for a while.
fn has_recovered(census: &Census<'_>, record: &ServiceDeployment, round: &Round<'_, '_>) -> bool {
    let in_loop = round.target.crashes >= 2;
    let is_proof = |task: &crate::task::Task| {
        record.failed_at.is_none_or(|at| task.created_at >= at)
            && (!in_loop || round.now.since(started_at(task)) >= STABLE_RUN)
    };
    census.present.iter().any(|present| {
        present.part == Part::Current && present.fitness == Fitness::Healthy && is_proof(present.task)
    })
}

/// How a task that a hook waited for ended: well, or why not.
pub(super) fn outcome(task: &crate::task::Task, facts: &Facts) -> Result<(), String> {
    let essential = |name: &str| facts.containers.iter().any(|known| known.name == name && known.essential);
    let seen = task.observed.containers.iter().filter(|seen| essential(&seen.name));
    let mut failed = seen.clone().filter(|seen| seen.exit_code != Some(0));
    let ended = task.stop_reason().map(|stop| stop.code) == Some(StopCode::EssentialContainerExited);
    match failed.next() {
        None if ended && seen.count() > 0 => Ok(()),
        None => Err(task.stop_reason().map_or_else(String::new, |stop| stop.reason.to_string())),
        Some(seen) => {
            let reason = task.stop_reason().map(|stop| stop.reason.to_string()).unwrap_or_default();
            let code =
                seen.exit_code.map_or_else(|| "no exit code".to_owned(), |code| format!("exit code {code}"));
            let said = seen.last_log_lines.join(" | ");
            let said = if said.is_empty() { said } else { format!("; it wrote: {said}") };
            Err(format!("container {} ended with {code}: {reason}{said}", seen.name))
        }
    }
}
