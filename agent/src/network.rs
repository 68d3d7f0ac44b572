//! Addresses of this instance's tasks: a network namespace for each task that has one, and the way to all others.
//!
//! ```text
//!  task's namespace                    host                                   other hosts
//!  eth0 100.64.3.7/32 ── veth ── berth0123456789 ─► table `berth` ─► route ─► eth0 (same network)
//!     default via 169.254.1.1            (no bridge)                     └──► berth-vx (elsewhere)
//! ```
//!
//! What should be is a function of what controllers say and of the tasks that are attached; what is, the kernel is asked
//! for. [`plan`] is the difference, and whoever wakes [`Network::run`] has it carried out: a change, or the time that has
//! passed. So what others wiped comes back, and what nobody needs goes. Everything of ours has a name or a mark by which
//! it is known: links [`link::is_ours`], routes [`kernel::PROTOCOL`], the nftables table `berth`, a comment on the rules
//! that let it past the container engine's.
//!
//! A task's namespace is that of a container which does nothing else ([`pause`]); it carries the address as a label, and
//! that is where a later run of the agent learns it from.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use berth_model::network::Block;
use berth_process::entropy::Entropy;
use berth_process::shutdown::{OnError, Shutdown};
use berth_proto::agent::v1 as wire;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::limits;
use crate::manifest::DesiredTask;
use crate::runtime::{self, Runtime, Status, label};

mod attach;
mod filter;
mod firewall;
mod fleet;
mod inside;
mod kernel;
mod link;
mod lock;
mod pause;
mod plan;
mod pool;
pub(crate) mod program;

pub use attach::Attached;
pub use pause::NAME as PAUSE;

use fleet::Fleet;
use kernel::Kernel;
use link::TaskLink;
use pool::Pool;

/// What tasks see as their gateway: it stands for their host, and is the same everywhere.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);

/// The network of one instance's tasks.
pub struct Network {
    runtime: Arc<dyn Runtime>,
    instance_id: String,
    state: Mutex<State>,
    fleet: watch::Sender<Option<Arc<Fleet>>>,
    wanted: Notify,
    /// Whoever holds it changes the kernel, and nobody else.
    kernel: tokio::sync::Mutex<Kernel>,
    _lock: lock::Lock,
}

#[derive(Default)]
struct State {
    members: BTreeMap<String, Member>,
    pool: Pool,
}

/// A task that has an address, or is about to.
#[derive(Clone, Debug)]
struct Member {
    address: Ipv4Addr,
    groups: Vec<String>,
    /// The container that holds its namespace.
    pause: Option<String>,
    /// A process in its namespace, once there is one.
    pid: Option<u32>,
    is_leaving: bool,
    /// Held by whoever attaches it: its containers may be made at the same time.
    gate: Arc<tokio::sync::Mutex<()>>,
}

/// A part of the network that is not as it should be.
struct Failure {
    /// Of which link; none when it concerns all.
    link: Option<String>,
    text: String,
}

// === impl Network ===

impl Network {
    /// Takes over the network of this host's tasks. None, said once, where that is not possible: tasks with addresses of
    /// their own are placed elsewhere then.
    pub(crate) async fn open(
        runtime: Arc<dyn Runtime>,
        instance_id: &str,
        entropy: &Entropy,
        shutdown: &Shutdown,
    ) -> Option<Arc<Self>> {
        let opened = match Self::try_open(runtime, instance_id, shutdown).await {
            Ok(network) => Arc::new(network),
            Err(error) => {
                tracing::info!(error, "tasks get no addresses of their own on this host");
                return None;
            }
        };
        let mut backoff = crate::engine::retries(entropy);
        while let Err(error) = opened.adopt().await {
            tracing::warn!(error = %error, "cannot see which tasks have addresses");
            tokio::time::sleep(backoff.next_delay()).await;
        }
        Some(opened)
    }

    async fn try_open(
        runtime: Arc<dyn Runtime>,
        instance_id: &str,
        shutdown: &Shutdown,
    ) -> Result<Self, String> {
        let lock = lock::Lock::take()?;
        firewall::check().await?;
        let kernel = Kernel::connect(shutdown).map_err(|error| format!("connect to the kernel: {error}"))?;
        Ok(Self {
            runtime,
            instance_id: instance_id.to_owned(),
            state: Mutex::default(),
            fleet: watch::Sender::new(None),
            wanted: Notify::new(),
            kernel: tokio::sync::Mutex::new(kernel),
            _lock: lock,
        })
    }

    /// Keeps the kernel as it should be, until the shutdown. Tasks keep their addresses after that.
    pub(crate) fn start(self: &Arc<Self>, shutdown: &Shutdown) {
        let (network, token) = (self.clone(), shutdown.token().clone());
        let run = async move {
            network.run(&token).await;
            Ok::<(), std::convert::Infallible>(())
        };
        shutdown.spawn("task network", OnError::Shutdown, run);
    }

    async fn run(&self, token: &CancellationToken) {
        let mut ticks = tokio::time::interval(limits::NETWORK_PERIOD);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut told = String::new();
        loop {
            // Cancel-safe, all three: a notification that is not taken is kept, a tick is due the next time.
            tokio::select! {
                biased;
                () = token.cancelled() => return,
                () = self.wanted.notified() => {}
                _ = ticks.tick() => {}
            }
            match self.reconcile().await {
                Ok(()) => told.clear(),
                // The same again says nothing new.
                Err(error) if error == told => {}
                Err(error) => {
                    tracing::warn!(error, "the network of tasks is not as it should be");
                    told = error;
                }
            }
        }
    }

    /// What a controller says of the network. Older than what is known, it says nothing.
    pub fn follow(&self, message: &wire::FleetNetwork) {
        let fleet = match Fleet::from_message(message) {
            Ok(fleet) => fleet,
            Err(error) => {
                tracing::warn!(error, "a controller says of the network what makes no sense");
                return;
            }
        };
        let is_newer = self.fleet.send_if_modified(|known| {
            let is_newer = known.as_ref().is_none_or(|known| known.generation <= fleet.generation);
            if is_newer {
                *known = Some(Arc::new(fleet));
            }
            is_newer
        });
        if is_newer {
            self.wanted.notify_one();
        }
    }

    /// The address of a task.
    #[must_use]
    pub fn address(&self, task_id: &str) -> Option<Ipv4Addr> {
        self.state.lock().members.get(task_id).map(|member| member.address)
    }

    /// The block that a task's address is in, as it is written.
    #[must_use]
    pub fn block(&self) -> Option<String> {
        self.fleet.borrow().as_ref().and_then(|fleet| fleet.block).map(|block| block.to_string())
    }

    /// The container that holds a task's namespace.
    #[must_use]
    pub fn pause_of(&self, task_id: &str) -> Option<String> {
        self.state.lock().members.get(task_id)?.pause.clone()
    }

    /// The task whose namespace this container holds, unless the task is leaving it.
    pub(crate) fn task_of(&self, runtime_id: &str) -> Option<String> {
        let state = self.state.lock();
        let found = state.members.iter().find(|(_, member)| member.pause.as_deref() == Some(runtime_id));
        found.filter(|(_, member)| !member.is_leaving).map(|(id, _)| id.clone())
    }

    /// The containers that hold the namespaces of tasks which are to stay.
    pub(crate) fn held(&self) -> Vec<String> {
        let state = self.state.lock();
        let staying = state.members.values().filter(|member| !member.is_leaving && member.pid.is_some());
        staying.filter_map(|member| member.pause.clone()).collect()
    }

    /// Nobody holds the namespace of this task any more. The number of the process may soon be another's.
    pub(crate) fn lose(&self, task_id: &str) {
        if let Some(member) = self.state.lock().members.get_mut(task_id) {
            member.pid = None;
        }
    }

    /// Whether somebody holds the namespace of a task.
    pub(crate) fn is_whole(&self, task_id: &str) -> bool {
        self.state.lock().members.get(task_id).is_some_and(|member| member.pid.is_some())
    }

    /// Whether a task has an address, or has not given it back yet.
    pub(crate) fn is_member(&self, task_id: &str) -> bool {
        self.state.lock().members.contains_key(task_id)
    }

    /// The tasks that have addresses, those included that are leaving.
    pub(crate) fn members(&self) -> Vec<String> {
        self.state.lock().members.keys().cloned().collect()
    }

    async fn reconcile(&self) -> Result<(), String> {
        let failures = self.bring_up_to_date().await?;
        let texts: Vec<String> = failures.into_iter().map(|failure| failure.text).collect();
        if texts.is_empty() { Ok(()) } else { Err(texts.join("; ")) }
    }

    /// Makes the kernel what it should be, as far as it can be; what could not be done.
    async fn bring_up_to_date(&self) -> Result<Vec<Failure>, String> {
        let mut kernel = self.kernel.lock().await;
        let (wanted, filter) = self.wanted();
        let observed = kernel.observe().await?;
        let mut failures = Vec::new();
        // Before the links: what is not to pass does not pass for a moment.
        if let Err(text) = kernel.firewall.follow(&filter).await {
            failures.push(Failure { link: None, text });
        }
        for step in plan::plan(&wanted, &observed) {
            if let Err(error) = kernel.carry_out(&step, &observed).await {
                failures
                    .push(Failure { link: Some(step.link().to_owned()), text: format!("{step:?}: {error}") });
            }
        }
        Ok(failures)
    }

    /// What should be, of links and routes, and of what is let through.
    fn wanted(&self) -> (plan::Wanted, filter::Filter) {
        let fleet = self.fleet.borrow().clone();
        let state = self.state.lock();
        // The link of a task that is leaving goes with its namespace, and is not to be made again.
        let staying = state.members.iter().filter(|(_, member)| !member.is_leaving);
        let links = staying.filter_map(|(id, member)| Some(TaskLink::new(id, member.address, member.pid?)));
        // One whose process is gone has lost its network: the engine hears of it, and there is nothing to repair.
        let tasks: Vec<TaskLink> = links.filter(TaskLink::has_end).collect();
        let groups = state.members.iter().map(|(id, member)| (link::name(id), &member.groups));
        let filter = filter::Filter::new(&tasks, &groups.collect(), fleet.as_deref());
        let wanted = plan::Wanted {
            tasks,
            block: fleet.as_ref().and_then(|fleet| fleet.block),
            peers: fleet.as_ref().map(|fleet| fleet.peers.clone()),
            overlay_only: fleet.as_ref().is_some_and(|fleet| fleet.overlay_only),
        };
        (wanted, filter)
    }

    /// Learns from the containers that are there which tasks have addresses.
    async fn adopt(&self) -> Result<(), runtime::Error> {
        for listed in self.runtime.list().await? {
            let (Some(task_id), Some(address)) =
                (listed.labels.get(label::PAUSE), listed.labels.get(label::ADDRESS))
            else {
                continue;
            };
            let Ok(address) = address.parse() else { continue };
            let found = self.runtime.inspect(&listed.runtime_id).await?;
            let running = found.filter(|found| found.status == Status::Running);
            let member = Member {
                pause: Some(listed.runtime_id.clone()),
                pid: running.and_then(|found| found.pid),
                ..Member::new(address)
            };
            self.state.lock().members.insert(task_id.clone(), member);
        }
        Ok(())
    }

    /// What the manifest says of the groups of tasks that were adopted.
    pub(crate) fn know_groups(&self, desired: &DesiredTask) {
        let mut state = self.state.lock();
        if let Some(member) = state.members.get_mut(&desired.id) {
            member.groups.clone_from(&desired.security_groups);
        }
    }
}

// === impl Member ===

impl Member {
    fn new(address: Ipv4Addr) -> Self {
        Self { address, groups: Vec::new(), pause: None, pid: None, is_leaving: false, gate: Arc::default() }
    }
}

// === impl State ===

impl State {
    /// The address of a task, and the turn of whoever attaches it. An address is taken when it has none; none is free, when
    /// there is none.
    fn enter(&mut self, task: &DesiredTask, block: Block) -> Option<(Ipv4Addr, Arc<tokio::sync::Mutex<()>>)> {
        if let Some(member) = self.members.get(&task.id) {
            return Some((member.address, member.gate.clone()));
        }
        let used: BTreeSet<Ipv4Addr> = self.members.values().map(|member| member.address).collect();
        let address = self.pool.take(block, &used, Instant::now())?;
        let member = Member { groups: task.security_groups.clone(), ..Member::new(address) };
        let gate = member.gate.clone();
        self.members.insert(task.id.clone(), member);
        Some((address, gate))
    }
}

/// Removes everything of ours from this host but the containers: for a host that is to run no tasks any more.
pub async fn remove_all() -> Result<(), String> {
    let lock = lock::Lock::take()?;
    let shutdown = Shutdown::new();
    let mut kernel = Kernel::connect(&shutdown).map_err(|error| format!("connect to the kernel: {error}"))?;
    let observed = kernel.observe().await?;
    let nothing = plan::Wanted { peers: Some(Vec::new()), ..plan::Wanted::default() };
    for step in plan::plan(&nothing, &observed) {
        kernel.carry_out(&step, &observed).await?;
    }
    kernel.firewall.remove().await?;
    crate::endpoint::remove_left().await?;
    shutdown.trigger();
    drop(lock);
    Ok(())
}
