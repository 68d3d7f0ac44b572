//! Whether a task fits now, on what is really free.
//!
//! A controller places by what it knows; here is what is: a task that is on its way out holds its resources until its
//! containers have ended, one by one. A task that does not fit yet waits, and nobody waits for it: whatever fits
//! starts.

use std::sync::Arc;

use berth_model::resource::{Requirements, Shortage, fits};
use berth_model::task::step::Action;

use super::Loop;
use super::operation::has_port_ranges;

// === impl Loop ===

impl Loop {
    /// Sets the resources of a task aside when they are free; otherwise it waits, but not for ever.
    pub(super) fn admit(&mut self, id: &str) {
        let Some(task) = self.tasks.get(id) else { return };
        if task.is_admitted() || task.is_stopping() || task.desired().definition.fault.is_some() {
            self.waiting.remove(id);
            return;
        }
        let timeout_ms = i64::try_from(self.options.admission_timeout.as_millis()).unwrap_or(i64::MAX);
        let deadline_ms = task.arrived_at_ms().saturating_add(timeout_ms);
        let needed = task.desired().definition.requirements(|_| true);
        match self.shortage(&needed) {
            Ok(()) => {
                self.waiting.remove(id);
                self.change(id, |task, _| task.admit());
            }
            Err(short) if deadline_ms <= self.clock.unix_ms() => {
                self.waiting.remove(id);
                let reason =
                    format!("Task failed to start: the instance has no room for it ({})", list(&short));
                self.change(id, |task, now| task.refuse(reason, now));
            }
            Err(short) if self.waiting.insert(id.to_owned()) => {
                tracing::info!(task = id, short = list(&short), "task waits for what others still hold");
                self.wakes.insert((deadline_ms, id.to_owned()));
            }
            Err(_) => {}
        }
    }

    /// Something was released: whoever fits now starts.
    pub(super) fn admit_waiting(&mut self) {
        for id in self.waiting.clone() {
            self.advance(&id);
        }
    }

    /// Ports that are not to be chosen for a container which is about to be made: those that tasks hold, those that tasks
    /// still wait for, and those that no task may have. Nothing, when none is to be chosen.
    pub(super) fn taken_ports(&self, id: &str, begin: &[(usize, Action)]) -> Arc<Requirements> {
        let chooses = |(at, action): &(usize, Action)| {
            let task = self.tasks.get(id);
            *action == Action::Create
                && task.is_some_and(|task| has_port_ranges(&task.desired().definition, *at))
        };
        if !begin.iter().any(chooses) {
            return Arc::default();
        }
        let mut taken = self.held();
        let waiting = self.tasks.values().filter(|task| !task.is_finished() && !task.is_admitted());
        waiting.for_each(|task| taken.add(&task.desired().definition.requirements(|_| true)));
        let capacity = &self.options.capacity;
        for port in capacity.reserved_tcp_ports.iter() {
            taken.tcp_ports.insert(port);
        }
        for port in capacity.reserved_udp_ports.iter() {
            taken.udp_ports.insert(port);
        }
        Arc::new(taken)
    }

    fn shortage(&self, needed: &Requirements) -> Result<(), Vec<Shortage>> {
        fits(needed, &self.options.capacity, &self.held())
    }

    fn held(&self) -> Requirements {
        let mut held = Requirements::default();
        self.tasks.values().filter(|task| !task.is_finished()).for_each(|task| held.add(&task.held()));
        held
    }
}

fn list(short: &[Shortage]) -> String {
    short.iter().map(Shortage::to_string).collect::<Vec<_>>().join(", ")
}
