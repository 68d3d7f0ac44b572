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
use super::{Plan, Policy};
use crate::command::{AdvanceService, Command, StartTasks, StopTasks};
use crate::id::{DeploymentId, Ids, ServiceKey, TaskId};
use crate::limits::{COMMANDS_PER_PLAN, TASKS_PER_COMMAND};
use crate::service::{CRASH_MEMORY, Deployment, DeploymentStatus, Rollout, Service, ServiceStatus};
use crate::state::State;
use crate::task::{DesiredStatus, StopCode, Task};
use crate::time::Timestamp;

mod backoff;
mod census;
mod events;
mod health;
mod start;

/// How soon to look again when a task found no place. Instances that come to offer more wake the service anyway.
const PLACEMENT_RETRY: Duration = Duration::from_secs(10);

/// Tasks that one plan starts; the next goes on. Large enough for the placer's start to weigh nothing, small enough for
/// what is decided to be applied before much has changed.
const STARTS_PER_PLAN: u32 = 10_000;

/// Plans for one service.
pub fn plan(view: &State, key: &ServiceKey, now: Timestamp, policy: &Policy, ids: &mut Ids) -> Plan {
    let Some(service) = view.service(key) else { return Plan::default() };
    let Some(primary) = service.primary() else { return Plan::default() };
    match service.status {
        ServiceStatus::Active => {
            let mut round = Round { view, service, primary, now, policy, ids, plan: Plan::default() };
            round.plan_active();
            bounded(round.plan, now)
        }
        ServiceStatus::Draining => bounded(plan_draining(view, service, primary), now),
        ServiceStatus::Inactive => Plan::default(),
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
fn plan_draining(view: &State, service: &Service, primary: &Deployment) -> Plan {
    let mut plan = Plan::default();
    let (mut running, mut is_left) = (Vec::new(), false);
    for task in view.tasks_of(&service.key).filter(|task| !task.is_stopped()) {
        if task.desired == DesiredStatus::Running {
            running.push(task.id);
        }
        is_left |= view.is_reachable(task);
    }
    push_stops(&mut plan, service, &running, &events::scaling_reason(primary.id));
    if !is_left && plan.commands.len() < COMMANDS_PER_PLAN {
        plan.commands.push(Command::AdvanceService(AdvanceService { retire: true, ..advance(service) }));
    }
    plan
}

/// One look at an ACTIVE service.
struct Round<'a, 'b> {
    view: &'a State,
    service: &'a Service,
    primary: &'a Deployment,
    now: Timestamp,
    policy: &'b Policy,
    ids: &'b mut Ids,
    plan: Plan,
}

// === impl Round ===

impl<'a> Round<'a, '_> {
    fn plan_active(&mut self) {
        let census = Census::take(self.view, self.service, self.primary, self.now, self.policy);
        let counts = census.counts(self.service);
        let mut texts = Vec::new();

        let starts = counts.starts();
        let placed = self.start(&census, starts, &mut texts);
        let unplaced = placed.unplaced;
        self.push_starts(placed.tasks);
        self.stop(&census, &counts, starts, unplaced);

        if self.plan.is_quiet() && starts.blocked > 0 && census.is_at_rest() {
            texts.push(events::stuck(self.service));
        }
        self.advance(&census, texts);
        let protections = census.present.iter();
        let unprotected_at =
            protections.filter_map(|present| self.view.protected_until(present.task.id, self.now)).min();
        let changes_at = earliest(census.changes_at, unprotected_at);
        self.plan.next_wake = earliest(self.plan.next_wake, changes_at);
    }

    fn start(&mut self, census: &Census<'_>, starts: Starts, texts: &mut Vec<String>) -> Placed {
        let mut count = starts.now;
        if let Some(at) = backoff::not_before(self.primary, self.policy).filter(|at| *at > self.now) {
            // Only the successors of crashed tasks wait. What a lost host or a larger desired count asks for does not.
            let waiting = count.min(census.crashed);
            count -= waiting;
            if waiting > 0 {
                self.plan.wake_at(at);
                self.plan.notes.push(format!("{waiting} tasks wait after {} crashes", self.primary.crashes));
                if self.primary.crashes >= backoff::NOTABLE_CRASHES {
                    texts.push(events::crash_loop(self.service));
                }
            }
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
        let placed = start::place(&mut placer, &template, count, self.ids);
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
        let stops = counts.stops(starts, unplaced);
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
    fn advance(&mut self, census: &Census<'_>, texts: Vec<String>) {
        let service = self.service;
        let mut advance = advance(service);
        let mut is_done = self.plan.is_quiet() && census.is_all_well(service.desired_count);
        if let Some(at) = self.unproven_until(census).filter(|_| is_done) {
            self.plan.wake_at(at);
            is_done = false;
        }
        advance.steady = is_done;
        let is_over = |deployment: &&Deployment| {
            deployment.status != DeploymentStatus::Primary
                && (is_done || !census.deployments.contains(&deployment.id))
        };
        advance.ended = service.deployments.iter().filter(is_over).map(|deployment| deployment.id).collect();
        if is_done && self.primary.rollout == Rollout::InProgress {
            advance.rollouts.push(completed(self.primary.id));
            advance.events.push(events::completed(service, self.primary.id));
        }
        if is_done && !service.steady {
            advance.events.push(events::steady(service));
        }
        let is_new = |text: &String| events::is_new(service, self.primary, self.now, text);
        advance.events.extend(texts.into_iter().filter(is_new));
        if !(advance.rollouts.is_empty() && advance.ended.is_empty() && advance.events.is_empty()) {
            self.plan.commands.push(Command::AdvanceService(advance));
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
