//! The filters: which instances can take a task, and what is in the way on the others.
//!
//! Each condition is written once, in [`Filter::each`]; whether an instance is admitted and why it is refused are two
//! readings of the same list.

use std::ops::ControlFlow;

use super::Candidate;
use crate::container_instance::{ContainerInstance, InstanceStatus};
use crate::id::InstanceId;
use crate::limits::TASKS_PER_INSTANCE;
use crate::placement::Constraint;
use crate::resource::{Requirements, Shortage, fits};
use crate::task_definition::Facts;

/// Why an instance cannot take a task. The later ones are the closer misses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// There is no such instance.
    Missing,
    /// It is DRAINING.
    NotActive(InstanceStatus),
    /// It was declared lost.
    Disconnected,
    /// It lacks an attribute that the task definition requires.
    Attribute(String),
    /// An expression does not hold for it.
    MemberOf(String),
    /// It has a task of the service or group already, and each should have an instance of its own.
    DistinctInstance,
    /// It has as many tasks as an instance may have.
    Full(u32),
    /// Too little is left of a resource.
    Short(Shortage),
}

/// An instance that cannot take a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The instance.
    pub instance: InstanceId,
    /// All that is in the way, in the order of the filters.
    pub reasons: Vec<Reason>,
}

/// What an instance has to fulfil, from the task definition and the rules.
pub(super) struct Filter<'a> {
    attributes: &'a [String],
    expressions: Vec<&'a str>,
    distinct_instance: bool,
}

// === impl Filter ===

impl<'a> Filter<'a> {
    pub(super) fn new(facts: &'a Facts, constraints: &'a [Constraint]) -> Self {
        let mut filter = Self {
            attributes: &facts.required_attributes,
            expressions: Vec::new(),
            distinct_instance: false,
        };
        for constraint in facts.constraints.iter().chain(constraints) {
            match constraint {
                Constraint::DistinctInstance => filter.distinct_instance = true,
                Constraint::MemberOf(expression) => filter.expressions.push(expression),
            }
        }
        filter
    }

    /// Whether the instance can take the task.
    pub(super) fn admits(&self, candidate: &Candidate<'_>, needs: &Requirements) -> bool {
        self.each(candidate, needs, |_| ControlFlow::Break(())).is_continue()
    }

    /// All that is in the way.
    pub(super) fn reasons(&self, candidate: &Candidate<'_>, needs: &Requirements) -> Vec<Reason> {
        let mut reasons = Vec::new();
        let _ = self.each(candidate, needs, |reason| {
            reasons.push(reason);
            ControlFlow::Continue(())
        });
        reasons
    }

    /// Runs the filters in ECS's order: state and resources first, then constraints.
    fn each(
        &self,
        candidate: &Candidate<'_>,
        needs: &Requirements,
        mut refuse: impl FnMut(Reason) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let instance = candidate.instance;
        if instance.status != InstanceStatus::Active {
            refuse(Reason::NotActive(instance.status))?;
        }
        if !instance.connected {
            refuse(Reason::Disconnected)?;
        }
        for name in self.attributes.iter().filter(|name| !instance.has_attribute(name)) {
            refuse(Reason::Attribute(name.clone()))?;
        }
        if let Err(shortages) = fits(needs, &instance.capacity, candidate.held()) {
            for shortage in shortages {
                refuse(Reason::Short(shortage))?;
            }
        }
        if usize::try_from(candidate.tasks()).unwrap_or(usize::MAX) >= TASKS_PER_INSTANCE {
            refuse(Reason::Full(candidate.tasks()))?;
        }
        for expression in self.expressions.iter().filter(|expression| !is_member(instance, expression)) {
            refuse(Reason::MemberOf((*expression).to_owned()))?;
        }
        if self.distinct_instance && candidate.group > 0 {
            refuse(Reason::DistinctInstance)?;
        }
        ControlFlow::Continue(())
    }
}

/// Whether an expression of the cluster query language holds for an instance. Requests with one are refused with
/// `UnsupportedFeatureException` before they get here, so this is the safe answer, not one that is ever seen: a
/// constraint that cannot be judged does not hold.
fn is_member(_instance: &ContainerInstance, _expression: &str) -> bool {
    false
}
