//! Whether a task fits on an instance: every condition, once.
//!
//! The placer asks it of all instances, `apply` of the one that was chosen, and what is shown to people who ask why a
//! task is not placed is the same list read for its reasons. The resources among the conditions are [`fits`], which the
//! agent asks as well.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use crate::attribute::{CPU_ARCHITECTURE, Expression, expression};
use crate::container_instance::{ContainerInstance, InstanceStatus};
use crate::id::{InstanceId, ServiceName};
use crate::limits::TASKS_PER_INSTANCE;
use crate::placement::Constraint;
use crate::resource::{Requirements, Shortage, fits};
use crate::state::State;
use crate::task_definition::Facts;
use crate::time::Timestamp;

/// Why an instance cannot take a task.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
    /// Its processor is of another architecture.
    Architecture {
        /// What the task definition asks for.
        needed: String,
        /// What the instance is; empty when it does not say.
        has: String,
    },
    /// It has just come, and a task of this DAEMON service is to start on it first.
    AwaitsDaemon(ServiceName),
}

/// An instance that cannot take a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The instance.
    pub instance: InstanceId,
    /// All that is in the way, in the order of the conditions.
    pub reasons: Vec<Reason>,
}

/// Tasks that found no place, as it is kept with their service: what the instances said, counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// When they were tried last.
    pub at: Timestamp,
    /// How many found no place.
    pub unplaced: u32,
    /// What was in the way, and on how many instances; the most frequent first. At most
    /// [`crate::limits::REFUSAL_GROUPS`].
    pub groups: Vec<(String, u32)>,
    /// The instance that came closest, and all that was in the way there.
    pub closest: Option<(InstanceId, String)>,
}

/// What a task asks of an instance: read once from its definition and its rules, asked of many instances.
pub struct Conditions<'a> {
    attributes: &'a [String],
    architecture: Option<&'a str>,
    /// As written, and as read; one that cannot be read holds nowhere.
    expressions: Vec<(&'a str, Option<Expression>)>,
    distinct_instance: bool,
}

/// An instance, and what is on it.
#[derive(Clone, Copy)]
pub struct Situation<'a> {
    /// Where the tasks on it are.
    pub view: &'a State,
    /// The instance.
    pub instance: &'a ContainerInstance,
    /// What its tasks hold.
    pub held: &'a Requirements,
    /// Tasks that run on it or are on their way.
    pub tasks: u32,
    /// Those of the same service or group that are not over.
    pub group: u32,
    /// The group of tasks that were placed here and are not in the view yet.
    pub placed_group: Option<&'a str>,
    /// A DAEMON service whose task comes first.
    pub awaits: Option<&'a ServiceName>,
}

// === impl Conditions ===

impl<'a> Conditions<'a> {
    /// The conditions of a definition, and of whoever asks for a task of it.
    pub fn new(facts: &'a Facts, constraints: &'a [Constraint]) -> Self {
        let mut conditions = Self {
            attributes: &facts.required_attributes,
            architecture: facts.cpu_architecture.as_deref(),
            expressions: Vec::new(),
            distinct_instance: false,
        };
        for constraint in facts.constraints.iter().chain(constraints) {
            match constraint {
                Constraint::DistinctInstance => conditions.distinct_instance = true,
                Constraint::MemberOf(text) => {
                    conditions.expressions.push((text, Expression::parse(text).ok()));
                }
            }
        }
        conditions
    }

    /// Whether each task is to have an instance of its own.
    pub fn is_distinct(&self) -> bool {
        self.distinct_instance
    }

    /// Whether the instance can take the task.
    pub fn admit(&self, situation: &Situation<'_>, needs: &Requirements) -> bool {
        self.each(situation, needs, |_| ControlFlow::Break(())).is_continue()
    }

    /// What is in the way first.
    pub fn first_reason(&self, situation: &Situation<'_>, needs: &Requirements) -> Option<Reason> {
        let mut first = None;
        let _ = self.each(situation, needs, |reason| {
            first = Some(reason);
            ControlFlow::Break(())
        });
        first
    }

    /// All that is in the way.
    pub fn reasons(&self, situation: &Situation<'_>, needs: &Requirements) -> Vec<Reason> {
        let mut reasons = Vec::new();
        let _ = self.each(situation, needs, |reason| {
            reasons.push(reason);
            ControlFlow::Continue(())
        });
        reasons
    }

    /// Whether the instance is one that such tasks are meant for, however much is free on it.
    pub fn match_instance(&self, view: &State, instance: &ContainerInstance) -> bool {
        let situation = Situation::of(view, instance);
        self.attributes.iter().all(|name| instance.has_attribute(name))
            && self.architecture.is_none_or(|needed| instance.attribute(CPU_ARCHITECTURE) == Some(needed))
            && self.expressions.iter().all(|(_, expression)| holds(expression.as_ref(), &situation))
    }

    /// Runs the conditions in ECS's order: state and resources first, then constraints.
    fn each(
        &self,
        situation: &Situation<'_>,
        needs: &Requirements,
        mut refuse: impl FnMut(Reason) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let instance = situation.instance;
        if instance.status != InstanceStatus::Active {
            refuse(Reason::NotActive(instance.status))?;
        }
        if !instance.connected {
            refuse(Reason::Disconnected)?;
        }
        for name in self.attributes.iter().filter(|name| !instance.has_attribute(name)) {
            refuse(Reason::Attribute(name.clone()))?;
        }
        if let Some(needed) = self.architecture {
            let has = instance.attribute(CPU_ARCHITECTURE).unwrap_or_default();
            if has != needed {
                refuse(Reason::Architecture { needed: needed.to_owned(), has: has.to_owned() })?;
            }
        }
        if let Err(shortages) = fits(needs, &instance.capacity, situation.held) {
            for shortage in shortages {
                refuse(Reason::Short(shortage))?;
            }
        }
        if usize::try_from(situation.tasks).unwrap_or(usize::MAX) >= TASKS_PER_INSTANCE {
            refuse(Reason::Full(situation.tasks))?;
        }
        if let Some(daemon) = situation.awaits {
            refuse(Reason::AwaitsDaemon(daemon.clone()))?;
        }
        for (text, expression) in &self.expressions {
            if !holds(expression.as_ref(), situation) {
                refuse(Reason::MemberOf((*text).to_owned()))?;
            }
        }
        if self.distinct_instance && situation.group > 0 {
            refuse(Reason::DistinctInstance)?;
        }
        ControlFlow::Continue(())
    }
}

// === impl Reason ===

impl Reason {
    /// The resource that is short, if that is what it is.
    pub fn shortage(&self) -> Option<Shortage> {
        match self {
            Self::Short(shortage) => Some(*shortage),
            Self::Missing
            | Self::NotActive(_)
            | Self::Disconnected
            | Self::Attribute(_)
            | Self::MemberOf(_)
            | Self::DistinctInstance
            | Self::Full(_)
            | Self::Architecture { .. }
            | Self::AwaitsDaemon(_) => None,
        }
    }
}

fn holds(expression: Option<&Expression>, situation: &Situation<'_>) -> bool {
    expression.is_some_and(|expression| expression.holds(situation))
}

// === impl Refused ===

impl Refused {
    /// Whether another refusal says the same, if later.
    pub fn says_the_same(&self, other: &Self) -> bool {
        (self.unplaced, &self.groups, &self.closest) == (other.unplaced, &other.groups, &other.closest)
    }

    /// `5 instances: memory; 2: port 8080 taken`.
    pub fn text(groups: &[(String, u32)]) -> String {
        let mut text = String::new();
        for (place, (reason, instances)) in groups.iter().enumerate() {
            let unit = match (place, instances) {
                (0, 1) => " instance",
                (0, _) => " instances",
                _ => "",
            };
            let join = if place == 0 { "" } else { "; " };
            text.push_str(&format!("{join}{instances}{unit}: {reason}"));
        }
        text
    }
}

// === impl Situation ===

impl<'a> Situation<'a> {
    /// An instance as the view has it, for a task of which no other is counted.
    pub fn of(view: &'a State, instance: &'a ContainerInstance) -> Self {
        Self {
            view,
            instance,
            held: &instance.held,
            tasks: instance.running_count + instance.pending_count,
            group: 0,
            placed_group: None,
            awaits: None,
        }
    }
}

impl expression::Instance for Situation<'_> {
    fn instance(&self) -> &ContainerInstance {
        self.instance
    }

    fn has_group(&self, test: &dyn Fn(&str) -> bool) -> bool {
        let mut on_it = self.view.tasks_on(self.instance.id).filter(|task| !task.is_stopped());
        self.placed_group.is_some_and(test) || on_it.any(|task| test(&task.group))
    }
}

#[cfg(test)]
mod tests;
