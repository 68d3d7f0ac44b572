//! What a service or a task asks of the placer.

use std::fmt;

use serde::{Deserialize, Serialize};

mod decision;

pub use decision::{Decision, How};

/// Constraints bind; strategies are best effort.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacementRules {
    /// All must hold.
    pub constraints: Vec<Constraint>,
    /// Applied in order, each narrowing what the ones before it left; empty means ECS's default.
    pub strategy: Vec<Strategy>,
}

/// A condition on the instance that gets a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Constraint {
    /// Each task of the group on an instance of its own.
    DistinctInstance,
    /// The cluster query language holds for the instance.
    MemberOf(String),
}

/// What to prefer among the instances on which a task fits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Strategy {
    /// The fewest tasks of the group per value of a field.
    Spread(SpreadField),
    /// The least left of a resource.
    Binpack(PackField),
    /// Any.
    Random,
}

/// What tasks are spread over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SpreadField {
    /// Instances; `instanceId` and `host` mean the same.
    Instance,
    /// Values of an attribute, named without its `attribute:` prefix.
    Attribute(String),
}

/// What binpack packs by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PackField {
    /// CPU units.
    Cpu,
    /// Memory.
    Memory,
}

// === impl Strategy ===

impl fmt::Display for Strategy {
    /// `TYPE:FIELD`, with ECS's words for both.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spread(SpreadField::Instance) => formatter.write_str("spread:instanceId"),
            Self::Spread(SpreadField::Attribute(name)) => write!(formatter, "spread:attribute:{name}"),
            Self::Binpack(PackField::Cpu) => formatter.write_str("binpack:cpu"),
            Self::Binpack(PackField::Memory) => formatter.write_str("binpack:memory"),
            Self::Random => formatter.write_str("random"),
        }
    }
}
