//! The placer: which instance gets a task.
//!
//! Filters leave the instances that can take it, and strategies rank those in turn. Among equals the least loaded one is
//! taken, and the id of the instance breaks the last tie: the answer is the one that a full scan gives, and the same
//! every time (`tests` has that scan).
//!
//! A placer is made once for many tasks of one kind. It ranks the fleet at its first placement and afterwards only what
//! that placement changed, so a placement costs the logarithm of the fleet rather than the fleet.
//!
//! Spread counts the tasks of the service or group that are there to stay: on instances that take tasks, and not about
//! to be stopped. What leaves must not keep its successor away. `distinctInstance` counts every task that is not over.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::LazyLock;

use crate::attribute::AVAILABILITY_ZONE;
use crate::container_instance::{ContainerInstance, InstanceStatus};
use crate::fit::{Conditions, Situation};
use crate::id::{ClusterName, Ids, InstanceId, ServiceKey, ServiceName, TaskId};
use crate::limits::STRATEGIES;
use crate::placement::{Decision, How, PackField, PlacementRules, SpreadField, Strategy};
use crate::resource::Requirements;
use crate::state::State;
use crate::task::{DesiredStatus, Task};
use crate::task_definition::Facts;

use super::ranking::{Prefer, Ranking, Score};
pub use crate::fit::{Reason, Refusal};
pub(super) use explain::gist;
pub use explain::{Failure, Refusals};
use ranked::Ranked;

mod explain;
mod ranked;
mod reserve;
mod share;

/// What a placer is made for.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The state that placements are decided on.
    pub view: &'a State,
    /// Whose instances are asked.
    pub cluster: &'a ClusterName,
    /// Constraints and strategies of the service or the call.
    pub rules: &'a PlacementRules,
    /// Required attributes and constraints of the task definition.
    pub facts: &'a Facts,
    /// Whose tasks are counted.
    pub counted: Counted<'a>,
    /// Instances of this zone are taken before all others.
    pub zone: Option<&'a str>,
    /// For the strategy `random`.
    pub seed: u64,
}

/// The tasks that spread and `distinctInstance` count.
#[derive(Clone, Copy, Debug)]
pub enum Counted<'a> {
    /// Those of a service.
    Service {
        /// The service.
        key: &'a ServiceKey,
        /// Those among them that are about to be stopped or replaced, which spread does not count.
        leaving: &'a BTreeSet<TaskId>,
    },
    /// Those of a group that no service wants.
    Group(&'a str),
}

/// Places tasks, each as if those before it were on their instances already.
pub struct Placer<'a> {
    request: Request<'a>,
    strategy: &'a [Strategy],
    conditions: Conditions<'a>,
    /// The group of what is placed.
    group: Cow<'a, str>,
    /// By id. Deregistered instances are left out.
    candidates: Vec<Candidate<'a>>,
    ranked: Option<Ranked<'a>>,
}

/// An instance and what this placer put on it.
struct Candidate<'a> {
    instance: &'a ContainerInstance,
    /// What its tasks hold with those placed here and what is kept for daemons; as in the view until the first.
    held: Option<Box<Requirements>>,
    /// Tasks placed here.
    placed: u32,
    /// Those among them that are of another placer.
    foreign: u32,
    /// It is kept free for somebody else.
    is_kept: bool,
    /// For the strategy `random`: when its next turn comes. Every instance takes turns at random intervals of its own,
    /// so whose turn it is follows no pattern, and only the one whose turn it was needs a new one.
    turn: u64,
    /// Tasks that spread counts.
    staying: u32,
    /// Tasks of the service or group that are not over.
    group: u32,
    /// A DAEMON service whose task comes first.
    awaits: Option<&'a ServiceName>,
}

/// The strategies in force: ECS's default for services when there are none.
pub(super) fn in_force(strategy: &[Strategy]) -> &[Strategy] {
    static DEFAULT: LazyLock<[Strategy; 2]> = LazyLock::new(|| {
        [
            Strategy::Spread(SpreadField::Attribute(AVAILABILITY_ZONE.to_owned())),
            Strategy::Spread(SpreadField::Instance),
        ]
    });
    match strategy {
        [] => &*DEFAULT,
        given => &given[..given.len().min(STRATEGIES)],
    }
}

/// A number that looks random and follows from the seed and what it is for.
pub(super) fn shuffled(seed: u64, id: u128, round: u32) -> u64 {
    let salt = u128::from(seed) << 64 | u128::from(round);
    Ids::from_seed(id ^ salt).short()
}

// === impl Counted ===

impl<'a> Counted<'a> {
    /// The group that the tasks are of.
    fn group(self) -> Cow<'a, str> {
        match self {
            Self::Service { key, .. } => Cow::Owned(format!("service:{}", key.name)),
            Self::Group(group) => Cow::Borrowed(group),
        }
    }
}

// === impl Placer ===

impl<'a> Placer<'a> {
    /// Reads the fleet and the tasks to count.
    pub fn new(request: &Request<'a>) -> Self {
        let view = request.view;
        let instances = view.instances_in(request.cluster);
        let mut candidates: Vec<Candidate<'a>> = instances
            .filter(|instance| instance.status != InstanceStatus::Inactive)
            .map(|instance| Candidate {
                instance,
                held: None,
                placed: 0,
                foreign: 0,
                is_kept: false,
                turn: interval(request.seed, instance.id, 0),
                staying: 0,
                group: 0,
                awaits: None,
            })
            .collect();
        reserve::set_aside(request, &mut candidates);
        let mut placer = Self {
            request: *request,
            strategy: in_force(&request.rules.strategy),
            conditions: Conditions::new(request.facts, &request.rules.constraints),
            group: request.counted.group(),
            candidates,
            ranked: None,
        };
        match request.counted {
            Counted::Service { key, leaving } => {
                for task in view.tasks_of(key) {
                    placer.count(task, !leaving.contains(&task.id));
                }
            }
            Counted::Group(group) => {
                for task in view.tasks_in_group(request.cluster, group) {
                    placer.count(task, true);
                }
            }
        }
        placer
    }

    /// Places one task, or says of every instance what was in the way.
    pub fn place(&mut self, needs: &Requirements) -> Result<InstanceId, Refusals> {
        let mut ranked = self.ranked(needs);
        let chosen = self.choose(&mut ranked);
        self.ranked = Some(ranked);
        chosen.ok_or_else(|| self.refusals(needs))
    }

    /// The same, and says why there.
    pub fn decide(&mut self, needs: &Requirements) -> Result<(InstanceId, Decision), Refusals> {
        let mut ranked = self.ranked(needs);
        let decision = self.decision(&mut ranked);
        let chosen = self.choose(&mut ranked);
        self.ranked = Some(ranked);
        match (chosen, decision) {
            (Some(id), Some(decision)) => {
                let zone = self.find(id).map(|at| self.candidates[at].instance.zone()).unwrap_or_default();
                Ok((id, Decision { zone: zone.to_owned(), ..decision }))
            }
            _ => Err(self.refusals(needs)),
        }
    }

    /// The ranking for tasks with these needs: the last one, if that is what it was for.
    fn ranked(&mut self, needs: &Requirements) -> Ranked<'a> {
        match self.ranked.take() {
            Some(ranked) if ranked.needs == *needs => ranked,
            Some(_) | None => self.rank(needs),
        }
    }

    fn choose(&mut self, ranked: &mut Ranked<'a>) -> Option<InstanceId> {
        let at = ranked.ranking.pop()?;
        self.take(at, &ranked.needs);
        ranked.ranking.count_more(ranked.cells[at], 1);
        self.offer(ranked, at);
        Some(self.candidates[at].instance.id)
    }

    /// What speaks for the candidate that comes next.
    fn decision(&self, ranked: &mut Ranked<'a>) -> Option<Decision> {
        let best = ranked.ranking.best()?;
        let terms = self.strategy.iter().zip(best.ranks);
        let terms = terms.filter(|(strategy, _)| **strategy != Strategy::Random);
        Some(Decision {
            how: How::Ranked,
            zone: String::new(),
            asked: count(self.candidates.len()),
            fitting: count(self.candidates.len()) - ranked.refused(),
            filtered: ranked.filtered(),
            terms: terms.map(|(strategy, value)| (strategy.clone(), value)).collect(),
        })
    }

    /// Places one task on an instance that somebody else chose. Strategies are not asked.
    pub fn place_on(&mut self, id: InstanceId, needs: &Requirements) -> Result<(), Refusal> {
        let at = self.find(id).ok_or_else(|| Refusal { instance: id, reasons: vec![Reason::Missing] })?;
        let reasons = self.conditions.reasons(&self.situation(&self.candidates[at]), needs);
        if !reasons.is_empty() {
            return Err(Refusal { instance: id, reasons });
        }
        self.take(at, needs);
        self.ranked = None;
        Ok(())
    }

    /// What every instance answers to a task with these needs; no reason is in the way on one that can take it.
    pub fn answers(&self, needs: &Requirements) -> Refusals {
        self.refusals(needs)
    }

    fn take(&mut self, at: usize, needs: &Requirements) {
        let candidate = &mut self.candidates[at];
        let instance = candidate.instance;
        candidate.held.get_or_insert_with(|| Box::new(instance.held.clone())).add(needs);
        candidate.placed += 1;
        candidate.turn += interval(self.request.seed, instance.id, candidate.placed);
        candidate.staying += 1;
        candidate.group += 1;
    }

    fn count(&mut self, task: &Task, stays: bool) {
        if task.is_stopped() {
            return;
        }
        let Some(at) = self.find(task.instance) else { return };
        let candidate = &mut self.candidates[at];
        candidate.group += 1;
        candidate.staying += u32::from(stays && task.desired == DesiredStatus::Running);
    }

    fn situation<'c>(&'c self, candidate: &'c Candidate<'a>) -> Situation<'c> {
        Situation {
            view: self.request.view,
            instance: candidate.instance,
            held: candidate.held(),
            tasks: candidate.tasks(),
            group: candidate.group,
            placed_group: (candidate.placed > candidate.foreign).then_some(&*self.group),
            awaits: candidate.awaits,
        }
    }

    fn find(&self, id: InstanceId) -> Option<usize> {
        self.candidates.binary_search_by_key(&id, |candidate| candidate.instance.id).ok()
    }

    fn rank(&self, needs: &Requirements) -> Ranked<'a> {
        let mut ranking = Ranking::new(self.strategy, Prefer::Fewest);
        let mut cells = Vec::with_capacity(self.candidates.len());
        for candidate in &self.candidates {
            let instance = candidate.instance;
            let cell = ranking.cell(|name| instance.attribute(name));
            if instance.takes_tasks() {
                ranking.count_more(cell, candidate.staying);
            }
            cells.push(cell);
        }
        let mut ranked = Ranked::new(needs, ranking, cells);
        for at in 0..self.candidates.len() {
            self.offer(&mut ranked, at);
        }
        ranked
    }

    /// Ranks a candidate if it can take one more task.
    fn offer(&self, ranked: &mut Ranked<'a>, at: usize) {
        let candidate = &self.candidates[at];
        match self.conditions.first_reason(&self.situation(candidate), &ranked.needs) {
            Some(reason) => ranked.refuse(&reason),
            None if candidate.is_kept => ranked.keep(),
            None => ranked.ranking.push(ranked.cells[at], self.score(candidate), at),
        }
    }

    /// What is the candidate's own of its score.
    fn score(&self, candidate: &Candidate<'a>) -> Score {
        let instance = candidate.instance;
        let id = instance.id.number();
        let mut ranks = [0; STRATEGIES];
        for (rank, strategy) in ranks.iter_mut().zip(self.strategy) {
            *rank = match strategy {
                Strategy::Spread(SpreadField::Attribute(_)) => 0,
                Strategy::Spread(SpreadField::Instance) => u64::from(candidate.staying),
                Strategy::Binpack(PackField::Cpu) => {
                    free(instance.capacity.cpu_units, candidate.held().cpu_units)
                }
                Strategy::Binpack(PackField::Memory) => {
                    free(instance.capacity.memory_mib, candidate.held().memory_mib)
                }
                Strategy::Random => candidate.turn,
            };
        }
        let elsewhere = self.request.zone.is_some_and(|zone| zone != instance.zone());
        Score { class: u64::from(elsewhere), ranks, tie: load_ppm(candidate), id }
    }

    fn refusals(&self, needs: &Requirements) -> Refusals {
        let refused = self.candidates.iter().map(|candidate| Refusal {
            instance: candidate.instance.id,
            reasons: self.conditions.reasons(&self.situation(candidate), needs),
        });
        Refusals::new(refused.collect())
    }
}

/// The time between one turn and the next; small enough for the turns of a full instance to add up.
fn interval(seed: u64, id: InstanceId, turn: u32) -> u64 {
    shuffled(seed, id.number(), turn) >> 16
}

/// How much of it is held: of CPU or memory, whichever is more.
fn load_ppm(candidate: &Candidate<'_>) -> u64 {
    let (capacity, held) = (&candidate.instance.capacity, candidate.held());
    let share = |held: u32, offered: u32| u64::from(held) * 1_000_000 / u64::from(offered).max(1);
    share(held.cpu_units, capacity.cpu_units).max(share(held.memory_mib, capacity.memory_mib))
}

fn count(candidates: usize) -> u32 {
    u32::try_from(candidates).unwrap_or(u32::MAX)
}

fn free(offered: u32, held: u32) -> u64 {
    u64::from(offered.saturating_sub(held))
}

// === impl Candidate ===

impl Candidate<'_> {
    fn held(&self) -> &Requirements {
        self.held.as_deref().unwrap_or(&self.instance.held)
    }

    /// Tasks that run on it or are on their way.
    fn tasks(&self) -> u32 {
        self.instance.running_count + self.instance.pending_count + self.placed
    }
}

#[cfg(test)]
mod tests;
