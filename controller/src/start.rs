//! Putting a controller together, running it, and taking it down.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use berth_model::arn::Scope;
use berth_model::command::{Bootstrap, Command};
use berth_model::id::Ids;
use berth_model::key::{AccessKey, KeyStatus, Role};
use berth_model::network::Addressing;
use berth_model::state::View;
use berth_model::time::Timestamp;
use berth_model::validate::{Admission, cluster};
use berth_process::clock::Clock;
use berth_process::entropy::Entropy;
use berth_process::identity::{self, ClusterIdentity};
use berth_process::net::{self, Connector, Listen, Protocol, Web};
use berth_process::ops::{self, Readiness};
use berth_process::shutdown::{OnError, Shutdown};
use berth_process::tls;
use berth_proto::agent::v1::agents_server::AgentsServer;
use berth_proto::ecs::v1::CreateClusterRequest;
use prometheus_client::registry::Registry;
use tokio::sync::watch;
use tonic::service::Routes;

use crate::api::auth::{NotASealingKey, SealingKey};
use crate::api::usage::Usage;
use crate::api::{self, Api};
use crate::archive::{self, Disk, Quorum};
use crate::aws::{Endpoint, Transport};
use crate::config::Config;
use crate::proposer::{ProposeError, Proposer};
use crate::raft::consensus::{ReadError, Setup, StartError};
use crate::raft::membership::MembershipError;
use crate::raft::service::PeerService;
use crate::raft::{Consensus, Storage};
use crate::reconcile::Context;
use crate::region::Regions;
use crate::session::Sessions;
use crate::session::leases::Leases;
use crate::wiring::{LogStreams, Members, PeerDoor, Reconciling, Store, Usages, Ways};
use crate::{leader, metrics, session, wiring};

/// How long calls and sessions may take to end, while consensus still answers them. The server gives calls two seconds.
const SERVING_DRAIN: Duration = Duration::from_secs(4);

/// How long everything else may take to end.
const DRAIN: Duration = Duration::from_secs(4);

/// Between two attempts to write what a new cluster is born with. Each waits for a leader on its own.
const BIRTH_PAUSE: Duration = Duration::from_millis(100);

/// How often uses of keys are looked at; most have been recorded a while ago and are no news.
const KEY_USE_PERIOD: Duration = Duration::from_secs(10);

/// An instance that somebody vouched for within this time is there. Three reports of the sessions fit into it.
const VOUCHED_WINDOW: Duration = Duration::from_secs(3);

/// What a controller stands on.
pub struct Environment<L> {
    /// Where calls come in.
    pub listen: L,
    /// How other controllers are reached.
    pub connector: Connector,
    /// The certificate to serve with; none in a simulated network.
    pub certificate: Option<tls::Certificate>,
    /// Where the log, the vote and snapshots are kept.
    pub storage: Storage,
    /// The wall clock.
    pub clock: Clock,
    /// Where random numbers come from.
    pub entropy: Entropy,
    /// Ends the controller.
    pub shutdown: Shutdown,
}

/// Why a controller does not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The identity file cannot be used.
    #[error(transparent)]
    Identity(#[from] identity::Error),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Consensus cannot start.
    #[error(transparent)]
    Consensus(#[from] StartError),
    /// The archive of logs cannot be used.
    #[error(transparent)]
    Archive(#[from] archive::OpenError),
    /// The API cannot be served.
    #[error(transparent)]
    Api(#[from] api::Error),
    /// The cluster cannot be begun.
    #[error("cannot begin the cluster")]
    Bootstrap(#[source] MembershipError),
    /// What a new cluster is born with cannot be written.
    #[error("cannot write what a new cluster is born with")]
    Birth(#[source] ProposeError),
    /// The identity has no usable sealing key.
    #[error("cannot use the sealing key of the identity file")]
    SealingKey(#[from] NotASealingKey),
    /// The authorities of webhooks cannot be read.
    #[error("cannot trust the authorities in {path}, which --webhook-ca names")]
    WebhookCa {
        /// The file.
        path: std::path::PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The ready file cannot be written.
    #[error("cannot write {path}")]
    ReadyFile {
        /// The file.
        path: std::path::PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// Runs a controller until its shutdown is triggered or a part of it fails.
pub async fn run<L: Listen>(
    config: &Config,
    identity: &ClusterIdentity,
    environment: Environment<L>,
) -> Result<(), Error> {
    let Environment { listen, connector, certificate, storage, clock, entropy, shutdown } = environment;
    let address = local_address(&listen, "--listen")?;
    let advertise = if config.advertise.is_empty() { address.clone() } else { config.advertise.clone() };
    let archive = wiring::open_archive(&storage, config, &entropy, &shutdown)?;
    let setup = Setup {
        storage,
        address: advertise,
        config: config.consensus(),
        clock: clock.clone(),
        entropy: entropy.clone(),
        connector,
        peer_key: identity.peer_key.clone(),
        shutdown: shutdown.clone(),
    };
    let consensus = Consensus::start(setup).await?;
    let mut registry = Registry::default();
    consensus.register_metrics(&mut registry);
    let parts = Assembled::new(
        config,
        identity,
        &consensus,
        (clock.clone(), entropy.clone()),
        archive,
        &shutdown,
        &mut registry,
    )?;
    let ops_listen =
        net::bind(config.ops_listen).map_err(|source| listen_error(config.ops_listen, source))?;
    let ops_address = local_address(&ops_listen, "--ops-listen")?;
    let aws_listen =
        net::bind(config.aws_listen).map_err(|source| listen_error(config.aws_listen, source))?;
    let aws_address = local_address(&aws_listen, "--aws-listen")?;
    let readiness = Readiness::new();
    serve_ops(ops_listen, registry, readiness.clone(), &shutdown);
    let (routes, serving) = (parts.routes.clone(), shutdown.child());
    serve_aws(aws_listen, parts.aws.clone(), certificate.clone().filter(|_| config.aws_tls), &serving);
    let served = serving.clone();
    serving.spawn("server", OnError::Shutdown, async move {
        net::serve(routes, listen, certificate.as_ref(), &served).await
    });
    follow_readiness(&consensus, readiness, &shutdown);
    let addresses = serde_json::json!({ "grpc": address, "ops": ops_address, "aws": aws_address });
    write_ready_file(config.ready_file.as_deref(), &addresses)?;
    let entered = tokio::select! {
        biased;
        // Cancel-safe: the token stays cancelled.
        () = shutdown.token().cancelled() => Ok(()),
        // Not cancel-safe, and need not be: the process ends.
        entered = enter(config, identity, &consensus, (&clock, &entropy)) => entered,
    };
    if entered.is_ok() {
        parts.start(&consensus, &shutdown);
        shutdown.wait_for_signal().await;
    }
    // Calls that are under way wait for consensus, so they end before it does.
    end_within(SERVING_DRAIN, &serving).await;
    consensus.stop().await;
    end_within(DRAIN, &shutdown).await;
    entered
}

async fn end_within(time: Duration, scope: &Shutdown) {
    if let Err(error) = scope.drain(time).await {
        tracing::warn!(%error, "not everything ended in time");
    }
}

/// How webhooks are asked.
fn web(ca: Option<&Path>) -> Result<Web, Error> {
    let failed = |source| Error::WebhookCa { path: ca.map(Path::to_owned).unwrap_or_default(), source };
    let extra = ca.map(std::fs::read_to_string).transpose().map_err(failed)?;
    Web::new(extra.as_deref()).map_err(|error| failed(error.into()))
}

/// The parts of a controller around its consensus.
struct Assembled {
    routes: Routes,
    aws: Routes,
    sessions: Sessions,
    leases: Leases,
    context: Context,
    web: Web,
    current: leader::Current,
    usage: Usage,
    disk: Option<Disk>,
    archive: Quorum,
}

// === impl Assembled ===

impl Assembled {
    fn new(
        config: &Config,
        identity: &ClusterIdentity,
        consensus: &Consensus,
        (clock, entropy): (Clock, Entropy),
        disk: Option<Disk>,
        shutdown: &Shutdown,
        registry: &mut Registry,
    ) -> Result<Self, Error> {
        let proposer = consensus.proposer();
        let addressing = config.addressing().unwrap_or(Addressing::DEFAULT);
        let parts = (clock.clone(), entropy.clone());
        let sessions = Sessions::new(consensus.clone(), addressing, parts, shutdown.child());
        let leases = Leases::default();
        let current: leader::Current = Arc::new(watch::channel(None).0);
        let reconciling =
            Arc::new(Reconciling { current: Arc::clone(&current), consensus: consensus.clone() });
        let archive = Quorum::new(consensus.clone(), disk.clone(), shutdown.child());
        let store = Store { consensus: consensus.clone(), proposer: proposer.clone() };
        let parts = api::Parts {
            consensus: Arc::new(store),
            membership: Arc::new(Members(consensus.clone())),
            reconcilers: Arc::clone(&reconciling) as Arc<dyn api::Reconcilers>,
            logs: Arc::new(LogStreams { sessions: sessions.clone(), consensus: consensus.clone() }),
            archive: Arc::new(archive.clone()),
            conduits: Arc::new(Ways { sessions: sessions.clone(), consensus: consensus.clone() }),
            usage: Arc::new(Usages { sessions: sessions.clone(), consensus: consensus.clone() }),
            clock: clock.clone(),
            entropy: entropy.clone(),
            policy: config.policy(),
            calls_per_key: config.calls_per_key,
            regions: Regions::new(&identity.region, &config.regions),
            shutdown: shutdown.child(),
        };
        let api = Api::new(parts, identity, registry)?;
        let door = PeerDoor {
            sessions: sessions.clone(),
            channels: api.sessions(),
            leases: leases.clone(),
            reconciling,
            archive: archive.clone(),
        };
        let others = Routes::new(PeerService::server(consensus.clone(), Arc::new(door)))
            .add_service(AgentsServer::new(sessions.clone()));
        let routes = api.routes(others)?;
        let transport = if config.aws_tls { Transport::Tls } else { Transport::Plain };
        let aws = Endpoint::new(
            &api,
            routes.clone(),
            (clock.clone(), entropy.clone()),
            transport,
            shutdown.child(),
        );
        let aws = aws.into_routes();
        metrics::register(registry, &sessions, consensus.feed(), disk.clone());
        let (feed, silent) = (consensus.feed().clone(), leases.clone());
        let context = Context {
            view: Arc::new(move || feed.view()),
            proposer,
            clock,
            entropy,
            policy: config.policy(),
            liveness: Arc::new(move |view| {
                // The state of the deployment's own region has the others in it.
                if view.region().is_none() {
                    silent.forget_unknown(view);
                }
                (silent.silent(view, VOUCHED_WINDOW), silent.returned(view, VOUCHED_WINDOW))
            }),
        };
        let web = web(config.webhook_ca.as_deref())?;
        Ok(Self { routes, aws, sessions, leases, context, web, current, usage: api.usage(), disk, archive })
    }

    /// Starts what only makes sense for a controller that takes part.
    fn start(self, consensus: &Consensus, shutdown: &Shutdown) {
        let until = |name, future: futures::future::BoxFuture<'static, ()>| {
            let token = shutdown.token().clone();
            shutdown.spawn(name, OnError::Shutdown, async move {
                token.run_until_cancelled_owned(future).await;
                Ok::<(), std::convert::Infallible>(())
            });
        };
        until("manifests", Box::pin(self.sessions.clone().follow(consensus.feed().clone())));
        until("task network", Box::pin(self.sessions.clone().follow_network(consensus.feed().clone())));
        until("liveness", Box::pin(session::liveness::report(self.sessions, self.leases.clone())));
        if let Some(disk) = self.disk {
            let (archive, entropy) = (self.archive, self.context.entropy.clone());
            until("log copies", Box::pin(archive::fill(disk.clone(), archive, entropy)));
            let sweep = archive::sweep(disk, consensus.clone(), self.context.clock.clone());
            until("log sweep", Box::pin(sweep));
        }
        until("key use", Box::pin(note_key_use(self.usage, self.context.proposer.clone())));
        let leases = self.leases;
        let begin = move || leases.reset();
        let lead =
            leader::run(consensus.clone(), self.context, begin, self.web, self.current, shutdown.clone());
        until("leader", Box::pin(lead));
    }
}

/// Writes down when keys were last used. What cannot be written now is told again when it is used again.
async fn note_key_use(usage: Usage, proposer: Proposer) {
    loop {
        tokio::time::sleep(KEY_USE_PERIOD).await;
        let news = usage.take_news();
        if news.is_empty() {
            continue;
        }
        if let Err(error) = proposer.propose(Command::NoteKeyUse(news)).await {
            tracing::debug!(%error, "the last use of keys was not recorded");
        }
    }
}

/// Begins a cluster or joins one, unless this controller is in one.
async fn enter(
    config: &Config,
    identity: &ClusterIdentity,
    consensus: &Consensus,
    (clock, entropy): (&Clock, &Entropy),
) -> Result<(), Error> {
    if config.bootstrap {
        consensus.bootstrap().await.map_err(Error::Bootstrap)?;
        return give_birth(identity, consensus, clock, entropy).await;
    }
    if !config.join.is_empty() {
        let members = consensus.join(&config.join).await;
        tracing::info!(controllers = members.len(), "this controller takes part");
    }
    Ok(())
}

/// Writes what a new cluster is born with, unless the cluster has it. Waits for a majority as long as it takes: the flag
/// may still be set when a cluster that is years old starts again, one controller at a time.
async fn give_birth(
    identity: &ClusterIdentity,
    consensus: &Consensus,
    clock: &Clock,
    entropy: &Entropy,
) -> Result<(), Error> {
    loop {
        let failure = match consensus.linearize().await {
            Ok(view) if view.cluster_id() == identity.cluster_id => return Ok(()),
            Ok(view) => match be_born(&view, identity, consensus, clock, entropy).await {
                Ok(()) => return Ok(()),
                // Known to be refused: trying again changes nothing.
                Err(Error::Birth(refused @ (ProposeError::Rejected(_) | ProposeError::TooLarge { .. }))) => {
                    return Err(Error::Birth(refused));
                }
                Err(Error::Birth(failure)) => failure.to_string(),
                Err(other) => return Err(other),
            },
            Err(ReadError::Stopping) => return Ok(()),
            Err(failure) => failure.to_string(),
        };
        tracing::info!(reason = failure, "waiting for a majority of the controllers");
        tokio::time::sleep(BIRTH_PAUSE).await;
    }
}

/// Identity and keys come last: a cluster that has them has everything.
async fn be_born(
    view: &View,
    identity: &ClusterIdentity,
    consensus: &Consensus,
    clock: &Clock,
    entropy: &Entropy,
) -> Result<(), Error> {
    let now = Timestamp::from_unix_ms(clock.unix_ms());
    let bootstrap = bootstrap(identity, now, entropy)?;
    let proposer = consensus.proposer();
    if let Some(create) = default_cluster(view, now) {
        proposer.propose(create).await.map_err(Error::Birth)?;
    }
    proposer.propose(Command::Bootstrap(bootstrap)).await.map_err(Error::Birth)?;
    Ok(())
}

/// Makes the cluster that is meant when none is named, as anybody's call would.
fn default_cluster(view: &View, now: Timestamp) -> Option<Command> {
    let admission = Admission { now, ids: Ids::from_seed(0), principal: String::new(), traceparent: None };
    let (name, create) = cluster::create(&CreateClusterRequest::default(), view, &admission).ok()?;
    view.cluster(&name).is_none().then_some(create)
}

fn bootstrap(identity: &ClusterIdentity, now: Timestamp, entropy: &Entropy) -> Result<Bootstrap, Error> {
    let sealing_key = SealingKey::from_hex(&identity.sealing_key_hex)?;
    let key = |key: &identity::AccessKey, role| AccessKey {
        id: key.access_key_id.clone(),
        sealed_secret: sealing_key.seal(&key.access_key_id, &key.secret_access_key, entropy),
        role,
        created_at: now,
        status: KeyStatus::Active,
        last_used_at: None,
        description: String::new(),
    };
    Ok(Bootstrap {
        cluster_id: identity.cluster_id.clone(),
        scope: Scope {
            partition: identity.partition.clone(),
            region: identity.region.clone(),
            account: identity.account.clone(),
        },
        keys: vec![
            key(&identity.admin_key, Role::Admin),
            key(&identity.agent_key, Role::Agent),
            key(&identity.peer_key, Role::Peer),
        ],
    })
}

/// Ready while there is a leader to pass writes to.
fn follow_readiness(consensus: &Consensus, readiness: Readiness, shutdown: &Shutdown) {
    let (mut leadership, token) = (consensus.leadership(), shutdown.token().clone());
    shutdown.spawn("readiness", OnError::Shutdown, async move {
        let follow = async {
            loop {
                let leader = leadership.borrow_and_update().leader.as_ref().map(|leader| leader.id);
                match leader {
                    Some(leader) => readiness.set_ready(true, format!("controller {leader} leads")),
                    None => readiness.set_ready(false, "no controller leads"),
                }
                if leadership.changed().await.is_err() {
                    break;
                }
            }
        };
        token.run_until_cancelled(follow).await;
        Ok::<(), std::convert::Infallible>(())
    });
}

fn serve_ops(listen: net::TcpListen, registry: Registry, readiness: Readiness, shutdown: &Shutdown) {
    let serving = shutdown.clone();
    shutdown.spawn("ops", OnError::Shutdown, async move {
        ops::serve(listen, registry, readiness, &serving).await
    });
}

fn serve_aws(
    listen: net::TcpListen,
    routes: Routes,
    certificate: Option<tls::Certificate>,
    shutdown: &Shutdown,
) {
    let serving = shutdown.clone();
    shutdown.spawn("aws", OnError::Shutdown, async move {
        net::serve_as(Protocol::Http1, routes, listen, certificate.as_ref(), &serving).await
    });
}

fn local_address(listen: &impl Listen, flag: &str) -> Result<String, Error> {
    let address = listen.local_addr().map_err(|source| listen_error(flag, source))?;
    Ok(address.to_string())
}

fn listen_error(address: impl ToString, source: io::Error) -> Error {
    Error::Listen { address: address.to_string(), source }
}

/// Says where this controller is reached, in a file that appears whole or not at all.
fn write_ready_file(path: Option<&Path>, addresses: &serde_json::Value) -> Result<(), Error> {
    let Some(path) = path else { return Ok(()) };
    let failed = |source| Error::ReadyFile { path: path.to_owned(), source };
    let draft = path.with_extension("tmp");
    std::fs::write(&draft, addresses.to_string()).map_err(failed)?;
    std::fs::rename(&draft, path).map_err(failed)
}
