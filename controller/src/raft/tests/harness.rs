//! Controllers over real connections, in one process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use berth_model::command::{Command, Outcome};
use berth_model::id::Revision;
use berth_model::key::{AccessKey as StoredKey, Role};
use berth_model::time::Timestamp;
use berth_process::clock::Clock;
use berth_process::config::NonZeroDuration;
use berth_process::entropy::Entropy;
use berth_process::identity::{self, AccessKey};
use berth_process::net::{self, Connector, Listen};
use berth_process::shutdown::{OnError, Shutdown};
use berth_proto::agent::v1::OpenLogs;
use tempfile::TempDir;
use tonic::Status;

use super::super::consensus::Setup;
use super::super::service::{LogStream, PeerService, Sessions};
use super::super::{Config, Consensus, ControllerId, Storage};
use crate::proposer::ProposeError;

/// How long anything in these tests may take. They wait for conditions; this only ends what would never come.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// What the controllers of one test share.
pub(super) struct Cluster {
    pub(super) config: Config,
    pub(super) key: AccessKey,
    pub(super) connector: Connector,
    entropy: Entropy,
}

/// One controller: consensus and the service that makes it reachable.
pub(super) struct Controller {
    pub(super) consensus: Consensus,
    pub(super) address: SocketAddr,
    dir: Arc<TempDir>,
    shutdown: Shutdown,
}

pub(super) struct NoSessions;

#[tonic::async_trait]
impl Sessions for NoSessions {
    async fn report(&self, _controller: ControllerId, _instances: Vec<String>) -> Result<(), Status> {
        Ok(())
    }

    async fn read_logs(&self, _request: OpenLogs) -> Result<LogStream, Status> {
        Err(Status::not_found("no task is here"))
    }
}

// === impl Cluster ===

impl Cluster {
    pub(super) fn new(seed: u64) -> Self {
        let entropy = Entropy::seeded(seed);
        let key = AccessKey::generate(identity::Role::Peer, &entropy);
        Self { config: calm(), key, connector: Connector::tcp(None), entropy }
    }

    /// Starts a controller on an empty disk.
    pub(super) async fn start(&self) -> Controller {
        self.start_on(Arc::new(tempfile::tempdir().unwrap()), "127.0.0.1:0".parse().unwrap()).await
    }

    /// Starts a controller on what is in `dir`.
    async fn start_on(&self, dir: Arc<TempDir>, address: SocketAddr) -> Controller {
        let listen = net::bind(address).unwrap();
        let address = listen.local_addr().unwrap();
        let shutdown = Shutdown::new();
        // Boxed: it holds states, and every future here would be as large.
        let starting = Box::pin(Consensus::start(self.setup(&dir, address, &shutdown)));
        let consensus = within("start", starting).await.unwrap();
        let service = PeerService::server(consensus.clone(), Arc::new(NoSessions));
        let (routes, scope) = (tonic::service::Routes::new(service), shutdown.clone());
        shutdown.spawn(
            "server",
            OnError::Shutdown,
            async move { net::serve(routes, listen, None, &scope).await },
        );
        Controller { consensus, address, dir, shutdown }
    }

    fn setup(&self, dir: &TempDir, address: SocketAddr, shutdown: &Shutdown) -> Setup {
        Setup {
            storage: Storage::Directory(dir.path().to_owned()),
            address: address.to_string(),
            config: self.config.clone(),
            clock: Clock::system(),
            entropy: self.entropy.clone(),
            connector: self.connector.clone(),
            peer_key: self.key.clone(),
            shutdown: shutdown.clone(),
        }
    }

    /// Starts a controller with a cluster of its own.
    pub(super) async fn bootstrap(&self) -> Controller {
        let first = self.start().await;
        first.consensus.bootstrap().await.unwrap();
        first.leads().await;
        first
    }

    /// Starts controllers until there are `count`; the first leads.
    pub(super) async fn of(&self, count: usize) -> Vec<Controller> {
        let mut controllers = vec![self.bootstrap().await];
        while controllers.len() < count {
            controllers.push(self.join(&controllers[0]).await);
        }
        controllers
    }

    /// Starts one more, which asks `seed` to be taken in.
    pub(super) async fn join(&self, seed: &Controller) -> Controller {
        let one = self.start().await;
        within("join", one.consensus.join(&[seed.address.to_string()])).await;
        one
    }

    /// Starts a stopped controller again, at its former address.
    pub(super) async fn restart(&self, stopped: (Arc<TempDir>, SocketAddr)) -> Controller {
        self.start_on(stopped.0, stopped.1).await
    }

    /// Starts a stopped controller again, at another address.
    pub(super) async fn restart_elsewhere(&self, stopped: (Arc<TempDir>, SocketAddr)) -> Controller {
        self.start_on(stopped.0, "127.0.0.1:0".parse().unwrap()).await
    }
}

// === impl Controller ===

impl Controller {
    /// Stops it: first what others notice, then its connections.
    pub(super) async fn stop(self) -> (Arc<TempDir>, SocketAddr) {
        self.consensus.stop().await;
        self.shutdown.drain(PATIENCE).await.unwrap();
        assert!(!self.shutdown.failed());
        (self.dir, self.address)
    }

    pub(super) fn id(&self) -> ControllerId {
        self.consensus.id()
    }

    /// Waits until it leads.
    pub(super) async fn leads(&self) {
        let mut leadership = self.consensus.leadership();
        within("lead", leadership.wait_for(|leadership| leadership.is_leader)).await.unwrap();
    }

    /// Waits until it knows a leader other than `former`.
    pub(super) async fn follows_another_than(&self, former: ControllerId) -> ControllerId {
        let mut leadership = self.consensus.leadership();
        let other = leadership
            .wait_for(|leadership| leadership.leader.as_ref().is_some_and(|leader| leader.id != former));
        within("another leader", other).await.unwrap().leader.as_ref().unwrap().id
    }

    /// Waits until `observer` knows its address.
    pub(super) async fn is_found_by(&self, observer: &Controller) {
        let mut metrics = observer.consensus.raft().metrics();
        let known = metrics.wait_for(|metrics| {
            let membership = metrics.membership_config.membership();
            membership.get_node(&self.id()).is_some_and(|known| known.addr == self.address.to_string())
        });
        within("the address", known).await.unwrap();
    }

    pub(super) async fn put(&self, name: &str) -> Result<(Revision, Outcome), ProposeError> {
        self.consensus.proposer().propose(put(name, 10)).await
    }

    /// Whether its state, as it is, has the key of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.consensus.view().access_key(name).is_some()
    }

    /// Waits until its state has the key of this name.
    pub(super) async fn comes_to_have(&self, name: &str) {
        let mut views = self.consensus.feed().views();
        within("have", views.wait_for(|view| view.access_key(name).is_some())).await.unwrap();
    }
}

/// A command that leaves a trace of this name and size.
pub(super) fn put(name: &str, bytes: usize) -> Command {
    Command::PutAccessKey(StoredKey {
        id: name.to_owned(),
        sealed_secret: vec![7; bytes],
        role: Role::Admin,
        created_at: Timestamp::from_unix_ms(1),
        status: berth_model::key::KeyStatus::Active,
        last_used_at: None,
        description: String::new(),
    })
}

/// A configuration that does not take a busy machine for a lost leader.
fn calm() -> Config {
    Config {
        election_timeout_min: NonZeroDuration::from_millis(1_000),
        election_timeout_max: NonZeroDuration::from_millis(1_500),
        ..Config::default()
    }
}

/// A configuration that makes snapshots early.
pub(super) fn with_small_log(config: Config) -> Config {
    Config { snapshot_every_entries: 100, keep_entries: 10, ..config }
}

/// A configuration that gives up early.
pub(super) fn impatient(config: Config) -> Config {
    let soon = NonZeroDuration::from_millis(700);
    Config { propose_timeout: soon, read_timeout: soon, ..config }
}

pub(super) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(PATIENCE, future).await;
    done.unwrap_or_else(|_elapsed| panic!("waited too long: {what}"))
}
