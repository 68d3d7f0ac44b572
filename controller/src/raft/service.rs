//! What other controllers call here.
//!
//! Only the controllers' own key opens this door. A message says which controller it is for, and another one refuses
//! it: after an address changed hands, nobody answers for somebody else.

use std::pin::Pin;
use std::sync::Arc;

use berth_process::token;
use berth_proto::admin::v1::{
    ListControllersRequest, ListControllersResponse, ListReconcilersRequest, ListReconcilersResponse,
    Reconciler, RemoveControllerRequest, RemoveControllerResponse,
};
use berth_proto::agent::v1::{ConduitInput, LogChunk, OpenLogs, ReadUsage, Usage};
use berth_proto::peer::v1::open_conduit_request::Message;
use berth_proto::peer::v1::peers_server::{Peers, PeersServer};
use berth_proto::peer::v1::{
    CopyLogsRequest, CopyLogsResponse, EndConduitRequest, EndConduitResponse, HasSessionRequest,
    HasSessionResponse, JoinRequest, JoinResponse, ListLogStreamsRequest, ListLogStreamsResponse,
    OpenConduitRequest, OpenConduitStart, ProposeRequest, ProposeResponse, RaftMessage, ReadIndexRequest,
    ReadIndexResponse, ReadLogEventsRequest, ReadLogEventsResponse, ReportSessionsRequest,
    ReportSessionsResponse, StoreLogsRequest, StoreLogsResponse,
};
use bytes::Bytes;
use futures::Stream;
use futures::future::{join_all, ready};
use futures::stream::{BoxStream, StreamExt};
use openraft::raft::InstallSnapshotRequest;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tonic::{Request, Response, Status, Streaming};

use super::ControllerId;
use super::consensus::{Consensus, ReadError};
use super::membership::MembershipError;
use super::network::{SnapshotChunk, decode, encode};
use super::peers::{FOR, NOT_PROPOSED};
use super::submit::{Answer, Refusal};
use crate::conduit::Outputs;
use crate::limits::{FORWARD_COMMANDS, PEER_MESSAGE_BYTES, PROPOSAL_BYTES};

/// A stream of log chunks.
pub type LogStream = Pin<Box<dyn Stream<Item = Result<LogChunk, Status>> + Send>>;

/// What other controllers want of the agents' sessions: on the leader who is alive, elsewhere a task's logs.
#[tonic::async_trait]
pub trait Sessions: Send + Sync + 'static {
    /// A controller tells which instances have a live session with it.
    async fn report(
        &self,
        controller: ControllerId,
        container_instance_ids: Vec<String>,
    ) -> Result<(), Status>;

    /// Log bytes of a task whose agent has its session here.
    async fn read_logs(&self, request: OpenLogs) -> Result<LogStream, Status>;

    /// Whether the agent of an instance has its session here.
    fn has_session(&self, _container_instance_id: &str) -> bool {
        false
    }

    /// Opens a conduit to an agent that has its session here.
    fn open_conduit(
        &self,
        _start: OpenConduitStart,
        _inputs: BoxStream<'static, ConduitInput>,
    ) -> Result<Outputs, Status> {
        Err(Status::unavailable("no agents are connected here"))
    }

    /// Ends a conduit that goes through here; whether there was one.
    fn end_conduit(&self, _request_id: &str) -> bool {
        false
    }

    /// What a task uses whose agent has its session here.
    async fn read_usage(&self, _question: ReadUsage) -> Result<Usage, Status> {
        Err(Status::unavailable("no agent has its session here"))
    }

    /// What the reconcilers here last did; refused when this controller does not lead.
    async fn list_reconcilers(&self) -> Result<Vec<Reconciler>, Status> {
        Err(Status::unavailable("no reconcilers run here"))
    }

    /// Keeps log events on the disk here.
    async fn store_logs(&self, _: StoreLogsRequest) -> Result<(), Status> {
        Err(Status::unavailable("no logs are kept here"))
    }

    /// Log events that are on the disk here.
    async fn read_log_events(&self, _: ReadLogEventsRequest) -> Result<ReadLogEventsResponse, Status> {
        Err(Status::unavailable("no logs are kept here"))
    }

    /// Log streams that are known here.
    async fn list_log_streams(&self, _: ListLogStreamsRequest) -> Result<ListLogStreamsResponse, Status> {
        Err(Status::unavailable("no logs are kept here"))
    }

    /// A part of all logs that are on the disk here.
    async fn copy_logs(&self, _: CopyLogsRequest) -> Result<CopyLogsResponse, Status> {
        Err(Status::unavailable("no logs are kept here"))
    }
}

/// The `Peers` service.
pub struct PeerService {
    consensus: Consensus,
    sessions: Arc<dyn Sessions>,
}

// === impl PeerService ===

impl PeerService {
    /// The service, with its bounds, ready to be added to the routes.
    pub fn server(consensus: Consensus, sessions: Arc<dyn Sessions>) -> PeersServer<Self> {
        PeersServer::new(Self { consensus, sessions })
            .max_decoding_message_size(PEER_MESSAGE_BYTES)
            .max_encoding_message_size(PEER_MESSAGE_BYTES)
    }

    /// The message of a request from a controller to this one.
    fn open<T>(&self, request: Request<T>) -> Result<T, Status> {
        self.authenticate(&request)?;
        if let Some(meant) = request.metadata().get(FOR)
            && meant.as_bytes() != self.consensus.id().to_string().as_bytes()
        {
            return Err(not_proposed(Status::failed_precondition("this is another controller")));
        }
        Ok(request.into_inner())
    }

    fn authenticate<T>(&self, request: &Request<T>) -> Result<(), Status> {
        let (key, now_unix_ms) = (self.consensus.peer_key(), self.consensus.clock().unix_ms());
        let token = token::bearer(request.metadata()).map_err(|error| unauthenticated(&error))?;
        let claims = token::verify(token, &key.secret_access_key, now_unix_ms)
            .map_err(|error| unauthenticated(&error))?;
        if claims.access_key_id == key.access_key_id {
            Ok(())
        } else {
            Err(unauthenticated(&token::Error::Signature))
        }
    }

    async fn submit(&self, envelope: Bytes) -> Answer {
        let submitter = self.consensus.submitter();
        let admitted = submitter.admit().ok_or(Refusal::Overloaded)?;
        submitter.submit(envelope, admitted).await
    }

    /// Refuses what only the leader may do.
    fn lead(&self) -> Result<(), Status> {
        if self.consensus.leadership().borrow().is_led_by(self.consensus.id()) {
            Ok(())
        } else {
            Err(not_proposed(Status::failed_precondition("this controller does not lead")))
        }
    }
}

#[tonic::async_trait]
impl Peers for PeerService {
    async fn append_entries(&self, request: Request<RaftMessage>) -> Result<Response<RaftMessage>, Status> {
        let message = payload(&self.open(request)?)?;
        Ok(answer(&self.consensus.raft().append_entries(message).await))
    }

    async fn vote(&self, request: Request<RaftMessage>) -> Result<Response<RaftMessage>, Status> {
        let message = payload(&self.open(request)?)?;
        Ok(answer(&self.consensus.raft().vote(message).await))
    }

    async fn install_snapshot(&self, request: Request<RaftMessage>) -> Result<Response<RaftMessage>, Status> {
        let chunk: SnapshotChunk = payload(&self.open(request)?)?;
        let message = InstallSnapshotRequest::from(chunk);
        Ok(answer(&self.consensus.raft().install_snapshot(message).await))
    }

    /// Only the leader takes proposals: passing them on again could go in circles.
    async fn propose(&self, request: Request<ProposeRequest>) -> Result<Response<ProposeResponse>, Status> {
        let envelopes = self.open(request)?.envelope;
        self.lead()?;
        let envelopes: Vec<Bytes> = decode(&envelopes).map_err(|error| not_proposed(malformed(&error)))?;
        let bytes: usize = envelopes.iter().map(Bytes::len).sum();
        if bytes > PROPOSAL_BYTES || envelopes.len() > FORWARD_COMMANDS {
            return Err(not_proposed(Status::invalid_argument("too much is proposed at once")));
        }
        let answers = join_all(envelopes.into_iter().map(|envelope| self.submit(envelope))).await;
        Ok(Response::new(ProposeResponse { reply: encode(&answers) }))
    }

    async fn read_index(
        &self,
        request: Request<ReadIndexRequest>,
    ) -> Result<Response<ReadIndexResponse>, Status> {
        self.open(request)?;
        self.lead()?;
        let deadline = Instant::now() + self.consensus.config().silence_max();
        let index = self.consensus.read_revision(deadline).await.map_err(|error| match error {
            ReadError::Overloaded => Status::resource_exhausted(error.to_string()),
            ReadError::NoLeader(_) | ReadError::Behind(_) | ReadError::Stopping => {
                Status::unavailable(error.to_string())
            }
        })?;
        Ok(Response::new(ReadIndexResponse { index }))
    }

    async fn report_sessions(
        &self,
        request: Request<ReportSessionsRequest>,
    ) -> Result<Response<ReportSessionsResponse>, Status> {
        let message = self.open(request)?;
        self.sessions.report(message.controller_id.into(), message.container_instance_ids).await?;
        Ok(Response::new(ReportSessionsResponse {}))
    }

    async fn join(&self, request: Request<JoinRequest>) -> Result<Response<JoinResponse>, Status> {
        // What was passed on says whom it is for; that one must not pass it on again.
        let is_passed_on = request.metadata().contains_key(FOR);
        let message = self.open(request)?;
        if message.controller_id == 0 || !message.address.contains(':') {
            return Err(Status::invalid_argument(
                "a controller joins with an id and an address as host:port",
            ));
        }
        if !is_passed_on && self.lead().is_err() {
            return self.consensus.pass_on_join(message).await.map(Response::new);
        }
        let members = self.consensus.admit(message.controller_id.into(), &message.address).await;
        let members = members.map_err(|error| match error {
            MembershipError::NotLeader => Status::failed_precondition(error.to_string()),
            error => Status::unavailable(error.to_string()),
        })?;
        Ok(Response::new(JoinResponse { members: members.into_iter().map(Into::into).collect() }))
    }

    type ReadLogsStream = LogStream;

    async fn read_logs(&self, request: Request<OpenLogs>) -> Result<Response<LogStream>, Status> {
        let message = self.open(request)?;
        self.sessions.read_logs(message).await.map(Response::new)
    }

    async fn has_session(
        &self,
        request: Request<HasSessionRequest>,
    ) -> Result<Response<HasSessionResponse>, Status> {
        let id = self.open(request)?.container_instance_id;
        Ok(Response::new(HasSessionResponse { has_session: self.sessions.has_session(&id) }))
    }

    type OpenConduitStream = Outputs;

    async fn open_conduit(
        &self,
        request: Request<Streaming<OpenConduitRequest>>,
    ) -> Result<Response<Outputs>, Status> {
        let mut requests = self.open(request)?;
        let first = requests.message().await?.and_then(|first| first.message);
        let Some(Message::Start(start)) = first else {
            return Err(Status::invalid_argument("the first message says which conduit"));
        };
        let inputs = requests.take_while(|request| ready(request.is_ok())).filter_map(|request| async {
            match request.ok()?.message {
                Some(Message::Input(input)) => Some(input),
                Some(Message::Start(_)) | None => None,
            }
        });
        self.sessions.open_conduit(start, inputs.boxed()).map(Response::new)
    }

    async fn end_conduit(
        &self,
        request: Request<EndConduitRequest>,
    ) -> Result<Response<EndConduitResponse>, Status> {
        let id = self.open(request)?.request_id;
        Ok(Response::new(EndConduitResponse { ended: self.sessions.end_conduit(&id) }))
    }

    async fn read_usage(&self, request: Request<ReadUsage>) -> Result<Response<Usage>, Status> {
        let question = self.open(request)?;
        self.sessions.read_usage(question).await.map(Response::new)
    }

    async fn remove_controller(
        &self,
        request: Request<RemoveControllerRequest>,
    ) -> Result<Response<RemoveControllerResponse>, Status> {
        let id = self.open(request)?.controller_id;
        let id = id.parse().map_err(|_| Status::invalid_argument(format!("{id} is not a controller id")))?;
        match self.consensus.remove(id).await {
            Ok(()) => Ok(Response::new(RemoveControllerResponse {})),
            Err(error @ MembershipError::Unknown(_)) => Err(Status::not_found(error.to_string())),
            Err(error @ MembershipError::NoMajority { .. }) => {
                Err(Status::failed_precondition(error.to_string()))
            }
            Err(error) => Err(Status::unavailable(error.to_string())),
        }
    }

    async fn list_controllers(
        &self,
        request: Request<ListControllersRequest>,
    ) -> Result<Response<ListControllersResponse>, Status> {
        self.open(request)?;
        let controllers = self.consensus.members().into_iter().map(Into::into).collect();
        Ok(Response::new(ListControllersResponse { controllers }))
    }

    async fn list_reconcilers(
        &self,
        request: Request<ListReconcilersRequest>,
    ) -> Result<Response<ListReconcilersResponse>, Status> {
        self.open(request)?;
        let reconcilers = self.sessions.list_reconcilers().await?;
        Ok(Response::new(ListReconcilersResponse { reconcilers }))
    }

    async fn store_logs(
        &self,
        request: Request<StoreLogsRequest>,
    ) -> Result<Response<StoreLogsResponse>, Status> {
        let message = self.open(request)?;
        self.sessions.store_logs(message).await?;
        Ok(Response::new(StoreLogsResponse {}))
    }

    async fn read_log_events(
        &self,
        request: Request<ReadLogEventsRequest>,
    ) -> Result<Response<ReadLogEventsResponse>, Status> {
        let message = self.open(request)?;
        self.sessions.read_log_events(message).await.map(Response::new)
    }

    async fn list_log_streams(
        &self,
        request: Request<ListLogStreamsRequest>,
    ) -> Result<Response<ListLogStreamsResponse>, Status> {
        let message = self.open(request)?;
        self.sessions.list_log_streams(message).await.map(Response::new)
    }

    async fn copy_logs(
        &self,
        request: Request<CopyLogsRequest>,
    ) -> Result<Response<CopyLogsResponse>, Status> {
        let message = self.open(request)?;
        self.sessions.copy_logs(message).await.map(Response::new)
    }
}

fn payload<T: DeserializeOwned>(message: &RaftMessage) -> Result<T, Status> {
    decode(&message.payload)
        .map_err(|error| Status::invalid_argument(format!("the message cannot be read: {error}")))
}

fn answer(payload: &impl Serialize) -> Response<RaftMessage> {
    Response::new(RaftMessage { payload: encode(payload) })
}

fn malformed(error: &rmp_serde::decode::Error) -> Status {
    Status::invalid_argument(format!("the message cannot be read: {error}"))
}

/// Tells the proposer that it may propose again.
fn not_proposed(mut status: Status) -> Status {
    status.metadata_mut().insert(NOT_PROPOSED, "1".parse().expect("a digit is ASCII"));
    status
}

fn unauthenticated(error: &token::Error) -> Status {
    Status::unauthenticated(error.to_string())
}
