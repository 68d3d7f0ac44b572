//! Clusters.

use berth_proto::ecs::v1 as pb;
use serde::{Deserialize, Serialize};

use crate::container_instance::InstanceStatus;
use crate::error::{ApiError, Exception};
use crate::id::ClusterName;
use crate::service::ServiceStatus;
use crate::state::State;
use crate::time::Timestamp;
use crate::wire::Wire;

/// A name that groups services, tasks and container instances.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cluster {
    /// Its name.
    pub name: ClusterName,
    /// Whether it can be used.
    pub status: ClusterStatus,
    /// When it was made.
    pub created_at: Timestamp,
    /// Settings, configuration, tags and the rest that is only echoed; counters and ARN are empty in it.
    pub spec: Wire<pb::Cluster>,
}

/// Whether a cluster can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClusterStatus {
    /// In use.
    Active,
    /// Deleted, and still describable.
    Inactive,
}

/// Says what is still in a cluster, with the exception that ECS has for it.
pub fn check_empty(state: &State, name: &ClusterName) -> Result<(), ApiError> {
    let refuse = |exception, message: &str| Err(ApiError::new(exception, message));
    if state.services_in(name).any(|service| service.status != ServiceStatus::Inactive) {
        return refuse(
            Exception::ClusterContainsServices,
            "The Cluster cannot be deleted while Services are active.",
        );
    }
    if state.tasks_in(name).any(|task| !task.is_stopped()) {
        return refuse(
            Exception::ClusterContainsTasks,
            "The Cluster cannot be deleted while Tasks are active.",
        );
    }
    if state.instances_in(name).any(|instance| instance.status != InstanceStatus::Inactive) {
        return refuse(
            Exception::ClusterContainsContainerInstances,
            "The Cluster cannot be deleted while Container Instances are active or draining.",
        );
    }
    Ok(())
}

// === impl ClusterStatus ===

impl ClusterStatus {
    /// As the API spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Inactive => "INACTIVE",
        }
    }
}
