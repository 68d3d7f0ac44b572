//! Task definitions: the message a client registered, and the facts planners need of it, computed once.

use berth_proto::ecs::v1 as pb;
use serde::{Deserialize, Serialize};

use crate::id::{Family, TaskDefinitionKey};
use crate::placement::Constraint;
use crate::resource::{PortSet, Requirements};
use crate::time::Timestamp;
use crate::wire::Wire;

/// One immutable revision of a family. Only its status changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskDefinition {
    /// Family and revision.
    pub key: TaskDefinitionKey,
    /// Whether new tasks and services may use it.
    pub status: TaskDefinitionStatus,
    /// What the client registered, defaults filled in as ECS echoes them; ARN, status and times are empty in it.
    pub definition: Wire<pb::TaskDefinition>,
    /// What planners read of it.
    pub facts: Facts,
    /// Tags, which the API returns beside the definition.
    pub tags: Vec<Tag>,
    /// When it was registered.
    pub registered_at: Timestamp,
    /// Principal that registered it.
    pub registered_by: String,
    /// When it became INACTIVE.
    pub deregistered_at: Option<Timestamp>,
    /// When its deletion was asked for.
    pub delete_requested_at: Option<Timestamp>,
}

/// A tag of any resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// Unique on its resource.
    pub key: String,
    /// May be empty.
    pub value: String,
}

/// Whether a revision can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskDefinitionStatus {
    /// For new tasks and services.
    Active,
    /// Only by what uses it already.
    Inactive,
    /// Gone as soon as nothing uses it any more.
    DeleteInProgress,
}

/// What planners read of a task definition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// `cpu` of the task, in units, when it is given for the task as a whole.
    pub task_cpu_units: Option<u32>,
    /// `memory` of the task, in MiB, when it is given for the task as a whole.
    pub task_memory_mib: Option<u32>,
    /// The containers, in the order of the definition.
    pub containers: Vec<ContainerFacts>,
    /// Names of the attributes that an instance must have.
    pub required_attributes: Vec<String>,
    /// The constraints of the definition itself.
    pub constraints: Vec<Constraint>,
    /// The architecture of processor that the images are for, as instances have it in their attributes.
    #[serde(default)]
    pub cpu_architecture: Option<String>,
    /// Ephemeral storage of the task as a whole, in MiB.
    #[serde(default)]
    pub disk_mib: u32,
}

/// The attribute of instances that can give a container its secrets as files.
pub const SECRET_FILES: &str = "berth.capability.secret-files";

/// Whether a secret of a container is a file: its name is the path. In ECS a name is always that of a variable, which
/// cannot have a slash in it.
pub fn is_secret_file(name: &str) -> bool {
    name.starts_with('/')
}

/// What planners read of a container definition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerFacts {
    /// Unique within the definition.
    pub name: String,
    /// Its end is the end of the task.
    pub essential: bool,
    /// CPU units it reserves.
    pub cpu_units: u32,
    /// MiB it reserves: memoryReservation, else memory.
    pub memory_mib: u32,
    /// Host TCP ports it asks for by number.
    pub tcp_ports: PortSet,
    /// Host UDP ports it asks for by number.
    pub udp_ports: PortSet,
    /// Whether it has a health check.
    pub health_check: bool,
    /// How many GPUs it has to itself.
    #[serde(default)]
    pub gpus: u32,
}

/// How far a family's counter has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FamilyCounter {
    /// The family.
    pub family: Family,
    /// The highest revision ever given out; never decreases, also after deletions.
    pub last_revision: u32,
}

// === impl TaskDefinitionStatus ===

impl TaskDefinitionStatus {
    /// As the API spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Inactive => "INACTIVE",
            Self::DeleteInProgress => "DELETE_IN_PROGRESS",
        }
    }
}

// === impl Facts ===

impl Facts {
    /// Whether a task's health follows from health checks: those of its essential containers. Source: ECS API,
    /// `Task.healthStatus`.
    pub fn has_health_check(&self) -> bool {
        self.containers.iter().any(|container| container.essential && container.health_check)
    }

    /// What a task of this definition needs before any override.
    pub fn requirements(&self) -> Requirements {
        self.requirements_of(|_| true)
    }

    /// What the containers for which `holds` is true need. Task-level cpu, memory and storage, where given, are held as long
    /// as any container holds.
    pub fn requirements_of(&self, mut holds: impl FnMut(&ContainerFacts) -> bool) -> Requirements {
        let mut sum = Requirements::default();
        let mut any = false;
        for container in self.containers.iter().filter(|container| holds(container)) {
            any = true;
            sum.add(&Requirements {
                cpu_units: container.cpu_units,
                memory_mib: container.memory_mib,
                tcp_ports: container.tcp_ports.clone(),
                udp_ports: container.udp_ports.clone(),
                gpus: container.gpus,
                disk_mib: 0,
            });
        }
        if any {
            sum.cpu_units = self.task_cpu_units.unwrap_or(sum.cpu_units);
            sum.memory_mib = self.task_memory_mib.unwrap_or(sum.memory_mib);
            sum.disk_mib = self.disk_mib;
        }
        sum
    }
}
