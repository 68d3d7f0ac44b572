//! Where the API meets the rest: the traits that handlers see, implemented on consensus, reconcilers and sessions.

use std::sync::Arc;
use std::time::Duration;

use berth_model::command::{Command, Outcome};
use berth_model::id::{InstanceId, Revision};
use berth_model::state::View;
use berth_model::time::Timestamp;
use berth_process::entropy::Entropy;
use berth_process::reconcile::Status as ReconcilerStatus;
use berth_process::shutdown::{OnError, Shutdown};
use berth_proto::admin::v1 as admin;
use berth_proto::agent::v1 as agent;
use berth_proto::peer::v1 as peer;
use futures::stream::{self, BoxStream, StreamExt};
use tokio::sync::{mpsc, watch};
use tonic::{Code, Status, async_trait};

use crate::api::auth::grant::Sessions as Channels;
use crate::api::depends::RemoveError;
use crate::api::{self, Unavailable};
use crate::archive::{self, Disk, Quorum};
use crate::conduit::{self, Outputs};
use crate::config::Config;
use crate::leader::Current;
use crate::limits::CONDUIT_CHUNKS_IN_FLIGHT;
use crate::proposer::Proposer;
use crate::raft::membership::MembershipError;
use crate::raft::service::{LogStream as PeerLogStream, Sessions as PeerSessions};
use crate::raft::{Consensus, ControllerId, Storage};
use crate::session::Sessions;
use crate::session::leases::Leases;
use crate::session::logs::{LogStream, OpenError};
use crate::session::usage::AskError;

mod conduits;

pub(crate) use conduits::Ways;

/// How long another controller may take to say whether it has an agent's session.
const PEER_TIMEOUT: Duration = Duration::from_secs(3);

/// Reads and writes of the API.
pub(crate) struct Store {
    /// Who agrees.
    pub(crate) consensus: Consensus,
    /// The one write door.
    pub(crate) proposer: Proposer,
}

/// Who the controllers are.
pub(crate) struct Members(pub(crate) Consensus);

/// What the reconcilers do, here or on the leader.
pub(crate) struct Reconciling {
    /// Those that run here, if this controller leads.
    pub(crate) current: Current,
    /// To reach the leader otherwise.
    pub(crate) consensus: Consensus,
}

/// What other controllers ask of this one beyond consensus.
pub(crate) struct PeerDoor {
    /// The sessions here.
    pub(crate) sessions: Sessions,
    /// The data channels here.
    pub(crate) channels: Channels,
    /// Who was vouched for.
    pub(crate) leases: Leases,
    /// What the reconcilers do.
    pub(crate) reconciling: Arc<Reconciling>,
    /// The logs.
    pub(crate) archive: Quorum,
}

/// Log streams through the sessions of all controllers.
pub(crate) struct LogStreams {
    /// Those here.
    pub(crate) sessions: Sessions,
    /// To reach the others.
    pub(crate) consensus: Consensus,
}

/// What tasks use, asked through the sessions of all controllers.
pub(crate) struct Usages {
    /// Those here.
    pub(crate) sessions: Sessions,
    /// To reach the others.
    pub(crate) consensus: Consensus,
}

// === impl Store ===

#[async_trait]
impl api::Consensus for Store {
    fn views(&self) -> watch::Receiver<View> {
        self.consensus.feed().views()
    }

    async fn linearized_view(&self) -> Result<View, Unavailable> {
        self.consensus.linearize().await.map_err(unavailable)
    }

    async fn propose(&self, command: Command) -> Result<(Revision, Outcome), api::ProposeError> {
        self.proposer.propose(command).await
    }
}

// === impl Members ===

#[async_trait]
impl api::Membership for Members {
    async fn controllers(&self) -> Result<Vec<admin::Controller>, Unavailable> {
        let leader = self.0.leadership().borrow().leader.clone();
        if let Some(leader) = leader.filter(|leader| leader.id != self.0.id()) {
            let mut leader = self.0.peer_at(&leader.address);
            let answer = leader.list_controllers(admin::ListControllersRequest {});
            if let Ok(Ok(answer)) = tokio::time::timeout(PEER_TIMEOUT, answer).await {
                return Ok(answer.into_inner().controllers);
            }
        }
        // Who leads knows best; who cannot reach the leader says what is known here.
        Ok(self.0.members().into_iter().map(Into::into).collect())
    }

    async fn remove(&self, controller_id: u64) -> Result<(), RemoveError> {
        let id = ControllerId::from(controller_id);
        let leader = self.0.leadership().borrow().leader.clone();
        let leader = leader.ok_or_else(|| Unavailable("no controller leads".into()))?;
        if leader.id == self.0.id() {
            return self.0.remove(id).await.map_err(|error| match error {
                MembershipError::Unknown(_) => RemoveError::Unknown(controller_id),
                MembershipError::NoMajority { .. } => RemoveError::Refused(error.to_string()),
                other => RemoveError::Unavailable(unavailable(other)),
            });
        }
        let request = admin::RemoveControllerRequest { controller_id: id.to_string() };
        let answer = self.0.peer_at(&leader.address).remove_controller(request).await;
        answer.map(drop).map_err(|status| match status.code() {
            Code::NotFound => RemoveError::Unknown(controller_id),
            Code::FailedPrecondition => RemoveError::Refused(status.message().to_owned()),
            _ => RemoveError::Unavailable(unavailable(status.message())),
        })
    }
}

// === impl Reconciling ===

impl Reconciling {
    /// What the reconcilers here last did; none when this controller does not lead.
    fn here(&self) -> Option<Vec<admin::Reconciler>> {
        let current = self.current.borrow();
        current
            .as_ref()
            .map(|running| running.statuses().iter().map(|status| self.render(&status.borrow())).collect())
    }

    fn render(&self, status: &ReconcilerStatus) -> admin::Reconciler {
        let last = status.last.as_ref();
        let ended_ms = last.map(|round| {
            self.consensus.clock().unix_ms()
                - i64::try_from(round.ended.elapsed().as_millis()).unwrap_or(i64::MAX)
        });
        admin::Reconciler {
            name: status.name.to_owned(),
            rounds: status.rounds,
            commands: status.commands,
            last_key: last.map(|round| round.key.clone()).unwrap_or_default(),
            last_reason: last.map(|round| round.reason.clone()).unwrap_or_default(),
            last_run_at: ended_ms.map(|ms| Timestamp::from_unix_ms(ms).to_message()),
            last_duration_us: last
                .map_or(0, |round| u64::try_from(round.duration.as_micros()).unwrap_or(u64::MAX)),
            queued: u32::try_from(status.queue_length).unwrap_or(u32::MAX),
            restless_keys: status.restless.clone(),
        }
    }
}

#[async_trait]
impl api::Reconcilers for Reconciling {
    async fn reconcilers(&self) -> Result<Vec<admin::Reconciler>, Unavailable> {
        if let Some(reconcilers) = self.here() {
            return Ok(reconcilers);
        }
        let leader = self.consensus.leadership().borrow().leader.clone();
        let leader = leader.ok_or_else(|| Unavailable("no controller leads".into()))?;
        let mut leader = self.consensus.peer_at(&leader.address);
        let answer =
            tokio::time::timeout(PEER_TIMEOUT, leader.list_reconcilers(admin::ListReconcilersRequest {}))
                .await;
        match answer {
            Ok(Ok(answer)) => Ok(answer.into_inner().reconcilers),
            Ok(Err(status)) => Err(Unavailable(status.message().to_owned())),
            Err(_elapsed) => Err(Unavailable("the leader does not answer".into())),
        }
    }
}

// === impl PeerDoor ===

#[async_trait]
impl PeerSessions for PeerDoor {
    async fn report(
        &self,
        _controller: ControllerId,
        container_instance_ids: Vec<String>,
    ) -> Result<(), Status> {
        self.leases.vouch(container_instance_ids.iter().filter_map(|id| id.parse().ok()));
        Ok(())
    }

    async fn read_logs(&self, request: agent::OpenLogs) -> Result<PeerLogStream, Status> {
        let task = request.task_id.parse().map_err(|_| Status::invalid_argument("not a task id"))?;
        let view = self.reconciling.consensus.view();
        let task = view.task_anywhere(task).ok_or_else(|| Status::not_found("no such task here"))?;
        let stream = self.sessions.logs().open(task.instance, request);
        stream.map(chunks).map_err(|error| Status::unavailable(error.to_string()))
    }

    fn has_session(&self, container_instance_id: &str) -> bool {
        container_instance_id.parse().is_ok_and(|instance| self.sessions.conduits().reaches(instance))
    }

    fn open_conduit(
        &self,
        start: peer::OpenConduitStart,
        inputs: BoxStream<'static, agent::ConduitInput>,
    ) -> Result<Outputs, Status> {
        let instance = start.container_instance_id.parse();
        let instance = instance.map_err(|_| Status::invalid_argument("not a container instance id"))?;
        let (sender, input) = mpsc::channel(CONDUIT_CHUNKS_IN_FLIGHT);
        let outputs = self.sessions.conduits().open(instance, start.open.unwrap_or_default(), input);
        let outputs = outputs.map_err(|error| Status::unavailable(error.to_string()))?;
        Ok(conduit::join(inputs, sender, outputs, None))
    }

    fn end_conduit(&self, request_id: &str) -> bool {
        let has_channel = self.channels.end(request_id);
        self.sessions.conduits().end(request_id) || has_channel
    }

    async fn read_usage(&self, question: agent::ReadUsage) -> Result<agent::Usage, Status> {
        let task = question.task_id.parse().map_err(|_| Status::invalid_argument("not a task id"))?;
        let view = self.reconciling.consensus.view();
        let instance =
            view.task_anywhere(task).ok_or_else(|| Status::not_found("no such task here"))?.instance;
        let answer = self.sessions.usage().ask(instance, question).await;
        answer.map_err(|error| Status::unavailable(error.to_string()))
    }

    async fn list_reconcilers(&self) -> Result<Vec<admin::Reconciler>, Status> {
        self.reconciling.here().ok_or_else(|| Status::unavailable("this controller does not lead"))
    }

    async fn store_logs(&self, request: peer::StoreLogsRequest) -> Result<(), Status> {
        self.disk()?.store(request).await.map_err(|error| Status::unavailable(error.to_string()))
    }

    async fn read_log_events(
        &self,
        request: peer::ReadLogEventsRequest,
    ) -> Result<peer::ReadLogEventsResponse, Status> {
        self.disk()?.read(request).await.map_err(|error| Status::unavailable(error.to_string()))
    }

    async fn list_log_streams(
        &self,
        request: peer::ListLogStreamsRequest,
    ) -> Result<peer::ListLogStreamsResponse, Status> {
        self.disk()?.streams(request).await.map_err(|error| Status::unavailable(error.to_string()))
    }

    async fn copy_logs(&self, request: peer::CopyLogsRequest) -> Result<peer::CopyLogsResponse, Status> {
        self.disk()?.page(request).await.map_err(|error| Status::unavailable(error.to_string()))
    }
}

impl PeerDoor {
    fn disk(&self) -> Result<&Disk, Status> {
        self.archive.disk().map_err(|error| Status::unavailable(error.0))
    }
}

// === impl LogStreams ===

#[async_trait]
impl api::LogSource for LogStreams {
    async fn open(
        &self,
        instance: InstanceId,
        request: agent::OpenLogs,
    ) -> Result<BoxStream<'static, Result<agent::LogChunk, Status>>, Unavailable> {
        match self.sessions.logs().open(instance, request.clone()) {
            Ok(stream) => return Ok(chunks(stream)),
            Err(error @ OpenError::TooMany) => return Err(unavailable(error)),
            Err(OpenError::NotHere) => {}
        }
        let others = self.consensus.members().into_iter().filter(|member| member.id != self.consensus.id());
        for member in others {
            let mut peer = self.consensus.peer_at(&member.address);
            if let Ok(Ok(stream)) = tokio::time::timeout(PEER_TIMEOUT, peer.read_logs(request.clone())).await
            {
                return Ok(stream.into_inner().boxed());
            }
        }
        Err(Unavailable("the agent that runs the task is connected to no controller".into()))
    }
}

// === impl Usages ===

#[async_trait]
impl api::UsageSource for Usages {
    async fn read(
        &self,
        instance: InstanceId,
        question: agent::ReadUsage,
    ) -> Result<agent::Usage, Unavailable> {
        match self.sessions.usage().ask(instance, question.clone()).await {
            Ok(answer) => return Ok(answer),
            Err(AskError::NotHere) => {}
            Err(error) => return Err(unavailable(error)),
        }
        let others = self.consensus.members().into_iter().filter(|member| member.id != self.consensus.id());
        for member in others {
            let mut peer = self.consensus.peer_at(&member.address);
            if let Ok(Ok(answer)) =
                tokio::time::timeout(PEER_TIMEOUT, peer.read_usage(question.clone())).await
            {
                return Ok(answer.into_inner());
            }
        }
        Err(Unavailable("the agent that runs the task is connected to no controller".into()))
    }
}

/// The chunks of a log stream; dropping it tells the agent to stop.
pub(crate) fn chunks(stream: LogStream) -> BoxStream<'static, Result<agent::LogChunk, Status>> {
    stream::unfold(stream, |mut stream| async {
        let chunk = stream.next().await?.map_err(|ended| Status::unavailable(ended.to_string()));
        Some((chunk, stream))
    })
    .boxed()
}

fn unavailable(error: impl std::fmt::Display) -> Unavailable {
    Unavailable(error.to_string())
}

/// The part of the archive of logs on this controller's disk, and its writer begun. A simulated controller has none.
pub(crate) fn open_archive(
    storage: &Storage,
    config: &Config,
    entropy: &Entropy,
    shutdown: &Shutdown,
) -> Result<Option<Disk>, archive::OpenError> {
    let Storage::Directory(data_dir) = storage else { return Ok(None) };
    let (disk, writer) = Disk::open(data_dir, config.log_archive_mib << 20)?;
    let writing = writer.run(shutdown.token().clone(), entropy.clone());
    shutdown.spawn("log archive", OnError::Shutdown, writing);
    Ok(Some(disk))
}
