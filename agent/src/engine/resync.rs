//! Comparing what is believed with what is, in case an event was missed.
//!
//! One list of containers, and an inspection only where the list contradicts. A container that runs and that nobody
//! knows becomes an orphan, as it would after a restart; one of a task that has ended is stopped, for its stop was
//! wanted or decided already.

use std::collections::BTreeSet;

use std::sync::Arc;

use super::operation::Listing;
use super::{Loop, adoption};
use crate::runtime::{self, Status, label};
use crate::task::{Standing, Task};

/// Whether a comparison is under way.
#[derive(Debug, Default)]
pub(super) struct State {
    is_under_way: bool,
    is_wanted_again: bool,
}

// === impl Loop ===

impl Loop {
    pub(super) fn resync(&mut self) {
        if self.resync.is_under_way {
            self.resync.is_wanted_again = true;
            return;
        }
        self.resync.is_under_way = true;
        self.operations.push(self.operator.list(self.believed_running()));
    }

    pub(super) fn listed(&mut self, listing: Listing) {
        let Listing { believed, listed } = listing;
        let running: BTreeSet<_> = listed
            .iter()
            .filter(|one| one.status == Status::Running)
            .map(|one| one.runtime_id.as_str())
            .collect();
        let checks_health =
            |id: &str| self.by_runtime_id.get(id).is_some_and(|(task, at)| self.has_check(task, *at));
        let ended = believed.iter().filter(|id| !running.contains(id.as_str()) || checks_health(id)).cloned();
        let unknown =
            listed.iter().filter(|one| one.status == Status::Running && !self.is_expected(&one.runtime_id));
        let suspects: Vec<_> = ended.chain(unknown.map(|one| one.runtime_id.clone())).collect();
        self.operations.push(self.operator.inspect_all(suspects));
    }

    pub(super) fn resynced(&mut self, found: Vec<(String, Option<runtime::Container>)>) {
        self.resync.is_under_way = false;
        for (runtime_id, found) in found {
            if self.is_network(&runtime_id) {
                self.compare_network(&runtime_id, found.as_ref());
            } else if self.is_expected(&runtime_id) {
                self.inspected(&runtime_id, found.as_ref());
            } else if let Some(found) = found.filter(|found| found.status == Status::Running) {
                self.unexpected(found);
            }
        }
        if std::mem::take(&mut self.resync.is_wanted_again) {
            self.resync();
        }
    }

    fn unexpected(&mut self, found: runtime::Container) {
        let Some(id) = found.labels.get(label::TASK).cloned() else { return };
        match self.tasks.get(&id) {
            Some(task) if !task.is_finished() => {}
            Some(_) => {
                tracing::warn!(
                    task = id,
                    runtime_id = found.runtime_id,
                    "stopping a container of a task that has ended"
                );
                self.operations.push(self.operator.stop_stray(found.runtime_id));
            }
            None => {
                let desired = Arc::new(adoption::recollect(&id, None, std::slice::from_ref(&found)));
                let at = desired
                    .definition
                    .position(found.labels.get(label::CONTAINER_NAME).map_or("", String::as_str));
                self.by_runtime_id.insert(found.runtime_id.clone(), (id.clone(), at.unwrap_or(0)));
                let task = Task::restore(desired, Standing::Orphan, None, &[found], self.clock.unix_ms());
                self.tasks.insert(id.clone(), task);
                self.advance(&id);
                self.offer_candidates();
            }
        }
    }

    fn believed_running(&self) -> Vec<String> {
        let containers = self.tasks.values().flat_map(Task::containers);
        let running = containers.filter(|container| {
            container.seen.stage == berth_model::task::step::Stage::Running && container.seen.busy.is_none()
        });
        running.filter_map(|container| container.runtime_id.clone()).chain(self.holding()).collect()
    }

    /// Whether a container that runs is one that should.
    fn is_expected(&self, runtime_id: &str) -> bool {
        let Some((id, at)) = self.by_runtime_id.get(runtime_id) else { return false };
        self.tasks.get(id).is_some_and(|task| !task.has_ended(*at))
    }

    fn has_check(&self, id: &str, at: usize) -> bool {
        let definition = self.tasks.get(id).map(|task| &task.desired().definition);
        definition
            .and_then(|definition| definition.containers.get(at))
            .is_some_and(|one| one.health_check.is_some())
    }
}
