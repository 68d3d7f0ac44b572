//! The handle that the rest of the controller holds: start, look, read, stop.
//!
//! Writes have a door of their own, [`Proposer`]; who takes part is changed in [`super::membership`].

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use berth_model::id::Revision;
use berth_model::state::View;
use berth_process::clock::Clock;
use berth_process::entropy::Entropy;
use berth_process::identity::AccessKey;
use berth_process::net::Connector;
use berth_process::shutdown::{OnError, Shutdown};
use berth_process::token::Signer;
use openraft::storage::RaftLogStorage;
use prometheus_client::metrics::histogram::Histogram;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::directory::{self, Directory};
use super::disk::{Disk, DiskError};
use super::forward::Forwarder;
use super::leadership::{self, Leadership};
use super::log_store::LogStore;
use super::network::Network;
use super::peers::Peers;
use super::read_index::{self, ReadIndex, RoundError, Rounds};
use super::snapshot_store::{SnapshotError, SnapshotStore};
use super::state_machine::StateMachine;
use super::submit::{self, Submitter};
use super::{Config, ControllerId, LogId, MemoryDisk, OpenRaft, TypeConfig, compaction, identity};
use crate::feed::{self, Feed};
use crate::proposer::Proposer;

/// A running member of the controllers' group, or one that is about to become a member. Cheap to clone.
#[derive(Clone)]
pub struct Consensus(Arc<Inner>);

/// What consensus is started with.
pub struct Setup {
    /// Where the log and the snapshots are kept.
    pub storage: Storage,
    /// Where the other controllers reach this one, as `host:port`.
    pub address: String,
    /// How it is tuned.
    pub config: Config,
    /// Stamps commands.
    pub clock: Clock,
    /// Draws the id at the first start, and the election timeout.
    pub entropy: Entropy,
    /// Connects to the other controllers.
    pub connector: Connector,
    /// With which controllers call each other.
    pub peer_key: AccessKey,
    /// Whose tasks its tasks are.
    pub shutdown: Shutdown,
}

/// Where the log and the snapshots are kept.
#[derive(Clone, Debug)]
pub enum Storage {
    /// In files below this directory.
    Directory(PathBuf),
    /// In memory, for simulated controllers.
    Memory(MemoryDisk),
}

/// Why consensus did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration contradicts itself.
    #[error("the configuration of consensus is wrong: {}", .0.join("; "))]
    Config(Vec<String>),
    /// The log cannot be used.
    #[error("cannot use the log")]
    Disk(#[from] DiskError),
    /// The snapshots cannot be used.
    #[error("cannot use the snapshots")]
    Snapshots(#[from] SnapshotError),
    /// The log begins after the newest snapshot that can be read: what is between them is lost here. The others have
    /// it: start with an empty data directory, join anew, and remove the former id.
    #[error(
        "the log begins after entry {cut}, but the newest readable snapshot ends at {snapshot:?}; this controller has to join anew with an empty data directory"
    )]
    Lost {
        /// The newest purged entry.
        cut: u64,
        /// The newest entry in a snapshot.
        snapshot: Option<u64>,
    },
    /// openraft does not start.
    #[error("consensus cannot start: {0}")]
    Raft(String),
}

/// Why a linearizable read was not possible. A read may be tried again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// No leader could be asked before the time was over.
    #[error("no leader confirmed the read in time: {0}")]
    NoLeader(String),
    /// The leader answered, and this controller did not catch up in time.
    #[error("this controller is behind: it did not reach revision {0} in time")]
    Behind(Revision),
    /// Too many reads wait already.
    #[error("too many reads are waiting")]
    Overloaded,
    /// This controller is stopping.
    #[error("this controller is stopping")]
    Stopping,
}

struct Inner {
    id: ControllerId,
    address: String,
    config: Config,
    clock: Clock,
    entropy: Entropy,
    peer_key: AccessKey,
    raft: OpenRaft,
    feed: Feed,
    peers: Peers,
    leadership: watch::Receiver<Leadership>,
    directory: watch::Receiver<Directory>,
    submitter: Submitter,
    forwarder: Submitter,
    read_index: ReadIndex,
    /// Held while who takes part is changed.
    changing_members: Mutex<()>,
    disk: Option<Arc<Disk>>,
    stopping: CancellationToken,
}

/// Between two attempts of a read to find the leader.
const READ_PAUSE: Duration = Duration::from_millis(20);

// === impl Consensus ===

impl Consensus {
    /// Reads what is stored and takes part again; a new controller waits until it is bootstrapped or taken in.
    pub async fn start(setup: Setup) -> Result<Self, StartError> {
        let mistakes = setup.config.mistakes();
        if !mistakes.is_empty() {
            return Err(StartError::Config(mistakes));
        }
        let shutdown = setup.shutdown.clone();
        match setup.storage.clone() {
            Storage::Directory(dir) => {
                let disk = Arc::new(Disk::open(&dir)?);
                let id = identity::load_or_draw(&disk, &setup.entropy)?;
                let log_bytes = setup.config.snapshot_every_mib << 20;
                let (snapshots, log) = (SnapshotStore::open(&dir)?, LogStore::open(&disk)?);
                let started = start_with(setup, id, log.clone(), log.cut(), snapshots, Some(disk)).await?;
                let compaction = compaction::run(started.0.raft.clone(), log, log_bytes);
                spawn_until(&started.0.stopping, &shutdown, "log-compaction", compaction);
                Ok(started)
            }
            Storage::Memory(disk) => {
                let id = disk.id(|| ControllerId::draw(&setup.entropy));
                let snapshots = SnapshotStore::memory(Arc::clone(&disk.snapshot))?;
                start_with(setup, id, disk.clone(), disk.cut(), snapshots, None).await
            }
        }
    }

    /// This controller's id.
    pub fn id(&self) -> ControllerId {
        self.0.id
    }

    /// Where the others reach this controller, as `host:port`.
    pub fn address(&self) -> &str {
        &self.0.address
    }

    /// The newest state here. It may be behind the leader's: [`Self::linearize`] first if that matters.
    pub fn view(&self) -> View {
        self.0.feed.view()
    }

    /// Views and changes as they come.
    pub fn feed(&self) -> &Feed {
        &self.0.feed
    }

    /// Who leads.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.0.leadership.clone()
    }

    /// Where the controllers are.
    pub fn directory(&self) -> watch::Receiver<Directory> {
        self.0.directory.clone()
    }

    /// The door for writes.
    pub fn proposer(&self) -> Proposer {
        Proposer::new(self.clone())
    }

    /// A view that has every write which was acknowledged before this was called, by whichever controller.
    pub async fn linearize(&self) -> Result<View, ReadError> {
        let deadline = Instant::now() + self.config().read_timeout.get();
        let revision = self.read_revision(deadline).await?;
        match tokio::time::timeout_at(deadline, self.0.feed.wait_for_revision(revision)).await {
            Ok(Ok(view)) => Ok(view),
            Ok(Err(feed::Ended)) => Err(ReadError::Stopping),
            Err(_elapsed) => Err(ReadError::Behind(revision)),
        }
    }

    /// The revision that a read which begins now has to wait for.
    pub(super) async fn read_revision(&self, deadline: Instant) -> Result<Revision, ReadError> {
        loop {
            let last = match self.0.read_index.get().await {
                Ok(revision) => return Ok(revision),
                Err(RoundError::Stopping) => return Err(ReadError::Stopping),
                Err(RoundError::Overloaded) => return Err(ReadError::Overloaded),
                Err(error @ (RoundError::NoLeader | RoundError::Unconfirmed(_))) => error,
            };
            if Instant::now() + READ_PAUSE >= deadline {
                return Err(ReadError::NoLeader(last.to_string()));
            }
            tokio::time::sleep(READ_PAUSE).await;
        }
    }

    /// Stops taking part and lets go of the files. Nothing that was acknowledged depends on it. Its tasks end with
    /// this and not with the scope they are in, because calls that are under way at the end of the process still need
    /// them: let the calls finish, stop, and only then drain.
    pub async fn stop(&self) {
        self.0.stopping.cancel();
        if let Err(error) = self.0.raft.shutdown().await {
            tracing::error!(%error, "consensus panicked while stopping");
        }
    }

    pub(super) fn raft(&self) -> &OpenRaft {
        &self.0.raft
    }

    pub(super) fn peers(&self) -> &Peers {
        &self.0.peers
    }

    /// Where proposals go on the leader.
    pub(crate) fn submitter(&self) -> &Submitter {
        &self.0.submitter
    }

    /// Where proposals go on every other controller.
    pub(crate) fn forwarder(&self) -> &Submitter {
        &self.0.forwarder
    }

    pub(crate) fn config(&self) -> &Config {
        &self.0.config
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub(crate) fn entropy(&self) -> &Entropy {
        &self.0.entropy
    }

    pub(super) fn peer_key(&self) -> &AccessKey {
        &self.0.peer_key
    }

    pub(super) fn changing_members(&self) -> &Mutex<()> {
        &self.0.changing_members
    }

    /// The size of the log's files; nothing when it is kept in memory.
    pub(super) fn disk_bytes(&self) -> Option<u64> {
        self.0.disk.as_ref().and_then(|disk| disk.size_bytes().ok())
    }

    /// How long the log took to become durable; nothing when it is kept in memory.
    pub(super) fn sync_seconds(&self) -> Option<Histogram> {
        self.0.disk.as_ref().map(|disk| disk.sync_seconds())
    }

    /// Whether this controller heard of `id` lately.
    pub(super) fn is_reachable(&self, id: ControllerId) -> bool {
        self.0.peers.is_heard(id)
    }
}

async fn start_with<L: RaftLogStorage<TypeConfig>>(
    setup: Setup,
    id: ControllerId,
    log: L,
    cut: Option<LogId>,
    (snapshots, newest): (SnapshotStore, Option<(super::SnapshotMeta, berth_model::state::State)>),
    disk: Option<Arc<Disk>>,
) -> Result<Consensus, StartError> {
    let snapshot = newest.as_ref().and_then(|(meta, _state)| meta.last_log_id).map(|last| last.index);
    if let Some(cut) = cut.map(|cut| cut.index).filter(|cut| snapshot < Some(*cut)) {
        return Err(StartError::Lost { cut, snapshot });
    }
    let Setup { address, config, clock, entropy, connector, peer_key, shutdown, storage: _ } = setup;
    let stopping = CancellationToken::new();
    let signer = Signer::new(&peer_key.access_key_id, &peer_key.secret_access_key, clock.clone());
    let peers = Peers::new(connector, signer, config.silence_max());
    let (publisher, feed) = feed::channel();
    let network = Network { id, peers: peers.clone(), entropy: entropy.clone() };
    let state_machine = StateMachine::new(id, snapshots, newest, publisher);
    let openraft_config =
        config.to_openraft(&entropy).validate().map_err(|error| StartError::Raft(error.to_string()))?;
    let raft = OpenRaft::new(id, Arc::new(openraft_config), network, log, state_machine).await;
    let raft = raft.map_err(|fatal| StartError::Raft(fatal.to_string()))?;

    let (leading, leadership) = watch::channel(Leadership::default());
    let (listing, directory) = watch::channel(Directory::default());
    let admission = submit::admission();
    let (submitter, submissions) = submit::channel(Arc::clone(&admission));
    let (forwarder, forwarded) = submit::channel(admission);
    let (read_index, waiters) = read_index::channel();
    let forwarding = Forwarder {
        id,
        peers: peers.clone(),
        leadership: leadership.clone(),
        timeout: config.propose_timeout.get(),
    };
    let rounds = Rounds {
        id,
        raft: raft.clone(),
        peers: peers.clone(),
        leadership: leadership.clone(),
        timeout: config.silence_max(),
    };
    shutdown.spawn(
        "leadership",
        OnError::Shutdown,
        leadership::follow(raft.metrics(), leading, config.clone()),
    );
    spawn_until(&stopping, &shutdown, "directory", directory::follow(raft.metrics(), listing));
    spawn_until(&stopping, &shutdown, "proposals", submit::run(raft.clone(), submissions));
    spawn_until(&stopping, &shutdown, "forwarded-proposals", forwarding.run(forwarded));
    spawn_until(&stopping, &shutdown, "read-rounds", rounds.run(waiters));
    let consensus = Consensus(Arc::new(Inner {
        id,
        address,
        config,
        clock,
        entropy,
        peer_key,
        raft,
        feed,
        peers,
        leadership,
        directory,
        submitter,
        forwarder,
        read_index,
        changing_members: Mutex::new(()),
        disk,
        stopping: stopping.clone(),
    }));
    spawn_until(&stopping, &shutdown, "announce-address", consensus.clone().announce());
    Ok(consensus)
}

/// A task that ends when consensus stops. Whoever waits for it then learns that it is gone.
fn spawn_until<T>(
    stopping: &CancellationToken,
    shutdown: &Shutdown,
    name: &'static str,
    task: impl Future<Output = T> + Send + 'static,
) {
    let stopping = stopping.clone();
    shutdown.spawn(name, OnError::Shutdown, async move {
        stopping.run_until_cancelled_owned(task).await;
        Ok::<(), StartError>(())
    });
}
