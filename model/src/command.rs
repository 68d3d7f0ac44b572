//! Commands: the only way the state changes. Everything in them was decided before they reached the log.
//!
//! They are stored, so they only grow: a new member has a default, a new kind goes to the end of its enum, and
//! nothing is ever renamed.

use serde::{Deserialize, Serialize};

use crate::arn::Scope;
use crate::attribute::Attributes;
use crate::capacity_provider::CapacityProvider;
use crate::cluster::Cluster;
use crate::container_instance::{ContainerInstance, InstanceStatus};
use crate::error::ApiError;
use crate::fit::{Reason, Refused};
use crate::id::{
    ClusterName, DeploymentId, Generation, InstanceId, Region, ServiceKey, TaskDefinitionKey, TaskId,
};
use crate::key::AccessKey;
use crate::network::security_group::SecurityGroup;
use crate::placement::PlacementRules;
use crate::resource::Shortage;
use crate::service::rollout::NewRecord;
use crate::service::settings::DeploymentSettings;
use crate::service::{DeploymentBounds, Rollout, Service};
use crate::task::{Observed, StopCode, Task};
use crate::task_definition::{Tag, TaskDefinition};
use crate::time::Timestamp;
use crate::wire::Wire;

mod queue;
mod rollout;
mod secret;

pub use secret::{ChangeSecret, Deletion, PutParameter};

pub use queue::{PlaceTasks, Placing, QueueTasks};
pub use rollout::{
    ChangeTaskSets, ContinueServiceDeployment, RecordHook, RollBackService, RolloutStep,
    StopServiceDeployment, TaskSetChange,
};

/// A command on its way through the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// What to do.
    pub command: Command,
    /// When it was decided, by the clock of whoever proposed it. The only "now" that `apply` knows.
    pub issued_at: Timestamp,
    /// W3C trace context of the call behind it.
    pub traceparent: Option<String>,
}

/// A change of the state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Gives a new deployment its identity. Applied once; the same again changes nothing.
    Bootstrap(Bootstrap),
    /// Adds or replaces an access key.
    PutAccessKey(AccessKey),
    /// Makes a cluster; one of that name that is ACTIVE stays as it is.
    CreateCluster(Cluster),
    /// Replaces what is echoed of a cluster.
    UpdateCluster(Cluster),
    /// Makes a cluster INACTIVE.
    DeleteCluster(ClusterName),
    /// Adds the next revision of a family.
    RegisterTaskDefinition(Box<TaskDefinition>),
    /// Makes a revision INACTIVE.
    DeregisterTaskDefinition(TaskDefinitionKey),
    /// Asks for the deletion of INACTIVE revisions.
    DeleteTaskDefinitions(Vec<TaskDefinitionKey>),
    /// Makes a service with its first deployment.
    CreateService(Box<Service>),
    /// Changes what is wanted of a service.
    UpdateService(Box<ServiceUpdate>),
    /// Makes a service DRAINING.
    DeleteService(ServiceKey),
    /// Records how far a service's deployments are. From the service planner.
    AdvanceService(AdvanceService),
    /// Starts tasks that were placed.
    StartTasks(StartTasks),
    /// Says of tasks that they should stop.
    StopTasks(StopTasks),
    /// Registers an instance, or what it now offers.
    RegisterInstance(Box<ContainerInstance>),
    /// Sets instances ACTIVE or DRAINING.
    SetInstanceStatus(SetInstanceStatus),
    /// Takes an instance out; with `force` also when tasks are on it.
    DeregisterInstance {
        /// The instance.
        id: InstanceId,
        /// Also with tasks on it, which count as stopped from then on.
        force: bool,
    },
    /// Declares an instance lost, or back.
    SetInstanceConnected {
        /// The instance.
        id: InstanceId,
        /// Whether it is back.
        connected: bool,
    },
    /// Adds or replaces custom attributes.
    PutAttributes(Vec<(InstanceId, Attributes)>),
    /// Takes custom attributes away.
    DeleteAttributes(Vec<(InstanceId, String)>),
    /// What an agent saw of its tasks.
    ReportTasks {
        /// The instance the agent speaks for.
        instance: InstanceId,
        /// The newest report of each task.
        reports: Vec<TaskReport>,
    },
    /// Forgets what is over and was kept long enough. From the reaper.
    Forget(Forget),
    /// Keeps why tasks of a service found no place, or forgets it. From the service planner.
    RecordRefusal(Box<RecordRefusal>),
    /// Stops a service deployment.
    StopServiceDeployment(StopServiceDeployment),
    /// Decides for a hook that waits for it.
    ContinueServiceDeployment(ContinueServiceDeployment),
    /// Records what a webhook answered.
    RecordHook(RecordHook),
    /// Deploys an earlier revision of a service again.
    RollBackService(Box<RollBackService>),
    /// Changes the task sets of a service.
    ChangeTaskSets(Box<ChangeTaskSets>),
    /// Puts tags on a resource, or takes them away.
    TagResource(Tagging),
    /// Sets a setting of the account or of a principal, or takes it back.
    PutAccountSetting(AccountSetting),
    /// Makes or replaces a capacity provider.
    PutCapacityProvider(Box<CapacityProvider>),
    /// Takes a capacity provider out.
    DeleteCapacityProvider(String),
    /// Protects tasks from scale-in, or no longer.
    ProtectTasks(TaskProtection),
    /// Takes an access key out, and with it everything that was made with it and ends.
    DeleteAccessKey(String),
    /// Records when access keys were last used. From whoever saw it.
    NoteKeyUse(Vec<(String, Timestamp)>),
    /// Adds tasks that wait for a place.
    QueueTasks(QueueTasks),
    /// Gives tasks that waited their instances. From the queue planner.
    PlaceTasks(PlaceTasks),
    /// Any other command, in another region than the deployment's own. A kind of its own, so that a build which knows
    /// nothing of regions stops instead of doing it here.
    InRegion(InRegion),
    /// Makes a parameter, or gives it its next value.
    PutParameter(Box<PutParameter>),
    /// Takes parameters out, with their history.
    DeleteParameters(Vec<String>),
    /// Makes a secret, or changes it.
    ChangeSecret(Box<ChangeSecret>),
    /// Writes a line about a task into the history: what people did in it.
    NoteTask(TaskNote),
    /// Makes a security group, or replaces it.
    PutSecurityGroup(Box<SecurityGroup>),
    /// Takes a security group out.
    DeleteSecurityGroup(String),
}

/// A line about a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskNote {
    /// The task.
    pub task: TaskId,
    /// For people.
    pub message: String,
}

/// A command for a region.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InRegion {
    /// The region.
    pub region: Region,
    /// What to do there.
    pub command: Box<Command>,
}

/// Tags to put on a resource and to take away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tagging {
    /// The resource.
    pub resource: Taggable,
    /// To put; one with the key of another takes its place.
    pub put: Vec<Tag>,
    /// Keys of those to take away.
    pub remove: Vec<String>,
}

/// What has tags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Taggable {
    /// A cluster.
    Cluster(ClusterName),
    /// A service.
    Service(ServiceKey),
    /// A revision of a task definition.
    TaskDefinition(TaskDefinitionKey),
    /// A task.
    Task(TaskId),
    /// A container instance.
    Instance(InstanceId),
    /// A capacity provider.
    CapacityProvider(String),
}

/// A setting of the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountSetting {
    /// Whose it is; `None` is the default of all.
    pub principal: Option<String>,
    /// Its name.
    pub name: String,
    /// `None` takes it back.
    pub value: Option<String>,
}

/// Tasks to protect from scale-in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskProtection {
    /// The tasks.
    pub tasks: Vec<TaskId>,
    /// Until when; `None` ends the protection.
    pub until: Option<Timestamp>,
}

/// What a new deployment is born with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bootstrap {
    /// Hexadecimal; the same in every file that `berth init` wrote.
    pub cluster_id: String,
    /// What stands in ARNs.
    pub scope: Scope,
    /// The first keys.
    pub keys: Vec<AccessKey>,
}

/// A change of what is wanted of a service. Members that are `None` leave things as they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceUpdate {
    /// The service.
    pub key: ServiceKey,
    /// The generation that the caller saw.
    pub generation: Generation,
    /// How many tasks are wanted.
    pub desired_count: Option<u32>,
    /// How far a deployment may go.
    pub bounds: Option<DeploymentBounds>,
    /// Where tasks go.
    pub placement: Option<PlacementRules>,
    /// What is echoed.
    pub spec: Option<Wire<berth_proto::ecs::v1::Service>>,
    /// Starts a deployment.
    pub deployment: Option<NewDeployment>,
    /// How the service is deployed.
    #[serde(default)]
    pub settings: Option<DeploymentSettings>,
}

/// A deployment to start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewDeployment {
    /// Its id.
    pub id: DeploymentId,
    /// What its tasks run.
    pub task_definition: TaskDefinitionKey,
    /// The service deployment that rolls it out.
    #[serde(default)]
    pub record: Option<NewRecord>,
}

/// What the service planner found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdvanceService {
    /// The service.
    pub key: ServiceKey,
    /// The generation that the planner saw.
    pub generation: Generation,
    /// Deployments whose rollout changed, and why.
    pub rollouts: Vec<(DeploymentId, Rollout, String)>,
    /// Deployments with nothing left to do.
    pub ended: Vec<DeploymentId>,
    /// Whether nothing is left to do for the service as a whole.
    pub steady: bool,
    /// Nothing is left of a DRAINING service: it becomes INACTIVE.
    pub retire: bool,
    /// Texts of events to record. One that repeats the newest of its kind is dropped.
    pub events: Vec<String>,
    /// For a DAEMON service: how many instances match.
    #[serde(default)]
    pub desired_count: Option<u32>,
    /// How its service deployment goes, in this order.
    #[serde(default)]
    pub steps: Vec<RolloutStep>,
}

/// What became of the last attempt to place tasks of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordRefusal {
    /// The service.
    pub key: ServiceKey,
    /// The generation that the planner saw.
    pub generation: Generation,
    /// Why they found no place; `None` when they did.
    pub refused: Option<Refused>,
}

/// Tasks to start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StartTasks {
    /// For a service: which, and the generation that the planner saw.
    pub service: Option<(ServiceKey, Generation)>,
    /// The tasks, each with its instance. One that does not fit any more is refused alone. At most
    /// [`crate::limits::TASKS_PER_COMMAND`].
    pub tasks: Vec<Task>,
}

/// Tasks that should stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopTasks {
    /// For a service: which, and the generation that the planner saw.
    pub service: Option<(ServiceKey, Generation)>,
    /// The tasks. One that should stop already keeps its first reason.
    pub tasks: Vec<TaskId>,
    /// The kind of reason.
    pub code: StopCode,
    /// The reason.
    pub reason: String,
}

/// Instances to set ACTIVE or DRAINING.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetInstanceStatus {
    /// The instances.
    pub ids: Vec<InstanceId>,
    /// ACTIVE or DRAINING.
    pub status: InstanceStatus,
    /// When what is left of services' tasks on DRAINING instances is stopped.
    #[serde(default)]
    pub deadline: Option<Timestamp>,
    /// Whether tasks that no service wants are stopped then as well.
    #[serde(default)]
    pub stop_standalone: bool,
}

// === impl Command ===

impl Command {
    /// The same for a region, `None` being the deployment's own.
    pub fn in_region(self, region: Option<&Region>) -> Self {
        match region {
            None => self,
            Some(region) => Self::InRegion(InRegion { region: region.clone(), command: Box::new(self) }),
        }
    }

    /// Whether it is about the deployment rather than about something in a region.
    pub(crate) fn is_of_deployment(&self) -> bool {
        matches!(
            self,
            Self::Bootstrap(_)
                | Self::PutAccessKey(_)
                | Self::DeleteAccessKey(_)
                | Self::NoteKeyUse(_)
                | Self::InRegion(_)
        )
    }
}

// === impl SetInstanceStatus ===

impl SetInstanceStatus {
    /// Sets a status, without a deadline for what is on the instances.
    pub fn new(ids: Vec<InstanceId>, status: InstanceStatus) -> Self {
        Self { ids, status, deadline: None, stop_standalone: false }
    }
}

/// What an agent saw of one task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskReport {
    /// The task.
    pub task: TaskId,
    /// All of it.
    pub observed: Observed,
}

/// What is over and was kept long enough.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forget {
    /// STOPPED tasks.
    pub tasks: Vec<TaskId>,
    /// INACTIVE services.
    pub services: Vec<ServiceKey>,
    /// INACTIVE instances.
    pub instances: Vec<InstanceId>,
    /// Revisions in DELETE_IN_PROGRESS that nothing refers to.
    pub task_definitions: Vec<TaskDefinitionKey>,
    /// INACTIVE clusters.
    pub clusters: Vec<ClusterName>,
    /// Secrets whose recovery window is over.
    #[serde(default)]
    pub secrets: Vec<String>,
}

/// What became of a command.
pub type Reply = Result<Outcome, Rejection>;

/// A command was carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The state changed.
    Applied,
    /// It was so already.
    Unchanged,
    /// Tasks were started, but for those that no longer fit.
    Started {
        /// The tasks that were not started, and what was in the way.
        refused: Vec<RefusedTask>,
    },
}

/// A task that was placed and did not fit any more when its command was applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedTask {
    /// The task.
    pub task: TaskId,
    /// Where it was to go.
    pub instance: InstanceId,
    /// What was in the way of resources.
    pub shortages: Vec<Shortage>,
    /// All that was in the way.
    #[serde(default)]
    pub reasons: Vec<Reason>,
}

/// A command that was not carried out. A normal answer: it is in the log, it changed nothing, and its proposer is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Rejection {
    /// The API refuses it.
    #[error(transparent)]
    Refused(#[from] ApiError),
    /// Decided from a generation that is no longer the newest.
    #[error("decided at generation {seen}, now {current}")]
    Stale {
        /// The generation it was decided from.
        seen: Generation,
        /// The generation now.
        current: Generation,
    },
    /// The family has come further meanwhile.
    #[error("revision {tried} is not the next, {next} is")]
    RevisionTaken {
        /// The revision that was to be registered.
        tried: u32,
        /// The one that would be.
        next: u32,
    },
    /// What it is about is not there.
    #[error("{kind} {id} is not there")]
    Gone {
        /// The kind of thing.
        kind: std::borrow::Cow<'static, str>,
        /// Its name or id.
        id: String,
    },
    /// Another instance has these addresses.
    #[error("instance {instance} has addresses of {block}")]
    AddressesTaken {
        /// The block that was to be given.
        block: String,
        /// Who has it, or part of it.
        instance: InstanceId,
    },
    /// It does not make sense in itself; a defect of whoever proposed it.
    #[error("malformed: {0}")]
    Malformed(String),
}
