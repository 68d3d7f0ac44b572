//! Agent sessions, on every controller.
//!
//! A session takes an agent's hello, gives it its manifest and every change of it, and puts what it reports into the
//! log. It decides nothing: manifests are a function of the local replica, and stops are confirmed only from a state
//! that is proven to be current.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use berth_model::change::Change;
use berth_model::command::{Command, Rejection};
use berth_model::error::ApiError;
use berth_model::id::{InstanceId, Region};
use berth_model::network::Addressing;
use berth_model::state::View;
use berth_model::time::Timestamp;
use berth_model::validate::container_instance::{from_hello, place};
use berth_process::clock::Clock;
use berth_process::entropy::Entropy;
use berth_process::shutdown::{OnError, Shutdown};
use berth_process::token::proof::Proven;
use berth_proto::agent::v1 as pb;
use berth_proto::agent::v1::agents_server::Agents;
use berth_proto::agent::v1::{agent_message, controller_message};
use futures::Stream;
use tokio::sync::{Notify, mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use crate::feed::{Event, Feed};
use crate::limits::{RACES_PER_CALL, SESSION_QUEUE, SESSIONS};
use crate::proposer::{ProposeError, Proposer};
use crate::raft::Consensus;
use crate::region::Chosen;

pub mod conduits;
mod connection;
pub mod leases;
pub mod liveness;
pub mod logs;
mod manifest;
mod network;
mod prefetch;
pub mod registry;
mod reports;
pub mod usage;

use conduits::Conduits;
use connection::{Connection, Place};
use logs::Logs;
use network::Fleet;
use registry::{Entry, Registry};
use usage::Questions;

/// How often agents send a heartbeat. A session that is silent for three of them ends, well before the instance
/// would be declared lost.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(1);

/// How long the first message of a session may take.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

/// The agents of this controller. Cheap to clone.
#[derive(Clone)]
pub struct Sessions {
    consensus: Consensus,
    proposer: Proposer,
    registry: Registry,
    logs: Logs,
    conduits: Conduits,
    addressing: Addressing,
    /// Where tasks with addresses are, as this replica has it.
    fleet: Arc<watch::Sender<Arc<Fleet>>>,
    usage: Questions,
    clock: Clock,
    shutdown: Shutdown,
}

// === impl Sessions ===

impl Sessions {
    /// Sessions that read and propose through `consensus` and live no longer than `shutdown`.
    pub fn new(
        consensus: Consensus,
        addressing: Addressing,
        (clock, entropy): (Clock, Entropy),
        shutdown: Shutdown,
    ) -> Self {
        let proposer = consensus.proposer();
        let registry = Registry::default();
        let conduits = Conduits::new(registry.clone());
        let logs = Logs::new(registry.clone(), entropy.clone());
        let usage = Questions::new(registry.clone(), entropy);
        let fleet = Arc::new(watch::channel(Arc::new(Fleet::new(addressing))).0);
        Self { consensus, proposer, registry, logs, conduits, usage, addressing, fleet, clock, shutdown }
    }

    /// Who is connected here.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Log streams of agents that are connected here.
    pub fn logs(&self) -> &Logs {
        &self.logs
    }

    /// Conduits to agents that are connected here.
    pub fn conduits(&self) -> &Conduits {
        &self.conduits
    }

    /// What tasks use, asked of agents that are connected here.
    pub fn usage(&self) -> &Questions {
        &self.usage
    }

    /// Tells sessions of changed manifests and of images to come, until the feed ends.
    pub async fn follow(self, feed: Feed) {
        let (_view, mut changes) = feed.subscribe();
        let mut told = prefetch::Told::default();
        while let Ok(event) = changes.next().await {
            match event {
                Event::Changed(changes) => {
                    for change in changes.changes.iter() {
                        match change {
                            Change::Manifest(instance) => self.registry.wake(*instance),
                            Change::Service(service) => {
                                let view = self.view(changes.region.as_ref());
                                told.look(&view, service, &self.registry);
                            }
                            _ => {}
                        }
                    }
                }
                // Changes were missed: every session looks for itself.
                Event::Missed { .. } => self.registry.wake_all(),
            }
        }
    }

    /// The newest state of a region.
    fn view(&self, region: Option<&Region>) -> View {
        self.consensus.view().in_region(region)
    }

    /// Registers the instance behind a hello, unless the state says so already.
    async fn register(&self, region: Option<&Region>, hello: &pb::Hello) -> Result<InstanceId, Status> {
        let mut races = 0;
        loop {
            let whole = self.view(None);
            let view = whole.in_region(region);
            let now = Timestamp::from_unix_ms(self.clock.unix_ms());
            let refuse = |error: ApiError| Status::failed_precondition(error.message);
            let place = place(hello, &whole, &self.addressing).map_err(refuse)?;
            let (id, command) = from_hello(hello, place, &view, now).map_err(refuse)?;
            if is_known(&view, &command) {
                return Ok(id);
            }
            match self.proposer.propose(view.addressed(command)).await {
                Ok(_) => return Ok(id),
                // Another instance was faster with the same addresses: there are others.
                Err(ProposeError::Rejected(Rejection::AddressesTaken { .. })) if races < RACES_PER_CALL => {
                    races += 1;
                }
                Err(error) => return Err(unrecorded(error)),
            }
        }
    }

    async fn open(
        &self,
        region: Option<Region>,
        proven: Proven,
        mut inbound: Streaming<pb::AgentMessage>,
    ) -> Result<Outbound, Status> {
        if self.registry.len() >= SESSIONS {
            return Err(Status::resource_exhausted(format!(
                "this controller holds {SESSIONS} sessions; try another"
            )));
        }
        if self.consensus.leadership().borrow().leader.is_none() {
            return Err(Status::unavailable("this controller knows no leader; try another"));
        }
        let hello = first_message(&mut inbound).await?;
        proven.check(&hello.container_instance_id)?;
        let id = self.register(region.as_ref(), &hello).await?;
        let (outbound, queue) = mpsc::channel(SESSION_QUEUE);
        let end = self.shutdown.token().child_token();
        let manifest_changed = Arc::new(Notify::new());
        let entry = Entry {
            end: end.clone(),
            manifest_changed: Arc::clone(&manifest_changed),
            outbound: outbound.clone(),
        };
        self.registry.insert(id, entry);
        let place = Place { region, instance: id };
        let connection = Connection::new(self.clone(), place, end.clone(), manifest_changed, outbound);
        let sessions = self.clone();
        self.shutdown.spawn("agent session", OnError::Log, async move {
            let reason = connection.run(inbound, hello).await;
            end.cancel();
            tracing::info!(container_instance = %id, reason, "an agent's session ended");
            sessions.registry.remove(id, &end);
            Ok::<(), std::convert::Infallible>(())
        });
        Ok(Box::pin(futures::StreamExt::map(ReceiverStream::new(queue), Ok)))
    }
}

type Outbound = Pin<Box<dyn Stream<Item = Result<pb::ControllerMessage, Status>> + Send>>;

#[tonic::async_trait]
impl Agents for Sessions {
    type SessionStream = Outbound;
    type PushConduitStream = Pin<Box<dyn Stream<Item = Result<pb::ConduitInput, Status>> + Send>>;

    async fn session(
        &self,
        request: Request<Streaming<pb::AgentMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let region = Chosen::of(request.extensions()).cloned();
        let proven = Proven::of(request.metadata());
        self.open(region, proven, request.into_inner()).await.map(Response::new)
    }

    async fn push_logs(
        &self,
        request: Request<Streaming<pb::LogChunk>>,
    ) -> Result<Response<pb::PushLogsResponse>, Status> {
        self.logs.receive(request.into_inner()).await?;
        Ok(Response::new(pb::PushLogsResponse {}))
    }

    async fn push_conduit(
        &self,
        request: Request<Streaming<pb::ConduitOutput>>,
    ) -> Result<Response<Self::PushConduitStream>, Status> {
        let (input, pass_on) = self.conduits.attach(request.into_inner()).await?;
        let token = self.shutdown.token().clone();
        self.shutdown.spawn("conduit", OnError::Log, async move {
            token.run_until_cancelled(pass_on).await;
            Ok::<(), std::convert::Infallible>(())
        });
        Ok(Response::new(Box::pin(futures::StreamExt::map(ReceiverStream::new(input), Ok))))
    }
}

async fn first_message(inbound: &mut Streaming<pb::AgentMessage>) -> Result<pb::Hello, Status> {
    let first = tokio::time::timeout(HELLO_TIMEOUT, inbound.message())
        .await
        .map_err(|_| Status::deadline_exceeded("a session begins with a hello, and none came"))??;
    match first.and_then(|message| message.message) {
        Some(agent_message::Message::Hello(hello)) => Ok(hello),
        _ => Err(Status::invalid_argument("a session begins with a hello")),
    }
}

/// Whether a registration would change nothing.
fn is_known(view: &View, command: &Command) -> bool {
    let Command::RegisterInstance(offer) = command else { return false };
    view.instance(offer.id).is_some_and(|known| {
        known.connected
            && known.cluster == offer.cluster
            && known.status != berth_model::container_instance::InstanceStatus::Inactive
            && known.capacity == offer.capacity
            && known.attributes == offer.attributes
            && known.spec == offer.spec
            && known.network == offer.network
    })
}

/// Why an agent could not be registered. It tries again, here or at another controller.
fn unrecorded(error: ProposeError) -> Status {
    match error {
        ProposeError::Rejected(rejection) => Status::failed_precondition(rejection.to_string()),
        ProposeError::Unknown
        | ProposeError::NoLeader
        | ProposeError::Overloaded
        | ProposeError::TooLarge { .. } => Status::unavailable(error.to_string()),
    }
}
