//! How evenly the tasks of a service are spread, strategy by strategy, and what a move would change.

use std::collections::BTreeMap;

use super::{SpreadField, State, Strategy, in_force};
use crate::container_instance::ContainerInstance;
use crate::id::InstanceId;
use crate::service::Service;
use crate::task::Task;

/// The fewest tasks that a place must have more than another for a task to move: with one it would only trade places.
const WORTH: u64 = 2;

/// The counts of a service's tasks.
pub(super) struct Spread<'a> {
    view: &'a State,
    /// One for each spread strategy before the first that is none.
    levels: Vec<Level<'a>>,
}

/// The counts by one strategy.
struct Level<'a> {
    field: &'a SpreadField,
    counts: BTreeMap<Place<'a>, u64>,
}

/// What tasks are counted by: the value of an attribute, or an instance.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place<'a> {
    Value(Option<&'a str>),
    Instance(InstanceId),
}

// === impl Spread ===

impl<'a> Spread<'a> {
    /// Counts tasks. Places without any count as well, if an instance there takes tasks.
    pub(super) fn take(view: &'a State, service: &'a Service, tasks: &[&'a Task]) -> Self {
        let fields = in_force(&service.placement.strategy).iter().map_while(|strategy| match strategy {
            Strategy::Spread(field) => Some(field),
            Strategy::Binpack(_) | Strategy::Random => None,
        });
        let mut levels: Vec<Level<'a>> =
            fields.map(|field| Level { field, counts: BTreeMap::new() }).collect();
        let instances = view.instances_in(&service.key.cluster).filter(|instance| instance.takes_tasks());
        for instance in instances {
            levels.iter_mut().for_each(|level| level.add(instance, 0));
        }
        for instance in tasks.iter().filter_map(|task| view.instance(task.instance)) {
            levels.iter_mut().for_each(|level| level.add(instance, 1));
        }
        Self { view, levels }
    }

    /// Whether no move between any two places could be worth it.
    pub(super) fn is_even(&self) -> bool {
        self.levels.iter().all(|level| {
            let most = level.counts.values().max().copied().unwrap_or(0);
            let least = level.counts.values().min().copied().unwrap_or(0);
            most - least < WORTH
        })
    }

    /// What is better after a move, in words; `None` when nothing is, or something is worse.
    pub(super) fn gain(&self, from: InstanceId, to: InstanceId) -> Option<String> {
        for level in &self.levels {
            let (here, there) = (level.place(self.view, from)?, level.place(self.view, to)?);
            if here == there {
                continue;
            }
            let (most, least) = (level.count(here), level.count(there));
            if most >= least + WORTH {
                return Some(level.text(here, there));
            }
            if most <= least {
                return None;
            }
            // One more: after the move it is the other that has one more. What decides comes next.
        }
        None
    }

    /// Counts a task that moves.
    pub(super) fn shift(&mut self, from: InstanceId, to: InstanceId) {
        for level in &mut self.levels {
            let places = level.place(self.view, from).zip(level.place(self.view, to));
            let Some((here, there)) = places else { continue };
            if let Some(count) = level.counts.get_mut(&here) {
                *count = count.saturating_sub(1);
            }
            *level.counts.entry(there).or_default() += 1;
        }
    }
}

// === impl Level ===

impl<'a> Level<'a> {
    fn add(&mut self, instance: &'a ContainerInstance, tasks: u64) {
        let place = self.place_of(instance);
        *self.counts.entry(place).or_default() += tasks;
    }

    fn place_of(&self, instance: &'a ContainerInstance) -> Place<'a> {
        match self.field {
            SpreadField::Instance => Place::Instance(instance.id),
            SpreadField::Attribute(name) => Place::Value(instance.attribute(name)),
        }
    }

    fn place(&self, view: &'a State, id: InstanceId) -> Option<Place<'a>> {
        view.instance(id).map(|instance| self.place_of(instance))
    }

    fn count(&self, place: Place<'_>) -> u64 {
        self.counts.get(&place).copied().unwrap_or(0)
    }

    fn text(&self, here: Place<'_>, there: Place<'_>) -> String {
        let name = |place: Place<'_>| match place {
            Place::Value(value) => value.unwrap_or("none").to_owned(),
            Place::Instance(id) => id.to_string(),
        };
        let what = match self.field {
            SpreadField::Instance => "instance",
            SpreadField::Attribute(name) => name,
        };
        format!(
            "{what} {} has {} tasks, {} has {}",
            name(here),
            self.count(here),
            name(there),
            self.count(there)
        )
    }
}
