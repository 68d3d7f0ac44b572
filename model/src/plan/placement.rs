//! The placer: which instance gets a task.
//!
//! Filters leave the instances that can take it, strategies rank those in turn, and the id of the instance breaks the
//! last tie: the answer is the one that a full scan gives, and the same every time (`tests` has that scan).
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
use crate::placement::{PackField, PlacementRules, SpreadField, Strategy};
use crate::resource::Requirements;
use crate::state::State;
use crate::task::{DesiredStatus, Task};
use crate::task_definition::Facts;

use super::ranking::{CellId, Prefer, Ranking, Score};
pub use crate::fit::{Reason, Refusal};
pub(super) use explain::gist;
pub use explain::{Failure, Refusals};

mod explain;
mod reserve;

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

/// The candidates that can take a task with these needs, by rank. One that cannot any more never comes back: what is
/// placed only adds.
struct Ranked<'a> {
    needs: Requirements,
    ranking: Ranking<'a>,
    /// The cell of each candidate.
    cells: Vec<CellId>,
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
        let mut ranked = match self.ranked.take() {
            Some(ranked) if ranked.needs == *needs => ranked,
            Some(_) | None => self.rank(needs),
        };
        let chosen = ranked.ranking.pop();
        if let Some(at) = chosen {
            self.take(at, needs);
            ranked.ranking.count_more(ranked.cells[at], 1);
            self.offer(&mut ranked, at);
        }
        self.ranked = Some(ranked);
        match chosen {
            Some(at) => Ok(self.candidates[at].instance.id),
            None => Err(self.refusals(needs)),
        }
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
            placed_group: (candidate.placed > 0).then_some(&*self.group),
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
        let mut ranked = Ranked { needs: needs.clone(), ranking, cells };
        for at in 0..self.candidates.len() {
            self.offer(&mut ranked, at);
        }
        ranked
    }

    /// Ranks a candidate if it can take one more task.
    fn offer(&self, ranked: &mut Ranked<'a>, at: usize) {
        let candidate = &self.candidates[at];
        if self.conditions.admit(&self.situation(candidate), &ranked.needs) {
            ranked.ranking.push(ranked.cells[at], self.score(candidate), at);
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
        Score { class: u64::from(elsewhere), ranks, tie: 0, id }
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
