//! Moves running tasks of services to where they would be placed now: after an instance joined or came back, or when
//! zones have become skewed.
//!
//! A move starts a task that names the one it takes the place of; the service planner stops that one once its successor
//! is healthy, and keeps it if the successor fails. So a move is a start before a stop, within the service's ceiling.
//!
//! * A move has to pay: it must make the counts of tasks more even, at the first of the service's spread strategies on
//!   which they differ at all, by the count before by at least two. Every move so lowers the sum of the squares of the
//!   counts: there is an end to it, and a balanced service is left alone.
//! * Only a service that is steady is looked at, and only when it and its instances have been so for a while.
//! * At most a tenth of a service moves at a time (always one), and at most so many tasks of a cluster.
//! * What would be planned now is [`propose`], which changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::placement::{Counted, Placer, Request, in_force};
use super::scale_in::{Order, Standing};
use super::service::start::Template;
use super::{Plan, Policy, gpu};
use crate::attribute::{AVAILABILITY_ZONE, Expression};
use crate::command::{Command, StartTasks};
use crate::id::{ClusterName, Ids, InstanceId, ServiceKey, TaskId};
use crate::placement::{Constraint, Decision, SpreadField, Strategy};
use crate::service::{Deployment, Service, ServiceStatus};
use crate::state::State;
use crate::task::Task;
use crate::task_definition::TaskDefinition;
use crate::time::Timestamp;

use spread::Spread;

mod spread;

/// Which services are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope<'a> {
    /// Those that are to be rebalanced, once they are quiet.
    Automatic,
    /// This one or all, at once: somebody asked.
    Asked(Option<&'a ServiceKey>),
}

/// A task that moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// Its service.
    pub service: ServiceKey,
    /// The task.
    pub task: TaskId,
    /// Where it is.
    pub from: InstanceId,
    /// Where its successor goes.
    pub to: InstanceId,
    /// What it improves, for people.
    pub reason: String,
    /// Why there, of all instances.
    pub decision: Decision,
}

/// What would be moved, and what not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proposal {
    /// In the order of their worth.
    pub moves: Vec<Move>,
    /// Services that are left as they are, and why.
    pub held_back: Vec<(ServiceKey, String)>,
    /// When to look again even if nothing changes.
    pub next_look: Option<Timestamp>,
}

/// Plans for one cluster.
pub fn plan(view: &State, cluster: &ClusterName, now: Timestamp, policy: &Policy, ids: &mut Ids) -> Plan {
    let proposal = propose(view, cluster, Scope::Automatic, now, policy);
    let mut plan = Plan { commands: commands(view, &proposal.moves, now, ids), ..Plan::default() };
    plan.notes.extend(proposal.moves.iter().map(|one| format!("{} moves: {}", one.task, one.reason)));
    plan.next_wake = proposal.next_look;
    plan
}

/// What would be moved now.
pub fn propose(
    view: &State,
    cluster: &ClusterName,
    scope: Scope<'_>,
    now: Timestamp,
    policy: &Policy,
) -> Proposal {
    let mut proposal = Proposal::default();
    let mut budget = policy.rebalance_moves.saturating_sub(on_the_move(view, cluster));
    for service in view.services_in(cluster).filter(|service| service.status == ServiceStatus::Active) {
        let is_asked = match scope {
            Scope::Automatic => service.is_rebalanced(),
            Scope::Asked(None) => true,
            Scope::Asked(Some(key)) => service.key == *key,
        };
        if !is_asked {
            continue;
        }
        let examined = Examined { view, service, now, policy };
        match examined.moves(scope, budget) {
            Ok(moves) => {
                budget -= u32::try_from(moves.len()).unwrap_or(budget).min(budget);
                proposal.moves.extend(moves);
            }
            Err(Held { why, until }) => {
                proposal.next_look = earliest(proposal.next_look, until);
                proposal.held_back.push((service.key.clone(), why));
            }
        }
    }
    proposal
}

/// The commands that begin moves.
pub fn commands(view: &State, moves: &[Move], now: Timestamp, ids: &mut Ids) -> Vec<Command> {
    let mut by_service: BTreeMap<&ServiceKey, Vec<&Move>> = BTreeMap::new();
    for one in moves {
        by_service.entry(&one.service).or_default().push(one);
    }
    let mut commands = Vec::new();
    for (key, moves) in by_service {
        let Some(service) = view.service(key) else { continue };
        let Some((primary, definition)) = running(view, service) else { continue };
        let template = Template::new(service, primary, definition, now);
        let task = |one: &&Move| {
            let mut task = template.task(ids, one.to, one.decision.clone());
            task.scheduling.replaces = Some(one.task);
            task
        };
        let mut tasks: Vec<Task> = moves.iter().map(task).collect();
        gpu::assign(view, &mut tasks);
        let service = Some((key.clone(), service.generation));
        commands.push(Command::StartTasks(StartTasks { service, tasks }));
    }
    commands
}

/// Tasks of a cluster whose successors were started and that have not stopped.
fn on_the_move(view: &State, cluster: &ClusterName) -> u32 {
    let is_on = |successor: &&TaskId| {
        let successor = view.task(**successor).filter(|task| !task.is_stopped());
        let replaced = successor.and_then(|task| task.scheduling.replaces);
        replaced.and_then(|id| view.task(id)).is_some_and(|task| !task.is_stopped())
    };
    u32::try_from(view.moved_in(cluster).filter(is_on).count()).unwrap_or(u32::MAX)
}

fn running<'a>(view: &'a State, service: &'a Service) -> Option<(&'a Deployment, &'a TaskDefinition)> {
    let primary = service.primary()?;
    view.task_definition(&primary.task_definition).map(|definition| (primary, &**definition))
}

fn earliest(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// A service that is looked at.
struct Examined<'a> {
    view: &'a State,
    service: &'a Service,
    now: Timestamp,
    policy: &'a Policy,
}

/// Why a service is left as it is, and when that may be over.
struct Held {
    why: String,
    until: Option<Timestamp>,
}

// === impl Examined ===

impl<'a> Examined<'a> {
    fn moves(&self, scope: Scope<'_>, budget: u32) -> Result<Vec<Move>, Held> {
        let held = |why: &str| Err(Held { why: why.to_owned(), until: None });
        let service = self.service;
        if let Some(why) = hindrance(service) {
            return held(why);
        }
        let Some((_, definition)) = running(self.view, service) else {
            return held("its task definition is gone");
        };
        let tasks: Vec<&'a Task> = self.tasks();
        if !service.steady || service.deployments.len() != 1 || tasks.len() != self.wanted() {
            return held("it is not steady");
        }
        let spread = Spread::take(self.view, service, &tasks);
        if spread.is_even() {
            return held("its tasks are spread evenly");
        }
        if scope == Scope::Automatic
            && let Some(until) = self.unrest(&tasks).filter(|until| *until > self.now)
        {
            return Err(Held {
                why: "it waits until all has been quiet for a while".to_owned(),
                until: Some(until),
            });
        }
        let room = service.bounds.ceiling(service.desired_count).saturating_sub(service.desired_count);
        let share = (service.desired_count / 10).max(1);
        if budget == 0 {
            return held("as many tasks of the cluster move already as may at a time");
        }
        let moves = self.choose(definition, &tasks, spread, share.min(room).min(budget));
        if moves.is_empty() { held("no task would be better off elsewhere where it fits") } else { Ok(moves) }
    }

    fn wanted(&self) -> usize {
        usize::try_from(self.service.desired_count).unwrap_or(usize::MAX)
    }

    /// The tasks that run and should.
    fn tasks(&self) -> Vec<&'a Task> {
        let view = self.view;
        let tasks = view.tasks_of(&self.service.key).map(|task| &**task);
        tasks.filter(|task| task.is_running() && view.is_reachable(task)).collect()
    }

    /// Until when the service or its instances are too young to be judged.
    fn unrest(&self, tasks: &[&Task]) -> Option<Timestamp> {
        let started = tasks.iter().filter_map(|task| task.observed.started_at).max();
        let instances = self.view.instances_in(&self.service.key.cluster).filter(|one| one.takes_tasks());
        let joined = instances.map(|instance| instance.connected_at).max();
        started.max(joined).map(|at| at.plus(self.policy.rebalance_after))
    }

    /// Chooses up to `count` moves, each as if those before it were done.
    fn choose(
        &self,
        definition: &'a TaskDefinition,
        tasks: &[&'a Task],
        mut spread: Spread<'a>,
        count: u32,
    ) -> Vec<Move> {
        let needs = definition.facts.requirements();
        let (mut moves, mut leaving): (Vec<Move>, BTreeSet<TaskId>) = (Vec::new(), BTreeSet::new());
        while moves.len() < usize::try_from(count).unwrap_or(usize::MAX) {
            let found = self.candidates(tasks, &leaving).find_map(|task| {
                leaving.insert(task.id);
                let to = self.place(definition, &needs, &moves, &leaving);
                let gain = to.and_then(|(to, decision)| {
                    spread.gain(task.instance, to).map(|reason| (task, to, decision, reason))
                });
                if gain.is_none() {
                    leaving.remove(&task.id);
                }
                gain
            });
            let Some((task, to, decision, reason)) = found else { break };
            spread.shift(task.instance, to);
            moves.push(Move {
                service: self.service.key.clone(),
                task: task.id,
                from: task.instance,
                to,
                reason,
                decision,
            });
        }
        moves
    }

    /// The tasks in the order in which scale-in would take them, one of each instance: the others there are as good.
    /// Those under scale-in protection stay where they are.
    fn candidates(
        &self,
        tasks: &[&'a Task],
        leaving: &BTreeSet<TaskId>,
    ) -> impl Iterator<Item = &'a Task> + use<'a> {
        let mut staying: Vec<&'a Task> = tasks.to_vec();
        staying.retain(|task| !leaving.contains(&task.id));
        let is_free = |task: &&&Task| self.view.protected_until(task.id, self.now).is_none();
        let movable: Vec<(&'a Task, Standing)> =
            staying.iter().filter(is_free).map(|task| (*task, Standing::Healthy)).collect();
        let order = Order::new(self.view, &self.service.placement.strategy, 0, staying, movable);
        let mut seen: BTreeSet<InstanceId> = BTreeSet::new();
        order.filter(move |task| seen.insert(task.instance)).take(CANDIDATES)
    }

    /// Where the next successor would go, when those of earlier moves are where they go.
    fn place(
        &self,
        definition: &TaskDefinition,
        needs: &crate::resource::Requirements,
        moves: &[Move],
        leaving: &BTreeSet<TaskId>,
    ) -> Option<(InstanceId, Decision)> {
        let mut placer = Placer::new(&Request {
            view: self.view,
            cluster: &self.service.key.cluster,
            rules: &self.service.placement,
            facts: &definition.facts,
            counted: Counted::Service { key: &self.service.key, leaving },
            zone: None,
            seed: 0,
        });
        for earlier in moves {
            placer.place_on(earlier.to, needs).ok()?;
        }
        placer.decide(needs).ok()
    }
}

/// Instances from which a task is tried for one move; the others have fewer tasks of the service.
const CANDIDATES: usize = 8;

/// What about a service forbids that its tasks move. Source: ECS developer guide, "Availability Zone rebalancing".
pub fn hindrance(service: &Service) -> Option<&'static str> {
    if service.is_daemon() {
        return Some("it is a DAEMON service");
    }
    if service.bounds.maximum_percent <= 100 {
        return Some("its maximumPercent is not above 100");
    }
    let spreads = matches!(in_force(&service.placement.strategy).first(), Some(Strategy::Spread(_)));
    if !spreads {
        return Some("its first placement strategy is not spread");
    }
    let by_zone = |constraint: &Constraint| match constraint {
        Constraint::DistinctInstance => false,
        Constraint::MemberOf(text) => {
            Expression::parse(text).is_ok_and(|expression| expression.mentions(AVAILABILITY_ZONE))
        }
    };
    service.placement.constraints.iter().any(by_zone).then_some("a placement constraint names its zones")
}

#[cfg(test)]
mod tests;
