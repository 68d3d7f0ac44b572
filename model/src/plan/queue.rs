//! The queue of a cluster: one-off tasks whose callers would rather have them wait than refused.
//!
//! * Tasks of a higher priority come first, whatever else holds. Within a priority those who run least take turns: of
//!   the parties (a party is a `startedBy` and a group) the one whose one-off tasks hold the smallest share of the
//!   cluster, of CPU, memory or GPUs, whichever is most; each takes its oldest task. See [`line`].
//! * A task that fits nowhere now holds up nobody: whoever comes after it and fits is placed.
//! * Nor is a large one passed for ever by small ones. The first that is passed though it has waited for [`PATIENCE`],
//!   and that would fit if one-off tasks ended, gets a **claim**, unless one of its priority has one. From then on it
//!   comes first in its priority, and the instance that comes closest to it is kept free of tasks that come after it;
//!   the number of instances that are kept doubles as the claim ages, up to half of those that could take it. See
//!   [`claim`].
//! * A task whose deadline has passed and that still fits nowhere is stopped, and told what came closest.
//!
//! Services and calls that do not queue are not held back by anything here.

use std::collections::BTreeSet;
use std::time::Duration;

use self::kinds::Kinds;
use self::line::Line;
use super::{Plan, gpu};
use crate::command::{Command, PlaceTasks, Placing, StopTasks};
use crate::id::{ClusterName, Ids, TaskId};
use crate::limits::{COMMANDS_PER_PLAN, PLACED_PER_PLAN, TASKS_PER_COMMAND};
use crate::state::State;
use crate::task::{StopCode, Task};
use crate::time::Timestamp;

mod claim;
mod kinds;
mod line;

/// How long a task waits before instances are kept free for it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Where a task is in its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// How many come before it.
    pub before: usize,
    /// How many wait.
    pub waiting: usize,
    /// For how many instances it has the claim.
    pub kept: usize,
}

/// Plans for one cluster.
pub fn plan(view: &State, cluster: &ClusterName, now: Timestamp, ids: &mut Ids) -> Plan {
    let mut plan = Plan::default();
    if view.queued_in(cluster).next().is_none() {
        return plan;
    }
    let mut round = Round {
        now,
        kinds: Kinds::new(view, cluster, ids.short()),
        placed: Vec::new(),
        overdue: Vec::new(),
        claimed: BTreeSet::new(),
        passed: None,
        claim: None,
    };
    let mut line = Line::new(view, cluster);
    while let Some(task) = line.next() {
        if round.placed.len() == PLACED_PER_PLAN {
            plan.wake_at(now);
            break;
        }
        if round.place(task) {
            line.count(task);
        } else if let Some(deadline) = deadline(task).filter(|at| *at > now) {
            plan.wake_at(deadline);
        }
    }
    round.finish(view, &mut plan);
    plan
}

/// One look at a queue.
struct Round<'a> {
    now: Timestamp,
    kinds: Kinds<'a>,
    placed: Vec<Task>,
    /// Those whose time is over.
    overdue: Vec<&'a Task>,
    /// Priorities of which a task has a claim to something.
    claimed: BTreeSet<i32>,
    /// The first that found no place and may have a claim.
    passed: Option<TaskId>,
    /// The same, once another was placed after it.
    claim: Option<TaskId>,
}

/// Where a task is that waits; nothing when it does not.
pub fn position(view: &State, task: &Task, now: Timestamp) -> Option<Position> {
    if !task.is_queued() {
        return None;
    }
    let mut line = Line::new(view, &task.cluster);
    let (mut before, mut waiting) = (None, 0);
    while let Some(next) = line.next() {
        if next.id == task.id {
            before = Some(waiting);
        }
        waiting += 1;
        line.count(next);
    }
    let kept = claim::kept(task, now, &mut Kinds::new(view, &task.cluster, 0)).len();
    Some(Position { before: before?, waiting, kept })
}

fn deadline(task: &Task) -> Option<Timestamp> {
    task.scheduling.queue.and_then(|queue| queue.deadline)
}

fn priority(task: &Task) -> i32 {
    task.scheduling.queue.map_or(0, |queue| queue.priority)
}

/// Gives up those whose time is over. What kept them out is the same for all of one kind.
fn expiries<'a>(overdue: &[&'a Task], kinds: &mut Kinds<'a>) -> Vec<Command> {
    let mut stops: Vec<StopTasks> = Vec::new();
    for task in overdue {
        let Some(reason) = kinds.timeout(task) else { continue };
        let open = |stop: &&mut StopTasks| stop.reason == reason && stop.tasks.len() < TASKS_PER_COMMAND;
        if let Some(stop) = stops.iter_mut().find(open) {
            stop.tasks.push(task.id);
            continue;
        }
        let (code, tasks) = (StopCode::TaskFailedToStart, vec![task.id]);
        stops.push(StopTasks { service: None, tasks, code, reason });
    }
    stops.into_iter().map(Command::StopTasks).collect()
}

// === impl Round ===

impl<'a> Round<'a> {
    /// Finds a place for the task whose turn it is; says whether there was one.
    fn place(&mut self, task: &'a Task) -> bool {
        if let Some((instance, decision)) = self.kinds.place(task) {
            let mut task = Task { instance, ..task.clone() };
            task.scheduling.decision = Some(decision.into());
            self.placed.push(task);
            self.claim = self.claim.or(self.passed);
            return true;
        }
        if deadline(task).is_some_and(|at| at <= self.now) {
            self.overdue.push(task);
            return false;
        }
        let kept = claim::kept(task, self.now, &mut self.kinds);
        if !kept.is_empty() {
            self.claimed.insert(priority(task));
            self.kinds.keep_free(kept);
        } else if self.passed.is_none()
            && !self.claimed.contains(&priority(task))
            && claim::is_due(task, self.now, &mut self.kinds)
        {
            self.passed = Some(task.id);
        }
        false
    }

    fn finish(mut self, view: &State, plan: &mut Plan) {
        gpu::assign(view, &mut self.placed);
        let placing = |task: Task| Placing {
            task: task.id,
            instance: task.instance,
            gpu_ids: task.scheduling.gpu_ids,
            decision: task.scheduling.decision,
        };
        let placings: Vec<Placing> = self.placed.into_iter().map(placing).collect();
        if !placings.is_empty() {
            plan.notes.push(format!("{} tasks of the queue found a place", placings.len()));
            plan.commands.push(Command::PlaceTasks(PlaceTasks { placings, claim: self.claim }));
        }
        plan.commands.extend(expiries(&self.overdue, &mut self.kinds));
        if plan.commands.len() > COMMANDS_PER_PLAN {
            plan.commands.truncate(COMMANDS_PER_PLAN);
            plan.wake_at(self.now);
        }
    }
}

#[cfg(test)]
mod tests;
