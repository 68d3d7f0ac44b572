//! Which manifests an agent follows. Pure.
//!
//! Older than the ledger: refused. The same generation with other content: refused, for one of the two controllers is
//! wrong and nobody here can say which. A difference that does not start where the ledger is: a gap.

use std::collections::BTreeMap;
use std::sync::Arc;

use berth_proto::agent::v1 as wire;

use crate::definition::Interner;
use crate::limits;
use crate::manifest::{DesiredTask, Set};

/// What to do with a manifest.
#[derive(Debug, PartialEq)]
pub enum Judgement {
    /// Keep it and follow it.
    Accepted {
        /// The desired set from now on.
        set: Set,
        /// What the store has to write.
        changed: Vec<wire::ManifestTask>,
        /// What the store has to drop.
        removed: Vec<String>,
    },
    /// It is what the ledger has.
    Known,
    /// It must not be followed.
    Refused(String),
    /// Only a whole manifest can be followed.
    Gap(String),
}

/// Judges a whole manifest.
#[must_use]
pub fn judge(current: &Set, manifest: wire::Manifest, interner: &Interner) -> Judgement {
    let generation = manifest.generation;
    if let Some(refusal) = refuse_old(current, generation).or_else(|| refuse_large(manifest.tasks.len())) {
        return refusal;
    }
    let set = Set::from_message(manifest, interner);
    if generation == current.generation {
        return same_generation(*current == set, generation);
    }
    let changed = set.tasks.values().filter(|task| current.tasks.get(&task.id) != Some(task));
    let changed = changed.map(|task| task.to_message()).collect();
    let removed = current.tasks.keys().filter(|id| !set.tasks.contains_key(*id)).cloned().collect();
    Judgement::Accepted { set, changed, removed }
}

/// Judges a difference.
#[must_use]
pub fn judge_delta(current: &Set, delta: wire::ManifestDelta, interner: &Interner) -> Judgement {
    let generation = delta.to_generation;
    if let Some(refusal) = refuse_old(current, generation) {
        return refusal;
    }
    if generation == current.generation {
        let tasks = delta.tasks.into_iter().map(|task| DesiredTask::from_message(task, interner));
        let is_same =
            tasks.into_iter().all(|task| current.tasks.get(&task.id).is_some_and(|known| **known == task))
                && delta.removed_task_ids.iter().all(|id| !current.tasks.contains_key(id));
        return same_generation(is_same, generation);
    }
    if delta.from_generation != current.generation {
        let (from, at) = (delta.from_generation, current.generation);
        return Judgement::Gap(format!(
            "the difference starts at generation {from} and the ledger is at {at}"
        ));
    }
    let mut tasks: BTreeMap<_, _> = current.tasks.clone();
    let mut removed = delta.removed_task_ids;
    removed.retain(|id| tasks.remove(id).is_some());
    let changed = delta.tasks.clone();
    for task in delta.tasks {
        let task = Arc::new(DesiredTask::from_message(task, interner));
        tasks.insert(task.id.clone(), task);
    }
    if let Some(refusal) = refuse_large(tasks.len()) {
        return refusal;
    }
    Judgement::Accepted { set: Set { generation, tasks }, changed, removed }
}

fn refuse_old(current: &Set, generation: u64) -> Option<Judgement> {
    let at = current.generation;
    (generation < at).then(|| {
        Judgement::Refused(format!("generation {generation} is older than {at}, which the ledger is at"))
    })
}

fn refuse_large(tasks: usize) -> Option<Judgement> {
    let most = limits::TASKS_PER_INSTANCE;
    (tasks > most).then(|| Judgement::Refused(format!("{tasks} tasks are more than {most}")))
}

fn same_generation(is_same: bool, generation: u64) -> Judgement {
    if is_same {
        Judgement::Known
    } else {
        Judgement::Refused(format!("it differs from what the ledger has at the same generation {generation}"))
    }
}
