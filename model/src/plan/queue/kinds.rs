//! One placer for each kind of task in the queue. They share the fleet: what one places, the others take note of.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{ClusterName, InstanceId, TaskDefinitionKey};
use crate::placement::{Decision, PlacementRules};
use crate::plan::placement::{Counted, Placer, Request};
use crate::resource::Requirements;
use crate::state::State;
use crate::task::{Owner, Task};

/// The kinds met so far.
pub(super) struct Kinds<'a> {
    view: &'a State,
    cluster: &'a ClusterName,
    seed: u64,
    kept: BTreeSet<InstanceId>,
    /// What was placed so far, where, and of which group: for kinds that are met later.
    placed: Vec<(&'a Requirements, InstanceId, &'a str)>,
    /// By definition and group; what else makes a kind has no order.
    known: BTreeMap<(&'a TaskDefinitionKey, &'a str), Vec<Kind<'a>>>,
}

/// Tasks that the placer cannot tell from one another.
struct Kind<'a> {
    needs: &'a Requirements,
    rules: &'a PlacementRules,
    placer: Placer<'a>,
    /// Nothing fits any more: what is placed only adds.
    is_refused: bool,
    /// Where it could go once one-off tasks have ended.
    nearest: Option<Vec<InstanceId>>,
}

static NO_RULES: PlacementRules = PlacementRules { constraints: Vec::new(), strategy: Vec::new() };

// === impl Kinds ===

impl<'a> Kinds<'a> {
    pub(super) fn new(view: &'a State, cluster: &'a ClusterName, seed: u64) -> Self {
        Self { view, cluster, seed, kept: BTreeSet::new(), placed: Vec::new(), known: BTreeMap::new() }
    }

    /// Finds a place for a task, and takes it.
    pub(super) fn place(&mut self, task: &'a Task) -> Option<(InstanceId, Decision)> {
        let kind = self.kind(task)?;
        if kind.is_refused {
            return None;
        }
        let Ok((instance, decision)) = kind.placer.decide(&task.needs) else {
            kind.is_refused = true;
            return None;
        };
        self.placed.push((&task.needs, instance, &task.group));
        let own = (&task.definition, &*task.group);
        for (key, kinds) in &mut self.known {
            for other in kinds.iter_mut() {
                let is_itself = *key == own && other.is_of(task);
                if !is_itself {
                    other.placer.note(instance, &task.needs, key.1 == own.1);
                }
            }
        }
        Some((instance, decision))
    }

    /// The instances that could take it once one-off tasks have ended, the closest first.
    pub(super) fn nearest(&mut self, task: &'a Task) -> &[InstanceId] {
        let leaves = |task: &Task| match task.owner {
            Owner::Standalone | Owner::Hook { .. } => true,
            Owner::Service { .. } => false,
        };
        let Some(kind) = self.kind(task) else { return &[] };
        kind.nearest.get_or_insert_with(|| kind.placer.nearest(kind.needs, leaves))
    }

    /// Keeps these instances free as well from now on.
    pub(super) fn keep_free(&mut self, kept: BTreeSet<InstanceId>) {
        self.kept.extend(kept);
        for kind in self.known.values_mut().flatten() {
            kind.placer.keep_free(&self.kept);
        }
    }

    /// Why such a task stops when its time is over.
    pub(super) fn timeout(&mut self, task: &'a Task) -> Option<String> {
        self.kind(task).map(|kind| kind.placer.answers(kind.needs).timeout())
    }

    /// Nothing when its task definition is gone.
    fn kind(&mut self, task: &'a Task) -> Option<&mut Kind<'a>> {
        let key = (&task.definition, &*task.group);
        let kinds = self.known.entry(key).or_default();
        if let Some(at) = kinds.iter().position(|kind| kind.is_of(task)) {
            return kinds.get_mut(at);
        }
        let facts = &self.view.task_definition(&task.definition)?.facts;
        let rules = task.scheduling.rules.as_deref().unwrap_or(&NO_RULES);
        let mut placer = Placer::new(&Request {
            view: self.view,
            cluster: self.cluster,
            rules,
            facts,
            counted: Counted::Group(&task.group),
            zone: None,
            seed: self.seed,
        });
        if !self.kept.is_empty() {
            placer.keep_free(&self.kept);
        }
        for (needs, instance, group) in &self.placed {
            placer.note(*instance, needs, *group == &*task.group);
        }
        kinds.push(Kind { needs: &task.needs, rules, placer, is_refused: false, nearest: None });
        kinds.last_mut()
    }
}

// === impl Kind ===

impl Kind<'_> {
    fn is_of(&self, task: &Task) -> bool {
        self.needs == &task.needs && self.rules == task.scheduling.rules.as_deref().unwrap_or(&NO_RULES)
    }
}
