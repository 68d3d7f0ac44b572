//! Forgets what has been over for long enough: STOPPED tasks, INACTIVE services, instances and clusters, and deleted
//! revisions of task definitions that nothing uses any more, and secrets that nobody restored in time.
//!
//! Instances and clusters wait until what was in them is forgotten.

use std::time::Duration;

use super::{Plan, Policy};
use crate::command::{Command, Forget};
use crate::id::TaskDefinitionKey;
use crate::limits::TASKS_PER_COMMAND;
use crate::state::{Ended, State};
use crate::task_definition::TaskDefinitionStatus;
use crate::time::Timestamp;

/// Things that one plan forgets; the next plan goes on. Keeps an hour-old burst of endings from filling the log at once.
pub const FORGOTTEN_PER_PLAN: usize = 10 * TASKS_PER_COMMAND;

/// Plans what to forget.
pub fn plan(view: &State, now: Timestamp, policy: &Policy) -> Plan {
    let mut plan = Plan::default();
    let mut batches = Batches::default();
    let mut next: Option<Timestamp> = None;
    let newest_crowded_out = crowded_out(view, policy.stopped_tasks);
    for (what, at) in view.ended() {
        let expires = at.plus(policy.retention);
        let is_crowded_out = matches!(what, Ended::Task(_)) && Some(at) <= newest_crowded_out;
        if expires > now && !is_crowded_out {
            next = Some(next.map_or(expires, |earliest| earliest.min(expires)));
        } else if is_needed(view, what) {
            plan.wake_at(now.plus(patience(policy.retention)));
        } else if !batches.add(what) {
            plan.wake_at(now);
            break;
        }
    }
    for key in unused_definitions(view) {
        if !batches.add_definition(key) {
            plan.wake_at(now);
            break;
        }
    }
    for secret in view.secrets() {
        match secret.delete_at {
            Some(at) if at > now => next = Some(next.map_or(at, |earliest| earliest.min(at))),
            Some(_) if !batches.add_secret(&secret.name) => plan.wake_at(now),
            Some(_) | None => {}
        }
    }
    if let Some(at) = next {
        plan.wake_at(at.max(now.plus(patience(policy.retention))));
    }
    plan.commands.extend(batches.full.into_iter().map(Command::Forget));
    plan
}

/// When the newest task ended of those that there are too many of.
fn crowded_out(view: &State, most: usize) -> Option<Timestamp> {
    let mut ended: Vec<Timestamp> =
        view.ended().filter(|(what, _)| matches!(what, Ended::Task(_))).map(|(_, at)| at).collect();
    let surplus = ended.len().checked_sub(most).filter(|surplus| *surplus > 0)?;
    let (_, newest, _) = ended.select_nth_unstable(surplus - 1);
    Some(*newest)
}

/// How long to gather what expires before looking again: with a steady stream of short tasks something always expires.
fn patience(retention: Duration) -> Duration {
    (retention / 60).clamp(Duration::from_secs(1), Duration::from_secs(60))
}

/// Whether something that is not forgotten yet is in it.
fn is_needed(view: &State, what: &Ended) -> bool {
    match what {
        Ended::Task(_) | Ended::Service(_) => false,
        Ended::Instance(id) => view.tasks_on(*id).next().is_some(),
        Ended::Cluster(name) => {
            view.tasks_in(name).next().is_some()
                || view.services_in(name).next().is_some()
                || view.instances_in(name).next().is_some()
        }
    }
}

fn unused_definitions(view: &State) -> Vec<&TaskDefinitionKey> {
    let deleted = view
        .task_definitions()
        .filter(|definition| definition.status == TaskDefinitionStatus::DeleteInProgress)
        .map(|definition| &definition.key);
    let mut deleted: Vec<&TaskDefinitionKey> = deleted.collect();
    if !deleted.is_empty() {
        let in_use = view.definitions_in_use();
        deleted.retain(|key| !in_use.contains(key));
    }
    deleted
}

/// What is to be forgotten, in commands of bounded size.
#[derive(Default)]
struct Batches {
    full: Vec<Forget>,
    in_last: usize,
    total: usize,
}

// === impl Batches ===

impl Batches {
    /// Takes one more in; says whether there was room.
    fn add(&mut self, what: &Ended) -> bool {
        let Some(batch) = self.next() else { return false };
        match what {
            Ended::Task(id) => batch.tasks.push(*id),
            Ended::Service(key) => batch.services.push(key.clone()),
            Ended::Instance(id) => batch.instances.push(*id),
            Ended::Cluster(name) => batch.clusters.push(name.clone()),
        }
        true
    }

    fn add_definition(&mut self, key: &TaskDefinitionKey) -> bool {
        let Some(batch) = self.next() else { return false };
        batch.task_definitions.push(key.clone());
        true
    }

    fn add_secret(&mut self, name: &str) -> bool {
        let Some(batch) = self.next() else { return false };
        batch.secrets.push(name.to_owned());
        true
    }

    /// The command that has room for one more thing.
    fn next(&mut self) -> Option<&mut Forget> {
        if self.total == FORGOTTEN_PER_PLAN {
            return None;
        }
        if self.full.is_empty() || self.in_last == TASKS_PER_COMMAND {
            self.full.push(Forget::default());
            self.in_last = 0;
        }
        self.total += 1;
        self.in_last += 1;
        self.full.last_mut()
    }
}

#[cfg(test)]
mod tests;
