//! Keeps services at what is wanted of them: the right number of tasks of the right deployment, on instances that serve.
//!
//! One function of the view does scaling, rolling deployments, replacing what crashed, is unhealthy, lost or on a
//! DRAINING instance, and deletion; they are all the same question, what is there against what should be. Its answers
//! never take healthy tasks below the floor or start any above the ceiling (see `plan::deployment`).
//!
//! * Tasks on a lost instance count as absent and are left alone: nobody knows what became of them. When the instance is
//!   back they count again, for healthy only after its agent had time to report; what is too many then is stopped.
//! * Tasks of a deployment that is over are stopped wherever they are.
//! * A task that ends by itself is replaced once it is STOPPED, because that is when its crash is counted.
//! * When all is well the plan is empty.

use std::time::Duration;

use self::census::{Census, Part, Present, earliest};
use self::health::Fitness;
use self::start::{Placed, Template};
use super::deployment::{Counts, Starts};
use super::placement::{Counted, Placer, Request};
use super::scale_in::Order;
use super::{Plan, Policy, gpu};
use crate::command::{AdvanceService, Command, RolloutStep, StartTasks, StopTasks};
use crate::id::{DeploymentId, Ids, ServiceKey, TaskId};
use crate::limits::{COMMANDS_PER_PLAN, TASKS_PER_COMMAND};
use crate::service::task_set::Controller;
use crate::service::{CRASH_MEMORY, Deployment, DeploymentStatus, Rollout, Service, ServiceStatus};
use crate::state::State;
use crate::task::{DesiredStatus, StopCode, Task};
use crate::time::Timestamp;

mod backoff;
mod census;
mod daemon;
mod events;
mod health;
mod hooks;
mod refusal;
mod rollout;
pub(super) mod start;
mod task_sets;

/// How soon to look again when a task found no place. Instances that come to offer more wake the service anyway.
const PLACEMENT_RETRY: Duration = Duration::from_secs(10);

/// Tasks that one plan starts; the next goes on. Large enough for the placer's start to weigh nothing, small enough for
/// what is decided to be applied before much has changed.
const STARTS_PER_PLAN: u32 = 10_000;

/// Plans for one service.
pub fn plan(view: &State, key: &ServiceKey, now: Timestamp, policy: &Policy, ids: &mut Ids) -> Plan {
    let Some(service) = view.service(key) else { return Plan::default() };
    match (service.status, service.controller) {
        (ServiceStatus::Active, Controller::Ecs) => {
            let Some(target) = service.primary() else { return Plan::default() };
            let primary = rollout::in_force(service, target);
            let mut round = Round { view, service, primary, target, now, policy, ids, plan: Plan::default() };
            if service.is_daemon() {
                round.plan_daemon();
            } else {
                round.plan_active();
            }
            bounded(round.plan, now)
        }
        (ServiceStatus::Active, Controller::External) => {
            bounded(task_sets::plan(view, service, now, policy, ids), now)
        }
        (ServiceStatus::Draining, _) => bounded(plan_draining(view, service), now),
        (ServiceStatus::Inactive, _) => Plan::default(),
    }
}

/// Leaves for the next round what is too much for one.
fn bounded(mut plan: Plan, now: Timestamp) -> Plan {
    if plan.commands.len() > COMMANDS_PER_PLAN {
        plan.commands.truncate(COMMANDS_PER_PLAN);
        plan.wake_at(now);
    }
    plan
}

/// Stops everything; retires the service when nothing is left but on lost instances.
fn plan_draining(view: &State, service: &Service) -> Plan {
    let mut plan = Plan::default();
    let (mut running, mut is_left) = (Vec::new(), false);
    for task in view.tasks_of(&service.key).filter(|task| !task.is_stopped()) {
        if task.desired == DesiredStatus::Running {
            running.push(task.id);
        }
        is_left |= view.is_reachable(task);
    }
    let last = service.primary().or_else(|| service.task_sets.first().map(|set| &set.deployment));
    let reason = last.map_or_else(|| "Scaling activity".to_owned(), |last| events::scaling_reason(last.id));
    push_stops(&mut plan, service, &running, &reason);
    plan.commands.extend(hooks::stray(view, service));
    if !is_left && plan.commands.len() < COMMANDS_PER_PLAN {
        plan.commands.push(Command::AdvanceService(AdvanceService { retire: true, ..advance(service) }));
    }
    plan
}

/// One look at an ACTIVE service.
struct Round<'a, 'b> {
    view: &'a State,
    service: &'a Service,
    /// The deployment whose tasks are kept running.
    primary: &'a Deployment,
    /// The deployment to reach: the same, unless its tasks may not start yet.
    target: &'a Deployment,
    now: Timestamp,
    policy: &'b Policy,
    ids: &'b mut Ids,
    plan: Plan,
}

// === impl Round ===

impl<'a> Round<'a, '_> {
    fn plan_active(&mut self) {
        let census = Census::take(self.view, self.service, self.primary, self.now, self.policy, None);
        let counts = census.counts(self.service);
        self.stop_stray_hooks();
        if self.plan_rollout(&census, &counts) {
            return;
        }
        let (texts, steps, is_waiting) = self.fill(&census);
        self.advance(&census, &counts, texts, steps, is_waiting);
        let protections = census.present.iter();
        let unprotected_at =
            protections.filter_map(|present| self.view.protected_until(present.task.id, self.now)).min();
        let changes_at = earliest(census.changes_at, unprotected_at);
        self.plan.next_wake = earliest(self.plan.next_wake, changes_at);
    }

    /// The same for a DAEMON service: its service deployment goes as any other does, its tasks are of another planner.
    fn plan_daemon(&mut self) {
        let census = Census::take(self.view, self.service, self.primary, self.now, self.policy, None);
        let counts = census.counts(self.service);
        self.stop_stray_hooks();
        let is_first = self.primary.id == self.target.id;
        if self.plan_rollout(&census, &counts) || self.primary.trouble.halted || (self.is_held() && is_first)
        {
            return;
        }
        let end = if is_first && self.is_past_hooks() {
            daemon::End::Reached(self.success())
        } else {
            daemon::End::Kept
        };
        let plan = daemon::plan(self.view, self.service, self.primary, end, self.now, self.policy, self.ids);
        self.plan.commands.extend(plan.commands);
        self.plan.notes.extend(plan.notes);
        self.plan.next_wake = earliest(self.plan.next_wake, plan.next_wake);
    }

    /// Starts and stops what the arithmetic says; what there is to say of it, and whether anything waits.
    fn fill(&mut self, census: &Census<'a>) -> (Vec<String>, Vec<RolloutStep>, bool) {
        let counts = census.counts(self.service);
        let (mut texts, mut steps) = (Vec::new(), Vec::new());
        if self.primary.trouble.halted {
            push_stops(
                &mut self.plan,
                self.service,
                &census.orphans,
                &events::scaling_reason(self.primary.id),
            );
            return (texts, steps, false);
        }
        let mut starts = counts.starts();
        if self.is_held() && self.primary.id == self.target.id {
            // There is nothing before it that could be kept running meanwhile.
            starts = Starts { now: 0, blocked: 0 };
        }
        let placed = self.start(census, starts, &mut texts, &mut steps);
        let unplaced = placed.unplaced;
        self.push_starts(placed.tasks);
        self.stop(census, &counts, starts, unplaced);

        if self.plan.is_quiet() && starts.blocked > 0 && census.is_at_rest() {
            texts.push(events::stuck(self.service));
        }
        (texts, steps, starts.now > 0)
    }

    fn start(
        &mut self,
        census: &Census<'_>,
        starts: Starts,
        texts: &mut Vec<String>,
        steps: &mut Vec<RolloutStep>,
    ) -> Placed {
        let mut count = starts.now;
        let not_before = backoff::not_before(self.primary, self.policy).filter(|at| *at > self.now);
        // Only the successors of failed tasks wait. What a lost host or a larger desired count asks for does not.
        let next_attempt_at = not_before.filter(|_| census.crashed > 0);
        if let Some(at) = next_attempt_at {
            let waiting = count.min(census.crashed);
            count -= waiting;
            self.plan.wake_at(at);
            if waiting > 0 {
                self.plan.notes.push(format!("{waiting} tasks wait after {} crashes", self.primary.crashes));
                if self.primary.crashes >= backoff::NOTABLE_CRASHES {
                    texts.push(events::crash_loop(self.service));
                }
            }
        }
        if next_attempt_at != self.primary.trouble.next_attempt_at {
            steps.push(RolloutStep::RetryAt(self.primary.id, next_attempt_at));
            let notable = next_attempt_at.filter(|_| self.primary.crashes >= backoff::NOTABLE_CRASHES);
            texts.extend(notable.map(|at| events::next_attempt(self.service, self.primary, at, self.now)));
        }
        if count > STARTS_PER_PLAN {
            count = STARTS_PER_PLAN;
            self.plan.wake_at(self.now);
        }
        if count == 0 {
            return Placed::default();
        }
        let Some(definition) = self.view.task_definition(&self.primary.task_definition) else {
            self.plan.notes.push(format!("task definition {} is gone", self.primary.task_definition));
            return Placed::default();
        };
        let leaving = census.not_staying();
        let mut placer = Placer::new(&Request {
            view: self.view,
            cluster: &self.service.key.cluster,
            rules: &self.service.placement,
            facts: &definition.facts,
            counted: Counted::Service { key: &self.service.key, leaving: &leaving },
            zone: None,
            seed: self.ids.short(),
        });
        let template = Template::new(self.service, self.primary, definition, self.now);
        let mut placed = start::place(&mut placer, &template, count, self.ids);
        gpu::assign(self.view, &mut placed.tasks);
        self.plan.commands.extend(refusal::to_record(self.service, &placed, self.now));
        if let Some(refusals) = &placed.refusals {
            self.plan.wake_at(self.now.plus(PLACEMENT_RETRY));
            self.plan.notes.push(refusals.summary());
            texts.push(refusals.event(self.service.key.name.as_str()));
        }
        placed
    }

    fn push_starts(&mut self, mut tasks: Vec<Task>) {
        while !tasks.is_empty() {
            let rest = tasks.split_off(tasks.len().min(TASKS_PER_COMMAND));
            let service = Some((self.service.key.clone(), self.service.generation));
            self.plan.commands.push(Command::StartTasks(StartTasks { service, tasks }));
            tasks = rest;
        }
    }

    fn stop(&mut self, census: &Census<'a>, counts: &Counts, starts: Starts, unplaced: u32) {
        let mut stops = counts.stops(starts, unplaced);
        if self.spares_old() {
            stops.old_healthy = stops.old_healthy.min(starts.blocked);
        }
        let mut chosen = census.orphans.clone();
        let idle =
            |present: &&Present<'_>| present.part != Part::Current && present.fitness == Fitness::Pending;
        chosen.extend(census.present.iter().filter(idle).map(|present| present.task.id));
        let mut choose = |part: Part, count: u32, fits: fn(Fitness) -> bool| {
            let fits = |present: &&Present<'_>| {
                present.part == part
                    && fits(present.fitness)
                    && (part != Part::Current || present.is_settled())
            };
            self.choose(census, count, fits, &mut chosen);
        };
        let is_shaky = |fitness| matches!(fitness, Fitness::Unhealthy | Fitness::Warming);
        choose(Part::Old, stops.old_shaky, is_shaky);
        choose(Part::Old, stops.old_healthy, |fitness| fitness == Fitness::Healthy);
        choose(Part::Draining, stops.draining_shaky, is_shaky);
        choose(Part::Draining, stops.draining_healthy, |fitness| fitness == Fitness::Healthy);
        choose(Part::Current, stops.current_shaky, |fitness| fitness != Fitness::Healthy);
        choose(Part::Current, stops.current_healthy, |fitness| fitness == Fitness::Healthy);
        let reason = events::scaling_reason(self.primary.id);
        push_stops(&mut self.plan, self.service, &chosen, &reason);

        let mut unhealthy = Vec::new();
        self.choose(census, stops.unhealthy, |present| present.part == Part::Unhealthy, &mut unhealthy);
        push_stops(&mut self.plan, self.service, &unhealthy, events::UNHEALTHY_REASON);
    }

    /// Adds the first `count` of those that fit, in the order of stopping.
    fn choose(
        &mut self,
        census: &Census<'a>,
        count: u32,
        fits: impl Fn(&&Present<'a>) -> bool,
        chosen: &mut Vec<TaskId>,
    ) {
        if count == 0 {
            return;
        }
        let strategy = &self.service.placement.strategy;
        let counted = census.present.iter().map(|present| present.task);
        let seed = self.ids.short();
        let candidates = census.present.iter().filter(fits).filter(|present| !self.is_protected(present));
        let candidates = candidates.map(|present| (present.task, present.standing()));
        let order = Order::new(self.view, strategy, seed, counted, candidates);
        chosen.extend(order.take(usize::try_from(count).unwrap_or(usize::MAX)).map(|task| task.id));
    }

    /// Whether scale-in and deployments have to leave it alone. Nothing protects one that fails its health check, or
    /// whose instance is DRAINING.
    fn is_protected(&self, present: &Present<'_>) -> bool {
        let may_be = matches!(present.part, Part::Current | Part::Old);
        may_be && self.view.protected_until(present.task.id, self.now).is_some()
    }

    /// Records what is done, and what people should know.
    fn advance(
        &mut self,
        census: &Census<'_>,
        counts: &Counts,
        texts: Vec<String>,
        steps: Vec<RolloutStep>,
        is_waiting: bool,
    ) {
        let service = self.service;
        let mut advance = AdvanceService { steps, ..advance(service) };
        let is_settled = self.plan.is_quiet() && census.is_all_well(service.desired_count);
        let is_final = self.primary.id == self.target.id && self.is_past_hooks();
        let mut is_done = is_settled && is_final && !self.primary.trouble.halted;
        if let Some(at) = self.unproven_until(census).filter(|_| is_done) {
            self.plan.wake_at(at);
            is_done = false;
        }
        advance.steady = is_done;
        let is_over = |deployment: &&Deployment| {
            deployment.status != DeploymentStatus::Primary
                && deployment.id != self.primary.id
                && (is_done || !census.deployments.contains(&deployment.id))
        };
        advance.ended = service.deployments.iter().filter(is_over).map(|deployment| deployment.id).collect();
        let is_success = is_done || (is_final && self.succeeds_early(census, counts));
        if is_success && self.primary.rollout != Rollout::Completed && !self.primary.trouble.halted {
            advance.rollouts.push(completed(self.primary.id));
            advance.events.push(events::completed(service, self.primary.id));
        } else if !is_success {
            advance.rollouts.extend(self.outlook(census, &mut advance.steps, is_waiting));
        }
        if is_success {
            advance.steps.extend(self.success());
        }
        if is_done && !service.steady {
            advance.events.push(events::steady(service));
        }
        let is_new = |text: &String| events::is_new(service, self.primary, self.now, text);
        advance.events.extend(texts.into_iter().filter(is_new));
        let is_nothing = advance.rollouts.is_empty() && advance.ended.is_empty() && advance.events.is_empty();
        if !(is_nothing && advance.steps.is_empty()) {
            self.plan.commands.push(Command::AdvanceService(advance));
        }
    }

    /// Whether a deployment that is not done has come to look hopeless, or no longer does.
    fn outlook(
        &self,
        census: &Census<'_>,
        steps: &mut Vec<RolloutStep>,
        is_waiting: bool,
    ) -> Option<(DeploymentId, Rollout, String)> {
        let deployment = self.target;
        if deployment.trouble.halted || self.service.settings.breaker.is_some() {
            return None;
        }
        let reason = self.hopeless(census);
        match (deployment.rollout, reason) {
            (Rollout::InProgress, Some(reason)) => {
                steps.push(RolloutStep::Say(reason.clone()));
                let text = format!("ECS deployment {} failed: {reason}", deployment.id);
                Some((deployment.id, Rollout::Failed, text))
            }
            (Rollout::Failed, None) if !is_waiting && deployment.failed_tasks == 0 => {
                let text = format!("ECS deployment {} in progress.", deployment.id);
                Some((deployment.id, Rollout::InProgress, text))
            }
            (Rollout::InProgress | Rollout::Completed | Rollout::Failed, _) => None,
        }
    }

    /// Until when a deployment that crashed again and again is not believed to be well.
    fn unproven_until(&self, census: &Census<'_>) -> Option<Timestamp> {
        let in_loop = self.primary.crashes >= 2
            && self.primary.last_crash_at.is_some_and(|at| self.now.since(at) < CRASH_MEMORY);
        census.stable_at.filter(|at| in_loop && *at > self.now)
    }
}

fn completed(id: DeploymentId) -> (DeploymentId, Rollout, String) {
    (id, Rollout::Completed, format!("ECS deployment {id} completed."))
}

fn advance(service: &Service) -> AdvanceService {
    AdvanceService {
        key: service.key.clone(),
        generation: service.generation,
        rollouts: Vec::new(),
        ended: Vec::new(),
        steady: false,
        retire: false,
        events: Vec::new(),
        desired_count: None,
        steps: Vec::new(),
    }
}

fn push_stops(plan: &mut Plan, service: &Service, tasks: &[TaskId], reason: &str) {
    for tasks in tasks.chunks(TASKS_PER_COMMAND) {
        plan.commands.push(Command::StopTasks(StopTasks {
            service: Some((service.key.clone(), service.generation)),
            tasks: tasks.to_vec(),
            code: StopCode::ServiceSchedulerInitiated,
            reason: reason.to_owned(),
        }));
    }
}

#[cfg(test)]
mod tests;
