//! Placers that share a fleet: each has tasks of one kind to place, and takes note of what the others place.

use std::collections::BTreeSet;

use super::{Placer, Refusal};
use crate::fit::Situation;
use crate::id::InstanceId;
use crate::resource::Requirements;
use crate::task::Task;

// === impl Placer ===

impl Placer<'_> {
    /// Notes that another placer put a task there, of the same group or not.
    pub(in crate::plan) fn note(&mut self, id: InstanceId, needs: &Requirements, same_group: bool) {
        let Some(at) = self.find(id) else { return };
        let candidate = &mut self.candidates[at];
        let instance = candidate.instance;
        candidate.held.get_or_insert_with(|| Box::new(instance.held.clone())).add(needs);
        candidate.placed += 1;
        candidate.foreign += u32::from(!same_group);
        candidate.group += u32::from(same_group);
        candidate.staying += u32::from(same_group);
        self.ranked = None;
    }

    /// Leaves these alone from now on.
    pub(in crate::plan) fn keep_free(&mut self, kept: &BTreeSet<InstanceId>) {
        for candidate in &mut self.candidates {
            candidate.is_kept = kept.contains(&candidate.instance.id);
        }
        self.ranked = None;
    }

    /// The instances that could take such a task once those tasks have left that `leaves` holds for; the one that is
    /// closest to it already comes first.
    pub(in crate::plan) fn nearest(
        &self,
        needs: &Requirements,
        leaves: fn(&Task) -> bool,
    ) -> Vec<InstanceId> {
        let mut nearest = Vec::new();
        for candidate in &self.candidates {
            let id = candidate.instance.id;
            let mut held = candidate.held().clone();
            let tasks = self.request.view.tasks_on(id).filter(|task| leaves(task));
            tasks.for_each(|task| held.subtract(&task.held));
            let now = self.situation(candidate);
            let then = Situation { held: &held, tasks: 0, group: 0, ..now };
            if self.conditions.admit(&then, needs) {
                let refusal = Refusal { instance: id, reasons: self.conditions.reasons(&now, needs) };
                nearest.push((refusal.distance(), id));
            }
        }
        nearest.sort_by(|one, other| one.0.cmp(&other.0));
        nearest.into_iter().map(|(_, id)| id).collect()
    }
}
