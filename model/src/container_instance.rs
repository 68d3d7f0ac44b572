//! Container instances: hosts that run tasks.

use berth_proto::ecs::v1 as pb;
use serde::{Deserialize, Serialize};

use crate::attribute::{AVAILABILITY_ZONE, Attributes};
use crate::id::{ClusterName, InstanceId, Revision};
use crate::network;
use crate::resource::{Capacity, Requirements};
use crate::time::Timestamp;
use crate::wire::Wire;

/// A host and what is known of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContainerInstance {
    /// Chosen by its agent.
    pub id: InstanceId,
    /// The cluster it serves.
    pub cluster: ClusterName,
    /// Intent: whether it may get tasks. Written by operators.
    pub status: InstanceStatus,
    /// Observation: false from the moment the leader declared it lost until it is back. An instance that is merely
    /// silent is still connected.
    pub connected: bool,
    /// When `connected` last changed.
    pub connected_at: Timestamp,
    /// What its agent offered.
    pub capacity: Capacity,
    /// What its tasks hold; the sum of `held` over them, kept by `apply`.
    pub held: Requirements,
    /// What its agent says of it.
    pub attributes: Attributes,
    /// What operators say of it with PutAttributes; wins over the agent's.
    pub custom_attributes: Attributes,
    /// Versions, host name (as ec2InstanceId), tags and the rest that is only echoed.
    pub spec: Wire<pb::ContainerInstance>,
    /// When it first registered.
    pub registered_at: Timestamp,
    /// Revision at which what its agent should run last changed.
    pub manifest_generation: Revision,
    /// Tasks on it whose last status is RUNNING.
    pub running_count: u32,
    /// Tasks on it that are on their way to RUNNING.
    pub pending_count: u32,
    /// Counts up with every change.
    pub version: u64,
    /// How it is drained, while it is DRAINING.
    #[serde(default)]
    pub drain: Option<Drain>,
    /// Where it is in the network of tasks, if its tasks can have addresses of their own.
    #[serde(default)]
    pub network: Option<network::Place>,
}

/// How an instance is drained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    /// When it began.
    pub started_at: Timestamp,
    /// When what is left of services' tasks is stopped, whatever their deployment configuration says.
    pub deadline: Option<Timestamp>,
    /// Whether tasks that no service wants are stopped then as well.
    pub stop_standalone: bool,
    /// Tasks on it when it began.
    pub tasks: u32,
}

/// Whether an instance may get tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum InstanceStatus {
    /// It may.
    Active,
    /// It may not, and its service tasks move away.
    Draining,
    /// Deregistered.
    Inactive,
}

// === impl InstanceStatus ===

impl InstanceStatus {
    /// As the API spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Draining => "DRAINING",
            Self::Inactive => "INACTIVE",
        }
    }
}

// === impl ContainerInstance ===

impl ContainerInstance {
    /// Whether an attribute is there, from either writer.
    pub fn has_attribute(&self, name: &str) -> bool {
        self.custom_attributes.has(name) || self.attributes.has(name)
    }

    /// The value of an attribute; an operator's wins.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        if self.custom_attributes.has(name) {
            self.custom_attributes.value(name)
        } else {
            self.attributes.value(name)
        }
    }

    /// Its zone; empty when it has none.
    pub fn zone(&self) -> &str {
        self.attribute(AVAILABILITY_ZONE).unwrap_or_default()
    }

    /// Whether the placer may use it.
    pub fn takes_tasks(&self) -> bool {
        self.status == InstanceStatus::Active && self.connected
    }
}
