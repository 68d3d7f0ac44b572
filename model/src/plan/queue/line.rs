//! The order of the queue: by priority, those with a claim first, then by who runs least, then by age.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::claim::claimed_at;
use super::priority;
use crate::id::{ClusterName, TaskId};
use crate::resource::Requirements;
use crate::state::State;
use crate::task::Task;
use crate::time::Timestamp;

/// What comes before turns: a higher priority, and a claim in it.
type Class = (Reverse<i32>, Reverse<bool>);

/// Who takes turns: what the caller said of who started the task, and its group.
type Party<'a> = (Option<&'a str>, &'a str);

/// The tasks that wait, to be taken one after another.
pub(super) struct Line<'a> {
    /// By class and party, the oldest task first. No set is empty.
    waiting: BTreeMap<Class, BTreeMap<Party<'a>, Oldest<'a>>>,
    /// What the one-off tasks of each party hold of the cluster, in millionths.
    shares: BTreeMap<Party<'a>, u64>,
    total: Requirements,
}

/// Tasks by age.
type Oldest<'a> = BTreeMap<(Timestamp, TaskId), &'a Task>;

fn party(task: &Task) -> Party<'_> {
    (task.started_by.as_deref(), &task.group)
}

// === impl Line ===

impl<'a> Line<'a> {
    pub(super) fn new(view: &'a State, cluster: &'a ClusterName) -> Self {
        let mut line =
            Self { waiting: BTreeMap::new(), shares: BTreeMap::new(), total: total(view, cluster) };
        let mut parties = BTreeSet::new();
        for task in view.queued_in(cluster) {
            parties.insert(party(task));
            let class = (Reverse(priority(task)), Reverse(claimed_at(task).is_some()));
            let of_class = line.waiting.entry(class).or_default();
            of_class.entry(party(task)).or_default().insert((task.created_at, task.id), &**task);
        }
        if parties.len() > 1 {
            let one_off = view.standalone_tasks(cluster).filter(|task| task.is_placed());
            for task in one_off.filter(|task| parties.contains(&party(task))) {
                line.add(party(task), &task.held);
            }
        }
        line
    }

    /// Takes the task whose turn it is.
    pub(super) fn next(&mut self) -> Option<&'a Task> {
        let mut class = self.waiting.first_entry()?;
        let parties = class.get_mut();
        let share = |party: &Party<'a>| self.shares.get(party).copied().unwrap_or(0);
        let turn = |(party, tasks): (&Party<'a>, &Oldest<'a>)| {
            let oldest = tasks.first_key_value().map(|(age, _)| *age);
            (share(party), oldest, *party)
        };
        let (_, _, party) = parties.iter().map(turn).min()?;
        let tasks = parties.get_mut(&party)?;
        let (_, task) = tasks.pop_first()?;
        if tasks.is_empty() {
            parties.remove(&party);
        }
        if parties.is_empty() {
            class.remove();
        }
        Some(task)
    }

    /// Counts a task that was taken and has found a place.
    pub(super) fn count(&mut self, task: &'a Task) {
        self.add(party(task), &task.needs);
    }

    fn add(&mut self, party: Party<'a>, held: &Requirements) {
        let share = |held: u32, total: u32| u64::from(held) * 1_000_000 / u64::from(total).max(1);
        let cpu = share(held.cpu_units, self.total.cpu_units);
        let memory = share(held.memory_mib, self.total.memory_mib);
        let gpus = share(held.gpus, self.total.gpus);
        let disk = share(held.disk_mib, self.total.disk_mib);
        // One that needs nothing takes its turn as well.
        *self.shares.entry(party).or_default() += cpu.max(memory).max(gpus).max(disk).max(1);
    }
}

/// What the instances that take tasks offer together.
fn total(view: &State, cluster: &ClusterName) -> Requirements {
    let mut total = Requirements::default();
    for instance in view.instances_in(cluster).filter(|instance| instance.takes_tasks()) {
        let capacity = &instance.capacity;
        total.cpu_units = total.cpu_units.saturating_add(capacity.cpu_units);
        total.memory_mib = total.memory_mib.saturating_add(capacity.memory_mib);
        total.gpus = total.gpus.saturating_add(capacity.gpus());
        total.disk_mib = total.disk_mib.saturating_add(capacity.disk_mib.unwrap_or(0));
    }
    total
}
