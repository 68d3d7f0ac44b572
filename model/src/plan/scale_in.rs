//! Which of a service's tasks to stop.
//!
//! Whatever serves the least goes first (see [`Standing`]), then whoever its strategies like least: with spread the one
//! that shares its zone, then its host, with the most others; with binpack the one whose end leaves the most room on
//! its instance. Among equals the newest goes: the older one has proven itself for longer.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::placement::{in_force, shuffled};
use super::ranking::{CellId, Prefer, Ranking, Score};
use crate::container_instance::ContainerInstance;
use crate::id::InstanceId;
use crate::limits::STRATEGIES;
use crate::placement::{PackField, SpreadField, Strategy};
use crate::state::State;
use crate::task::Task;

/// How much a task serves. The lower goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// On an instance that was declared lost.
    Lost,
    /// On an instance that is DRAINING: it has to go anyway.
    Draining,
    /// Not RUNNING yet.
    Pending,
    /// RUNNING, and its health check fails.
    Unhealthy,
    /// RUNNING, and not yet known to be healthy.
    Warming,
    /// RUNNING and healthy.
    Healthy,
}

/// Tasks in the order in which to stop them, each chosen as if those before it were gone.
pub struct Order<'a> {
    strategy: &'a [Strategy],
    seed: u64,
    hosts: Vec<Host<'a>>,
    ranking: Ranking<'a>,
}

/// An instance and the tasks on it that may be stopped.
struct Host<'a> {
    instance: Option<&'a ContainerInstance>,
    cell: CellId,
    /// Tasks on it that are counted and not yet given out.
    counted: u32,
    /// CPU units and MiB of the tasks given out.
    freed: (u64, u64),
    /// Best last. The order among the tasks of one host does not change while the host's counts do.
    tasks: Vec<(Score, &'a Task)>,
}

// === impl Order ===

impl<'a> Order<'a> {
    /// An order over `candidates`, all of which are among the tasks that are `counted` as sharing zones and hosts.
    pub fn new(
        view: &'a State,
        strategy: &'a [Strategy],
        seed: u64,
        counted: impl IntoIterator<Item = &'a Task>,
        candidates: impl IntoIterator<Item = (&'a Task, Standing)>,
    ) -> Self {
        let strategy = in_force(strategy);
        let ranking = Ranking::new(strategy, Prefer::Most);
        let mut order = Self { strategy, seed, hosts: Vec::new(), ranking };
        let mut by_instance: BTreeMap<InstanceId, usize> = BTreeMap::new();
        let mut host_of = |order: &mut Self, task: &Task| {
            *by_instance.entry(task.instance).or_insert_with(|| order.add_host(view, task.instance))
        };
        for task in counted {
            let at = host_of(&mut order, task);
            order.hosts[at].counted += 1;
            order.ranking.count_more(order.hosts[at].cell, 1);
        }
        for (task, standing) in candidates {
            let at = host_of(&mut order, task);
            let score = order.score_on_host(task, standing);
            order.hosts[at].tasks.push((score, task));
        }
        for at in 0..order.hosts.len() {
            order.hosts[at].tasks.sort_unstable_by_key(|(score, _)| Reverse(*score));
            order.offer(at);
        }
        order
    }

    fn add_host(&mut self, view: &'a State, id: InstanceId) -> usize {
        let instance = view.instance(id).map(|instance| &**instance);
        let cell = self.ranking.cell(|name| instance.and_then(|instance| instance.attribute(name)));
        self.hosts.push(Host { instance, cell, counted: 0, freed: (0, 0), tasks: Vec::new() });
        self.hosts.len() - 1
    }

    /// Ranks a host by the task that would go next from it.
    fn offer(&mut self, at: usize) {
        let host = &self.hosts[at];
        let Some((on_host, task)) = host.tasks.last() else { return };
        let mut score = *on_host;
        for (rank, strategy) in score.ranks.iter_mut().zip(self.strategy) {
            match strategy {
                Strategy::Spread(SpreadField::Attribute(_)) | Strategy::Random => {}
                Strategy::Spread(SpreadField::Instance) => {
                    *rank = Prefer::Most.rank(u64::from(host.counted));
                }
                Strategy::Binpack(field) => *rank = Prefer::Most.rank(host.free_after(task, *field)),
            }
        }
        self.ranking.push(host.cell, score, at);
    }

    /// What decides among the tasks of one host.
    fn score_on_host(&self, task: &Task, standing: Standing) -> Score {
        let mut ranks = [0; STRATEGIES];
        for (rank, strategy) in ranks.iter_mut().zip(self.strategy) {
            *rank = match strategy {
                Strategy::Spread(_) => 0,
                Strategy::Binpack(field) => Prefer::Most.rank(held(task, *field)),
                Strategy::Random => shuffled(self.seed, task.id.number(), 0),
            };
        }
        let age = u64::try_from(task.created_at.unix_ms()).unwrap_or(0);
        Score { class: standing.rank(), ranks, tie: Prefer::Most.rank(age), id: task.id.number() }
    }
}

impl<'a> Iterator for Order<'a> {
    type Item = &'a Task;

    fn next(&mut self) -> Option<&'a Task> {
        let at = self.ranking.pop()?;
        let host = &mut self.hosts[at];
        let (_, task) = host.tasks.pop()?;
        host.counted = host.counted.saturating_sub(1);
        host.freed.0 += u64::from(task.held.cpu_units);
        host.freed.1 += u64::from(task.held.memory_mib);
        self.ranking.count_less(self.hosts[at].cell);
        self.offer(at);
        Some(task)
    }
}

// === impl Standing ===

impl Standing {
    fn rank(self) -> u64 {
        match self {
            Self::Lost => 0,
            Self::Draining => 1,
            Self::Pending => 2,
            Self::Unhealthy => 3,
            Self::Warming => 4,
            Self::Healthy => 5,
        }
    }
}

// === impl Host ===

impl Host<'_> {
    /// What is free here once this task has gone too, moved up so that it is not negative where an instance came to
    /// offer less than its tasks hold.
    fn free_after(&self, task: &Task, field: PackField) -> u64 {
        const ZERO: u64 = 1 << 40;
        let Some(instance) = self.instance else { return 0 };
        let (offered, taken, freed) = match field {
            PackField::Cpu => (instance.capacity.cpu_units, instance.held.cpu_units, self.freed.0),
            PackField::Memory => (instance.capacity.memory_mib, instance.held.memory_mib, self.freed.1),
        };
        ZERO + u64::from(offered) + freed + held(task, field) - u64::from(taken)
    }
}

fn held(task: &Task, field: PackField) -> u64 {
    u64::from(match field {
        PackField::Cpu => task.held.cpu_units,
        PackField::Memory => task.held.memory_mib,
    })
}

#[cfg(test)]
mod tests;
