//! Tasks: what is wanted of them and what was seen of them, kept apart because different writers own them.
//!
//! `desired` and `stop` are intent, written by planners and API calls. `observed` is written only by reports of the
//! agent. Not having heard of a task is not the same as its being stopped.

use core::net::Ipv4Addr;
use std::collections::BTreeMap;
use std::sync::Arc;

use berth_proto::ecs::v1 as pb;
use serde::{Deserialize, Serialize};

use crate::id::{ClusterName, DeploymentId, InstanceId, ServiceKey, ServiceName, TaskDefinitionKey, TaskId};
use crate::network::Membership;
use crate::placement::{Decision, PlacementRules};
use crate::resource::Requirements;
use crate::task_definition::{Facts, Tag};
use crate::time::Timestamp;
use crate::wire::Wire;

mod shown;
pub mod step;

/// One running of a task definition on one instance. It never moves: a replacement is another task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// Its cluster.
    pub cluster: ClusterName,
    /// Where it runs; [`InstanceId::NOWHERE`] as long as it waits for a place.
    pub instance: InstanceId,
    /// What it runs.
    pub definition: TaskDefinitionKey,
    /// Who wants it.
    pub owner: Owner,
    /// `service:NAME`, `family:FAMILY` or what the caller of RunTask said; strategies and constraints count by it.
    pub group: Arc<str>,
    /// Deployment id for service tasks, else what the caller said.
    pub started_by: Option<Arc<str>>,
    /// What the caller changed of the definition.
    pub overrides: Option<Wire<pb::TaskOverride>>,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// Members that are only echoed, when there are any.
    pub spec: Option<Wire<pb::Task>>,
    /// W3C trace context of the call that asked for it.
    pub traceparent: Option<Arc<str>>,
    /// When it was placed; of one that had to wait for a place, when it was asked for.
    pub created_at: Timestamp,
    /// What it needs, overrides included.
    pub needs: Requirements,
    /// What it holds of its instance now: `needs` at first, less as containers stop, nothing once it is STOPPED.
    pub held: Requirements,
    /// Intent: whether it should run.
    pub desired: DesiredStatus,
    /// Intent: why it should not.
    pub stop: Option<Stop>,
    /// What its agent last reported.
    pub observed: Observed,
    /// What the placer was asked and what it chose besides the instance.
    #[serde(default)]
    pub scheduling: Scheduling,
    /// Counts up with every change.
    pub version: u64,
    /// The digests that its containers' images have to have, by container: those of its service revision.
    #[serde(default)]
    pub images: Option<Arc<BTreeMap<String, String>>>,
    /// When the planner found that it fails its health checks; forgotten once it passes them.
    #[serde(default)]
    pub unhealthy_at: Option<Timestamp>,
    /// What it was asked to be in, when it has an address of its own.
    #[serde(default)]
    pub network: Option<Arc<Membership>>,
}

/// What the placer was asked for a task, and what it chose besides the instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheduling {
    /// Constraints and strategies of the call; those of a service's task are its service's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<Arc<PlacementRules>>,
    /// The task that it takes the place of, which stays until this one is healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<TaskId>,
    /// The GPUs that its containers have to themselves, in the order of the containers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gpu_ids: Vec<String>,
    /// Why it was placed where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Arc<Decision>>,
    /// How it may wait for a place, if it may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<Queueing>,
}

/// How a task waits for a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queueing {
    /// Those of a higher one come first.
    pub priority: i32,
    /// When it is given up; never when there is none.
    pub deadline: Option<Timestamp>,
    /// Since when instances are kept free for it, because others have been passing it.
    #[serde(default)]
    pub claimed_at: Option<Timestamp>,
}

/// Who wants a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Owner {
    /// A service, for one of its deployments.
    Service {
        /// The service, in the task's cluster.
        name: ServiceName,
        /// The deployment.
        deployment: DeploymentId,
    },
    /// Whoever called RunTask or StartTask.
    Standalone,
    /// A service deployment that waits for it.
    Hook {
        /// The service, in the task's cluster.
        service: ServiceName,
    },
}

/// Whether a task should run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DesiredStatus {
    /// It should.
    Running,
    /// It should not, ever again.
    Stopped,
}

/// Why a task stops or stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// The kind of reason.
    pub code: StopCode,
    /// ECS's text.
    pub reason: Arc<str>,
    /// When it was decided, or seen.
    pub at: Timestamp,
}

/// The kinds of reasons for which tasks stop. Source: ECS API, `Task.stopCode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopCode {
    /// It never ran.
    TaskFailedToStart,
    /// A container without which it is nothing ended.
    EssentialContainerExited,
    /// Somebody called StopTask.
    UserInitiated,
    /// Its service no longer wanted it.
    ServiceSchedulerInitiated,
    /// Its spot instance was taken back.
    SpotInterruption,
    /// Its instance was taken away.
    TerminationNotice,
    /// Its instance was found broken.
    InfrastructureHealth,
}

/// What an agent reported of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// Counts up on the agent; a report that is not newer is dropped. 0 before the first.
    pub report_version: u64,
    /// How far it is. Only ever moves forward.
    pub last_status: TaskStatus,
    /// Its containers; empty before the first report.
    pub containers: Vec<ContainerObservation>,
    /// The health of its essential containers together.
    pub health: Health,
    /// When its first image pull began.
    pub pull_started_at: Option<Timestamp>,
    /// When its last image pull ended.
    pub pull_stopped_at: Option<Timestamp>,
    /// When it became RUNNING.
    pub started_at: Option<Timestamp>,
    /// When it began to stop.
    pub stopping_at: Option<Timestamp>,
    /// When its last container ended.
    pub execution_stopped_at: Option<Timestamp>,
    /// When it became STOPPED.
    pub stopped_at: Option<Timestamp>,
    /// Why it stopped, when the reason arose on the instance.
    pub stop: Option<Stop>,
    /// Its address, when it has one of its own.
    #[serde(default)]
    pub address: Option<Ipv4Addr>,
}

/// What an agent reported of a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerObservation {
    /// Its name in the definition.
    pub name: String,
    /// The engine's id for it; empty before it is created.
    pub runtime_id: String,
    /// Digest of its image; empty when not known.
    pub image_digest: String,
    /// How far it is.
    pub last_status: ContainerStatus,
    /// Its exit code, once it ended.
    pub exit_code: Option<i32>,
    /// Why it failed; empty when it did not.
    pub reason: String,
    /// Its ports on the host.
    pub bindings: Vec<PortBinding>,
    /// Its own health check's verdict.
    pub health: Health,
    /// What it wrote last, once it ended other than it should.
    #[serde(default)]
    pub last_log_lines: Vec<String>,
}

/// A port of a container on its host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortBinding {
    /// Address it listens on.
    pub bind_ip: String,
    /// Port in the container.
    pub container_port: u16,
    /// Port on the host.
    pub host_port: u16,
    /// Whether it is UDP rather than TCP.
    pub udp: bool,
    /// Ports that follow these two one by one, when it is a range; 0 for a single port.
    #[serde(default)]
    pub further: u16,
}

/// How far a task is. The order is the order of its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TaskStatus {
    /// Work outside the agent comes first.
    Provisioning,
    /// Its agent has not begun.
    Pending,
    /// Images, containers, network.
    Activating,
    /// Every essential container runs.
    Running,
    /// Leaving discovery and load balancers.
    Deactivating,
    /// Containers were asked to end.
    Stopping,
    /// Network and volumes are taken down.
    Deprovisioning,
    /// Over.
    Stopped,
}

/// How far a container is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ContainerStatus {
    /// Not running yet.
    Pending,
    /// Running.
    Running,
    /// Over.
    Stopped,
}

/// What health checks say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Health {
    /// Nothing yet, or there is no check.
    #[default]
    Unknown,
    /// Well.
    Healthy,
    /// Not well.
    Unhealthy,
}

// === impl Task ===

impl Task {
    /// Whether it is over.
    pub fn is_stopped(&self) -> bool {
        self.observed.last_status == TaskStatus::Stopped
    }

    /// Whether it runs, and should.
    pub fn is_running(&self) -> bool {
        self.desired == DesiredStatus::Running && self.observed.last_status == TaskStatus::Running
    }

    /// Whether it is on its way to RUNNING, and should be.
    pub fn is_pending(&self) -> bool {
        self.desired == DesiredStatus::Running && self.observed.last_status < TaskStatus::Running
    }

    /// Whether it has an instance, or had one.
    pub fn is_placed(&self) -> bool {
        self.instance != InstanceId::NOWHERE
    }

    /// Whether it waits in the queue for a place.
    pub fn is_queued(&self) -> bool {
        !self.is_placed() && !self.is_stopped()
    }

    /// Whether its agent still has to know of it.
    pub fn is_on_manifest(&self) -> bool {
        !self.is_stopped()
    }

    /// The service that wants it.
    pub fn service(&self) -> Option<ServiceKey> {
        match &self.owner {
            Owner::Service { name, .. } => {
                Some(ServiceKey { cluster: self.cluster.clone(), name: name.clone() })
            }
            Owner::Standalone | Owner::Hook { .. } => None,
        }
    }

    /// The service of which a deployment waits for it.
    pub fn awaited_by(&self) -> Option<ServiceKey> {
        match &self.owner {
            Owner::Hook { service } => {
                Some(ServiceKey { cluster: self.cluster.clone(), name: service.clone() })
            }
            Owner::Service { .. } | Owner::Standalone => None,
        }
    }

    /// The deployment that wants it.
    pub fn deployment(&self) -> Option<DeploymentId> {
        match &self.owner {
            Owner::Service { deployment, .. } => Some(*deployment),
            Owner::Standalone | Owner::Hook { .. } => None,
        }
    }

    /// Why it stops or stopped: what was decided wins over what was seen, because it came first.
    pub fn stop_reason(&self) -> Option<&Stop> {
        self.stop.as_ref().or(self.observed.stop.as_ref())
    }

    /// What it holds after this observation: everything until a container stops, then what the others need, and every
    /// host port that the engine chose for it.
    pub fn held_after(&self, facts: &Facts, observed: &Observed) -> Requirements {
        if observed.last_status == TaskStatus::Stopped {
            return Requirements::default();
        }
        let stopped = |name: &str| {
            observed
                .containers
                .iter()
                .any(|seen| seen.name == name && seen.last_status == ContainerStatus::Stopped)
        };
        let mut held = self.needs.clone();
        let some_are_left = facts.containers.iter().any(|container| !stopped(&container.name));
        if !some_are_left && !facts.containers.is_empty() {
            held = Requirements::default();
        } else if observed.containers.iter().any(|seen| seen.last_status == ContainerStatus::Stopped) {
            // What the caller of RunTask changed is only in `needs`, so that is where the stopped ones' share goes from.
            let (all, rest) =
                (facts.requirements(), facts.requirements_of(|container| !stopped(&container.name)));
            held.cpu_units = held.cpu_units.saturating_sub(all.cpu_units.saturating_sub(rest.cpu_units));
            held.memory_mib = held.memory_mib.saturating_sub(all.memory_mib.saturating_sub(rest.memory_mib));
            held.tcp_ports = rest.tcp_ports;
            held.udp_ports = rest.udp_ports;
        }
        let running = observed.containers.iter().filter(|seen| seen.last_status != ContainerStatus::Stopped);
        for binding in running.flat_map(|seen| &seen.bindings) {
            let ports = if binding.udp { &mut held.udp_ports } else { &mut held.tcp_ports };
            for port in binding.host_port..=binding.host_port.saturating_add(binding.further) {
                ports.insert(port);
            }
        }
        held
    }
}

// === impl Observed ===

impl Default for Observed {
    /// Before the first report.
    fn default() -> Self {
        Self {
            report_version: 0,
            last_status: TaskStatus::Pending,
            containers: Vec::new(),
            health: Health::Unknown,
            pull_started_at: None,
            pull_stopped_at: None,
            started_at: None,
            stopping_at: None,
            execution_stopped_at: None,
            stopped_at: None,
            stop: None,
            address: None,
        }
    }
}

// === impl TaskStatus ===

impl TaskStatus {
    /// Every status, in order.
    pub const ALL: [Self; 8] = [
        Self::Provisioning,
        Self::Pending,
        Self::Activating,
        Self::Running,
        Self::Deactivating,
        Self::Stopping,
        Self::Deprovisioning,
        Self::Stopped,
    ];

    /// As the API spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provisioning => "PROVISIONING",
            Self::Pending => "PENDING",
            Self::Activating => "ACTIVATING",
            Self::Running => "RUNNING",
            Self::Deactivating => "DEACTIVATING",
            Self::Stopping => "STOPPING",
            Self::Deprovisioning => "DEPROVISIONING",
            Self::Stopped => "STOPPED",
        }
    }

    /// The status that the API spells so.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

// === impl ContainerStatus ===

impl ContainerStatus {
    /// As the API spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Running => "RUNNING",
            Self::Stopped => "STOPPED",
        }
    }

    /// The status that the API spells so.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Pending, Self::Running, Self::Stopped].into_iter().find(|status| status.as_str() == text)
    }
}

// === impl DesiredStatus ===

impl DesiredStatus {
    /// As the API spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Stopped => "STOPPED",
        }
    }
}
