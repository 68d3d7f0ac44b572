//! What an agent needs of whatever runs its containers, in the words of ECS.
//!
//! An operation may be repeated: an agent that lost the answer asks again, and gets the outcome it would have got. A
//! runtime shows and touches only containers with the label of its own instance.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use berth_model::resource::Requirements;
use berth_model::task::step::Health;
use berth_proto::agent::v1::RegistryCredentials;
use berth_proto::ecs::v1 as ecs;
use bytes::Bytes;
use futures::stream::BoxStream;
use parking_lot::Mutex;
use progress::PullProgress;
use tokio_util::sync::CancellationToken;

pub mod docker;
pub mod progress;
pub mod reach;
pub mod sim;

/// The labels of a container, by which an operator finds it and its agent knows it again.
pub mod label {
    /// Name of the cluster.
    pub const CLUSTER: &str = "com.amazonaws.ecs.cluster";
    /// Name of the container in its task definition.
    pub const CONTAINER_NAME: &str = "com.amazonaws.ecs.container-name";
    /// ARN of the task.
    pub const TASK_ARN: &str = "com.amazonaws.ecs.task-arn";
    /// Family of the task definition.
    pub const FAMILY: &str = "com.amazonaws.ecs.task-definition-family";
    /// Revision of the task definition.
    pub const REVISION: &str = "com.amazonaws.ecs.task-definition-version";
    /// Id of the instance whose agent made the container.
    pub const CONTAINER_INSTANCE: &str = "berth.container-instance";
    /// Id of the task.
    pub const TASK: &str = "berth.task";
    /// Id of the task whose network namespace the container holds; such a container is none of the task's own.
    pub const PAUSE: &str = "berth.pause";
    /// The address in that namespace.
    pub const ADDRESS: &str = "berth.address";
    /// Ports of the host that were chosen for the port ranges of the container.
    pub const PORT_RANGES: &str = "berth.port-ranges";
    /// Options of the log driver `awslogs`, as JSON, of a container that asked for it.
    pub const LOG: &str = "berth.log";
}

/// Why an operation failed.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// The runtime does not answer: nothing is known of the outcome, and the operation is worth repeating.
    #[error("the container runtime does not answer: {0}")]
    Unavailable(String),
    /// There is no such container, image or volume.
    #[error("{0}")]
    NotFound(String),
    /// A host port that the container needs is still taken; another container may be about to release it.
    #[error("{0}")]
    PortTaken(String),
    /// The runtime refused.
    #[error("{0}")]
    Refused(String),
}

/// What a host and its runtime are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// Cores.
    pub cpus: u32,
    /// MiB.
    pub memory_mib: u64,
    /// The disk that images and containers live on, in MiB, when it can be told.
    pub disk_mib: Option<u64>,
    /// As ECS spells it: `linux` or `windows`.
    pub os_type: String,
    /// As ECS spells it: `x86_64` or `arm64`.
    pub cpu_architecture: String,
    /// Version of the runtime.
    pub version: String,
    /// Log drivers that a container may ask for.
    pub log_drivers: Vec<String>,
    /// Drivers that a volume may ask for.
    pub volume_drivers: Vec<String>,
    /// Capabilities as attribute names, without the log drivers.
    pub capabilities: Vec<String>,
}

/// An image on the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// The runtime's own id.
    pub id: String,
    /// `sha256:…` of its manifest in the registry; empty for an image that never was in one.
    pub digest: String,
}

/// A directory or volume that a container sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// A path on the host, or the name of a volume.
    pub source: String,
    /// Where the container sees it.
    pub container_path: String,
    /// It cannot write there.
    pub read_only: bool,
}

/// A volume that a task needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// Unique on the host.
    pub name: String,
    /// By which it is found again. One that is labelled with a task goes with it.
    pub labels: BTreeMap<String, String>,
    /// What keeps its content; the runtime's own driver when empty.
    pub driver: String,
    /// What the driver is told.
    pub options: BTreeMap<String, String>,
    /// Somebody else made it: when it is not there, it is missing.
    pub must_exist: bool,
}

/// One container to create. What comes straight from the task definition is read there.
#[derive(Clone, Debug, Default)]
pub struct Launch {
    /// Unique on the host.
    pub name: String,
    /// [`label`] and those of the definition.
    pub labels: BTreeMap<String, String>,
    /// The container, overrides merged in.
    pub definition: ecs::ContainerDefinition,
    /// Never [`ecs::NetworkMode::Unspecified`].
    pub network_mode: ecs::NetworkMode,
    /// The container whose network it shares, in mode awsvpc.
    pub network_of: Option<String>,
    /// How processes see each other.
    pub pid_mode: ecs::PidMode,
    /// How processes share memory.
    pub ipc_mode: ecs::IpcMode,
    /// CPU shares, already within the runtime's bounds.
    pub cpu_shares: i64,
    /// The most CPU it may use, when the task has a limit.
    pub cpu_limit_units: Option<u32>,
    /// The most memory it may use.
    pub memory_limit_mib: Option<u32>,
    /// The most it may write to its own file system, where the runtime can limit that.
    pub disk_limit_mib: Option<u32>,
    /// The GPUs that it has to itself.
    pub gpu_ids: Vec<String>,
    /// Links as `NAME:ALIAS`, with names unique on the host.
    pub links: Vec<String>,
    /// Containers whose volumes it sees, with names unique on the host.
    pub volumes_from: Vec<String>,
    /// What it sees of the host.
    pub mounts: Vec<Mount>,
    /// Ports of the host that are not to be chosen for its port ranges: others have them or may get them.
    pub taken_ports: Arc<Requirements>,
    /// What the agent made for it on the host, which must be there whenever it starts.
    pub files: Vec<Mount>,
    /// Between SIGTERM and SIGKILL.
    pub stop_timeout: Duration,
}

/// How far a container is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It was never started.
    Created,
    /// It runs.
    Running,
    /// It ended.
    Exited,
}

/// One container as the runtime sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// The runtime's id.
    pub runtime_id: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// How far it is.
    pub status: Status,
    /// With what it ended.
    pub exit_code: Option<i32>,
    /// It was killed because it used more memory than it may.
    pub out_of_memory: bool,
    /// What its health check says.
    pub health: Health,
    /// When it was started last.
    pub started_at_ms: Option<i64>,
    /// When it ended last.
    pub finished_at_ms: Option<i64>,
    /// Ports of the host that lead to it.
    pub network_bindings: Vec<ecs::NetworkBinding>,
    /// Its first process, while it runs on this host.
    pub pid: Option<u32>,
}

/// What only the runtime knows of a container, for whoever asks about it from inside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// Its name on the host.
    pub name: String,
    /// The runtime's id of its image.
    pub image_id: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// When it was made, as RFC 3339 has it.
    pub created_at: String,
    /// What of the host it sees, by the path inside.
    pub mounts: BTreeMap<String, String>,
    /// Its networks, by their mode.
    pub networks: BTreeMap<String, Network>,
    /// What its health check said last.
    pub health: Option<HealthDetails>,
}

/// The addresses of a container in a network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// IPv4.
    pub ipv4: Vec<String>,
    /// IPv6.
    pub ipv6: Vec<String>,
    /// Of its interface.
    pub mac: String,
}

/// What a health check said last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HealthDetails {
    /// When, as RFC 3339 has it.
    pub since: Option<String>,
    /// With what it ended.
    pub exit_code: Option<i64>,
    /// What it printed.
    pub output: Option<String>,
}

/// One container in a list: less than [`Container`], and cheap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The runtime's id.
    pub runtime_id: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// How far it is.
    pub status: Status,
}

/// Something that happened to a container of this instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Events may have been missed: compare everything.
    Resync,
    /// It ended.
    Exited {
        /// The runtime's id.
        runtime_id: String,
        /// With what.
        exit_code: i32,
        /// When.
        at_ms: i64,
    },
    /// Its health check changed its mind.
    Health {
        /// The runtime's id.
        runtime_id: String,
        /// To what.
        health: Health,
    },
}

/// Which part of a container's log is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// Go on as the container writes.
    pub follow: bool,
    /// Lines from the end; all without.
    pub tail: Option<u32>,
    /// Nothing older, in nanoseconds since 1970.
    pub since_ns: Option<i64>,
}

/// A piece of a container's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// It was written to standard error.
    pub is_stderr: bool,
    /// When it was written, in nanoseconds since 1970.
    pub at_ns: i64,
    /// What was written.
    pub bytes: Bytes,
    /// Something before it was written and is gone.
    pub is_after_gap: bool,
}

/// How much of a container's log was written and is not read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unread {
    /// So much.
    pub bytes: u64,
    /// What the runtime keeps at most: beyond it the oldest goes.
    pub most_bytes: u64,
}

type AskUnread = Box<dyn Fn() -> Option<Unread> + Send + Sync>;

/// What is ahead of whoever follows a log, for somebody who looks on.
#[derive(Clone, Default)]
pub struct Backlog(Arc<Mutex<Option<AskUnread>>>);

/// How full the disk is that images and containers live on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskUse {
    /// In all.
    pub total_bytes: u64,
    /// Of which can be used.
    pub available_bytes: u64,
}

/// Whatever runs the containers of one instance.
#[async_trait]
pub trait Runtime: reach::Reach + Send + Sync + 'static {
    /// The host and what its runtime can do.
    async fn host(&self) -> Result<Host, Error>;
    /// The image, when it is on the host.
    async fn image(&self, reference: &str) -> Result<Option<Image>, Error>;
    /// Brings an image to the host, from a registry that asks for these credentials. Says meanwhile how far it is.
    async fn pull(
        &self,
        reference: &str,
        credentials: Option<&RegistryCredentials>,
        progress: &PullProgress,
    ) -> Result<(), Error>;
    /// Makes an image of the files in an archive, with a program to run.
    async fn import(&self, reference: &str, archive: Vec<u8>, program: &str) -> Result<(), Error>;
    /// Removes an image that no container uses; false when one does.
    async fn remove_image(&self, reference: &str) -> Result<bool, Error>;
    /// Makes a volume, when it is not there and does not have to be.
    async fn create_volume(&self, volume: &Volume) -> Result<(), Error>;
    /// Removes volumes of the tasks of this instance for which `is_over` says so.
    async fn remove_volumes(
        &self,
        is_over: &(dyn for<'a> Fn(&'a str) -> bool + Send + Sync),
    ) -> Result<(), Error>;
    /// Makes a container; its id. The id of the one that is there, when an earlier attempt made it.
    async fn create(&self, launch: &Launch) -> Result<String, Error>;
    /// Starts a container. It is no error when it runs.
    async fn start(&self, runtime_id: &str) -> Result<(), Error>;
    /// Asks a container to end, ends it after the timeout (its own when none is given), and waits until it has ended.
    async fn stop(&self, runtime_id: &str, timeout: Option<Duration>) -> Result<(), Error>;
    /// Lets a container that runs do nothing for a while. It is no error when it is paused.
    async fn pause(&self, _runtime_id: &str) -> Result<(), Error> {
        Err(Error::Refused("this runtime cannot pause containers".to_owned()))
    }
    /// Lets it go on. It is no error when it is not paused.
    async fn resume(&self, _runtime_id: &str) -> Result<(), Error> {
        Ok(())
    }
    /// Removes a container that does not run. It is no error when it is gone.
    async fn remove(&self, runtime_id: &str) -> Result<(), Error>;
    /// One container of this instance, when there is one with this id.
    async fn inspect(&self, runtime_id: &str) -> Result<Option<Container>, Error>;
    /// Every container of this instance.
    async fn list(&self) -> Result<Vec<Listed>, Error>;
    /// What happens, from now on. It never ends; it is to be read by one reader at a time.
    fn events(&self) -> BoxStream<'static, Event>;
    /// The log of a container.
    fn logs(&self, runtime_id: &str, options: LogOptions) -> BoxStream<'static, Result<LogRecord, Error>>;
    /// The log of a container for a reader who must keep up: as it is written, from this moment on, in nanoseconds since
    /// 1970. It ends when all was read and `ended` is cancelled, or earlier: then it is to be followed again. Whoever has the
    /// backlog can see what is ahead, where that can be seen.
    fn follow_log(
        &self,
        runtime_id: &str,
        since_ns: Option<i64>,
        _ended: CancellationToken,
        _backlog: Backlog,
    ) -> BoxStream<'static, Result<LogRecord, Error>> {
        self.logs(runtime_id, LogOptions { follow: true, tail: None, since_ns })
    }
    /// What else is known of one container of this instance; none when there is none with this id.
    async fn describe(&self, runtime_id: &str) -> Result<Option<Details>, Error>;
    /// What a container uses now, as Docker tells it; none when it does not run.
    async fn stats(&self, runtime_id: &str) -> Result<Option<serde_json::Value>, Error>;
    /// How full the disk is; none when it cannot be told.
    async fn disk_use(&self) -> Option<DiskUse>;
}

// === impl Backlog ===

impl Backlog {
    /// From now on this is asked.
    pub fn ask(&self, unread: impl Fn() -> Option<Unread> + Send + Sync + 'static) {
        *self.0.lock() = Some(Box::new(unread));
    }

    /// What is not read; none where that cannot be seen.
    #[must_use]
    pub fn unread(&self) -> Option<Unread> {
        self.0.lock().as_ref().and_then(|ask| ask())
    }
}
