//! DAEMON services: one task on every instance that matches.
//!
//! An instance matches when it is ACTIVE and connected and has what the task definition and the constraints ask for,
//! whether or not there is room: room is kept for daemons by the placer (see `plan::placement::reserve`). Each instance
//! is looked at alone; only stopping old tasks during a deployment is bounded by the minimum of healthy ones among them
//! all. There is never more than one task on an instance: the old one stops before the new one starts.
//!
//! * On a DRAINING instance the task stays until every other task has left: first to start, last to stop.
//! * On a lost instance nothing is decided: nobody knows what became of its task.
//! * A task on an instance that no longer matches is stopped.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::census::is_crash_of_last_round;
use super::health::{Examination, Fitness};
use super::start::{Placed, Template};
use super::{PLACEMENT_RETRY, backoff, completed, events, push_stops, refusal};
use crate::command::{AdvanceService, Command, RolloutStep, StartTasks};
use crate::container_instance::{ContainerInstance, InstanceStatus};
use crate::fit::{Conditions, Refusal};
use crate::id::{DeploymentId, Ids, InstanceId, TaskId};
use crate::limits::TASKS_PER_COMMAND;
use crate::placement::{Decision, How, PlacementRules};
use crate::plan::placement::{Counted, Placer, Refusals, Request};
use crate::plan::{Plan, Policy, gpu};
use crate::service::{Deployment, DeploymentStatus, Rollout, Service};
use crate::state::State;
use crate::task::{DesiredStatus, Task, TaskStatus};
use crate::task_definition::TaskDefinition;
use crate::time::Timestamp;

/// What it means that every instance has its task.
pub(super) enum End {
    /// The deployment is the one to reach: it is completed, and this step ends the service deployment.
    Reached(Option<RolloutStep>),
    /// A hook has yet to say whether another deployment may take its place, or whether it may stay.
    Kept,
}

/// Plans for one ACTIVE DAEMON service, whose `primary` deployment is the one in force.
pub(super) fn plan(
    view: &State,
    service: &Service,
    primary: &Deployment,
    end: End,
    now: Timestamp,
    policy: &Policy,
    ids: &mut Ids,
) -> Plan {
    let Some(definition) = view.task_definition(&primary.task_definition) else {
        let notes = vec![format!("task definition {} is gone", primary.task_definition)];
        return Plan { notes, ..Plan::default() };
    };
    let mut round = Round { view, service, primary, definition, now, policy, plan: Plan::default() };
    let survey = round.survey();
    let mut texts = Vec::new();
    round.start(&survey, ids, &mut texts);
    round.stop(&survey, &mut texts);
    round.advance(&survey, end, texts);
    round.plan
}

/// One look at a DAEMON service.
struct Round<'a> {
    view: &'a State,
    service: &'a Service,
    primary: &'a Deployment,
    definition: &'a TaskDefinition,
    now: Timestamp,
    policy: &'a Policy,
    plan: Plan,
}

/// What there is, and what is to become of it.
#[derive(Default)]
struct Survey {
    /// Instances that match.
    matching: u32,
    /// Those of them with a task that is healthy, of whichever deployment.
    healthy: u32,
    /// Those that have what they should: one task of the primary deployment, healthy.
    settled: u32,
    /// Those that lack a task and have room for one to come.
    vacant: Vec<InstanceId>,
    /// Tasks of earlier deployments on instances that match: whether they are healthy.
    old: Vec<(TaskId, bool)>,
    /// Tasks that have to go at once.
    surplus: Vec<TaskId>,
    /// Tasks whose health check fails.
    unhealthy: Vec<TaskId>,
    /// Whether tasks are on their way out or stay only until others have left.
    is_leaving: bool,
    /// Deployments of which any task is not over.
    deployments: BTreeSet<DeploymentId>,
    /// Instances on which the last task ended by itself.
    crashed: BTreeSet<InstanceId>,
}

/// The tasks of the service on one instance.
#[derive(Default)]
struct Here<'a> {
    current: Vec<(&'a Task, Fitness)>,
    old: Vec<(&'a Task, Fitness)>,
    /// It should stop and has not begun to.
    is_occupied: bool,
}

// === impl Round ===

impl<'a> Round<'a> {
    fn survey(&mut self) -> Survey {
        let mut survey = Survey::default();
        let mut by_instance = self.tasks(&mut survey);
        let conditions = Conditions::new(&self.definition.facts, &self.service.placement.constraints);
        for instance in self.view.instances_in(&self.service.key.cluster) {
            let here = by_instance.remove(&instance.id).unwrap_or_default();
            match instance.status {
                InstanceStatus::Active if !instance.connected => {}
                InstanceStatus::Active if conditions.match_instance(self.view, instance) => {
                    survey.matching += 1;
                    survey.add(instance.id, &here);
                }
                InstanceStatus::Active => survey.surplus.extend(here.wanted().map(|task| task.id)),
                InstanceStatus::Draining => self.survey_draining(instance, &here, &mut survey),
                InstanceStatus::Inactive => {}
            }
        }
        survey
    }

    /// The tasks of the service that are not over, by instance.
    fn tasks(&mut self, survey: &mut Survey) -> BTreeMap<InstanceId, Here<'a>> {
        let grace = self.service.spec.health_check_grace_period_seconds.unwrap_or(0);
        let grace = Duration::from_secs(u64::try_from(grace).unwrap_or(0));
        let examination = Examination { now: self.now, policy: self.policy, grace };
        let view = self.view;
        let mut by_instance: BTreeMap<InstanceId, Here<'a>> = BTreeMap::new();
        for task in view.tasks_of(&self.service.key) {
            if task.is_stopped() {
                if is_crash_of_last_round(view, task, self.primary) {
                    survey.crashed.insert(task.instance);
                }
                continue;
            }
            let Some(instance) = view.instance(task.instance) else { continue };
            survey.deployments.extend(task.deployment());
            let here = by_instance.entry(task.instance).or_default();
            if task.desired == DesiredStatus::Stopped {
                here.is_occupied |= task.observed.last_status <= TaskStatus::Running;
                survey.is_leaving |= instance.connected;
                continue;
            }
            let facts = view.task_definition(&task.definition).map(|definition| &definition.facts);
            let verdict = examination.judge(task, facts, instance);
            if let Some(at) = verdict.changes_at {
                self.plan.wake_at(at);
            }
            let is_current = task.deployment() == Some(self.primary.id);
            let list = if is_current { &mut here.current } else { &mut here.old };
            list.push((task, verdict.fitness));
        }
        by_instance
    }

    /// Last to stop: when no other task is left, or none but those of other daemons.
    fn survey_draining(&self, instance: &ContainerInstance, here: &Here<'_>, survey: &mut Survey) {
        let is_daemon = |task: &Task| {
            let service = task.service().and_then(|key| self.view.service(&key));
            service.is_some_and(|service| service.is_daemon())
        };
        let mut others = self.view.tasks_on(instance.id).filter(|task| !task.is_stopped());
        if others.any(|task| !is_daemon(task)) {
            survey.is_leaving |= here.wanted().next().is_some();
        } else {
            survey.surplus.extend(here.wanted().map(|task| task.id));
        }
    }

    fn start(&mut self, survey: &Survey, ids: &mut Ids, texts: &mut Vec<String>) {
        let mut vacant = survey.vacant.clone();
        if let Some(at) = backoff::not_before(self.primary, self.policy).filter(|at| *at > self.now) {
            vacant.retain(|id| !survey.crashed.contains(id));
            let waiting = survey.vacant.len() - vacant.len();
            if waiting > 0 {
                self.plan.wake_at(at);
                self.plan.notes.push(format!("{waiting} tasks wait after {} crashes", self.primary.crashes));
                if self.primary.crashes >= backoff::NOTABLE_CRASHES {
                    texts.push(events::crash_loop(self.service));
                }
            }
        }
        let placed = self.place(&vacant, ids);
        self.plan.commands.extend(refusal::to_record(self.service, &placed, self.now));
        if let Some(refusals) = &placed.refusals {
            self.plan.wake_at(self.now.plus(PLACEMENT_RETRY));
            self.plan.notes.push(refusals.summary());
            texts.push(refusals.event(self.service.key.name.as_str()));
        }
        for tasks in placed.tasks.chunks(TASKS_PER_COMMAND) {
            let service = Some((self.service.key.clone(), self.service.generation));
            self.plan.commands.push(Command::StartTasks(StartTasks { service, tasks: tasks.to_vec() }));
        }
    }

    fn place(&self, vacant: &[InstanceId], ids: &mut Ids) -> Placed {
        if vacant.is_empty() {
            return Placed::default();
        }
        // What must hold of the instance does; that each has one only is what this planner sees to.
        let rules = PlacementRules::default();
        let leaving = BTreeSet::new();
        let mut placer = Placer::new(&Request {
            view: self.view,
            cluster: &self.service.key.cluster,
            rules: &rules,
            facts: &self.definition.facts,
            counted: Counted::Service { key: &self.service.key, leaving: &leaving },
            zone: None,
            seed: 0,
        });
        let template = Template::new(self.service, self.primary, self.definition, self.now);
        let (mut placed, mut refused): (_, Vec<Refusal>) = (Placed::default(), Vec::new());
        for id in vacant {
            match placer.place_on(*id, template.needs()) {
                Ok(()) => placed.tasks.push(template.task(ids, *id, self.decision(*id))),
                Err(refusal) => refused.push(refusal),
            }
        }
        gpu::assign(self.view, &mut placed.tasks);
        placed.unplaced = u32::try_from(refused.len()).unwrap_or(u32::MAX);
        placed.refusals = (!refused.is_empty()).then(|| Refusals::new(refused));
        placed
    }

    fn decision(&self, id: InstanceId) -> Decision {
        let zone = self.view.instance(id).map(|instance| instance.zone()).unwrap_or_default();
        Decision::given(How::Daemon, zone)
    }

    fn stop(&mut self, survey: &Survey, texts: &mut Vec<String>) {
        let mut chosen = survey.surplus.clone();
        let floor = self.service.bounds.floor(survey.matching);
        let mut spare = survey.healthy.saturating_sub(floor);
        let mut is_held = false;
        for (id, is_healthy) in &survey.old {
            if *is_healthy && spare == 0 {
                is_held = true;
                continue;
            }
            spare -= u32::from(*is_healthy);
            chosen.push(*id);
        }
        let reason = events::scaling_reason(self.primary.id);
        push_stops(&mut self.plan, self.service, &chosen, &reason);
        push_stops(&mut self.plan, self.service, &survey.unhealthy, events::UNHEALTHY_REASON);
        let nothing_comes = survey.vacant.is_empty() && !survey.is_leaving && chosen.is_empty();
        if is_held && nothing_comes && survey.healthy == survey.matching {
            texts.push(events::stuck(self.service));
        }
    }

    fn advance(&mut self, survey: &Survey, end: End, texts: Vec<String>) {
        let service = self.service;
        let is_done = self.plan.is_quiet()
            && survey.settled == survey.matching
            && survey.old.is_empty()
            && !survey.is_leaving;
        let is_reached = is_done && matches!(end, End::Reached(_));
        let mut advance = AdvanceService { steady: is_reached, ..super::advance(service) };
        let is_over = |deployment: &&Deployment| {
            deployment.status != DeploymentStatus::Primary
                && deployment.id != self.primary.id
                && (is_done || !survey.deployments.contains(&deployment.id))
        };
        advance.ended = service.deployments.iter().filter(is_over).map(|deployment| deployment.id).collect();
        if is_reached && self.primary.rollout != Rollout::Completed {
            advance.rollouts.push(completed(self.primary.id));
            advance.events.push(events::completed(service, self.primary.id));
        }
        if is_reached && !service.steady {
            advance.events.push(events::steady(service));
        }
        if let (true, End::Reached(Some(step))) = (is_done, end) {
            advance.steps.push(step);
        }
        advance.desired_count = Some(survey.matching).filter(|count| *count != service.desired_count);
        let is_new = |text: &String| events::is_new(service, self.primary, self.now, text);
        advance.events.extend(texts.into_iter().filter(is_new));
        let is_nothing = advance.rollouts.is_empty()
            && advance.ended.is_empty()
            && advance.events.is_empty()
            && advance.steps.is_empty()
            && advance.desired_count.is_none();
        if !is_nothing {
            self.plan.commands.push(Command::AdvanceService(advance));
        }
    }
}

// === impl Survey ===

impl Survey {
    /// Takes in an instance that matches.
    fn add(&mut self, id: InstanceId, here: &Here<'_>) {
        let is_healthy = |(_, fitness): &&(&Task, Fitness)| *fitness == Fitness::Healthy;
        let healthy = here.current.iter().chain(&here.old).find(is_healthy);
        self.healthy += u32::from(healthy.is_some());
        // The oldest has proven itself for longest.
        let keeper = here.current.iter().min_by_key(|(task, _)| (task.created_at, task.id));
        match keeper {
            Some((keeper, fitness)) => {
                let others = here.wanted().filter(|task| task.id != keeper.id);
                self.surplus.extend(others.map(|task| task.id));
                match fitness {
                    Fitness::Unhealthy => self.unhealthy.push(keeper.id),
                    Fitness::Healthy => self.settled += u32::from(here.wanted().count() == 1),
                    Fitness::Pending | Fitness::Warming => {}
                }
            }
            None if here.old.is_empty() && !here.is_occupied => self.vacant.push(id),
            None => {
                let old = here.old.iter().map(|(task, fitness)| (task.id, *fitness == Fitness::Healthy));
                self.old.extend(old);
            }
        }
    }
}

// === impl Here ===

impl<'a> Here<'a> {
    fn wanted(&self) -> impl Iterator<Item = &'a Task> + '_ {
        self.current.iter().chain(&self.old).map(|(task, _)| *task)
    }
}
