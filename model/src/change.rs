//! What an applied command touched, for whoever waits for it. Says where to look, never what to do.

use serde::{Deserialize, Serialize};

use crate::id::{ClusterName, InstanceId, ServiceKey, TaskDefinitionKey, TaskId};

/// Something that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// A cluster was made, changed or deleted.
    Cluster(ClusterName),
    /// A task definition changed its status, or is new or gone.
    TaskDefinition(TaskDefinitionKey),
    /// What is wanted of a service changed, or one of its deployments did.
    Service(ServiceKey),
    /// A task is new, changed or gone.
    Task {
        /// The task.
        id: TaskId,
        /// Where it is.
        instance: InstanceId,
        /// Whose it is, if a service's.
        service: Option<ServiceKey>,
    },
    /// An instance is new, changed or gone.
    Instance {
        /// The instance.
        id: InstanceId,
        /// Its cluster.
        cluster: ClusterName,
        /// Whether it came to offer more than before: tasks that did not fit may fit now.
        offers_more: bool,
    },
    /// What an agent should run changed.
    Manifest(InstanceId),
    /// An access key changed.
    AccessKey(String),
    /// A security group changed.
    SecurityGroup(String),
    /// The history that `berth events` shows has new entries.
    History,
}
