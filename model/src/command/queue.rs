//! Tasks that wait for a place, and the places that they get.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::{ClusterName, InstanceId, TaskId};
use crate::placement::Decision;
use crate::task::Task;

/// Tasks that wait for a place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueueTasks {
    /// The cluster of all of them.
    pub cluster: ClusterName,
    /// The tasks, on no instance. At most [`crate::limits::TASKS_PER_COMMAND`].
    pub tasks: Vec<Task>,
}

/// Places for tasks of the queue. One that does not fit any more is refused alone and waits on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceTasks {
    /// In the order of the queue. At most [`crate::limits::TASKS_PER_COMMAND`].
    pub placings: Vec<Placing>,
    /// One that they passed, and for which instances are kept free from now on.
    #[serde(default)]
    pub claim: Option<TaskId>,
}

/// A place for a task of the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placing {
    /// The task.
    pub task: TaskId,
    /// Its instance.
    pub instance: InstanceId,
    /// The GPUs that its containers have to themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gpu_ids: Vec<String>,
    /// Why there.
    pub decision: Option<Arc<Decision>>,
}
